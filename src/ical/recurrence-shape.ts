import type { Utc } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import { busyOf, busyOfType } from "./busy.ts";
import type { Busy } from "./calendar-object.ts";
import type { Component, Property } from "./component.ts";
import { parameterOf, propertyOf } from "./component.ts";
import type { DateTime, Duration, ZoneLookup } from "./time.ts";
import { addDuration, daySeconds, durationOf, parseDateTimeText, parseDuration, readDateTime, toUtc } from "./time.ts";
import type { Zone } from "./zone-transitions.ts";
import { utcZone } from "./zone-transitions.ts";

/** The times of one component, as far as instances are made from them. */
export interface Shape {
  readonly component: Component;
  readonly start: DateTime;
  /** How long an instance is: days on the calendar, then exact seconds. DTEND and DUE give exact seconds, DURATION its own
   *  days and seconds (RFC 5545 §3.8.5.3). Not negative. */
  readonly length: Duration;
  readonly busy: Busy;
  /** Seconds by which an instance counts as longer when it is compared with a range: RFC 4791 §9.9 includes some ends. */
  readonly before: number;
  readonly after: number;
  readonly rules: readonly Property[];
  readonly exceptionRules: readonly Property[];
  readonly dates: readonly Property[];
  readonly exceptionDates: readonly Property[];
}

const none: readonly Property[] = [];
/** Without RRULE and RDATE there is nothing that EXDATE and EXRULE could take away. */
const once = { rules: none, exceptionRules: none, dates: none, exceptionDates: none };

/** Undefined for a component that has no time of its own (see `undatedPeriods`). Throws Refusal(valid-calendar-data). */
export function shapeOf(component: Component, zones: ZoneLookup): Shape | undefined {
  if (component.name === "VFREEBUSY" || component.name === "VAVAILABILITY") return undefined;
  const isTodo = component.name === "VTODO";
  let dtstart: Property | undefined;
  let dtend: Property | undefined;
  let duration: Property | undefined;
  let rules: Property[] | undefined;
  let exceptionRules: Property[] | undefined;
  let dates: Property[] | undefined;
  let exceptionDates: Property[] | undefined;
  for (const property of component.properties)
    switch (property.name) {
      case "DTSTART":
        dtstart ??= property;
        break;
      case "DTEND":
        if (!isTodo) dtend ??= property;
        break;
      case "DUE":
        if (isTodo) dtend ??= property;
        break;
      case "DURATION":
        duration ??= property;
        break;
      case "RRULE":
        // An empty one, as some editors leave it, is none.
        if (property.value.trim() === "") break;
        rules ??= [];
        rules.push(property);
        break;
      case "EXRULE":
        if (property.value.trim() === "") break;
        exceptionRules ??= [];
        exceptionRules.push(property);
        break;
      case "RDATE":
        dates ??= [];
        dates.push(property);
        break;
      case "EXDATE":
        exceptionDates ??= [];
        exceptionDates.push(property);
    }
  const recurrence =
    rules === undefined && dates === undefined
      ? once
      : {
          rules: rules ?? none,
          exceptionRules: exceptionRules ?? none,
          dates: dates ?? none,
          exceptionDates: exceptionDates ?? none,
        };
  const busy = busyOf(component);
  if (dtstart === undefined) {
    if (!isTodo || dtend === undefined) return undefined;
    // RFC 4791 §9.9, only DUE: start < DUE and end >= DUE.
    const start = readDateTime(dtend, dtend.value, zones);
    return { component, start, length: noLength, busy, before: 1, after: 0, ...recurrence };
  }
  const start = readDateTime(dtstart, dtstart.value, zones);
  if (component.name === "VJOURNAL" || (dtend === undefined && duration === undefined)) {
    const length = start.form === "date" && !isTodo ? oneDay : noLength;
    return { component, start, length, busy, before: 0, after: 0, ...recurrence };
  }
  if (dtend === undefined) {
    const length = notNegative(durationOf(duration!));
    // RFC 4791 §9.9, VTODO with DURATION: start <= its end, and end > DTSTART or end >= its end.
    const before = isTodo && isEmpty(length) ? 1 : 0;
    return { component, start, length, busy, before, after: isTodo ? 1 : 0, ...recurrence };
  }
  const end = readDateTime(dtend, dtend.value, zones);
  let seconds = toUtc(end, utcZone) - toUtc(start, utcZone);
  if (start.zone === undefined || end.zone === undefined) seconds = end.local - start.local;
  // Old clients write an all-day event of one day with DTEND equal to DTSTART.
  if (seconds <= 0) seconds = start.form === "date" && !isTodo ? daySeconds : 0;
  const at = isTodo && seconds === 0 ? 1 : 0;
  return { component, start, length: { days: 0, seconds }, busy, before: at, after: at, ...recurrence };
}

const noLength: Duration = { days: 0, seconds: 0 };
const oneDay: Duration = { days: 1, seconds: 0 };

const isEmpty = ({ days, seconds }: Duration): boolean => days === 0 && seconds === 0;

const notNegative = (length: Duration): Duration => (length.days < 0 || length.seconds < 0 ? noLength : length);

export const recurs = ({ rules, dates }: Shape): boolean => rules.length > 0 || dates.length > 0;

