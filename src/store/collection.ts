import { isBroken, isBusy, retryWhileBusy } from "../base/sqlite.ts";
import type { IndexCondition } from "../ical/filter-plan.ts";
import type { SyncToken, TimeRange } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import type { Element, QName } from "../xml/element.ts";
import { busyIn } from "./busy.ts";
import { ChangeQueue, stage, stageBody } from "./change.ts";
import { changesSince } from "./changes.ts";
import { sameFacts } from "./contents.ts";
import type {
  BusyPage,
  Changes,
  Collection,
  CollectionChange,
  CollectionInfo,
  CollectionKind,
  CollectionRef,
  Content,
  ObjectEntry,
  OpenContent,
  Staged,
} from "./contract.ts";
import type { Handle } from "./handle.ts";
import type { IndexFile, State } from "./index-file.ts";
import { OpenFile } from "./large-files.ts";
import type { View } from "./parts.ts";
import { search } from "./search.ts";
import { revisionOf, tokenOf } from "./tokens.ts";
import { CollectionGone } from "./transaction.ts";

const pageSize = 1_000;
/** How long what a request saw of a collection counts as now, in ms. */
const sameMoment = 2;
const queues = new WeakMap<Handle, ChangeQueue>();

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A collection of the store for the length of one request. */
export class StoredCollection implements Collection {
  readonly ref: CollectionRef;
  readonly kind: CollectionKind;
  readonly handle: Handle;
  #last: View;
  #until: number;

  constructor(ref: CollectionRef, view: View, handle: Handle) {
    this.ref = ref;
    this.kind = view.state.kind;
    this.handle = handle;
    this.#last = view;
    this.#until = Date.now() + sameMoment;
  }

  // One request asks several things at one moment: the directory is looked at once for all of them.
  async #view(): Promise<View> {
    if (Date.now() <= this.#until && this.#last.index.db.open) return this.#last;
    const view = await this.handle.view();
    if (view === undefined) throw new CollectionGone(this.handle.path);
    this.#last = view;
    this.#until = Date.now() + sameMoment;
    return view;
  }

