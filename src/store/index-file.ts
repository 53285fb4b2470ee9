import { randomBytes } from "node:crypto";
import { Database, type SqlValue, type Statement } from "../base/sqlite.ts";
import type { Occurrences } from "../ical/calendar-object.ts";
import type { ETag } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import type { CollectionKind, ObjectEntry } from "./contract.ts";

/** Version of the schema; an index with any other (the original's 6 and 10 among them) is replaced. */
export const schemaVersion = "caldavd-3";

// CALDAV is the original's frame: finding another version there, an original server deletes the file and makes its own,
// so going back to one needs nothing. `era` makes tokens fail safely: see tokens.ts.
const schema = `
  create table CALDAV (KEY text unique, VALUE text unique);
  insert into CALDAV values ('SCHEMA_VERSION', '${schemaVersion}'), ('TYPE', 'caldavd collection');
  create table state (
    id integer primary key check (id = 1), revision integer not null, floor integer not null, era text not null,
    objects integer not null, bytes integer not null, directory real not null, inode integer not null,
    properties integer not null, acl integer not null, kind text not null);
  create table era (era text primary key, start text not null unique, first integer not null) without rowid;
  create table resource (
    id integer primary key, name text not null unique, uid text, kind text, etag text not null, size integer not null,
    modified integer not null, schedule_tag text, access text, flags integer not null, revision integer not null,
    born integer not null,
    inode integer not null, changed real not null, indexed_from integer, indexed_until integer);
  create index resource_uid on resource (uid);
  create index resource_revision on resource (revision);
  create index resource_window on resource (indexed_from, indexed_until)
    where indexed_from is not null or indexed_until is not null;
  create table instance (resource integer not null, start integer not null, end integer not null,
    floating integer not null, busy integer not null);
  create index instance_resource on instance (resource);
  create index instance_start on instance (start, end, floating, resource, busy)
    where end - start <= ${8 * 86400};
  create index instance_long on instance (end, start, floating, resource, busy)
    where end - start > ${8 * 86400};
  -- shown: 0 it was PRIVATE all the time, 1 it was not, 2 it had an ACL of its own in the end
  create table removed (name text primary key, revision integer not null, born integer not null,
    shown integer not null) without rowid;
  create index removed_revision on removed (revision);
`;

/** Instances longer than this are few and have an index of their own, so that a range looks back only so far. Seconds. */
export const longest = 8 * 86400;

const hasPropertiesFlag = 1;
export const hasAclFlag = 2;
/** The member was not PRIVATE once, so that others than its owner may know its name. */
const shownFlag = 4;

/** What `stat` says of a file, as far as it tells one content from another. */
export interface FileFacts {
  readonly inode: number;
  readonly size: number;
  /** ctime in ms: unlike mtime it cannot be set back by `touch -d` or `rsync -t`. */
  readonly changed: number;
}

export interface State {
  readonly revision: number;
  readonly floor: number;
  readonly era: string;
  readonly objects: number;
  readonly bytes: number;
  /** The directory's ctime that the rows agree with, in ms. */
  readonly directory: number;
  readonly inode: number;
  /** Counts changes of the collection's own properties, and of its members'. */
  readonly properties: number;
  readonly hasAcl: boolean;
  readonly kind: CollectionKind;
}

/** A row to be written. */
export interface ResourceRow extends FileFacts {
  readonly name: string;
  readonly uid: string | undefined;
  readonly kind: string | undefined;
  readonly etag: ETag;
  readonly modified: number;
  readonly scheduleTag: string | undefined;
  readonly access: string | undefined;
  readonly hasProperties: boolean;
  readonly hasAcl: boolean;
}

export const entryColumns = "name, uid, kind, etag, size, modified, schedule_tag, access, flags";

