import { yieldToLoop } from "../base/stream.ts";
import { readCalendar } from "../ical/read.ts";
import { writeComponent } from "../ical/write.ts";
import type { ItipMessage } from "../itip/message.ts";
import { seriesOf } from "../itip/series.ts";
import { addressElsewhere, type Channel, channelFor, pending, unavailable } from "./channels.ts";
import { type LettersJob, lettersName, storedMessage, writeJob } from "./jobs.ts";
import { type Dispatch, deliverLocally, type Outgoing } from "./local.ts";
import type { SchedulingServices } from "./services.ts";

/** A group without a calendar: its members are ATTENDEEs themselves. */
const forwarded = "2.7;Success; request forwarded to Calendar User";
const unknownUser = "3.7;Invalid Calendar User";

/** Recipients worked on at once: their files are synced side by side. */
const width = 8;

/** The messages as they travel: written once however many they go to, and read back, so that lines are known by their text. */
export const asOutgoing = (messages: readonly ItipMessage[]): readonly Outgoing[] =>
  messages.map((message) => {
    const text = writeComponent(message.root);
    const root = readCalendar(text);
    return { message: { ...message, root }, source: { text, root } };
  });

/** Delivers messages, to one recipient in their order, to several side by side; other requests get their turn in between. What is for
 *  people elsewhere is written down and pending. Answers the last status of each person; one that fails costs nobody else his
 *  message. */
export async function deliverAll(
  messages: readonly Outgoing[],
  dispatch: Dispatch,
  services: SchedulingServices,
): Promise<ReadonlyMap<string, string>> {
  const { people } = dispatch;
  const queues = new Map<string, { readonly address: string; readonly outgoing: Outgoing }[]>();
  for (const outgoing of messages) {
    await people.learn(outgoing.message.root);
    for (const address of outgoing.message.recipients) {
      await people.learnAddress(address);
      const person = people.identify(address);
      const queue = queues.get(person) ?? [];
      queue.push({ address, outgoing });
      queues.set(person, queue);
    }
  }
  const statuses = new Map<string, string>();
  const letters = new Letters();
  const waiting = [...queues];
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [person, queue] = next;
      for (const { address, outgoing } of queue)
        statuses.set(person, await deliverOne(outgoing, address, letters, dispatch, services));
      await yieldToLoop();
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, waiting.length) }, work));
  await letters.post(messages, dispatch, services);
  return statuses;
}

async function deliverOne(
  outgoing: Outgoing,
  address: string,
  letters: Letters,
  dispatch: Dispatch,
  services: SchedulingServices,
): Promise<string> {
  const { people } = dispatch;
  const recipient = people.principal(people.identify(address));
  try {
    if (recipient?.calendaring === true) return await deliverLocally(outgoing, recipient, address, dispatch, services);
    if (recipient?.type === "groups" && services.groups !== undefined) return forwarded;
    const elsewhere = dispatch.isFromOutside === true ? undefined : addressElsewhere(address, recipient);
    const channel = elsewhere === undefined ? undefined : await channelFor(elsewhere, services.channels);
    if (channel === undefined) return unknownUser;
    letters.add(channel, outgoing, address);
    return pending;
  } catch (error) {
    services.warn("a scheduling message was not delivered", {
      recipient: address.slice(0, 200),
      method: outgoing.message.method,
      error,
    });
    return unavailable;
  }
}

/** What leaves the server in one operation, sorted by where it goes. */
class Letters {
  readonly #lanes = new Map<
    string,
    { readonly channel: string; readonly lane: string; readonly to: Map<Outgoing, string[]> }
  >();

  add(channel: Channel, outgoing: Outgoing, address: string): void {
    const lane = channel.laneOf(address);
    const key = `${channel.name} ${lane}`;
    const known = this.#lanes.get(key) ?? { channel: channel.name, lane, to: new Map<Outgoing, string[]>() };
    known.to.set(outgoing, [...(known.to.get(outgoing) ?? []), address]);
    this.#lanes.set(key, known);
  }

  /** Writes them down. `messages`: all of the operation, in their order. */
  async post(
    messages: readonly Outgoing[],
    { id, job, people }: Dispatch,
    { store }: SchedulingServices,
  ): Promise<void> {
    const [first] = messages;
    if (first === undefined || this.#lanes.size === 0) return;
    const { uid } = seriesOf(first.message.root);
    const sender = people.principal(people.identify(first.message.originator))?.uid;
    const jobs = [...this.#lanes.values()].map(({ channel, lane, to }): LettersJob => {
      const letters = messages.flatMap((message) => {
        const recipients = to.get(message);
        return recipients === undefined ? [] : [{ ...storedMessage(message), recipients }];
      });
      return { kind: "letters", id, channel, lane, uid, sender, after: job, since: Date.now(), letters };
    });
    await Promise.all(
      jobs.map((letters) => store.jobs.put(lettersName(id, letters.channel, letters.lane), writeJob(letters))),
    );
  }
}

/** The code of a request status: what SCHEDULE-STATUS holds. */
export const codeOf = (status: string): string => status.split(";")[0] ?? status;
