import { Buffer } from "node:buffer";

/** The form in which DNs are compared here (RFC 4514): lower case, no blanks around separators, escapes written in one way. */
export const dnKey = (dn: string): string =>
  dn.includes("\\") || /\s*[,=+]\s/.test(dn) || /\s[,=+]/.test(dn) ? plain(dn) : dn.toLowerCase();

const plain = (dn: string): string =>
  [...dn.matchAll(/((?:\\[\s\S]|[^,+\\])*)([,+]|$)/g)]
    .map(([, part = "", separator = ""]) => {
      const rdn = rdnOf(part);
      const text =
        rdn === undefined ? part.trim() : `${rdn.attribute}=${rdn.value.trim().replace(/[,+"\\<>;=#]/g, "\\$&")}`;
      return text + separator;
    })
    .join("")
    .toLowerCase();

/** Attribute and value of the first part of a DN, escapes taken away; undefined for what cannot be read (`#` values). */
export function rdnOf(dn: string): { readonly attribute: string; readonly value: string } | undefined {
  const match = /^\s*([a-z][a-z0-9-]*|\d+(?:\.\d+)+)\s*=\s*((?:\\[\s\S]|[^,+\\])*)/i.exec(dn);
  if (match?.[1] === undefined || match[2] === undefined || match[2].startsWith("#")) return undefined;
  const bytes: Buffer[] = [];
  // Escaped bytes are UTF-8 and may be parts of one letter.
  for (const [, hex, escaped, plain] of match[2].matchAll(/\\([0-9a-f]{2})|\\([\s\S])|([^\\]+)/gi))
    bytes.push(hex === undefined ? Buffer.from(escaped ?? plain ?? "", "utf8") : Buffer.from(hex, "hex"));
  const value = Buffer.concat(bytes).toString("utf8");
  return { attribute: match[1], value: /\\\s$/.test(match[2]) ? value : value.trimEnd() };
}
