import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { link, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Database, isBusy, retryWhileBusy } from "../base/sqlite.ts";
import type { PrincipalUid } from "../model/ids.ts";
import type { Delegates } from "./backend.ts";

export interface DelegatesOptions {
  readonly documentRoot: string;
  readonly dataRoot: string;
  /** There are calendars already: then a missing database means that it was lost, and none is made in its place. */
  readonly storeIsUsed: boolean;
  readonly warn: (message: string) => void;
}

/** Where version 1 kept it, and where it is made. */
export const delegatesFile = (documentRoot: string): string =>
  join(documentRoot, "principals", ".db.calendaruserproxy");
/** Where version 2 kept it. Used when the other one is not there. */
const delegatesFileOf2 = (dataRoot: string): string => join(dataRoot, "calendaruserproxy.sqlite");

/** Opens the delegate database: tables and names of the original, schema 3 (of 1.x, made by this server too) or 4 (of 2.x).
 *  Unlike every other database of the store it cannot be rebuilt: it is never replaced, never emptied, and with a used
 *  store never made anew. Throws an Error that says what is wrong and how to restore it. */
export async function openDelegates(options: DelegatesOptions): Promise<Delegates> {
  const own = delegatesFile(options.documentRoot);
  const old = delegatesFileOf2(options.dataRoot);
  const path = (await holdsData(own)) || !(await holdsData(old)) ? own : old;
  if (!(await holdsData(path))) {
    if (options.storeIsUsed) await confirmLoss(path, options.warn);
    else await create(path);
  }
  return retryWhileBusy(path, () => new DelegateDatabase(path, options.warn));
}

/** Throws unless an administrator has said that the database is lost for good. */
async function confirmLoss(path: string, warn: (message: string) => void): Promise<void> {
  const confirmation = `${path}.lost`;
  const confirmed = await stat(confirmation).then(
    () => true,
    () => false,
  );
  if (confirmed) {
    warn(`${path}: a new, empty delegate database is made, because ${confirmation} says that the old one is lost`);
    await create(path);
    await rm(confirmation, { force: true });
  } else if (!(await holdsData(path)))
    throw new Error(
      `${path}: the delegate database is missing although the store is in use. It says who may see and edit whose ` +
        "calendars, and cannot be rebuilt. Copy it back from a backup (that of version 2 is calendaruserproxy.sqlite in " +
        `DataRoot). If it is lost for good, say so by making an empty file ${confirmation}, and start again`,
    );
}

/** Makes an empty delegate database at its place, complete or not at all; one that is there stays. */
async function create(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomUUID()}.new`;
  const database = new Database(draft);
  try {
    database.exec(
      `pragma journal_mode = truncate; pragma synchronous = full;
       begin immediate;
       create table CALDAV (KEY text unique, VALUE text unique);
       insert into CALDAV values ('SCHEMA_VERSION', '3'), ('TYPE', 'CALENDARUSERPROXY');
       create table GROUPS (GROUPNAME text, MEMBER text);
       create index GROUPNAMES on GROUPS (GROUPNAME);
       create index MEMBERS on GROUPS (MEMBER);
       commit;`,
    );
  } finally {
    database.close();
  }
  try {
    // A link, not a rename: of several workers that start at once one wins, and nobody's rows are replaced.
    await link(draft, path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "EEXIST" && code !== "EPERM" && code !== "ENOTSUP") throw error;
    // An empty file (a backup that failed, a full disk) is no database. Volumes without links are for one host.
    if (!(await holdsData(path))) await rename(draft, path);
  } finally {
    await Promise.all([rm(draft, { force: true }), rm(`${draft}-journal`, { force: true })]);
  }
  const folder = await open(dirname(path));
  await folder.sync().finally(() => folder.close());
}

const holdsData = (path: string): Promise<boolean> =>
  stat(path).then(
    ({ size }) => size > 0,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw error;
    },
  );

const groupName = (owner: PrincipalUid, access: "read" | "write"): string => `${owner}#calendar-proxy-${access}`;

