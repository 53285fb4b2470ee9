import type { TimeRange, Utc } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import type { CalendarObject } from "./calendar-object.ts";
import { type Component, type Parameter, type Property, propertyOf } from "./component.ts";
import { instancesIn, type ObjectInstance } from "./instances.ts";
import {
  type DateTime,
  dateTimeOf,
  formatDate,
  formatLocal,
  formatUtc,
  parseDateTimeText,
  toUtc,
  type ZoneLookup,
} from "./time.ts";
import { type Zone, zonesOf } from "./zones.ts";

/** The VCALENDAR with one component for each instance that overlaps the range: times in UTC, dates and floating times as they
 *  are, no recurrence properties, no VTIMEZONE (RFC 4791 §9.6.5). Every instance but the initial one has a RECURRENCE-ID.
 *  Throws Refusal(number-of-recurrences-within-limits) beyond `limit` instances. */
export function expanded(object: CalendarObject, range: TimeRange, floatingZone: Zone, limit: number): Component {
  const { root } = object;
  const { instances, complete } = instancesIn(object, range, floatingZone, limit);
  if (!complete) throw new Refusal({ code: "number-of-recurrences-within-limits", limit });
  const zones = zonesOf(root);
  const others = root.components.filter(({ name }) => name !== "VTIMEZONE" && name !== object.kind);
  return {
    ...root,
    components: [...others, ...instances.map((instance) => instanceComponent(instance, object, zones))],
  };
}

const ofRecurrence = new Set(["RRULE", "RDATE", "EXDATE", "EXRULE"]);

function instanceComponent(instance: ObjectInstance, object: CalendarObject, zones: ZoneLookup): Component {
  const { component, startTime } = instance;
  const recurs = component !== object.master || component.properties.some(({ name }) => ofRecurrence.has(name));
  const id = recurs ? idOf(instance, object, zones) : undefined;
  const properties: Property[] = [];
  for (const property of component.properties) {
    const { name } = property;
    if (ofRecurrence.has(name) || name === "RECURRENCE-ID") continue;
    if (name === "DTSTART") {
      properties.push(inUtc(property, startTime));
      if (id !== undefined) properties.push(inUtc({ ...property, name: "RECURRENCE-ID" }, id));
    } else if (recurs && (name === "DTEND" || name === "DUE"))
      properties.push(inUtc(property, endTime(instance, dateTimeOf(property, zones))));
    else properties.push(withoutZone(property, zones));
  }
  // A VTODO may recur by DUE alone.
  if (id !== undefined && propertyOf(component, "DTSTART") === undefined)
    properties.push(inUtc({ name: "RECURRENCE-ID", parameters: [], value: "", line: 0 }, id));
  return { ...component, properties };
}

/** Undefined for the initial instance: RFC 4791 §9.6.5 does not ask for it, and the original server left it out. */
function idOf(instance: ObjectInstance, { master }: CalendarObject, zones: ZoneLookup): DateTime | undefined {
  const { component, startTime } = instance;
  const own = propertyOf(component, "RECURRENCE-ID");
  const id = instance.recurrenceId ?? (own === undefined ? startTime : dateTimeOf(own, zones));
  if (component !== master) return id;
  const start = propertyOf(component, "DTSTART");
  const first = start === undefined ? undefined : dateTimeOf(start, zones);
  return first !== undefined && first.local === id.local && first.form === id.form ? undefined : id;
}

/** The end of this instance in the form the component's own end has. */
function endTime({ end, floating }: ObjectInstance, own: DateTime): DateTime {
  const form = own.form === "date" ? "date" : floating ? "floating" : "utc";
  return { local: end, form, zone: undefined };
}

/** The property with that time as its value: dates stay dates, floating times stay, the rest is UTC. */
function inUtc(property: Property, time: DateTime): Property {
  const parameters = property.parameters.filter(({ name }) => name !== "TZID" && name !== "VALUE" && name !== "RANGE");
  if (time.form === "date") return { ...property, parameters: [...parameters, date], value: formatDate(time.local) };
  return { ...property, parameters, value: textOf(time) };
}

const date: Parameter = { name: "VALUE", values: ["DATE"] };

const textOf = (time: DateTime): string =>
  time.form === "utc"
    ? formatUtc(time.local as Utc)
    : time.zone === undefined
      ? formatLocal(time.local)
      : formatUtc(toUtc(time, time.zone));

/** Any other property with a TZID and a time (X-…, or the times of an override) must not refer to a VTIMEZONE either. */
function withoutZone(property: Property, zones: ZoneLookup): Property {
  if (property.parameters.length === 0 || !property.parameters.some(({ name }) => name === "TZID")) return property;
  if (parseDateTimeText(property.value) === undefined) return property;
  return inUtc(property, dateTimeOf(property, zones));
}
