import { createHash } from "node:crypto";
import type { Component, Property } from "../../ical/component.ts";
import { parameterOf } from "../../ical/component.ts";
import { mapProperties, withoutParameters, withParameter } from "../../ical/edit.ts";
import { writeComponent } from "../../ical/write.ts";
import type { ItipMessage } from "../../itip/message.ts";
import { componentsOf, mapMembers, seriesOf } from "../../itip/series.ts";
import { isAscii, mailAddressOf } from "../../mail/mail.ts";
import { Relay } from "../../mail/relay.ts";
import { type Correspondence, type MailNote, MailTokens } from "../../mail/tokens.ts";
import type { Utc } from "../../model/ids.ts";
import { normaliseAddress, type Principal } from "../../model/principal.ts";
import { type Channel, type Delivery, type Letter, noWay, sent, unavailable } from "../channels.ts";
import { compose } from "./compose.ts";
import { endOfAll, factsOf, type Named, nameIn } from "./facts.ts";
import { isSamePerson, type MailSettings, tokenAddress, whyNotMailed } from "./gateway.ts";
import { languageOf } from "./languages.ts";

export interface MailServices {
  readonly now: () => Utc;
  readonly warn: (message: string, details?: Readonly<Record<string, unknown>>) => void;
  /** Whom a calendar user address means here. */
  calendarUser(address: string): Promise<Principal | undefined>;
}

/** Nothing had to be sent, and nothing is wrong. */
const leftOut = "2.0;Success";

/** Invitations, cancellations and answers as mail, for people whom no other way reaches. RFC 6047 */
export class MailChannel implements Channel {
  readonly name = "mail";
  // One mail, then it is written down: at most this one comes twice when the process is killed in between.
  readonly batch = 1;
  readonly #settings: MailSettings;
  readonly #services: MailServices;
  #relay: Relay | undefined;
  #tokens: MailTokens | undefined;

  constructor(settings: MailSettings, services: MailServices) {
    this.#settings = settings;
    this.#services = services;
  }

  reaches(address: string): Promise<boolean> {
    return Promise.resolve(this.#reaches(normaliseAddress(address)));
  }

  #reaches(address: string): boolean {
    const mailbox = mailAddressOf(address);
    if (mailbox === undefined) return false;
    const { patterns, ours, address: gateway } = this.#settings;
    // Nobody writes to the gateway itself: the answer would come back to it.
    if (isSamePerson(mailbox, gateway)) return false;
    if (ours.some((pattern) => pattern.test(address) || pattern.test(`mailto:${mailbox}`))) return false;
    return patterns.length === 0 || patterns.some((pattern) => pattern.test(address));
  }

  /** The domain: one whose mail server says "later" holds up no other. */
  laneOf(address: string): string {
    const mailbox = mailAddressOf(address) ?? "";
    return mailbox.slice(mailbox.lastIndexOf("@") + 1);
  }

