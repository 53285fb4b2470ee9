import { open, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { Lru } from "../base/lru.ts";
import { Database, isBroken, isBusy, isUnwritable, retryWhileBusy, type SqlValue } from "../base/sqlite.ts";
import { atRest } from "../base/volume.ts";
import { type Href, type PrincipalUid, type Utc, utc } from "../model/ids.ts";
import { type Lock, liesBelow } from "../model/lock.ts";
import { Refusal } from "../model/refusal.ts";
import type { Locks } from "./contract.ts";
import { isMissing, makeDirectories, quickStat, syncDirectory } from "./files.ts";
import type { StoreParts } from "./parts.ts";
import { reach } from "./points.ts";
import { Serial } from "./serial.ts";

const none: readonly Lock[] = [];
/** Homes whose locks a worker keeps in mind, each with an open file if it ever had a lock. */
const mostHomes = 256;

/** The locks of all homes, in one sqlite file per home that ever had one: `.locks/<uid>.sqlite`. All workers and hosts see the
 *  same; a lock that was granted survives them. Losing a file is losing that home's locks. */
export class LockStore implements Locks {
  readonly #parts: StoreParts;
  readonly #homes = new Lru<PrincipalUid, HomeLocks>({ maxEntries: mostHomes, dispose: (home) => home.close() });

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  /** See `Locks`. For one `stat` when nothing was locked or unlocked since they were read last. */
  held(owner: PrincipalUid): readonly Lock[] | Promise<readonly Lock[]> {
    return this.#of(owner).held();
  }

  grant(owner: PrincipalUid, lock: Lock, check: (held: readonly Lock[]) => void): Promise<void> {
    return this.#of(owner).write((db, held) => {
      check(held);
      insert(db, lock);
    });
  }

  refresh(owner: PrincipalUid, token: string, timeout: number, expires: Utc): Promise<Lock | undefined> {
    return this.#of(owner).write((db, held) => {
      const lock = held.find((one) => one.token === token);
      if (lock === undefined) return undefined;
      db.prepare("update lock set timeout = ?, expires = ? where token = ?").run(timeout, expires, token);
      return { ...lock, timeout, expires };
    });
  }

  async release(owner: PrincipalUid, token: string): Promise<void> {
    await this.#of(owner).write((db) => db.prepare("delete from lock where token = ?").run(token));
  }

  async releaseAt(owner: PrincipalUid, path: string, below = false): Promise<void> {
    const concerned = (lock: Lock): boolean => (!below && lock.path === path) || liesBelow(lock, path);
    if (!(await this.held(owner)).some(concerned)) return;
    await this.#of(owner).write((db, held) => {
      for (const lock of held.filter(concerned)) db.prepare("delete from lock where token = ?").run(lock.token);
    });
  }

  /** Closes all files; each is opened again when it is asked. */
  close(): void {
    this.#homes.clear();
  }

  #of(owner: PrincipalUid): HomeLocks {
    const known = this.#homes.get(owner);
    if (known !== undefined) return known;
    const home = new HomeLocks(this.#parts.layout.locks({ uid: owner }), this.#parts);
    this.#homes.set(owner, home);
    return home;
  }
}

interface Lately {
  /** The file's identity and ctime when it was read, by which it is known again. */
  readonly identity: number;
  readonly rest: number;
  readonly locks: readonly Lock[];
}

/** One home's file. */
class HomeLocks {
  readonly #path: string;
  readonly #parts: StoreParts;
  #db: Database | undefined;
  #identity = 0;
  #lately: Lately | undefined;
  readonly #serial = new Serial(() => this.#drop());

  constructor(path: string, parts: StoreParts) {
    this.#path = path;
    this.#parts = parts;
  }

