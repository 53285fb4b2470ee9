import type { TimeRange, Utc } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import type { CalendarObject, Instance, Occurrences } from "./calendar-object.ts";
import type { Component } from "./component.ts";
import { parameterOf, propertyOf } from "./component.ts";
import { Latest } from "./latest.ts";
import type { RecurrenceSet } from "./recurrence-set.ts";
import { keyOf, recurrenceSetOf, SetWalk, StartSet } from "./recurrence-set.ts";
import type { Period, Shape } from "./recurrence-shape.ts";
import { endOf, recurs, shapeOf, undatedPeriods } from "./recurrence-shape.ts";
import { lastStart, newBudget, startsOf } from "./recurrence-starts.ts";
import type { DateTime, Duration, ZoneLookup } from "./time.ts";
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
  /** All were found. Otherwise there are more than the limit, or finding them would have taken too long (a rule that gives an
   *  instance in decades, excluded ones without end); `instances` are some of them, and not surely the first. */
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
  /** Seconds that an instance may last; and that one which a rule gives may last, and be moved by THISANDFUTURE. */
  readonly longest: number;
  readonly reach: number;
  readonly shift: number;
}

const latest = new Latest<CalendarObject, Series>();

function seriesOf(object: CalendarObject): Series {
  const known = latest.get(object);
  if (known !== undefined) return known;
  const series = readSeries(object);
  // A single event is read again as fast as it is looked up.
  if (series.set !== undefined) latest.set(object, series);
  return series;
}

const noOverrides: readonly Override[] = [];
const noneReplaced = new StartSet();
const noPeriods: Series["periods"] = [];

function periodsIn({ master, overrides }: CalendarObject, zones: ZoneLookup): Series["periods"] {
  const components = master === undefined ? overrides : [master, ...overrides];
  return components.flatMap((component) =>
    (undatedPeriods(component, zones) ?? []).map((period) => ({ component, period })),
  );
}

function readSeries(object: CalendarObject): Series {
  const zones = zonesOf(object.root);
  const master = object.master === undefined ? undefined : shapeOf(object.master, zones);
  const periods = master === undefined || object.overrides.length > 0 ? periodsIn(object, zones) : noPeriods;
  if (object.overrides.length === 0 && (master === undefined || !recurs(master)))
    return {
      master,
      set: undefined,
      overrides: noOverrides,
      replaced: noneReplaced,
      futures: noOverrides,
      periods,
      longest: 0,
      reach: 0,
      shift: 0,
    };

  const set = master === undefined ? undefined : recurrenceSetOf(master, zones);
  const overrides: Override[] = [];
  const futures: Override[] = [];
  const replaced = new StartSet();
  let reach = master === undefined ? 0 : secondsOf(master.length);
  let longest = Math.max(set?.longest ?? 0, reach);
  let shift = 0;
  for (const component of object.overrides) {
    const shape = shapeOf(component, zones);
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
    reach = Math.max(reach, secondsOf(shape.length));
    shift = Math.max(shift, Math.abs(shape.start.local - id.local) + 2 * daySeconds);
  }
  futures.sort((a, b) => a.key - b.key);
  return { master, set, overrides, replaced, futures, periods, longest, reach, shift };
}

/** At most: a day has up to 25 hours. */
const secondsOf = ({ days, seconds }: Duration): number => days * 90_000 + seconds;

/** Told of each instance; false stops. */
type Visit = (shape: Shape, time: DateTime, length: Duration, id: DateTime | undefined) => boolean;

/** Visits the overrides, then the instances of the master that start within the bounds and some outside. Answers false when
 *  `visit` stopped it, or when it would have taken too long. */
function visitAll(series: Series, bounds: TimeRange, floatingZone: Zone, visit: Visit): boolean {
  const { master, set, overrides, replaced, futures } = series;
  for (const { shape, id } of overrides) if (!visit(shape, shape.start, shape.length, id)) return false;
  if (master === undefined) return true;
  if (set === undefined) return visit(master, master.start, master.length, undefined);
  const { from, last } = localBounds(bounds, set.start.zone ?? floatingZone);
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
  return !walk.exhausted;
}

/** The local times whose instants are in the range, and few more. Right after a change of offset, times are meant that are on
 *  the clock before it: those in a gap, and the first of those that come twice. */
