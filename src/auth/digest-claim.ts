import { decodeExtended, decodeHeader, readParameters } from "./digest-header.ts";

/** What a client says with Digest (RFC 7616 §3.4). Texts that are hashed hold bytes as Latin-1. */
export interface Claim {
  readonly username: string;
  readonly realm: string;
  readonly nonce: string;
  readonly uri: string;
  /** Hex, lower case. */
  readonly response: string;
  readonly algorithm: string | undefined;
  readonly cnonce: string;
  /** As written; empty without. */
  readonly nc: string;
  /** What nc says, with qop=auth; undefined without qop. */
  readonly count: number | undefined;
}

/** The parameters that mean something here, by their place among the values read. */
const names = [
  ...["username", "realm", "nonce", "uri", "cnonce", "nc", "qop", "response", "algorithm"],
  ...["username*", "userhash"],
] as const;
type Values = (string | undefined)[];

/** Reads Digest credentials. Undefined when something is missing, there twice, malformed, or not offered (auth-int, userhash). */
export function readClaim(credentials: string): Claim | undefined {
  const values = readUsual(credentials) ?? readAll(credentials);
  if (values === undefined) return undefined;
  const plain = values[0];
  const extended = values[9];
  if ((extended === undefined) === (plain === undefined) || isWord(values[10] ?? "", "true")) return undefined;
  const username = extended === undefined ? decodeHeader(plain ?? "") : decodeExtended(extended);
  const nonce = values[2];
  const uri = values[3];
  const response = hexIn(values[7] ?? "");
  if (!username || !nonce || !uri || response.length < 32 || response.length > 64) return undefined;
  const cnonce = values[4] ?? "";
  const nc = values[5] ?? "";
  const qop = values[6];
  if (qop !== undefined && (!isWord(qop, "auth") || cnonce === "" || nc.length !== 8 || hexIn(nc) === ""))
    return undefined;
  return {
    username,
    realm: decodeHeader(values[1] ?? ""),
    nonce,
    uri,
    response,
    algorithm: values[8],
    cnonce,
    nc,
    count: qop === undefined ? undefined : Number.parseInt(nc, 16),
  };
}

/** Any credentials that RFC 7616 allows; undefined for malformed ones. */
export function readAll(credentials: string): Values | undefined {
  const values: Values = new Array(names.length).fill(undefined);
  const whole = readParameters(credentials, (name, value) => {
    const place = (names as readonly string[]).indexOf(name);
    if (place < 0) return true;
    if (values[place] !== undefined) return false;
    values[place] = value;
    return true;
  });
  return whole ? values : undefined;
}

/** The same for credentials as clients write them: known names in lower case, no blanks but behind commas, no escapes. Undefined
 *  for all others, which says nothing about them. A third of the time, on the way of every request. */
export function readUsual(credentials: string): Values | undefined {
  const { length } = credentials;
  if (credentials.includes("\\")) return undefined;
  const values: Values = [];
  for (let place = 0; place < 11; place++) values.push(undefined);
  for (let at = 0; at < length; ) {
    const place = placeAt(credentials, at);
    if (place < 0 || values[place] !== undefined) return undefined;
    at += (names[place]?.length ?? 0) + 1;
    let end: number;
    if (credentials.charCodeAt(at) === 0x22) {
      at += 1;
      end = credentials.indexOf('"', at);
      if (end < 0) return undefined;
      values[place] = credentials.slice(at, end);
      end += 1;
    } else {
      end = at;
      while (end < length && isBare(credentials.charCodeAt(end))) end += 1;
      if (end === at) return undefined;
      values[place] = credentials.slice(at, end);
    }
    if (end === length) return values;
    if (credentials.charCodeAt(end) !== 0x2c) return undefined;
    at = credentials.charCodeAt(end + 1) === 0x20 ? end + 2 : end + 1;
  }
  return undefined;
}

/** Letters that need no quotes in any client's eyes. */
const isBare = (code: number): boolean => code > 0x20 && code < 0x7f && code !== 0x22 && code !== 0x2c && code !== 0x3d;

/** The place of the parameter whose name, with its "=", begins there. -1: it is none of the usual ones. */
function placeAt(text: string, at: number): number {
  switch (text.charCodeAt(at)) {
    case 0x75: // u
      if (text.startsWith("uri=", at)) return 3;
      return text.startsWith("username=", at) ? 0 : -1;
    case 0x72: // r
      if (text.startsWith("realm=", at)) return 1;
      return text.startsWith("response=", at) ? 7 : -1;
    case 0x6e: // n
      if (text.startsWith("nc=", at)) return 5;
      return text.startsWith("nonce=", at) ? 2 : -1;
    case 0x63: // c
      return text.startsWith("cnonce=", at) ? 4 : -1;
    case 0x71: // q
      return text.startsWith("qop=", at) ? 6 : -1;
    case 0x61: // a
      return text.startsWith("algorithm=", at) ? 8 : -1;
    default:
      return -1;
  }
}

/** Nothing is made lower case that is already: it costs as much as reading the whole header. */
const isWord = (text: string, word: string): boolean => text === word || text.toLowerCase() === word;

/** Hex digits in lower case; empty if there is anything else. */
function hexIn(text: string): string {
  let capitals = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0x30 && code <= 0x39) continue;
    if (code >= 0x41 && code <= 0x46) capitals = true;
    else if (code < 0x61 || code > 0x66) return "";
  }
  return capitals ? text.toLowerCase() : text;
}
