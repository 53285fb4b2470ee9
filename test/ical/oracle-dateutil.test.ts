// Thousands of random rules, expanded here and by Debian's python3-dateutil, another implementation of RFC 5545 §3.3.10.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { parseRule } from "../../src/ical/recurrence.ts";
import { startsOf } from "../../src/ical/recurrence-starts.ts";
import { dayNumber, daySeconds, formatLocal, weekdayOf } from "../../src/ical/time.ts";

const python = "/usr/bin/python3";
const seed = Number(process.env["RRULE_SEED"] ?? 20_260_105);
const count = Number(process.env["RRULE_COUNT"] ?? 5_000);
const most = 60;

const program = `
import sys, json, itertools, datetime as real
from datetime import datetime
import dateutil.rrule
from dateutil.rrule import rrulestr

# A rule that never matches is searched to datetime.MAXYEAR, UNTIL or not: for the module, that is the year after UNTIL.
class Calendar:
    date, time, datetime, timedelta = real.date, real.time, real.datetime, real.timedelta
dateutil.rrule.datetime = Calendar

out = []
for rule, start, most in json.load(sys.stdin):
    Calendar.MAXYEAR = int(rule.partition("UNTIL=")[2][:4]) + 1
    try:
        found = rrulestr(rule, dtstart=datetime.strptime(start, "%Y%m%dT%H%M%S"))
        out.append([d.strftime("%Y%m%dT%H%M%S") for d in itertools.islice(found, most)])
    except ValueError as problem:
        # "Invalid combination of interval and byhour": such a rule gives nothing.
        out.append([] if "Invalid combination" in str(problem) else str(problem))
json.dump(out, sys.stdout)
`;