function localBounds({ start, end }: TimeRange, zone: Zone): { readonly from: number; readonly last: number } {
  const offset = (at: Utc): number => (Number.isFinite(at) ? zone.offsetAt(at) : 0);
  if (zone.fixed) return { from: start + offset(start), last: end + offset(end) };
  const from = start + Math.min(offset(start), offset(utc(start - daySeconds)));
  return { from, last: end + Math.max(offset(end), offset(utc(end - daySeconds))) };
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

/** Starts outside the range that are looked at, at most. Only a rule of seconds that THISANDFUTURE moves by days has so many,
 *  or a list of as many RDATEs. */
const maxMisses = 20_000;

/** Instances that overlap `range` by RFC 4791 §9.9, overrides applied, in order of start. Floating ones are read in
 *  `floatingZone`. Stops after `limit` and says so in `complete`. The cost depends on the range, not on how long ago a rule
 *  began. An override whose instance the master does not have is an instance all the same; so are overrides without a master.
 *  Throws Refusal(valid-calendar-data) for times and rules that cannot be read. */
export function instancesIn(object: CalendarObject, range: TimeRange, floatingZone: Zone, limit: number): Expansion {
  const series = seriesOf(object);
  const instances: ObjectInstance[] = [];
  let sorted = true;
  let complete = true;
  let misses = 0;
  const add = (instance: ObjectInstance, before: number, after: number): boolean => {
    const { start, end, floating } = instance;
    const from = floating ? floatingZone.toUtc(start) : start;
    const to = floating ? floatingZone.toUtc(end) : end;
    if (!overlaps(from - before, to + after, range) && ++misses < maxMisses) return true;
    if (instances.length >= limit || misses >= maxMisses) {
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
  const bounds = { start: utc(range.start - series.reach - 1), end: utc(range.end + 1) };
  complete &&= visitAll(series, bounds, floatingZone, (shape, startTime, length, recurrenceId) => {
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
const always: TimeRange = { start: utc(Number.NEGATIVE_INFINITY), end: utc(Number.POSITIVE_INFINITY) };

/** What the index stores of an object's times: all instances if they are at most 500; otherwise those that start within a year
 *  of `now`, or within so much less that they are at most `limit`. Then, too, every instance that overlaps [from, until) is
 *  there. Starts and ends are those that RFC 4791 §9.9 compares with a range: one second wider where it includes an end that
 *  would else be excluded (VTODO, VFREEBUSY). Throws as `instancesIn`. */
export function occurrences(object: CalendarObject, now: Utc, limit: number): Occurrences {
  const series = seriesOf(object);
  if (!surelyMore(series, indexedWhole)) {
    const { instances, complete } = collect(series, always, indexedWhole);
    if (complete) return { instances, from: always.start, until: always.end };
  }
  let width = year;
  for (let tries = 0; tries < 20 && width >= 1; tries++) {
    const bounds = { start: utc(now - width), end: utc(now + width) };
    const { instances, complete, reached } = collect(series, bounds, limit);
    if (complete) {
      // What began before the window may last into it.
      const from = Math.min(bounds.start + series.longest, bounds.end);
      return { instances, from: utc(from), until: bounds.end };
    }
    if (instances.length < limit) break;
    // As many fit into as much time as the ones found took, if they lie evenly.
    width = Math.floor(Math.min(width / 2, Math.max((reached - bounds.start) * 0.45, width / 1024)));
  }
  return { instances: [], from: now, until: now };
}

interface Collected {
  readonly instances: readonly Instance[];
  /** There are no more than the limit. */
  readonly complete: boolean;
  /** The last start found. */
  readonly reached: number;
}

/** Instances that start within the bounds, ordered. */
function collect(series: Series, bounds: TimeRange, limit: number): Collected {
  const found: Instance[] = [];
  let sorted = true;
  let reached: number = bounds.start;
  const add = (start: number, end: number, floating: boolean, busy: Instance["busy"]): boolean => {
    if (found.length >= limit) return false;
    if (start < reached) sorted = false;
    reached = start;
    found.push({ start: utc(start), end: utc(end), floating, busy });
    return true;
  };
  const isInside = (start: number): boolean => start >= bounds.start && start < bounds.end;
  let complete = true;
  let misses = 0;
  for (const { period } of series.periods) {
    const { start, end, floating, busy, before, after } = period;
    if (isInside(start)) complete &&= add(start - before, end + after, floating, busy);
  }
  complete &&= visitAll(series, bounds, utcZone, (shape, { local, zone }, length) => {
    const start = zone === undefined ? local : zone.toUtc(local);
    if (!isInside(start)) return ++misses < maxMisses;
    return add(start - shape.before, endOf(start, local, zone, length) + shape.after, zone === undefined, shape.busy);
  });
  if (!sorted) found.sort((a, b) => a.start - b.start);
  return { instances: found, complete, reached };
}

/** Whether one rule alone gives more than `most` instances, or takes too long to count: told from its local times, without
 *  zones and exceptions. */
function surelyMore({ set, replaced }: Series, most: number): boolean {
  if (set === undefined || set.exceptionRules.length > 0) return false;
  const enough = most + set.exceptions.size + replaced.size;
  const { start } = set;
  return set.rules.some((rule) => {
    if (rule.count !== undefined && rule.count <= enough) return false;
    const { local, at } = lastStart(rule, start);
    const last = at === Number.POSITIVE_INFINITY ? local : local - 2 * daySeconds;
    const budget = newBudget();
    const starts = startsOf(rule, start.local, start.form === "date", { last, budget });
    let count = 0;
    // Two more for starts that fall together where clocks change.
    while (count < enough + 2 && starts.next() !== undefined) count++;
    return count >= enough + 2 || budget.left < 0;
  });
}

/** How many instances the object has, counted no further than `limit` + 1: a rule without end has that many, and so has one
 *  whose instances would take too long to count. */
export function countInstances(object: CalendarObject, limit: number): number {
  const series = seriesOf(object);
  let count = Math.min(series.periods.length, limit + 1);
  if (count > limit) return count;
  return visitAll(series, always, utcZone, () => ++count <= limit) ? count : limit + 1;
}
