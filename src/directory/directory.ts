import { Lru } from "../base/lru.ts";
import type { CalendarAddress, PrincipalUid } from "../model/ids.ts";
import { type Principal, type RecordType, recordTypes } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import type { Delegates, Directory, DirectoryBackend, PrincipalQuery } from "./backend.ts";
import { ReverseProxies } from "./reverse-proxies.ts";

type Access = "read" | "write";

/** Joins a directory service and the delegate database into what the rest of the server asks. Owns both: closing it closes
 *  them. Delegates written in a record (accounts.xml) are added to those in the database and cannot be taken away by
 *  clients. */
export function createDirectory(backend: DirectoryBackend, delegates: Delegates): Directory {
  return new JoinedDirectory(backend, delegates);
}

/** The most entries of each cache; a principal's takes some 200 bytes. */
const cacheSize = 20_000;

class JoinedDirectory implements Directory {
  readonly #backend: DirectoryBackend;
  readonly #delegates: Delegates;
  // Valid while the backend's generation stays.
  #records = -1;
  readonly #identities = new Lru<PrincipalUid, Promise<ReadonlySet<PrincipalUid>>>({ maxEntries: cacheSize });
  #inRecords: Promise<ReverseProxies> | undefined;
  // Valid while both generations stay.
  #all = -1;
  readonly #access = new Lru<string, Promise<"none" | Access>>({ maxEntries: cacheSize });
  // A group is asked about once for each of its members.
  readonly #trusts = new Lru<string, Promise<readonly PrincipalUid[]>>({ maxEntries: cacheSize });

  constructor(backend: DirectoryBackend, delegates: Delegates) {
    this.#backend = backend;
    this.#delegates = delegates;
  }

  get realm(): string {
    return this.#backend.realm;
  }

  list(type: RecordType): AsyncIterable<Principal> {
    return this.#backend.list(type);
  }

  search(type: RecordType, query: PrincipalQuery): AsyncIterable<Principal> {
    return this.#backend.search?.(type, query) ?? this.#backend.list(type);
  }

  byUid(uid: PrincipalUid): Promise<Principal | undefined> {
    return this.#backend.byUid(uid);
  }

  byShortName(type: RecordType, name: string): Promise<Principal | undefined> {
    return this.#backend.byShortName(type, name);
  }

  byAddress(address: CalendarAddress): Promise<Principal | undefined> {
    return this.#backend.byAddress(address);
  }

  async members(group: Principal): Promise<readonly Principal[]> {
    return this.#principals(await this.#backend.memberUids(group.uid));
  }

