import type { Component } from "../ical/component.ts";
import { parameterOf } from "../ical/component.ts";
import { mapProperties, withParameter, withValue } from "../ical/edit.ts";
import type { Utc } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import { type Decision, decided } from "./decisions.ts";
import { changeOf, reschedulesMaster, type SeriesChange } from "./diff.ts";
import { isForced, withoutForce } from "./force-send.ts";
import { cancellationOf } from "./invitations.ts";
import { askedToReply, type ItipMessage } from "./message.ts";
import { mergedByOrganizer } from "./organizer-merge.ts";
import { cancelMessage, keysOf, lastSequence, Requests, recipientsOf, summaryOf } from "./organizer-messages.ts";
import { agentOf, attendeeIn, type Identify, isCancelled, organizerOf, sequenceOf } from "./people.ts";
import { withComments, withForgottenComments } from "./private-comments.ts";
import { componentAt, componentsOf, isPlainInstance, type Key, mapMembers, type Series, seriesOf } from "./series.ts";
import { movesTime } from "./snapshot.ts";

/** What an organizer did to an object: before undefined, created; after undefined, removed. */
export interface OrganizerChange {
  readonly before: Component | undefined;
  readonly after: Component | undefined;
  /** The organizer, as `identify` names him. */
  readonly owner: string;
  readonly identify: Identify;
  readonly now: Utc;
  /** The client knew the schedule tag, so what the server learnt of attendees since wins (RFC 6638 §3.2.10.1). */
  readonly merge: boolean;
  /** A client that leaves all private comments out does not know them. */
  readonly keepComments: boolean;
}

/** What follows from it. Messages are to be delivered in order: cancellations come first. */
export interface OrganizerPlan {
  readonly messages: readonly ItipMessage[];
  /** The VCALENDAR to store; undefined when the object was removed. `withStatuses` adds what became of the messages. */
  readonly store: Component | undefined;
}

/** RFC 6638 §3.2.1: what the organizer's create, modify or remove sends to whom, and what is stored.
 *  Throws Refusal(allowed-organizer-scheduling-object-change) when the organizer is another one. */
export function planOrganizer(change: OrganizerChange): OrganizerPlan {
  const { before, after, identify } = change;
  const was = before && seriesOf(before);
  if (after === undefined) {
    if (was === undefined) return { messages: [], store: undefined };
    return { messages: cancelAll(was, change), store: undefined };
  }
  if (was !== undefined) refuseOtherOrganizer(was, seriesOf(after), identify);
  const merged = was === undefined ? after : commented(was, mergedByOrganizer(was, seriesOf(after), change), change);
  const now = seriesOf(merged);
  const difference = was === undefined ? undefined : changeOf(was, now, identify);
  const reset = was === undefined || difference === undefined ? merged : withAnswersReset(was, now, difference, change);
  const drafted = seriesOf(asked(seriesOf(reset), change));
  if (was === undefined) return { messages: inviteAll(drafted, change), store: withoutForce(drafted.root) };
  const isTold = recipientsOf(was, change).size + recipientsOf(drafted, change).size > 0;
  const final = seriesOf(withSequences(was, drafted, isTold ? difference : undefined));
  return { messages: plan(was, final, difference, change), store: withoutForce(final.root) };
}

/** With what attendees told the organizer alone, as far as the server knows it better than the client. */
function commented(was: Series, merged: Component, { merge, keepComments, identify }: OrganizerChange): Component {
  const kept = keepComments ? withForgottenComments(was, seriesOf(merged)) : merged;
  return withComments(seriesOf(kept), merge ? was : undefined, identify);
}

function refuseOtherOrganizer(before: Series, after: Series, identify: Identify): void {
  const was = organizerOf(componentsOf(before));
  const now = organizerOf(componentsOf(after));
  if (was === undefined || now === undefined || identify(was.value) === identify(now.value)) return;
  decided("request.other-organizer", identify(was.value));
  throw new Refusal({
    code: "allowed-organizer-scheduling-object-change",
    problem: `the ORGANIZER stays ${was.value.slice(0, 100)}`,
  });
}

