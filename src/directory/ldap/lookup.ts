import type { Buffer } from "node:buffer";
import type { Entry, Filter } from "ldapts";
import { type RecordType, recordTypes } from "../../model/principal.ts";
import { DirectoryUnavailable } from "../unavailable.ts";
import { type LdapRecord, mailboxTypeOf, recordOf, valuesOf } from "./entry-record.ts";
import { binaryAttributes, type Filters } from "./filters.ts";
import type { SearchPool } from "./pool.ts";
import { placeOf, type RecordPart, type RecordTypeMap, type SchemaMap } from "./schema-map.ts";
import { resultCodeOf } from "./servers.ts";

export interface LookupOptions {
  readonly pool: Pick<SearchPool, "search" | "pages">;
  readonly filters: Filters;
  readonly map: SchemaMap;
  readonly base: string;
  readonly namespace: string;
  readonly localUserAttribute: string | undefined;
  readonly serverHostName: string;
  /** Values of ServicesLocator that mean this server; undefined: not asked. */
  readonly services: () => Promise<ReadonlySet<string> | undefined>;
  readonly warn: (message: string) => void;
}

/** The most entries warned of, so that a directory of odd entries fills no log. */
const maxWarned = 100;

const memberParts: readonly RecordPart[] = ["memberDns", "memberNames", "memberGuids"];

/** Asks the directory server for entries and reads them as records. Remembers nothing. */
export class Lookup {
  readonly #options: LookupOptions;
  readonly #types: ReadonlyMap<RecordType, TypePlan>;
  readonly #warned = new Set<string>();
  /** Places that were there once: should they be missing later, the directory is being rebuilt, and nobody has left it. */
  readonly #seen = new Set<string>();

  constructor(options: LookupOptions) {
    this.#options = options;
    this.#types = new Map(recordTypes.flatMap((type) => planOf(type, options)));
  }

  /** The types that the schema has. Rooms first: an entry that is of two types is the more special one. */
  readonly types: readonly RecordType[] = ["locations", "resources", "groups", "users"];

  mapOf(type: RecordType): RecordTypeMap {
    return this.#options.map[type];
  }

  /** Records of the type that the filter finds. */
  async records(type: RecordType, filter: Filter | undefined): Promise<readonly LdapRecord[]> {
    const plan = this.#types.get(type);
    if (plan === undefined || filter === undefined) return [];
    const entries = await this.#searchIn(plan.place, this.#options.filters.and(plan.filter, filter), plan.attributes);
    return this.#read(entries, type);
  }

  /** Records of the type, a page at a time; undefined: all. */
  async *pages(type: RecordType, filter: Filter | undefined): AsyncGenerator<readonly LdapRecord[]> {
    const plan = this.#types.get(type);
    if (plan === undefined) return;
    const { pool, filters } = this.#options;
    try {
      const pages = pool.pages({
        base: plan.place,
        filter: filters.and(plan.filter, filter),
        attributes: [...plan.attributes],
        explicitBufferAttributes: [...binaryAttributes],
      });
      for await (const entries of pages) {
        this.#seen.add(plan.place);
        yield await this.#read(entries, type);
      }
    } catch (error) {
      if (resultCodeOf(error) !== 32) throw error;
      this.#missing(plan.place);
    }
  }

