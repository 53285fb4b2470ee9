import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { Database, retryWhileBusy } from "../base/sqlite.ts";

/** What is known of a message that another server sends. */
export type Receipt =
  /** It is new, and noted now. */
  | { readonly is: "new" }
  /** It came before, and was not done with: the process died, or is at it. */
  | { readonly is: "begun" }
  /** It was done, and answered so. */
  | { readonly is: "done"; readonly answer: string }
  /** Another message came under that name. */
  | { readonly is: "other" };

/** Seconds between two times that what has expired is forgotten. */
const sweepEvery = 600;

/** Remembers messages of other servers for as long as their signatures hold, for all workers and hosts: so none is done twice. One
 *  sqlite file, made with the first message. Losing it is forgetting. */
export class Received {
  readonly #path: string;
  #database: Database | undefined;
  #sweptAt = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Notes a message, durably, unless it is known. `digest`: of what it says. `until`, `now`: seconds. */
  begin(name: string, digest: string, until: number, now: number): Promise<Receipt> {
    const database = this.#open();
    return retryWhileBusy("the memory of received messages", (): Receipt => {
      database.exec("begin immediate");
      try {
        if (now - this.#sweptAt > sweepEvery) database.prepare("delete from received where until < ?").run(now);
        this.#sweptAt = now;
        const row = database
          .prepare("select digest, answer from received where name = ? and until >= ?")
          .get(name, now);
        if (row === undefined)
          database.prepare("insert or replace into received values (?, ?, ?, null)").run(name, digest, until);
        database.exec("commit");
        if (row === undefined) return { is: "new" };
        const [known, answer] = row;
        if (known !== digest) return { is: "other" };
        return typeof answer === "string" ? { is: "done", answer } : { is: "begun" };
      } catch (error) {
        if (database.inTransaction) database.exec("rollback");
        throw error;
      }
    });
  }

  /** Notes what it was answered. */
  async end(name: string, answer: string): Promise<void> {
    const database = this.#open();
    await retryWhileBusy("the memory of received messages", () =>
      database.prepare("update received set answer = ? where name = ?").run(answer, name),
    );
  }

  #open(): Database {
    if (this.#database !== undefined) return this.#database;
    // Once per process.
    mkdirSync(dirname(this.#path), { recursive: true });
    this.#database = new Database(this.#path, {
      opened: (database) => {
        database.exec("pragma journal_mode=truncate");
        database.exec("pragma synchronous=full");
        database.exec(
          "create table if not exists received (name text primary key, digest text not null, until integer not null, answer text)",
        );
      },
    });
    return this.#database;
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }
}
