import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Database, isBusy, retryWhileBusy } from "../base/sqlite.ts";
import { Serial } from "./serial.ts";

/** What a named lock is about. Somebody may hold one of each, taken in this order, and collection locks inside. */
export type LockScope = "uid" | "person";
const order: readonly LockScope[] = ["uid", "person"];

/** How long somebody waits for a named lock, ms: an invitation of hundreds may be under way. */
const patience = 60_000;

interface Held {
  readonly scope: LockScope;
  readonly name: string;
}

/** Locks with names, for all workers and hosts of a store: `BEGIN IMMEDIATE` on one of 256 files chosen by hash. The kernel frees
 *  one when its process dies. Names that share a file wait for each other, which is why none is taken inside another of its
 *  scope. Nothing is ever written to the files. */
export class NamedLocks {
  readonly #folder: string;
  readonly #held = new AsyncLocalStorage<readonly Held[]>();
  readonly #databases = new Map<string, Database>();
  /** Who waits in this process, by file. */
  readonly #serials = new Map<string, Serial>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Runs `work` while nobody else has the lock. Throws LockTimeout after a minute, and an Error for a lock taken out of order: the
   *  one way to a deadlock. */
  async exclusively<T>(scope: LockScope, name: string, work: () => Promise<T>): Promise<T> {
    const held = this.#held.getStore() ?? [];
    if (held.some((one) => order.indexOf(one.scope) >= order.indexOf(scope)))
      throw new Error(`the lock of ${scope} ${name} is asked for inside the one of ${held.at(-1)?.name}`);
    const file = `${scope}-${createHash("md5").update(name).digest()[0]?.toString(16).padStart(2, "0")}`;
    let serial = this.#serials.get(file);
    if (serial === undefined) {
      serial = new Serial();
      this.#serials.set(file, serial);
    }
    return serial.take(() => this.#locked(file, name, () => this.#held.run([...held, { scope, name }], work)));
  }

  async #locked<T>(file: string, name: string, work: () => Promise<T>): Promise<T> {
    const database = this.#open(file);
    await retryWhileBusy(`the lock of ${name}`, () => database.exec("begin immediate"), { patience });
    try {
      return await work();
    } finally {
      if (database.open && database.inTransaction) database.exec("rollback");
    }
  }

  /** Takes a role that one process at a time has, of all workers and hosts, and answers how to give it back; undefined while another
   *  has it. The kernel frees it with the process. */
  claim(role: string): (() => void) | undefined {
    const database = this.#open(`role-${role}`);
    if (database.inTransaction) return undefined;
    try {
      database.exec("begin immediate");
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw error;
    }
    return () => {
      if (database.open && database.inTransaction) database.exec("rollback");
    };
  }

  #open(file: string): Database {
    const known = this.#databases.get(file);
    if (known !== undefined) return known;
    // Once per process and file, and no data: nobody waits for a disk.
    if (this.#databases.size === 0) mkdirSync(this.#folder, { recursive: true });
    const database = new Database(join(this.#folder, `${file}.sqlite`));
    this.#databases.set(file, database);
    return database;
  }

  close(): void {
    for (const database of this.#databases.values()) database.close();
    this.#databases.clear();
  }
}