  /** The values of a group's member attributes, by kind. Undefined: the group is gone. */
  async members(group: LdapRecord): Promise<{ readonly [P in RecordPart]?: readonly string[] } | undefined> {
    const { attributes } = this.#options.map.groups;
    const wanted = memberParts.flatMap((part) => attributes[part]);
    const entry = await this.#entry(group.dn, wanted);
    if (entry === undefined) return undefined;
    const parts: { [P in RecordPart]?: readonly string[] } = {};
    for (const part of memberParts) {
      const values: string[] = [];
      for (const attribute of attributes[part]) values.push(...(await this.#allValues(group.dn, entry, attribute)));
      parts[part] = values;
    }
    return parts;
  }

  /** Active Directory gives some 1,500 values at a time: `member;range=0-1499` (MS-ADTS §3.1.1.3.1.3.3). */
  async #allValues(dn: string, first: Entry, attribute: string): Promise<readonly string[]> {
    const values = valuesOf(first, attribute).map(asText);
    let range = rangeIn(first, attribute);
    while (range !== undefined) {
      values.push(...range.values);
      if (range.next === undefined || range.values.length === 0) break;
      const entry = await this.#entry(dn, [`${attribute};range=${range.next}-*`]);
      range = entry === undefined ? undefined : rangeIn(entry, attribute);
    }
    return values;
  }

  /** Entries anywhere below the base, as they are. */
  entries(filter: Filter, attributes: readonly string[]): Promise<readonly Entry[]> {
    return this.#searchIn(this.#options.base, filter, attributes);
  }

  async #entry(dn: string, attributes: readonly string[]): Promise<Entry | undefined> {
    try {
      const [entry] = await this.#options.pool.search({
        base: dn,
        scope: "base",
        attributes: [...attributes],
        filter: this.#options.filters.present("objectClass"),
      });
      return entry;
    } catch (error) {
      if (resultCodeOf(error) === 32) return undefined;
      throw error;
    }
  }

  async #searchIn(place: string, filter: Filter, attributes: readonly string[]): Promise<readonly Entry[]> {
    try {
      const entries = await this.#options.pool.search({
        base: place,
        filter,
        attributes: [...attributes],
        explicitBufferAttributes: [...binaryAttributes],
      });
      this.#seen.add(place);
      return entries;
    } catch (error) {
      if (resultCodeOf(error) !== 32) throw error;
      this.#missing(place);
      return [];
    }
  }

  #missing(place: string): void {
    if (this.#seen.has(place) || place === this.#types.get("users")?.place)
      throw new DirectoryUnavailable(`the directory server has no ${place}`);
    this.#warnOnce(`${place}: not in the directory; there are no records of that type`);
  }

  async #read(entries: readonly Entry[], type: RecordType): Promise<readonly LdapRecord[]> {
    const services = await this.#options.services();
    const map = this.#options.map[type];
    const records: LdapRecord[] = [];
    for (const entry of entries) {
      if (type === "users" && mailboxTypeOf(entry, map) !== undefined) continue;
      const record = recordOf(entry, type, { ...this.#options, map, services });
      if (typeof record === "string") this.#warnOnce(`${entry.dn}: ${record}; left out`);
      else records.push(record);
    }
    return records;
  }

  #warnOnce(message: string): void {
    if (this.#warned.has(message) || this.#warned.size >= maxWarned) return;
    this.#warned.add(message);
    this.#options.warn(message);
  }
}

interface TypePlan {
  readonly place: string;
  readonly filter: Filter;
  readonly attributes: readonly string[];
}

function planOf(
  type: RecordType,
  { map, filters, base, localUserAttribute }: LookupOptions,
): readonly (readonly [RecordType, TypePlan])[] {
  const { below, filter, attributes } = map[type];
  if (filter === "none") return [];
  const wanted = new Set<string>();
  // Members are asked for when somebody wants them: groups are large.
  for (const [part, names] of Object.entries(attributes))
    if (!memberParts.some((member) => member === part)) for (const name of names) wanted.add(name);
  if (localUserAttribute !== undefined) wanted.add(localUserAttribute);
  return [[type, { place: placeOf(below, base), filter: filters.parse(filter), attributes: [...wanted] }]];
}

const asText = (value: string | Buffer): string => (typeof value === "string" ? value : value.toString("utf8"));

interface Range {
  readonly values: readonly string[];
  /** Where the next part begins; undefined: this was the last. */
  readonly next: number | undefined;
}

function rangeIn(entry: Entry, attribute: string): Range | undefined {
  const prefix = `${attribute.toLowerCase()};range=`;
  const key = Object.keys(entry).find(
    (name) => name.toLowerCase().startsWith(prefix) && valuesOf(entry, name).length > 0,
  );
  if (key === undefined) return undefined;
  const end = /-(\d+)$/.exec(key)?.[1];
  return { values: valuesOf(entry, key).map(asText), next: end === undefined ? undefined : Number(end) + 1 };
}
