import { createPublicKey, createSign, createVerify, type KeyObject, randomUUID } from "node:crypto";
import { bodyHash, signedText, tagsOf } from "./canonical.ts";

/** How a verifier gets at the key (the tag q of the iSchedule drafts). */
export const keyMethods = ["private-exchange", "http/well-known", "dns/txt"] as const;
export type KeyMethod = (typeof keyMethods)[number];

export type Algorithm = "rsa-sha256" | "rsa-sha1";

/** What messages are signed with. */
export interface Signer {
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: Algorithm;
  readonly methods: readonly KeyMethod[];
  /** Seconds that a signature holds. */
  readonly expires: number;
  readonly key: KeyObject;
}

/** What is signed of a request; recipients count as one header. */
const signedHeaders = [
  "Originator",
  "Recipient",
  "Content-Type",
  "iSchedule-Version",
  "iSchedule-Message-ID",
  "Cache-Control",
] as const;

const hashOf = (algorithm: Algorithm): "sha256" | "sha1" => (algorithm === "rsa-sha1" ? "sha1" : "sha256");

/** The value of a DKIM-Signature header for a request. `headers`: lower-case names. `now`: seconds. */
export function sign(
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  { domain, selector, algorithm, methods, expires, key }: Signer,
  now: number,
): string {
  const names = signedHeaders.filter((name) => headers[name.toLowerCase()] !== undefined);
  const hash = hashOf(algorithm);
  const tags = [
    "v=1",
    `d=${domain}`,
    `s=${selector}`,
    `t=${now}`,
    `x=${now + expires}`,
    `a=${algorithm}`,
    `q=${methods.join(":")}`,
    "c=ischedule-relaxed/simple",
    // No two are the same: who gets one twice refuses it.
    `r=${randomUUID()}`,
    `h=${names.join(":")}`,
    `bh=${bodyHash(body, hash)}`,
    "b=",
  ].join("; ");
  return (
    tags +
    createSign(hash)
      .update(signedText(names, headers, tags))
      .sign(key, "base64")
  );
}

/** A signature that cannot be trusted, and why. */
export class UntrustedSignature extends Error {
  override readonly name = "UntrustedSignature";
}

/** No key was found for a signature: it says nothing. */
export class UnknownKey extends Error {
  override readonly name = "UnknownKey";
}

/** Where the key is of whom. */
export interface KeyQuestion {
  readonly domain: string;
  readonly selector: string;
  readonly methods: readonly KeyMethod[];
}

/** A signature that holds. */
export interface Verified {
  readonly domain: string;
  /** Seconds since 1970 after which it does not hold any more. */
  readonly until: number;
  /** Base64, without white space: no other signature is the same. */
  readonly signature: string;
  /** Lower-case names. */
  readonly signed: ReadonlySet<string>;
}

/** Seconds that others' clocks may be ahead. */
const aheadAllowed = 360;
/** Seconds that a signature without an end, or with a far one, holds. */
const longest = 7 * 86_400;
/** Without these under the signature somebody else could choose them. */
const needed = ["originator", "recipient", "content-type"] as const;
const hostName = /^(?=.{1,253}$)[a-z\d](?:[a-z\d-]{0,62}\.)*[a-z\d-]{0,62}[a-z\d]$/i;
const selectorText = /^(?=.{1,128}$)[a-z\d_-]+(?:\.[a-z\d_-]+)*$/i;

/** Verifies a request (RFC 6376 §6 and the iSchedule drafts). `keysFor` answers published keys, in their tag form. Throws
 *  UntrustedSignature, UnknownKey, and what `keysFor` throws. */