function cancelAll(was: Series, change: OrganizerChange): readonly ItipMessage[] {
  // What is cancelled already was told.
  if (componentsOf(was).every(isCancelled)) {
    for (const person of recipientsOf(was, change).keys()) decided("cancel.deleted-cancelled", person);
    return [];
  }
  const sequence = lastSequence(was) + 1;
  return [...recipientsOf(was, change).values()].map((attendee) => {
    const person = change.identify(attendee.value);
    decided("cancel.deleted", person);
    const keys = keysOf(was, person, change.identify);
    return cancelMessage(was, attendee, keys.has("master") ? "all" : keys, sequence, change);
  });
}

function inviteAll(now: Series, change: OrganizerChange): readonly ItipMessage[] {
  const groups = new Requests(now, change);
  for (const [person, attendee] of recipientsOf(now, change)) {
    decided("request.create", person);
    groups.add(attendee, "all", undefined, isForcedFor(now, person, change.identify));
  }
  return groups.messages();
}

function plan(
  was: Series,
  now: Series,
  difference: SeriesChange | undefined,
  change: OrganizerChange,
): readonly ItipMessage[] {
  const cancels: ItipMessage[] = [];
  const requests = new Requests(now, change);
  const before = recipientsOf(was, change);
  const after = recipientsOf(now, change);
  const sequence = Math.max(lastSequence(was) + 1, difference === undefined ? 0 : lastSequence(now));
  for (const [person, attendee] of before) {
    const { keys } = cancellationOf(was, now, person, after.has(person), difference, change.identify);
    if (keys === "all" || keys.size > 0) cancels.push(cancelMessage(was, attendee, keys, sequence, change));
  }
  for (const [person, attendee] of after) {
    const cancellation = before.has(person)
      ? cancellationOf(was, now, person, true, difference, change.identify)
      : undefined;
    const keys = requestedKeys(was, now, person, cancellation, difference, change);
    if (keys === "all" || keys.size > 0) {
      const says = before.has(person) ? summaryOf(was, difference) : undefined;
      requests.add(attendee, keys, says, isForcedFor(now, person, change.identify));
    }
  }
  return [...cancels, ...requests.messages()];
}

/** What of the new state an attendee is sent: all, some components, or none. */
function requestedKeys(
  was: Series,
  now: Series,
  person: string,
  cancellation: ReturnType<typeof cancellationOf> | undefined,
  difference: SeriesChange | undefined,
  { identify }: OrganizerChange,
): ReadonlySet<Key> | "all" {
  const because = (decision: Decision): "all" => {
    decided(decision, person);
    return "all";
  };
  if (cancellation === undefined) return because("request.added");
  if (isForcedFor(now, person, identify)) return because("request.forced");
  // Taken off the series, still on some instances: he knows those as part of what was cancelled.
  if (cancellation.keys === "all")
    return keysOf(now, person, identify).size > 0 && !cancellation.isOver ? because("request.kept-instances") : none;
  if (difference === undefined) {
    decided("request.no-change", person);
    return none;
  }
  const isOnMaster = now.master !== undefined && attendeeIn(now.master, person, identify) !== undefined;
  const wasOnMaster = was.master !== undefined && attendeeIn(was.master, person, identify) !== undefined;
  if (isOnMaster && !wasOnMaster) return because("request.added");
  if (isOnMaster && difference.master !== undefined)
    return because(reschedulesMaster(was, now, difference.master) ? "request.rescheduled" : "request.changed");
  if (isOnMaster && [...difference.instances.values()].some(({ kind }) => kind === "reverted"))
    return because("request.reverted");
  // Who loses some instances hears what is left of them.
  const isCut = cancellation.keys.size > 0;
  if (isCut && isOnMaster && isRaised(was.master, now.master)) return because("request.cut-and-raised");
  const keys = isCut && difference.master !== undefined ? keysOf(now, person, identify) : new Set<Key>();
  for (const key of cancellation.keys) keys.delete(key);
  for (const [key, { kind }] of difference.instances) {
    if (kind !== "changed" || cancellation.keys.has(key)) continue;
    const override = now.overrides.get(key);
    if (override !== undefined && attendeeIn(override, person, identify) !== undefined) keys.add(key);
  }
  if (keys.size > 0) decided("request.instance-changed", person);
  else if (!isCut) decided("request.unconcerned", person);
  return keys;
}

