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

export interface StoredMessage {
  readonly method: Method;
  readonly originator: string;
  readonly recipients: readonly string[];
  readonly text: string;
  readonly says: MessageSummary | undefined;
  readonly isForced?: boolean | undefined;
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

interface FollowUpBase {
  /** Principal's uid. */
  readonly owner: string;
  readonly uid: string;
  /** Given when it is written down. */
  readonly id?: string;
  /** It took the place of one that somebody may have begun and not ended. */
  readonly isRepeated?: boolean;
}

/** What is done for an object when the lock of its UID is free again. */
export type FollowUp = FollowUpBase &
  (
    | /** A room answers. */ { readonly kind: "answer" }
    | /** Members of groups that the owner invites are others now. */ { readonly kind: "members" }
    /** Attendees are told the present state: these, or all but one. `asked`: who wants to be told, `invited`: addresses of those who
     *  never were; both in any case. */
    | {
        readonly kind: "refresh";
        readonly to?: readonly string[];
        readonly except?: string | undefined;
        readonly asked?: readonly string[];
        readonly invited?: readonly string[];
      }
    /** The owner's copy tells what became of messages that left this server: request status codes by address. */
    | { readonly kind: "told"; readonly codes: Readonly<Record<string, string>> }
  );

/** Messages for people whom a channel reaches, of one operation and on one lane, in their order. */
export interface LettersJob {
  readonly kind: "letters";
  /** Of the operation. */
  readonly id: string;
  /** Name of the channel, and its lane. */
  readonly channel: string;
  readonly lane: string;
  readonly uid: string;
  /** Principal's uid of whose copy tells what became of them; undefined: nobody's. */
  readonly sender: string | undefined;
  /** Nothing is sent while there is a job of this name: the operation has not ended yet. */
  readonly after: string | undefined;
  /** When they were written, ms since 1970. */
  readonly since: number;
  /** What is still to be sent: the recipients who have no status yet. */
  readonly letters: readonly StoredMessage[];
}

export type Job = ImplicitJob | FollowUp | LettersJob;

/** Follow-ups of one kind for one object are one job: the state they tell is the one at the time. */
export const followUpName = ({ kind, owner, uid }: FollowUp): string =>
  `${kind}-${createHash("md5").update(`${owner} ${uid}`).digest("hex")}`;

/** Derived from the operation, so that an operation that is carried on after a crash writes no second one. */
export const lettersName = (id: string, channel: string, lane: string): string =>
  `${lettersPrefix}${createHash("md5").update(`${id} ${channel} ${lane}`).digest("hex")}`;

export const lettersPrefix = "letters-";

/** No job: while a file of this name is in the queue, an administrator wants letters to be tried again now. */
export const retryName = "retry";

/** Of one UID there is one: it is written and removed under the lock of the UID. */
export const implicitName = (uid: string): string => `implicit-${createHash("md5").update(uid).digest("hex")}`;

export const writeJob = (job: Job): string => JSON.stringify(job);

export const isFollowUp = (job: Job): job is FollowUp => job.kind !== "implicit" && job.kind !== "letters";

const kinds: ReadonlySet<string> = new Set<Job["kind"]>([
  "implicit",
  "answer",
  "members",
  "refresh",
  "told",
  "letters",
]);

/** Undefined for what is no job of ours. */
export function readJob(text: string): Job | undefined {
  try {
    const job = JSON.parse(text) as Job;
    return kinds.has(job.kind) ? job : undefined;
  } catch {
    return undefined;
  }
}

/** A later follow-up takes the place of an earlier one and does its work too. */
export function joined(earlier: Job | undefined, later: FollowUp): FollowUp {
  if (earlier?.kind === "told" && later.kind === "told")
    return { ...later, codes: { ...earlier.codes, ...later.codes } };
  if (earlier?.kind !== "refresh" || later.kind !== "refresh") return later;
  const { owner, uid } = later;
  const both = (one: readonly string[] = [], other: readonly string[] = []): readonly string[] => [
    ...new Set([...one, ...other]),
  ];
  const asked = both(earlier.asked, later.asked);
  const invited = both(earlier.invited, later.invited);
  const next = { kind: "refresh", owner, uid, asked, invited } as const;
  if (earlier.to !== undefined && later.to !== undefined) return { ...next, to: both(earlier.to, later.to) };
  // Two have answered: each is to hear of the other.
  if (earlier.to === undefined && later.to === undefined)
    return earlier.except === later.except ? { ...next, except: later.except } : next;
  return { ...next, except: earlier.to === undefined ? earlier.except : later.except };
}

export const storedMessage = ({ message, source }: Outgoing): StoredMessage => ({
  method: message.method,
  originator: message.originator,
  recipients: message.recipients,
  text: source.text,
  says: message.says,
  isForced: message.isForced,
});

export function outgoing({ text, ...rest }: StoredMessage): Outgoing {
  const root = readCalendar(text);
  const message: ItipMessage = { ...rest, root };
  return { message, source: { text, root } };
}
