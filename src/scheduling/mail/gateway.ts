import type { ItipMessage, MessageSummary } from "../../itip/message.ts";
import { attendeeIn, type Identify, partstatOf } from "../../itip/people.ts";
import { componentsOf, seriesOf } from "../../itip/series.ts";
import type { RelaySettings } from "../../mail/relay.ts";
import type { Utc } from "../../model/ids.ts";
import { endOfAll } from "./facts.ts";
import type { Language } from "./languages.ts";

/** How invitations go by mail: Scheduling/iMIP of the property list. */
export interface MailSettings {
  readonly relay: RelaySettings;
  /** The gateway's own address: its local part with "+token" is where answers go. Lower case. */
  readonly address: string;
  /** Which addresses are reached by mail; empty: all. Anchored at the start, as the original had them. */
  readonly patterns: readonly RegExp[];
  /** Addresses that would be ours if there were such a user: nobody is written to there. */
  readonly ours: readonly RegExp[];
  /** For people whose language is not known. */
  readonly language: Language;
  readonly daysToLive: number;
  /** The file of the tokens. */
  readonly tokens: string;
}

/** Where answers for a token go: calendar+TOKEN@example.com. */
export function tokenAddress(gateway: string, token: string): string {
  const at = gateway.lastIndexOf("@");
  return `${gateway.slice(0, at)}+${token}${gateway.slice(at)}`;
}

/** The token in such an address (lower case); undefined for all others. */
export function tokenIn(address: string, gateway: string): string | undefined {
  const at = gateway.lastIndexOf("@");
  const [before, after] = [`${gateway.slice(0, at)}+`, gateway.slice(at)];
  if (!address.startsWith(before) || !address.endsWith(after)) return undefined;
  const token = address.slice(before.length, -after.length);
  return /^[a-z0-9-]{8,64}$/.test(token) ? token : undefined;
}

/** Whether two addresses are of one person: the same, or with another sub-address (bob+work@example.org). */
export const isSamePerson = (one: string, other: string): boolean => plain(one) === plain(other);

const plain = (address: string): string => address.toLowerCase().replace(/\+[^@]*(?=@)/, "");

/** Why a message is not mailed to somebody; undefined: it is. What nobody wants to find in his mail: what is over, others' answers, and
 *  invitations that he has answered before this server had them, as an imported calendar holds them. */
export function whyNotMailed(
  message: ItipMessage,
  recipient: string,
  identify: Identify,
  now: Utc,
): string | undefined {
  const { method, says, isForced } = message;
  if (method === "PUBLISH") return `${method} is not sent by mail`;
  // Who asks is answered, whatever it is about; and what a person wants to be sent, is.
  if (method === "REFRESH" || method === "DECLINECOUNTER" || says?.isAsked === true || isForced === true)
    return undefined;
  if (method === "REQUEST" && says !== undefined && tellsAnswersOnly(says))
    return "only answers of others have changed";
  if (endOfAll(message, now) <= now * 1000) return "all of it is over";
  if (method !== "REQUEST" || says !== undefined) return undefined;
  const person = identify(recipient);
  const own = componentsOf(seriesOf(message.root)).flatMap(
    (component) => attendeeIn(component, person, identify) ?? [],
  );
  const hasAnswered = own.length > 0 && own.every((attendee) => partstatOf(attendee) !== "NEEDS-ACTION");
  return hasAnswered ? "he has answered before the event came to this server" : undefined;
}

const tellsAnswersOnly = ({ isRefresh, instances }: MessageSummary): boolean =>
  isRefresh === true ||
  (instances.length > 0 &&
    instances.every(({ properties, attendees }) => properties.length === 0 && attendees === "partstat"));