  held(): readonly Lock[] | Promise<readonly Lock[]> {
    const { volume, now } = this.#parts;
    const file = quickStat(this.#path);
    // Empty: made just now, and nothing granted yet.
    if (file === undefined || file.size === 0) return none;
    const identity = volume.identityOf(file);
    const lately = this.#lately;
    if (lately !== undefined && lately.rest === file.ctimeMs && lately.identity === identity)
      return unexpired(lately.locks, now());
    if (this.#db?.open && this.#db.inTransaction) return this.#serial.quiet.then(() => this.held());
    const rest = volume.local && atRest(file.ctimeMs) ? file.ctimeMs : undefined;
    try {
      return unexpired(this.#read(identity, rest), now());
    } catch (error) {
      if (isBroken(error)) return this.#serial.take(() => this.#discard(identity)).then(() => this.held());
      if (!isBusy(error)) throw error;
      return retryWhileBusy(this.#path, () => this.#read(identity, undefined))
        .catch((later: unknown) => {
          if (!isBroken(later)) throw later;
        })
        .then(() => this.held());
    }
  }

  /** Runs `work` with the file's write lock held and commits, or throws what it threw and changes nothing. */
  write<T>(work: (db: Database, held: readonly Lock[]) => T): Promise<T> {
    return this.#serial.take(async () => {
      for (let attempt = 0; ; attempt++) {
        try {
          const db = await this.#begin();
          if (db !== undefined) return await this.#transact(db, work);
        } catch (error) {
          this.#rollback();
          if (isBroken(error)) await this.#discard(this.#identity);
          else if (isUnwritable(error)) throw new Refusal({ code: "sufficient-disk-space" }, { cause: error });
          else throw error;
        }
        if (attempt > 20) throw new Error(`${this.#path}: keeps vanishing`);
      }
    });
  }

  close(): void {
    this.#serial.close();
  }

  async #transact<T>(db: Database, work: (db: Database, held: readonly Lock[]) => T): Promise<T> {
    db.prepare("delete from lock where expires <= ?").run(this.#parts.now());
    const result = work(db, rowsOf(db));
    reach("lock.commit");
    // Readers of other processes are waited for; the transaction stays open and new ones are kept out.
    await retryWhileBusy(this.#path, () => db.exec("commit"));
    reach("lock.committed");
    return result;
  }

  /** Takes the write lock. Undefined when the file was taken away meanwhile. */
  async #begin(): Promise<Database | undefined> {
    if (quickStat(this.#path) === undefined) await this.#make();
    const identity = this.#identityNow();
    if (identity === undefined) return undefined;
    const db = await retryWhileBusy(this.#path, () => this.#open(identity));
    await retryWhileBusy(this.#path, () => db.exec("begin immediate"));
    if (this.#identityNow() !== identity) {
      this.#rollback();
      this.#drop();
      return undefined;
    }
    db.exec(schema);
    return db;
  }

  // Before sqlite opens it: the identity must be that of the file which is open.
  async #make(): Promise<void> {
    const folder = dirname(this.#path);
    await makeDirectories(folder);
    await (await open(this.#path, "a")).close();
    await syncDirectory(folder);
  }

  #identityNow(): number | undefined {
    const file = quickStat(this.#path);
    return file && this.#parts.volume.identityOf(file);
  }

  #read(identity: number, rest: number | undefined): readonly Lock[] {
    const locks = rowsOf(this.#open(identity));
    this.#lately = rest === undefined ? undefined : { identity, rest, locks };
    return locks;
  }

  /** The file opened, if need be anew: it is another one than before, or was just not there. */
  #open(identity: number): Database {
    if (this.#db?.open && identity === this.#identity) return this.#db;
    this.#drop();
    const db = new Database(this.#path);
    try {
      // As an index, and synced: nothing else knows of a lock.
      db.pragma("journal_mode = TRUNCATE");
      db.pragma("synchronous = FULL");
      db.pragma("cache_size = -100");
      db.pragma("cache_spill = OFF");
    } catch (error) {
      db.close();
      throw error;
    }
    this.#db = db;
    this.#identity = identity;
    return db;
  }

  #rollback(): void {
    try {
      if (this.#db?.open && this.#db.inTransaction) this.#db.exec("rollback");
    } catch {
      this.#drop();
    }
  }

  /** Takes away a file that is no database of ours. */
  async #discard(identity: number): Promise<void> {
    this.#drop();
    if (this.#identityNow() !== identity) return;
    this.#parts.warn("locks lost: their file is broken", { path: this.#path });
    await unlink(`${this.#path}-journal`).catch(() => undefined);
    await unlink(this.#path).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  }

  #drop(): void {
    this.#lately = undefined;
    if (this.#db?.open) this.#db.close();
    this.#db = undefined;
  }
}

const unexpired = (locks: readonly Lock[], now: Utc): readonly Lock[] =>
  locks.length === 0 || locks.every(({ expires }) => expires > now)
    ? locks
    : locks.filter(({ expires }) => expires > now);

const schema = `
  create table if not exists lock (
    token text primary key,
    path text not null,
    root text not null,
    depth text not null,
    scope text not null,
    creator text not null,
    owner text not null,
    timeout integer not null,
    expires integer not null
  ) without rowid`;

const columns = "token, path, root, depth, scope, creator, owner, timeout, expires";

const rowsOf = (db: Database): readonly Lock[] =>
  db.prepare(`select ${columns} from lock order by path, token`).all().map(lockOf);

const lockOf = (row: readonly SqlValue[]): Lock => ({
  token: row[0] as string,
  path: row[1] as string,
  root: row[2] as Href,
  deep: row[3] === "infinity",
  shared: row[4] === "shared",
  creator: row[5] as PrincipalUid,
  owner: row[6] as string,
  timeout: row[7] as number,
  expires: utc(row[8] as number),
});

const insert = (db: Database, lock: Lock): void =>
  db
    .prepare(`insert into lock (${columns}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
    .run(
      lock.token,
      lock.path,
      lock.root,
      lock.deep ? "infinity" : "0",
      lock.shared ? "shared" : "exclusive",
      lock.creator,
      lock.owner,
      lock.timeout,
      lock.expires,
    );
