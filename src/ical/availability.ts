import { type TimeRange, type Utc, utc } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import { busyOfType } from "./busy.ts";
import type { Busy, CalendarObject, Instance } from "./calendar-object.ts";
import { type Component, componentsNamed, propertyOf } from "./component.ts";
import { instancesIn } from "./instances.ts";
import { uidOf } from "./parse.ts";
import { readCalendar } from "./read.ts";
import { addDuration, dateTimeOf, durationOf, toUtc } from "./time.ts";
import { type Zone, zonesOf } from "./zones.ts";

/** A VAVAILABILITY with what recurs in it made ready (RFC 7953 §3.1). */
export interface Availability {
  readonly root: Component;
  readonly component: Component;
  readonly available: readonly CalendarObject[];
}

/** The VAVAILABILITYs of a stream. Throws Refusal(valid-calendar-data) for a text that is none. */
export function availabilitiesIn(text: string): readonly Availability[] {
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

interface Span {
  readonly start: number;
  readonly end: number;
}

interface Taken extends Span {
  readonly busy: Busy;
}

/** When nobody is to be asked for: the time of the VAVAILABILITYs that none of their AVAILABLE covers (RFC 7953 §4). Where they
 *  overlap, the ones with the highest PRIORITY (1; 0 is lowest) decide. Periods are cut to the range, in no order. Floating times
 *  are read in `floatingZone`. Throws Refusal(number-of-matches-within-limits) when the range holds more than `limit` instances
 *  of one AVAILABLE, Refusal(valid-calendar-data) for times and rules that cannot be read. */
export function unavailableIn(
  availabilities: readonly Availability[],
  range: TimeRange,
  floatingZone: Zone,
  limit: number,
): readonly Instance[] {
  const ranked = availabilities
    .map((one) => ({ one, priority: priorityOf(one.component), bounds: boundsOf(one, range, floatingZone) }))
    .filter(({ bounds }) => bounds.start < bounds.end)
    .sort((a, b) => b.priority - a.priority);
  let taken: readonly Taken[] = [];
  for (const priority of new Set(ranked.map((one) => one.priority))) {
    const peers = ranked.filter((one) => one.priority === priority);
    const free = peers.flatMap(({ one, bounds }) => freeIn(one, bounds, floatingZone, limit));
    // What is of lower priority has nothing to say here.
    taken = peers.reduce<readonly Taken[]>((rest, { bounds }) => without(rest, [bounds]), taken);
    taken = [
      ...taken,
      ...peers.flatMap(({ one, bounds }) => without([{ ...bounds, busy: busyTypeOf(one.component) }], free)),
    ];
  }
  return taken.map(({ start, end, busy }) => ({ start: utc(start), end: utc(end), floating: false, busy }));
}

const busyTypeOf = (component: Component): Busy =>
  busyOfType(propertyOf(component, "BUSYTYPE")?.value.trim() ?? "BUSY-UNAVAILABLE");

/** As a rank: 1 is the highest, 9 the lowest that is said, 0 and nothing lower still. */
function priorityOf(component: Component): number {
  const priority = Number(propertyOf(component, "PRIORITY")?.value ?? 0);
  return priority >= 1 && priority <= 9 ? priority : 10;
}

/** RFC 7953 §3.1: open where DTSTART, or DTEND and DURATION, lack. Cut to the range. */
function boundsOf({ component, root }: Availability, range: TimeRange, floatingZone: Zone): Span {
  const zones = zonesOf(root);
  const dtstart = propertyOf(component, "DTSTART");
  const dtend = propertyOf(component, "DTEND");
  const duration = propertyOf(component, "DURATION");
  const start = dtstart && dateTimeOf(dtstart, zones);
  const end =
    dtend === undefined ? start && duration && addDuration(start, durationOf(duration)) : dateTimeOf(dtend, zones);
  const open = Number.POSITIVE_INFINITY;
  return {
    start: Math.max(range.start, start === undefined ? -open : toUtc(start, floatingZone)),
    end: Math.min(range.end, end === undefined ? open : toUtc(end, floatingZone)),
  };
}

function freeIn({ available }: Availability, { start, end }: Span, floatingZone: Zone, limit: number): readonly Span[] {
  const range: TimeRange = { start: utc(start), end: utc(end) };
  const at = (one: Utc, floating: boolean): number => (floating ? floatingZone.toUtc(one) : one);
  return available.flatMap((object) => {
    const { instances, complete } = instancesIn(object, range, floatingZone, limit);
    if (!complete) throw new Refusal({ code: "number-of-matches-within-limits", limit });
    return instances.map((one) => ({ start: at(one.start, one.floating), end: at(one.end, one.floating) }));
  });
}

/** What is left of the periods outside the holes. */
function without(periods: readonly Taken[], holes: readonly Span[]): readonly Taken[] {
  const sorted = [...holes].sort((a, b) => a.start - b.start);
  return periods.flatMap(({ start, end, busy }) => {
    const left: Taken[] = [];
    let from = start;
    for (const hole of sorted) {
      if (hole.start >= end) break;
      if (hole.end <= from) continue;
      if (hole.start > from) left.push({ start: from, end: hole.start, busy });
      from = Math.max(from, hole.end);
    }
    if (from < end) left.push({ start: from, end, busy });
    return left;
  });
}
