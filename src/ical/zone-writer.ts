import { type Utc, utc } from "../model/ids.ts";
import type { Component, Property } from "./component.ts";
import { daySeconds, formatLocal, formatUtc, monthLength, packedDate } from "./time.ts";
import { type Naming, yearOf, type ZoneChange, zoneChanges } from "./zone-changes.ts";
import { dayIn, erasOf, type RuleLine, sourceName } from "./zone-source.ts";
import { ianaZone, utcZone } from "./zones.ts";

export interface DefinitionOptions {
  /** How times are named. Default "zic". */
  readonly naming?: Naming;
  /** Only what holds in this time (RFC 7808 §3.9): inclusive start, exclusive end, before the year 10000. */
  readonly start?: Utc;
  readonly end?: Utc;
}

/** The VTIMEZONE of a name of the IANA data, links too; undefined for other names (Windows' too: a definition is asked for by
 *  the name that it gets). Without a start it holds from the end of local mean time on. RFC 5545 §3.6.5 */
export function zoneDefinition(tzid: string, options: DefinitionOptions = {}): Component | undefined {
  const zone = sourceName(tzid);
  if (zone === undefined) return undefined;
  const { naming = "zic", start, end } = options;
  const properties = [property("TZID", tzid)];
  if (naming === "original") properties.push(property("X-LIC-LOCATION", tzid));
  else if (zone !== tzid) properties.push(property("TZID-ALIAS-OF", zone));
  if (end !== undefined) properties.push(property("TZUNTIL", formatUtc(end)));
  const horizon = Math.max(start === undefined ? 0 : yearOf(start) + 1, end === undefined ? 0 : yearOf(end));
  const all = zoneChanges(zone, horizon, naming);
  const changes = cut(all, zone, start, end).filter((change) => naming === "original" || !isEmpty(change));
  const written = runsOf(changes, end).flatMap(observancesOf);
  if (written.length === 0) written.push(fixedObservance(zone));
  return { name: "VTIMEZONE", properties, components: mergedDates(written).map(componentOf), line: 0 };
}

/** The VTIMEZONE for a TZID as a client writes it, with that TZID: also for names of Windows and vendors' prefixes (`ianaZone`).
 *  Undefined for a name that nobody knows. */
export function definitionFor(tzid: string): Component | undefined {
  const own = zoneDefinition(tzid);
  if (own !== undefined) return own;
  const zone = ianaZone(tzid);
  const known = zone === undefined ? undefined : zoneDefinition(zone === utcZone ? "Etc/UTC" : zone.id);
  if (known === undefined) return undefined;
  const [, ...rest] = known.properties;
  return { ...known, properties: [property("TZID", tzid), ...rest] };
}

/** One offset in force from an instant on (RFC 7808 §5.4). */
export interface ZoneObservance {
  readonly onset: Utc;
  readonly from: number;
  readonly to: number;
  readonly name: string;
}

/** The offsets of a zone in force in [start, end), the first of them as of `start`; undefined for a name that the IANA data
 *  does not have. Both before the year 10000. */
export function zoneObservances(tzid: string, start: Utc, end: Utc): readonly ZoneObservance[] | undefined {
  const zone = sourceName(tzid);
  if (zone === undefined) return undefined;
  return cut(zoneChanges(zone, yearOf(end) + 1, "zic"), zone, start, end)
    .filter((change) => change.at === start || !isEmpty(change))
    .map(({ at, from, to, name }) => ({ onset: utc(at), from, to, name }));
}

const property = (name: string, value: string): Property => ({ name, parameters: [], value, line: 0 });

/** An era began, and clocks and their name stayed as they were. */
const isEmpty = ({ rule, from, to, era }: ZoneChange): boolean => rule === undefined && from === to && era > 0;

/** The changes in the time, with what held at its start. */
function cut(
  changes: readonly ZoneChange[],
  zone: string,
  start: Utc | undefined,
  end: Utc | undefined,
): readonly ZoneChange[] {
  const inside = changes.filter(
    ({ at }) => at >= (start ?? Number.NEGATIVE_INFINITY) && at < (end ?? Number.POSITIVE_INFINITY),
  );
  if (start === undefined || inside[0]?.at === start) return inside;
  const before = changes.findLast(({ at }) => at < start);
  const [first] = erasOf(zone);
  const offset = before?.to ?? first?.offset ?? 0;
  const name = before?.name ?? first?.format ?? "";
  const initial = { at: start, from: offset, to: offset, daylight: before?.daylight ?? false, name };
  return [{ ...initial, era: 0, rule: undefined, day: 0, endless: false }, ...inside];
}

