import type { Component } from "../ical/component.ts";
import { parameterOf, propertiesOf, propertyOf } from "../ical/component.ts";
import {
  made,
  mapProperties,
  withComponents,
  without,
  withParameter,
  withProperties,
  withValue,
} from "../ical/edit.ts";
import type { Arrival, Outcome } from "./apply.ts";
import { changeOf } from "./diff.ts";
import { product } from "./message.ts";
import { attendeeIn, editAttendee, isCancelled, partstatOf } from "./people.ts";
import { isOutdated } from "./revision.ts";
import {
  componentsOf,
  deriveInstance,
  hasInstance,
  isRecurring,
  type Key,
  keyOfComponent,
  mapMembers,
  membersOf,
  type Series,
  seriesOf,
  withMember,
  withoutExceptions,
} from "./series.ts";
import { sharedExtensions } from "./snapshot.ts";

/** REQUEST and PUBLISH. A message with the master is the whole state, one without is about the instances it has. What is the
 *  recipient's own in his copy – alarms, transparency, his client's X- properties – stays. RFC 5546 §3.2.1, §3.2.2 */
export function applyRequest(
  sent: Series,
  copy: Series | undefined,
  method: "REQUEST" | "PUBLISH",
  arrival: Arrival,
): Outcome {
  const { recipient, identify } = arrival;
  const message = arrival.isAutomatic ? seriesOf(withoutRsvp(sent, arrival)) : sent;
  const isInvited = componentsOf(message).some((one) => attendeeIn(one, recipient, identify) !== undefined);
  if (method === "REQUEST" && !isInvited) return { outcome: "ignored", because: "not-invited" };
  if (copy === undefined) {
    if (method === "REQUEST" && isDeclined(message, arrival)) return { outcome: "ignored", because: "declined" };
    const root = mapMembers(seriesOf(asObject(message.root)), (component) => receivedNew(component, arrival));
    return stored(
      root,
      true,
      [...membersOf(message)].map(([key]) => key),
    );
  }
  const root = message.master === undefined ? withInstances(message, copy, arrival) : replaced(message, copy, arrival);
  if (root === undefined) return { outcome: "ignored", because: "out-of-sequence" };
  const after = seriesOf(root);
  const change = changeOf(copy, after, identify);
  if (change === undefined && !isRevised(copy, after)) return { outcome: "ignored", because: "no-change" };
  const differences = [change?.master, ...[...(change?.instances.values() ?? [])].map(({ difference }) => difference)];
  const isConsequential =
    [...(change?.instances.values() ?? [])].some(({ kind }) => kind !== "changed") ||
    differences.some(
      (one) =>
        one !== undefined &&
        (one.properties.length + one.people.length + one.roles.length > 0 || one.answers.includes(recipient)),
    );
  const keys: Key[] = [...(change?.instances.keys() ?? [])];
  return stored(root, isConsequential, change?.master === undefined ? keys : ["master", ...keys]);
}

const stored = (root: Component, isConsequential: boolean, instances: readonly Key[]): Outcome => ({
  outcome: "stored",
  root,
  isConsequential,
  tellOthers: false,
  instances,
});

/** Who has declined and put the event away does not get it back with every change of it, only when he is asked again. */
const isDeclined = (message: Series, { recipient, identify }: Arrival): boolean =>
  componentsOf(message).every((component) => {
    const attendee = attendeeIn(component, recipient, identify);
    return attendee === undefined || partstatOf(attendee) === "DECLINED";
  });

/** A room that has answered is asked nothing. */
const withoutRsvp = (message: Series, { recipient, identify }: Arrival): Component =>
  mapMembers(message, (component) =>
    editAttendee(component, recipient, identify, (attendee) =>
      partstatOf(attendee) === "NEEDS-ACTION" ? attendee : withParameter(attendee, "RSVP", undefined),
    ),
  );