/** Row of `entryColumns` to an entry. */
export function entryOf(row: readonly SqlValue[]): ObjectEntry {
  const flags = row[8] as number;
  const modified = utc(row[5] as number);
  return {
    name: row[0] as string,
    uid: (row[1] as string | null) ?? undefined,
    kind: (row[2] as string | null) ?? undefined,
    etag: row[3] as ETag,
    size: row[4] as number,
    created: modified,
    modified,
    scheduleTag: (row[6] as string | null) ?? undefined,
    access: (row[7] as string | null) ?? undefined,
    hasProperties: (flags & hasPropertiesFlag) !== 0,
    hasAcl: (flags & hasAclFlag) !== 0,
  };
}

const busyCodes = ["FREE", "BUSY", "BUSY-TENTATIVE", "BUSY-UNAVAILABLE"] as const;
export const busyOfCode = (code: number): (typeof busyCodes)[number] => busyCodes[code] ?? "BUSY";

const bound = (value: number): number => (value === Infinity ? 9e15 : value === -Infinity ? -9e15 : Math.trunc(value));

const stateColumns = "revision, floor, era, objects, bytes, directory, inode, properties, acl, kind";

/** One collection's index: its tables and the SQL on them. Knows nothing of files. Disposable. */
export class IndexFile {
  readonly db: Database;
  readonly #state: Statement;
  readonly #entry: Statement;

  /** Opens the file and its schema; throws a broken-database error when it is not one of ours. */
  constructor(db: Database) {
    this.db = db;
    this.#state = db.prepare(`select ${stateColumns} from state`);
    this.#entry = db.prepare(`select ${entryColumns} from resource where name = ?`);
  }

  /** Opens an index without trusting it: undefined when there is no schema of ours in it. Throws when broken or busy. */
  static recognise(path: string): IndexFile | undefined {
    const db = new Database(path, { opened: prepareConnection });
    try {
      const known = db.prepare("select count(*) from sqlite_master where name = 'CALDAV'").get()?.[0];
      const version = known
        ? db.prepare("select VALUE from CALDAV where KEY = 'SCHEMA_VERSION'").get()?.[0]
        : undefined;
      if (version === schemaVersion) return new IndexFile(db);
    } catch (error) {
      db.close();
      throw error;
    }
    db.close();
    return undefined;
  }

