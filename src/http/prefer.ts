import type { Headers } from "./headers.ts";
import { splitList, unquote } from "./tokens.ts";

/** What the client would like (RFC 7240, RFC 8144). All of it may be ignored by the server. */
export interface Preferences {
  /** `return=minimal`, or `Brief: t` of Apple's clients: leave out propstats with 404, bodies that say only "done". */
  readonly minimal: boolean;
  /** `return=representation`: answer a change with the new state. */
  readonly representation: boolean;
  /** `depth-noroot` (RFC 8144 §3): leave the request's own resource out of a listing. */
  readonly noRoot: boolean;
  /** `handling=strict` (true) or `lenient` (false). */
  readonly strict: boolean | undefined;
  readonly respondAsync: boolean;
  /** Seconds the client is willing to wait. */
  readonly wait: number | undefined;
}

const none: Preferences = {
  minimal: false,
  representation: false,
  noRoot: false,
  strict: undefined,
  respondAsync: false,
  wait: undefined,
};
const onlyMinimal: Preferences = { ...none, minimal: true };

/** Reads Prefer and Brief. What is unknown or malformed is left out; of a preference given twice the first counts
 *  (RFC 7240 §2). */
export function preferencesOf(headers: Headers): Preferences {
  const brief = headers["brief"]?.trim().toLowerCase() === "t";
  const value = headers["prefer"];
  if (value === undefined) return brief ? onlyMinimal : none;
  const given = new Map<string, string>();
  for (const preference of splitList(value)) {
    // Parameters behind the first semicolon belong to no preference we know.
    const [first = ""] = splitList(preference, ";");
    const equals = first.indexOf("=");
    const name = (equals === -1 ? first : first.slice(0, equals)).trim().toLowerCase();
    const text = equals === -1 ? "" : unquote(first.slice(equals + 1).trim());
    if (!given.has(name)) given.set(name, text);
  }
  const wait = given.get("wait");
  const handling = given.get("handling");
  return {
    // A `return` of Prefer says more than Brief, which is older.
    minimal: given.has("return") ? given.get("return") === "minimal" : brief || given.has("return-minimal"),
    representation: given.get("return") === "representation" || given.has("return-representation"),
    noRoot: given.has("depth-noroot"),
    strict: handling === "strict" ? true : handling === "lenient" ? false : undefined,
    respondAsync: given.has("respond-async"),
    wait: wait !== undefined && /^[0-9]{1,9}$/.test(wait) ? Number(wait) : undefined,
  };
}

/** The header that says which preferences were honoured, and that the answer depends on Prefer (RFC 7240 §2, §3). */
export const preferenceApplied = (...applied: readonly string[]): Readonly<Record<string, string>> => ({
  "Preference-Applied": applied.join(", "),
  Vary: "Prefer",
});