/** Whether a message left another SEQUENCE or stamp, without another meaning. */
const isRevised = (before: Series, after: Series): boolean =>
  [...membersOf(after)].some(([key, component]) => {
    const old = key === "master" ? before.master : before.overrides.get(key);
    return (
      old === undefined ||
      propertyOf(old, "SEQUENCE")?.value !== propertyOf(component, "SEQUENCE")?.value ||
      (propertyOf(old, "DTSTAMP")?.value ?? "") !== (propertyOf(component, "DTSTAMP")?.value ?? "")
    );
  });

/** A message's VCALENDAR as an object to keep. */
const asObject = (root: Component): Component =>
  withProperties(without(root, "METHOD"), "PRODID", [made("PRODID", product)]);

/** Who has not answered is not busy yet; nor is a room, until it has looked whether it is free. */
function receivedNew(component: Component, { recipient, identify }: Arrival): Component {
  const attendee = attendeeIn(component, recipient, identify);
  if (attendee === undefined || component.name !== "VEVENT") return component;
  return partstatOf(attendee) === "NEEDS-ACTION" ? withValue(component, "TRANSP", "TRANSPARENT") : component;
}

/** The whole state anew. Undefined when it is older than what is stored. */
function replaced(message: Series, copy: Series, arrival: Arrival): Component | undefined {
  const { master } = message;
  // A copy that is all cancelled is over: a REQUEST after it invites again, whatever its number.
  const isOver = componentsOf(copy).every(isCancelled);
  if (!isOver && master !== undefined && copy.master !== undefined && isOutdated(master, copy.master)) return undefined;
  if (isOver && [...componentsOf(copy)].some((one) => stampOf(one) > stampOf(master))) return undefined;
  let next = seriesOf(withOwnHeader(asObject(message.root), copy.root));
  next = seriesOf(
    mapMembers(next, (component, key) => {
      const own = ownBefore(copy, key);
      const stored = key === "master" ? undefined : copy.overrides.get(key);
      // An instance that was told by itself, later than this message was made.
      if (!isOver && stored !== undefined && !isCancelled(stored) && isOutdated(component, stored)) return stored;
      return withOwn(component, own, arrival);
    }),
  );
  for (const [key, override] of copy.overrides) {
    if (next.overrides.has(key)) continue;
    if (isCancelled(override) && !isOver && next.master !== undefined && next.exceptions.has(key)) {
      // Taken out of the series, and kept to be seen.
      if (arrival.isAutomatic) continue;
      const opened = seriesOf(withMember(next, "master", withoutExceptions(next.master, next, new Set([key]))));
      // A shorter rule may have left it behind: an instance that is none is no valid data.
      if (hasInstance(opened, key)) next = seriesOf(withMember(opened, key, override));
      continue;
    }
    if (next.exceptions.has(key) || isCancelled(override)) continue;
    const derived = deriveInstance(next, key);
    const before = copy.master && deriveInstance(copy, key);
    if (derived === undefined || before === undefined || !hasOwn(override, before)) continue;
    next = seriesOf(withMember(next, key, withOwn(derived, override, arrival)));
  }
  return next.root;
}

const stampOf = (component: Component | undefined): string =>
  (component === undefined ? undefined : propertyOf(component, "DTSTAMP")?.value) ?? "";

/** The instances that the message has, put into the copy. Undefined when all are older than what is stored. */
function withInstances(message: Series, copy: Series, arrival: Arrival): Component | undefined {
  let next = copy;
  let isLate = true;
  for (const component of componentsOf(message)) {
    const key = keyOfComponent(component, message.zones, copy);
    const stored = key === "master" ? undefined : next.overrides.get(key);
    if (key === "master" || (stored !== undefined && isOutdated(component, stored))) continue;
    // A whole state that came later has said it already.
    if (stored === undefined && copy.master !== undefined && isRecurring(copy) && isSuperseded(component, copy.master))
      continue;
    isLate = false;
    const own = stored ?? ownBefore(copy, key);
    if (next.master !== undefined && next.exceptions.has(key))
      next = seriesOf(withMember(next, "master", withoutExceptions(next.master, next, new Set([key]))));
    next = seriesOf(withMember(next, key, withOwn(component, own, arrival)));
  }
  if (isLate) return undefined;
  return withZones(next.root, message.root);
}

