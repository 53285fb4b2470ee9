import type { CalendarAddress, PrincipalUid } from "../model/ids.ts";
import type { Principal, RecordType } from "../model/principal.ts";
import type { AccountRecord, Accounts, MemberName } from "./accounts-file.ts";
import { addressKey, nameKey } from "./record-parts.ts";

/** The records of an accounts file, by everything they are asked for. Immutable; made anew when the file changes. */
export interface AccountsIndex {
  readonly realm: string;
  readonly principals: Readonly<Record<RecordType, readonly Principal[]>>;
  byUid(uid: PrincipalUid): AccountRecord | undefined;
  byShortName(type: RecordType, name: string): AccountRecord | undefined;
  byAddress(address: CalendarAddress): AccountRecord | undefined;
  members(group: PrincipalUid): readonly PrincipalUid[];
  groups(member: PrincipalUid): readonly PrincipalUid[];
  proxies(owner: PrincipalUid): Proxies;
  /** Whose records name the principal as delegate. */
  owners(delegate: PrincipalUid): Proxies;
  /** The delegates as written, for files whose records name records of elsewhere. */
  readonly proxyNames: ReadonlyMap<PrincipalUid, ProxyNames>;
}

export interface ProxyNames {
  readonly read: readonly MemberName[];
  readonly write: readonly MemberName[];
}

export interface Proxies {
  readonly read: readonly PrincipalUid[];
  readonly write: readonly PrincipalUid[];
}

const none: readonly PrincipalUid[] = [];
const noProxies: Proxies = { read: none, write: none };

/** Records looked at in one step. */
const stepSize = 50;

const typedKey = (type: RecordType, name: string): string => `${type}:${nameKey(name)}`;

/** Builds the index. What two records claim is nobody's: a name or an address that stands in two records finds neither (they
 *  are still found by GUID), and two records with one GUID are both left out, since they would share a home.
 *  `warn` gets one sentence for each such clash and each member that does not exist. `elsewhere`: delegates are records of another
 *  directory, and not looked for here. */
export function indexAccounts(
  accounts: Accounts,
  warn: (line: number, message: string) => void,
  elsewhere = false,
): AccountsIndex {
  const work = indexing(accounts, warn, elsewhere);
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** The same in steps of well below a millisecond, between which others may have their turn. */
export function* indexing(
  { realm, records }: Accounts,
  warn: (line: number, message: string) => void,
  elsewhere = false,
): Generator<undefined, AccountsIndex> {
  const byUid = new Unambiguous();
  for (const [at, record] of records.entries()) {
    byUid.add(record.principal.uid.toLowerCase(), record);
    if (at % stepSize === 0) yield;
  }
  byUid.report((first, second) =>
    warn(
      second.line,
      `two records have the GUID ${first.principal.uid} (${nameOf(first)} and ${nameOf(second)}); both are left out`,
    ),
  );

  const principals = { users: [], groups: [], locations: [], resources: [] } as Record<RecordType, Principal[]>;
  const byName = new Unambiguous();
  const byAddress = new Unambiguous();
  const usable: AccountRecord[] = [];
  for (const [at, record] of records.entries()) {
    if (at % stepSize === 0) yield;
    if (byUid.get(record.principal.uid.toLowerCase()) !== record) continue;
    usable.push(record);
    const { principal } = record;
    principals[principal.type].push(principal);
    for (const name of record.shortNames) byName.add(typedKey(principal.type, name), record);
    for (const id of record.authIds) byName.add(typedKey(principal.type, id), record);
    for (const address of principal.addresses) byAddress.add(addressKey(address), record);
  }
  byName.report((first, second, key) =>
    warn(
      second.line,
      `two records have the name ${key} (${first.principal.uid} and ${second.principal.uid}); neither is found by it`,
    ),
  );
  byAddress.report((first, second, key) =>
    warn(
      second.line,
      `two records have the address ${key} (${nameOf(first)} and ${nameOf(second)}); neither is found by it`,
    ),
  );

  const members = new Map<PrincipalUid, readonly PrincipalUid[]>();
  const groups = new Map<PrincipalUid, PrincipalUid[]>();
  const proxies = new Map<PrincipalUid, Proxies>();
  const owners = new Map<PrincipalUid, { readonly read: PrincipalUid[]; readonly write: PrincipalUid[] }>();
  const proxyNames = new Map<PrincipalUid, ProxyNames>();
  const resolve = (record: AccountRecord, names: readonly MemberName[], what: string): readonly PrincipalUid[] => {
    const uids = new Set<PrincipalUid>();
    for (const { type, name } of names) {
      const found = byName.get(typedKey(type, name));
      if (found === undefined)
        warn(record.line, `${nameOf(record)} has the ${what} ${type}:${name}, which is not a record`);
      else uids.add(found.principal.uid);
    }
    return [...uids];
  };
  for (const [at, record] of usable.entries()) {
    if (at % stepSize === 0) yield;
    const { uid } = record.principal;
    if (record.members.length > 0) {
      const held = resolve(record, record.members, "member");
      members.set(uid, held);
      for (const member of held) {
        const holders = groups.get(member);
        if (holders === undefined) groups.set(member, [uid]);
        else holders.push(uid);
      }
    }
    if (record.writeProxies.length + record.readProxies.length === 0) continue;
    proxyNames.set(uid, { read: record.readProxies, write: record.writeProxies });
    if (elsewhere) continue;
    const named = {
      read: resolve(record, record.readProxies, "read-only proxy"),
      write: resolve(record, record.writeProxies, "proxy"),
    };
    proxies.set(uid, named);
    for (const access of ["read", "write"] as const)
      for (const delegate of named[access]) {
        const known = owners.get(delegate);
        if (known === undefined) owners.set(delegate, { read: [], write: [], [access]: [uid] });
        else known[access].push(uid);
      }
  }

  return {
    realm,
    principals,
    // Exact here: a principal has one address, in the spelling of its record.
    byUid: (uid) => {
      const record = byUid.get(uid.toLowerCase());
      return record?.principal.uid === uid ? record : undefined;
    },
    byShortName: (type, name) => byName.get(typedKey(type, name)),
    byAddress: (address) => byAddress.get(addressKey(address)),
    members: (group) => members.get(group) ?? none,
    groups: (member) => groups.get(member) ?? none,
    proxies: (owner) => proxies.get(owner) ?? noProxies,
    owners: (delegate) => owners.get(delegate) ?? noProxies,
    proxyNames,
  };
}

const nameOf = ({ principal }: AccountRecord): string => `${principal.type}:${principal.shortName}`;

/** A map in which a key that two different records claim finds none. */
class Unambiguous {
  readonly #records = new Map<string, AccountRecord | undefined>();
  readonly #clashes = new Map<string, readonly [AccountRecord, AccountRecord]>();

  add(key: string, record: AccountRecord): void {
    const known = this.#records.get(key);
    if (known === record) return;
    if (known !== undefined) this.#clashes.set(key, [known, record]);
    this.#records.set(key, known === undefined && !this.#clashes.has(key) ? record : undefined);
  }

  get(key: string): AccountRecord | undefined {
    return this.#records.get(key);
  }

  report(say: (first: AccountRecord, second: AccountRecord, key: string) => void): void {
    for (const [key, [first, second]] of this.#clashes) say(first, second, key);
  }
}