  /** Asks the index, again while a writer of another process is committing, and once more when it turns out broken. */
  async #ask<T>(question: (index: IndexFile, view: View) => T): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const view = await this.#view();
      try {
        return question(view.index, view);
      } catch (error) {
        let reason = error;
        if (isBusy(error))
          try {
            return await retryWhileBusy(this.handle.path, () => question(view.index, view));
          } catch (later) {
            reason = later;
          }
        // Closed by another request that found it broken while this one waited: as good as broken.
        const gone = isBroken(reason) || !view.index.db.open;
        if (!gone || attempt > 2) throw reason;
        if (isBroken(reason)) await this.handle.broken(view.index);
        this.#until = 0;
      }
    }
  }

  async info(): Promise<CollectionInfo> {
    return infoOf(this.kind, await this.#view());
  }

  async entry(name: string): Promise<ObjectEntry | undefined> {
    return this.#ask((index, { rest }) => this.#row(index, rest, name));
  }

  async entriesNamed(names: readonly string[]): Promise<readonly (ObjectEntry | undefined)[]> {
    return this.#ask((index, { rest }) => names.map((name) => this.#row(index, rest, name)));
  }

  entriesAfter(name: string, limit: number): Promise<readonly ObjectEntry[]> {
    return this.#ask((index) => index.page(name, limit));
  }

  #row(index: IndexFile, rest: number | undefined, name: string): ObjectEntry | undefined {
    if (rest === undefined) return index.entry(name);
    const { rows } = this.handle.parts;
    const key = `${this.handle.path}/${name}`;
    const known = rows.get(key);
    if (known?.rest === rest) return known.entry;
    const entry = index.entry(name);
    rows.set(key, { rest, entry });
    return entry;
  }

  async *entries(): AsyncIterable<readonly ObjectEntry[]> {
    const { index, state } = await this.#view();
    const key = listKey(state);
    const kept = this.handle.parts.lists.get(this.handle);
    if (kept?.key === key) {
      yield* pages(kept.list);
      return;
    }
    const all: ObjectEntry[] = [];
    let last = "";
    for (;;) {
      const after = last;
      const page = await this.#ask((now) => now.page(after, pageSize));
      const end = page.at(-1);
      if (end === undefined) break;
      last = end.name;
      all.push(...page);
      yield page;
      if (page.length < pageSize) break;
      await soon();
    }
    // Complete and of one state only if nothing was written while the pages went out.
    if (index.db.open && !index.db.inTransaction && (await this.#ask((now) => listKey(now.state()))) === key)
      this.handle.parts.lists.set(this.handle, { key, list: all });
  }

  search(condition: IndexCondition): AsyncIterable<readonly ObjectEntry[]> {
    return search(condition, {
      ask: (question) => this.#ask(question),
      textOf: async (entry) => (this.kept(entry) ?? (await this.read(entry.name)))?.bytes.toString(),
      entries: () => this.entries(),
    });
  }

  busy(range: TimeRange, floatingOffset: number): AsyncIterable<BusyPage> {
    return busyIn(range, floatingOffset, (question) => this.#ask(question));
  }

  async changesSince(token: SyncToken | undefined, limit: number): Promise<Changes> {
    const { state } = await this.#view();
    if (token === undefined && state.objects <= limit) {
      const changed: ObjectEntry[] = [];
      for await (const page of this.entries()) changed.push(...page);
      return { token: tokenOf(state), changed, removed: [], unheard: new Set(), truncated: false };
    }
    return this.#ask((index) => changesSince(index, state, token, limit));
  }

  knows(token: SyncToken): Promise<boolean> {
    return this.#ask((index, { state }) => revisionOf(token, index, state) !== undefined);
  }

  async nameOf(uid: string): Promise<string | undefined> {
    return this.#ask((index) => index.nameOf(uid));
  }

  read(name: string): Promise<Content | undefined> {
    return this.handle.parts.contents.read(`${this.handle.path}/${name}`);
  }

  async openFile(name: string): Promise<OpenContent | undefined> {
    const file = await OpenFile.open(`${this.handle.path}/${name}`);
    if (file === undefined) return undefined;
    try {
      // The row is of this very file, or the file is asked itself: somebody is replacing it.
      const row = await this.#ask((index) => index.facts(name));
      const etag = row !== undefined && sameFacts(row, file.facts) ? row.etag : await file.digest();
      const { size, modified } = file;
      return { size, etag, modified, bytes: (first, last) => file.bytes(first, last), close: () => file.close() };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  kept({ name, etag }: ObjectEntry): Content | undefined {
    return this.handle.parts.contents.kept(`${this.handle.path}/${name}`, etag);
  }

  async properties(name?: string): Promise<ReadonlyMap<QName, Element>> {
    const { parts, path } = this.handle;
    if (name !== undefined) {
      const entry = await this.entry(name);
      return entry?.hasProperties ? parts.properties.readMember(path, name, entry.etag) : new Map();
    }
    const { state } = await this.#view();
    const key = `${state.era}-${state.properties}`;
    if (this.handle.properties?.key !== key)
      this.handle.properties = { key, map: await parts.properties.readCollection(path) };
    return this.handle.properties.map;
  }

  change<T>(work: (change: CollectionChange) => T | Promise<T>): Promise<T> {
    this.#until = 0;
    let queue = queues.get(this.handle);
    if (queue === undefined) {
      queue = new ChangeQueue(this.handle);
      queues.set(this.handle, queue);
    }
    return queue.run(work);
  }

  stage(bytes: Uint8Array, properties: ReadonlyMap<QName, Element>): Promise<Staged> {
    return stage(this.handle.parts, bytes, properties);
  }

  stageChunks(chunks: AsyncIterable<Uint8Array>, properties: ReadonlyMap<QName, Element>): Promise<Staged> {
    return stageBody(this.handle.parts, chunks, properties);
  }
}

export const infoOf = (kind: CollectionKind, { state, directory }: View): CollectionInfo => ({
  kind,
  syncToken: tokenOf(state),
  bytes: state.bytes,
  objects: state.objects,
  created: utc(Math.floor(directory.birthtimeMs / 1000)),
  modified: utc(Math.floor(directory.mtimeMs / 1000)),
  hasAcl: state.hasAcl,
  properties: state.properties,
});

function* pages(list: readonly ObjectEntry[]): Iterable<readonly ObjectEntry[]> {
  if (list.length <= pageSize) {
    if (list.length > 0) yield list;
    return;
  }
  for (let at = 0; at < list.length; at += pageSize) yield list.slice(at, at + pageSize);
}

// A member's entry also says whether it has properties and an ACL, which its collection's token does not.
const listKey = (state: State): string => `${tokenOf(state)} ${state.properties}`;
