import { statSync } from "node:fs";
import { dirname } from "node:path";
import { Database, isBroken, isBusy, retryWhileBusy } from "../base/sqlite.ts";
import { atRest, isLocal } from "../base/volume.ts";
import type { PrincipalUid } from "../model/ids.ts";
import type { DelegateEdit, DelegateList, Delegates } from "./backend.ts";

/** Writes a whole database to a path where nothing is. */
export function makeDatabase(path: string, lists: readonly DelegateList[]): void {
  const database = new Database(path);
  try {
    database.exec(
      `pragma journal_mode = truncate; pragma synchronous = full;
       begin immediate;
       create table CALDAV (KEY text unique, VALUE text unique);
       insert into CALDAV values ('SCHEMA_VERSION', '3'), ('TYPE', 'CALENDARUSERPROXY');
       create table GROUPS (GROUPNAME text, MEMBER text);
       create index GROUPNAMES on GROUPS (GROUPNAME);
       create index MEMBERS on GROUPS (MEMBER);`,
    );
    for (const { owner, access, members } of lists) insert(database, groupName(owner, access), members);
    database.exec("commit");
  } finally {
    database.close();
  }
}

function insert(database: Database, group: string, members: readonly PrincipalUid[]): void {
  const statement = database.prepare("insert into GROUPS (GROUPNAME, MEMBER) values (?, ?)");
  for (const member of new Set(members)) statement.run(group, member);
}

const groupName = (owner: PrincipalUid, access: "read" | "write"): string => `${owner}#calendar-proxy-${access}`;

/** The list that a GROUPNAME names; undefined for what the original never wrote. */
function listNamed(group: unknown): { readonly owner: PrincipalUid; readonly access: "read" | "write" } | undefined {
  if (typeof group !== "string") return undefined;
  for (const access of ["read", "write"] as const) {
    const suffix = `#calendar-proxy-${access}`;
    if (group.endsWith(suffix)) return { owner: group.slice(0, -suffix.length) as PrincipalUid, access };
  }
  return undefined;
}

/** Another file in its place is tried no more often than this. Milliseconds. */
const lookEvery = 1000;

const membersOf = (database: Database, owner: PrincipalUid, access: "read" | "write"): readonly PrincipalUid[] =>
  database
    .prepare("select distinct MEMBER from GROUPS where GROUPNAME = ? order by rowid")
    .all(groupName(owner, access))
    .map(([member]) => member) as PrincipalUid[];

const unusable = (path: string, error: unknown): Error =>
  new Error(
    `${path}: the delegate database cannot be used: ${messageOf(error)}. It cannot be rebuilt; copy it back from a ` +
      `backup, or make it again from a daily copy beside it: caladmin delegates import --new ${dirname(path)}/delegates-….json`,
    { cause: error },
  );

