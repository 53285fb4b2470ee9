import type { CalendarAddress, PrincipalUid } from "../../model/ids.ts";
import type { Principal, RecordType } from "../../model/principal.ts";
import type { DirectoryBackend, PrincipalQuery } from "../backend.ts";
import { ReverseProxies } from "../reverse-proxies.ts";
import { TimedCache } from "../timed-cache.ts";
import { DirectoryUnavailable } from "../unavailable.ts";
import type { LdapRecord } from "./entry-record.ts";
import type { Filters } from "./filters.ts";
import type { Lookup } from "./lookup.ts";
import { type CacheTimes, Resolver } from "./resolver.ts";
import { believedFor, SignIn, type SignInOptions } from "./sign-in.ts";

export interface LdapBackendOptions extends CacheTimes {
  readonly realm: string;
  readonly lookup: Lookup;
  readonly filters: Filters;
  readonly passwords: SignInOptions["passwords"];
  /** As in `SignInOptions`. */
  readonly secret: string;
  /** GUID or short name of the group whose members may have calendars; undefined: everybody may. */
  readonly restrictToGroup: string | undefined;
  readonly warn: (message: string) => void;
  readonly close: () => Promise<void>;
}

type Access = "read" | "write";
type Proxies = Readonly<Record<Access, readonly PrincipalUid[]>>;
interface Trusting {
  readonly at: number;
  readonly reverse: Promise<ReverseProxies>;
}

const noUids: readonly PrincipalUid[] = [];
const noProxies: Proxies = { read: noUids, write: noUids };
const nested = 1000;
/** Derived facts are believed at least this long. Milliseconds. */
const shortestTurn = 1000;

const sameUids = (a: readonly PrincipalUid[], b: readonly PrincipalUid[]): boolean =>
  a.length === b.length && a.every((uid, at) => uid === b[at]);

/** A directory reached by LDAP. What is asked again and again is answered from memory; what may have changed is asked for anew
 *  behind the scenes. While no server answers, what is remembered goes on being true, and the rest is DirectoryUnavailable. */
export class LdapBackend implements DirectoryBackend {
  readonly realm: string;
  readonly #options: LdapBackendOptions;
  readonly #resolver: Resolver;
  readonly #signIn: SignIn;
  readonly #groups: TimedCache<PrincipalUid, readonly PrincipalUid[]>;
  readonly #members: TimedCache<PrincipalUid, readonly PrincipalUid[]>;
  readonly #proxies: TimedCache<PrincipalUid, Proxies>;
  #trusting: Trusting | undefined;
  #generation = 1;
  #turnedAt: number;
  #toldOfGroup = false;

