import { domainToASCII } from "node:url";

/** A domain as the DNS and certificates know it: lower case, in ASCII (IDNA). Empty for what can be none. */
export function asciiDomain(name: string): string {
  const lower = name.toLowerCase();
  return /^[\u0000-\u007f]*$/.test(lower) ? lower : domainToASCII(lower);
}
