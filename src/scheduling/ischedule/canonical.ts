import { createHash } from "node:crypto";

/** The tags of a DKIM-Signature or of a published key (RFC 6376 §3.2), white space around them left out. Throws Error when one is there
 *  twice or has no name. */
export function tagsOf(text: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const part of text.split(";")) {
    if (part.trim() === "") continue;
    const at = part.indexOf("=");
    const name = part.slice(0, Math.max(at, 0)).trim();
    if (name === "") throw new Error(`${JSON.stringify(part.slice(0, 40))} is no tag`);
    if (tags.has(name)) throw new Error(`the tag ${name} is there twice`);
    tags.set(name, part.slice(at + 1).trim());
  }
  return tags;
}

/** A header as "ischedule-relaxed" signs it: as "relaxed" (RFC 6376 §3.4.2), and without white space around commas, so that it does not
 *  matter whether several headers of a name arrive as one. */
export const canonicalHeader = (name: string, value: string): string =>
  `${name.toLowerCase()}:${value.trim().split(/\s+/).join(" ").replaceAll(" ,", ",").replaceAll(", ", ",")}`;

/** Bytes of CR LF at the end, after one of which the rest does not count. */
const lineEnd = Buffer.from("\r\n");

/** The hash of a body by the "simple" algorithm (RFC 6376 §3.4.3): empty lines at the end do not count. Base64. */
export function bodyHash(body: Uint8Array, hash: "sha256" | "sha1"): string {
  let end = body.length;
  while (end >= 2 && body[end - 1] === 10 && body[end - 2] === 13) end -= 2;
  return createHash(hash).update(body.subarray(0, end)).update(lineEnd).digest("base64");
}

/** What is signed: the headers that `names` lists (those that are not there count as nothing), then the signature's own header with
 *  an empty b=, without a line end. `headers`: lower-case names, several of a name joined by commas. */
export function signedText(
  names: readonly string[],
  headers: Readonly<Record<string, string | undefined>>,
  signature: string,
): string {
  const lines = names.flatMap((name) => {
    const value = headers[name.toLowerCase()];
    return value === undefined ? [] : [`${canonicalHeader(name, value)}\r\n`];
  });
  return lines.join("") + canonicalHeader("dkim-signature", withoutSignature(signature));
}

/** The header with nothing behind its `b=`. */
const withoutSignature = (text: string): string =>
  text
    .split(";")
    .map((part) => (/^\s*b\s*=/.test(part) ? part.slice(0, part.indexOf("=") + 1) : part))
    .join(";");
