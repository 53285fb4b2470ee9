import { hash } from "node:crypto";
import { Lru } from "../base/lru.ts";
import type { HttpRequest } from "../http/message.ts";
import type { Attempts } from "./attempts.ts";
import { type Claim, readClaim } from "./digest-claim.ts";
import { Nonces, type Proven } from "./nonces.ts";
import { type Accounts, type AuthScheme, type DigestSecret, quotedString, type Verdict } from "./scheme.ts";

/** As in the configuration: Authentication.Digest.Algorithm. */
export type DigestAlgorithm = "md5" | "md5-sess" | "sha-256" | "sha-256-sess";

export interface DigestOptions {
  readonly accounts: Accounts;
  readonly attempts: Attempts;
  readonly algorithm: DigestAlgorithm;
  /** `auth`: each request counts, and a replayed one is told from a new one. Empty: the form from before RFC 2617, in which
   *  whoever sees a request can repeat it for a quarter of an hour; not with -sess, which needs what only qop brings. */
  readonly qop: "auth" | "";
  /** Shared by all workers, and kept across restarts if clients are not to sign in anew (they do so by themselves). */
  readonly secret: Uint8Array;
  /** Milliseconds; a test gives its own clock. */
  readonly now?: () => number;
}

const tokens = { md5: "MD5", "md5-sess": "MD5-sess", "sha-256": "SHA-256", "sha-256-sess": "SHA-256-sess" } as const;
const maxLength = 8192;
/** Users whose secrets are remembered, until a record changes, and for so long at most (milliseconds): a directory elsewhere
 *  does not say when a password changed. */
const cacheSize = 10_000;
const remembered = 5 * 60_000;

interface Known {
  readonly secrets: readonly DigestSecret[];
  readonly generation: number;
  readonly until: number;
  /** What was hashed last: a client asks for the same thing again and again. */
  asked: Asked | undefined;
}

/** H(A2) of RFC 7616 §3.4.3. */
interface Asked {
  readonly method: string;
  readonly uri: string;
  readonly ha2: string;
}

/** Digest (RFC 7616, RFC 2617): MD5 and SHA-256, with and without -sess, qop auth or none. Not offered: auth-int (it would
 *  mean reading the body first) and userhash (it would mean hashing every name of the directory). A nonce is bound to no
 *  address: clients change theirs. */
export function digest({ accounts, attempts, algorithm, qop, secret, now = Date.now }: DigestOptions): AuthScheme {
  const nonces = new Nonces(secret, now);
  const hashName = algorithm.startsWith("md5") ? "md5" : "sha256";
  const counted = qop === "auth" || algorithm.endsWith("-sess");
  // Clients from before RFC 7616 never saw a charset parameter, and they know MD5 only.
  const rest = `algorithm=${tokens[algorithm]}${counted ? ', qop="auth"' : ""}${hashName === "md5" ? "" : ", charset=UTF-8"}`;
  const cache = new Lru<string, Known>({ maxEntries: cacheSize });
  /** Users have been seen for whom only hashes are stored. */
  let hashed = false;
  const find = async (name: string, anew = false): Promise<Known | undefined> => {
    const generation = accounts.generation();
    const secrets = await accounts.digestSecrets(name, hashName, anew);
    if (secrets === undefined) return undefined;
    const known: Known = { secrets, generation, until: now() + remembered, asked: undefined };
    cache.set(name, known);
    return known;
  };
  const remember = (name: string): Known | undefined => {
    // Not counted as a use: it is set anew every five minutes.
    const known = cache.peek(name);
    return known !== undefined && known.generation === accounts.generation() && known.until > now() ? known : undefined;
  };
  /** `session`: the cnonce in H(A1) with -sess. RFC 2617 §3.2.2.2 wants that of the first request; most clients, and curl, take
   *  that of each. */
  const rightOne = (claim: Claim, method: string, known: Known, session?: string): DigestSecret | undefined => {
    let { asked } = known;
    if (asked === undefined || asked.uri !== claim.uri || asked.method !== method) {
      asked = { method, uri: claim.uri, ha2: digestOf(hashName, `${method}:${claim.uri}`) };
      known.asked = asked;
    }
    let right: DigestSecret | undefined;
    for (const secret of known.secrets)
      if (sameHex(responseOf(algorithm, claim, secret.ha1, asked.ha2, session), claim.response)) right ??= secret;
    return right;
  };
  const judge = (claim: Claim, request: HttpRequest, known: Known, proven?: Proven): Verdict => {
    let right = rightOne(claim, request.method, known);
    if (right === undefined && proven !== undefined && algorithm.endsWith("-sess"))
      right = rightOne(claim, request.method, known, proven.cnonce);
    // The method that was sent. A tunnelled one (X-HTTP-Method-Override) is the request's by now, but clients hash the POST it
    // came in.
    if (right === undefined && request.headers["x-http-method-override"] !== undefined)
      right = rightOne(claim, "POST", known);
    if (right === undefined) return "refused";
    return nonces.accept(claim.nonce, accounts.realm, claim.username, claim.count, claim.cnonce, proven) === "fresh"
      ? right
      : "stale";
  };
  const askFirst = async (claim: Claim, request: HttpRequest): Promise<Verdict> => {
    const { username } = claim;
    const proven = nonces.proven(claim.nonce, username);
    const turn = proven !== undefined ? undefined : attempts.turn(request, username, "Digest");
    if (turn !== undefined) await turn;
    const judged = (one: Known | undefined): Verdict =>
      one === undefined ? "refused" : judge(claim, request, one, proven);
    let known = remember(username);
    let verdict: Verdict;
    try {
      known ??= await find(username);
      verdict = judged(known);
      // The password may be a new one.
      if (verdict === "refused" && known !== undefined) {
        known = await find(username, true);
        verdict = judged(known);
      }
    } catch (error) {
      attempts.unknown(request, username);
      throw error;
    }
    if (verdict !== "refused") attempts.succeeded(request, username);
    else if (known?.secrets.length === 0) {
      hashed = true;
      // No fault of the client's, which cannot know how its password is stored.
      attempts.unknown(request, username);
      return "useless";
    } else {
      attempts.failed(request, username, "Digest");
      // Else the challenges would tell who is here.
      if (known === undefined && hashed) return "useless";
    }
    return verdict;
  };
  return {
    name: "Digest",
    offered: () => true,
    challenge: (_, stale) =>
      `Digest realm=${quotedString(accounts.realm)}, nonce="${nonces.issue(accounts.realm)}", ${rest}${stale ? ", stale=true" : ""}`,
    authenticate(credentials, request) {
      if (credentials.length > maxLength) return "refused";
      const claim = readClaim(credentials);
      if (claim === undefined || claim.realm !== accounts.realm || !isTarget(claim.uri, request)) return "refused";
      // Left out, the algorithm is MD5 (RFC 7616 §3.4).
      const named = claim.algorithm ?? tokens.md5;
      if (named !== tokens[algorithm] && named.toLowerCase() !== algorithm) return "refused";
      if (claim.count === undefined && counted) return "refused";
      // On the way of nearly every request: the client's nonce is proved, its secrets are at hand.
      const proven = nonces.proven(claim.nonce, claim.username);
      const known = proven === undefined ? undefined : remember(claim.username);
      if (known !== undefined) {
        const verdict = judge(claim, request, known, proven);
        if (verdict !== "refused") return verdict;
      }
      return askFirst(claim, request);
    },
  };
}

