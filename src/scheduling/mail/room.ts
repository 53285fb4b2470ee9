import { createHash } from "node:crypto";
import type { ItipMessage } from "../../itip/message.ts";
import type { ServerAddress } from "../../mail/connection.ts";
import {
  type ListenSettings,
  listenForMail,
  type MailListener,
  type Receiver,
  type Verdict,
} from "../../mail/listen.ts";
import { type IncomingMail, plainAddress } from "../../mail/mail.ts";
import { type Fate, pollMailbox } from "../../mail/poll.ts";
import { readMail } from "../../mail/read.ts";
import { MailTokens } from "../../mail/tokens.ts";
import { addressElsewhere } from "../channels.ts";
import { type Arrival, answerIn, messageTo, uidIn } from "./arrivals.ts";
import type { MailServices } from "./channel.ts";
import { type MailSettings, tokenIn } from "./gateway.ts";

/** How mails come in. */
export type Receiving =
  | { readonly by: "listening"; readonly settings: ListenSettings }
  | { readonly by: "polling"; readonly settings: ServerAddress; readonly seconds: number };

export interface RoomServices extends MailServices {
  readonly log: (message: string, details?: Readonly<Record<string, unknown>>) => void;
  /** Takes the role of the one process that receives; undefined: another has it. */
  claim(): (() => void) | undefined;
  /** Delivers to people here; answers each one's request status. */
  receive(
    message: ItipMessage,
    how: { readonly id: string; readonly isRepeated: boolean; ignored(because: string): void },
  ): Promise<(address: string) => string | undefined>;
  /** A message of `owner` (principal's uid) to an address did not arrive. */
  undelivered(owner: string, uid: string, address: string): Promise<void>;
}

export interface RoomSettings extends Pick<MailSettings, "address" | "tokens" | "daysToLive"> {
  readonly receiving: Receiving;
  /** The From of an answer need not be the address that was asked. */
  readonly anySender: boolean;
}

/** How often who has not the role asks for it, and who could not listen tries again, ms. */
const askAgain = 2_000;
const tryAgain = 15_000;
const hour = 3_600_000;
const day = 24 * hour;
/** How often one attendee is told the present state of one event, since he asks for it. */
const refreshesAnHour = 6;

/** What became of a mail for one recipient: the sentence for logs and answers. */
interface Outcome {
  readonly is: "applied" | "noise" | "unknown";
  readonly why: string;
}

/** Takes mails in: answers to our invitations, reports about them, and invitations for our users. One process does, of all workers and
 *  hosts. */
export class MailRoom implements Receiver {
  readonly #settings: RoomSettings;
  readonly #services: RoomServices;
  #tokens: MailTokens | undefined;
  #listener: MailListener | undefined;
  #giveUpRole: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> = Promise.resolve();
  #isClosed = false;
  #isFailing = false;
  #purgedAt = 0;

  constructor(settings: RoomSettings, services: RoomServices) {
    this.#settings = settings;
    this.#services = services;
  }

  /** Begins to receive, or to wait until the process that does is gone. */
  start(): void {
    this.#in(0);
  }

  /** The port that is listened on; undefined while this process does not. */
  get port(): number | undefined {
    return this.#listener?.port;
  }

