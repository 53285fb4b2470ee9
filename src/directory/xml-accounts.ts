import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { CalendarAddress, PrincipalUid } from "../model/ids.ts";
import type { Principal, RecordType } from "../model/principal.ts";
import { readAccounts } from "./accounts-file.ts";
import { type AccountsIndex, indexAccounts } from "./accounts-index.ts";
import type { DirectoryBackend, Proof } from "./backend.ts";
import { proves } from "./passwords.ts";

export interface XmlAccountsOptions {
  /** One line for the error log. */
  readonly warn: (message: string) => void;
  /** Milliseconds; a test gives its own clock. */
  readonly now?: () => number;
}

/** The file is looked at no more often than this, by one `stat`. Milliseconds. */
const lookEvery = 1000;
/** The most lines logged about one reading of the file. */
const maxWarnings = 50;

/** Opens an accounts.xml of Darwin Calendar Server as a directory. The file is read again when its time, size or inode
 *  changes, which is noticed within a second; should it then be missing or broken, the records known so far stay and the
 *  reason is logged. Throws when it cannot be read the first time, with file and line. */
export async function openXmlAccounts(path: string, options: XmlAccountsOptions): Promise<DirectoryBackend> {
  const accounts = new XmlAccounts(path, options);
  await accounts.load();
  return accounts;
}

class XmlAccounts implements DirectoryBackend {
  readonly #path: string;
  readonly #warn: (message: string) => void;
  readonly #now: () => number;
  #index: AccountsIndex = indexAccounts({ realm: "", records: [] }, () => {});
  #generation = 1;
  /** What the file looked like when it was last read, whether that went well or not. */
  #seen = "";
  #lookedAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(path: string, { warn, now = Date.now }: XmlAccountsOptions) {
    this.#path = path;
    this.#warn = warn;
    this.#now = now;
  }

  get realm(): string {
    return this.#index.realm;
  }

  async load(): Promise<void> {
    this.#lookedAt = this.#now();
    // Before reading: a change meanwhile then shows as one.
    this.#seen = stamp(this.#path);
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#path);
    } catch (error) {
      throw new Error(`${this.#path}: the accounts file cannot be read: ${messageOf(error)}`, { cause: error });
    }
    const warnings: string[] = [];
    const warn = (line: number, message: string): void => void warnings.push(`${this.#path}: line ${line}: ${message}`);
    try {
      this.#index = indexAccounts(readAccounts(bytes, warn), warn);
    } catch (error) {
      throw new Error(`${this.#path}: ${messageOf(error)}`, { cause: error });
    } finally {
      for (const warning of warnings.slice(0, maxWarnings)) this.#warn(warning);
      if (warnings.length > maxWarnings) this.#warn(`${this.#path}: ${warnings.length - maxWarnings} more such lines`);
    }
    this.#generation++;
  }

  /** Looks at the file when it is time. A promise only while it is being read again. */
  #look(): Promise<void> | undefined {
    const now = this.#now();
    if (now - this.#lookedAt >= lookEvery || now < this.#lookedAt) {
      this.#lookedAt = now;
      if (this.#reading === undefined && stamp(this.#path) !== this.#seen)
        this.#reading = this.load()
          .catch((error: unknown) => this.#warn(`${messageOf(error)}; the records known so far stay in use`))
          .finally(() => {
            this.#reading = undefined;
          });
    }
    return this.#reading;
  }

  async #current(): Promise<AccountsIndex> {
    await this.#look();
    return this.#index;
  }

  async *list(type: RecordType): AsyncIterable<Principal> {
    yield* (await this.#current()).principals[type];
  }

  async byUid(uid: PrincipalUid): Promise<Principal | undefined> {
    return (await this.#current()).byUid(uid)?.principal;
  }

  async byShortName(type: RecordType, name: string): Promise<Principal | undefined> {
    return (await this.#current()).byShortName(type, name)?.principal;
  }

  async byAddress(address: CalendarAddress): Promise<Principal | undefined> {
    return (await this.#current()).byAddress(address)?.principal;
  }

  async memberUids(group: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return (await this.#current()).members(group);
  }

  async groupUids(member: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return (await this.#current()).groups(member);
  }

  async verify(user: Principal, proof: Proof): Promise<boolean> {
    const { realm, byUid } = await this.#current();
    const record = byUid(user.uid);
    return record !== undefined && proves(proof, record.password, record.shortNames, realm);
  }

  async delegatesOf(
    owner: PrincipalUid,
  ): Promise<{ readonly read: readonly PrincipalUid[]; readonly write: readonly PrincipalUid[] }> {
    return (await this.#current()).proxies(owner);
  }

  generation(): number {
    void this.#look();
    return this.#generation;
  }

  async close(): Promise<void> {
    await this.#reading;
  }
}

/** Time, size and inode of the file, or that there is none. One system call of about 3 µs. */
export function stamp(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "unknown";
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
