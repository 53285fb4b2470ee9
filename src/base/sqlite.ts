import Binding from "better-sqlite3";

/** What may be bound to a statement or stand in a row. */
export type SqlValue = string | number | null | Buffer;

/** A prepared statement. Rows come as arrays in column order: half the cost of objects. `get` and `all` are for statements that
 *  answer rows. */
export interface Statement {
  get(...values: readonly SqlValue[]): readonly SqlValue[] | undefined;
  all(...values: readonly SqlValue[]): readonly (readonly SqlValue[])[];
  run(...values: readonly SqlValue[]): void;
}

interface Opening {
  readonly readonly?: boolean;
  /** Sets the connection up. Called again whenever it is opened anew. */
  readonly opened?: (database: Database) => void;
}

/** One sqlite file. Calls are synchronous and short (a lookup is 4 µs); waiting for a lock is never done here but by
 *  `retryWhileBusy`, so that no worker ever sleeps inside sqlite. */
export class Database {
  readonly path: string;
  readonly #options: Opening;
  readonly #statements = new Map<string, Statement>();
  #binding: Binding.Database | undefined;
  /** Asleep: whether the file at the path is still the one that was open. */
  #unchanged: (() => boolean) | undefined;

  /** Opens or creates. Throws what sqlite throws; see `isBroken`. */
  constructor(path: string, options: Opening = {}) {
    this.path = path;
    this.#options = options;
    this.#connect(false);
  }

  #connect(fileMustExist: boolean): Binding.Database {
    const binding = new Binding(this.path, { timeout: 0, readonly: this.#options.readonly ?? false, fileMustExist });
    this.#binding = binding;
    try {
      this.#options.opened?.(this);
    } catch (error) {
      binding.close();
      this.#binding = undefined;
      throw error;
    }
    return binding;
  }

  /** The connection, woken if it sleeps. For statements. */
  get connection(): Binding.Database {
    return this.#binding ?? this.#wake();
  }

  #wake(): Binding.Database {
    const unchanged = this.#unchanged;
    if (unchanged === undefined) throw new TypeError(`${this.path}: the database is closed`);
    if (!unchanged()) throw moved(this.path);
    const binding = this.#connect(true);
    if (unchanged()) return binding;
    binding.close();
    this.#binding = undefined;
    throw moved(this.path);
  }

  /** Gives back the memory of the connection (200 KB); the next use opens it again (0.1 ms) if `unchanged` says that the file is
   *  the same, and otherwise finds it broken. Not within a transaction. */
  sleep(unchanged: () => boolean): void {
    if (this.#binding === undefined || this.inTransaction) return;
    this.#unchanged = unchanged;
    this.#binding.close();
    this.#binding = undefined;
  }

  /** Prepares once per text. */
  prepare(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known) return known;
    // Conditions come in many shapes; no client may fill the memory with them.
    if (this.#statements.size >= 128) this.#statements.clear();
    const statement = new Prepared(this, sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  /** Runs statements that return nothing (schema, begin, commit). */
  exec(sql: string): void {
    this.connection.exec(sql);
  }

  /** First column of a pragma's first row. */
  pragma(text: string): unknown {
    return this.connection.pragma(text, { simple: true });
  }

  get inTransaction(): boolean {
    return this.#binding?.inTransaction ?? false;
  }

  /** Not closed; it may be asleep. */
  get open(): boolean {
    return this.#binding !== undefined || this.#unchanged !== undefined;
  }

  close(): void {
    this.#statements.clear();
    this.#unchanged = undefined;
    this.#binding?.close();
    this.#binding = undefined;
  }
}

const moved = (path: string): Error =>
  Object.assign(new Error(`${path}: another file stands there now`), { code: "SQLITE_READONLY_DBMOVED" });

/** A statement of a database that may close and open in between. */
class Prepared implements Statement {
  readonly #database: Database;
  readonly #sql: string;
  #of: Binding.Database | undefined;
  #statement: Binding.Statement | undefined;

  constructor(database: Database, sql: string) {
    this.#database = database;
    this.#sql = sql;
    this.#ready();
  }

  #ready(): Binding.Statement {
    const { connection } = this.#database;
    if (this.#statement !== undefined && this.#of === connection) return this.#statement;
    const statement = connection.prepare(this.#sql);
    if (statement.reader) statement.raw(true);
    this.#of = connection;
    this.#statement = statement;
    return statement;
  }

  get(...values: readonly SqlValue[]): readonly SqlValue[] | undefined {
    return this.#ready().get(...values) as readonly SqlValue[] | undefined;
  }

  all(...values: readonly SqlValue[]): readonly (readonly SqlValue[])[] {
    return this.#ready().all(...values) as readonly (readonly SqlValue[])[];
  }

  run(...values: readonly SqlValue[]): void {
    const statement = this.#ready();
    if (statement.reader) statement.all(...values);
    else statement.run(...values);
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";

/** Another connection holds the lock. */
export const isBusy = (error: unknown): boolean => /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error));

/** The file is no database of ours (any more): to be replaced by a fresh one if it is disposable. IOERR_FSTAT: it was deleted
 *  while it was open, which sqlite notices when it makes a journal beside it. */
export const isBroken = (error: unknown): boolean =>
  /^SQLITE_(CORRUPT|NOTADB|IOERR_SHORT_READ|IOERR_FSTAT|SCHEMA|MISMATCH|CONSTRAINT|READONLY_DBMOVED|FORMAT)/.test(
    codeOf(error),
  ) ||
  (codeOf(error) === "SQLITE_ERROR" && /no such (table|column)|malformed/.test((error as Error).message));

/** Disk full, read only, unreachable: nothing is wrong with the contents. */
export const isUnwritable = (error: unknown): boolean =>
  /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|PERM)/.test(codeOf(error)) && !isBroken(error);

/** Nobody released the lock within the time given. */
export class LockTimeout extends Error {
  constructor(what: string, waited: number) {
    super(`${what}: still locked after ${waited} ms`);
    this.name = "LockTimeout";
  }
}

const later = (ms: number): Promise<boolean> => new Promise((resolve) => setTimeout(() => resolve(false), ms));
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Waiting {
  /** ms until LockTimeout. */
  readonly patience?: number;
  /** Waits so many ms, or less when there is reason to believe that the lock was released; then answers true. */
  readonly pause?: (ms: number) => Promise<boolean>;
}

/** Runs `work`, again and again while sqlite says busy, giving way to the event loop in between: at first at once, then
 *  after 1 to 8 ms with jitter, or when `pause` ends early. Throws LockTimeout when patience is at an end. */
export async function retryWhileBusy<T>(
  what: string,
  work: () => T,
  { patience = 30_000, pause = later }: Waiting = {},
): Promise<T> {
  const began = Date.now();
  let atOnce = 2;
  for (let attempt = 0; ; attempt++) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw error;
      const waited = Date.now() - began;
      if (waited > patience) throw new LockTimeout(what, waited);
      if (atOnce-- > 0) await soon();
      else if (await pause(1 + Math.random() * Math.min(7, attempt))) atOnce = 1;
    }
  }
}
