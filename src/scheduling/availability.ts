import { busyOfType } from "../ical/busy.ts";
import type { CalendarObject, Instance } from "../ical/calendar-object.ts";
import { type Component, componentsNamed, propertyOf } from "../ical/component.ts";
import { instancesIn } from "../ical/instances.ts";
import { uidOf } from "../ical/parse.ts";
import { readCalendar } from "../ical/read.ts";
import { addDuration, dateTimeOf, durationOf, toUtc } from "../ical/time.ts";
import { type Zone, zonesOf } from "../ical/zones.ts";
import { type TimeRange, type Utc, utc } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import type { Collection } from "../store/contract.ts";
import { caldav, cs, type Element, textOf } from "../xml/element.ts";

/** A VAVAILABILITY with what recurs in it made ready. */
interface Availability {
  readonly root: Component;
  readonly component: Component;
  readonly available: readonly CalendarObject[];
}

// A collection's stored properties are one object as long as none is changed.
const known = new WeakMap<Element, readonly Availability[]>();

/** The time in which a calendar user is not to be asked for: all time inside the VAVAILABILITY on the inbox that none of its AVAILABLE
 *  covers (RFC 7953 §4). Empty without one. Floating times are read in `floatingZone`.
 *  Throws Refusal(number-of-matches-within-limits) when the range holds more than `limit` instances of AVAILABLE. */
export async function unavailableTime(
  inbox: Collection,
  range: TimeRange,
  floatingZone: Zone,
  limit: number,
): Promise<readonly Instance[]> {
  const stored = await inbox.properties();
  const property = stored.get(caldav("calendar-availability")) ?? stored.get(cs("calendar-availability"));
  if (property === undefined) return [];
  try {
    let availabilities = known.get(property);
    if (availabilities === undefined) {
      availabilities = readAvailability(textOf(property));
      known.set(property, availabilities);
    }
    return availabilities.flatMap((one) => unavailableIn(one, range, floatingZone, limit));
  } catch (error) {
    // Times and rules are not looked at when the property is set: what cannot be read says nothing.
    if (error instanceof Refusal && error.reason.code !== "number-of-matches-within-limits") return [];
    throw error;
  }
}

function readAvailability(text: string): readonly Availability[] {
  const root = readCalendar(text);
  return componentsNamed(root, "VAVAILABILITY").map((component) => {
    const series = new Map<string, Component[]>();
    for (const one of componentsNamed(component, "AVAILABLE")) {
      const uid = uidOf(one) ?? "";
      series.set(uid, [...(series.get(uid) ?? []), one]);
    }
    const available = [...series].flatMap(([uid, components]) => objectsOf(uid, components, text, root));
    return { root, component, available };
  });
}

/** AVAILABLE components recur as events do. Without UIDs each stands for itself. */
function objectsOf(uid: string, components: readonly Component[], text: string, root: Component): CalendarObject[] {
  const isOverride = (component: Component): boolean => propertyOf(component, "RECURRENCE-ID") !== undefined;
  const overrides = components.filter(isOverride);
  const object = { text, root, uid, kind: "VAVAILABILITY" } as const;
  return components
    .filter((component) => !isOverride(component))
    .map((master, at) => ({ ...object, master, overrides: at === 0 ? overrides : [] }));
}

function unavailableIn(
  { root, component, available }: Availability,
  range: TimeRange,
  floatingZone: Zone,
  limit: number,
): readonly Instance[] {
  const within = limits(component, root, floatingZone);
  const start = Math.max(range.start, within.start);
  const end = Math.min(range.end, within.end);
  if (start >= end) return [];
  const free = available
    .flatMap((object) => {
      const { instances, complete } = instancesIn(object, { start: utc(start), end: utc(end) }, floatingZone, limit);
      if (!complete) throw new Refusal({ code: "number-of-matches-within-limits", limit });
      return instances;
    })
    .map((one) => (one.floating ? { start: floatingZone.toUtc(one.start), end: floatingZone.toUtc(one.end) } : one))
    .sort((a, b) => a.start - b.start);
  const busy = busyOfType(propertyOf(component, "BUSYTYPE")?.value.trim() ?? "BUSY-UNAVAILABLE");
  const taken: Instance[] = [];
  let from: number = start;
  const add = (until: number): void => {
    if (until > from) taken.push({ start: utc(from), end: utc(until), floating: false, busy });
  };
  for (const one of free) {
    add(Math.min(one.start, end));
    from = Math.max(from, one.end);
  }
  add(end);
  return taken;
}

/** RFC 7953 §3.1: open where DTSTART or DTEND and DURATION lack. */
function limits(component: Component, root: Component, floatingZone: Zone): { readonly start: Utc; readonly end: Utc } {
  const zones = zonesOf(root);
  const dtstart = propertyOf(component, "DTSTART");
  const dtend = propertyOf(component, "DTEND");
  const duration = propertyOf(component, "DURATION");
  const start = dtstart && dateTimeOf(dtstart, zones);
  const end =
    dtend === undefined ? start && duration && addDuration(start, durationOf(duration)) : dateTimeOf(dtend, zones);
  return {
    start: start === undefined ? utc(Number.NEGATIVE_INFINITY) : toUtc(start, floatingZone),
    end: end === undefined ? utc(Number.POSITIVE_INFINITY) : toUtc(end, floatingZone),
  };
}
