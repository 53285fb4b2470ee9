import type { CalendarAddress, PrincipalUid } from "../model/ids.ts";
import { normaliseAddress, type Principal, type RecordType } from "../model/principal.ts";
import type { Augment, Augments } from "./augments-file.ts";
import type { DirectoryBackend, PrincipalQuery } from "./backend.ts";
import { addressesOf, addressKey } from "./record-parts.ts";
import type { WatchedFile } from "./watched-file.ts";

/** A directory whose records are completed by augment files: they say what its schema has no attribute for. Of several files the
 *  first that speaks of a record counts. */
export class AugmentedDirectory implements DirectoryBackend {
  readonly #directory: DirectoryBackend;
  readonly #files: readonly WatchedFile<Augments>[];
  readonly #serverHostName: string;
  /** Augmented records by the directory's own, so that the same record stays the same object. */
  #known = new WeakMap<Principal, Principal>();
  #owners: ReadonlyMap<string, string> = new Map();
  #generation = -1;

  constructor(directory: DirectoryBackend, files: readonly WatchedFile<Augments>[], serverHostName: string) {
    this.#directory = directory;
    this.#files = files;
    this.#serverHostName = serverHostName;
  }

  get realm(): string {
    return this.#directory.realm;
  }

  /** Waits for files that are being read again. */
  async #read(): Promise<void> {
    for (const file of this.#files) await file.current();
    const generation = this.#files.reduce((sum, file) => sum + file.generation(), 0);
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#known = new WeakMap();
    const owners = new Map<string, string>();
    for (const { value } of this.#files)
      for (const [uid, { emailAddresses, addresses }] of value.exact)
        for (const address of [...emailAddresses.map((mail) => `mailto:${mail}`), ...addresses]) {
          const key = addressKey(normaliseAddress(address));
          // What two records claim is nobody's.
          owners.set(key, owners.has(key) && owners.get(key) !== uid ? "" : uid);
        }
    this.#owners = owners;
  }

  #augment(principal: Principal): Augment | undefined {
    const uid = principal.uid.toLowerCase();
    for (const { value } of this.#files) {
      const found =
        value.exact.get(uid) ??
        value.beginnings.find(([beginning]) => uid.startsWith(beginning))?.[1] ??
        value.ofType.get(principal.type) ??
        value.all;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #completed(principal: Principal): Principal {
    const known = this.#known.get(principal);
    if (known !== undefined) return known;
    const augment = this.#augment(principal);
    const completed = augment === undefined ? principal : this.#with(principal, augment);
    this.#known.set(principal, completed);
    return completed;
  }

  #with(principal: Principal, { calendaring, autoSchedule, server, emailAddresses, addresses }: Augment): Principal {
    const local = server === undefined || server.toLowerCase() === this.#serverHostName.toLowerCase();
    const enabled = calendaring ?? principal.hosting?.enabled ?? principal.calendaring;
    const own = `urn:uuid:${principal.uid}`;
    const others = principal.addresses.filter((address) => address !== own && !address.startsWith("mailto:"));
    return {
      ...principal,
      ...(emailAddresses.length + addresses.length === 0
        ? {}
        : addressesOf(principal.uid, [...principal.emailAddresses, ...emailAddresses], [...others, ...addresses])),
      calendaring: enabled && local,
      autoSchedule: autoSchedule ?? principal.autoSchedule,
      ...(server === undefined ? {} : { hosting: { ...principal.hosting, local, enabled, server } }),
    };
  }

  async #each(found: Promise<Principal | undefined>): Promise<Principal | undefined> {
    const principal = await found;
    if (principal === undefined) return undefined;
    await this.#read();
    return this.#completed(principal);
  }

  async *#all(list: AsyncIterable<Principal>): AsyncIterable<Principal> {
    await this.#read();
    for await (const principal of list) yield this.#completed(principal);
  }

  list(type: RecordType): AsyncIterable<Principal> {
    return this.#all(this.#directory.list(type));
  }

  /** Addresses that only an augment has are found by listing those records too. */
  async *search(type: RecordType, query: PrincipalQuery): AsyncIterable<Principal> {
    await this.#read();
    const given = new Set<PrincipalUid>();
    for await (const principal of this.#all(this.#directory.search?.(type, query) ?? this.#directory.list(type))) {
      given.add(principal.uid);
      yield principal;
    }
    for (const uid of new Set(this.#owners.values())) {
      if (uid === "") continue;
      const principal = await this.byAddress(normaliseAddress(`urn:uuid:${uid}`));
      if (principal?.type === type && !given.has(principal.uid)) yield principal;
    }
  }

  byUid(uid: PrincipalUid): Promise<Principal | undefined> {
    return this.#each(this.#directory.byUid(uid));
  }

  byShortName(type: RecordType, name: string): Promise<Principal | undefined> {
    return this.#each(this.#directory.byShortName(type, name));
  }

  async byAddress(address: CalendarAddress): Promise<Principal | undefined> {
    await this.#read();
    const owner = this.#owners.get(addressKey(address));
    if (owner === undefined) return this.#each(this.#directory.byAddress(address));
    return owner === "" ? undefined : this.#each(this.#directory.byAddress(normaliseAddress(`urn:uuid:${owner}`)));
  }

  memberUids(group: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return this.#directory.memberUids(group);
  }

  groupUids(member: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return this.#directory.groupUids(member);
  }

  async maySignIn(user: Principal): Promise<boolean> {
    await this.#read();
    return this.#augment(user)?.signIn !== false && ((await this.#directory.maySignIn?.(user)) ?? true);
  }

  async storedPasswords(user: Principal, anew?: boolean): Promise<readonly string[]> {
    return (await this.maySignIn(user)) ? ((await this.#directory.storedPasswords?.(user, anew)) ?? []) : [];
  }

  async verifyPassword(user: Principal, password: string): Promise<boolean | "unavailable"> {
    return (await this.maySignIn(user)) ? ((await this.#directory.verifyPassword?.(user, password)) ?? false) : false;
  }

  delegatesOf(owner: PrincipalUid): ReturnType<DirectoryBackend["delegatesOf"]> {
    return this.#directory.delegatesOf(owner);
  }

  async ownersTrusting(delegate: PrincipalUid, access: "read" | "write"): Promise<readonly PrincipalUid[]> {
    return (await this.#directory.ownersTrusting?.(delegate, access)) ?? [];
  }

  generation(): number {
    return this.#files.reduce((sum, file) => sum + file.generation(), this.#directory.generation());
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
    await this.#directory.close();
  }
}
