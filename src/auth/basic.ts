import { Buffer, isUtf8 } from "node:buffer";
import { Lru } from "../base/lru.ts";
import type { HttpRequest } from "../http/message.ts";
import { type Attempts, isThisHost } from "./attempts.ts";
import { type Accepted, type Accounts, type AuthScheme, type Identity, quotedString, type Verdict } from "./scheme.ts";

/** Credentials found right are believed this long without asking the directory. Milliseconds. */
const believed = 5 * 60_000;
const cacheSize = 10_000;
/** The longest credentials looked at; a name and a password of some thousand letters each. */
const maxLength = 8192;

interface Known {
  readonly accepted: Accepted;
  readonly generation: number;
  readonly until: number;
}

export interface BasicOptions {
  readonly accounts: Accounts;
  readonly attempts: Attempts;
  /** Authentication.Basic.AllowWithoutTLS: also from other hosts without TLS. */
  readonly withoutTls: boolean;
  /** Milliseconds; a test gives its own clock. */
  readonly now?: () => number;
}

/** Basic (RFC 7617). Right credentials are remembered for five minutes or until a record changes, so that a slow hash costs once;
 *  wrong ones are not. In memory, as they came: where headers of requests are anyway. To keep a hash of them instead costs more
 *  than all the rest here (measured: 2 of 3 µs, where a poll takes 50). The same credentials in several requests at once are
 *  checked once. */
export function basic({ accounts, attempts, withoutTls, now = Date.now }: BasicOptions): AuthScheme {
  const cache = new Lru<string, Known>({ maxEntries: cacheSize });
  const asking = new Map<string, Promise<Verdict>>();
  const ask = async (credentials: string, request: HttpRequest, generation: number): Promise<Verdict> => {
    const pair = userAndPassword(credentials);
    if (pair === undefined) return "refused";
    const turn = attempts.turn(request, pair.user, "Basic");
    if (turn !== undefined) await turn;
    let identity: Identity | undefined;
    try {
      identity = await accounts.signIn(pair.user, pair.password);
    } catch (error) {
      attempts.unknown(request, pair.user);
      throw error;
    }
    if (identity === undefined) {
      attempts.failed(request, pair.user, "Basic");
      return "refused";
    }
    attempts.succeeded(request, pair.user);
    const accepted: Accepted = { identity };
    // The generation from before the question: should it have changed meanwhile, the answer is asked for again.
    cache.set(credentials, { accepted, generation, until: now() + believed });
    return accepted;
  };
  return {
    name: "Basic",
    offered: (request) => request.secure || withoutTls || isThisHost(request.remote),
    unwanted: (request) => attempts.exposed(request),
    challenge: () => `Basic realm=${quotedString(accounts.realm)}, charset="UTF-8"`,
    authenticate(credentials, request) {
      if (credentials.length > maxLength) return "refused";
      const generation = accounts.generation();
      // Not counted as a use: it is set anew every five minutes.
      const known = cache.peek(credentials);
      if (known !== undefined && known.generation === generation && known.until > now()) return known.accepted;
      // By address: what one client is made to wait for is no other's affair.
      const place = `${request.remote} ${credentials}`;
      const asked = asking.get(place);
      if (asked !== undefined) return asked;
      const answer = ask(credentials, request, generation).finally(() => asking.delete(place));
      asking.set(place, answer);
      return answer;
    },
  };
}

/** The credentials apart, at the first colon (RFC 7617 §2). Undefined for what is not base64 or has no colon. Bytes are UTF-8,
 *  as the challenge asks; what is not (curl under a Latin-1 locale) is taken for Latin-1. */
export function userAndPassword(credentials: string): { readonly user: string; readonly password: string } | undefined {
  const encoded = credentials.trim();
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(encoded)) return undefined;
  const bytes = Buffer.from(encoded, "base64");
  const text = bytes.toString(isUtf8(bytes) ? "utf8" : "latin1");
  const colon = text.indexOf(":");
  if (colon <= 0) return undefined;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
