import { type Component, type Property, parameterOf, propertiesOf, propertyOf } from "../../ical/component.ts";
import { mapProperties, withoutParameters } from "../../ical/edit.ts";
import type { ItipMessage } from "../../itip/message.ts";
import { componentsOf, mapMembers, seriesOf } from "../../itip/series.ts";
import { type IncomingMail, mailAddressOf } from "../../mail/mail.ts";
import type { Correspondence } from "../../mail/tokens.ts";
import { normaliseAddress } from "../../model/principal.ts";
import { Refusal } from "../../model/refusal.ts";
import { isOrganizerMethod, type Message, readMessage } from "../outbox-message.ts";
import { isSamePerson } from "./gateway.ts";

/** What a mail means for one of its recipients. */
export type Arrival =
  | { readonly is: "message"; readonly message: ItipMessage }
  /** Our mail to this person did not arrive. */
  | { readonly is: "bounce"; readonly why: string }
  /** Made by a program, and nothing to be done: a holiday notice, a delay. */
  | { readonly is: "noise"; readonly why: string }
  /** Not for us: somebody should look at it. */
  | { readonly is: "unknown"; readonly why: string };

const unknown = (why: string): Arrival => ({ is: "unknown", why });

/** The calendar in it that is an iTIP message, the first or, of several, one that is wanted; or why there is none. */
function messageIn(
  { calendars, contradictions }: IncomingMail,
  isWanted: (message: Message) => boolean = () => true,
): Message | string {
  let why =
    contradictions > 0
      ? "its calendar data has another METHOD than its Content-Type says"
      : "there is no calendar data in it: only answers of calendar programs are understood";
  let first: Message | undefined;
  for (const text of calendars) {
    try {
      const message = readMessage(text);
      if (isWanted(message)) return message;
      first ??= message;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      why = `its calendar data is not understood: ${error.reason.code}${"problem" in error.reason ? `, ${error.reason.problem}` : ""}`;
    }
  }
  return first ?? why;
}

/** An answer to a mail of ours, sent to the address with the token. It speaks for the attendee that the token was made for (or for his
 *  delegate) and for nobody else: other ATTENDEEs are taken out, the ORGANIZER is whom it was asked by. `anySender`: the From is not looked at, as the original
 *  did not. */
export function answerIn(mail: IncomingMail, pair: Correspondence, anySender: boolean): Arrival {
  if (mail.report !== undefined)
    return mail.report.failed ? { is: "bounce", why: mail.report.why } : { is: "noise", why: "a delivery is late" };
  const found = messageIn(mail, ({ method, uid }) => uid === pair.uid && !isOrganizerMethod(method));
  if (typeof found === "string") return mail.isAutomatic ? { is: "noise", why: "an automatic mail" } : unknown(found);
  const asked = mailAddressOf(pair.attendee);
  const delegate = delegateIn(found, pair, mail.from);
  const isHis = asked !== undefined && mail.from !== undefined && isSamePerson(mail.from, asked);
  if (!anySender && !isHis && delegate === undefined)
    return unknown(`it is from ${mail.from ?? "nobody"}, and ${asked ?? pair.attendee} was asked`);
  const attendee = isHis || delegate === undefined ? pair.attendee : delegate.value;
  if (isOrganizerMethod(found.method)) return unknown(`${found.method} is for organizers`);
  if (found.uid !== pair.uid) return unknown("its UID is that of another event");
  return {
    is: "message",
    message: {
      method: found.method,
      originator: attendee,
      recipients: [pair.organizer],
      root: speakingFor(found.root, { ...pair, attendee }),
      says: undefined,
    },
  };
}

/** The one to whom the attendee has passed the mail on, and who answers in his place (RFC 5546 §3.2.3), for himself alone. */
function delegateIn(
  { method, attendees }: Message,
  pair: Correspondence,
  from: string | undefined,
): Property | undefined {
  if (method !== "REPLY" || from === undefined) return undefined;
  const asked = normaliseAddress(pair.attendee);
  return attendees.find((attendee) => {
    const address = mailAddressOf(attendee.value);
    const delegator = parameterOf(attendee, "DELEGATED-FROM");
    return (
      address !== undefined &&
      isSamePerson(address, from) &&
      delegator !== undefined &&
      normaliseAddress(delegator) === asked
    );
  });
}