/** A small seeded generator (mulberry32). */
function randomNumbers(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const weekdays = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const years: Readonly<Record<string, number>> = {
  YEARLY: 45,
  MONTHLY: 12,
  WEEKLY: 6,
  DAILY: 3,
  HOURLY: 0.2,
  MINUTELY: 0.02,
  SECONDLY: 0.003,
};

interface Case {
  readonly rule: string;
  /** The same set in dateutil's reading of the RFC. */
  readonly asked: string;
  readonly start: number;
}

function randomCase(random: () => number): Case {
  const whole = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
  const chance = (of: number): boolean => random() < of;
  const list = (size: number, item: () => number | string): string =>
    [...new Set(Array.from({ length: whole(1, size) }, item))].join(",");
  const signed = (high: number) => (): number => (chance(0.3) ? -whole(1, high) : whole(1, high));
  const frequency = Object.keys(years)[Math.min(6, Math.floor(random() * 8.5))] ?? "MINUTELY";
  let start = dayNumber(whole(1996, 2031), whole(1, 12), whole(1, 28)) * daySeconds + whole(0, daySeconds - 1);
  if (chance(0.2)) start += whole(0, 3) * daySeconds;
  const short = frequency === "HOURLY" || frequency === "MINUTELY" || frequency === "SECONDLY";
  const parts = new Map<string, string>([["FREQ", frequency]]);

  if (chance(0.25))
    parts.set(
      "BYMONTH",
      list(4, () => whole(1, 12)),
    );
  if (frequency === "YEARLY" && chance(0.15)) parts.set("BYWEEKNO", list(4, signed(53)));
  if ((frequency === "YEARLY" || short) && chance(0.12)) parts.set("BYYEARDAY", list(6, signed(366)));
  if (frequency !== "WEEKLY" && chance(0.25)) parts.set("BYMONTHDAY", list(5, signed(31)));
  if (chance(0.45)) {
    const counted = (frequency === "MONTHLY" || frequency === "YEARLY") && !parts.has("BYWEEKNO") && chance(0.5);
    const high = frequency === "MONTHLY" || parts.has("BYMONTH") ? 5 : 53;
    // Numbered and plain weekdays together are a union (§3.3.10, "If an integer modifier is not present, it means all days of
    // this type"); dateutil intersects them, so they are not mixed here.
    parts.set(
      "BYDAY",
      list(4, () => `${counted ? signed(high)() : ""}${weekdays[whole(0, 6)]}`),
    );
  }
  if (chance(0.2))
    parts.set(
      "BYHOUR",
      list(3, () => whole(0, 23)),
    );
  if (chance(0.2))
    parts.set(
      "BYMINUTE",
      list(3, () => whole(0, 59)),
    );
  if (chance(0.15))
    parts.set(
      "BYSECOND",
      list(3, () => whole(0, 59)),
    );
  if (chance(0.3)) parts.set("WKST", weekdays[whole(0, 6)]!);
  if (chance(0.5)) parts.set("INTERVAL", `${whole(1, short ? 40 : 5)}`);
  const expands = [...parts.keys()].some((name) => name.startsWith("BY"));
  if (expands && chance(0.25)) parts.set("BYSETPOS", list(3, signed(chance(0.8) ? 4 : 40)));

  if (parts.has("BYWEEKNO")) {
    // dateutil looks for days of a calendar year that are in such a week; the weeks of a year (ISO 8601, to which §3.3.10
    // refers) may begin in the December before and end in the January after. The two agree on the whole set if every year
    // counts, and not on what one year's set is.
    parts.delete("INTERVAL");
    parts.delete("BYSETPOS");
  }
  if (frequency === "WEEKLY" && parts.has("BYSETPOS")) {
    // dateutil's first week begins with DTSTART; "a set of recurrence instances starts at the beginning of the interval".
    const first = weekdays.indexOf(parts.get("WKST") ?? "MO");
    const day = Math.floor(start / daySeconds);
    start -= ((weekdayOf(day) - first + 7) % 7) * daySeconds;
  }
  if (chance(0.3)) parts.set("COUNT", `${whole(1, 40)}`);
  else parts.set("UNTIL", formatLocal(start + Math.floor(years[frequency]! * 365.25 * daySeconds)));

  const rule = [...parts].map(([name, value]) => `${name}=${value}`).join(";");
  let asked = rule;
  // A rule that names weeks but no day takes the weekday from DTSTART ("if the BYDAY … rule part were missing, the appropriate
  // … day … would have been retrieved from DTSTART", §3.3.10); dateutil takes all seven.
  if (parts.has("BYWEEKNO") && !parts.has("BYDAY") && !parts.has("BYMONTHDAY") && !parts.has("BYYEARDAY"))
    asked += `;BYDAY=${weekdays[weekdayOf(Math.floor(start / daySeconds))]}`;
  if (parts.has("COUNT")) asked += `;UNTIL=${formatLocal(start + Math.floor(years[frequency]! * 365.25 * daySeconds))}`;
  return { rule, asked, start };
}

function expand({ rule, start, asked }: Case, from?: number): string[] {
  const parsed = parseRule(rule, 0);
  const last = parseRule(asked, 0, true).until!.local;
  // dateutil does not count a DTSTART that the rule does not give.
  const starts = startsOf(parsed, start, false, { last, withStart: false, ...(from === undefined ? {} : { from }) });
  const found: string[] = [];
  for (let next = starts.next(); next !== undefined && found.length < most; next = starts.next())
    found.push(formatLocal(next));
  return found;
}

test(`${count} random rules give the instances that python3-dateutil gives (seed ${seed})`, () => {
  const probe = spawnSync(python, ["-c", "import dateutil.rrule"], { encoding: "utf8" });
  assert.equal(probe.status, 0, `${python} has no dateutil: install the package python3-dateutil (scripts/setup does)`);
  const random = randomNumbers(seed);
  const cases = Array.from({ length: count }, () => randomCase(random));
  const input = JSON.stringify(cases.map(({ asked, start }) => [asked, formatLocal(start), most]));
  const answer = spawnSync(python, ["-c", program], { input, encoding: "utf8", maxBuffer: 256 * 1024 * 1024 });
  assert.equal(answer.status, 0, answer.stderr);
  const expected = JSON.parse(answer.stdout) as (string[] | string)[];
  const problems: string[] = [];
  let instances = 0;
  for (const [index, one] of cases.entries()) {
    const wanted = expected[index]!;
    assert.ok(Array.isArray(wanted), `dateutil refuses ${one.asked}: ${String(wanted)}`);
    instances += wanted.length;
    const found = expand(one);
    if (found.join() !== wanted.join())
      problems.push(
        `DTSTART:${formatLocal(one.start)} ${one.rule}\n  here ${found.slice(0, 12)}\n  there ${wanted.slice(0, 12)}`,
      );
  }
  assert.deepEqual(problems.slice(0, 20), [], `${problems.length} of ${count} rules differ`);
  assert.ok(instances > count * 5, `only ${instances} instances were compared`);
});
