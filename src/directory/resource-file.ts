import type { CalendarAddress, PrincipalUid } from "../model/ids.ts";
import type { Principal, RecordType } from "../model/principal.ts";
import type { MemberName } from "./accounts-file.ts";
import type { AccountsIndex, Proxies } from "./accounts-index.ts";
import type { DirectoryBackend, PrincipalQuery } from "./backend.ts";
import type { WatchedFile } from "./watched-file.ts";

const noUids: readonly PrincipalUid[] = [];
const ofFile: readonly RecordType[] = ["locations", "resources"];

/** Locations and resources of an accounts file beside a directory that has the users and groups (the original's
 *  ResourceService). Their delegates are records of that directory, by type and short name. Locations and resources of the
 *  directory itself stay; what both have is the directory's. */
export class WithResourceFile implements DirectoryBackend {
  readonly #directory: DirectoryBackend;
  readonly #file: WatchedFile<AccountsIndex>;
  #trusting:
    | { readonly index: AccountsIndex; readonly owners: ReadonlyMap<string, readonly PrincipalUid[]> }
    | undefined;

  constructor(directory: DirectoryBackend, file: WatchedFile<AccountsIndex>) {
    this.#directory = directory;
    this.#file = file;
  }

  get realm(): string {
    return this.#directory.realm;
  }

  async *list(type: RecordType): AsyncIterable<Principal> {
    yield* this.#directory.list(type);
    if (ofFile.includes(type)) yield* (await this.#file.current()).principals[type];
  }

  async *search(type: RecordType, query: PrincipalQuery): AsyncIterable<Principal> {
    yield* this.#directory.search?.(type, query) ?? this.#directory.list(type);
    if (ofFile.includes(type)) yield* (await this.#file.current()).principals[type];
  }

  /** The file first: it is in memory, and asks nobody. A GUID of both is the directory's. */
  async #either(
    inFile: (index: AccountsIndex) => Principal | undefined,
    inDirectory: () => Promise<Principal | undefined>,
  ): Promise<Principal | undefined> {
    const found = inFile(await this.#file.current());
    return found !== undefined && ofFile.includes(found.type) ? found : inDirectory();
  }

  byUid(uid: PrincipalUid): Promise<Principal | undefined> {
    return this.#either(
      (index) => index.byUid(uid)?.principal,
      () => this.#directory.byUid(uid),
    );
  }

  byShortName(type: RecordType, name: string): Promise<Principal | undefined> {
    return ofFile.includes(type)
      ? this.#either(
          (index) => index.byShortName(type, name)?.principal,
          () => this.#directory.byShortName(type, name),
        )
      : this.#directory.byShortName(type, name);
  }

  byAddress(address: CalendarAddress): Promise<Principal | undefined> {
    return this.#either(
      (index) => index.byAddress(address)?.principal,
      () => this.#directory.byAddress(address),
    );
  }

  memberUids(group: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return this.#directory.memberUids(group);
  }

  async groupUids(member: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return (await this.#isOfFile(member)) ? noUids : this.#directory.groupUids(member);
  }

  async storedPasswords(user: Principal, anew?: boolean): Promise<readonly string[]> {
    return (await this.#directory.storedPasswords?.(user, anew)) ?? [];
  }

  async maySignIn(user: Principal): Promise<boolean> {
    return (await this.#directory.maySignIn?.(user)) ?? true;
  }

  async verifyPassword(user: Principal, password: string): Promise<boolean | "unavailable"> {
    return (await this.#directory.verifyPassword?.(user, password)) ?? false;
  }

  async delegatesOf(owner: PrincipalUid): Promise<Proxies> {
    const index = await this.#file.current();
    if (!(await this.#isOfFile(owner))) return this.#directory.delegatesOf(owner);
    const names = index.proxyNames.get(owner);
    return { read: await this.#uids(names?.read ?? []), write: await this.#uids(names?.write ?? []) };
  }

  async #isOfFile(uid: PrincipalUid): Promise<boolean> {
    const record = (await this.#file.current()).byUid(uid);
    return record !== undefined && ofFile.includes(record.principal.type);
  }

  async #uids(names: readonly MemberName[]): Promise<readonly PrincipalUid[]> {
    const uids = new Set<PrincipalUid>();
    for (const { type, name } of names) {
      const principal = await this.byShortName(type, name);
      if (principal !== undefined) uids.add(principal.uid);
    }
    return [...uids];
  }

  async ownersTrusting(delegate: PrincipalUid, access: "read" | "write"): Promise<readonly PrincipalUid[]> {
    const index = await this.#file.current();
    if (this.#trusting?.index !== index) this.#trusting = { index, owners: reversed(index) };
    const principal = await this.byUid(delegate);
    const inFile =
      principal === undefined ? noUids : this.#trusting.owners.get(key(access, principal.type, principal.shortName));
    const inDirectory = await this.#directory.ownersTrusting?.(delegate, access);
    return [...(inDirectory ?? noUids), ...(inFile ?? noUids)];
  }

  generation(): number {
    return this.#directory.generation() + this.#file.generation();
  }

  async close(): Promise<void> {
    await this.#file.close();
    await this.#directory.close();
  }
}

const key = (access: string, type: string, name: string): string => `${access} ${type}:${name}`;

function reversed({ proxyNames }: AccountsIndex): ReadonlyMap<string, readonly PrincipalUid[]> {
  const owners = new Map<string, PrincipalUid[]>();
  for (const [owner, names] of proxyNames)
    for (const access of ["read", "write"] as const)
      for (const { type, name } of names[access]) {
        const known = owners.get(key(access, type, name));
        if (known === undefined) owners.set(key(access, type, name), [owner]);
        else known.push(owner);
      }
  return owners;
}
