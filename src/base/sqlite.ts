import Binding from "better-sqlite3";

/** What may be bound to a statement or stand in a row. */
export type SqlValue = string | number | null | Buffer;

/** A prepared statement. Rows come as arrays in column order: half the cost of objects. */
export interface Statement {
  get(...values: readonly SqlValue[]): readonly SqlValue[] | undefined;
  all(...values: readonly SqlValue[]): readonly (readonly SqlValue[])[];
  run(...values: readonly SqlValue[]): void;
}

/** One sqlite file. Calls are synchronous and short (a lookup is 4 µs); waiting for a lock is never done here but by
 *  `retryWhileBusy`, so that no worker ever sleeps inside sqlite. */
export class Database {
  readonly path: string;
  readonly #binding: Binding.Database;
  readonly #statements = new Map<string, Statement>();

  /** Opens or creates. Throws what sqlite throws; see `isBroken`. */
  constructor(path: string, options: { readonly readonly?: boolean } = {}) {
    this.path = path;
    this.#binding = new Binding(path, { timeout: 0, readonly: options.readonly ?? false });
  }

  /** Prepares once per text and handle. */
  prepare(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known) return known;
    // Conditions come in many shapes; no client may fill the memory with them.
    if (this.#statements.size >= 128) this.#statements.clear();
    const prepared = this.#binding.prepare(sql);
    if (prepared.reader) prepared.raw(true);
    const statement: Statement = prepared.reader
      ? {
          get: (...values) => prepared.get(...values) as readonly SqlValue[] | undefined,
          all: (...values) => prepared.all(...values) as readonly (readonly SqlValue[])[],
          run: (...values) => void prepared.all(...values),
        }
      : {
          get: () => undefined,
          all: () => [],
          run: (...values) => void prepared.run(...values),
        };
    this.#statements.set(sql, statement);
    return statement;
  }

  /** Runs statements that return nothing (schema, begin, commit). */
  exec(sql: string): void {
    this.#binding.exec(sql);
  }

  /** First column of a pragma's first row. */
  pragma(text: string): unknown {
    return this.#binding.pragma(text, { simple: true });
  }

  /** Frees cached pages and whatever else can be had again. */
  shrink(): void {
    this.#binding.exec("pragma shrink_memory");
  }

  get inTransaction(): boolean {
    return this.#binding.inTransaction;
  }

  get open(): boolean {
    return this.#binding.open;
  }

  close(): void {
    this.#statements.clear();
    this.#binding.close();
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
