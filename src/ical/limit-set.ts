import { type TimeRange, type Utc, utc } from "../model/ids.ts";
import type { CalendarObject } from "./calendar-object.ts";
import { type Component, type Property, parameterOf, propertyOf } from "./component.ts";
import { instancesIn } from "./instances.ts";
import {
  addDuration,
  type DateTime,
  dateTimeOf,
  durationOf,
  parseDateTimeText,
  parseDuration,
  toUtc,
  type ZoneLookup,
} from "./time.ts";
import { utcZone, type Zone, zonesOf } from "./zones.ts";

/** The VCALENDAR without the overrides that have nothing to do with the range (RFC 4791 §9.6.6): neither the override's time
 *  nor the one it replaces overlaps it. The root itself when all stay. */
export function withLimitedOverrides(object: CalendarObject, range: TimeRange, floatingZone: Zone): Component {
  const { root, overrides } = object;
  if (overrides.length === 0) return root;
  const zones = zonesOf(root);
  const gone = new Set(overrides.filter((override) => !hasImpact(override, object, range, zones, floatingZone)));
  if (gone.size === 0) return root;
  return { ...root, components: root.components.filter((component) => !gone.has(component)) };
}

function hasImpact(
  override: Component,
  object: CalendarObject,
  range: TimeRange,
  zones: ZoneLookup,
  floatingZone: Zone,
): boolean {
  const id = propertyOf(override, "RECURRENCE-ID");
  if (id === undefined) return true;
  const original = dateTimeOf(id, zones);
  const start = toUtc(original, floatingZone);
  // THISANDFUTURE decides all instances from there on.
  if (parameterOf(id, "RANGE") !== undefined && start < range.end) return true;
  const end = addLength(original, object.master, zones, floatingZone);
  if (overlaps(start, end, range)) return true;
  const alone: CalendarObject = { ...object, master: undefined, overrides: [override] };
  return instancesIn(alone, range, floatingZone, 1).instances.length > 0;
}

/** When an instance of the master that starts at `start` ends. */
function addLength(start: DateTime, master: Component | undefined, zones: ZoneLookup, floatingZone: Zone): Utc {
  const from = toUtc(start, floatingZone);
  if (master === undefined) return from;
  const duration = propertyOf(master, "DURATION");
  if (duration !== undefined) return toUtc(addDuration(start, durationOf(duration)), floatingZone);
  const first = propertyOf(master, "DTSTART");
  const last = propertyOf(master, "DTEND") ?? propertyOf(master, "DUE");
  if (first !== undefined && last !== undefined) {
    const length = toUtc(dateTimeOf(last, zones), floatingZone) - toUtc(dateTimeOf(first, zones), floatingZone);
    return utc(from + Math.max(length, 0));
  }
  return start.form === "date" ? toUtc(addDuration(start, { days: 1, seconds: 0 }), floatingZone) : from;
}

/** RFC 4791 §9.9: a point in time overlaps where it lies. */
const overlaps = (start: Utc, end: Utc, range: TimeRange): boolean =>
  start < range.end && (end > range.start || (end === start && start === range.start));

/** The VCALENDAR whose VFREEBUSY components hold only the periods that overlap the range (RFC 4791 §9.6.7). The root itself
 *  when there is no VFREEBUSY. */
export function withLimitedFreeBusy(root: Component, range: TimeRange): Component {
  if (!root.components.some(({ name }) => name === "VFREEBUSY")) return root;
  return {
    ...root,
    components: root.components.map((component) =>
      component.name === "VFREEBUSY"
        ? { ...component, properties: component.properties.flatMap((property) => limited(property, range)) }
        : component,
    ),
  };
}

function limited(property: Property, range: TimeRange): readonly Property[] {
  if (property.name !== "FREEBUSY") return [property];
  const value = property.value
    .split(",")
    .filter((period) => isPeriodIn(period, range))
    .join(",");
  return value === "" ? [] : [{ ...property, value }];
}

/** What cannot be read is kept. */
function isPeriodIn(text: string, range: TimeRange): boolean {
  const [from = "", to = ""] = text.trim().split("/");
  const start = parseDateTimeText(from);
  if (start === undefined) return true;
  const duration = parseDuration(to);
  const end =
    duration === undefined
      ? parseDateTimeText(to)?.local
      : addDuration({ local: start.local, form: "utc", zone: utcZone }, duration).local;
  return end === undefined || (start.local < range.end && end > range.start);
}