/** The end of an instance: UTC for one with a zone, local seconds for a floating one. `start` is in the same terms. */
export function endOf(start: number, local: number, zone: Zone | undefined, { days, seconds }: Duration): number {
  if (days === 0) return start + seconds;
  return zone === undefined ? local + days * daySeconds + seconds : zone.toUtc(local + days * daySeconds) + seconds;
}

/** A stretch of time that is not made from DTSTART and a length. */
export interface Period {
  readonly start: Utc;
  readonly end: Utc;
  readonly floating: boolean;
  readonly busy: Busy;
  readonly before: number;
  readonly after: number;
}

const always = { start: utc(Number.NEGATIVE_INFINITY), end: utc(Number.POSITIVE_INFINITY) };
const plain = { floating: false, busy: "FREE", before: 0, after: 0 } as const;

/** The times of components that do not recur: VFREEBUSY, VAVAILABILITY, and a VTODO without DTSTART and DUE. Undefined for all
 *  others. RFC 4791 §9.9, RFC 7953 §3.1. */
export function undatedPeriods(component: Component, zones: ZoneLookup): readonly Period[] | undefined {
  switch (component.name) {
    case "VFREEBUSY":
      return freeBusyPeriods(component, zones);
    case "VAVAILABILITY":
      return [availability(component, zones)];
    case "VTODO":
      return propertyOf(component, "DTSTART") === undefined && propertyOf(component, "DUE") === undefined
        ? [undatedTodo(component)]
        : undefined;
    default:
      return undefined;
  }
}

/** RFC 4791 §9.9, the last four rows of the table for VTODO. */
function undatedTodo(component: Component): Period {
  // A CREATED that is no time (Google writes the year 0) says nothing.
  const timeOf = (name: string): number | undefined =>
    parseDateTimeText(propertyOf(component, name)?.value.trim() ?? "")?.local;
  const created = timeOf("CREATED");
  const completed = timeOf("COMPLETED");
  if (created === undefined && completed === undefined) return { ...plain, ...always };
  if (completed === undefined) return { ...plain, start: utc(created!), end: always.end };
  const start = utc(Math.min(created ?? completed, completed));
  return { ...plain, start, end: utc(Math.max(created ?? completed, completed)), before: 1, after: 1 };
}

function availability(component: Component, zones: ZoneLookup): Period {
  const dtstart = propertyOf(component, "DTSTART");
  const dtend = propertyOf(component, "DTEND");
  const duration = propertyOf(component, "DURATION");
  const start = dtstart === undefined ? undefined : readDateTime(dtstart, dtstart.value, zones);
  const end =
    dtend !== undefined
      ? readDateTime(dtend, dtend.value, zones)
      : start !== undefined && duration !== undefined
        ? addDuration(start, durationOf(duration))
        : undefined;
  const floating = (start ?? end)?.zone === undefined && (start ?? end) !== undefined;
  const at = (time: DateTime): Utc => (floating ? utc(time.local) : toUtc(time, utcZone));
  return {
    ...plain,
    // Not free: a look for busy time must come upon it.
    busy: "BUSY-UNAVAILABLE",
    start: start === undefined ? always.start : at(start),
    end: end === undefined ? always.end : at(end),
    floating,
  };
}

/** The whole of it, free, so that a time-range finds it; then its periods as they are. */
function freeBusyPeriods(component: Component, zones: ZoneLookup): readonly Period[] {
  const periods: Period[] = [];
  const dtstart = propertyOf(component, "DTSTART");
  const dtend = propertyOf(component, "DTEND");
  if (dtstart !== undefined && dtend !== undefined) {
    const start = toUtc(readDateTime(dtstart, dtstart.value, zones), utcZone);
    const end = toUtc(readDateTime(dtend, dtend.value, zones), utcZone);
    // RFC 4791 §9.9: start <= DTEND and end > DTSTART.
    periods.push({ ...plain, start, end: utc(Math.max(start, end)), after: 1 });
  }
  for (const property of component.properties) {
    if (property.name !== "FREEBUSY" || property.value.trim() === "") continue;
    const busy = busyOfType(parameterOf(property, "FBTYPE"));
    for (const text of property.value.split(",")) {
      const { start, length } = readPeriod(property, text, zones);
      const from = toUtc(start, utcZone);
      periods.push({ ...plain, start: from, end: utc(endOf(from, start.local, undefined, length)), busy });
    }
  }
  return periods;
}

/** A PERIOD (RFC 5545 §3.3.9): start, and end or duration. A value without "/" is a start without length. */
export function readPeriod(property: Property, text: string, zones: ZoneLookup): { start: DateTime; length: Duration } {
  const slash = text.indexOf("/");
  const start = readDateTime(property, slash < 0 ? text : text.slice(0, slash), zones);
  if (slash < 0) return { start, length: noLength };
  const duration = parseDuration(text.slice(slash + 1).trim());
  if (duration !== undefined) return { start, length: notNegative(duration) };
  const end = readDateTime(property, text.slice(slash + 1), zones);
  return { start, length: { days: 0, seconds: Math.max(0, toUtc(end, utcZone) - toUtc(start, utcZone)) } };
}
