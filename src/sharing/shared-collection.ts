import { createHash } from "node:crypto";
import type { IndexCondition } from "../ical/filter-plan.ts";
import { laidOver, withoutPersonal } from "../ical/personal.ts";
import type { ETag, SyncToken, TimeRange } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import type {
  BusyPage,
  Changes,
  Collection,
  CollectionChange,
  CollectionInfo,
  CollectionRef,
  Content,
  ObjectEntry,
  OpenContent,
  PropertyEdits,
  Staged,
} from "../store/contract.ts";
import { type Element, type QName, textOf } from "../xml/element.ts";
import { type Invitation, sharedType } from "./invitations.ts";
import { baseName, linkProperties, personalProperties, publishedName } from "./names.ts";

/** Between the owner's token and the link's. */
const separator = "+";

/** Somebody's calendar as one of its sharees has it: the owner's files and rows, the sharee's own properties and alarms. An object
 *  that the sharee has made something of carries an ETag of its own. `ref` is the owner's: quota, locks and scheduling are his. */
export class SharedCollection implements Collection {
  readonly ref: CollectionRef;
  readonly kind = "calendar";
  /** The owner's collection. */
  readonly base: Collection;
  /** The sharee's directory: what is his own. */
  readonly link: Collection;
  readonly invitation: Invitation;
  #own: Promise<ReadonlyMap<string, ETag> | undefined> | undefined;

  constructor(base: Collection, link: Collection, invitation: Invitation) {
    this.ref = base.ref;
    this.base = base;
    this.link = link;
    this.invitation = invitation;
  }

  get sharee(): Principal {
    return this.link.ref.owner;
  }

  async info(): Promise<CollectionInfo> {
    const [theirs, own] = await Promise.all([this.base.info(), this.link.info()]);
    return {
      ...theirs,
      syncToken: joined(theirs.syncToken, own.syncToken),
      // Both only grow.
      properties: theirs.properties + own.properties,
    };
  }

