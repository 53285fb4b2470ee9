import { isIP } from "node:net";
import { asciiDomain } from "../base/domain.ts";

/** A person in a header of a mail. */
export interface Mailbox {
  /** Undefined: the address alone is shown. */
  readonly name?: string | undefined;
  readonly address: string;
}

/** An invitation, a cancellation or an answer as mail. RFC 6047 §2 */
export interface OutgoingMail {
  /** Whose words these are; `sender` put them into the post. */
  readonly from: Mailbox;
  readonly sender: string;
  readonly replyTo: Mailbox;
  readonly to: Mailbox;
  /** Where a mail server reports that it could not deliver. */
  readonly returnPath: string;
  /** Without brackets. The same however often the mail is sent. */
  readonly messageId: string;
  /** The id that all mails about one event to one person refer to, so that readers show them together. Without brackets. */
  readonly thread: string;
  /** A tag as en or ja. */
  readonly language: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly calendar: { readonly method: string; readonly text: string };
}

/** A mail that has arrived, as far as invitations are concerned. */
export interface IncomingMail {
  /** Lower case. Undefined when there is none, or more than one. */
  readonly from: string | undefined;
  /** Addresses of To, Cc, Delivered-To and X-Original-To, lower case. */
  readonly to: readonly string[];
  readonly messageId: string | undefined;
  readonly subject: string;
  /** Made by a program: Auto-Submitted other than "no" (RFC 3834), or one of the marks that came before it. */
  readonly isAutomatic: boolean;
  /** The text/calendar parts, in their order. */
  readonly calendars: readonly string[];
  /** Calendar parts whose `method` parameter is not their METHOD: they are none (RFC 6047 §2.4). */
  readonly contradictions: number;
  /** Of a report of RFC 3464; undefined for other mails. */
  readonly report: DeliveryReport | undefined;
}

export interface DeliveryReport {
  /** One of the recipients has finally not got the mail. */
  readonly failed: boolean;
  /** What the mail server says of it, for the log. */
  readonly why: string;
}

/** Bytes of a mail that is read. */
export const maxMail = 8_388_608;

// One address, and nothing that a header or an envelope could take for more: no quotes, comments, lists.
const localShape = /^[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}$/;
const localShapeUtf8 = /^[a-z0-9!#$%&'*+/=?^_`{|}~.\p{L}\p{M}\p{N}\p{S}-]{1,64}$/u;
const domainShape = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** The mail address of a `mailto:` calendar user address, as `plainAddress` writes it; undefined for all that is not exactly one plain
 *  address, such as one with header fields (RFC 6068). */
export function mailAddressOf(address: string): string | undefined {
  const match = /^mailto:(.{3,1000})$/i.exec(address.trim());
  if (match?.[1] === undefined) return undefined;
  try {
    return plainAddress(decodeURIComponent(match[1]));
  } catch {
    return undefined;
  }
}

/** In lower case, the domain in ASCII (IDNA), what stands before it perhaps not (RFC 6531, in NFC). Undefined for what is not one plain
 *  address. */
export function plainAddress(text: string): string | undefined {
  const address = text.trim().toLowerCase();
  const at = address.lastIndexOf("@");
  if (at < 1 || address.length > 254) return undefined;
  const [local, name] = [address.slice(0, at).normalize("NFC"), address.slice(at + 1)];
  if (!localShape.test(local) && !(localShapeUtf8.test(local) && Buffer.byteLength(local) <= 64)) return undefined;
  const domain = asciiDomain(name);
  return domain.length <= 253 && domainShape.test(domain) && (domain === name || isIP(domain) === 0)
    ? `${local}@${domain}`
    : undefined;
}

/** Whether every mail server knows what to do with an address. */
export const isAscii = (address: string): boolean => !/[^\u0000-\u007f]/.test(address);

/** Text for a header: one line of printable characters. */
export function headerText(text: string, most = 200): string {
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " ").trim();
  const points = [...line.slice(0, most * 2)];
  return points.length > most ? `${points.slice(0, most - 1).join("")}…` : line;
}
