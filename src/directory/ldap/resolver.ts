import type { Filter } from "ldapts";
import type { CalendarAddress, PrincipalUid } from "../../model/ids.ts";
import type { RecordType } from "../../model/principal.ts";
import type { Keeper, KeptAnswers } from "../kept-answers.ts";
import { addressKey } from "../record-parts.ts";
import { TimedCache } from "../timed-cache.ts";
import { dnKey, rdnOf } from "./dn.ts";
import { type LdapRecord, nameOf } from "./entry-record.ts";
import type { Filters } from "./filters.ts";
import type { Lookup } from "./lookup.ts";
import { sealedRecords } from "./sealed-records.ts";

export interface CacheTimes {
  /** Records kept in memory by each worker; names, addresses and memberships of as many each. */
  readonly cacheSize: number;
  /** Milliseconds, as in `TimedCache`. */
  readonly freshFor: number;
  readonly absentFor: number;
  readonly staleFor: number;
  readonly now: () => number;
  /** Shared with the other workers. */
  readonly kept?: KeptAnswers | undefined;
}

export interface ResolverOptions extends CacheTimes {
  readonly lookup: Lookup;
  readonly filters: Filters;
  /** Shared by the workers, different at each start: seals the passwords of records that are kept. */
  readonly secret: string;
  /** The record as the rest of the server is to see it. */
  readonly finished: (record: LdapRecord) => Promise<LdapRecord>;
  readonly changed: () => void;
  readonly warn: (message: string) => void;
}

/** Longer texts are nobody's name: nothing is asked and nothing remembered. */
const longest = 1024;
/** Values in one question for many records. */
const atOnce = 50;
const guidKey = (uid: string): string => uid.toLowerCase();

/** Finds records by everything they are asked for, from memory where it can. What two records claim is nobody's: a name or an
 *  address of two records finds neither, and neither does a GUID of two. */
export class Resolver {
  readonly #options: ResolverOptions;
  /** By GUID in lower case. The others lead to this one, so that a record is remembered once. */
  readonly #records: TimedCache<string, LdapRecord>;
  readonly #names: TimedCache<string, string>;
  readonly #addresses: TimedCache<string, string>;
  readonly #dns: TimedCache<string, string>;
  readonly #said = new Set<string>();
  /** DNs of records whose GUID was made from their name, by that GUID; made when one is asked for. */
  #made: { readonly at: number; readonly dns: Promise<ReadonlyMap<string, LdapRecord>> } | undefined;