  deliver(letter: Letter, to: readonly string[]): Promise<readonly Delivery[]> {
    return Promise.all(to.map((recipient) => this.#deliverOne(letter, recipient)));
  }

  async #deliverOne({ message, id }: Letter, recipient: string): Promise<Delivery> {
    const address = mailAddressOf(recipient);
    if (address === undefined) return { recipient, status: "3.7;Invalid Calendar User" };
    const series = seriesOf(message.root);
    const { uid } = series;
    const note = (event: string, details: string): Promise<void> =>
      this.#note({ at: Date.now(), uid, address, event, details: `${message.method} ${details}` });
    const now = this.#services.now();
    const why = whyNotMailed(message, recipient, normaliseAddress, now);
    if (why !== undefined) {
      await note("left out", why);
      return { recipient, status: leftOut };
    }
    const isAnswer = message.method === "REPLY" || message.method === "COUNTER" || message.method === "REFRESH";
    const pair: Correspondence = isAnswer
      ? { organizer: recipient, attendee: message.originator, uid }
      : { organizer: message.originator, attendee: recipient, uid };
    const end = endOfAll(message, now);
    const token = await (await this.#open()).tokenFor(pair, Number.isFinite(end) ? end : 0, Date.now());
    const replyTo = tokenAddress(this.#settings.address, token);
    const named = await this.#named(message.originator, propertiesNaming(message, message.originator));
    // Else the recipient's mail server would have to take such addresses.
    const sender = named === undefined || isAscii(named.address) || !isAscii(address) ? named : undefined;
    const organizer = isAnswer
      ? await this.#named(recipient, propertiesNaming(message, recipient))
      : (named ?? { name: undefined, address: this.#settings.address });
    const from = sender ?? { name: (named ?? organizer)?.name, address: replyTo };
    const facts = factsOf(message, normaliseAddress(recipient), normaliseAddress);
    const attendees: Named[] = [];
    for (const attendee of facts.attendees) {
      // He is named above.
      if (normaliseAddress(attendee.value) === normaliseAddress(message.originator)) continue;
      const one = await this.#named(attendee.value, [attendee]);
      if (one !== undefined) attendees.push(one);
    }
    const root = await this.#addressed(message, isAnswer ? undefined : `mailto:${replyTo}`);
    const domain = this.#settings.address.slice(this.#settings.address.lastIndexOf("@") + 1);
    const own = propertiesNaming(message, recipient);
    const language =
      languageOf(own.flatMap((property) => parameterOf(property, "LANGUAGE") ?? [])[0]) ??
      languageOf(propertiesNaming(message, message.originator).flatMap((p) => parameterOf(p, "LANGUAGE") ?? [])[0]) ??
      this.#settings.language;
    const composed = compose(facts, { who: from, organizer: organizer ?? from, attendees }, language);
    const messageId = `${id}@${domain}`;
    try {
      const answer = await this.#transport().send({
        ...composed,
        from,
        sender: this.#settings.address,
        // An answer is the attendee's own; to what comes back about invitations the gateway listens.
        replyTo: isAnswer && sender !== undefined ? sender : { name: from.name, address: replyTo },
        to: { name: own.map(nameIn).find((name) => name !== undefined), address },
        returnPath: replyTo,
        messageId,
        thread: `${createHash("md5").update(`${token} ${uid}`).digest("hex")}@${domain}`,
        language,
        calendar: { method: message.method, text: writeComponent(root) },
      });
      await note(answer.taken ? "sent" : "refused", `<${messageId}> ${answer.said}`);
      if (answer.taken) return { recipient, status: sent };
      this.#services.warn("a mail was refused", { uid, to: address, said: answer.said });
      return { recipient, status: "isUnreachable" in answer ? noWay : unavailable };
    } catch (error) {
      await note("deferred", error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** A mail that is sent is sent, also when that cannot be written down. */
  async #note(note: MailNote): Promise<void> {
    try {
      await (await this.#open()).note(note);
    } catch (error) {
      this.#services.warn("what became of a mail cannot be written down", { uid: note.uid, event: note.event, error });
    }
  }

  /** How somebody is named, and his mail address; undefined when he has none. */
  async #named(address: string, properties: readonly Property[]): Promise<Named | undefined> {
    const here = await this.#services.calendarUser(address);
    const written = properties.map(nameIn).find((name) => name !== undefined);
    const email = properties.flatMap((property) => parameterOf(property, "EMAIL") ?? []);
    const mailbox =
      mailAddressOf(address) ??
      here?.emailAddresses.map((one) => mailAddressOf(`mailto:${one}`)).find((one) => one !== undefined) ??
      email.map((one) => mailAddressOf(`mailto:${one}`)).find((one) => one !== undefined);
    return mailbox === undefined ? undefined : { name: written ?? here?.fullName, address: mailbox };
  }

  /** The message as it is mailed: people have mail addresses (others can do nothing with urn:uuid:), and the organizer is at
   *  `gateway`, to which programs send their answers. */
  async #addressed(message: ItipMessage, gateway: string | undefined): Promise<Component> {
    const series = seriesOf(message.root);
    const known = new Map<string, Named | undefined>();
    for (const { properties } of componentsOf(series))
      for (const property of properties)
        if ((property.name === "ORGANIZER" || property.name === "ATTENDEE") && !known.has(property.value))
          known.set(property.value, await this.#named(property.value, [property]));
    const organizer = normaliseAddress(message.originator);
    return mapMembers(series, (component) =>
      mapProperties(component, (property) => {
        const { name, value } = property;
        if (name !== "ORGANIZER" && name !== "ATTENDEE") return property;
        const person = known.get(value);
        const mailbox = person?.address;
        if (gateway !== undefined && normaliseAddress(value) === organizer) {
          const named = withParameter({ ...property, value: gateway }, "CN", nameIn(property) ?? person?.name);
          return withParameter(named, "EMAIL", mailbox);
        }
        if (mailbox === undefined || /^mailto:/i.test(value)) return property;
        return withoutParameters({ ...property, value: `mailto:${mailbox}` }, (parameter) => parameter === "EMAIL");
      }),
    );
  }

  async #open(): Promise<MailTokens> {
    const tokens = this.#tokens ?? (await MailTokens.open(this.#settings.tokens, this.#settings.daysToLive));
    // Two may have begun to open it.
    if (this.#tokens !== undefined && this.#tokens !== tokens) tokens.close();
    this.#tokens ??= tokens;
    return this.#tokens;
  }

  #transport(): Relay {
    this.#relay ??= new Relay(this.#settings.relay);
    return this.#relay;
  }

  close(): Promise<void> {
    this.#relay?.close();
    this.#tokens?.close();
    this.#relay = undefined;
    this.#tokens = undefined;
    return Promise.resolve();
  }
}

/** The ORGANIZERs and ATTENDEEs that are this address. */
function propertiesNaming({ root }: ItipMessage, address: string): readonly Property[] {
  const wanted = normaliseAddress(address);
  return componentsOf(seriesOf(root)).flatMap(({ properties }) =>
    properties.filter(
      ({ name, value }) => (name === "ORGANIZER" || name === "ATTENDEE") && normaliseAddress(value) === wanted,
    ),
  );
}