/** The master's number is the greater one only if it was told later and had a say on all instances. */
const isSuperseded = (component: Component, master: Component): boolean =>
  isOutdated(component, master) && stampOf(component) < stampOf(master);

/** Definitions of time zones that the copy lacks. */
function withZones(root: Component, message: Component): Component {
  const known = new Set(root.components.map((one) => (one.name === "VTIMEZONE" ? propertyOf(one, "TZID")?.value : "")));
  const missing = message.components.filter(
    (one) => one.name === "VTIMEZONE" && !known.has(propertyOf(one, "TZID")?.value),
  );
  return missing.length === 0 ? root : withComponents(root, [...missing, ...root.components]);
}

/** The component whose owner's things a new one takes over: its own predecessor, else the master. */
const ownBefore = (copy: Series, key: Key): Component | undefined =>
  (key === "master" ? undefined : copy.overrides.get(key)) ?? copy.master;

/** What stands at the head of the copy and is its owner's: X-CALENDARSERVER-ACCESS and the like. */
const withOwnHeader = (root: Component, old: Component): Component => {
  const kept = old.properties.filter(({ name }) => name.startsWith("X-"));
  return kept.length === 0 ? root : { ...root, properties: [...root.properties, ...kept] };
};

const ownNames = new Set(["TRANSP", "PERCENT-COMPLETE", "COMPLETED"]);
const isOwnName = (name: string): boolean =>
  ownNames.has(name) || (name.startsWith("X-") && !sharedExtensions.has(name));

/** What the organizer says, with what is the recipient's own in the component before. */
function withOwn(component: Component, own: Component | undefined, arrival: Arrival): Component {
  if (own === undefined) return receivedNew(component, arrival);
  const { recipient, identify } = arrival;
  const names = new Set(own.properties.flatMap(({ name }) => (isOwnName(name) ? [name] : [])));
  let next = component;
  for (const name of names) {
    // Of a task, the organizer may tell the state of the work; a message without leaves the attendee's.
    if (name !== "TRANSP" && !name.startsWith("X-") && propertyOf(component, name) !== undefined) continue;
    next = withProperties(next, name, propertiesOf(own, name));
  }
  if (propertyOf(own, "TRANSP") === undefined) next = without(next, "TRANSP");
  const status = propertyOf(own, "ORGANIZER");
  const code = status && parameterOf(status, "SCHEDULE-STATUS");
  next = mapProperties(next, (property) =>
    property.name === "ORGANIZER" && code !== undefined ? withParameter(property, "SCHEDULE-STATUS", code) : property,
  );
  const alarms = own.components.filter(({ name }) => name === "VALARM");
  next = withComponents(next, [...next.components.filter(({ name }) => name !== "VALARM"), ...alarms]);
  const before = attendeeIn(own, recipient, identify);
  const after = attendeeIn(next, recipient, identify);
  const isAskedAgain =
    after !== undefined &&
    partstatOf(after) === "NEEDS-ACTION" &&
    (before === undefined || partstatOf(before) !== "NEEDS-ACTION");
  return isAskedAgain || isCancelled(own) ? receivedNew(next, arrival) : next;
}

/** Whether an override has something of its owner's that the instance would not have by the master. */
function hasOwn(override: Component, derived: Component): boolean {
  const text = (component: Component): string =>
    JSON.stringify([
      component.properties
        .filter(({ name }) => isOwnName(name))
        .map(({ name, value }) => `${name}:${value}`)
        .sort(),
      component.components
        .filter(({ name }) => name === "VALARM")
        .map(({ properties }) => properties.map(({ name, value }) => `${name}:${value}`).sort()),
    ]);
  return text(override) !== text(derived);
}
