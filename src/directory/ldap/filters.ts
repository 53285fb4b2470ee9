import { Buffer } from "node:buffer";
import type { Filter } from "ldapts";
import type { PrincipalField, PrincipalQuery } from "../backend.ts";
import type { Ldapts } from "./servers.ts";

/** How GUIDs are written in an attribute: as text, or as Active Directory does. */
const isMixedEndian = (attribute: string): boolean => attribute.toLowerCase() === "objectguid";

/** The attributes whose values are bytes, spelled as schemas spell them. */
export const binaryAttributes = ["objectGUID"];

/** The GUID in an attribute's value, as Apple's clients and stores spell it; undefined when it is none. Active Directory keeps
 *  the first three fields little-endian (MS-DTYP §2.3.4.2). */
export function guidText(attribute: string, value: string | Buffer): string | undefined {
  if (!isMixedEndian(attribute)) {
    const text = (typeof value === "string" ? value : value.toString("utf8")).trim();
    return text === "" ? undefined : text;
  }
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
  if (bytes.length !== 16) return undefined;
  const hex = swapped(bytes).toString("hex").toUpperCase();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The value to look for; undefined when no entry can have it. */
export function guidValue(attribute: string, guid: string): string | Buffer | undefined {
  if (!isMixedEndian(attribute)) return guid;
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(guid)) return undefined;
  return swapped(Buffer.from(guid.replaceAll("-", ""), "hex"));
}

function swapped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.subarray(0, 4).reverse();
  copy.subarray(4, 6).reverse();
  copy.subarray(6, 8).reverse();
  return copy;
}

/** Makes filters out of values. Values are never put into a text that is parsed, so none can change a filter's meaning. */
export interface Filters {
  /** A filter of the configuration. Throws Error when it is none. */
  parse(text: string): Filter;
  and(...filters: readonly (Filter | undefined)[]): Filter;
  /** Undefined when there is nothing to choose from. */
  or(...filters: readonly (Filter | undefined)[]): Filter | undefined;
  not(filter: Filter): Filter;
  present(attribute: string): Filter;
  /** Any of the attributes has the value. */
  equals(attributes: readonly string[], value: string | Buffer): Filter | undefined;
  guid(attributes: readonly string[], guid: string): Filter | undefined;
  /** Entries that a search for principals may find: all that meet the query, perhaps some more. Undefined: all entries. */
  candidates(
    query: PrincipalQuery,
    attributes: Readonly<Record<PrincipalField, readonly string[]>>,
  ): Filter | undefined;
}

export function makeFilters({
  AndFilter,
  OrFilter,
  NotFilter,
  PresenceFilter,
  EqualityFilter,
  SubstringFilter,
  FilterParser,
}: Ldapts): Filters {
  const given = (filters: readonly (Filter | undefined)[]): Filter[] =>
    filters.filter((filter): filter is Filter => filter !== undefined);
  const or = (...filters: readonly (Filter | undefined)[]): Filter | undefined => {
    const some = given(filters);
    return some.length > 1 ? new OrFilter({ filters: some }) : some[0];
  };
  const and = (...filters: readonly (Filter | undefined)[]): Filter => {
    const some = given(filters);
    return some.length === 1 && some[0] !== undefined ? some[0] : new AndFilter({ filters: some });
  };
  const equals = (attributes: readonly string[], value: string | Buffer): Filter | undefined =>
    or(...attributes.map((attribute) => new EqualityFilter({ attribute, value })));

  const term = (attribute: string, text: string, match: string): Filter => {
    switch (match) {
      case "equals":
        return new EqualityFilter({ attribute, value: text });
      case "starts-with":
        return new SubstringFilter({ attribute, initial: text });
      case "ends-with":
        return new SubstringFilter({ attribute, final: text });
      default:
        return new SubstringFilter({ attribute, any: [text] });
    }
  };

  return {
    parse: (text) => FilterParser.parseString(text),
    and,
    or,
    not: (filter) => new NotFilter({ filter }),
    present: (attribute) => new PresenceFilter({ attribute }),
    equals,
    guid: (attributes, guid) =>
      or(
        ...attributes.map((attribute) => {
          const value = guidValue(attribute, guid);
          if (value === undefined) return undefined;
          // Open Directory compares GUIDs by letters; OpenLDAP's own are compared by their bytes.
          if (typeof value !== "string" || attribute.toLowerCase() === "entryuuid")
            return new EqualityFilter({ attribute, value });
          const spellings = new Set([value, value.toUpperCase(), value.toLowerCase()]);
          return or(...[...spellings].map((spelling) => new EqualityFilter({ attribute, value: spelling })));
        }),
      ),
    candidates(query, attributes) {
      const filterOf = (part: PrincipalQuery): Filter | undefined => {
        if (part.kind === "term") {
          const text = part.text.replace(/^mailto:/i, "").trim();
          // An empty text is in everything; scheme parts and GUIDs of addresses are not in the attributes.
          if (text === "" || (part.field === "address" && !text.includes("@"))) return undefined;
          return or(...attributes[part.field].map((attribute) => term(attribute, text, part.match)));
        }
        const parts = part.of.map(filterOf);
        if (part.kind === "all") return given(parts).length === 0 ? undefined : and(...parts);
        return parts.length === 0 || parts.includes(undefined) ? undefined : or(...parts);
      };
      return filterOf(query);
    },
  };
}
