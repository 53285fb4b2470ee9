import type { Utc } from "../model/ids.ts";
import { parseHttpDate } from "./dates.ts";
import type { Headers } from "./headers.ts";
import { HttpError } from "./message.ts";

/** The state of the resource a request is about; undefined where it does not exist. */
export interface CurrentState {
  /** With quotes, and `W/` before them when weak. */
  readonly etag?: string | undefined;
  readonly modified?: Utc | undefined;
}

/** Whether a list of entity tags (a header's value) holds `etag`. `weak`: the weak comparison of RFC 9110 §8.8.3.2, as
 *  If-None-Match wants; otherwise the strong one, by which a `W/` tag matches nothing. Tags without quotes, which some clients
 *  send, are read as if they had them. "*" is not handled here. */
export function matchesTag(list: string, etag: string, weak: boolean): boolean {
  const currentIsWeak = etag.startsWith("W/");
  if (currentIsWeak && !weak) return false;
  const opaque = currentIsWeak ? etag.slice(2) : etag;
  // One tag, which is the current one: what clients send nearly always.
  if (list === opaque) return true;
  let at = 0;
  while (at < list.length) {
    const code = list.charCodeAt(at);
    if (code === 0x20 || code === 0x09 || code === 0x2c) {
      at += 1;
      continue;
    }
    const isWeak = list.startsWith("W/", at);
    if (isWeak) at += 2;
    let tag: string;
    if (list.charCodeAt(at) === 0x22) {
      const end = list.indexOf('"', at + 1);
      if (end === -1) return false;
      tag = list.slice(at, end + 1);
      at = end + 1;
    } else {
      let end = list.indexOf(",", at);
      if (end === -1) end = list.length;
      tag = `"${list.slice(at, end).trim()}"`;
      at = end;
    }
    if (tag === opaque && (weak || !isWeak)) return true;
  }
  return false;
}

/** Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of RFC 9110 §13.2.2. Pure, so it
 *  can be asked before the body is read and again under the lock that guards the resource.
 *  undefined: go on. 304: the client has it (GET and HEAD only). 412: refuse. */
export function evaluateConditions(
  headers: Headers,
  current: CurrentState | undefined,
  method: string,
): undefined | 304 | 412 {
  const ifMatch = headers["if-match"];
  if (ifMatch !== undefined) {
    if (current === undefined) return 412;
    if (ifMatch.trim() !== "*" && (current.etag === undefined || !matchesTag(ifMatch, current.etag, false))) return 412;
  } else {
    const since = headers["if-unmodified-since"];
    if (since !== undefined && current?.modified !== undefined) {
      const date = parseHttpDate(since);
      if (date !== undefined && Math.floor(current.modified) > date) return 412;
    }
  }
  const reading = method === "GET" || method === "HEAD";
  const ifNoneMatch = headers["if-none-match"];
  if (ifNoneMatch !== undefined) {
    if (current === undefined) return undefined;
    const has =
      ifNoneMatch.trim() === "*" || (current.etag !== undefined && matchesTag(ifNoneMatch, current.etag, true));
    if (has) return reading ? 304 : 412;
  } else if (reading) {
    const since = headers["if-modified-since"];
    if (since !== undefined && current?.modified !== undefined) {
      const date = parseHttpDate(since);
      if (date !== undefined && Math.floor(current.modified) <= date) return 304;
    }
  }
  return undefined;
}

/** As `evaluateConditions`: true when the answer is 304, false when the request goes on; throws HttpError(412). */
export function checkConditions(headers: Headers, current: CurrentState | undefined, method: string): boolean {
  const outcome = evaluateConditions(headers, current, method);
  if (outcome === 412)
    throw new HttpError(412, current === undefined ? "the resource does not exist" : "the resource has another state");
  return outcome === 304;
}