  /** Makes the schema in an empty file; the write lock of the transaction is left with the caller. */
  static begin(path: string, kind: CollectionKind, inode: () => number, start: string): IndexFile | undefined {
    const db = new Database(path, { opened: prepareConnection });
    try {
      db.exec("begin immediate");
      if (db.prepare("select count(*) from sqlite_master").get()?.[0] !== 0) {
        db.exec("rollback");
        db.close();
        return undefined; // another process was first
      }
      db.exec(schema);
      const era = freshEra();
      db.prepare(`insert into state (id, ${stateColumns}) values (1, 0, 0, ?, 0, 0, 0, ?, 0, 0, ?)`).run(
        era,
        inode(),
        kind,
      );
      db.prepare("insert into era values (?, ?, 0)").run(era, start);
      return new IndexFile(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  state(): State {
    const row = this.#state.get();
    if (!row) throw Object.assign(new Error("index without state"), { code: "SQLITE_CORRUPT" });
    return {
      revision: row[0] as number,
      floor: row[1] as number,
      era: row[2] as string,
      objects: row[3] as number,
      bytes: row[4] as number,
      directory: row[5] as number,
      inode: row[6] as number,
      properties: row[7] as number,
      hasAcl: row[8] !== 0,
      kind: row[9] as CollectionKind,
    };
  }

  saveState(state: State): void {
    this.db
      .prepare(
        "update state set revision = ?, floor = ?, era = ?, objects = ?, bytes = ?, directory = ?, inode = ?, properties = ?, acl = ?, kind = ?",
      )
      .run(
        state.revision,
        state.floor,
        state.era,
        state.objects,
        state.bytes,
        state.directory,
        state.inode,
        state.properties,
        state.hasAcl ? 1 : 0,
        state.kind,
      );
  }

  entry(name: string): ObjectEntry | undefined {
    const row = this.#entry.get(name);
    return row && entryOf(row);
  }

  /** The first name (in order) that has the UID. */
  nameOf(uid: string): string | undefined {
    return this.db.prepare("select name from resource where uid = ? order by name limit 1").get(uid)?.[0] as
      | string
      | undefined;
  }

  page(after: string, limit: number): readonly ObjectEntry[] {
    return this.db
      .prepare(`select ${entryColumns} from resource where name > ? order by name limit ?`)
      .all(after, limit)
      .map(entryOf);
  }

  facts(name: string): (FileFacts & { readonly etag: ETag }) | undefined {
    const row = this.db.prepare("select inode, size, changed, etag from resource where name = ?").get(name);
    return row && { inode: row[0] as number, size: row[1] as number, changed: row[2] as number, etag: row[3] as ETag };
  }

  allFacts(): Map<string, FileFacts> {
    const all = new Map<string, FileFacts>();
    for (const row of this.db.prepare("select name, inode, size, changed from resource").all())
      all.set(row[0] as string, { inode: row[1] as number, size: row[2] as number, changed: row[3] as number });
    return all;
  }

  /** Writes a row with its instances at `revision`. Answers how objects and bytes changed. */
  put(row: ResourceRow, occurrences: Occurrences | undefined, revision: number): { objects: number; bytes: number } {
    const before = this.db.prepare("select id, size from resource where name = ?").get(row.name);
    // A name that comes again has been known since it was there first.
    const earlier = before
      ? undefined
      : this.db.prepare("select born, shown from removed where name = ?").get(row.name);
    const shown = row.access !== "PRIVATE" || (earlier?.[1] ?? 0) !== 0 ? shownFlag : 0;
    const whole = occurrences && occurrences.from === -Infinity && occurrences.until === Infinity;
    const id = this.db
      .prepare(
        `insert into resource (name, uid, kind, etag, size, modified, schedule_tag, access, flags, revision, born, inode, changed, indexed_from, indexed_until)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (name) do update set uid = excluded.uid, kind = excluded.kind, etag = excluded.etag, size = excluded.size,
           modified = excluded.modified, schedule_tag = excluded.schedule_tag, access = excluded.access, flags = excluded.flags | (flags & ${shownFlag}),
           revision = excluded.revision, inode = excluded.inode, changed = excluded.changed,
           indexed_from = excluded.indexed_from, indexed_until = excluded.indexed_until
         returning id`,
      )
      .get(
        row.name,
        row.uid ?? null,
        row.kind ?? null,
        row.etag,
        row.size,
        row.modified,
        row.scheduleTag ?? null,
        row.access ?? null,
        (row.hasProperties ? hasPropertiesFlag : 0) | (row.hasAcl ? hasAclFlag : 0) | shown,
        revision,
        (earlier?.[0] as number | undefined) ?? revision,
        row.inode,
        row.changed,
        occurrences && !whole ? bound(occurrences.from) : null,
        occurrences && !whole ? bound(occurrences.until) : null,
      )?.[0] as number;
    if (before) this.db.prepare("delete from instance where resource = ?").run(id);
    else if (earlier) this.db.prepare("delete from removed where name = ?").run(row.name);
    if (occurrences) {
      const insert = this.db.prepare("insert into instance values (?, ?, ?, ?, ?)");
      for (const { start, end, floating, busy } of occurrences.instances)
        insert.run(id, bound(start), bound(end), floating ? 1 : 0, busyCodes.indexOf(busy));
    }
    return { objects: before ? 0 : 1, bytes: row.size - ((before?.[1] as number | undefined) ?? 0) };
  }

  /** New stat values of a file whose bytes are the same. */
  setFacts(name: string, facts: FileFacts): void {
    this.db
      .prepare("update resource set inode = ?, size = ?, changed = ? where name = ?")
      .run(facts.inode, facts.size, facts.changed, name);
  }

  /** A member's properties changed, its bytes did not: its ETag stays, and so does its revision unless a new one is given. */
  setProperties(
    name: string,
    row: FileFacts & {
      readonly hasProperties: boolean;
      readonly hasAcl: boolean;
      readonly scheduleTag: string | undefined;
    },
    revision: number | undefined,
  ): void {
    this.setFacts(name, row);
    const flags = (row.hasProperties ? hasPropertiesFlag : 0) | (row.hasAcl ? hasAclFlag : 0);
    this.db
      .prepare(
        `update resource set flags = ? | (flags & ${shownFlag}), schedule_tag = ?, revision = coalesce(?, revision) where name = ?`,
      )
      .run(flags, row.scheduleTag ?? null, revision ?? null, name);
  }

  remove(name: string, revision: number): { objects: number; bytes: number } {
    const before = this.db
      .prepare(
        `select id, size, born, case when flags & ${shownFlag} = 0 then 0 when flags & ${hasAclFlag} = 0 then 1 else 2 end
         from resource where name = ?`,
      )
      .get(name);
    if (!before) return { objects: 0, bytes: 0 };
    this.db.prepare("delete from instance where resource = ?").run(before[0] as number);
    this.db.prepare("delete from resource where id = ?").run(before[0] as number);
    this.db
      .prepare("insert or replace into removed values (?, ?, ?, ?)")
      .run(name, revision, before[2] as number, before[3] as number);
    return { objects: -1, bytes: -(before[1] as number) };
  }

  /** Forgets removals up to a revision kept as the floor: older tokens are refused from then on. */
  trimRemoved(keep: number): number | undefined {
    const row = this.db.prepare("select revision from removed order by revision desc limit 1 offset ?").get(keep);
    if (!row) return undefined;
    this.db.prepare("delete from removed where revision <= ?").run(row[0] as number);
    return row[0] as number;
  }

  /** `known`: others than the owner may have heard of the name at that revision. */
  changedSince(
    revision: number,
    limit: number,
  ): readonly { readonly entry: ObjectEntry; readonly revision: number; readonly known: boolean }[] {
    return this.db
      .prepare(
        `select ${entryColumns}, revision, born <= ? and flags & ${shownFlag} from resource where revision > ? order by revision limit ?`,
      )
      .all(revision, revision, limit)
      .map((row) => ({ entry: entryOf(row), revision: row[9] as number, known: row[10] !== 0 }));
  }

  /** Members that are no more, also what came after that revision and went again. `known` as above. */
  removedSince(
    revision: number,
    limit: number,
  ): readonly { readonly name: string; readonly revision: number; readonly known: boolean }[] {
    return this.db
      .prepare(
        `select name, revision, shown = 1 or shown = 2 and born <= ? from removed where revision > ? order by revision limit ?`,
      )
      .all(revision, revision, limit)
      .map((row) => ({ name: row[0] as string, revision: row[1] as number, known: row[2] !== 0 }));
  }

  /** The eras, in order, with the first revision of each. */
  eras(): readonly { readonly era: string; readonly start: string; readonly first: number }[] {
    return this.db
      .prepare("select era, start, first from era order by first")
      .all()
      .map((row) => ({ era: row[0] as string, start: row[1] as string, first: row[2] as number }));
  }

  /** Begins a new era with the next revision if `start` has not begun one here. Answers the era to use. */
  enterEra(start: string, state: State): string {
    if (this.db.prepare("select 1 from era where start = ?").get(start)) return state.era;
    const era = freshEra();
    this.db.prepare("insert into era values (?, ?, ?)").run(era, start, state.revision + 1);
    return era;
  }

  close(): void {
    if (this.db.open) this.db.close();
  }
}

const freshEra = (): string => randomBytes(6).toString("hex");

function prepareConnection(db: Database): void {
  // TRUNCATE: an unlinked journal would change the directory's ctime that was just recorded; WAL does not work across hosts.
  db.pragma("journal_mode = TRUNCATE");
  // The files are the truth and are synced; a power cut may cost the index, which is then made again.
  db.pragma("synchronous = OFF");
  db.pragma("cache_size = -200");
  // A page written before the commit would need the readers gone in the midst of a change.
  db.pragma("cache_spill = OFF");
  db.pragma("temp_store = MEMORY");
}