/** The response that the claim must have, given H(A1) of user, realm and password, and H(A2) (RFC 7616 §3.4.1 to §3.4.3); empty for
 *  an H(A1) of another hash. */
export function responseOf(
  algorithm: DigestAlgorithm,
  claim: ResponseParts,
  ha1: string,
  ha2: string,
  sessionCnonce = claim.cnonce,
): string {
  const name = algorithm.startsWith("md5") ? "md5" : "sha256";
  if (ha1.length !== (name === "md5" ? 32 : 64)) return "";
  const session = algorithm.endsWith("-sess") ? digestOf(name, `${ha1}:${claim.nonce}:${sessionCnonce}`) : ha1;
  if (claim.count === undefined) return digestOf(name, `${session}:${claim.nonce}:${ha2}`);
  const text = `${session}:${claim.nonce}:${claim.nc}:${claim.cnonce}:auth:${ha2}`;
  // Looked at in parts: to look at the whole would be to copy it first.
  return isAscii(claim.cnonce) && isAscii(claim.nonce) ? hash(name, text) : digestOf(name, text);
}

/** The parts of a claim that are hashed beside H(A1) and H(A2); texts as Latin-1 of the bytes sent. */
export type ResponseParts = Pick<Claim, "nonce" | "cnonce" | "nc" | "count">;

/** In hex, of text that holds bytes as Latin-1. */
export const digestOf = (name: "md5" | "sha256", text: string): string =>
  hash(name, isAscii(text) ? text : Buffer.from(text, "latin1"));
const isAscii = (text: string): boolean => !/[\u0080-\u00ff]/.test(text);

/** Whether the digest's uri is the request's target: as path or as whole URL, the query in any equivalent spelling
 *  (RFC 7616 §3.4.6). */
function isTarget(uri: string, request: HttpRequest): boolean {
  if (uri === request.rawPath) return request.query.size === 0;
  if (uri === "*") return request.method === "OPTIONS" && request.rawPath === "/";
  const local = uri.replace(/^https?:\/\/[^/?#]*/i, "") || "/";
  const mark = local.indexOf("?");
  const path = mark < 0 ? local : local.slice(0, mark);
  if (path !== request.rawPath && decoded(path || "/") !== decoded(request.rawPath)) return false;
  const query = mark < 0 ? "" : local.slice(mark + 1);
  return query === "" ? request.query.size === 0 : new URLSearchParams(query).toString() === request.query.toString();
}

/** The path's segments decoded, kept apart by a character that no path has. */
function decoded(path: string): string {
  try {
    return path.split("/").map(decodeURIComponent).join("\0");
  } catch {
    return path;
  }
}

/** In a time that tells nothing about where they differ. node:crypto's comparison wants buffers, which cost ten times as much. */
function sameHex(a: string, b: string): boolean {
  if (a.length !== b.length || a.length === 0) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