  /** ETags of the sharee's own texts by name; undefined when there is none. */
  #ownTags(): Promise<ReadonlyMap<string, ETag> | undefined> {
    this.#own ??= (async () => {
      if ((await this.link.info()).objects === 0) return undefined;
      const tags = new Map<string, ETag>();
      for await (const page of this.link.entries()) for (const { name, etag } of page) tags.set(name, etag);
      return tags;
    })();
    return this.#own;
  }

  /** As `#ownTags`, of one object. */
  async #ownTag(name: string): Promise<ETag | undefined> {
    if ((await this.link.info()).objects === 0) return undefined;
    return (await this.link.entry(name))?.etag;
  }

  async entry(name: string): Promise<ObjectEntry | undefined> {
    const [entry, own] = await Promise.all([this.base.entry(name), this.#ownTag(name)]);
    return entry && (own === undefined ? entry : { ...entry, etag: combined(entry.etag, own) });
  }

  async entriesNamed(names: readonly string[]): Promise<readonly (ObjectEntry | undefined)[]> {
    const [entries, tags] = await Promise.all([this.base.entriesNamed(names), this.#ownTags()]);
    return tags === undefined ? entries : entries.map((entry) => entry && tagged(entry, tags));
  }

  async entriesAfter(name: string, limit: number): Promise<readonly ObjectEntry[]> {
    const [entries, tags] = await Promise.all([this.base.entriesAfter(name, limit), this.#ownTags()]);
    return entries.map((entry) => tagged(entry, tags));
  }

  entries(): AsyncIterable<readonly ObjectEntry[]> {
    return this.#tagged(this.base.entries());
  }

  search(condition: IndexCondition): AsyncIterable<readonly ObjectEntry[]> {
    return this.#tagged(this.base.search(condition));
  }

  async *#tagged(pages: AsyncIterable<readonly ObjectEntry[]>): AsyncGenerator<readonly ObjectEntry[]> {
    const tags = await this.#ownTags();
    for await (const page of pages) yield tags === undefined ? page : page.map((entry) => tagged(entry, tags));
  }

  /** The index knows the owner's transparency. What the sharee has a text of his own for is to be asked of that. */
  async *busy(range: TimeRange, floatingOffset: number): AsyncGenerator<BusyPage> {
    const tags = await this.#ownTags();
    for await (const page of this.base.busy(range, floatingOffset))
      if (tags === undefined) yield page;
      else {
        const others = ({ name }: { readonly name: string }): boolean => !tags.has(name);
        yield { rows: page.rows.filter(others), uncertain: page.uncertain.filter(others) };
      }
    if (tags === undefined) return;
    const own = await this.entriesNamed([...tags.keys()]);
    yield { rows: [], uncertain: own.filter((entry) => entry !== undefined) };
  }

  async changesSince(token: SyncToken | undefined, limit: number): Promise<Changes> {
    if (token === undefined) {
      // The link's state first: what changes there meanwhile is told next time.
      const { syncToken } = await this.link.info();
      const all = await this.base.changesSince(undefined, limit);
      return this.#taggedChanges({ ...all, token: joined(all.token, syncToken) });
    }
    const [theirs, own] = parted(token);
    const changes = await this.base.changesSince(theirs, limit);
    const tags = await this.#ownTags();
    // The owner removed it: what the sharee had of his own for it ends, and his token has not told of it yet.
    for (const name of changes.removed) if (tags?.has(name)) await this.forget(name);
    const told = changes.changed.length + changes.removed.length;
    if (changes.truncated || told >= limit) {
      const truncated = changes.truncated || (await this.link.info()).syncToken !== own;
      return this.#taggedChanges({ ...changes, token: joined(changes.token, own), truncated });
    }
    const mine = await this.link.changesSince(own, limit - told);
    const known = new Set([...changes.changed.map(({ name }) => name), ...changes.removed]);
    const names = [...mine.changed.map(({ name }) => name), ...mine.removed].filter((name) => !known.has(name));
    // What is gone from the owner's calendar was told by that.
    const entries = (await this.base.entriesNamed(names)).filter((entry) => entry !== undefined);
    return this.#taggedChanges({
      token: joined(changes.token, mine.token),
      changed: [...changes.changed, ...entries],
      removed: changes.removed,
      unheard: changes.unheard,
      truncated: mine.truncated,
    });
  }

  async #taggedChanges(changes: Changes): Promise<Changes> {
    const tags = await this.#ownTags();
    return tags === undefined ? changes : { ...changes, changed: changes.changed.map((entry) => tagged(entry, tags)) };
  }

  async knows(token: SyncToken): Promise<boolean> {
    const [theirs, own] = token.split(separator) as [SyncToken, SyncToken | undefined];
    return own !== undefined && (await this.base.knows(theirs)) && (await this.link.knows(own));
  }

  nameOf(uid: string): Promise<string | undefined> {
    return this.base.nameOf(uid);
  }

  async read(name: string): Promise<Content | undefined> {
    const [content, tag] = await Promise.all([this.base.read(name), this.#ownTag(name)]);
    if (content === undefined) return undefined;
    const own = tag === undefined ? undefined : await this.link.read(name);
    if (own === undefined) {
      const text = content.bytes.toString();
      const seen = withoutPersonal(text);
      return seen === text ? content : { ...content, bytes: Buffer.from(seen) };
    }
    const etag = combined(content.etag, own.etag);
    const base = (await this.link.properties(name)).get(baseName);
    const bytes =
      base !== undefined && textOf(base) === content.etag
        ? own.bytes
        : Buffer.from(laidOver(content.bytes.toString(), own.bytes.toString()));
    return { bytes, etag, modified: content.modified > own.modified ? content.modified : own.modified };
  }

  /** What is in memory is the owner's. */
  kept(): undefined {
    return undefined;
  }

  /** The owner's, with the sharee's own over them. */
  async properties(name?: string): Promise<ReadonlyMap<QName, Element>> {
    if (name !== undefined) return this.base.properties(name);
    const [theirs, own] = await Promise.all([this.base.properties(), this.link.properties()]);
    const seen = new Map<QName, Element>();
    for (const [property, value] of theirs)
      if (property !== publishedName && !personalProperties.has(property)) seen.set(property, value);
    for (const [property, value] of own) if (!linkProperties.has(property)) seen.set(property, value);
    seen.set(sharedType.name, sharedType);
    return seen;
  }

  /** Changes the owner's objects; the collection's own properties are the sharee's, and are changed in the link. With an object
   *  goes what the sharee had of his own for it. */
  async change<T>(work: (change: CollectionChange) => T | Promise<T>): Promise<T> {
    const tags = await this.#ownTags();
    const removed: string[] = [];
    const edits: (readonly [QName, Element | null])[] = [];
    const result = await this.base.change((change) =>
      work({
        entry: (name) => {
          const entry = change.entry(name);
          return entry && tagged(entry, tags);
        },
        nameOf: (uid) => change.nameOf(uid),
        totals: () => change.totals(),
        properties: () => change.properties(),
        put: (name, staged, object) => change.put(name, staged, object),
        remove: (name) => {
          if (tags?.has(name)) removed.push(name);
          return change.remove(name);
        },
        setProperties: async (name: string | undefined, wanted: PropertyEdits) => {
          if (name !== undefined) return change.setProperties(name, wanted);
          edits.push(...wanted);
        },
      }),
    );
    this.#own = undefined;
    if (edits.length > 0) await this.link.change((change) => change.setProperties(undefined, new Map(edits)));
    for (const name of removed) await this.forget(name);
    return result;
  }

  /** The sharee's own text of an object, made from the owner's file of that ETag. `room` is asked under the link's lock for the bytes
   *  that it grows by, and may throw. */
  async keep(
    name: string,
    bytes: Buffer,
    base: ETag,
    room: (change: CollectionChange, growth: number) => void,
  ): Promise<ETag> {
    const staged = await this.link.stage(
      bytes,
      new Map([[baseName, { name: baseName, attributes: {}, children: [base] }]]),
    );
    try {
      await this.link.change((change) => {
        room(change, staged.size - (change.entry(name)?.size ?? 0));
        return change.put(name, staged, undefined);
      });
    } catch (error) {
      await staged.discard();
      throw error;
    }
    this.#own = undefined;
    return combined(base, staged.etag);
  }

  /** Ends what the sharee had of his own for an object. */
  async forget(name: string): Promise<void> {
    await this.link.change((change) => (change.entry(name) === undefined ? undefined : change.remove(name)));
    this.#own = undefined;
  }

  openFile(name: string): Promise<OpenContent | undefined> {
    return this.base.openFile(name);
  }

  stageChunks(chunks: AsyncIterable<Uint8Array>, properties: ReadonlyMap<QName, Element>): Promise<Staged> {
    return this.base.stageChunks(chunks, properties);
  }

  stage(bytes: Uint8Array, properties: ReadonlyMap<QName, Element>): Promise<Staged> {
    return this.base.stage(bytes, properties);
  }
}

const combined = (theirs: ETag, own: ETag): ETag =>
  `"${createHash("md5").update(theirs).update(own).digest("hex")}"` as ETag;

function tagged(entry: ObjectEntry, tags: ReadonlyMap<string, ETag> | undefined): ObjectEntry {
  const own = tags?.get(entry.name);
  return own === undefined ? entry : { ...entry, etag: combined(entry.etag, own) };
}

const joined = (theirs: SyncToken, own: SyncToken): SyncToken => `${theirs}${separator}${own}` as SyncToken;

function parted(token: SyncToken): readonly [SyncToken, SyncToken] {
  const [theirs, own, more] = token.split(separator);
  if (theirs === undefined || own === undefined || more !== undefined) throw new Refusal({ code: "valid-sync-token" });
  return [theirs as SyncToken, own as SyncToken];
}

/** The shared calendar that a collection is; undefined for one's own. */
export const shareOf = (collection: Collection): SharedCollection | undefined =>
  collection instanceof SharedCollection ? collection : undefined;

/** Where a collection lies for who looks at it: a shared one in the sharee's home. */
export const placeOf = (collection: Collection): CollectionRef =>
  collection instanceof SharedCollection ? collection.link.ref : collection.ref;
