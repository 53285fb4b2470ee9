import { hash, randomBytes, randomInt } from "node:crypto";
import { statSync } from "node:fs";
import { chmod, chown, mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Database, retryWhileBusy } from "../base/sqlite.ts";
import type { PrincipalUid } from "../model/ids.ts";
import { sameSecret } from "./stored-password.ts";

/** A password made by the server for one device or program of a user. The password itself is shown once and kept nowhere. */
export interface AppPassword {
  /** Eight hex digits. */
  readonly id: string;
  readonly uid: PrincipalUid;
  /** What the user calls it: "telephone". */
  readonly name: string;
  /** It may not change anything. */
  readonly readOnly: boolean;
  /** Seconds since 1970. */
  readonly created: number;
  /** Seconds since 1970, from which it is void; undefined: never. */
  readonly expires: number | undefined;
  /** Digest may use it. */
  readonly digest: boolean;
}

interface Row extends AppPassword {
  readonly sum: string;
  readonly ha1: readonly string[];
}

export interface NewAppPassword {
  readonly uid: PrincipalUid;
  readonly name: string;
  readonly readOnly: boolean;
  readonly expires: number | undefined;
  /** Name and realm, for Digest; undefined: for Basic only, and then nothing is stored that anybody could sign in with. */
  readonly digest: { readonly user: string; readonly realm: string } | undefined;
}

/** Beside the delegate database, not in DataRoot: like that one it cannot be made again, it is wanted in every backup of the
 *  store, and all hosts that share the store must know it. */
export const appPasswordsFile = (documentRoot: string): string => join(documentRoot, "principals", ".db.apppasswords");

/** The most one user may have. */
export const maxPerUser = 100;
/** The file is looked at no more often than this, by one `stat`. Milliseconds. */
const lookEvery = 1000;

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
const letters = 20;

/** What was typed, if it has the form of an app password: blanks, hyphens and case are people's affair. */
const canonical = (typed: string): string | undefined => {
  if (typed.length > 40) return undefined;
  const text = typed.replace(/[\s-]/g, "").toLowerCase();
  return /^[a-z2-7]{20}$/.test(text) ? text : undefined;
};

/** One round of SHA-256 is enough: what is hashed has 100 random bits, not what people think up. */
const sumOf = (id: string, secret: string): string => hash("sha256", `${id}:${secret}`);

const none: Promise<ReadonlyMap<PrincipalUid, readonly Row[]>> = Promise.resolve(new Map());

/** The app passwords of all users: read by every worker when the file changed, written by caladmin. */
export class AppPasswords {
  readonly #path: string;
  readonly #now: () => number;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #seen = "";
  #generation = 1;
  /** When the next one becomes void. Milliseconds. */
  #nextEnd = Number.POSITIVE_INFINITY;
  #rows: Promise<ReadonlyMap<PrincipalUid, readonly Row[]>> | undefined;

  /** The file need not be there. `now`: milliseconds; a test gives its own clock. */
  constructor(documentRoot: string, now: () => number = Date.now) {
    this.#path = appPasswordsFile(documentRoot);
    this.#now = now;
  }

  /** Changes when any process wrote, within a second, and when a password expires. */
  generation(): number {
    const now = this.#now();
    if (now - this.#lookedAt >= lookEvery || now < this.#lookedAt) {
      this.#lookedAt = now;
      const seen = stampOf(this.#path);
      if (seen !== this.#seen) {
        this.#seen = seen;
        this.#rows = undefined;
        this.#generation++;
      } else if (now >= this.#nextEnd) {
        this.#nextEnd = Number.POSITIVE_INFINITY;
        this.#rows = undefined;
        this.#generation++;
      }
    }
    return this.#generation;
  }

  /** The app password that `typed` is, if it is one of the user's that is good now. */
  async match(uid: PrincipalUid, typed: string): Promise<AppPassword | undefined> {
    const secret = canonical(typed);
    if (secret === undefined) return undefined;
    const rows = await this.#of(uid);
    return rows.find(({ id, sum }) => sameSecret(sumOf(id, secret), sum));
  }

  /** Those good now that Digest may use, with HA1 of the hash. */
  async forDigest(
    uid: PrincipalUid,
    name: "md5" | "sha256",
  ): Promise<readonly (AppPassword & { readonly ha1: string })[]> {
    const digits = name === "md5" ? 32 : 64;
    return (await this.#of(uid)).flatMap((row) => {
      const ha1 = row.ha1.find(({ length }) => length === digits);
      return ha1 === undefined ? [] : [{ ...row, ha1 }];
    });
  }

  /** Of one user, or of all; expired ones too. */
  async list(uid?: PrincipalUid): Promise<readonly AppPassword[]> {
    const all = await this.#all();
    return uid === undefined ? [...all.values()].flat() : (all.get(uid) ?? []);
  }

