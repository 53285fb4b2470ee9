import type { PrincipalField, PrincipalQuery } from "../../directory/backend.ts";
import { depthOf } from "../../http/headers.ts";
import { HttpError, type HttpRequest } from "../../http/message.ts";
import type { RecordType } from "../../model/principal.ts";
import { calendarUserType, type Principal, recordTypes } from "../../model/principal.ts";
import { caldav, cs, dav, type QName } from "../../xml/element.ts";
import type { Context } from "../registry.ts";

/** What a principal has under a property that can be searched (RFC 3744 §9.4), with words for a person. */
interface Field {
  readonly description: string;
  readonly values: (principal: Principal) => readonly (string | undefined)[];
  /** What a directory can look for instead; undefined: it cannot. */
  readonly field?: PrincipalField;
}

/** The properties that can be searched: those of the original 2.4. */
export const searchFields: ReadonlyMap<QName, Field> = new Map<QName, Field>([
  [
    dav("displayname"),
    { description: "Display Name", values: ({ fullName, shortName }) => [fullName || shortName], field: "name" },
  ],
  [cs("first-name"), { description: "First Name", values: ({ firstName }) => [firstName], field: "firstName" }],
  [cs("last-name"), { description: "Last Name", values: ({ lastName }) => [lastName], field: "lastName" }],
  [
    cs("email-address-set"),
    { description: "Email Addresses", values: ({ emailAddresses }) => emailAddresses, field: "mail" },
  ],
  [
    caldav("calendar-user-address-set"),
    { description: "Calendar User Addresses", values: ({ addresses }) => addresses, field: "address" },
  ],
  [caldav("calendar-user-type"), { description: "Calendar User Type", values: ({ type }) => [calendarUserType(type)] }],
]);

/** One DAV:property-search. */
export interface Criterion {
  readonly properties: readonly QName[];
  readonly text: string;
  readonly type: "contains" | "equals" | "starts-with" | "ends-with";
  readonly caseless: boolean;
}

/** Whether a principal meets the criteria: all of them, or with `anyOf` one. Properties that cannot be searched are overlooked,
 *  as the original did; with none left, nobody is found. */
export function meets(principal: Principal, criteria: readonly Criterion[], anyOf: boolean): boolean {
  const known = criteria
    .map((criterion) => ({ ...criterion, properties: criterion.properties.filter((name) => searchFields.has(name)) }))
    .filter(({ properties }) => properties.length > 0);
  if (known.length === 0) return false;
  const holds = (criterion: Criterion): boolean =>
    criterion.properties.every((name) =>
      searchFields
        .get(name)
        ?.values(principal)
        .some((value) => value !== undefined && agrees(value, criterion)),
    );
  return anyOf ? known.some(holds) : known.every(holds);
}

/** What a directory is asked for, so that those who meet the criteria are among the answers. */
export function queryOf(criteria: readonly Criterion[], anyOf: boolean): PrincipalQuery {
  const of = criteria
    .filter(({ properties }) => properties.some((name) => searchFields.has(name)))
    .map(({ properties, text, type: match }): PrincipalQuery => {
      const fields = properties.flatMap((name) => searchFields.get(name)?.field ?? []);
      return { kind: "all", of: fields.map((field) => ({ kind: "term", field, text, match })) };
    });
  return { kind: anyOf ? "any" : "all", of };
}

/** The same for words at the beginning of names and addresses. */
export const queryOfWords = (words: readonly string[]): PrincipalQuery => ({
  kind: "all",
  of: words.map((text) => ({
    kind: "any",
    of: [
      // Of any word of the name.
      { kind: "term", field: "name", text, match: "contains" },
      { kind: "term", field: "mail", text, match: "starts-with" },
    ],
  })),
});

function agrees(value: string, { text, type, caseless }: Criterion): boolean {
  const [held, wanted] = caseless ? [value.toLowerCase(), text.toLowerCase()] : [value, text];
  switch (type) {
    case "contains":
      return held.includes(wanted);
    case "equals":
      return held === wanted;
    case "starts-with":
      return held.startsWith(wanted);
    case "ends-with":
      return held.endsWith(wanted);
  }
}

/** Whether every word is at the beginning of one of the principal's names or addresses (calendarserver-principal-search). */
export function meetsWords({ fullName, shortName, emailAddresses }: Principal, words: readonly string[]): boolean {
  const held = [...fullName.toLowerCase().split(/\s+/), shortName.toLowerCase(), ...emailAddresses];
  return words.length > 0 && words.every((word) => held.some((one) => one.startsWith(word.toLowerCase())));
}

/** The principals of these types that pass the test, at most one more than `limit`. The query finds them, and perhaps more. */
export async function found(
  types: readonly RecordType[],
  query: PrincipalQuery,
  passes: (principal: Principal) => boolean,
  limit: number,
  { services: { directory } }: Context,
): Promise<readonly Principal[]> {
  const principals: Principal[] = [];
  for (const type of types)
    for await (const principal of directory.search(type, query)) {
      if (!passes(principal)) continue;
      principals.push(principal);
      if (principals.length > limit) return principals;
    }
  return principals;
}

/** The types that a CUTYPE names; undefined for none. */
export const typesOfCalendarUser = (cutype: string): readonly RecordType[] | undefined => {
  const types = recordTypes.filter((type) => calendarUserType(type) === cutype.toUpperCase());
  return types.length === 0 ? undefined : types;
};

/** Throws HttpError(400) unless Depth is 0 or missing: these reports have no other (RFC 3744 §9). */
export function requireDepth0(request: HttpRequest): void {
  if (depthOf(request.headers, "0") !== "0") throw new HttpError(400, "this report is asked with Depth 0");
}
