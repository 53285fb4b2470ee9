// Thousands of random rules, expanded here and by Debian's python3-dateutil, another implementation of RFC 5545 §3.3.10.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { parseRule } from "../../src/ical/recurrence.ts";
import { startsOf } from "../../src/ical/recurrence-starts.ts";
import { dayNumber, daySeconds, formatLocal, packedDate, weekdayOf } from "../../src/ical/time.ts";

const python = "/usr/bin/python3";
const seed = Number(process.env["RRULE_SEED"] ?? 20_260_105);
const count = Number(process.env["RRULE_COUNT"] ?? 4_000);
const most = 60;

const program = `
import sys, json, itertools, datetime as real
from datetime import datetime
import dateutil.rrule
from dateutil.rrule import rrulestr

# A rule that never matches is searched to datetime.MAXYEAR, UNTIL or not: for the module, that is the year of UNTIL.
class Calendar:
    date, time, datetime, timedelta = real.date, real.time, real.datetime, real.timedelta
dateutil.rrule.datetime = Calendar

def weeks(rule, start):
    """FREQ=YEARLY;BYWEEKNO=... straight from the definition of ISO 8601: a week belongs to the year of its fourth day."""
    parts = dict(part.split("=") for part in rule.split(";"))
    numbers = lambda name: [int(n) for n in parts[name].split(",")] if name in parts else []
    names = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
    first = names.index(parts.get("WKST", "MO"))
    day = real.timedelta(days=1)
    fourth = lambda d: d - (d.weekday() - first) % 7 * day + 3 * day
    number = lambda d: (fourth(d) - real.date(fourth(d).year, 1, 1)).days // 7 + 1
    def last(year):
        d = real.date(year, 12, 31)
        return number(d if fourth(d).year == year else d - 7 * day)
    length = lambda year: 366 if year % 4 == 0 else 365
    listed = lambda wanted, n, size: not wanted or n in wanted or n - size - 1 in wanted
    times = sorted((h, m, s) for h in numbers("BYHOUR") or [start.hour] for m in numbers("BYMINUTE") or [start.minute]
                   for s in numbers("BYSECOND") or [start.second])
    until = datetime.strptime(parts["UNTIL"], "%Y%m%dT%H%M%S")
    base = fourth(start.date()).year
    found = []
    d = start.date()
    while d <= until.date():
        year = fourth(d).year
        month = ((d.replace(day=28) + 4 * day).replace(day=1) - day).day
        if ((year - base) % int(parts.get("INTERVAL", "1")) == 0 and listed(numbers("BYWEEKNO"), number(d), last(year))
                and ("BYDAY" not in parts or names[d.weekday()] in parts["BYDAY"].split(","))
                and ("BYMONTH" not in parts or d.month in numbers("BYMONTH"))
                and listed(numbers("BYMONTHDAY"), d.day, month)
                and listed(numbers("BYYEARDAY"), d.timetuple().tm_yday, length(d.year))):
            found += [t for t in (datetime(d.year, d.month, d.day, *time) for time in times) if start <= t <= until]
        d += day
    return found[:int(parts.get("COUNT", len(found)))]

out = []
for rule, start, most in json.load(sys.stdin):
    begin = datetime.strptime(start, "%Y%m%dT%H%M%S")
    Calendar.MAXYEAR = int(rule.partition("UNTIL=")[2][:4])
    try:
        found = weeks(rule, begin) if "BYWEEKNO" in rule else rrulestr(rule, dtstart=begin)
        out.append([d.strftime("%Y%m%dT%H%M%S") for d in itertools.islice(found, most)])
    except ValueError as problem:
        # Interval and BYHOUR, BYMINUTE or BYSECOND never meet: such a rule gives nothing.
        never = "Invalid combination" in str(problem) or "empty set" in str(problem)
        out.append([] if never else str(problem))
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
  // dateutil walks to the end of the year second by second: let that be near.
  const year = Math.floor(packedDate(Math.floor(start / daySeconds)) / 10_000);
  if (short) start = dayNumber(year, 12, whole(12, 30)) * daySeconds + whole(0, daySeconds - 1);
  let until = start + Math.floor(years[frequency]! * 365.25 * daySeconds);
  if (short) until = Math.min(until, dayNumber(year + 1, 1, 1) * daySeconds - 1);
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
  // A second is a set of one.
  const positions = frequency === "SECONDLY" ? 1 : chance(0.8) ? 4 : 40;
  if (expands && chance(0.25)) parts.set("BYSETPOS", list(3, signed(positions)));

  if (parts.has("BYWEEKNO")) {
    // dateutil misses the days of week 52 that lie in January, such as 1 January 2022, and chooses BYSETPOS and INTERVAL by
    // calendar years instead of the years that weeks belong to. These rules are expanded by the definition instead.
    parts.delete("BYSETPOS");
  }
  if (frequency === "WEEKLY" && parts.has("BYSETPOS")) {
    // dateutil's first week begins with DTSTART; "a set of recurrence instances starts at the beginning of the interval".
    const first = weekdays.indexOf(parts.get("WKST") ?? "MO");
    const day = Math.floor(start / daySeconds);
    start -= ((weekdayOf(day) - first + 7) % 7) * daySeconds;
  }
  if (chance(0.3)) parts.set("COUNT", `${whole(1, 40)}`);
  else parts.set("UNTIL", formatLocal(until));

  const rule = [...parts].map(([name, value]) => `${name}=${value}`).join(";");
  let asked = rule;
  // A rule that names weeks but no day takes the weekday from DTSTART ("if the BYDAY … rule part were missing, the appropriate
  // … day … would have been retrieved from DTSTART", §3.3.10); dateutil takes all seven.
  if (parts.has("BYWEEKNO") && !parts.has("BYDAY") && !parts.has("BYMONTHDAY") && !parts.has("BYYEARDAY"))
    asked += `;BYDAY=${weekdays[weekdayOf(Math.floor(start / daySeconds))]}`;
  if (parts.has("COUNT")) asked += `;UNTIL=${formatLocal(until)}`;
  return { rule, asked, start };
}

function expand({ rule, start, asked }: Case, withStart: boolean, limit: number, from?: number): number[] {
  const parsed = parseRule(rule, 0);
  const last = parseRule(asked, 0, true).until!.local;
  const starts = startsOf(parsed, start, false, { last, withStart, ...(from === undefined ? {} : { from }) });
  const found: number[] = [];
  for (let next = starts.next(); next !== undefined && found.length < limit; next = starts.next()) found.push(next);
  return found;
}

const texts = (starts: readonly number[]): string => starts.slice(0, 12).map(formatLocal).join();

function randomCases(): Case[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => randomCase(random));
}

test(`${count} random rules give the instances that python3-dateutil gives (seed ${seed})`, () => {
  const probe = spawnSync(python, ["-c", "import dateutil.rrule"], { encoding: "utf8" });
  assert.equal(probe.status, 0, `${python} has no dateutil: install the package python3-dateutil (scripts/setup does)`);
  const cases = randomCases();
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
    // dateutil does not count a DTSTART that the rule does not give.
    const found = expand(one, false, most);
    if (found.map(formatLocal).join() !== wanted.join())
      problems.push(
        `DTSTART:${formatLocal(one.start)} ${one.rule}\n  here ${texts(found)}\n  there ${wanted.slice(0, 12)}`,
      );
  }
  assert.deepEqual(problems.slice(0, 20), [], `${problems.length} of ${count} rules differ`);
  assert.ok(instances > count * 5, `only ${instances} instances were compared`);
});

test("asking from any time on gives the same instances as walking there from DTSTART", () => {
  const random = randomNumbers(seed + 1);
  for (const one of randomCases()) {
    const withStart = random() < 0.5;
    const all = expand(one, withStart, 3_000);
    if (all.length === 0 || all.length === 3_000) continue;
    const from = all[Math.floor(random() * all.length)]! + Math.floor(random() * 3) - 1;
    const wanted = all.filter((start) => start >= from);
    assert.equal(
      texts(expand(one, withStart, 3_000, from)),
      texts(wanted),
      `DTSTART:${formatLocal(one.start)} ${one.rule} from ${formatLocal(from)}`,
    );
  }
});
