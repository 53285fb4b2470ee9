import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import ICAL from "ical.js";
import { type Component, parameterOf, propertiesOf, propertyOf } from "../../src/ical/component.ts";
import { instancesIn } from "../../src/ical/instances.ts";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import { parseRule } from "../../src/ical/recurrence.ts";
import { startsOf } from "../../src/ical/recurrence-starts.ts";
import { dateTimesOf, parseDateTimeText, toUtc } from "../../src/ical/time.ts";
import { ianaZone, utcZone, type Zone, zonesOf } from "../../src/ical/zones.ts";
import { withZones } from "../../src/ical/zones-by-reference.ts";
import { utc } from "../../src/model/ids.ts";
import { type RecurringCase, randomCase, seeded } from "./recurring-cases.ts";

/** [start, end] in seconds since 1970, in order. */
export type Answer = readonly (readonly [number, number])[];

const zoneOf = (name: string): Zone => ianaZone(name) ?? utcZone;

/** What the server makes of a case. */
export function ourAnswer({ text, range, floating }: RecurringCase): Answer {
  const zone = zoneOf(floating);
  const { instances, complete } = instancesIn(parseCalendarObject(text), range, zone, 1_000_000);
  if (!complete) throw new Error(`more instances than asked for: ${text}`);
  const answer = instances.map(({ start, end, floating: local }): readonly [number, number] =>
    local ? [zone.toUtc(start), zone.toUtc(end)] : [start, end],
  );
  return answer.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}

const python = "/usr/bin/python3";
const program = fileURLToPath(new URL("../ical/recurring-judge.py", import.meta.url));

/** What python3-icalendar and python3-dateutil make of the cases (test/ical/recurring-judge.py). A text says why there is no
 *  answer. */
