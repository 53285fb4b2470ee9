import type { Component, Property } from "../ical/component.ts";
import { parameterOf, propertiesOf, propertyOf } from "../ical/component.ts";
import { made, withParameter, withProperties } from "../ical/edit.ts";
import type { Arrival, Outcome, ReplyChange } from "./apply.ts";
import { attendeeIn, editAttendee, type Identify, partstatOf, sequenceOf } from "./people.ts";
import { attendeeComment, commenterOf, privateComment } from "./private-comments.ts";
import { componentsOf, deriveInstance, type Key, keyOfComponent, type Series, seriesOf, withMember } from "./series.ts";

/** REPLY: the organizer's copy with the answer of the one attendee who sends it, instance by instance (RFC 6638 §4.2). An answer to a
 *  revision that the organizer has replaced, or older than the one that is known, is left aside (RFC 5546 §2.1.5). */
export function applyReply(message: Series, copy: Series | undefined, arrival: Arrival): Outcome {
  if (copy === undefined) return { outcome: "ignored", because: "unknown-uid" };
  const { identify } = arrival;
  const people = new Set<string>();
  for (const component of componentsOf(message))
    for (const { value } of propertiesOf(component, "ATTENDEE")) people.add(identify(value));
  const person = replierIn(message, copy, people, identify);
  if (person === undefined) return { outcome: "ignored", because: "not-invited" };
  let next = copy;
  let isLate = false;
  let isUninvited = false;
  let tellOthers = false;
  const instances: Key[] = [];
  const replies: ReplyChange[] = [];
  const delegates = new Set<string>();
  for (const reply of componentsOf(message)) {
    const key = keyOfComponent(reply, message.zones, copy);
    const answer = attendeeIn(reply, person, identify);
    const component =
      key === "master"
        ? next.master
        : (next.overrides.get(key) ?? (next.exceptions.has(key) ? undefined : deriveInstance(next, key)));
    if (component === undefined || answer === undefined) continue;
    const known = attendeeIn(component, person, identify);
    if (known === undefined && delegatorIn(component, answer, identify) === undefined) {
      isUninvited = true;
      continue;
    }
    if (sequenceOf(reply) < sequenceOf(component) || isOlder(reply, known)) {
      isLate = true;
      continue;
    }
    const answered = withAnswer(component, reply, answer, person, identify);
    if (answered === component) continue;
    const isNew = known === undefined || partstatOf(known) !== partstatOf(answer);
    if (isNew) tellOthers = true;
    const delegate = delegateIn(component, answer, identify);
    if (delegate !== undefined) delegates.add(delegate);
    replies.push({ component: reply, partstat: isNew, comment: hasNewComment(component, reply, person, identify) });
    instances.push(key);
    next = seriesOf(withMember(next, key, answered));
  }
  if (instances.length === 0) {
    const because = isLate ? "out-of-sequence" : isUninvited ? "not-invited" : "no-change";
    return { outcome: "ignored", because };
  }
  return {
    outcome: "stored",
    root: next.root,
    isConsequential: false,
    tellOthers,
    delegates: [...delegates],
    instances,
    replies,
  };
}

/** The one who answers. A delegate's reply names his delegator too (RFC 5546 §3.2.2.3): he is the one who is not. */
function replierIn(message: Series, copy: Series, people: ReadonlySet<string>, identify: Identify): string | undefined {
  const [only] = people;
  if (people.size === 1) return only;
  const delegates = new Set<string>();
  for (const component of componentsOf(message))
    for (const property of propertiesOf(component, "ATTENDEE")) {
      const to = parameterOf(property, "DELEGATED-TO");
      const from = parameterOf(property, "DELEGATED-FROM");
      if (to !== undefined && people.has(identify(to))) delegates.add(identify(property.value));
      else if (from !== undefined && people.has(identify(from))) return identify(property.value);
    }
  const [delegator] = delegates;
  const isKnown = (person: string): boolean =>
    componentsOf(copy).some((component) => attendeeIn(component, person, identify) !== undefined);
  return delegates.size === 1 && delegator !== undefined && isKnown(delegator) ? delegator : undefined;
}

/** The attendee of the component who delegated to the one who answers. */
const delegatorIn = (component: Component, answer: Property, identify: Identify): Property | undefined => {
  const from = parameterOf(answer, "DELEGATED-FROM");
  return from === undefined ? undefined : attendeeIn(component, identify(from), identify);
};

/** When the last answer was made, on the ATTENDEE it changed. */
const stampName = "X-CALENDARSERVER-DTSTAMP";

