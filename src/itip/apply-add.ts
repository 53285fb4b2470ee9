import type { Component } from "../ical/component.ts";
import { propertiesOf, propertyOf } from "../ical/component.ts";
import { withProperties } from "../ical/edit.ts";
import { instancesIn } from "../ical/instances.ts";
import { keyOf } from "../ical/recurrence-set.ts";
import { dateTimeOf, formatDateTime } from "../ical/time.ts";
import { utcZone } from "../ical/zones.ts";
import { type TimeRange, utc } from "../model/ids.ts";
import type { Arrival, Outcome } from "./apply.ts";
import { attendeeIn, sequenceOf } from "./people.ts";
import { componentsOf, type Key, objectOf, type Series, seriesOf, withMember, withoutExceptions } from "./series.ts";
import { sharedExtensions } from "./snapshot.ts";

/** Instances that one ADD brings, at most. */
const mostAdded = 100;
const always: TimeRange = { start: utc(Number.NEGATIVE_INFINITY), end: utc(Number.POSITIVE_INFINITY) };

/** ADD: further instances, each with what the message says of it: an RDATE and a component of its own. A rule in the message is
 *  taken instance by instance, when it ends. RFC 5546 §3.2.4 */
export function applyAdd(message: Series, copy: Series | undefined, arrival: Arrival): Outcome {
  if (copy?.master === undefined || copy.start === undefined) return { outcome: "ignored", because: "unknown-uid" };
  let next = copy;
  const instances: Key[] = [];
  let isLate = false;
  for (const component of componentsOf(message)) {
    if (attendeeIn(component, arrival.recipient, arrival.identify) === undefined) continue;
    if (sequenceOf(component) < sequenceOf(copy.master)) {
      isLate = true;
      continue;
    }
    const added = instancesOf(message, component);
    if (added === undefined) return { outcome: "refused", status: "3.14;Unsupported capability" };
    for (const instance of added) {
      const start = propertyOf(instance, "DTSTART");
      const { master, start: first } = next;
      if (start === undefined || master === undefined || first === undefined) continue;
      const key = keyOf(dateTimeOf(start, message.zones), first);
      if (next.overrides.has(key)) continue;
      const dates = [...propertiesOf(master, "RDATE"), { ...start, name: "RDATE", line: 0 }];
      const opened = withoutExceptions(master, next, new Set([key]));
      next = seriesOf(withMember(next, "master", withProperties(opened, "RDATE", dates)));
      next = seriesOf(withMember(next, key, withId(instance, master)));
      instances.push(key);
    }
  }
  if (instances.length === 0) return { outcome: "ignored", because: isLate ? "out-of-sequence" : "no-change" };
  return { outcome: "stored", root: next.root, isConsequential: true, tellOthers: false, instances };
}

/** The message's component, once for each instance its rule gives. Undefined when there are too many. */
function instancesOf(message: Series, component: Component): readonly Component[] | undefined {
  const recurs = component.properties.some(({ name }) => name === "RRULE" || name === "RDATE");
  if (!recurs) return [component];
  const { instances, complete } = instancesIn(objectOf(message.root), always, utcZone, mostAdded);
  if (!complete) return undefined;
  const start = propertyOf(component, "DTSTART");
  const first = start && dateTimeOf(start, message.zones);
  if (start === undefined || first === undefined) return [];
  return instances.map(({ startTime }) => ({
    ...component,
    properties: component.properties.flatMap((property) => {
      if (property.name === "RRULE" || property.name === "RDATE" || property.name === "EXDATE") return [];
      if (property === start) return [{ ...property, line: 0, value: formatDateTime(startTime) }];
      if (property.name !== "DTEND" && property.name !== "DUE") return [property];
      const end = dateTimeOf(property, message.zones);
      const value = formatDateTime({ ...end, local: end.local + startTime.local - first.local });
      return [{ ...property, line: 0, value }];
    }),
  }));
}

function withId(instance: Component, master: Component): Component {
  const start = propertyOf(instance, "DTSTART");
  const id = start === undefined ? [] : [{ ...start, name: "RECURRENCE-ID", line: 0 }];
  const kept = master.properties.filter(
    ({ name }) => (name.startsWith("X-") && !sharedExtensions.has(name)) || name === "TRANSP",
  );
  const isSaid = new Set(instance.properties.map(({ name }) => name));
  return {
    ...instance,
    properties: [...instance.properties, ...id, ...kept.filter(({ name }) => !isSaid.has(name))],
    components: master.components.filter(({ name }) => name === "VALARM"),
  };
}
