import { join } from "node:path";
import { isBroken, isBusy, retryWhileBusy, type SqlValue } from "../base/sqlite.ts";
import type { IndexCondition } from "../ical/filter-plan.ts";
import { instancesIn as objectInstancesIn } from "../ical/instances.ts";
import { parseCalendarObject } from "../ical/parse.ts";
import { fixedZone } from "../ical/zone-transitions.ts";
import type { SyncToken, TimeRange, Utc } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import type { Element, QName } from "../xml/element.ts";
import { ChangeQueue, stage } from "./change.ts";
import { changesSince } from "./changes.ts";
import type {
  BusyRow,
  Changes,
  Collection,
  CollectionChange,
  CollectionInfo,
  CollectionKind,
  CollectionRef,
  Content,
  ObjectEntry,
  Staged,
} from "./contract.ts";
import type { Handle } from "./handle.ts";
import { busyOfCode, entryColumns, entryOf, hasAclFlag, type IndexFile, type State } from "./index-file.ts";
import type { View } from "./parts.ts";
import { instancesIn, rangesOf, uncertainIn, whereOf } from "./search.ts";
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

  async *search(condition: IndexCondition): AsyncIterable<readonly ObjectEntry[]> {
    const where = whereOf(condition);
    const sql = `select ${entryColumns}, id, indexed_from is not null or indexed_until is not null from resource where ${where.text} order by name`;
    const rows = await this.#ask((index) => index.db.prepare(sql).all(...where.values));
    const ranges = rangesOf(condition);
    for (let at = 0; at < rows.length; at += pageSize) {
      const page: ObjectEntry[] = [];
      for (const row of rows.slice(at, at + pageSize)) {
        const entry = entryOf(row);
        if (row[10] === 0 || ranges.length === 0 || (await this.#certainly(condition, entry, row[9] as number)))
          page.push(entry);
      }
      if (page.length > 0) yield page;
      if (at + pageSize < rows.length) await soon();
    }
  }

  // An object whose indexed window may not cover a range: its rule is asked, from the file.
  async #certainly(condition: IndexCondition, entry: ObjectEntry, id: number): Promise<boolean> {
    const content = await this.read(entry.name);
    if (content === undefined) return false;
    let object: ReturnType<typeof parseCalendarObject> | undefined;
    let index: IndexFile;
    const holds = (part: IndexCondition): boolean => {
      switch (part.op) {
        case "every":
          return true;
        case "none":
          return false;
        case "kind":
          return entry.kind !== undefined && part.in.includes(entry.kind);
        case "uid":
          return entry.uid === part.is;
        case "and":
          return part.of.every(holds);
        case "or":
          return part.of.some(holds);
        case "time-range": {
          const inside = instancesIn(part.range, part.floatingOffset, "resource");
          const row = index.db
            .prepare(`select 1 from resource where id = ? and id in (${inside.text})`)
            .get(id, ...inside.values);
          if (row) return true;
          object ??= parseCalendarObject(content.bytes.toString("utf8"));
          const floatingZone = fixedZone("floating", 0 - part.floatingOffset);
          return objectInstancesIn(object, part.range, floatingZone, 1).instances.length > 0;
        }
      }
    };
    return this.#ask((asked) => {
      index = asked;
      return holds(condition);
    });
  }

  busy(
    range: TimeRange,
    floatingOffset: number,
  ): Promise<{ readonly rows: readonly BusyRow[]; readonly uncertain: readonly ObjectEntry[] }> {
    const inside = instancesIn(range, floatingOffset, "resource, start, end, floating, busy");
    const unsure = uncertainIn(range);
    const rows = `select r.name, r.uid, i.start, i.end, i.floating, i.busy, r.access, r.kind, r.flags & ${hasAclFlag} from (${inside.text}) i
      join resource r on r.id = i.resource where i.busy <> 0 and not ${unsure.text} order by i.start`;
    return this.#ask((index) => ({
      rows: index.db
        .prepare(rows)
        .all(...inside.values, ...unsure.values)
        .map(busyRow),
      uncertain: index.db
        .prepare(`select ${entryColumns} from resource where ${unsure.text}`)
        .all(...unsure.values)
        .map(entryOf),
    }));
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

  async read(name: string): Promise<Content | undefined> {
    return this.handle.parts.contents.read(join(this.handle.path, name));
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

const busyRow = (row: readonly SqlValue[]): BusyRow => ({
  name: row[0] as string,
  uid: row[1] as string,
  start: row[2] as Utc,
  end: row[3] as Utc,
  floating: row[4] !== 0,
  busy: busyOfCode(row[5] as number),
  access: (row[6] as string | null) ?? undefined,
  kind: row[7] as string,
  hasAcl: row[8] !== 0,
});

// A member's entry also says whether it has properties and an ACL, which its collection's token does not.
const listKey = (state: State): string => `${tokenOf(state)} ${state.properties}`;