/** Changes that one STANDARD or DAYLIGHT can stand for: of one rule in one era, alike, year after year. */
interface Run {
  readonly changes: ZoneChange[];
  /** Days between the rule's day and the one on the clock. */
  readonly shift: number;
  readonly endless: boolean;
}

function runsOf(changes: readonly ZoneChange[], end: Utc | undefined): readonly Run[] {
  const runs = new Map<string, Run>();
  const rules = new Map<RuleLine | undefined, number>();
  for (const change of changes) {
    const { at, from, to, name, era, rule, day } = change;
    if (!rules.has(rule)) rules.set(rule, rules.size);
    const local = at + from;
    const shift = rule === undefined ? 0 : Math.floor(local / daySeconds) - day;
    const time = local - Math.floor(local / daySeconds) * daySeconds;
    const alone = rule === undefined ? at : 0;
    const key = [era, rules.get(rule), from, to, name, shift, time, alone].join();
    const run = runs.get(key);
    if (run !== undefined) run.changes.push(change);
    else runs.set(key, { changes: [change], shift, endless: change.endless && end === undefined });
  }
  return [...runs.values()];
}

/** A STANDARD or DAYLIGHT to be written. */
interface Observance {
  /** The first onset, with its offsets and name. */
  readonly first: ZoneChange;
  /** Without a rule: every onset. */
  readonly dates: readonly ZoneChange[];
  readonly rule: string | undefined;
}

function observancesOf({ changes, shift, endless }: Run): readonly Observance[] {
  const [first] = changes;
  const last = changes.at(-1);
  if (first === undefined || last === undefined) return [];
  const { rule } = first;
  const listed: readonly Observance[] = [{ first, dates: changes, rule: undefined }];
  if (rule === undefined || (changes.length === 1 && !endless) || !isYearly(changes)) return listed;
  const parts = partsOf(rule, shift);
  const [part] = parts ?? [];
  if (parts === undefined || part === undefined) return listed;
  if (endless) return parts.map((one) => ({ first: firstIn(one.month, first, shift), dates: [], rule: one.text }));
  if (parts.length > 1) return listed;
  return [{ first, dates: [], rule: part.text.replace(";", `;UNTIL=${formatUtc(utc(last.at))};`) }];
}

const isYearly = (changes: readonly ZoneChange[]): boolean =>
  changes.every(({ day }, i) => i === 0 || yearOf(day * daySeconds) === yearOf(changes[i - 1]!.day * daySeconds) + 1);

/** The first year's change, or the first of a later year, that falls in the month. */
function firstIn(month: number, first: ZoneChange, shift: number): ZoneChange {
  const { rule } = first;
  if (rule === undefined) return first;
  const time = first.at + first.from - (first.day + shift) * daySeconds;
  const year = yearOf(first.day * daySeconds);
  // Weekdays come back to the same days within 28 years (40 around 2100).
  for (let later = year; later < year + 50; later++) {
    const day = dayIn(later, rule.month, rule.day);
    if (Math.floor(packedDate(day + shift) / 100) % 100 === month)
      return { ...first, day, at: (day + shift) * daySeconds + time - first.from };
  }
  return first;
}

const weekdayNames = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/** A yearly rule, in one month. */
interface Part {
  readonly month: number;
  readonly text: string;
}

/** The RRULEs for the days of a rule, `shift` days later: two where its days lie in two months. Undefined where they cannot be
 *  told without knowing whether the year is a leap year. */