/** A client that numbers the series anew says that there is something new in it. */
const isRaised = (was: Component | undefined, now: Component | undefined): boolean =>
  was !== undefined && now !== undefined && sequenceOf(now) > sequenceOf(was);

const none: ReadonlySet<Key> = new Set();

const isForcedFor = (series: Series, person: string, identify: Identify): boolean =>
  componentsOf(series).some((component) => isForced(attendeeIn(component, person, identify), "REQUEST"));

/** Attendees of what was rescheduled are asked again. RFC 6638 §3.2.8 */
function withAnswersReset(
  was: Series,
  now: Series,
  { master, instances }: SeriesChange,
  { owner, identify }: OrganizerChange,
): Component {
  return mapMembers(now, (component, key) => {
    const isMoved =
      key === "master"
        ? master !== undefined && was.master !== undefined && reschedulesMaster(was, now, master)
        : isMovedInstance(was, key, instances.get(key)?.difference);
    if (!isMoved) return component;
    return mapProperties(component, (property) => {
      if (property.name !== "ATTENDEE" || agentOf(property) !== "SERVER" || identify(property.value) === owner)
        return property;
      if (parameterOf(property, "PARTSTAT") === undefined) return property;
      return withParameter(property, "PARTSTAT", "NEEDS-ACTION");
    });
  });
}

const isMovedInstance = (was: Series, key: Key, difference: SeriesChange["master"]): boolean =>
  difference !== undefined &&
  movesTime(difference) &&
  (key === "master" || was.overrides.has(key) || isPlainInstance(was, key) || was.exceptions.has(key));

/** RSVP=TRUE on whoever has not answered, so that recipients know they are asked. */
const asked = (series: Series, { owner, identify }: OrganizerChange): Component =>
  mapMembers(series, (component) =>
    mapProperties(component, (property) =>
      property.name === "ATTENDEE" && agentOf(property) === "SERVER" && identify(property.value) !== owner
        ? askedToReply(property)
        : property,
    ),
  );

/** SEQUENCE never falls, and rises in a component whose change is told to somebody. RFC 5546 §2.1.4 */
function withSequences(was: Series, now: Series, difference: SeriesChange | undefined): Component {
  return mapMembers(now, (component, key) => {
    const own = sequenceOf(component);
    const old = componentAt(was, key) ?? was.master;
    const least = old === undefined ? 0 : sequenceOf(old);
    const isChanged =
      difference !== undefined && (key === "master" ? difference.master !== undefined : difference.instances.has(key));
    const needed = isChanged ? least + 1 : least;
    return own >= needed ? component : withValue(component, "SEQUENCE", String(needed));
  });
}

/** The object with what became of the messages: SCHEDULE-STATUS on each ATTENDEE that was sent one (RFC 6638 §7.3).
 *  `codes`: by person. */
export const withStatuses = (root: Component, codes: ReadonlyMap<string, string>, identify: Identify): Component =>
  codes.size === 0
    ? root
    : mapMembers(seriesOf(root), (component) =>
        mapProperties(component, (property) => {
          if (property.name !== "ATTENDEE") return property;
          const code = codes.get(identify(property.value));
          return code === undefined ? property : withParameter(property, "SCHEDULE-STATUS", code);
        }),
      );
