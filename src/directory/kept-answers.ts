import { rmSync, statSync } from "node:fs";
import { Database, isBusy } from "../base/sqlite.ts";

/** A place where answers of a directory outlive the process that asked, and are found by the other workers. */
export interface Keeper<V> {
  /** What was kept and when (milliseconds since 1970). */
  load(key: string): { readonly value: V; readonly at: number } | undefined;
  save(key: string, value: V | undefined, at: number): void;
}

export interface KeptAnswersOptions {
  /** Rows of all kinds; the oldest leave. */
  readonly maxRows: number;
  /** Milliseconds after which an answer is of no use. */
  readonly keepFor: number;
  readonly warn: (message: string) => void;
}

/** Writing waits this long for more of the same, milliseconds, and writes so many rows at once. */
const writeAfter = 100;
const atOnce = 300;
/** More are not waited with: the oldest of them are lost, which is no harm. */
const mostWaiting = 20_000;

/** The file in which workers share what a directory said: who was known to one worker is known to all, and, while no directory
 *  server answers, after a restart too. Disposable: what cannot be read is made anew, and a file
 *  that cannot be written is done without. */
export class KeptAnswers {
  readonly #path: string;
  readonly #options: KeptAnswersOptions;
  readonly #waiting = new Map<string, readonly [kind: string, key: string, value: string | undefined, at: number]>();
  #database: Database | undefined;
  #timer: NodeJS.Timeout | undefined;
  #written = 0;
  #inode: number | undefined;
  #closed = false;
  /** Another worker held the file when it was to be opened. */
  #opensLater = false;

  constructor(path: string, options: KeptAnswersOptions) {
    this.#path = path;
    this.#options = options;
    try {
      this.#database = this.#open();
    } catch (error) {
      // Another worker makes its tables; it does not matter much who shares.
      if (isBusy(error)) this.#later();
      else this.#replace(error);
    }
  }

  /** Of one kind of answer. Values are plain data. */
  of<V>(kind: string): Keeper<V> {
    return {
      load: (key) => {
        const waiting = this.#waiting.get(`${kind}\0${key}`);
        if (waiting !== undefined)
          return waiting[2] === undefined ? undefined : { value: JSON.parse(waiting[2]) as V, at: waiting[3] };
        const row = this.#try((database) =>
          database.prepare("select VALUE, AT from ANSWERS where KIND = ? and KEY = ?").get(kind, key),
        );
        return row === undefined ? undefined : { value: JSON.parse(String(row[0])) as V, at: Number(row[1]) };
      },
      save: (key, value, at) => {
        const id = `${kind}\0${key}`;
        // The newest last: then the oldest are the first to be dropped.
        this.#waiting.delete(id);
        this.#waiting.set(id, [kind, key, value === undefined ? undefined : JSON.stringify(value), at]);
        if (this.#waiting.size > mostWaiting)
          for (const first of this.#waiting.keys()) {
            this.#waiting.delete(first);
            break;
          }
        this.#timer ??= setTimeout(() => this.#write(), writeAfter).unref();
      },
    };
  }

  #later(): void {
    this.#opensLater = true;
    setTimeout(() => {
      this.#opensLater = false;
      if (this.#database !== undefined || this.#closed) return;
      try {
        this.#database = this.#open();
      } catch (error) {
        if (isBusy(error)) this.#later();
        else this.#replace(error);
      }
    }, writeAfter).unref();
  }

  #open(): Database {
    const database = new Database(this.#path);
    this.#inode = inodeOf(this.#path);
    try {
      database.exec(
        `pragma journal_mode = truncate; pragma synchronous = off;
         create table if not exists ANSWERS (KIND text, KEY text, VALUE text, AT integer, primary key (KIND, KEY)) without rowid;
         create index if not exists AGES on ANSWERS (AT)`,
      );
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Opens the file again: the one that another worker has made anew meanwhile, else a new one in its place. */
  #replace(error: unknown): void {
    this.#database?.close();
    this.#database = undefined;
    try {
      if (inodeOf(this.#path) === this.#inode || this.#inode === undefined) rmSync(this.#path, { force: true });
      this.#database = this.#open();
    } catch {
      this.#options.warn(
        `${this.#path}: answers of the directory cannot be kept: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  #try<T>(work: (database: Database) => T): T | undefined {
    if (this.#database === undefined) return undefined;
    try {
      return work(this.#database);
    } catch (error) {
      if (!isBusy(error)) this.#replace(error);
      return undefined;
    }
  }

  #write(): void {
    this.#timer = undefined;
    if (this.#database === undefined && !this.#opensLater) this.#waiting.clear();
    const some = [...this.#waiting].slice(0, atOnce);
    if (some.length === 0) return;
    const done = this.#try((database) => {
      database.exec("begin immediate");
      try {
        const put = database.prepare("insert or replace into ANSWERS (KIND, KEY, VALUE, AT) values (?, ?, ?, ?)");
        const drop = database.prepare("delete from ANSWERS where KIND = ? and KEY = ?");
        for (const [, [kind, key, value, at]] of some)
          if (value === undefined) drop.run(kind, key);
          else put.run(kind, key, value, at);
        this.#tidy(database, some.length);
        database.exec("commit");
      } catch (error) {
        if (database.inTransaction) database.exec("rollback");
        throw error;
      }
      return true;
    });
    // Replaced meanwhile by a newer answer: that one still waits.
    if (done === true) for (const [id, row] of some) if (this.#waiting.get(id) === row) this.#waiting.delete(id);
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.#write(), done === true ? 0 : writeAfter).unref();
  }

  /** Once in a thousand rows: the old ones leave, and what is over the bound. */
  #tidy(database: Database, rows: number): void {
    this.#written += rows;
    if (this.#written < 1000) return;
    this.#written = 0;
    database.prepare("delete from ANSWERS where AT < ?").run(Date.now() - this.#options.keepFor);
    database
      .prepare("delete from ANSWERS where AT < (select AT from ANSWERS order by AT desc limit 1 offset ?)")
      .run(this.#options.maxRows);
  }

  /** Writes what waits. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (let left = this.#waiting.size; left > 0; left -= atOnce) this.#write();
    clearTimeout(this.#timer);
    this.#database?.close();
    this.#database = undefined;
  }
}

const inodeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino;