function partsOf({ month, day }: RuleLine, shift: number): readonly Part[] | undefined {
  const weekday = day.form === "day" ? undefined : weekdayNames[(day.weekday + shift + 7) % 7];
  if (day.form === "last" && shift === 0) return [{ month, text: `FREQ=YEARLY;BYDAY=-1${weekday};BYMONTH=${month}` }];
  const length = monthLength(2001, month);
  const lowest = { day: "day" in day ? day.day : 0, last: length - 6, after: "day" in day ? day.day : 0, before: 0 };
  const from = (day.form === "before" ? day.day - 6 : lowest[day.form]) + shift;
  const to = weekday === undefined ? from : from + 6;
  if (month === 2 && (day.form === "last" || to > 28)) return undefined;
  if (month === 3 && from < 1) return undefined;
  const parts: Part[] = [];
  const add = (inMonth: number, low: number, high: number): void => {
    if (low > high) return;
    const ofYear = ((inMonth + 11) % 12) + 1;
    parts.push({ month: ofYear, text: yearlyText(ofYear, low, high, weekday) });
  };
  const before = monthLength(2001, ((month + 10) % 12) + 1);
  add(month - 1, before + from, before + Math.min(to, 0));
  add(month, Math.max(from, 1), Math.min(to, length));
  add(month + 1, Math.max(from - length, 1), to - length);
  return parts;
}

function yearlyText(month: number, low: number, high: number, weekday: string | undefined): string {
  if (weekday === undefined) return `FREQ=YEARLY;BYMONTHDAY=${low};BYMONTH=${month}`;
  const isWeek = high - low === 6;
  if (isWeek && low % 7 === 1 && low <= 22) return `FREQ=YEARLY;BYDAY=${(low + 6) / 7}${weekday};BYMONTH=${month}`;
  if (isWeek && high === monthLength(2001, month) && month !== 2)
    return `FREQ=YEARLY;BYDAY=-1${weekday};BYMONTH=${month}`;
  const days = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  return `FREQ=YEARLY;BYDAY=${weekday};BYMONTHDAY=${days.join()};BYMONTH=${month}`;
}

/** A zone that never changed. */
function fixedObservance(zone: string): Observance {
  const [era] = erasOf(zone);
  const offset = era?.offset ?? 0;
  const at = packedStart - offset;
  const change = { at, from: offset, to: offset, daylight: false, name: era?.format ?? "", era: 0, day: 0 };
  const first: ZoneChange = { ...change, rule: undefined, endless: false };
  return { first, dates: [first], rule: undefined };
}
const packedStart = -5_364_662_400; // 1800-01-01T00:00:00

/** Lists of single onsets with the same name and offsets become one. */
function mergedDates(observances: readonly Observance[]): readonly Observance[] {
  const merged: { first: ZoneChange; dates: ZoneChange[]; rule: string | undefined }[] = [];
  for (const { first, dates, rule } of observances) {
    const { from, to, name, daylight } = first;
    const same =
      rule === undefined
        ? merged.find(
            (other) =>
              other.rule === undefined &&
              other.first.from === from &&
              other.first.to === to &&
              other.first.name === name &&
              other.first.daylight === daylight,
          )
        : undefined;
    if (same === undefined) merged.push({ first, dates: [...dates], rule });
    else same.dates.push(...dates);
  }
  for (const one of merged) {
    one.dates.sort((a, b) => a.at - b.at);
    one.first = one.dates[0] ?? one.first;
  }
  return merged;
}

function componentOf({ first, dates, rule }: Observance): Component {
  const { from, to, name, daylight } = first;
  const onset = ({ at }: ZoneChange): string => formatLocal(at + from);
  return {
    name: daylight ? "DAYLIGHT" : "STANDARD",
    properties: [
      property("DTSTART", onset(first)),
      ...(rule === undefined ? dates.map((date) => property("RDATE", onset(date))) : [property("RRULE", rule)]),
      property("TZNAME", name),
      property("TZOFFSETFROM", formatOffset(from)),
      property("TZOFFSETTO", formatOffset(to)),
    ],
    components: [],
    line: 0,
  };
}

/** A UTC-OFFSET (RFC 5545 §3.3.14). */
export function formatOffset(seconds: number): string {
  const size = Math.abs(seconds);
  const two = (value: number): string => `${Math.floor(value)}`.padStart(2, "0");
  const rest = size % 60 === 0 ? "" : two(size % 60);
  return `${seconds < 0 ? "-" : "+"}${two(size / 3600)}${two((size / 60) % 60)}${rest}`;
}