  async expandedMembers(group: Principal, atMost?: number): Promise<readonly Principal[]> {
    const uids = await closure(group.uid, (uid) => this.#backend.memberUids(uid));
    return this.#principals(atMost === undefined ? uids : [...uids].slice(0, atMost));
  }

  async memberships(principal: Pick<Principal, "uid">): Promise<readonly Principal[]> {
    return this.#principals(await this.#backend.groupUids(principal.uid));
  }

  async expandedMemberships(principal: Pick<Principal, "uid">): Promise<readonly Principal[]> {
    const uids = new Set(await this.identities(principal));
    uids.delete(principal.uid);
    return this.#principals(uids);
  }

  identities(principal: Pick<Principal, "uid">): Promise<ReadonlySet<PrincipalUid>> {
    this.#checkRecords();
    const known = this.#identities.get(principal.uid);
    if (known !== undefined) return known;
    const found = closure(principal.uid, (uid) => this.#backend.groupUids(uid)).then((groups) =>
      groups.add(principal.uid),
    );
    this.#identities.set(principal.uid, found);
    found.catch(() => this.#identities.delete(principal.uid));
    return found;
  }

  async delegates(owner: Principal, access: Access): Promise<readonly Principal[]> {
    return this.#principals(await this.#delegateUids(owner.uid, access));
  }

  async setDelegates(owner: Principal, access: Access, members: readonly Principal[]): Promise<void> {
    const fixed = new Set((await this.#backend.delegatesOf(owner.uid))[access]);
    const wanted = new Set(members.map((member) => member.uid));
    for (const uid of fixed)
      if (!wanted.has(uid) && (await this.#backend.byUid(uid)) !== undefined)
        throw new Refusal({ code: "cannot-modify-protected-property", name: "{DAV:}group-member-set" });
    const stored = [...wanted].filter((uid) => !fixed.has(uid));
    // The client was not shown those the directory does not know at the moment, so it did not mean to remove them.
    const unseen = new Set<PrincipalUid>();
    for (const uid of await this.#delegates.of(owner.uid, access))
      if (!wanted.has(uid) && (await this.#backend.byUid(uid)) === undefined) unseen.add(uid);
    const edit = (before: readonly PrincipalUid[]) => [...stored, ...before.filter((uid) => unseen.has(uid))];
    await this.#delegates.change([{ owner: owner.uid, access, edit }]);
  }

  async delegatedBy(delegate: Pick<Principal, "uid">, access: Access): Promise<readonly Principal[]> {
    const owners = new Set<PrincipalUid>();
    for (const uid of await this.identities(delegate)) {
      for (const owner of await this.#ownersInRecords(uid, access)) owners.add(owner);
      for (const owner of await this.#whoTrust(uid, access)) owners.add(owner);
    }
    owners.delete(delegate.uid);
    return this.#principals(owners);
  }

  delegateAccess(user: Principal, owner: Principal): Promise<"none" | Access> {
    if (user.uid === owner.uid) return noAccess;
    this.#checkAll();
    const key = `${user.uid}\0${owner.uid}`;
    const known = this.#access.get(key);
    if (known !== undefined) return known;
    const found = this.#strongest(user, owner);
    this.#access.set(key, found);
    found.catch(() => this.#access.delete(key));
    return found;
  }

  #checkAll(): void {
    const generation = this.generation();
    if (generation === this.#all) return;
    this.#all = generation;
    this.#access.clear();
    this.#trusts.clear();
  }

  #whoTrust(uid: PrincipalUid, access: Access): Promise<readonly PrincipalUid[]> {
    this.#checkAll();
    const key = `${access} ${uid}`;
    const known = this.#trusts.get(key);
    if (known !== undefined) return known;
    const found = this.#delegates.whoTrust(uid, access);
    this.#trusts.set(key, found);
    found.catch(() => this.#trusts.delete(key));
    return found;
  }

  async #strongest(user: Principal, owner: Principal): Promise<"none" | Access> {
    const identities = await this.identities(user);
    for (const access of ["write", "read"] as const)
      if ((await this.#delegateUids(owner.uid, access)).some((uid) => identities.has(uid))) return access;
    return "none";
  }

  async #delegateUids(owner: PrincipalUid, access: Access): Promise<readonly PrincipalUid[]> {
    const inRecord = (await this.#backend.delegatesOf(owner))[access];
    const inDatabase = await this.#delegates.of(owner, access);
    return inRecord.length === 0 ? inDatabase : [...new Set([...inRecord, ...inDatabase])];
  }

  generation(): number {
    // Both only grow, so their sum changes when either does.
    return this.#backend.generation() + this.#delegates.generation();
  }

  async close(): Promise<void> {
    this.#delegates.close();
    await this.#backend.close();
  }

  #checkRecords(): void {
    const generation = this.#backend.generation();
    if (generation === this.#records) return;
    this.#records = generation;
    this.#identities.clear();
    this.#inRecords = undefined;
  }

  async #ownersInRecords(delegate: PrincipalUid, access: Access): Promise<readonly PrincipalUid[]> {
    if (this.#backend.ownersTrusting !== undefined) return this.#backend.ownersTrusting(delegate, access);
    return (await this.#reverseProxies()).ownersTrusting(delegate, access);
  }

  /** Who is named as delegate in which records. Made once per generation, since records only know it the other way round. */
  #reverseProxies(): Promise<ReverseProxies> {
    this.#checkRecords();
    this.#inRecords ??= reversed(this.#backend);
    this.#inRecords.catch(() => {
      this.#inRecords = undefined;
    });
    return this.#inRecords;
  }

  /** Those that exist, in order. */
  async #principals(uids: Iterable<PrincipalUid>): Promise<readonly Principal[]> {
    const principals: Principal[] = [];
    for (const uid of uids) {
      const principal = await this.#backend.byUid(uid);
      if (principal !== undefined) principals.push(principal);
    }
    return principals;
  }
}

const noAccess = Promise.resolve("none" as const);

async function reversed(backend: DirectoryBackend): Promise<ReverseProxies> {
  const reverse = new ReverseProxies();
  for (const type of recordTypes)
    for await (const { uid: owner } of backend.list(type)) reverse.add(owner, await backend.delegatesOf(owner));
  return reverse;
}

/** Everything reached from `start` by following `next`; `start` itself is left out, also when a loop leads back to it. */
async function closure(
  start: PrincipalUid,
  next: (uid: PrincipalUid) => Promise<readonly PrincipalUid[]>,
): Promise<Set<PrincipalUid>> {
  const reached = new Set<PrincipalUid>();
  const waiting = [start];
  for (let uid = waiting.pop(); uid !== undefined; uid = waiting.pop())
    for (const found of await next(uid))
      if (found !== start && !reached.has(found)) {
        reached.add(found);
        waiting.push(found);
      }
  return reached;
}
