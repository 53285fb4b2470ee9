import { Buffer } from "node:buffer";
import { hash, timingSafeEqual } from "node:crypto";
import type { SlowHashes } from "./slow-hashes.ts";

/** A name as a client gave it, and the realm: parts of HA1. */
export interface Naming {
  readonly name: string;
  readonly realm: string;
}

/** Hashes made to be slow, which are checked by another process. */
export type SlowKind = "argon2" | "bcrypt" | "sha-crypt" | "md5-crypt";

type Stored =
  | { readonly kind: "clear"; readonly text: string }
  /** RFC 2307's userPassword, salted or not. */
  | { readonly kind: "sum"; readonly hash: "md5" | "sha1" | "sha256" | "sha512"; readonly bytes: Buffer }
  | { readonly kind: "ha1"; readonly hex: string }
  | { readonly kind: SlowKind; readonly text: string }
  /** A form that is known but not read, or a hash that would take too long: never right. */
  | { readonly kind: "unusable" };

const sums: Readonly<Record<string, "md5" | "sha1" | "sha256" | "sha512">> = {
  MD5: "md5",
  SMD5: "md5",
  SHA: "sha1",
  SSHA: "sha1",
  SHA256: "sha256",
  SSHA256: "sha256",
  SHA512: "sha512",
  SSHA512: "sha512",
};
const sumLength = { md5: 16, sha1: 20, sha256: 32, sha512: 64 } as const;

/** Prefixes of the forms below as OpenLDAP and Dovecot write them. */
const crypts = /^(?:CRYPT|MD5-CRYPT|SHA256-CRYPT|SHA512-CRYPT|BLF-CRYPT|BCRYPT|ARGON2|ARGON2I|ARGON2ID|ARGON2D)$/;
const clears = /^(?:PLAIN|CLEAR|CLEARTEXT)$/;
/** Forms that exist elsewhere: their text must not be taken for a password in clear text, or whoever reads the file could sign
 *  in with it. */
const foreign =
  /^(?:PBKDF2.*|SCRAM-.*|SASL|KERBEROS|LANMAN|NTHASH|NT|LM|NTLM|SCRYPT|DES-CRYPT|CRAM-MD5|SHA384|SSHA384|YESCRYPT)$/;

/** The most that a stored hash may ask for: KB and passes of argon2, log2 of bcrypt's rounds, rounds of SHA-crypt. Some two
 *  seconds of a processor each. */
const most = { memory: 1 << 18, passes: 64, lanes: 64, cost: 15, rounds: 2_000_000 } as const;

/** Reads a password as it stands in a record: `{SCHEME}text` (RFC 2307, OpenLDAP, Dovecot), a crypt string ($6$, $5$, $2b$,
 *  $1$, $apr1$, $argon2id$), or clear text. `{HA1}` holds Digest's hash of name, realm and password in hex, of MD5 (32 digits)
 *  or SHA-256 (64); `{PLAIN}` is clear text whatever follows. */
export function readStored(text: string): Stored {
  const [, word, rest = ""] = /^\{([A-Za-z0-9.-]{1,32})\}(.*)$/s.exec(text) ?? [];
  if (word === undefined) return readCrypt(text) ?? { kind: "clear", text };
  const scheme = word.toUpperCase();
  if (clears.test(scheme)) return { kind: "clear", text: rest };
  if (scheme === "HA1" || scheme === "DIGEST-MD5")
    return /^(?:[0-9a-f]{32}|[0-9a-f]{64})$/i.test(rest)
      ? { kind: "ha1", hex: rest.toLowerCase() }
      : { kind: "unusable" };
  const sum = Object.hasOwn(sums, scheme) ? sums[scheme] : undefined;
  if (sum !== undefined) {
    const bytes = Buffer.from(rest, "base64");
    return bytes.length >= sumLength[sum] ? { kind: "sum", hash: sum, bytes } : { kind: "unusable" };
  }
  // Dovecot may leave `$argon2id` or `$2y` to the prefix; all that is common writes it out.
  if (crypts.test(scheme)) return readCrypt(rest) ?? { kind: "unusable" };
  return foreign.test(scheme) ? { kind: "unusable" } : { kind: "clear", text };
}

