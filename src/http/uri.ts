import type { Href } from "../model/ids.ts";
import { HttpError } from "./message.ts";

// A request line's path is ASCII; what Node hands over beyond it are raw bytes of an unknown encoding.
const notAscii = /[^\x21-\x7e]/;

const shown = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

/** The decoded segments of a path, empty ones left out, so "/" has none. Percent-encoded bytes are read as UTF-8 and not
 *  normalised. Throws HttpError(400) for a path without leading "/", malformed or non-UTF-8 escapes, "." and "..", and for
 *  NUL, "/" or "\" inside a decoded segment: none of them can be a name in the store. Below /timezones/ a segment may hold
 *  "/", as the names of time zones do (RFC 7808 §4.1). */
export function decodePath(rawPath: string): readonly string[] {
  if (rawPath.charCodeAt(0) !== 0x2f) throw new HttpError(400, `the path ${shown(rawPath)} must begin with "/"`);
  if (notAscii.test(rawPath)) throw new HttpError(400, `the path ${shown(rawPath)} must be percent-encoded`);
  const encoded = rawPath.includes("%");
  const slashes = encoded && rawPath.startsWith("/timezones/");
  const segments: string[] = [];
  let from = 1;
  while (from < rawPath.length) {
    let to = rawPath.indexOf("/", from);
    if (to === -1) to = rawPath.length;
    if (to > from) {
      const written = rawPath.slice(from, to);
      const segment = encoded && written.includes("%") ? decodeSegment(written, slashes) : written;
      if (segment.charCodeAt(0) === 0x2e && (segment === "." || segment === ".."))
        throw new HttpError(400, `the path ${shown(rawPath)} must not contain "." or ".." segments`);
      if (segment.includes("\\")) throw new HttpError(400, `the path ${shown(rawPath)} must not contain a backslash`);
      segments.push(segment);
    }
    from = to + 1;
  }
  return segments;
}

function decodeSegment(written: string, slashes: boolean): string {
  let segment: string;
  try {
    segment = decodeURIComponent(written);
  } catch {
    throw new HttpError(400, `the path segment ${shown(written)} is not percent-encoded UTF-8`);
  }
  if ((segment.includes("/") && !slashes) || segment.includes("\0"))
    throw new HttpError(400, `the path segment ${shown(written)} must not contain "/" or NUL`);
  return segment;
}

const unreserved = /^[A-Za-z0-9._~-]*$/;

/** The one canonical spelling of a path segment: RFC 3986's unreserved characters as they are, all else percent-encoded in
 *  upper case, "@" and "+" too. That is what clients have met for years (the original server wrote hrefs so, and so do the
 *  most widespread ones today), and no normalisation that RFC 3986 §6.2.2 allows a client changes it; a raw "@", ":" or "'"
 *  is re-encoded by some. Requests are understood in any spelling, since names are compared decoded. */
export const encodeSegment = (segment: string): string =>
  unreserved.test(segment)
    ? segment
    : // Half surrogates have no UTF-8; such a name can only be a damaged one, and must not break a listing.
      encodeURIComponent(segment.replace(/[\ud800-\udfff]/gu, "\ufffd")).replace(
        /[!'()*]/g,
        (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      );

/** The href of decoded segments; [] is "/". */
export function hrefOf(segments: readonly string[], collection: boolean): Href {
  let href = "";
  for (const segment of segments) href += `/${encodeSegment(segment)}`;
  return (collection || href === "" ? `${href}/` : href) as Href;
}

/** Whether two decoded paths are the same. */
export const samePath = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((segment, at) => segment === b[at]);

/** A reference in its parts. */
export interface Reference {
  /** Lower-case `host` or `host:port`; undefined: a path only, so this server is meant. */
  readonly authority: string | undefined;
  /** Percent-encoded, beginning with "/". */
  readonly rawPath: string;
  /** Without "?"; "" when there is none. */
  readonly query: string;
}

/** Takes an href, a Destination or an absolute request target apart: an absolute path or an http(s) URL.
 *  undefined for anything else: other schemes, relative paths, fragments, user names. */
export function parseReference(reference: string): Reference | undefined {
  const text = reference.trim();
  if (text.includes("#")) return undefined;
  let authority: string | undefined;
  let path = text;
  // A path that begins with two slashes would be a host in RFC 3986; no client means that.
  if (!text.startsWith("/")) {
    const match = /^https?:\/\/([^/?\s\\]{1,300})/i.exec(text);
    const host = match?.[1];
    if (match === null || host === undefined || host.includes("@")) return undefined;
    authority = host.toLowerCase();
    path = text.slice(match[0].length);
    if (!path.startsWith("/")) path = `/${path}`;
  }
  const mark = path.indexOf("?");
  return mark === -1
    ? { authority, rawPath: path, query: "" }
    : { authority, rawPath: path.slice(0, mark), query: path.slice(mark + 1) };
}