const isOlder = (reply: Component, known: Property | undefined): boolean => {
  const stamp = propertyOf(reply, "DTSTAMP")?.value.trim() ?? "";
  const last = (known && parameterOf(known, stampName)) ?? "";
  return stamp !== "" && stamp < last;
};

function withAnswer(
  component: Component,
  reply: Component,
  answer: Property,
  person: string,
  identify: Identify,
): Component {
  const codes = propertiesOf(reply, "REQUEST-STATUS").map(({ value }) => value.split(";")[0]?.trim() ?? "");
  const status = codes.length === 0 ? "2.0" : codes.map(withoutText).join(",");
  const partstat = partstatOf(answer);
  let next = component;
  if (attendeeIn(component, person, identify) === undefined)
    // A delegate: he takes his place beside who sent him.
    next = withProperties(component, "ATTENDEE", [...propertiesOf(component, "ATTENDEE"), { ...answer, line: 0 }]);
  next = editAttendee(next, person, identify, (attendee) => {
    let edited = withParameter(
      attendee,
      "PARTSTAT",
      parameterOf(attendee, "PARTSTAT") === undefined && partstat === "NEEDS-ACTION" ? undefined : partstat,
    );
    if (partstatOf(attendee) !== partstat) edited = withParameter(edited, "RSVP", undefined);
    for (const name of ["DELEGATED-TO", "DELEGATED-FROM"]) {
      const value = parameterOf(answer, name);
      if (value !== undefined) edited = withParameter(edited, name, value);
    }
    edited = withParameter(edited, "SCHEDULE-STATUS", status);
    if (edited === attendee) return attendee;
    const stamp = propertyOf(reply, "DTSTAMP")?.value.trim();
    return stamp === undefined ? edited : withParameter(edited, stampName, stamp);
  });
  next = withDelegate(next, answer, identify);
  next = withWork(next, reply);
  return withComment(next, reply, answer, person, identify);
}

/** The address of whom an answer sends in its author's place, when he does not take part yet. */
function delegateIn(component: Component, answer: Property, identify: Identify): string | undefined {
  const to = partstatOf(answer) === "DELEGATED" ? parameterOf(answer, "DELEGATED-TO") : undefined;
  return to === undefined || attendeeIn(component, identify(to), identify) !== undefined ? undefined : to;
}

/** He takes part from now on, and is asked (RFC 5546 §4.2.5). */
function withDelegate(component: Component, answer: Property, identify: Identify): Component {
  const to = delegateIn(component, answer, identify);
  if (to === undefined) return component;
  const delegate = made("ATTENDEE", to, [
    { name: "RSVP", values: ["TRUE"] },
    { name: "DELEGATED-FROM", values: [answer.value] },
  ]);
  return withProperties(component, "ATTENDEE", [...propertiesOf(component, "ATTENDEE"), delegate]);
}

/** 2.0 for 2.00 and the like stays as it came; what is no code says that the reply was understood. */
const withoutText = (code: string): string => (/^\d+(?:\.\d+){1,2}$/.test(code) ? code : "2.0");

/** How far an assignee has come with a task is the organizer's to know (RFC 5546 §4.5.4). */
function withWork(component: Component, reply: Component): Component {
  if (component.name !== "VTODO") return component;
  let next = component;
  for (const name of ["PERCENT-COMPLETE", "COMPLETED", "STATUS"]) {
    const told = propertyOf(reply, name);
    if (told !== undefined && propertyOf(next, name)?.value !== told.value) next = withProperties(next, name, [told]);
  }
  return next;
}

/** caldav-privatecomments §4: kept per attendee, emptied when it is withdrawn. */
function withComment(
  component: Component,
  reply: Component,
  answer: Property,
  person: string,
  identify: Identify,
): Component {
  if (!hasNewComment(component, reply, person, identify)) return component;
  const all = propertiesOf(component, attendeeComment);
  const text = commentIn(reply);
  const comment = made(attendeeComment, text, [
    { name: "X-CALENDARSERVER-ATTENDEE-REF", values: [answer.value] },
    { name: "X-CALENDARSERVER-DTSTAMP", values: [propertyOf(reply, "DTSTAMP")?.value ?? ""] },
  ]);
  const others = all.filter((property) => commenterOf(property, identify) !== person);
  return withProperties(component, attendeeComment, [...others, comment]);
}

const commentIn = (reply: Component): string => propertyOf(reply, privateComment)?.value ?? "";

function hasNewComment(component: Component, reply: Component, person: string, identify: Identify): boolean {
  const known = propertiesOf(component, attendeeComment).find((comment) => commenterOf(comment, identify) === person);
  return (known?.value ?? "") !== commentIn(reply);
}
