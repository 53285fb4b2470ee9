import { HttpError, type HttpRequest } from "./message.ts";
import { parameters, splitList } from "./tokens.ts";
import { decodePath, parseReference } from "./uri.ts";

/** A request's headers, by lower-case names. */
export type Headers = HttpRequest["headers"];

export type Depth = "0" | "1" | "infinity";

const shown = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

/** The Depth header (RFC 4918 §10.2), or `fallback` when there is none. Throws HttpError(400). */
export function depthOf<D extends Depth | undefined>(headers: Headers, fallback: D): Depth | D {
  const value = headers["depth"];
  if (value === undefined) return fallback;
  const depth = value.trim().toLowerCase();
  if (depth === "0" || depth === "1" || depth === "infinity") return depth;
  throw new HttpError(400, `Depth must be 0, 1 or infinity, found ${shown(value)}`);
}

/** The Overwrite header (RFC 4918 §10.6): whether an existing destination may be replaced. Throws HttpError(400). */
export function overwriteOf(headers: Headers): boolean {
  const value = headers["overwrite"];
  if (value === undefined) return true;
  const flag = value.trim().toUpperCase();
  if (flag === "T" || flag === "F") return flag === "T";
  throw new HttpError(400, `Overwrite must be T or F, found ${shown(value)}`);
}

/** Where COPY and MOVE go. */
export interface Destination {
  /** Percent-encoded, as the client wrote it. */
  readonly rawPath: string;
  /** Decoded segments. */
  readonly path: readonly string[];
}

/** The Destination header (RFC 4918 §10.3): a path or an absolute URL of this server. `isOurs` is asked with the lower-case
 *  `host` or `host:port` of an absolute one. Throws HttpError: 400 when it is missing or malformed, 502 for another server. */
export function destinationOf(headers: Headers, isOurs: (authority: string) => boolean): Destination {
  const value = headers["destination"];
  if (value === undefined || value.trim() === "") throw new HttpError(400, "the Destination header is missing");
  const reference = parseReference(value);
  if (reference === undefined)
    throw new HttpError(400, `Destination must be an absolute path or an http URL, found ${shown(value)}`);
  if (reference.authority !== undefined && !isOurs(reference.authority))
    throw new HttpError(502, `Destination names another server, ${shown(reference.authority)}`);
  return { rawPath: reference.rawPath, path: decodePath(reference.rawPath) };
}

/** The If-Schedule-Tag-Match header (RFC 6638 §8.3) with its quotes; a client that leaves them out is understood.
 *  undefined when it was not sent. Throws HttpError(400). */
export function scheduleTagOf(headers: Headers): string | undefined {
  const value = headers["if-schedule-tag-match"]?.trim();
  if (value === undefined) return undefined;
  if (/^"[^"]*"$/.test(value)) return value;
  if (/^[^\s",]+$/.test(value)) return `"${value}"`;
  throw new HttpError(400, `If-Schedule-Tag-Match must be one quoted tag, found ${shown(value)}`);
}

/** The Timeout header (RFC 4918 §10.7) in seconds, the client's favourite first. What cannot be read is left out. */
export function timeoutOf(headers: Headers): readonly (number | "infinite")[] {
  const times: (number | "infinite")[] = [];
  for (const part of splitList(headers["timeout"] ?? "")) {
    if (part.toLowerCase() === "infinite") times.push("infinite");
    const digits = /^second-([0-9]{1,10})$/i.exec(part)?.[1];
    if (digits !== undefined) times.push(Math.min(Number(digits), 0xffffffff));
  }
  return times;
}

/** The Lock-Token header (RFC 4918 §10.5), without its brackets. undefined when there is none. Throws HttpError(400). */
export function lockTokenOf(headers: Headers): string | undefined {
  const value = headers["lock-token"]?.trim();
  if (value === undefined) return undefined;
  if (/^<[^<>\s]+>$/.test(value)) return value.slice(1, -1);
  throw new HttpError(400, `Lock-Token must be one token in angle brackets, found ${shown(value)}`);
}

export interface ContentType {
  /** Lower case, without parameters: "text/calendar". */
  readonly type: string;
  /** Lower case; undefined when not given. */
  readonly charset: string | undefined;
  /** By lower-case names. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Reads a media type (RFC 9110 §8.3.1). undefined when it is none. */
export function parseContentType(value: string): ContentType | undefined {
  const parts = splitList(value, ";");
  const type = parts[0]?.toLowerCase() ?? "";
  if (!/^[^\s/"(),;]+\/[^\s/"(),;]+$/.test(type)) return undefined;
  const found = parameters(parts.slice(1));
  return { type, charset: found["charset"]?.toLowerCase(), parameters: found };
}

/** The Content-Type header; undefined when it was not sent. Throws HttpError(400) when it is malformed. */
export function contentTypeOf(headers: Headers): ContentType | undefined {
  const value = headers["content-type"];
  if (value === undefined || value.trim() === "") return undefined;
  const type = parseContentType(value);
  if (type === undefined) throw new HttpError(400, `Content-Type must be a media type, found ${shown(value)}`);
  return type;
}