  constructor(options: LdapBackendOptions) {
    this.#options = options;
    this.realm = options.realm;
    this.#turnedAt = options.now();
    const changed = (): void => {
      this.#generation++;
    };
    this.#resolver = new Resolver({ ...options, changed, finished: (record) => this.#finished(record) });
    const times = { ...options, maxEntries: options.cacheSize, staleAbsence: true, changed };
    this.#groups = new TimedCache({
      ...times,
      keeper: options.kept?.of("groups"),
      same: sameUids,
      fetch: async (uid) => {
        const record = await this.#resolver.record(uid);
        return record === undefined ? undefined : this.#searchGroups(record);
      },
    });
    this.#members = new TimedCache({
      ...times,
      keeper: options.kept?.of("members"),
      same: sameUids,
      fetch: (uid) => this.#searchMembers(uid),
    });
    this.#proxies = new TimedCache({
      ...times,
      keeper: options.kept?.of("proxies"),
      same: (a, b) => sameUids(a.read, b.read) && sameUids(a.write, b.write),
      fetch: (uid) => this.#searchProxies(uid),
    });
    this.#signIn = new SignIn({
      ...options,
      keeper: options.kept?.of("sign-in"),
      refresh: (record) => this.#resolver.refresh(record.principal.uid),
    });
  }

  async *list(type: RecordType): AsyncIterable<Principal> {
    yield* this.#listed(type, undefined);
  }

  async *search(type: RecordType, query: PrincipalQuery): AsyncIterable<Principal> {
    yield* this.#listed(type, query);
  }

  async *#listed(type: RecordType, query: PrincipalQuery | undefined): AsyncIterable<Principal> {
    const { lookup, filters } = this.#options;
    const { shortNames, fullName, firstName, lastName, mail, addresses } = lookup.mapOf(type).attributes;
    const filter =
      query === undefined
        ? undefined
        : filters.candidates(query, {
            // A record without a full name shows its short name.
            name: [...fullName, ...shortNames],
            firstName,
            lastName,
            mail: [...mail, ...addresses],
            address: [...mail, ...addresses],
          });
    for await (const records of lookup.pages(type, filter))
      for (const { principal } of await Promise.all(records.map((record) => this.#resolver.listed(record))))
        yield principal;
  }

  async byUid(uid: PrincipalUid): Promise<Principal | undefined> {
    const principal = (await this.#resolver.record(uid))?.principal;
    return principal?.uid === uid ? principal : undefined;
  }

  async byShortName(type: RecordType, name: string): Promise<Principal | undefined> {
    return (await this.#resolver.named(type, name))?.principal;
  }

  async byAddress(address: CalendarAddress): Promise<Principal | undefined> {
    return (await this.#resolver.addressed(address))?.principal;
  }

  async memberUids(group: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return (await this.#members.get(group)) ?? noUids;
  }

  async groupUids(member: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return (await this.#groups.get(member)) ?? noUids;
  }

  async delegatesOf(owner: PrincipalUid): Promise<Proxies> {
    return (await this.#proxies.get(owner)) ?? noProxies;
  }

  async ownersTrusting(delegate: PrincipalUid, access: Access): Promise<readonly PrincipalUid[]> {
    const { now, freshFor } = this.#options;
    const known = this.#trusting;
    if (known === undefined || now() - known.at >= freshFor || now() < known.at) {
      const trusting = { at: now(), reverse: this.#listTrusting() };
      this.#trusting = trusting;
      // What was known stays, should the servers not answer.
      trusting.reverse.catch(() => {
        if (this.#trusting === trusting) this.#trusting = known;
      });
    }
    const reverse = await this.#trusting!.reverse.catch((error) => known?.reverse ?? Promise.reject(error));
    return reverse.ownersTrusting(delegate, access);
  }

  /** Where the configuration names an attribute that has them. */
  async storedPasswords(user: Principal, anew = false): Promise<readonly string[]> {
    const { lookup } = this.#options;
    if (lookup.mapOf("users").attributes.password.length === 0) return [];
    const record = await this.#resolver.recent(user.uid, anew ? shortestTurn : believedFor);
    if (record?.enabled !== true) return [];
    if (record.passwords === undefined)
      throw new DirectoryUnavailable("The directory cannot be asked for the password at the moment.");
    return record.passwords;
  }

  async maySignIn(user: Principal): Promise<boolean> {
    return (await this.#resolver.record(user.uid))?.enabled === true;
  }

  async verifyPassword(user: Principal, password: string): Promise<boolean | "unavailable"> {
    if (password === "") return false;
    try {
      const record = await this.#resolver.record(user.uid);
      return record === undefined || user.type !== "users" ? false : await this.#signIn.check(record, password);
    } catch (error) {
      if (error instanceof DirectoryUnavailable) return "unavailable";
      throw error;
    }
  }

  /** Grows with every change that is seen; and in intervals, so that whoever remembers what came from here asks again, from
   *  memory mostly, and changes that nobody asked about come to light. */
  generation(): number {
    const now = this.#options.now();
    if (now - this.#turnedAt >= Math.max(this.#options.freshFor, shortestTurn) || now < this.#turnedAt) {
      this.#turnedAt = now;
      this.#generation++;
    }
    return this.#generation;
  }

  /** The servers answer again: what was left out meanwhile is to be asked for. */
  recovered(): void {
    this.#generation++;
  }

  close(): Promise<void> {
    return this.#options.close();
  }

  /** With the calendars that the configuration grants. */
  async #finished(record: LdapRecord): Promise<LdapRecord> {
    const { restrictToGroup } = this.#options;
    if (restrictToGroup === undefined || record.principal.type === "groups" || !record.principal.calendaring)
      return record;
    if (await this.#isIn(record, restrictToGroup)) return record;
    return { ...record, principal: { ...record.principal, calendaring: false } };
  }

  async #isIn(record: LdapRecord, name: string): Promise<boolean> {
    const group = (await this.#resolver.record(name)) ?? (await this.#resolver.named("groups", name));
    if (group?.principal.type !== "groups") {
      if (!this.#toldOfGroup) this.#options.warn(`restrictToGroup: there is no group ${JSON.stringify(name)}`);
      this.#toldOfGroup = true;
      return false;
    }
    const wanted = group.principal.uid;
    // Not from memory: this record is being read anew, and memory would wait for that.
    const reached = new Set(await this.#searchGroups(record));
    const waiting = [...reached];
    for (let uid = waiting.pop(); uid !== undefined && reached.size < nested; uid = waiting.pop()) {
      if (uid === wanted) return true;
      for (const above of await this.groupUids(uid))
        if (!reached.has(above)) {
          reached.add(above);
          waiting.push(above);
        }
    }
    return reached.has(wanted);
  }

  /** The groups that name the record directly, in order of their GUIDs. */
  async #searchGroups({ dn, principal, names }: LdapRecord): Promise<readonly PrincipalUid[]> {
    const { lookup, filters } = this.#options;
    const { memberDns, memberNames, memberGuids } = lookup.mapOf("groups").attributes;
    const byNames = principal.type === "users" ? names.map((name) => filters.equals(memberNames, name)) : [];
    const own = principal.type === "users" ? [filters.equals(memberNames, principal.shortName)] : [];
    const groups = await lookup.records(
      "groups",
      filters.or(filters.equals(memberDns, dn), filters.guid(memberGuids, principal.uid), ...own, ...byNames),
    );
    const learned = await Promise.all(groups.map((group) => this.#resolver.learn(group)));
    return learned.map((group) => group.principal.uid).sort();
  }

  async #searchMembers(uid: PrincipalUid): Promise<readonly PrincipalUid[] | undefined> {
    const group = await this.#resolver.record(uid);
    if (group === undefined) return undefined;
    if (group.principal.type !== "groups") return noUids;
    const members = await this.#options.lookup.members(group);
    if (members === undefined) return undefined;
    const uids = new Set<PrincipalUid>();
    for (const found of [
      await this.#resolver.uidsOfDns(members.memberDns ?? []),
      await this.#resolver.uidsOfGuids(members.memberGuids ?? []),
      await this.#resolver.uidsOfNames("users", members.memberNames ?? []),
    ])
      for (const member of found) uids.add(member);
    return [...uids];
  }

  async #searchProxies(uid: PrincipalUid): Promise<Proxies | undefined> {
    const record = await this.#resolver.record(uid);
    if (record === undefined) return undefined;
    const { readDelegates, writeDelegates } = record;
    if (readDelegates.length + writeDelegates.length === 0) return noProxies;
    const uids = async (named: LdapRecord["readDelegates"]): Promise<readonly PrincipalUid[]> => [
      ...(await this.#resolver.uidsOfGuids(named.flatMap((one) => ("guid" in one ? [one.guid] : [])))),
      ...(await this.#resolver.uidsOfDns(named.flatMap((one) => ("dn" in one ? [one.dn] : [])))),
    ];
    return { read: await uids(readDelegates), write: await uids(writeDelegates) };
  }

  /** All records that name delegates. */
  async #listTrusting(): Promise<ReverseProxies> {
    const { lookup, filters } = this.#options;
    const reverse = new ReverseProxies();
    for (const type of lookup.types) {
      const { readDelegates, writeDelegates, resourceInfo } = lookup.mapOf(type).attributes;
      const naming = [...readDelegates, ...writeDelegates, ...resourceInfo];
      if (naming.length === 0) continue;
      for await (const records of lookup.pages(type, filters.or(...naming.map((name) => filters.present(name)))))
        for (const record of records) {
          const { uid: owner } = (await this.#resolver.learn(record)).principal;
          reverse.add(owner, await this.delegatesOf(owner));
        }
    }
    return reverse;
  }
}
