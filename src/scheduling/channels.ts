import type { Component } from "../ical/component.ts";
import type { ItipMessage } from "../itip/message.ts";
import type { TimeRange } from "../model/ids.ts";
import { normaliseAddress, type Principal } from "../model/principal.ts";

/** What became of a message for one recipient: a request status (RFC 5545 §3.8.8.3, code and text) that is the last word, or that it
 *  is to be tried again later, or by the next channel. */
export type Delivery =
  | { readonly recipient: string; readonly status: string }
  | { readonly recipient: string; readonly again: "later" | "elsewhere"; readonly because: string };

/** A message as it leaves the server. */
export interface Letter {
  readonly message: ItipMessage;
  /** The VCALENDAR as it travels. */
  readonly text: string;
  /** Of this message to these recipients: the same however often it is tried, and after a crash. Printable ASCII without spaces. */
  readonly id: string;
  /** When it was written down, ms since 1970. */
  readonly since: number;
}

/** A question for busy time. RFC 5546 §3.3.2 */
export interface BusyQuestion {
  /** Addresses as the message has them. */
  readonly originator: string;
  readonly range: TimeRange;
  /** The VCALENDAR with METHOD:REQUEST for these recipients: one VFREEBUSY that names them all. */
  text(recipients: readonly string[]): string;
}

/** What one recipient's server answered. */
export interface BusyAnswer {
  readonly recipient: string;
  readonly status: string;
  /** The VFREEBUSY of a METHOD:REPLY. */
  readonly freeBusy?: Component;
}

/** A way to reach people who are not of this server. Asked in the order of the list: the first that reaches an address has it.
 *  People of this server are reached first (`local.ts`), under the lock of the UID; what these channels are to do is written down, and
 *  done beside all requests. */
export interface Channel {
  readonly name: string;
  /** Whether it would deliver to an address (normalised). Somebody waits for a PUT: what must be asked of others is bounded to a
   *  second or two, and kept. Throws nothing. */
  reaches(address: string): Promise<boolean>;
  /** What fails together: a peer, a mail relay. Lanes do not wait for each other. */
  laneOf(address: string): string;
  /** Recipients of one `deliver`. After each, what is done is written down, so this many may hear twice when a process is killed
   *  in between. */
  readonly batch: number;
  /** Sends. Throws when the lane cannot be used now: all recipients are tried again later. Bounds its own time. */
  deliver(letter: Letter, to: readonly string[]): Promise<readonly Delivery[]>;
  /** Asks for busy time; undefined for channels that cannot. Throws when nothing was answered; `signal` ends the wait. */
  askBusyTime?(question: BusyQuestion, to: readonly string[], signal: AbortSignal): Promise<readonly BusyAnswer[]>;
  /** Ends connections. */
  close?(): Promise<void>;
}

export const pending = "1.0;Scheduling message send is pending";
export const sent = "1.1;Scheduling message has been sent";
export const unavailable = "5.1;Service unavailable";
export const noWay = "5.2;Invalid calendar service";
export const noSupport = "5.3;No scheduling support for user";

/** The address (normalised) at which a channel is asked for somebody; undefined: he is of this server, or has no calendars anywhere.
 *  `known`: who the directory says he is. It may know people whose calendars another server has. */
export const addressElsewhere = (address: string, known: Principal | undefined): string | undefined =>
  known === undefined || (known.hosting?.local === false && known.hosting.enabled)
    ? normaliseAddress(address)
    : undefined;

/** The first channel that reaches an address. */
export async function channelFor(address: string, channels: readonly Channel[]): Promise<Channel | undefined> {
  for (const channel of channels) if (await channel.reaches(address)) return channel;
  return undefined;
}

/** How long one peer may take to tell busy time, ms: a person waits. */
const busyPatience = 10_000;

/** Asks everybody's servers side by side. Answers one promise for each address; who cannot be asked has his status, and costs the
 *  others nothing. */
export async function askElsewhere(
  question: BusyQuestion,
  addresses: readonly string[],
  channels: readonly Channel[],
  failed: (lane: string, error: unknown) => void,
): Promise<ReadonlyMap<string, Promise<BusyAnswer>>> {
  const answers = new Map<string, Promise<BusyAnswer>>();
  const lanes = new Map<string, { readonly channel: Channel; readonly lane: string; readonly to: string[] }>();
  const found = await Promise.all(addresses.map((address) => channelFor(address, channels)));
  for (const [index, recipient] of addresses.entries()) {
    const channel = found[index];
    if (channel === undefined) continue;
    if (channel.askBusyTime === undefined) {
      answers.set(recipient, Promise.resolve({ recipient, status: noSupport }));
      continue;
    }
    const lane = channel.laneOf(recipient);
    const key = `${channel.name} ${lane}`;
    const known = lanes.get(key) ?? { channel, lane, to: [] };
    known.to.push(recipient);
    lanes.set(key, known);
  }
  for (const { channel, lane, to } of lanes.values()) {
    const told = askLane(channel, question, to).catch((error: unknown) => {
      failed(lane, error);
      return [];
    });
    for (const recipient of to)
      answers.set(
        recipient,
        told.then((all) => all.find((one) => one.recipient === recipient) ?? { recipient, status: unavailable }),
      );
  }
  return answers;
}

async function askLane(
  channel: Channel,
  question: BusyQuestion,
  to: readonly string[],
): Promise<readonly BusyAnswer[]> {
  const signal = AbortSignal.timeout(busyPatience);
  const ended = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error(`no answer within ${busyPatience / 1000} seconds`)));
  });
  return Promise.race([channel.askBusyTime?.(question, to, signal) ?? [], ended]);
}