/** The ATTENDEE of the token alone: his own, or the only one there is (an alias of his). */
function speakingFor(root: Component, { organizer, attendee }: Correspondence): Component {
  const wanted = normaliseAddress(attendee);
  return mapMembers(seriesOf(root), (component) => {
    const attendees = propertiesOf(component, "ATTENDEE");
    const own =
      attendees.find(({ value }) => normaliseAddress(value) === wanted) ??
      (attendees.length === 1 ? attendees[0] : undefined);
    return mapProperties(component, (property) => {
      if (property.name === "ORGANIZER") return { ...property, value: organizer };
      if (property.name !== "ATTENDEE") return property;
      return property === own ? { ...property, value: attendee } : undefined;
    });
  });
}

/** A mail to the address of a user: an invitation, change or cancellation of an organizer elsewhere, or an answer of an attendee
 *  elsewhere. Nothing proves who wrote it but the From, so that must be the organizer's or the attendee's own address; SENT-BY says
 *  nothing, since the writer could have written that too. `recipient`: the user's mail address. `isHere`: whether an address is of this
 *  server, whose users' messages never come by mail. */
export async function messageTo(
  recipient: string,
  mail: IncomingMail,
  isHere: (address: string) => Promise<"recipient" | "other" | undefined>,
): Promise<Arrival> {
  if (mail.report !== undefined) return { is: "noise", why: "a delivery report" };
  const found = messageIn(mail);
  if (typeof found === "string") return mail.isAutomatic ? { is: "noise", why: "an automatic mail" } : unknown(found);
  const { method, organizer, attendees, root } = found;
  if (method === "PUBLISH") return unknown("PUBLISH asks nobody to anything");
  if (found.busyTime !== undefined || found.kind === "VFREEBUSY") return unknown("busy time is not told by mail");
  const isOrganizers = isOrganizerMethod(method);
  const [first] = attendees;
  if (!isOrganizers && attendees.length !== 1) return unknown(`a ${method} is of one ATTENDEE`);
  const author = isOrganizers ? organizer : first;
  const address = author && mailAddressOf(author.value);
  if (author === undefined || address === undefined || mail.from !== address)
    return unknown(`it is from ${mail.from ?? "nobody"}, and speaks for ${address ?? author?.value ?? "nobody"}`);
  if ((await isHere(author.value)) !== undefined) return unknown("users of this server do not send by mail");
  const addressee = isOrganizers ? await firstThat(attendees, isHere) : await firstThat([organizer], isHere);
  if (addressee === undefined) return unknown(`${recipient} is not concerned`);
  return {
    is: "message",
    message: {
      method,
      originator: author.value,
      recipients: [addressee.value],
      root: withoutAgents(root),
      says: undefined,
    },
  };
}

async function firstThat(
  properties: readonly Property[],
  isHere: (address: string) => Promise<"recipient" | "other" | undefined>,
): Promise<Property | undefined> {
  for (const property of properties) if ((await isHere(property.value)) === "recipient") return property;
  return undefined;
}

/** What one server notes about deliveries means nothing to another. RFC 6638 §7 */
const withoutAgents = (root: Component): Component =>
  mapMembers(seriesOf(root), (component) =>
    mapProperties(component, (property) =>
      parameterOf(property, "SCHEDULE-AGENT") === undefined && parameterOf(property, "SCHEDULE-STATUS") === undefined
        ? property
        : withoutParameters(property, (name) => name.startsWith("SCHEDULE-")),
    ),
  );

/** The UID of a message, for notes; empty when there is none. */
export const uidIn = ({ root }: ItipMessage): string => {
  const [first] = componentsOf(seriesOf(root));
  return (first && propertyOf(first, "UID")?.value) ?? "";
};