export async function pythonAnswers(cases: readonly RecurringCase[]): Promise<readonly (Answer | string)[]> {
  const child = spawn(python, [program], { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = once(child, "close");
  child.stdin.end(
    cases.map(({ text, range, floating }) => `${JSON.stringify({ text, ...range, floating })}\n`).join(""),
  );
  const [status] = (await ended) as [number];
  if (status !== 0)
    throw new Error(`${python} ended with ${status}: are python3-icalendar and python3-dateutil there?`);
  return output
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer | string);
}

/** What ical.js would not come back from, or is known to be wrong about: test/ical/disagreements.md. */
function isBeyondIcalJs({ rule = "", text }: RecurringCase): boolean {
  return (
    /FREQ=(?:SECONDLY|MINUTELY|HOURLY)/.test(rule) ||
    /BYSETPOS|BYWEEKNO|BYYEARDAY|BYHOUR|BYMINUTE/.test(rule) ||
    /BYMONTHDAY=[^;]*(?:29|3[01])/.test(rule) ||
    (/BYMONTH=/.test(rule) && /FREQ=MONTHLY/.test(rule)) ||
    (/FREQ=(?:YEARLY|MONTHLY)/.test(rule) && /^DTSTART[^:]*:\d{6}(?:29|3[01])/m.test(text)) ||
    (/BYMONTHDAY/.test(rule) && /BYDAY|FREQ=(?:DAILY|YEARLY)/.test(rule)) ||
    (/BYDAY=[^;]*[0-9]/.test(rule) && /FREQ=YEARLY/.test(rule)) ||
    /THISANDFUTURE|VALUE=PERIOD/.test(text)
  );
}

const mostSteps = 3_000;

/** Starts of the instances in the range by ical.js; undefined where it cannot be asked. */
export function icalJsStarts(one: RecurringCase): Answer | undefined {
  if (isBeyondIcalJs(one)) return undefined;
  const { range, floating } = one;
  const root = new ICAL.Component(ICAL.parse(withZones(one.text, "all")) as never);
  for (const zone of root.getAllSubcomponents("vtimezone")) ICAL.TimezoneService.register(zone);
  const components = [...root.getAllSubcomponents("vevent"), ...root.getAllSubcomponents("vtodo")];
  const [master, ...exceptions] = components;
  if (master === undefined) return [];
  const event = new ICAL.Event(master, { strictExceptions: false, exceptions });
  const instant = (time: ICAL.Time): number =>
    time.zone === ICAL.Timezone.localTimezone || time.isDate
      ? zoneOf(floating).toUtc(
          Date.UTC(time.year, time.month - 1, time.day, time.hour, time.minute, time.second) / 1000,
        )
      : time.toUnixTime();
  const found: number[] = [];
  const iterator = event.iterator();
  for (let steps = 0; ; steps++) {
    const next = iterator.next() as ICAL.Time | null | undefined;
    if (!next || instant(next) > range.end + 5 * 86_400) break;
    if (steps === mostSteps) return undefined;
    const start = instant(event.getOccurrenceDetails(next).startDate);
    if (start >= range.start && start < range.end) found.push(start);
  }
  return found.sort((a, b) => a - b).map((start) => [start, start]);
}

/** Starts in the range: ical.js knows lengths on the clock only, so ends are not compared. */
const startsIn = (answer: Answer, { range }: RecurringCase): Answer =>
  answer.filter(([start]) => start >= range.start && start < range.end).map(([start]) => [start, start]);

export type Judge = "python" | "ical.js";

/** The paragraph of test/ical/disagreements.md under which a disagreement falls; undefined: it has to be looked into. */
export function explanation(one: RecurringCase, judge: Judge, here: Answer, there: Answer): string | undefined {
  const { rule = "", text } = one;
  if (!/^R(?:RULE|DATE)[;:]/m.test(text) && /^EXDATE/m.test(text)) return "Exceptions of what does not recur";
  if (judge === "python") return /BYWEEKNO/.test(rule) ? "Weeks at the turn of the year" : undefined;
  const [ours, theirs] = [here.map(([start]) => start), there.map(([start]) => start)];
  const missing = ours.filter((start) => !theirs.includes(start));
  const extra = theirs.filter((start) => !ours.includes(start));
  if (missing.length + extra.length === 0) return "One instance by RRULE and by RDATE";
  const object = parseCalendarObject(text);
  const bare = { ...object, master: undefined };
  const moved = instancesIn(bare, one.range, zoneOf(one.floating), 100).instances.length > 0;
  if (extra.length === 0 && moved) return "An override of an instance that the series does not have";
  if (missing.length === 0 && /^EXDATE;VALUE=DATE:/m.test(text) && !/^DTSTART;VALUE=DATE:/m.test(text))
    return "EXDATE with a date among times";
  const { master } = object;
  if (master === undefined) return undefined;
  const dates = propertiesOf(master, "EXDATE").flatMap((property) => dateTimesOf(property, zonesOf(object.root)));
  const instants: readonly number[] = dates.map((time) => toUtc(time, zoneOf(one.floating)));
  if (missing.length === 0 && /^RDATE/m.test(text) && extra.every((start) => instants.includes(start)))
    return "One instance by RRULE and by RDATE";
  const isTwice = new Set(instants).size < instants.length;
  if (isTwice && (missing.length === 0 || (moved && extra.every((start) => instants.includes(start)))))
    return "An EXDATE that stands there twice";
  const spellings = new Set(["DTSTART", "RDATE"].flatMap((name) => tzidsOf(master, name)));
  const ids = object.overrides.flatMap((override) => tzidsOf(override, "RECURRENCE-ID"));
  if (ids.some((tzid) => spellings.size > 1 || !spellings.has(tzid)))
    return "RECURRENCE-ID in another zone than DTSTART";
  const zone = zoneOf(tzidsOf(master, "DTSTART")[0] ?? one.floating);
  const changeAt = (start: number): number =>
    Math.abs(zone.offsetAt(utc(start - 90_000)) - zone.offsetAt(utc(start + 90_000)));
  const isAmbiguous = (start: number): boolean => changeAt(start) > 0;
  // What one of the two puts an hour or two later (a day, where a country crossed the date line) may lie outside the range.
  const isPaired = (start: number, others: readonly number[]): boolean =>
    [...others, one.range.start, one.range.end].some(
      (other) => Math.abs(other - start) <= Math.max(7200, changeAt(start)),
    );
  if ([...missing, ...extra].every(isAmbiguous))
    if (missing.every((start) => isPaired(start, extra)) && extra.every((start) => isPaired(start, missing)))
      return "Times that come twice or not at all";
  // It looks for such an EXDATE elsewhere, and then misses those after it.
  if (missing.length === 0 && instants.some(isAmbiguous))
    if (extra.every((start) => isAmbiguous(start) || instants.includes(start)))
      return "Times that come twice or not at all";
  return isOutsideRule(one, master) ? "DTSTART that the rule does not give" : undefined;
}

/** The zones in which the values of a property are written; undefined for dates and floating times. */
const tzidsOf = (component: Component, name: string): readonly (string | undefined)[] =>
  propertiesOf(component, name).map((property) =>
    property.value.endsWith("Z") ? "Etc/UTC" : parameterOf(property, "TZID"),
  );

function isOutsideRule({ rule }: RecurringCase, master: Component): boolean {
  const start = propertyOf(master, "DTSTART");
  const time = start === undefined ? undefined : parseDateTimeText(start.value);
  if (rule === undefined || time === undefined) return true;
  return startsOf(parseRule(rule, 0, true), time.local, time.date, { withStart: false }).next() !== time.local;
}

export interface Tally {
  cases: number;
  instances: number;
  /** Cases that a judge answered. */
  readonly asked: Record<Judge, number>;
  /** Explained disagreements by paragraph. */
  readonly explained: Map<string, number>;
  /** The others, as a person can read them. */
  readonly problems: string[];
}

export const newTally = (): Tally => ({
  cases: 0,
  instances: 0,
  asked: { python: 0, "ical.js": 0 },
  explained: new Map(),
  problems: [],
});

/** Asks both judges about `count` cases of a seed. */
export async function judge(seed: number, count: number, tally: Tally): Promise<void> {
  const random = seeded(seed);
  const cases = Array.from({ length: count }, () => randomCase(random));
  const answers = await pythonAnswers(cases);
  for (const [index, one] of cases.entries()) {
    const ours = ourAnswer(one);
    tally.cases++;
    tally.instances += ours.length;
    const theirs = answers[index];
    if (typeof theirs === "string" || theirs === undefined) tally.problems.push(`python: ${theirs}\n${one.text}`);
    else settle(one, "python", ours, theirs, tally);
    const starts = icalJsStarts(one);
    if (starts !== undefined) settle(one, "ical.js", startsIn(ours, one), starts, tally);
  }
}

function settle(one: RecurringCase, judge: Judge, ours: Answer, theirs: Answer, tally: Tally): void {
  tally.asked[judge]++;
  const [here, there] = [JSON.stringify(ours), JSON.stringify(theirs)];
  if (here === there) return;
  const paragraph = explanation(one, judge, ours, theirs);
  if (paragraph !== undefined) tally.explained.set(paragraph, (tally.explained.get(paragraph) ?? 0) + 1);
  else
    tally.problems.push(
      `${judge}: ${iso(one.range.start)} to ${iso(one.range.end)}, floating in ${one.floating}\n${one.text}\nhere ${here}\nthere ${there}`,
    );
}

const iso = (at: number): string => new Date(utc(at) * 1000).toISOString();
