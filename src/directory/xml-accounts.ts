import type { CalendarAddress, PrincipalUid } from "../model/ids.ts";
import type { Principal, RecordType } from "../model/principal.ts";
import { readAccounts } from "./accounts-file.ts";
import { type AccountsIndex, indexAccounts, type Proxies } from "./accounts-index.ts";
import type { DirectoryBackend } from "./backend.ts";
import { readAccountsApart } from "./read-apart.ts";
import { WatchedFile, type WatchOptions } from "./watched-file.ts";

/** The most lines logged about one reading of the file. */
const maxWarnings = 50;

/** Opens an accounts.xml of Darwin Calendar Server as a directory. The file is read again when it changes, which is noticed
 *  within a second; should it then be missing or broken, the records known so far stay and the reason is logged.
 *  Throws when it cannot be read the first time, with file and line. */
export async function openXmlAccounts(path: string, options: WatchOptions): Promise<DirectoryBackend> {
  let serving = false;
  const parse = async (bytes: Buffer | undefined): Promise<AccountsIndex> => {
    if (bytes === undefined) throw new Error("there is no such accounts file");
    const warnings: string[] = [];
    const warn = (line: number, message: string): void => void warnings.push(`${path}: line ${line}: ${message}`);
    try {
      if (serving) return await readAccountsApart(bytes, warn);
      // At the start nobody waits for the loop, and no process has to be started.
      serving = true;
      return indexAccounts(readAccounts(bytes, warn), warn);
    } finally {
      for (const warning of warnings.slice(0, maxWarnings)) options.warn(warning);
      if (warnings.length > maxWarnings) options.warn(`${path}: ${warnings.length - maxWarnings} more such lines`);
    }
  };
  return new XmlAccounts(await WatchedFile.open(path, parse, options));
}

class XmlAccounts implements DirectoryBackend {
  readonly #file: WatchedFile<AccountsIndex>;

  constructor(file: WatchedFile<AccountsIndex>) {
    this.#file = file;
  }

  get realm(): string {
    return this.#file.value.realm;
  }

  async *list(type: RecordType): AsyncIterable<Principal> {
    yield* (await this.#file.current()).principals[type];
  }

  async byUid(uid: PrincipalUid): Promise<Principal | undefined> {
    return (await this.#file.current()).byUid(uid)?.principal;
  }

  async byShortName(type: RecordType, name: string): Promise<Principal | undefined> {
    return (await this.#file.current()).byShortName(type, name)?.principal;
  }

  async byAddress(address: CalendarAddress): Promise<Principal | undefined> {
    return (await this.#file.current()).byAddress(address)?.principal;
  }

  async memberUids(group: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return (await this.#file.current()).members(group);
  }

  async groupUids(member: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return (await this.#file.current()).groups(member);
  }

  async storedPasswords(user: Principal): Promise<readonly string[]> {
    return (await this.#file.current()).byUid(user.uid)?.passwords ?? [];
  }

  async delegatesOf(owner: PrincipalUid): Promise<Proxies> {
    return (await this.#file.current()).proxies(owner);
  }

  async ownersTrusting(delegate: PrincipalUid, access: "read" | "write"): Promise<readonly PrincipalUid[]> {
    return (await this.#file.current()).owners(delegate)[access];
  }

  generation(): number {
    return this.#file.generation();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
