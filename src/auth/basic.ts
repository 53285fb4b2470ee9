import { Buffer, isUtf8 } from "node:buffer";
import { hash, randomBytes } from "node:crypto";
import { Lru } from "../base/lru.ts";
import { type Accounts, type AuthScheme, type Identity, quotedString, type Verdict } from "./scheme.ts";

/** Credentials found right are believed this long without asking the directory. Milliseconds. */
const believed = 5 * 60_000;
const cacheSize = 10_000;
/** The longest credentials looked at; a name and a password of some thousand letters each. */
const maxLength = 8192;

interface Known {
  readonly identity: Identity;
  readonly generation: number;
  readonly until: number;
}

export interface BasicOptions {
  readonly accounts: Accounts;
  /** Milliseconds; a test gives its own clock. */
  readonly now?: () => number;
}

/** Basic (RFC 7617). Right credentials are remembered, by a hash that is worth nothing in another process, for five minutes
 *  or until a record changes; wrong ones are not. */
export function basic({ accounts, now = Date.now }: BasicOptions): AuthScheme {
  const key = randomBytes(32).toString("latin1");
  const cache = new Lru<string, Known>({ maxEntries: cacheSize });
  const ask = async (credentials: string, digest: string, generation: number): Promise<Verdict> => {
    const pair = userAndPassword(credentials);
    if (pair === undefined) return "refused";
    const identity = await accounts.signIn(pair.user, { kind: "password", password: pair.password });
    if (identity === undefined) return "refused";
    // The generation from before the question: should it have changed meanwhile, the answer is asked for again.
    cache.set(digest, { identity, generation, until: now() + believed });
    return identity;
  };
  return {
    name: "Basic",
    challenge: () => `Basic realm=${quotedString(accounts.realm)}, charset="UTF-8"`,
    authenticate(credentials) {
      if (credentials.length > maxLength) return "refused";
      const digest = hash("sha256", key + credentials);
      const generation = accounts.generation();
      const known = cache.get(digest);
      if (known !== undefined && known.generation === generation && known.until > now()) return known.identity;
      return ask(credentials, digest, generation);
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
