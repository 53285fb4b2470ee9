import { createHash } from "node:crypto";
import { readCalendar } from "../ical/read.ts";
import type { ItipMessage, MessageSummary, Method } from "../itip/message.ts";
import type { ETag } from "../model/ids.ts";
import type { Outgoing } from "./local.ts";

/** What an implicit operation has promised once it is written down: these messages, and this object. */
export interface ImplicitJob {
  readonly kind: "implicit";
  readonly id: string;
  readonly uid: string;
  readonly messages: readonly StoredMessage[];
  /** Undefined for messages alone. */
  readonly object: StoredObject | undefined;
}

interface StoredMessage {
  readonly method: Method;
  readonly originator: string;
  readonly recipients: readonly string[];
  readonly text: string;
  readonly says: MessageSummary | undefined;
}

interface StoredObject {
  /** Principal's uid. */
  readonly owner: string;
  readonly path: readonly string[];
  readonly name: string;
  /** ETag of what was there; null: nothing. */
  readonly before: ETag | null;
  /** Null: removed. */
  readonly text: string | null;
  readonly tag: string | null;
  readonly role: "organizer" | "attendee";
}

/** What is done for an object when the lock of its UID is free again. */
export type FollowUp =
  /** A room answers. */
  | { readonly kind: "answer"; readonly owner: string; readonly uid: string; readonly id?: string }
  /** Attendees are told the present state: these, or all but one. */
  | {
      readonly kind: "refresh";
      readonly owner: string;
      readonly uid: string;
      readonly to?: readonly string[];
      readonly except?: string | undefined;
      readonly id?: string;
    };

export type Job = ImplicitJob | FollowUp;

/** Follow-ups of one kind for one object are one job: the state they tell is the one at the time. */
export const followUpName = ({ kind, owner, uid }: FollowUp): string =>
  `${kind}-${createHash("md5").update(`${owner} ${uid}`).digest("hex")}`;

export const implicitName = (id: string): string => `implicit-${id}`;

export const writeJob = (job: Job): string => JSON.stringify(job);

/** Undefined for what is no job of ours. */
export function readJob(text: string): Job | undefined {
  try {
    const job = JSON.parse(text) as Job;
    return job.kind === "implicit" || job.kind === "answer" || job.kind === "refresh" ? job : undefined;
  } catch {
    return undefined;
  }
}

/** A later follow-up takes the place of an earlier one and does its work too. */
export function joined(earlier: Job | undefined, later: FollowUp): FollowUp {
  if (earlier?.kind !== "refresh" || later.kind !== "refresh") return later;
  const { owner, uid } = later;
  if (earlier.to !== undefined && later.to !== undefined)
    return { kind: "refresh", owner, uid, to: [...new Set([...earlier.to, ...later.to])] };
  if (earlier.to === undefined && later.to === undefined && earlier.except === later.except) return later;
  // Two have answered: each is to hear of the other.
  return { kind: "refresh", owner, uid };
}

export const storedMessage = ({ message, source }: Outgoing): StoredMessage => ({
  method: message.method,
  originator: message.originator,
  recipients: message.recipients,
  text: source.text,
  says: message.says,
});

export function outgoing({ text, ...rest }: StoredMessage): Outgoing {
  const root = readCalendar(text);
  const message: ItipMessage = { ...rest, root };
  return { message, source: { text, root } };
}
