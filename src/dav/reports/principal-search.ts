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
}

/** The properties that can be searched: those of the original 2.4. */
export const searchFields: ReadonlyMap<QName, Field> = new Map<QName, Field>([
  [dav("displayname"), { description: "Display Name", values: ({ fullName, shortName }) => [fullName || shortName] }],
  [cs("first-name"), { description: "First Name", values: ({ firstName }) => [firstName] }],
  [cs("last-name"), { description: "Last Name", values: ({ lastName }) => [lastName] }],
  [cs("email-address-set"), { description: "Email Addresses", values: ({ emailAddresses }) => emailAddresses }],
  [
    caldav("calendar-user-address-set"),
    { description: "Calendar User Addresses", values: ({ addresses }) => addresses },
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

/** The principals of these types that pass the test, at most one more than `limit`. */
export async function found(
  types: readonly RecordType[],
  passes: (principal: Principal) => boolean,
  limit: number,
  { services: { directory } }: Context,
): Promise<readonly Principal[]> {
  const principals: Principal[] = [];
  for (const type of types)
    for await (const principal of directory.list(type)) {
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