/** The opened delegate database. Throws when it is broken, or of another type or version, and leaves it untouched then. */
export class DelegateDatabase implements Delegates {
  readonly #path: string;
  readonly #warn: (message: string) => void;
  #database: Database;
  #inode = 0;
  #lookedAt = Date.now();
  #missing = false;
  #version: unknown;
  #generation = 1;
  #asked = false;
  /** The file's ctime when its version was asked for last, if every commit since would have given it another. */
  #rest: number | undefined;
  readonly #local: boolean;
  readonly #askAgain = (): void => {
    this.#asked = false;
  };

  constructor(path: string, warn: (message: string) => void) {
    this.#path = path;
    this.#warn = warn;
    this.#local = isLocal(dirname(path));
    this.#database = this.#open();
    this.#version = this.#database.prepare("pragma data_version").get()?.[0];
  }

  #open(): Database {
    this.#inode = statSync(this.#path).ino;
    const database = new Database(this.#path);
    try {
      database.exec("pragma journal_mode = truncate; pragma synchronous = full");
      const facts = new Map(database.prepare("select KEY, VALUE from CALDAV").all() as readonly [string, string][]);
      const version = facts.get("SCHEMA_VERSION");
      if (facts.get("TYPE") !== "CALENDARUSERPROXY")
        throw new Error(`is a database of type ${facts.get("TYPE")}, not CALENDARUSERPROXY`);
      const damage = database.prepare("pragma quick_check(1)").get()?.[0];
      if (damage !== "ok") throw new Error(`is damaged (${damage})`);
      if (version !== "3" && version !== "4") throw new Error(`has schema ${version}; 3 and 4 are known`);
      // Version 4 has them; in version 3 they change nothing for the original.
      database.exec(
        `create index if not exists GROUPNAMES on GROUPS (GROUPNAME); create index if not exists MEMBERS on GROUPS (MEMBER)`,
      );
      return database;
    } catch (error) {
      database.close();
      if (isBusy(error)) throw error;
      throw unusable(this.#path, error);
    }
  }

  of(owner: PrincipalUid, access: "read" | "write"): Promise<readonly PrincipalUid[]> {
    return this.#read((database) => membersOf(database, owner, access));
  }

  async whoTrust(delegate: PrincipalUid, access: "read" | "write"): Promise<readonly PrincipalUid[]> {
    const rows = await this.#read((database) =>
      database.prepare("select distinct GROUPNAME from GROUPS where MEMBER = ? order by rowid").all(delegate),
    );
    const owners: PrincipalUid[] = [];
    for (const [group] of rows) {
      const list = listNamed(group);
      if (list?.access === access) owners.push(list.owner);
    }
    return owners;
  }

  async lists(): Promise<readonly DelegateList[]> {
    const rows = await this.#read((database) =>
      database.prepare("select GROUPNAME, MEMBER from GROUPS order by GROUPNAME, rowid").all(),
    );
    const lists = new Map<string, DelegateList & { readonly members: PrincipalUid[] }>();
    for (const [group, member] of rows) {
      const named = listNamed(group);
      if (named === undefined || typeof member !== "string") continue;
      const list = lists.get(String(group)) ?? { ...named, members: [] };
      lists.set(String(group), list);
      if (!list.members.includes(member as PrincipalUid)) list.members.push(member as PrincipalUid);
    }
    return [...lists.values()];
  }

  #read<T>(query: (database: Database) => T): Promise<T> {
    return retryWhileBusy(this.#path, () => {
      try {
        return query(this.#database);
      } catch (error) {
        throw isBroken(error) ? unusable(this.#path, error) : error;
      }
    });
  }

  async change(edits: readonly DelegateEdit[], others: "kept" | "removed" = "kept"): Promise<void> {
    await retryWhileBusy(this.#path, () => {
      // Writing to a file that was moved away would be answered and lost.
      this.#look();
      if (statSync(this.#path, { throwIfNoEntry: false })?.ino !== this.#inode)
        throw new Error(`${this.#path}: the delegate database is gone or broken; copy it back from a backup`);
      const database = this.#database;
      try {
        database.exec("begin immediate");
        const before = edits.map(({ owner, access }) => membersOf(database, owner, access));
        if (others === "removed") database.exec("delete from GROUPS");
        for (const [at, { owner, access, edit }] of edits.entries()) {
          const group = groupName(owner, access);
          const members = edit(before[at] ?? []);
          database.prepare("delete from GROUPS where GROUPNAME = ?").run(group);
          insert(database, group, members);
        }
        database.exec("commit");
      } catch (error) {
        if (database.inTransaction) database.exec("rollback");
        throw isBroken(error) ? unusable(this.#path, error) : error;
      }
    });
    this.#generation++;
  }

  generation(): number {
    // One request asks more than once. Until this turn of the event loop and its promises have ended, no request can arrive
    // whose sender saw a later writing.
    if (this.#asked) return this.#generation;
    this.#asked = true;
    process.nextTick(this.#askAgain);
    const file = statSync(this.#path, { throwIfNoEntry: false });
    if (file !== undefined && file.ctimeMs === this.#rest && file.ino === this.#inode) return this.#generation;
    const now = Date.now();
    if (file?.ino !== this.#inode && (now - this.#lookedAt >= lookEvery || now < this.#lookedAt)) this.#look();
    try {
      // Changes when another connection has committed, not when this one has. Takes 6 µs (locks and a read).
      const version = this.#database.prepare("pragma data_version").get()?.[0];
      if (version !== this.#version) {
        this.#version = version;
        this.#generation++;
      }
      this.#rest = this.#local && file !== undefined && atRest(file.ctimeMs) ? file.ctimeMs : undefined;
    } catch (error) {
      // A commit is going on elsewhere; whoever made it has no answer yet, so nobody can tell that it is not seen.
      if (!isBusy(error)) throw error;
    }
    return this.#generation;
  }

  /** Whether the file is still the one that was opened. A restored one is opened; while there is none, the rows known so far
   *  go on being read from the open file. */
  #look(): void {
    this.#lookedAt = Date.now();
    const inode = statSync(this.#path, { throwIfNoEntry: false })?.ino;
    if (inode === undefined) {
      if (!this.#missing)
        this.#warn(`${this.#path}: the delegate database is gone; it is still read, but cannot be changed`);
      this.#missing = true;
      return;
    }
    this.#missing = false;
    if (inode === this.#inode) return;
    const before = this.#database;
    const inodeBefore = this.#inode;
    try {
      this.#database = this.#open();
    } catch (error) {
      this.#inode = inodeBefore;
      // Perhaps it is still being copied: the next look tries again.
      if (!isBusy(error)) this.#warn(`${messageOf(error)}; the one that was open is still read`);
      return;
    }
    before.close();
    this.#version = undefined;
    this.#generation++;
    this.#warn(`${this.#path}: the delegate database was replaced; the new one is in use`);
  }

  close(): void {
    this.#database.close();
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