export async function verify(
  headers: Readonly<Record<string, string | undefined>>,
  body: Uint8Array,
  now: number,
  keysFor: (question: KeyQuestion) => Promise<readonly string[]>,
): Promise<Verified> {
  const text = headers["dkim-signature"] ?? "";
  const tags = readTags(text);
  const tag = (name: string): string => {
    const value = tags.get(name);
    if (value === undefined) throw new UntrustedSignature(`the signature has no tag ${name}`);
    return value;
  };
  if (tag("v") !== "1") throw new UntrustedSignature("v of the signature is 1");
  const algorithm = tag("a");
  // RFC 8301 §3.1
  if (algorithm !== "rsa-sha256")
    throw new UntrustedSignature(`a of the signature is rsa-sha256, found ${shown(algorithm)}`);
  if (!["ischedule-relaxed", "ischedule-relaxed/simple"].includes(tag("c")))
    throw new UntrustedSignature(`c of the signature is ischedule-relaxed/simple, found ${shown(tag("c"))}`);
  const domain = tag("d").toLowerCase();
  const selector = tag("s");
  if (!hostName.test(domain) || !selectorText.test(selector))
    throw new UntrustedSignature("d or s of the signature is no name");
  if (tags.has("l")) throw new UntrustedSignature("a signature holds for the whole body");
  const until = endOf(tags, now);
  const names = tag("h")
    .split(":")
    .map((name) => name.trim().toLowerCase());
  const signed = new Set(names);
  for (const name of needed) if (!signed.has(name)) throw new UntrustedSignature(`${name} is not signed`);
  if (signed.size !== names.length) throw new UntrustedSignature("a header is signed twice");
  const hash = hashOf(algorithm);
  if (bodyHash(body, hash) !== tag("bh").replace(/\s+/g, ""))
    throw new UntrustedSignature("the body is not the one that was signed");
  const signature = tag("b").replace(/\s+/g, "");
  const methods = (tags.get("q") ?? "dns/txt").split(":").map((method) => method.trim());
  const keys = await keysFor({ domain, selector, methods: keyMethods.filter((method) => methods.includes(method)) });
  const usable = keys.flatMap((key) => publicKey(key, hash));
  if (usable.length === 0) throw new UnknownKey(`there is no key ${selector} of ${domain}`);
  const data = signedText(names, headers, text);
  const bytes = Buffer.from(signature, "base64");
  if (!usable.some((key) => createVerify(hash).update(data).verify(key, bytes)))
    throw new UntrustedSignature(`the signature does not match the key ${selector} of ${domain}`);
  return { domain, until, signature, signed };
}

function readTags(text: string): ReadonlyMap<string, string> {
  try {
    return tagsOf(text);
  } catch (error) {
    throw new UntrustedSignature("the DKIM-Signature cannot be read", { cause: error });
  }
}

function endOf(tags: ReadonlyMap<string, string>, now: number): number {
  const seconds = (name: string): number | undefined => {
    const text = tags.get(name);
    if (text === undefined) return undefined;
    if (!/^\d{1,12}$/.test(text)) throw new UntrustedSignature(`${name} of the signature is a number of seconds`);
    return Number(text);
  };
  const made = seconds("t");
  const end = seconds("x");
  if (made !== undefined && made > now + aheadAllowed) throw new UntrustedSignature("the signature is of the future");
  if (end !== undefined && end < now) throw new UntrustedSignature("the signature has expired");
  if (made !== undefined && made < now - longest) throw new UntrustedSignature("the signature is older than a week");
  if (made === undefined && end === undefined)
    throw new UntrustedSignature("the signature does not say until when it holds");
  return Math.min(end ?? Number.POSITIVE_INFINITY, (made ?? now) + longest);
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 40));

/** Bits of a key that are too few (RFC 8301 §3.2). */
const leastBits = 1024;

/** The key of a record `v=DKIM1; k=rsa; s=ischedule; p=…` (RFC 6376 §3.6.1), if it may be used for this. */
function publicKey(record: string, hash: string): readonly KeyObject[] {
  try {
    const tags = tagsOf(record);
    const allows = (name: string, value: string): boolean =>
      (tags.get(name) ?? value).split(":").some((one) => one.trim() === value || one.trim() === "*");
    const p = (tags.get("p") ?? "").replace(/\s+/g, "");
    if ((tags.get("v") ?? "DKIM1") !== "DKIM1" || (tags.get("k") ?? "rsa") !== "rsa" || p === "") return [];
    if (!allows("h", hash) || !allows("s", "ischedule")) return [];
    const key = createPublicKey({ key: Buffer.from(p, "base64"), format: "der", type: "spki" });
    return (key.asymmetricKeyDetails?.modulusLength ?? 0) >= leastBits ? [key] : [];
  } catch {
    return []; // no key
  }
}

/** The record that publishes a public key: in DNS, and at `/.well-known/domainkey/`. */
export const keyRecord = (key: KeyObject): string =>
  `v=DKIM1; s=ischedule; p=${key.export({ format: "der", type: "spki" }).toString("base64")}`;
