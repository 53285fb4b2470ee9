import { join } from "node:path";
import type { SqlValue } from "../base/sqlite.ts";
import type { IndexCondition } from "../ical/filter-plan.ts";
import { instancesIn as objectInstancesIn } from "../ical/instances.ts";
import { parseCalendarObject } from "../ical/parse.ts";
import { utcZone } from "../ical/zones.ts";
import type { SyncToken, TimeRange, Utc } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import type { Element, QName } from "../xml/element.ts";
import { ChangeQueue, stage } from "./change.ts";
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
import type { Handle, View } from "./handle.ts";
import { busyOfCode, entryColumns, entryOf, revisionOf, tokenOf } from "./index-file.ts";
import { instancesIn, rangesOf, uncertainIn, whereOf } from "./search.ts";
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

  async info(): Promise<CollectionInfo> {
    return infoOf(this.kind, await this.#view());
  }

  async entry(name: string): Promise<ObjectEntry | undefined> {
    return (await this.#view()).index.entry(name);
  }

  async *entries(): AsyncIterable<readonly ObjectEntry[]> {
    const { index, state } = await this.#view();
    const key = tokenOf(state);
    const kept = this.handle.parts.lists.get(this.handle);
    if (kept?.key === key) {
      yield* pages(kept.list);
      return;
    }
    const all: ObjectEntry[] = [];
    let last = "";
    for (;;) {
      const page = index.db.open ? index.page(last, pageSize) : (await this.#view()).index.page(last, pageSize);
      const end = page.at(-1);
      if (end === undefined) break;
      last = end.name;
      all.push(...page);
      yield page;
      if (page.length < pageSize) break;
      await soon();
    }
    // Complete and of one state only if nothing was written while the pages went out.
    if (index.db.open && tokenOf(index.state()) === key && !index.db.inTransaction)
      this.handle.parts.lists.set(this.handle, { key, list: all });
  }

  async *search(condition: IndexCondition): AsyncIterable<readonly ObjectEntry[]> {
    const { index } = await this.#view();
    const where = whereOf(condition);
    const rows = index.db
      .prepare(
        `select ${entryColumns}, id, indexed_from is not null or indexed_until is not null from resource where ${where.text} order by name`,
      )
      .all(...where.values);
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
    const { index } = await this.#view();
    const content = await this.read(entry.name);
    if (content === undefined) return false;
    let object: ReturnType<typeof parseCalendarObject> | undefined;
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
          const shifted = {
            start: utc(part.range.start - part.floatingOffset),
            end: utc(part.range.end - part.floatingOffset),
          };
          // Floating instances are given as if local time were UTC, so the range is moved for them instead.
          const { instances } = objectInstancesIn(object, widest(part.range, shifted), utcZone, 1_000);
          return instances.some(({ start, end, floating }) => {
            const range = floating ? shifted : part.range;
            return start < range.end && (end > range.start || (end === start && start >= range.start));
          });
        }
      }
    };
    return holds(condition);
  }

  async busy(
    range: TimeRange,
    floatingOffset: number,
  ): Promise<{ readonly rows: readonly BusyRow[]; readonly uncertain: readonly ObjectEntry[] }> {
    const { index } = await this.#view();
    const inside = instancesIn(range, floatingOffset, "resource, start, end, floating, busy");
    const rows = index.db
      .prepare(
        `select r.name, r.uid, i.start, i.end, i.floating, i.busy from (${inside.text}) i join resource r on r.id = i.resource
         where i.busy <> 0 and r.indexed_from is null and r.indexed_until is null order by i.start`,
      )
      .all(...inside.values)
      .map(busyRow);
    const uncertain = uncertainIn(range);
    const windowed = index.db
      .prepare(
        `select r.name, r.uid, i.start, i.end, i.floating, i.busy from (${inside.text}) i join resource r on r.id = i.resource
         where i.busy <> 0 and (r.indexed_from is not null or r.indexed_until is not null) and not ${uncertain.text} order by i.start`,
      )
      .all(...inside.values, ...uncertain.values)
      .map(busyRow);
    const unsure = index.db
      .prepare(`select ${entryColumns} from resource where ${uncertain.text}`)
      .all(...uncertain.values)
      .map(entryOf);
    return { rows: windowed.length === 0 ? rows : [...rows, ...windowed], uncertain: unsure };
  }

  async changesSince(token: SyncToken | undefined, limit: number): Promise<Changes> {
    const { index, state } = await this.#view();
    const since = token === undefined ? 0 : revisionOf(token, index, state);
    if (since === undefined) throw new Refusal({ code: "valid-sync-token" });
    if (token === undefined && state.objects <= limit) {
      const changed: ObjectEntry[] = [];
      for await (const page of this.entries()) changed.push(...page);
      return { token: tokenOf(state), changed, removed: [], truncated: false };
    }
    const wanted = Math.min(limit, Number.MAX_SAFE_INTEGER - 1) + 1;
    const changed = index.changedSince(since, wanted);
    const removed = token === undefined ? [] : index.removedSince(since, wanted);
    if (changed.length + removed.length <= limit)
      return {
        token: tokenOf(state),
        changed: changed.map(({ entry }) => entry),
        removed: removed.map(({ name }) => name),
        truncated: false,
      };
    // The first `limit` in order of revision; the token stands after the last of them.
    const revisions = [...changed, ...removed].map(({ revision }) => revision).sort((a, b) => a - b);
    const last = revisions[Math.max(0, limit - 1)] ?? since;
    return {
      token: this.#tokenAt(last, index.eras()),
      changed: changed.filter(({ revision }) => revision <= last).map(({ entry }) => entry),
      removed: removed.filter(({ revision }) => revision <= last).map(({ name }) => name),
      truncated: true,
    };
  }

  #tokenAt(revision: number, eras: readonly { readonly era: string; readonly first: number }[]): SyncToken {
    const era = eras.findLast(({ first }) => first <= revision) ?? eras[0];
    return `${era?.era ?? ""}-${revision}` as SyncToken;
  }

  async knows(token: SyncToken): Promise<boolean> {
    const { index, state } = await this.#view();
    return revisionOf(token, index, state) !== undefined;
  }

  async nameOf(uid: string): Promise<string | undefined> {
    return (await this.#view()).index.nameOf(uid);
  }

  async read(name: string): Promise<Content | undefined> {
    const content = await this.handle.parts.contents.read(join(this.handle.path, name));
    return content;
  }

  async properties(name?: string): Promise<ReadonlyMap<QName, Element>> {
    const { index, state } = await this.#view();
    const { parts, path } = this.handle;
    if (name !== undefined) {
      const entry = index.entry(name);
      return entry?.hasProperties ? parts.properties.readMember(path, name, entry.etag) : new Map();
    }
    const key = `${state.era}-${state.properties}-${state.directory}`;
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
});

const widest = (a: TimeRange, b: TimeRange): TimeRange => ({
  start: a.start < b.start ? a.start : b.start,
  end: a.end > b.end ? a.end : b.end,
});
