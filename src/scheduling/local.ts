import { createHash } from "node:crypto";
import type { Component } from "../ical/component.ts";
import { propertyOf } from "../ical/component.ts";
import { dateTimeOf, formatUtc } from "../ical/time.ts";
import type { Source } from "../ical/write-kept.ts";
import { applyItip, type Outcome, type ReplyChange } from "../itip/apply.ts";
import type { ItipMessage } from "../itip/message.ts";
import { componentsOf, seriesOf } from "../itip/series.ts";
import { utc } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import type { Collection } from "../store/contract.ts";
import { noSupport, unavailable } from "./channels.ts";
import { type Copy, copyOf, defaultCalendar } from "./copies.ts";
import { type AnsweredInstance, putInboxItem } from "./inbox-item.ts";
import type { FollowUp } from "./jobs.ts";
import type { People } from "./people.ts";
import type { MayDeliver, SchedulingServices } from "./services.ts";
import { freshTag, putObject, removeObject, withText } from "./store-object.ts";

/** One operation's deliveries. */
export interface Dispatch {
  readonly people: People;
  readonly may: MayDeliver;
  /** Of the operation: names inbox items, so that what is delivered again after a crash is there once. */
  readonly id: string;
  /** The operation was begun by a process that died: what has been done already is left, but nothing may be missing. */
  readonly isRepeated: boolean;
  /** Name of the job that is gone when the operation has ended; undefined: it cannot be carried on. */
  readonly job: string | undefined;
  /** The message came from outside, and never leaves again. */
  readonly isFromOutside?: boolean;
  /** Told why the message changes nothing. */
  ignored?(because: string): void;
  /** Told of what is to be done when the UID's lock is free. */
  followUp(next: FollowUp): void;
}

/** A message with the text it travels as. */
export interface Outgoing {
  readonly message: ItipMessage;
  readonly source: Source;
}

export const delivered = "1.2;Scheduling message has been delivered";
const noAuthority = "3.8;No authority";

/** How often a copy that changes under us is read anew: only its owner's client can, between two of our steps. */
const attempts = 8;

/** Delivers a message to somebody of this server: his copy is created, changed or removed, and the message lies in his inbox. The
 *  lock of the UID is held. Answers a request status (RFC 5545 §3.8.8.3). */
export async function deliverLocally(
  { message, source }: Outgoing,
  recipient: Principal,
  address: string,
  dispatch: Dispatch,
  services: SchedulingServices,
): Promise<string> {
  const { store, now } = services;
  const { people } = dispatch;
  await store.provision(recipient);
  const inbox = await store.open({ owner: recipient, path: ["inbox"] });
  if (inbox === undefined) return noSupport;
  const isReply = message.method === "REPLY" || message.method === "COUNTER" || message.method === "REFRESH";
  const privilege = isReply ? "schedule-deliver-reply" : "schedule-deliver-invite";
  if (dispatch.may !== undefined && !(await dispatch.may(inbox, privilege))) return noAuthority;
  const isAutomatic = recipient.autoSchedule !== "none";
  for (let attempt = 0; attempt < attempts; attempt++) {
    const copy = await copyOf(recipient, seriesOf(message.root).uid, store);
    await people.learn(copy?.object.root);
    const outcome = applyItip({
      root: message.root,
      existing: copy?.object.root,
      recipient: recipient.uid,
      identify: people.identify,
      now: now(),
      isAutomatic,
    });
    if (outcome.outcome === "refused") return outcome.status;
    if (outcome.outcome === "ignored") dispatch.ignored?.(outcome.because);
    const done = await take(outcome, copy, source, recipient, services);
    if (done === "changed") continue;
    if (done === "nowhere") return noSupport;
    follow(outcome, message, recipient, isAutomatic, dispatch);
    if (isNoted(outcome, message, copy === undefined, isAutomatic, dispatch))
      await note(inbox, message, source, outcome, address, dispatch);
    return delivered;
  }
  return unavailable;
}

type Taken = "done" | "changed" | "nowhere";