  constructor(options: ResolverOptions) {
    this.#options = options;
    const { cacheSize, freshFor, absentFor, staleFor, now, changed, kept } = options;
    const cache = <V>(
      kind: string,
      fetch: (key: string) => Promise<V | undefined>,
      same: (a: V, b: V) => boolean,
      keeper: Keeper<V> | undefined = kept?.of(kind),
    ): TimedCache<string, V> =>
      new TimedCache({
        ...{ freshFor, absentFor, staleFor, now, fetch, same, changed },
        maxEntries: cacheSize,
        staleAbsence: kind === "records",
        keeper,
      });
    const equal = (a: string, b: string): boolean => a === b;
    this.#records = cache(
      "records",
      (uid) => this.#byGuid(uid),
      sameRecord,
      sealedRecords(kept?.of("records"), options.secret),
    );
    this.#names = cache("names", (key) => this.#byName(key), equal);
    this.#addresses = cache("addresses", (address) => this.#byAddress(address as CalendarAddress), equal);
    this.#dns = cache("dns", (dn) => this.#uidsOf([dn], byDn(this.#options)).then(([uid]) => uid), equal);
  }

  /** Case of the GUID does not count. */
  record(uid: string): Promise<LdapRecord | undefined> {
    return uid.length > longest ? nothing : this.#records.get(guidKey(uid));
  }

  /** As it was so many milliseconds ago at the earliest, with its passwords, if the server can be asked. */
  async recent(uid: string, milliseconds: number): Promise<LdapRecord | undefined> {
    const key = guidKey(uid);
    const age = this.#records.age(key) ?? Number.POSITIVE_INFINITY;
    const whole = this.#records.peek(key)?.passwords !== undefined;
    return whole && age < milliseconds ? this.record(uid) : this.refresh(uid).catch(() => this.record(uid));
  }

  /** Asks the server now. */
  refresh(uid: string): Promise<LdapRecord | undefined> {
    return this.#records.refresh(guidKey(uid));
  }

  async named(type: RecordType, name: string): Promise<LdapRecord | undefined> {
    if (name === "" || name.length > longest) return undefined;
    const wanted = nameOf(name);
    const fits = (record: LdapRecord | undefined): boolean =>
      record !== undefined && record.principal.type === type && record.names.includes(wanted);
    return this.#through(this.#names, `${type}:${wanted}`, fits);
  }

  async addressed(address: CalendarAddress): Promise<LdapRecord | undefined> {
    if (address.length > longest) return undefined;
    const key = addressKey(address);
    if (key.startsWith("urn:uuid:")) return this.record(key.slice("urn:uuid:".length));
    return this.#through(this.#addresses, key, (record) => record?.principal.addresses.includes(address) === true);
  }

  /** The record that a remembered key leads to, unless it was renamed meanwhile: then the key is looked up again. */
  async #through(
    keys: TimedCache<string, string>,
    key: string,
    fits: (record: LdapRecord | undefined) => boolean,
  ): Promise<LdapRecord | undefined> {
    const uid = await keys.get(key);
    if (uid === undefined) return undefined;
    const record = await this.#records.get(uid);
    if (fits(record)) return record;
    const now = await keys.refresh(key);
    if (now === undefined) return undefined;
    const other = await this.#records.get(now);
    return fits(other) ? other : undefined;
  }

  /** Remembers a record that was found on some other way. */
  async learn(found: LdapRecord): Promise<LdapRecord> {
    const record = await this.#options.finished(found);
    const key = guidKey(record.principal.uid);
    this.#dns.learn(dnKey(record.dn), key);
    return this.#records.learn(key, record) ?? record;
  }

  /** The record as it is to be seen. Of a listing as much is remembered as leaves room for those who are at work. */
  async listed(found: LdapRecord): Promise<LdapRecord> {
    const record = await this.#options.finished(found);
    const key = guidKey(record.principal.uid);
    if (this.#records.size >= this.#options.cacheSize / 2 && this.#records.peek(key) === undefined) return record;
    return this.#records.learn(key, record, "listed") ?? record;
  }

  /** The uids of those that exist, each once. */
  async uidsOfDns(dns: readonly string[]): Promise<readonly PrincipalUid[]> {
    return this.#spelled(
      await this.#many(this.#dns, dns.map(dnKey), (some) => this.#uidsOf(some, byDn(this.#options))),
    );
  }

  async uidsOfNames(type: RecordType, names: readonly string[]): Promise<readonly PrincipalUid[]> {
    const keys = names.filter((name) => name.length <= longest).map((name) => `${type}:${nameOf(name)}`);
    return this.#spelled(
      await this.#many(this.#names, keys, (some) => this.#uidsOf(some, byName(this.#options, type))),
    );
  }

  async uidsOfGuids(guids: readonly string[]): Promise<readonly PrincipalUid[]> {
    const keys = guids.filter((guid) => guid.length <= longest).map(guidKey);
    return this.#spelled(await this.#many(this.#records, keys, (some) => this.#uidsOf(some, byGuid(this.#options))));
  }

  async #many(
    cache: Pick<TimedCache<string, unknown>, "age" | "peek" | "learn">,
    keys: readonly string[],
    ask: (keys: readonly string[]) => Promise<readonly (string | undefined)[]>,
  ): Promise<readonly string[]> {
    const found = new Map<string, string>();
    const unknown: string[] = [];
    for (const key of new Set(keys)) {
      const known = cache.peek(key);
      const age = cache.age(key) ?? Number.POSITIVE_INFINITY;
      if (known === undefined || age >= this.#options.freshFor) unknown.push(key);
      else found.set(key, typeof known === "string" ? known : key);
    }
    for (let from = 0; from < unknown.length; from += atOnce) {
      const some = unknown.slice(from, from + atOnce);
      for (const [at, uid] of (await ask(some)).entries()) if (uid !== undefined) found.set(some[at]!, uid);
    }
    return [...new Set(keys)].flatMap((key) => found.get(key) ?? []);
  }

  /** GUIDs in the spelling of their records. */
  async #spelled(uids: readonly string[]): Promise<readonly PrincipalUid[]> {
    const spelled = new Set<PrincipalUid>();
    for (const uid of uids) {
      const record = this.#records.peek(uid) ?? (await this.#records.get(uid));
      if (record !== undefined) spelled.add(record.principal.uid);
    }
    return [...spelled];
  }

  /** The uid for each key, asking type by type for those not found yet. What is found is remembered. */
  async #uidsOf(
    keys: readonly string[],
    { filter, keysOf, types }: Question,
  ): Promise<readonly (string | undefined)[]> {
    const found = new Map<string, string>();
    const clashes = new Set<string>();
    for (const type of types) {
      const missing = keys.filter((key) => !found.has(key));
      if (missing.length === 0) break;
      const wanted = new Set(missing);
      const records = await this.#options.lookup.records(
        type,
        this.#options.filters.or(...missing.map((key) => filter(key, type))),
      );
      for (const record of records) {
        const hits = keysOf(record).filter((key) => wanted.has(key));
        if (hits.length === 0) continue;
        const uid = guidKey((await this.learn(record)).principal.uid);
        for (const key of hits)
          if (found.has(key) && found.get(key) !== uid) clashes.add(key);
          else found.set(key, uid);
      }
    }
    for (const key of clashes) this.#clash(key);
    return keys.map((key) => (clashes.has(key) ? undefined : found.get(key)));
  }

  async #byGuid(uid: string): Promise<LdapRecord | undefined> {
    const { lookup, filters } = this.#options;
    const found = await Promise.all(
      lookup.types.map((type) => lookup.records(type, filters.guid(lookup.mapOf(type).attributes.guid, uid))),
    );
    // Servers match GUIDs more loosely than by letters (389 Directory Server writes them in another way).
    const records = found.flat().filter(({ principal }) => guidKey(principal.uid) === uid);
    const [record] = records;
    if (record === undefined) return this.#withMadeGuid(uid);
    const other = records.find(({ dn }) => dnKey(dn) !== dnKey(record.dn));
    if (other === undefined) return this.#remembered(record);
    this.#say(`two records have the GUID ${record.principal.uid} (${record.dn} and ${other.dn}); both are left out`);
    return undefined;
  }

  async #remembered(record: LdapRecord): Promise<LdapRecord> {
    const finished = await this.#options.finished(record);
    this.#dns.learn(dnKey(finished.dn), guidKey(finished.principal.uid));
    return finished;
  }

  /** A GUID that was made from a name cannot be searched for: those records are listed, once in a while, when a GUID is nobody's. */
  async #withMadeGuid(uid: string): Promise<LdapRecord | undefined> {
    // Version 5 stands at the beginning of the third field.
    if (uid[14] !== "5") return undefined;
    const now = this.#options.now();
    if (this.#made === undefined || now - this.#made.at >= this.#options.freshFor || now < this.#made.at) {
      const made = { at: now, dns: this.#listMade() };
      this.#made = made;
      made.dns.catch(() => {
        if (this.#made === made) this.#made = undefined;
      });
    }
    const record = (await this.#made.dns).get(uid);
    return record === undefined ? undefined : this.#remembered(record);
  }

  async #listMade(): Promise<ReadonlyMap<string, LdapRecord>> {
    const made = new Map<string, LdapRecord>();
    for (const type of this.#options.lookup.types)
      for await (const records of this.#options.lookup.pages(type, undefined))
        for (const record of records)
          if (record.guidMade && made.size < this.#options.cacheSize) made.set(guidKey(record.principal.uid), record);
    return made;
  }

  async #byName(key: string): Promise<string | undefined> {
    const type = key.slice(0, key.indexOf(":")) as RecordType;
    return this.#only(
      key,
      [type],
      (of) => byName(this.#options, of).filter(key, of),
      (record) => record.names.includes(key.slice(key.indexOf(":") + 1)),
    );
  }

  #byAddress(address: CalendarAddress): Promise<string | undefined> {
    const { lookup, filters } = this.#options;
    const filter = (type: RecordType): Filter | undefined => {
      const { mail, addresses } = lookup.mapOf(type).attributes;
      if (!address.startsWith("mailto:")) return filters.equals(addresses, address);
      const plain = address.slice("mailto:".length);
      return filters.or(
        filters.equals(mail, plain),
        filters.equals(addresses, address),
        filters.equals(addresses, `smtp:${plain}`),
      );
    };
    return this.#only(address, lookup.types, filter, ({ principal }) => principal.addresses.includes(address));
  }

  /** The uid of the only record that fits. */
  async #only(
    key: string,
    types: readonly RecordType[],
    filter: (type: RecordType) => Filter | undefined,
    fits: (record: LdapRecord) => boolean,
  ): Promise<string | undefined> {
    const { lookup } = this.#options;
    const found = (await Promise.all(types.map((type) => lookup.records(type, filter(type))))).flat().filter(fits);
    const uids = new Set<string>();
    const dns = new Set<string>();
    for (const record of found) {
      if (dns.has(dnKey(record.dn))) continue;
      dns.add(dnKey(record.dn));
      uids.add(guidKey((await this.learn(record)).principal.uid));
    }
    if (uids.size < 2) return [...uids][0];
    this.#clash(key);
    return undefined;
  }

  #clash(key: string): void {
    this.#say(`two records are ${key}; neither is found by it`);
  }

  /** Once for each sentence, and not for ever. */
  #say(message: string): void {
    if (this.#said.has(message) || this.#said.size >= 1000) return;
    this.#said.add(message);
    this.#options.warn(message);
  }
}