  #in(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#working = this.#work().catch((error: unknown) => this.#failed(error));
    }, ms);
    this.#timer.unref();
  }

  #failed(error: unknown): void {
    // Once until it works again: a mail server that is down is down for a while.
    if (!this.#isFailing) {
      this.#services.warn("mails cannot be received; it is tried again", { error });
      const details = error instanceof Error ? error.message : String(error);
      this.#note("", this.#settings.address, "not received", details).catch(() => undefined);
    }
    this.#isFailing = true;
    this.#in(tryAgain);
  }

  async #work(): Promise<void> {
    this.#giveUpRole ??= this.#services.claim();
    if (this.#giveUpRole === undefined) return this.#in(askAgain);
    const now = Date.now();
    if (now - this.#purgedAt > day) {
      await (await this.#open()).purge(now);
      this.#purgedAt = now;
    }
    const { receiving } = this.#settings;
    if (receiving.by === "listening") {
      if (this.#listener === undefined) {
        const listener = await listenForMail(receiving.settings, this, this.#services.warn);
        this.#listener = listener;
        this.#services.log("listening for mail", { port: listener.port, protocol: receiving.settings.protocol });
      }
      this.#isFailing = false;
      return this.#in(hour);
    }
    await pollMailbox(receiving.settings, (bytes) => this.#takeLoose(bytes), this.#services.warn);
    if (this.#isFailing) this.#services.warn("mails are received again");
    this.#isFailing = false;
    this.#in(receiving.seconds * 1000);
  }

  async refuses(recipient: string): Promise<string | undefined> {
    const address = plainAddress(recipient);
    if (address === undefined) return "no such address";
    const token = tokenIn(address, this.#settings.address);
    if (token !== undefined)
      return (await (await this.#open()).find(token)) === undefined
        ? "the invitation is not known here, or not any more"
        : undefined;
    const user = await this.#services.calendarUser(`mailto:${address}`);
    return user?.calendaring === true ? undefined : "no calendar user has this address";
  }

  async take(
    bytes: Uint8Array,
    recipients: readonly string[],
    isReport: boolean,
  ): Promise<ReadonlyMap<string, Verdict>> {
    const verdicts = new Map<string, Verdict>();
    const mail = await this.#read(bytes);
    for (const recipient of new Set(recipients)) {
      const outcome: Outcome =
        mail === undefined ? { is: "unknown", why: "it cannot be read" } : await this.#handle(mail, recipient, bytes);
      verdicts.set(
        recipient,
        outcome.is === "unknown" && !isReport ? { taken: false, code: 550, because: outcome.why } : { taken: true },
      );
    }
    return verdicts;
  }

  /** A mail whose envelope is not known any more. */
  async #takeLoose(bytes: Uint8Array): Promise<Fate> {
    const mail = await this.#read(bytes);
    if (mail === undefined) return "left";
    const { address } = this.#settings;
    let fate: Fate = "left";
    const withToken = mail.to.filter((one) => tokenIn(one, address) !== undefined);
    // The sender of an answer is often among its Cc; who has the token is meant.
    for (const recipient of withToken.length > 0 ? withToken : mail.to) {
      if (withToken.length === 0 && (await this.refuses(recipient)) !== undefined) continue;
      const { is } = await this.#handle(mail, recipient, bytes);
      if (is === "applied") fate = "done";
    }
    if (fate === "left")
      this.#services.log("a mail is left in the mailbox, flagged", { from: mail.from, messageId: mail.messageId });
    return fate;
  }

  async #read(bytes: Uint8Array): Promise<IncomingMail | undefined> {
    try {
      return await readMail(bytes);
    } catch (error) {
      this.#services.warn("a mail cannot be read", { error });
      return undefined;
    }
  }

  /** Throws when it may go well another time. */
  async #handle(mail: IncomingMail, recipient: string, bytes: Uint8Array): Promise<Outcome> {
    const token = tokenIn(recipient, this.#settings.address);
    const pair = token === undefined ? undefined : await (await this.#open()).find(token);
    if (token !== undefined && pair === undefined)
      return this.#noted(mail, recipient, "", {
        is: "unknown",
        why: "the invitation is not known here, or not any more",
      });
    const arrival: Arrival =
      pair === undefined
        ? await messageTo(recipient, mail, (address) => this.#place(address, recipient))
        : answerIn(mail, pair, this.#settings.anySender);
    const uid = pair?.uid ?? (arrival.is === "message" ? uidIn(arrival.message) : "");
    if (arrival.is === "bounce") {
      if (pair === undefined) return { is: "noise", why: arrival.why };
      await this.#bounced(pair);
      await this.#note(uid, await this.#otherOf(pair), "bounced", arrival.why);
      return { is: "applied", why: arrival.why };
    }
    if (arrival.is !== "message") return this.#noted(mail, recipient, uid, arrival);
    const { message } = arrival;
    // The same however often the mail comes: a mail server, or we, may have been stopped between the work and the answer.
    const id = createHash("md5")
      .update(`${mail.messageId ?? createHash("md5").update(bytes).digest("hex")} ${recipient}`)
      .digest("hex");
    if (message.method === "REFRESH" && (await this.#asksTooOften(uid, mail.from ?? "")))
      return this.#noted(mail, recipient, uid, { is: "noise", why: "REFRESH: it was asked for often enough" });
    let ignored: string | undefined;
    const statuses = await this.#services.receive(message, {
      id,
      isRepeated: true,
      ignored: (because) => {
        ignored = because;
      },
    });
    const status = statuses(message.recipients[0] ?? "") ?? "";
    if (/^(?:1\.|2\.)/.test(status)) {
      const details = `${message.method} ${ignored === undefined ? "" : `${ignored} `}${mail.messageId ?? ""}`;
      await this.#note(uid, mail.from ?? "", ignored === undefined ? "received" : "ignored", details);
      return { is: "applied", why: status };
    }
    if (status === "" || status.startsWith("5.1")) throw new Error(`the message could not be delivered: ${status}`);
    return this.#noted(mail, recipient, uid, { is: "unknown", why: status });
  }

  async #asksTooOften(uid: string, address: string): Promise<boolean> {
    const tokens = await this.#open();
    const earlier = { uid, address, event: "received", details: "REFRESH " };
    return (await tokens.count(earlier, Date.now() - hour)) >= refreshesAnHour;
  }

  async #noted(mail: IncomingMail, recipient: string, uid: string, outcome: Outcome): Promise<Outcome> {
    const { from, messageId } = mail;
    this.#services.log("a mail means nothing to the calendar", { from, recipient, messageId, because: outcome.why });
    await this.#note(
      uid,
      from ?? "",
      outcome.is === "noise" ? "ignored" : "not understood",
      `${outcome.why} ${messageId ?? ""}`,
    );
    return outcome;
  }

  async #note(uid: string, address: string, event: string, details: string): Promise<void> {
    await (await this.#open()).note({ at: Date.now(), uid, address, event, details });
  }

  async #place(address: string, recipient: string): Promise<"recipient" | "other" | undefined> {
    const user = await this.#services.calendarUser(address);
    if (user === undefined || addressElsewhere(address, user) !== undefined) return undefined;
    return user.emailAddresses.includes(recipient) ? "recipient" : "other";
  }

  /** The one of the two who is not of this server. */
  async #otherOf({ organizer, attendee }: { organizer: string; attendee: string }): Promise<string> {
    const address = (await this.#services.calendarUser(organizer)) === undefined ? organizer : attendee;
    return address.replace(/^mailto:/i, "").toLowerCase();
  }

  async #bounced({ organizer, attendee, uid }: { organizer: string; attendee: string; uid: string }): Promise<void> {
    for (const [own, other] of [
      [organizer, attendee],
      [attendee, organizer],
    ] as const) {
      const owner = await this.#services.calendarUser(own);
      if (owner !== undefined) return this.#services.undelivered(owner.uid, uid, other);
    }
  }

  async #open(): Promise<MailTokens> {
    const tokens = this.#tokens ?? (await MailTokens.open(this.#settings.tokens, this.#settings.daysToLive));
    // Two may have begun to open it.
    if (this.#tokens !== undefined && this.#tokens !== tokens) tokens.close();
    this.#tokens ??= tokens;
    return this.#tokens;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#working;
    await this.#listener?.close();
    this.#giveUpRole?.();
    this.#tokens?.close();
  }
}