  /** Makes one. The password is given back this once, in four groups. Throws Error when the user has too many, or has one of
   *  that name. */
  async add({
    uid,
    name,
    readOnly,
    expires,
    digest,
  }: NewAppPassword): Promise<{ readonly id: string; readonly password: string }> {
    const id = randomBytes(4).toString("hex");
    const secret = Array.from({ length: letters }, () => alphabet[randomInt(alphabet.length)]).join("");
    const password = (secret.match(/.{5}/g) ?? []).join("-");
    const text = digest === undefined ? undefined : `${digest.user}:${digest.realm}:${password}`;
    await this.#write((database) => {
      const [count = 0, same = 0] = database
        .prepare("select count(*), coalesce(sum(NAME = ?), 0) from APPPASSWORDS where UID = ?")
        .get(name, uid) as [number, number];
      if (same > 0) throw new Error(`there is an app password ${JSON.stringify(name)} already`);
      if (count >= maxPerUser)
        throw new Error(`there are ${count} app passwords already; more than ${maxPerUser} may not be`);
      database
        .prepare("insert into APPPASSWORDS values (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .run(
          ...[id, uid, name, sumOf(id, secret)],
          ...(text === undefined ? [null, null] : [hash("md5", text), hash("sha256", text)]),
          ...[readOnly ? 1 : 0, Math.floor(this.#now() / 1000), expires ?? null],
        );
    });
    return { id, password };
  }

  /** Takes one away. False: there is none of that id. */
  async revoke(id: string): Promise<boolean> {
    if ((await this.list()).every((row) => row.id !== id)) return false;
    await this.#write((database) => database.prepare("delete from APPPASSWORDS where ID = ?").run(id));
    return true;
  }

  async #of(uid: PrincipalUid): Promise<readonly Row[]> {
    const now = this.#now() / 1000;
    return ((await this.#all()).get(uid) ?? []).filter(({ expires }) => expires === undefined || expires > now);
  }

  #all(): Promise<ReadonlyMap<PrincipalUid, readonly Row[]>> {
    this.generation();
    if (this.#rows !== undefined) return this.#rows;
    if (this.#seen === "ENOENT") return none;
    const reading = read(this.#path);
    this.#rows = reading;
    reading.then(
      (rows) => {
        const ends = [...rows.values()].flat().map(({ expires }) => (expires ?? Number.POSITIVE_INFINITY) * 1000);
        const now = this.#now();
        this.#nextEnd = ends.reduce((first, end) => (end > now && end < first ? end : first), Number.POSITIVE_INFINITY);
      },
      () => {
        if (this.#rows === reading) this.#rows = undefined;
      },
    );
    return reading;
  }

  async #write(change: (database: Database) => void): Promise<void> {
    const path = this.#path;
    await mkdir(dirname(path), { recursive: true });
    const fresh = !(await stat(path).then(
      () => true,
      () => false,
    ));
    await retryWhileBusy(path, () => {
      const database = new Database(path);
      try {
        database.exec("pragma journal_mode = truncate; pragma synchronous = full; begin immediate;");
        database.exec(
          `create table if not exists APPPASSWORDS (ID text primary key, UID text not null, NAME text not null,
           SUM text not null, HA1MD5 text, HA1SHA256 text, READONLY integer not null, CREATED integer not null, EXPIRES integer);`,
        );
        change(database);
        database.exec("commit");
      } finally {
        if (database.inTransaction) database.exec("rollback");
        database.close();
      }
    });
    if (fresh) await ownedAsFolder(path);
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }
}

const read = (path: string): Promise<ReadonlyMap<PrincipalUid, readonly Row[]>> =>
  retryWhileBusy(path, () => {
    const database = new Database(path, { readonly: true });
    try {
      const rows = new Map<PrincipalUid, Row[]>();
      for (const values of database
        .prepare(
          "select ID, UID, NAME, SUM, HA1MD5, HA1SHA256, READONLY, CREATED, EXPIRES from APPPASSWORDS order by CREATED",
        )
        .all()) {
        const [id, uid, name, sum, md5, sha256, readOnly, created, expires] = values;
        const ha1 = [md5, sha256].filter((text) => typeof text === "string");
        const row: Row = {
          id: String(id),
          uid: String(uid) as PrincipalUid,
          name: String(name),
          sum: String(sum),
          ha1,
          digest: ha1.length > 0,
          readOnly: readOnly === 1,
          created: Number(created),
          expires: expires === null ? undefined : Number(expires),
        };
        const known = rows.get(row.uid);
        if (known === undefined) rows.set(row.uid, [row]);
        else known.push(row);
      }
      return rows;
    } finally {
      database.close();
    }
  });

/** Made by root's caladmin, the file must be readable by workers that are not root: it becomes the owner's of its folder. */
async function ownedAsFolder(path: string): Promise<void> {
  await chmod(path, 0o640);
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(dirname(path));
  await chown(path, uid, gid);
}

/** Time, size and inode of the file, or why there are none. */
function stampOf(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "unknown";
  }
}
