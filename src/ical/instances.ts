import type { TimeRange, Utc } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import type { CalendarObject, Instance, Occurrences } from "./calendar-object.ts";
import type { Component } from "./component.ts";
import { parameterOf, propertyOf } from "./component.ts";
import type { RecurrenceSet } from "./recurrence-set.ts";
import { keyOf, recurrenceSetOf, SetWalk, StartSet } from "./recurrence-set.ts";
import type { Period, Shape } from "./recurrence-shape.ts";
import { endOf, recurs, shapeOf, undatedPeriods } from "./recurrence-shape.ts";
import { lastStart, startsOf } from "./recurrence-starts.ts";
import type { DateTime, Duration } from "./time.ts";
import { dateTimeOf, daySeconds } from "./time.ts";
import type { Zone } from "./zone-transitions.ts";
import { utcZone } from "./zone-transitions.ts";
import { zonesOf } from "./zones.ts";

/** An instance of an object. Floating and all-day ones carry local seconds in `start` and `end`. */
export interface ObjectInstance extends Instance {
  /** The master, or the override that replaces this instance. */
  readonly component: Component;
  /** When the instance would have started by the master alone; undefined for an object that does not recur. */
  readonly recurrenceId: DateTime | undefined;
  /** `start` as the component writes it. */
  readonly startTime: DateTime;
}

export interface Expansion {
  /** In order of start. */
  readonly instances: readonly ObjectInstance[];
  /** No more than the limit was found. Otherwise `instances` are not all, and not surely the first. */
  readonly complete: boolean;
}

/** An override, with what it replaces. */
interface Override {
  readonly shape: Shape;
  readonly id: DateTime;
  readonly key: number;
}

/** What instances are made from. */
interface Series {
  readonly master: Shape | undefined;
  /** Undefined when the object is its master alone, once. */
  readonly set: RecurrenceSet | undefined;
  readonly overrides: readonly Override[];
  readonly replaced: StartSet;
  /** Overrides with RANGE=THISANDFUTURE, in order of key. */
  readonly futures: readonly Override[];
  /** Times of components without a start. */
  readonly periods: readonly { readonly component: Component; readonly period: Period }[];
  /** Seconds that an instance may last, and seconds that THISANDFUTURE may move one. */
  readonly longest: number;
  readonly shift: number;
}

const cache = new WeakMap<CalendarObject, Series>();

function seriesOf(object: CalendarObject): Series {
  const known = cache.get(object);
  if (known !== undefined) return known;
  const series = readSeries(object);
  // A single event is read again as fast as it is looked up.
  if (series.set !== undefined) cache.set(object, series);
  return series;
}

const nothing = { overrides: [], replaced: new StartSet(), futures: [], periods: [], longest: 0, shift: 0 };

function readSeries(object: CalendarObject): Series {
  const zones = zonesOf(object.root);
  const periods: { component: Component; period: Period }[] = [];
  const shapeIn = (component: Component): Shape | undefined => {
    for (const period of undatedPeriods(component, zones) ?? []) periods.push({ component, period });
    return component.name === "VFREEBUSY" || component.name === "VAVAILABILITY" ? undefined : shapeOf(component, zones);
  };
  const master = object.master === undefined ? undefined : shapeIn(object.master);
  if (object.overrides.length === 0 && (master === undefined || !recurs(master)))
    return { ...nothing, master, set: undefined, periods };

  const set = master === undefined ? undefined : recurrenceSetOf(master, zones);
  const overrides: Override[] = [];
  const futures: Override[] = [];
  const replaced = new StartSet();
  let longest = Math.max(set?.longest ?? 0, master === undefined ? 0 : secondsOf(master.length));
  let shift = 0;
  for (const component of object.overrides) {
    const shape = shapeIn(component);
    const property = propertyOf(component, "RECURRENCE-ID");
    if (property === undefined) continue;
    const id = dateTimeOf(property, zones);
    if (set !== undefined) replaced.add(id, set.start);
    if (shape === undefined) continue;
    const override: Override = { shape, id, key: set === undefined ? id.local : keyOf(id, set.start) };
    overrides.push(override);
    longest = Math.max(longest, secondsOf(shape.length));
    if (set === undefined || parameterOf(property, "RANGE")?.toUpperCase() !== "THISANDFUTURE") continue;
    futures.push(override);
    shift = Math.max(shift, Math.abs(shape.start.local - id.local) + 2 * daySeconds);
  }
  futures.sort((a, b) => a.key - b.key);
  return { master, set, overrides, replaced, futures, periods, longest, shift };
}

