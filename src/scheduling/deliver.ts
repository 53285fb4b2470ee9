import { yieldToLoop } from "../base/stream.ts";
import { readCalendar } from "../ical/read.ts";
import { writeComponent } from "../ical/write.ts";
import type { ItipMessage } from "../itip/message.ts";
import { type Dispatch, deliverLocally, type Outgoing } from "./local.ts";
import type { SchedulingServices } from "./services.ts";

/** A way to reach people. Tried in order: the first that reaches an address delivers to it. */
export interface Channel {
  readonly name: string;
  reaches(address: string, dispatch: Dispatch): boolean;
  /** Answers a request status (RFC 5545 §3.8.8.3), code and text. */
  deliver(outgoing: Outgoing, address: string, dispatch: Dispatch, services: SchedulingServices): Promise<string>;
}

/** People of this server. */
export const localChannel: Channel = {
  name: "local",
  reaches: (address, { people }) => people.principal(people.identify(address)) !== undefined,
  deliver: async (outgoing, address, dispatch, services) => {
    const recipient = dispatch.people.principal(dispatch.people.identify(address));
    if (recipient?.calendaring !== true) return unknownUser;
    return deliverLocally(outgoing, recipient, address, dispatch, services);
  },
};

/** The ways there are. Other servers and mail are further lines. */
export const channels: readonly Channel[] = [localChannel];

const unknownUser = "3.7;Invalid Calendar User";
const failed = "5.1;Service unavailable";

/** Recipients worked on at once: their files are synced side by side. */
const width = 8;

/** The messages as they travel: written once however many they go to, and read back, so that lines are known by their text. */
export const asOutgoing = (messages: readonly ItipMessage[]): readonly Outgoing[] =>
  messages.map((message) => {
    const text = writeComponent(message.root);
    const root = readCalendar(text);
    return { message: { ...message, root }, source: { text, root } };
  });

/** Delivers messages, to one recipient in their order, to several side by side; other requests get their turn in between. Answers
 *  the last status of each person; one that fails costs nobody else his message. */
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
  const waiting = [...queues];
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [person, queue] = next;
      for (const { address, outgoing } of queue)
        statuses.set(person, await deliverOne(outgoing, address, dispatch, services));
      await yieldToLoop();
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, waiting.length) }, work));
  return statuses;
}

async function deliverOne(
  outgoing: Outgoing,
  address: string,
  dispatch: Dispatch,
  services: SchedulingServices,
): Promise<string> {
  const channel = channels.find(({ reaches }) => reaches(address, dispatch));
  if (channel === undefined) return unknownUser;
  try {
    return await channel.deliver(outgoing, address, dispatch, services);
  } catch (error) {
    services.warn("a scheduling message was not delivered", {
      channel: channel.name,
      recipient: address.slice(0, 200),
      method: outgoing.message.method,
      error,
    });
    return failed;
  }
}

/** The code of a request status: what SCHEDULE-STATUS holds. */
export const codeOf = (status: string): string => status.split(";")[0] ?? status;