const nothing = Promise.resolve(undefined);
const sameRecord = (a: LdapRecord, b: LdapRecord): boolean => JSON.stringify(a) === JSON.stringify(b);

/** How many keys are asked for in one search. */
interface Question {
  readonly types: readonly RecordType[];
  readonly filter: (key: string, type: RecordType) => Filter | undefined;
  /** The keys that a record answers. */
  readonly keysOf: (record: LdapRecord) => readonly string[];
}
type With = Pick<ResolverOptions, "filters" | "lookup">;

const membersFirst: readonly RecordType[] = ["users", "groups", "locations", "resources"];

const byDn = ({ filters }: With): Question => ({
  types: membersFirst,
  filter: (dn) => {
    const rdn = rdnOf(dn);
    return rdn === undefined ? undefined : filters.equals([rdn.attribute], rdn.value);
  },
  keysOf: ({ dn }) => [dnKey(dn)],
});

const byName = ({ filters, lookup }: With, of: RecordType): Question => ({
  types: [of],
  filter: (key, type) => {
    const { shortNames, signInNames } = lookup.mapOf(type).attributes;
    return filters.equals(
      type === "users" ? [...shortNames, ...signInNames] : shortNames,
      key.slice(key.indexOf(":") + 1),
    );
  },
  keysOf: ({ names }) => names.map((name) => `${of}:${name}`),
});

const byGuid = ({ filters, lookup }: With): Question => ({
  types: membersFirst,
  filter: (guid, type) => filters.guid(lookup.mapOf(type).attributes.guid, guid),
  keysOf: ({ principal }) => [guidKey(principal.uid)],
});