/** At most: a day has up to 25 hours. */
const secondsOf = ({ days, seconds }: Duration): number => days * 90_000 + seconds;

/** Told of each instance; false stops. */
type Visit = (shape: Shape, time: DateTime, length: Duration, id: DateTime | undefined) => boolean;

/** Visits the overrides, then the instances of the master that start from `from` to `last` (local seconds, inclusive) and some
 *  outside. Answers false when `visit` stopped it. */
function visitAll(series: Series, from: number, last: number, visit: Visit): boolean {
  const { master, set, overrides, replaced, futures } = series;
  for (const { shape, id } of overrides) if (!visit(shape, shape.start, shape.length, id)) return false;
  if (master === undefined) return true;
  if (set === undefined) return visit(master, master.start, master.length, undefined);
  const walk = new SetWalk(set, from - series.shift, last + series.shift);
  for (let start = walk.next(); start !== undefined; start = walk.next()) {
    const { key, time } = start;
    if (replaced.size > 0 && replaced.has(key, time.local)) continue;
    const future = futures.length === 0 ? undefined : futures.findLast((override) => override.key < key);
    const going =
      future === undefined
        ? visit(master, time, start.length ?? master.length, time)
        : visit(future.shape, shifted(start.key, time, future), future.shape.length, time);
    if (!going) return false;
  }
  return true;
}

/** A later instance moved as the THISANDFUTURE override moved its own, by the clock of the override's zone, so that a change of
 *  offset in between moves nothing. RFC 5545 §3.8.4.4 */
function shifted(key: number, time: DateTime, { shape, id }: Override): DateTime {
  const { start } = shape;
  const { zone } = start;
  if (zone === undefined || time.zone === undefined || id.zone === undefined) {
    const whole = start.form === "date" ? daySeconds : 1;
    const day = (local: number): number => Math.floor(local / whole) * whole;
    return { ...start, local: day(time.local) + start.local - day(id.local) };
  }
  const original = id.zone.toUtc(id.local);
  const moved = start.local - (original + zone.offsetAt(original));
  return { ...start, local: key + zone.offsetAt(utc(key)) + moved };
}

/** RFC 4791 §9.9: an instance without length overlaps where it lies. */
const overlaps = (start: number, end: number, range: TimeRange): boolean =>
  start < range.end && (end > range.start || (start === end && start >= range.start));

/** Instances that overlap `range` by RFC 4791 §9.9, overrides applied, in order of start. Floating ones are read in
 *  `floatingZone`. Stops after `limit` and says so in `complete`. The cost depends on the range, not on how long ago a rule
 *  began. An override whose instance the master does not have is an instance all the same; so are overrides without a master.
 *  Throws Refusal(valid-calendar-data) for times and rules that cannot be read. */
export function instancesIn(object: CalendarObject, range: TimeRange, floatingZone: Zone, limit: number): Expansion {
  const series = seriesOf(object);
  const instances: ObjectInstance[] = [];
  let sorted = true;
  let complete = true;
  const add = (instance: ObjectInstance, before: number, after: number): boolean => {
    const { start, end, floating } = instance;
    const from = floating ? floatingZone.toUtc(start) : start;
    const to = floating ? floatingZone.toUtc(end) : end;
    if (!overlaps(from - before, to + after, range)) return true;
    if (instances.length >= limit) {
      complete = false;
      return false;
    }
    if (start < (instances.at(-1)?.start ?? start)) sorted = false;
    instances.push(instance);
    return true;
  };

  for (const { component, period } of series.periods) {
    const { start, end, floating, busy, before, after } = period;
    const startTime: DateTime = floating
      ? { local: start, form: "floating", zone: undefined }
      : { local: start, form: "utc", zone: utcZone };
    if (!add({ start, end, floating, busy, component, recurrenceId: undefined, startTime }, before, after)) break;
  }
  // Local times are within a day of UTC, and so are floating ones in any zone.
  const from = range.start - series.longest - 2 * daySeconds;
  const last = range.end + 2 * daySeconds;
  if (complete)
    visitAll(series, from, last, (shape, startTime, length, recurrenceId) => {
      const { zone, local } = startTime;
      const start = zone === undefined ? utc(local) : zone.toUtc(local);
      const end = utc(endOf(start, local, zone, length));
      const { component, busy, before, after } = shape;
      const instance = { start, end, floating: zone === undefined, busy, component, recurrenceId, startTime };
      return add(instance, before, after);
    });
  if (!sorted) instances.sort((a, b) => a.start - b.start);
  return { instances, complete };
}