/** The file is looked at no more often than this. Milliseconds. */
const lookEvery = 1000;

class DelegateDatabase implements Delegates {
  readonly #path: string;
  readonly #warn: (message: string) => void;
  #database: Database;
  #inode = 0;
  #lookedAt = Date.now();
  #missing = false;
  #version: unknown;
  #generation = 1;
  #asked = false;
  readonly #askAgain = (): void => {
    this.#asked = false;
  };

  constructor(path: string, warn: (message: string) => void) {
    this.#path = path;
    this.#warn = warn;
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
      if (version !== "3" && version !== "4") throw new Error(`has schema ${version}; 3 and 4 are known`);
      // Version 4 has them; in version 3 they change nothing for the original.
      database.exec(
        `create index if not exists GROUPNAMES on GROUPS (GROUPNAME); create index if not exists MEMBERS on GROUPS (MEMBER)`,
      );
      return database;
    } catch (error) {
      database.close();
      if (isBusy(error)) throw error;
      throw new Error(
        `${this.#path}: the delegate database cannot be used: ${messageOf(error)}. ` +
          "It cannot be rebuilt; copy it back from a backup",
        { cause: error },
      );
    }
  }

  of(owner: PrincipalUid, access: "read" | "write"): Promise<readonly PrincipalUid[]> {
    return this.#read(
      (database) =>
        database
          .prepare("select distinct MEMBER from GROUPS where GROUPNAME = ? order by rowid")
          .all(groupName(owner, access))
          .map(([member]) => member) as PrincipalUid[],
    );
  }

  async whoTrust(delegate: PrincipalUid, access: "read" | "write"): Promise<readonly PrincipalUid[]> {
    const suffix = `#calendar-proxy-${access}`;
    const rows = await this.#read((database) =>
      database.prepare("select distinct GROUPNAME from GROUPS where MEMBER = ? order by rowid").all(delegate),
    );
    const owners: PrincipalUid[] = [];
    for (const [group] of rows)
      if (typeof group === "string" && group.endsWith(suffix))
        owners.push(group.slice(0, -suffix.length) as PrincipalUid);
    return owners;
  }

  #read<T>(query: (database: Database) => T): Promise<T> {
    return retryWhileBusy(this.#path, () => query(this.#database));
  }

  /** Replaces the list, durably: returns when it is on the disk. */
  async set(owner: PrincipalUid, access: "read" | "write", members: readonly PrincipalUid[]): Promise<void> {
    await retryWhileBusy(this.#path, () => {
      // Writing to a file that was moved away would be answered and lost.
      this.#look();
      if (statSync(this.#path, { throwIfNoEntry: false })?.ino !== this.#inode)
        throw new Error(`${this.#path}: the delegate database is gone or broken; copy it back from a backup`);
      const database = this.#database;
      const group = groupName(owner, access);
      try {
        database.exec("begin immediate");
        database.prepare("delete from GROUPS where GROUPNAME = ?").run(group);
        const insert = database.prepare("insert into GROUPS (GROUPNAME, MEMBER) values (?, ?)");
        for (const member of new Set(members)) insert.run(group, member);
        database.exec("commit");
      } catch (error) {
        if (database.inTransaction) database.exec("rollback");
        throw error;
      }
    });
    this.#generation++;
  }

  generation(): number {
    // Asking takes 6 µs (locks and a read), and one request asks more than once. Until this turn of the event loop and its
    // promises have ended, no request can arrive whose sender saw a later writing.
    if (this.#asked) return this.#generation;
    this.#asked = true;
    process.nextTick(this.#askAgain);
    const now = Date.now();
    if (now - this.#lookedAt >= lookEvery || now < this.#lookedAt) this.#look();
    try {
      // Changes when another connection has committed, not when this one has.
      const version = this.#database.prepare("pragma data_version").get()?.[0];
      if (version !== this.#version) {
        this.#version = version;
        this.#generation++;
      }
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
