import { randomUUID } from "node:crypto";
import { Database, retryWhileBusy } from "../base/sqlite.ts";

/** What a reply address stands for. */
export interface Correspondence {
  /** Calendar user addresses as the object has them. */
  readonly organizer: string;
  readonly attendee: string;
  readonly uid: string;
}

/** One thing that became of a mail. */
export interface MailNote {
  /** ms since 1970. */
  readonly at: number;
  readonly uid: string;
  readonly address: string;
  /** "sent", "deferred", "refused", "bounced", "received", "left out" … */
  readonly event: string;
  readonly details: string;
}

const day = 86_400_000;
const dateText = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
/** Notes kept; the oldest leave. */
const maxNotes = 50_000;

/** The reply tokens, in the file and the table of the original's mail gateway, so that answers to its invitations still arrive, and beside
 *  them what became of mails. A token is a secret: whoever has it may answer for the attendee. */
export class MailTokens {
  readonly #database: Database;
  readonly #daysToLive: number;

  /** Opens or makes. Rejects when it is a database of another type. */
  static open(path: string, daysToLive: number): Promise<MailTokens> {
    return retryWhileBusy(path, () => new MailTokens(path, daysToLive));
  }

  private constructor(path: string, daysToLive: number) {
    this.#daysToLive = daysToLive;
    this.#database = new Database(path, { opened: prepared });
  }

  /** The token for these, made when there is none. It lives so many days from its last use, and from `until` (ms since 1970), the end of
   *  what it is about. */
  async tokenFor({ organizer, attendee, uid }: Correspondence, until: number, now: number): Promise<string> {
    const stamp = dateText(Math.max(now, until));
    return this.#change(() => {
      const known = this.#database
        .prepare("select TOKEN, DATESTAMP from TOKENS where ORGANIZER = ? and ATTENDEE = ? and ICALUID = ?")
        .get(organizer, attendee, uid);
      if (typeof known?.[0] === "string") {
        if (String(known[1]) < stamp)
          this.#database.prepare("update TOKENS set DATESTAMP = ? where TOKEN = ?").run(stamp, known[0]);
        return known[0];
      }
      const token = randomUUID();
      this.#database
        .prepare("insert into TOKENS (TOKEN, ORGANIZER, ATTENDEE, ICALUID, DATESTAMP) values (?, ?, ?, ?, ?)")
        .run(token, organizer, attendee, uid, stamp);
      return token;
    });
  }

  /** Undefined: there is none of that name, or none any more. */
  async find(token: string): Promise<Correspondence | undefined> {
    const row = await this.#read(() =>
      this.#database
        .prepare("select ORGANIZER, ATTENDEE, ICALUID from TOKENS where TOKEN = ?")
        .get(token.toLowerCase()),
    );
    return row && { organizer: String(row[0]), attendee: String(row[1]), uid: String(row[2]) };
  }

  /** Forgets tokens that have outlived their days, and old notes. */
  async purge(now: number): Promise<void> {
    const oldest = now - this.#daysToLive * day;
    await this.#change(() => {
      this.#database.prepare("delete from TOKENS where DATESTAMP < ?").run(dateText(oldest));
      this.#database
        .prepare("delete from NOTES where AT < ? or rowid <= (select max(rowid) from NOTES) - ?")
        .run(oldest, maxNotes);
    });
  }

  async note({ at, uid, address, event, details }: MailNote): Promise<void> {
    await this.#change(() =>
      this.#database
        .prepare("insert into NOTES (AT, ICALUID, ADDRESS, EVENT, DETAILS) values (?, ?, ?, ?, ?)")
        .run(at, uid.slice(0, 500), address.slice(0, 320), event, details.slice(0, 500)),
    );
  }

  /** Notes about a UID or an address, the latest first. `about` undefined: of all. */
  async notes(about: string | undefined, most: number): Promise<readonly MailNote[]> {
    const rows = await this.#read(() =>
      this.#database
        .prepare(
          `select AT, ICALUID, ADDRESS, EVENT, DETAILS from NOTES
           where ? = '' or ICALUID = ? or ADDRESS = ? order by rowid desc limit ?`,
        )
        .all(about ?? "", about ?? "", about?.toLowerCase() ?? "", most),
    );
    return rows.map(([at, uid, address, event, details]) => ({
      at: Number(at),
      uid: String(uid),
      address: String(address),
      event: String(event),
      details: String(details),
    }));
  }

  /** How many notes of one kind there are, whose details begin with these words. `since`: ms since 1970. */
  async count({ uid, address, event, details }: Omit<MailNote, "at">, since: number): Promise<number> {
    const row = await this.#read(() =>
      this.#database
        .prepare(
          `select count(*) from NOTES
           where ICALUID = ? and ADDRESS = ? and EVENT = ? and substr(DETAILS, 1, ?) = ? and AT >= ?`,
        )
        .get(uid.slice(0, 500), address.slice(0, 320), event, details.length, details, since),
    );
    return Number(row?.[0] ?? 0);
  }

  #read<T>(work: () => T): Promise<T> {
    return retryWhileBusy(this.#database.path, work);
  }

  #change<T>(work: () => T): Promise<T> {
    return retryWhileBusy(this.#database.path, () => {
      this.#database.exec("begin immediate");
      try {
        const result = work();
        this.#database.exec("commit");
        return result;
      } catch (error) {
        if (this.#database.inTransaction) this.#database.exec("rollback");
        throw error;
      }
    });
  }

  close(): void {
    this.#database.close();
  }
}

function prepared(database: Database): void {
  database.exec("pragma journal_mode = truncate; pragma synchronous = full");
  const isMade = database.prepare("select 1 from sqlite_master where name = 'CALDAV'").get() !== undefined;
  if (!isMade)
    database.exec(
      `begin immediate;
       create table if not exists CALDAV (KEY text unique, VALUE text unique);
       insert or ignore into CALDAV values ('SCHEMA_VERSION', '1'), ('TYPE', 'MAILGATEWAYTOKENS');
       create table if not exists TOKENS (TOKEN text, ORGANIZER text, ATTENDEE text, ICALUID text, DATESTAMP date);
       create index if not exists TOKENSINDEX on TOKENS (TOKEN);
       commit`,
    );
  const type = database.prepare("select VALUE from CALDAV where KEY = 'TYPE'").get()?.[0];
  if (type !== "MAILGATEWAYTOKENS")
    throw new Error(`${database.path}: is a database of type ${type}, not MAILGATEWAYTOKENS`);
  database.exec(
    `create index if not exists TOKENSBYUID on TOKENS (ICALUID);
     create table if not exists NOTES (AT integer, ICALUID text, ADDRESS text, EVENT text, DETAILS text);
     create index if not exists NOTESBYUID on NOTES (ICALUID);
     create index if not exists NOTESBYADDRESS on NOTES (ADDRESS)`,
  );
}
