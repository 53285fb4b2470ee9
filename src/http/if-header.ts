import { HttpError } from "./message.ts";

/** One condition of a list: exactly one of `token` and `etag` is given. */
export interface IfCondition {
  readonly not: boolean;
  /** A state token: a lock token, or a collection's sync token (RFC 6578 §5). */
  readonly token?: string;
  /** With quotes, and `W/` before them when weak. */
  readonly etag?: string;
}

/** Conditions that must all hold of one resource. */
export interface IfList {
  /** As in the header's `<…>`; undefined: the request's own. */
  readonly resource: string | undefined;
  readonly conditions: readonly IfCondition[];
}

/** The If header: true when any of its lists is. */
export type IfHeader = readonly IfList[];

/** What a resource has that an If header may name. */
export interface StateTokens {
  readonly etag?: string | undefined;
  readonly tokens: ReadonlySet<string>;
}

/** Reads an If header (RFC 4918 §10.4.2). Throws HttpError(400) for a malformed one. Linear. */
export function parseIf(value: string): IfHeader {
  const lists: { resource: string | undefined; conditions: IfCondition[] }[] = [];
  let at = 0;
  const fail = (problem: string): HttpError => new HttpError(400, `the If header is malformed at ${at}: ${problem}`);
  const skip = (): void => {
    while (value[at] === " " || value[at] === "\t") at += 1;
  };
  const until = (end: string): string => {
    const to = value.indexOf(end, at);
    if (to === -1) throw fail(`${end} is missing`);
    const text = value.slice(at, to);
    at = to + 1;
    return text;
  };
  const codedUrl = (): string => {
    const url = until(">");
    if (url === "" || /[\s<]/.test(url)) throw fail("<> must hold a URL without white space");
    return url;
  };
  const entityTag = (): string => {
    const prefix = value.startsWith("W/", at) ? "W/" : "";
    at += prefix.length;
    if (value[at] !== '"') throw fail('an entity tag must begin with "');
    at += 1;
    const tag = `${prefix}"${until('"')}"`;
    if (value[at] !== "]") throw fail("] is missing");
    at += 1;
    return tag;
  };

  let resource: string | undefined;
  let resourceUsed = true;
  for (skip(); at < value.length; skip()) {
    if (value[at] === "<") {
      if (!resourceUsed) throw fail("a resource without conditions");
      if (resource === undefined && lists.length > 0) throw fail("lists with and without a resource");
      at += 1;
      resource = codedUrl();
      resourceUsed = false;
      continue;
    }
    if (value[at] !== "(") throw fail("( is missing");
    at += 1;
    const conditions: IfCondition[] = [];
    for (skip(); value[at] !== ")"; skip()) {
      const not = /^not(?=[\s<[])/i.test(value.slice(at, at + 4));
      if (not) {
        at += 3;
        skip();
      }
      const open = value[at];
      at += 1;
      if (open === "<") conditions.push({ not, token: stateToken(codedUrl()) });
      else if (open === "[") conditions.push({ not, etag: entityTag() });
      else {
        at -= 1;
        throw fail("< or [ is missing");
      }
    }
    at += 1;
    if (conditions.length === 0) throw fail("an empty list");
    lists.push({ resource, conditions });
    resourceUsed = true;
  }
  if (!resourceUsed) throw fail("a resource without conditions");
  if (lists.length === 0) throw fail("there is no list");
  return lists;
}

/** The resources the header names besides the request's own, each once: to be looked up before `evaluateIf`. */
export const ifResources = (header: IfHeader): readonly string[] => [
  ...new Set(header.flatMap((list) => (list.resource === undefined ? [] : [list.resource]))),
];

/** Whether the header holds (RFC 4918 §10.4.3, §10.4.4). `lookup` tells a resource's state (undefined asks for the request's
 *  own); answering undefined means an unmapped URL, which has no state. Entity tags are compared weakly, as the RFC allows.
 *  False means 412. */
export const evaluateIf = (
  header: IfHeader,
  lookup: (resource: string | undefined) => StateTokens | undefined,
): boolean =>
  header.some((list) => {
    const state = lookup(list.resource);
    return list.conditions.every((condition) => holds(condition, state) !== condition.not);
  });

function holds(condition: IfCondition, state: StateTokens | undefined): boolean {
  if (state === undefined) return false;
  if (condition.token !== undefined) return state.tokens.has(condition.token);
  return state.etag !== undefined && condition.etag !== undefined && opaque(state.etag) === opaque(condition.etag);
}

/** A state token as the server writes it: a lock token of the server may also come as an `opaquelocktoken:` (RFC 4918, appendix C). */
export const stateToken = (token: string): string =>
  /^opaquelocktoken:/i.test(token) ? `urn:uuid:${token.slice(16).toLowerCase()}` : token;

const opaque = (etag: string): string => (etag.startsWith("W/") ? etag.slice(2) : etag);

/** The state tokens that the header submits, whether or not they are looked at (RFC 4918 §10.4.1). */
export const submittedTokens = (header: IfHeader): ReadonlySet<string> =>
  new Set(header.flatMap((list) => list.conditions.flatMap(({ token }) => (token === undefined ? [] : [token]))));
