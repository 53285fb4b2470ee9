import type { CalendarAddress, PrincipalUid } from "../model/ids.ts";
import { normaliseAddress } from "../model/principal.ts";

/** Names and GUIDs become parts of URLs and of paths in the store. */
export const isName = (name: string): boolean => name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name);

const isMail = (address: string): boolean => address.startsWith("mailto:");

/** The addresses of a record, each once: `mailto:` in front (the first mail address is the primary one), then `others` in their
 *  order, then `urn:uuid:<uid>`. */
export function addressesOf(
  uid: PrincipalUid,
  mails: readonly string[],
  others: readonly string[],
): { readonly addresses: readonly CalendarAddress[]; readonly emailAddresses: readonly string[] } {
  const all = new Set<CalendarAddress>();
  for (const mail of mails) all.add(normaliseAddress(`mailto:${mail}`));
  for (const address of others) all.add(normaliseAddress(address));
  all.add(normaliseAddress(`urn:uuid:${uid}`));
  const inOrder = [...all];
  const byMail = inOrder.filter(isMail);
  return {
    addresses: [...byMail, ...inOrder.filter((address) => !isMail(address))],
    // A file of 1.2 gives mail addresses as cuaddr only.
    emailAddresses: byMail.map((address) => address.slice("mailto:".length)),
  };
}

/** The form names are compared in: file systems and clients disagree about composed letters. */
export const nameKey = (name: string): string => (/[^ -~]/.test(name) ? name.normalize("NFC") : name);

/** GUIDs are compared without case in addresses: clients change it (RFC 4122 §3). */
export const addressKey = (address: CalendarAddress): string =>
  address.startsWith("urn:uuid:") ? address.toLowerCase() : address;