/** Up to so many instances, an object is indexed whole. */
const indexedWhole = 500;
const year = 365 * daySeconds;
const everything = { from: utc(Number.NEGATIVE_INFINITY), until: utc(Number.POSITIVE_INFINITY) };

/** What the index stores of an object's times: all instances if they are at most 500; otherwise those that start within a year
 *  of `now`, or within so much less that they are at most `limit`. Then, too, every instance that overlaps [from, until) is
 *  there. Starts and ends are those that RFC 4791 §9.9 compares with a range: one second wider where it includes an end that
 *  would else be excluded (VTODO, VFREEBUSY). Throws as `instancesIn`. */
export function occurrences(object: CalendarObject, now: Utc, limit: number): Occurrences {
  const series = seriesOf(object);
  if (!surelyMore(series, indexedWhole)) {
    const all = collect(series, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, indexedWhole);
    if (all !== undefined) return { instances: all, ...everything };
  }
  for (let width = year; width >= 1; width = Math.floor(width / 2)) {
    const instances = collect(series, now - width, now + width, limit);
    if (instances === undefined) continue;
    // What began before the window may last into it.
    const from = Math.min(now - width + series.longest, now + width);
    return { instances, from: utc(from), until: utc(now + width) };
  }
  return { instances: [], from: now, until: now };
}

/** Instances that start in [from, until), ordered; undefined when there are more than `limit`. */
function collect(series: Series, from: number, until: number, limit: number): Instance[] | undefined {
  const found: Instance[] = [];
  let sorted = true;
  const add = (start: number, end: number, floating: boolean, busy: Instance["busy"]): boolean => {
    if (found.length >= limit) return false;
    if (start < (found.at(-1)?.start ?? start)) sorted = false;
    found.push({ start: utc(start), end: utc(end), floating, busy });
    return true;
  };
  for (const { start, end, floating, busy, before, after } of series.periods.map(({ period }) => period))
    if (start >= from && start < until && !add(start - before, end + after, floating, busy)) return undefined;
  const complete = visitAll(series, from - 2 * daySeconds, until + 2 * daySeconds, (shape, { local, zone }, length) => {
    const start = zone === undefined ? local : zone.toUtc(local);
    if (start < from || start >= until) return true;
    const end = endOf(start, local, zone, length);
    return add(start - shape.before, end + shape.after, zone === undefined, shape.busy);
  });
  if (!complete) return undefined;
  return sorted ? found : found.sort((a, b) => a.start - b.start);
}

/** Whether one rule alone gives more than `most` instances: told from its local times, without zones and exceptions. */
function surelyMore({ set, replaced }: Series, most: number): boolean {
  if (set === undefined || set.exceptionRules.length > 0) return false;
  const enough = most + set.exceptions.size + replaced.size;
  const { start } = set;
  return set.rules.some((rule) => {
    if (rule.count !== undefined && rule.count <= enough) return false;
    const { local, at } = lastStart(rule, start);
    const last = at === Number.POSITIVE_INFINITY ? local : local - 2 * daySeconds;
    const starts = startsOf(rule, start.local, start.form === "date", { last });
    let count = 0;
    // Two more for starts that fall together where clocks change.
    while (count < enough + 2 && starts.next() !== undefined) count++;
    return count >= enough + 2;
  });
}

/** How many instances the object has, counted no further than `limit` + 1: a rule without end has that many. */
export function countInstances(object: CalendarObject, limit: number): number {
  const series = seriesOf(object);
  let count = Math.min(series.periods.length, limit + 1);
  if (count > limit) return count;
  visitAll(series, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, () => ++count <= limit);
  return count;
}
