import { hash } from "node:crypto";
import { Lru } from "../base/lru.ts";
import type { HttpRequest } from "../http/message.ts";
import type { Attempts } from "./attempts.ts";
import { decodeExtended, decodeHeader, readParameters } from "./digest-header.ts";
import { Nonces } from "./nonces.ts";
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
  const secretsOf = async (name: string): Promise<readonly DigestSecret[] | undefined> => {
    const generation = accounts.generation();
    const secrets = await accounts.digestSecrets(name, hashName);
    if (secrets !== undefined) cache.set(name, { secrets, generation, until: now() + remembered });
    return secrets;
  };
  const remember = (name: string): readonly DigestSecret[] | undefined => {
    const known = cache.get(name);
    return known !== undefined && known.generation === accounts.generation() && known.until > now()
      ? known.secrets
      : undefined;
  };
  const judge = (claim: Claim, request: HttpRequest, secrets: readonly DigestSecret[]): Verdict => {
    let right: DigestSecret | undefined;
    for (const method of methodsOf(request)) {
      const response = responder(algorithm, claim, method);
      right ??= secrets.find(({ ha1 }) => sameHex(response(ha1), claim.response));
    }
    if (right === undefined) return "refused";
    return nonces.accept(claim.nonce, accounts.realm, claim.username, claim.counted?.nc) === "fresh" ? right : "stale";
  };
  const askFirst = async (claim: Claim, request: HttpRequest): Promise<Verdict> => {
    const { username } = claim;
    const turn = nonces.proved(claim.nonce, username) ? undefined : attempts.turn(request, username, "Digest");
    if (turn !== undefined) await turn;
    let secrets = remember(username);
    try {
      secrets ??= await secretsOf(username);
    } catch (error) {
      attempts.unknown(request, username);
      throw error;
    }
    const verdict = secrets === undefined ? "refused" : judge(claim, request, secrets);
    if (verdict !== "refused") attempts.succeeded(request, username);
    else if (secrets?.length === 0) {
      // No fault of the client's, which cannot know how its password is stored.
      attempts.unknown(request, username);
      return "useless";
    } else attempts.failed(request, username, "Digest");
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
      if ((claim.algorithm ?? "md5") !== algorithm) return "refused";
      if (claim.counted === undefined && counted) return "refused";
      // On the way of nearly every request: the client's nonce is proved, its secrets are at hand.
      const secrets = nonces.proved(claim.nonce, claim.username) ? remember(claim.username) : undefined;
      if (secrets !== undefined) {
        const verdict = judge(claim, request, secrets);
        if (verdict !== "refused") return verdict;
      }
      return askFirst(claim, request);
    },
  };
}

/** What the client says (RFC 7616 §3.4). */
interface Claim {
  readonly username: string;
  readonly realm: string;
  readonly nonce: string;
  readonly uri: string;
  /** Hex, lower case. */
  readonly response: string;
  /** Lower case. */
  readonly algorithm: string | undefined;
  readonly cnonce: string;
  /** With qop=auth; undefined without qop. */
  readonly counted: { readonly nc: number; readonly written: string } | undefined;
}

/** The parameters that mean something here; a Map of all of them would take a fifth of the time that signing in takes. */
const known = [
  ...["username", "username*", "userhash", "realm", "nonce", "uri"],
  ...["response", "algorithm", "cnonce", "qop", "nc"],
] as const;

function readClaim(credentials: string): Claim | undefined {
  const values: (string | undefined)[] = new Array(known.length).fill(undefined);
  const whole = readParameters(credentials, (name, value) => {
    const at = (known as readonly string[]).indexOf(name);
    if (at < 0) return true;
    if (values[at] !== undefined) return false;
    values[at] = value;
    return true;
  });
  if (!whole) return undefined;
  const [plain, extended, userhash, realm, nonce, uri, proof, algorithm, cnonce = "", qop, written = ""] = values;
  if ((extended === undefined) === (plain === undefined) || userhash === "true") return undefined;
  const username = extended === undefined ? decodeHeader(plain ?? "") : decodeExtended(extended);
  const response = proof?.toLowerCase();
  if (!username || !nonce || !uri || response === undefined || !/^[0-9a-f]{32,64}$/.test(response)) return undefined;
  if (qop !== undefined && (qop !== "auth" || cnonce === "" || !/^[0-9a-f]{8}$/i.test(written))) return undefined;
  return {
    username,
    realm: decodeHeader(realm ?? ""),
    nonce,
    uri,
    response,
    algorithm: algorithm?.toLowerCase(),
    cnonce,
    counted: qop === undefined ? undefined : { nc: Number.parseInt(written, 16), written },
  };
}

/** The response that the claim must have, given HA1 of user, realm and password (RFC 7616 §3.4.1 to §3.4.3); empty for an HA1
 *  of another hash. */
export function responder(algorithm: DigestAlgorithm, claim: ResponseParts, method: string): (ha1: string) => string {
  const name = algorithm.startsWith("md5") ? "md5" : "sha256";
  const h = (text: string): string => hash(name, /[\u0080-\u00ff]/.test(text) ? Buffer.from(text, "latin1") : text);
  const digits = name === "md5" ? 32 : 64;
  const ha2 = h(`${method}:${claim.uri}`);
  const middle =
    claim.counted === undefined ? claim.nonce : `${claim.nonce}:${claim.counted.written}:${claim.cnonce}:auth`;
  return (ha1) => {
    if (ha1.length !== digits) return "";
    const session = algorithm.endsWith("-sess") ? h(`${ha1}:${claim.nonce}:${claim.cnonce}`) : ha1;
    return h(`${session}:${middle}:${ha2}`);
  };
}

/** The parts of a claim that are hashed beside HA1; texts as Latin-1 of the bytes sent. */
export type ResponseParts = Pick<Claim, "nonce" | "uri" | "cnonce" | "counted">;

/** The method that was sent. A tunnelled one (X-HTTP-Method-Override) is the request's method by now, but clients hash the
 *  POST it came in. */
const methodsOf = (request: HttpRequest): readonly string[] =>
  request.headers["x-http-method-override"] === undefined || request.method === "POST"
    ? [request.method]
    : [request.method, "POST"];

/** Whether the digest's uri is the request's target: as path or as whole URL, the query in any equivalent spelling
 *  (RFC 7616 §3.4.6). */
function isTarget(uri: string, request: HttpRequest): boolean {
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
