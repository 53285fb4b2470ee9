import { yieldToLoop } from "../../base/stream.ts";
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

/** What becomes of a directory's records in a search: whether one is meant. */
export type Test = (principal: Principal) => boolean;

/** Whether a principal meets the criteria: all of them, or with `anyOf` one. Properties that cannot be searched are overlooked,
 *  as the original did; with none left, nobody is found. */
export function meeting(criteria: readonly Criterion[], anyOf: boolean): Test {
  const tests = criteria.flatMap(({ properties, ...match }) => {
    const fields = properties.flatMap((name) => searchFields.get(name) ?? []);
    return fields.length === 0 ? [] : [holding(fields, match)];
  });
  if (tests.length === 0) return () => false;
  return anyOf
    ? (principal) => tests.some((holds) => holds(principal))
    : (principal) => tests.every((holds) => holds(principal));
}

/** Every one of the fields holds a value that agrees (RFC 3744 §9.4). */
function holding(fields: readonly Field[], match: Omit<Criterion, "properties">): Test {
  const { caseless } = match;
  const wanted = caseless ? match.text.toLowerCase() : match.text;
  const agrees = comparisons[match.type];
  return (principal) => {
    for (const { values } of fields) {
      let found = false;
      for (const value of values(principal)) {
        if (value === undefined || !agrees(caseless ? value.toLowerCase() : value, wanted)) continue;
        found = true;
        break;
      }
      if (!found) return false;
    }
    return true;
  };
}

const comparisons: Readonly<Record<Criterion["type"], (held: string, wanted: string) => boolean>> = {
  contains: (held, wanted) => held.includes(wanted),
  equals: (held, wanted) => held === wanted,
  "starts-with": (held, wanted) => held.startsWith(wanted),
  "ends-with": (held, wanted) => held.endsWith(wanted),
};

/** Whether every word is at the beginning of one of the principal's names or addresses (calendarserver-principal-search). */
export function meetingWords(words: readonly string[]): Test {
  const wanted = words.map((word) => word.toLowerCase());
  return ({ fullName, shortName, emailAddresses }) => {
    const name = fullName.toLowerCase();
    const short = shortName.toLowerCase();
    return wanted.every(
      (word) => beginsWord(name, word) || short.startsWith(word) || emailAddresses.some((one) => one.startsWith(word)),
    );
  };
}

const blank = /\s/;
function beginsWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1))
    if (at === 0 || blank.test(text.charAt(at - 1))) return true;
  return false;
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

/** Records looked at before others get their turn: a ms of work. */
const slice = 512;

/** The principals of these types that pass the test, at most one more than `limit`. A directory of any size holds up nobody. */
export async function found(
  types: readonly RecordType[],
  query: PrincipalQuery,
  passes: Test,
  limit: number,
  { services: { directory } }: Context,
): Promise<readonly Principal[]> {
  const principals: Principal[] = [];
  let looked = 0;
  for (const type of types)
    for await (const principal of directory.search(type, query)) {
      if (++looked % slice === 0) await yieldToLoop();
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