/** A string of crypt(3) or of PHC's argon2; undefined: it is none. */
function readCrypt(text: string): Stored | undefined {
  if (!text.startsWith("$")) return undefined;
  const argon = /^\$argon2(?:id|i|d)\$(?:v=\d+\$)?([^$]{1,100})\$[^$]+\$[^$]+$/.exec(text);
  if (argon !== null) {
    // Programs differ in the order of m, t and p.
    const parameter = (name: string): number =>
      Number(new RegExp(`(?:^|,)${name}=(\\d{1,10})(?:,|$)`).exec(argon[1] ?? "")?.[1]);
    const bounded = parameter("m") <= most.memory && parameter("t") <= most.passes && parameter("p") <= most.lanes;
    return bounded ? { kind: "argon2", text } : { kind: "unusable" };
  }
  const bcrypt = /^\$2[abxy]?\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(text);
  if (bcrypt !== null) return Number(bcrypt[1]) <= most.cost ? { kind: "bcrypt", text } : { kind: "unusable" };
  const sha = /^\$[56]\$(?:rounds=(\d{1,9})\$)?[^$]{0,16}\$(?:[./A-Za-z0-9]{43}|[./A-Za-z0-9]{86})$/.exec(text);
  if (sha !== null) return Number(sha[1] ?? 0) <= most.rounds ? { kind: "sha-crypt", text } : { kind: "unusable" };
  if (/^\$(?:1|apr1)\$[^$]{0,8}\$[./A-Za-z0-9]{22}$/.test(text)) return { kind: "md5-crypt", text };
  return /^\$(?:y|gy|7|sha1|md5)[$,]/.test(text) ? { kind: "unusable" } : undefined;
}

/** Whether it takes a process of its own, and long, to find out if a password is the one stored. */
export const isSlow = (stored: string): boolean => slowKinds.has(readStored(stored).kind);
const slowKinds: ReadonlySet<string> = new Set<SlowKind>(["argon2", "bcrypt", "sha-crypt", "md5-crypt"]);

/** Whether the password is the one stored. Undefined and empty passwords never match: such a record cannot sign in. */
export async function proves(stored: string, password: string, naming: Naming, slow: SlowHashes): Promise<boolean> {
  if (stored === "" || password === "") return false;
  const read = readStored(stored);
  switch (read.kind) {
    case "clear":
      return read.text !== "" && sameSecret(password, read.text);
    case "sum": {
      const length = sumLength[read.hash];
      const salted = Buffer.concat([Buffer.from(password), read.bytes.subarray(length)]);
      return timingSafeEqual(hash(read.hash, salted, "buffer"), read.bytes.subarray(0, length));
    }
    case "ha1":
      return sameSecret(ha1(read.hex.length === 32 ? "md5" : "sha256", naming, password), read.hex);
    case "unusable":
      return false;
    default:
      return slow.check(read.kind, read.text, password);
  }
}

/** HA1 of RFC 7616 §3.4.2, bytes being UTF-8. */
export const ha1 = (name: "md5" | "sha256", naming: Naming, password: string): string =>
  hash(name, `${naming.name}:${naming.realm}:${password}`);

/** What Digest may compare with: none for a hash that is not Digest's own. Clients from before RFC 7616 hash the bytes of
 *  Latin-1, where the text has any. */
export function storedHa1(stored: string, naming: Naming, name: "md5" | "sha256"): readonly string[] {
  const read = readStored(stored);
  if (read.kind === "ha1") return read.hex.length === (name === "md5" ? 32 : 64) ? [read.hex] : [];
  if (read.kind !== "clear" || read.text === "") return [];
  const text = `${naming.name}:${naming.realm}:${read.text}`;
  const utf8 = hash(name, text);
  return /[\u0080-\u00ff]/.test(text) && !/[\u0100-\uffff]/.test(text)
    ? [utf8, hash(name, Buffer.from(text, "latin1"))]
    : [utf8];
}

/** Compares in a time that tells nothing about where the texts differ, nor about their lengths. */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(hash("sha256", a, "buffer"), hash("sha256", b, "buffer"));
}
