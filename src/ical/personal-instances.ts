import { utc } from "../model/ids.ts";
import type { CalendarObject } from "./calendar-object.ts";
import { type Component, type Property, propertyOf } from "./component.ts";
import { instancesIn } from "./instances.ts";
import { atInstant, type DateTime, dateTimeOf, formatDateTime, toUtc, type ZoneLookup } from "./time.ts";
import { utcZone } from "./zone-transitions.ts";
import { zonesOf } from "./zones.ts";

/** What an override replaces, comparable between texts that write it differently: an instant, or a date or floating time. */
export function instanceKey(override: Component, zones: ZoneLookup): string {
  const id = propertyOf(override, "RECURRENCE-ID");
  return id === undefined ? "" : keyOf(id, zones);
}

function keyOf(id: Property, zones: ZoneLookup): string {
  try {
    return timeKey(dateTimeOf(id, zones));
  } catch {
    return id.value;
  }
}

const timeKey = (time: DateTime): string => `${time.zone === undefined ? time.form : "at"} ${toUtc(time, utcZone)}`;

/** Instances looked at around one moment. */
const together = 50;

/** Whether the object's rule has an instance there. */
export function hasInstance(object: CalendarObject, id: Property, zones: ZoneLookup): boolean {
  const key = keyOf(id, zones);
  try {
    const at = toUtc(dateTimeOf(id, zones), utcZone);
    const { instances } = instancesIn(object, { start: at, end: utc(at + 1) }, utcZone, together);
    return instances.some(({ recurrenceId }) => recurrenceId !== undefined && timeKey(recurrenceId) === key);
  } catch {
    return false;
  }
}

const ofSeries: ReadonlySet<string> = new Set(["RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"]);

/** The instance as the master alone makes it, written as an override. */
export function derivedInstance(master: Component, id: Property, zones: ZoneLookup, idZones: ZoneLookup): Component {
  const start = propertyOf(master, "DTSTART");
  const first = start && dateTimeOf(start, zones);
  const at = dateTimeOf(id, idZones);
  const properties: Property[] = [];
  for (const property of master.properties) {
    const { name } = property;
    if (ofSeries.has(name)) continue;
    if (first === undefined || (name !== "DTSTART" && name !== "DTEND" && name !== "DUE")) {
      properties.push(property);
      continue;
    }
    const moved = movedBy(dateTimeOf(property, zones), first, at);
    const written = { ...property, value: formatDateTime(moved) };
    properties.push(written);
    if (name === "DTSTART") properties.push({ ...written, name: "RECURRENCE-ID" });
  }
  if (first === undefined) properties.push(id);
  return { ...master, properties };
}

/** A time of the master as it is for the instance that begins at `at`: on the clock, so that a change of daylight saving time between
 *  them makes no difference. */
function movedBy(time: DateTime, first: DateTime, at: DateTime): DateTime {
  const begins = first.zone === undefined || at.zone === undefined ? at : atInstant(toUtc(at, utcZone), first.zone);
  if (time.form === "utc" && first.form === "zoned")
    return { ...time, local: time.local + toUtc(begins, utcZone) - toUtc(first, utcZone) };
  return { ...time, local: time.local + begins.local - first.local };
}

/** Says nothing of what an event is, and clients change it with every alarm. */
const volatile: ReadonlySet<string> = new Set([
  "DTSTAMP",
  "LAST-MODIFIED",
  "CREATED",
  "SEQUENCE",
  "TRANSP",
  "X-MOZ-LASTACK",
  "X-MOZ-GENERATION",
]);
const isVolatile = (name: string): boolean => volatile.has(name) || name.startsWith("X-MOZ-SNOOZE-TIME");
const ofStream: ReadonlySet<string> = new Set(["PRODID", "VERSION", "CALSCALE", "METHOD"]);

/** Times compare as what they mean. */
const times: ReadonlySet<string> = new Set(["DTSTART", "DTEND", "DUE", "RECURRENCE-ID"]);

function lineOf(property: Property, zones: ZoneLookup): string {
  if (times.has(property.name)) {
    try {
      return `${property.name} ${timeKey(dateTimeOf(property, zones))}`;
    } catch {
      // Compared as it is written.
    }
  }
  const parameters = property.parameters.map(({ name, values }) => `${name}=${values.join()}`).sort();
  return [property.name, ...parameters, property.value].join("\0");
}

function partsOf(component: Component, zones: ZoneLookup, without: ReadonlySet<string>): string {
  const lines = component.properties
    .filter(({ name }) => !isVolatile(name) && !without.has(name))
    .map((property) => lineOf(property, zones));
  const inside = component.components
    .filter(({ name }) => name !== "VALARM")
    .map((inner) => `${inner.name} ${partsOf(inner, zones, none)}`);
  return JSON.stringify([lines.sort(), inside.sort()]);
}

const none: ReadonlySet<string> = new Set();
const recurrenceId: ReadonlySet<string> = new Set(["RECURRENCE-ID"]);

/** Whether an override says no more than the master does, but for what is personal. */
export function isTrivial(override: Component, { root, master }: CalendarObject): boolean {
  const id = propertyOf(override, "RECURRENCE-ID");
  if (master === undefined || id === undefined) return false;
  try {
    const zones = zonesOf(root);
    const derived = derivedInstance(master, id, zones, zones);
    return partsOf(override, zones, recurrenceId) === partsOf(derived, zones, recurrenceId);
  } catch {
    return false;
  }
}

/** What all who share an object see of it, as a text to compare: without alarms, transparency, stamps, and overrides that say nothing.
 *  Definitions of time zones are compared by what they make of the times. */
export function sharedParts(object: CalendarObject): string {
  const { root, kind } = object;
  const zones = zonesOf(root);
  const parts: string[] = root.properties
    .filter(({ name }) => !ofStream.has(name))
    .map((property) => lineOf(property, zones));
  for (const component of root.components) {
    if (component.name !== kind || isTrivial(component, object)) continue;
    parts.push(`${instanceKey(component, zones)} ${partsOf(component, zones, none)}`);
  }
  return JSON.stringify(parts.sort());
}