async function take(
  outcome: Outcome,
  copy: Copy | undefined,
  source: Source,
  recipient: Principal,
  services: SchedulingServices,
): Promise<Taken> {
  if (outcome.outcome === "removed")
    return copy === undefined || (await removeObject(copy.collection, copy.entry)) ? "done" : "changed";
  if (outcome.outcome !== "stored") return "done";
  if (copy !== undefined) {
    const object = withText(outcome.root, [{ text: copy.object.text, root: copy.object.root }, source]);
    const tag = outcome.isConsequential ? freshTag() : (copy.entry.scheduleTag ?? freshTag());
    return (await putObject(copy.collection, copy.entry.name, object, copy.entry, tag)) === undefined
      ? "changed"
      : "done";
  }
  const object = withText(outcome.root, [source]);
  const calendar = await defaultCalendar(recipient, object.kind, services);
  if (calendar === undefined) return "nowhere";
  // The UID names the file, so that two workers that repeat a job after a crash write one.
  const name = `${createHash("md5").update(object.uid).digest("hex")}.ics`;
  const free = (await calendar.entry(name)) === undefined ? name : `${freshTag().slice(1, -1)}.ics`;
  return (await putObject(calendar, free, object, undefined, freshTag())) === undefined ? "changed" : "done";
}

function follow(
  outcome: Outcome,
  message: ItipMessage,
  recipient: Principal,
  isAutomatic: boolean,
  { people, isRepeated, followUp }: Dispatch,
): void {
  const { uid } = seriesOf(message.root);
  const owner = recipient.uid;
  if (outcome.outcome === "asked") followUp({ kind: "refresh", owner, uid, to: [], asked: [outcome.person] });
  // Done by a process that died before it could write down what follows.
  const isDone = isRepeated && outcome.outcome === "ignored" && outcome.because === "no-change";
  if (outcome.outcome !== "stored" && !isDone) return;
  const isReply = message.method === "REPLY";
  if (isReply && (isDone || (outcome.outcome === "stored" && outcome.tellOthers)))
    followUp({
      kind: "refresh",
      owner,
      uid,
      except: people.identify(message.originator),
      invited: outcome.outcome === "stored" ? (outcome.delegates ?? []) : [],
    });
  if (isAutomatic && !isReply) followUp({ kind: "answer", owner, uid });
}

/** Whether the recipient finds the message in his inbox: not what a room answers itself, nor what only repeats the answers of
 *  others (RFC 6638 §4.1). */
function isNoted(
  outcome: Outcome,
  message: ItipMessage,
  isNew: boolean,
  isAutomatic: boolean,
  { isRepeated }: Dispatch,
): boolean {
  if (isAutomatic && message.method !== "REPLY") return false;
  if (outcome.outcome === "asked") return false;
  // Who is asked again is to see it, though his copy says it already (SCHEDULE-FORCE-SEND).
  if (outcome.outcome === "ignored")
    return outcome.because === "no-change" && !isRefresh(message) && (isRepeated || message.method === "REQUEST");
  return isNew || !isRefresh(message);
}

const isRefresh = ({ says }: ItipMessage): boolean => says?.isRefresh === true;

async function note(
  inbox: Collection,
  message: ItipMessage,
  source: Source,
  outcome: Outcome,
  recipient: string,
  { id }: Dispatch,
): Promise<void> {
  const { method, originator, says } = message;
  const name = `${createHash("md5").update(`${id} ${method} ${recipient}`).digest("hex")}.ics`;
  const series = seriesOf(message.root);
  const [first] = componentsOf(series);
  await putInboxItem(inbox, name, {
    object: withText(source.root, [source]),
    method,
    originator,
    says,
    answered: outcome.outcome === "stored" ? repliesIn(message.root, outcome.replies ?? []) : [],
    stamp: (first && propertyOf(first, "DTSTAMP")?.value) ?? "",
  });
}

/** What a reply changed, with the RECURRENCE-IDs in UTC. */
function repliesIn(root: Component, replies: readonly ReplyChange[]): readonly AnsweredInstance[] {
  const { zones } = seriesOf(root);
  return replies.map(({ component, partstat, comment }) => {
    const id = propertyOf(component, "RECURRENCE-ID");
    if (id === undefined) return { id: undefined, partstat, comment };
    const time = dateTimeOf(id, zones);
    const text = time.zone === undefined ? id.value : formatUtc(utc(time.zone.toUtc(time.local)));
    return { id: text, partstat, comment };
  });
}
