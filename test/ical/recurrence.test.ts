import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRule } from "../../src/ical/recurrence.ts";
import type { StartsOptions } from "../../src/ical/recurrence-starts.ts";
import { startsOf } from "../../src/ical/recurrence-starts.ts";
import { dayNumber, formatDate, formatLocal, parseDateTimeText } from "../../src/ical/time.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { seeded } from "../support/recurring-cases.ts";
import { dates } from "./calendar-text.ts";

const local = (text: string): number => parseDateTimeText(text)!.local;

/** The first starts of a rule; a DTSTART of 8 digits is a date. */
function starts(dtstart: string, rule: string, limit: number, options: StartsOptions = {}): string[] {
  const isDate = dtstart.length === 8;
  const walk = startsOf(parseRule(rule, 1), local(dtstart), isDate, options);
  const found: string[] = [];
  for (let next = walk.next(); next !== undefined; next = walk.next()) {
    found.push(isDate ? formatDate(next) : formatLocal(next));
    if (found.length === limit) break;
  }
  return found;
}

const refusedFor = (rule: string, code: string, problem: RegExp): void => {
  assert.throws(
    () => parseRule(rule, 7),
    (error) => error instanceof Refusal && error.reason.code === code && problem.test(error.message),
    rule,
  );
};

const refusals: readonly (readonly [rule: string, problem: RegExp])[] = [
  ["", /FREQ is missing/],
  ["COUNT=3", /line 7: recurrence rule: FREQ is missing/],
  ["FREQ=FORTNIGHTLY", /FREQ must be one of SECONDLY, .*found FORTNIGHTLY/],
  ["FREQ=DAILY;INTERVAL=0", /INTERVAL must be from 1 to 2147483647, found "0"/],
  ["FREQ=DAILY;INTERVAL=-1", /INTERVAL must be from 1/],
  ["FREQ=DAILY;INTERVAL=99999999999", /INTERVAL must be from 1 to 2147483647/],
  ["FREQ=DAILY;COUNT=0", /COUNT must be from 1/],
  ["FREQ=DAILY;COUNT=1.5", /COUNT must be from 1/],
  ["FREQ=DAILY;COUNT=3;UNTIL=20260101", /COUNT and UNTIL/],
  ["FREQ=DAILY;UNTIL=20260230", /UNTIL must be .*20260230/],
  ["FREQ=DAILY;UNTIL=tomorrow", /UNTIL/],
  ["FREQ=DAILY;FREQ=DAILY", /FREQ stands there twice/],
  ["FREQ=DAILY;BYHOUR=24", /BYHOUR must be from 0 to 23, found "24"/],
  ["FREQ=DAILY;BYMINUTE=60", /BYMINUTE must be from 0 to 59/],
  ["FREQ=DAILY;BYSECOND=61", /BYSECOND must be from 0 to 60/],
  ["FREQ=DAILY;BYHOUR=", /BYHOUR=" is not NAME=VALUE/],
  ["FREQ=DAILY;BYHOUR=1,,2", /BYHOUR/],
  ["FREQ=MONTHLY;BYMONTHDAY=0", /BYMONTHDAY must be from 1 to 31 or from -31 to -1/],
  ["FREQ=MONTHLY;BYMONTHDAY=-32", /BYMONTHDAY/],
  ["FREQ=YEARLY;BYYEARDAY=367", /BYYEARDAY must be from 1 to 366/],
  ["FREQ=YEARLY;BYWEEKNO=54", /BYWEEKNO must be from 1 to 53/],
  ["FREQ=YEARLY;BYMONTH=13", /BYMONTH must be from 1 to 12/],
  ["FREQ=YEARLY;BYMONTH=-1", /BYMONTH must be from 1 to 12/],
  ["FREQ=YEARLY;BYDAY=MO;BYSETPOS=0", /BYSETPOS/],
  ["FREQ=WEEKLY;BYDAY=XX", /BYDAY must list weekdays/],
  ["FREQ=MONTHLY;BYDAY=0MO", /BYDAY/],
  ["FREQ=YEARLY;BYDAY=54MO", /BYDAY/],
  ["FREQ=WEEKLY;WKST=1", /WKST must be one of MO, TU/],
  ["FREQ=WEEKLY;BYDAY=1MO", /BYDAY takes numbers with FREQ=MONTHLY and FREQ=YEARLY only/],
  ["FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", /BYDAY takes no numbers beside BYWEEKNO/],
  ["FREQ=WEEKLY;BYMONTHDAY=1", /BYMONTHDAY does not go with FREQ=WEEKLY/],
  ["FREQ=DAILY;BYYEARDAY=1", /BYYEARDAY does not go with FREQ=DAILY/],
  ["FREQ=MONTHLY;BYWEEKNO=1", /BYWEEKNO goes with FREQ=YEARLY only/],
  ["FREQ=DAILY;BYEASTER=1", /BYEASTER is not a part of a rule/],
  ["FREQ=DAILY;SKIP=OMIT", /SKIP needs RSCALE/],
  ["FREQ=DAILY;nonsense", /"nonsense" is not NAME=VALUE/],
  [`FREQ=DAILY;BYSECOND=${"1,".repeat(6000)}1`, /longer than 10000 characters/],
];

for (const [rule, problem] of refusals)
  test(`the rule ${JSON.stringify(rule.slice(0, 60))} is refused with valid-calendar-data, and the text names the part`, () => {
    refusedFor(rule, "valid-calendar-data", problem);
  });

test("a rule of an unknown calendar, or with parts not counted in it, is refused with supported-rscale", () => {
  refusedFor("RSCALE=MAYAN;FREQ=YEARLY", "supported-rscale", /RSCALE=MAYAN: is not known/);
  refusedFor("RSCALE=CHINESE;FREQ=YEARLY;BYWEEKNO=1", "supported-rscale", /weeks are numbered in GREGORIAN only/);
  refusedFor("RSCALE=HEBREW;FREQ=DAILY;BYMONTH=5L", "supported-rscale", /FREQ=YEARLY and FREQ=MONTHLY only/);
  refusedFor("RSCALE=GREGORIAN;FREQ=YEARLY;BYMONTH=5L", "valid-calendar-data", /BYMONTH/);
  refusedFor("RSCALE=HEBREW;FREQ=YEARLY;BYMONTH=14", "valid-calendar-data", /BYMONTH must list months such as 5 or 5L/);
  assert.equal(parseRule("rscale=gregorian;freq=yearly", 1).frequency, "YEARLY");
  assert.equal(parseRule("RSCALE=BUDDHIST;FREQ=YEARLY", 1).scale, undefined);
});

test("parts stand in any order and case, X- parts say nothing, a semicolon may end the list", () => {
  const rule = parseRule("byday=mo,-1fr;X-NOTE=1;Freq=Monthly;", 1);
  assert.deepEqual(rule.byDay, [
    { ordinal: 0, weekday: 0 },
    { ordinal: -1, weekday: 4 },
  ]);
});

test("data already stored may have COUNT with UNTIL, and parts that do not go with the frequency: they limit", () => {
  const rule = parseRule("FREQ=WEEKLY;COUNT=9;UNTIL=20260301;BYMONTHDAY=1,8,15;BYDAY=1TH", 1, true);
  const walk = startsOf(rule, local("20260101"), true);
  const found = [walk.next(), walk.next(), walk.next()].map((start) => formatDate(start ?? 0));
  assert.deepEqual(found, dates("2026 Jan 1,8,15"));
});

test("a date that a month or year does not have is left out", () => {
  assert.deepEqual(starts("20240229", "FREQ=YEARLY", 3), dates("2024 Feb 29; 2028 Feb 29; 2032 Feb 29"));
  assert.deepEqual(starts("20260131", "FREQ=MONTHLY", 4), dates("2026 Jan 31 Mar 31 May 31 Jul 31"));
  assert.deepEqual(starts("20261231", "FREQ=YEARLY;BYYEARDAY=366", 2), ["20261231", "20281231"]);
  assert.deepEqual(starts("20260131", "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=31", 5), ["20260131"]);
});

test("a DTSTART that the rule does not give is the first instance and counts for COUNT", () => {
  assert.deepEqual(starts("20260105", "FREQ=WEEKLY;BYDAY=TU;COUNT=3", 9), dates("2026 Jan 5,6,13"));
  const asked = { from: local("20260107") };
  assert.deepEqual(starts("20260105", "FREQ=WEEKLY;BYDAY=TU;COUNT=3", 9, asked), dates("2026 Jan 13"));
});

test("BYSETPOS chooses from the whole interval, also where it begins before DTSTART", () => {
  assert.deepEqual(starts("20260107", "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=3", 3), dates("2026 Jan 7,9,16"));
  assert.deepEqual(starts("20260101T090000", "FREQ=DAILY;BYHOUR=9,12,15;BYSETPOS=1,-1", 4), [
    "20260101T090000",
    "20260101T150000",
    "20260102T090000",
    "20260102T150000",
  ]);
});

test("the weeks of a year may begin in December and end in January", () => {
  assert.deepEqual(starts("20181231", "FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO", 3), ["20181231", "20191230", "20210104"]);
  assert.deepEqual(starts("20191230", "FREQ=YEARLY;INTERVAL=2;BYWEEKNO=1;BYDAY=MO", 3), [
    "20191230",
    "20220103",
    "20240101",
  ]);
  assert.deepEqual(starts("20201231", "FREQ=YEARLY;BYWEEKNO=53", 3), ["20201231", "20261231", "20321230"]);
});

test("BYWEEKNO without a day takes the weekday of DTSTART", () => {
  assert.deepEqual(starts("19970514", "FREQ=YEARLY;BYWEEKNO=20", 3), ["19970514", "19980513", "19990519"]);
});

test("numbered and plain weekdays together are a union", () => {
  assert.deepEqual(starts("20260105", "FREQ=MONTHLY;BYDAY=MO,1TU", 5), dates("2026 Jan 5,6,12,19,26"));
});

test("second 60 is second 59", () => {
  assert.deepEqual(starts("20260101T000059", "FREQ=MINUTELY;BYSECOND=60", 2), ["20260101T000059", "20260101T000159"]);
});

test("rules for dates ignore BYHOUR, BYMINUTE and BYSECOND, and read frequencies below a day as days", () => {
  assert.deepEqual(starts("20260101", "FREQ=DAILY;BYHOUR=9,10;BYMINUTE=30", 3), dates("2026 Jan 1-3"));
  assert.deepEqual(starts("20260101", "FREQ=HOURLY;INTERVAL=48", 3), dates("2026 Jan 1,3,5"));
});

test("SKIP of RFC 7529 moves what a month or year does not have", () => {
  // The table of RFC 7529 §4.3.4.
  assert.deepEqual(starts("20120229", "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=FORWARD", 6), [
    "20120229",
    "20130301",
    "20140301",
    "20150301",
    "20160229",
    "20170301",
  ]);
  assert.deepEqual(starts("20120229", "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=BACKWARD", 3), [
    "20120229",
    "20130228",
    "20140228",
  ]);
  assert.deepEqual(starts("20120229", "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=OMIT", 2), ["20120229", "20160229"]);
  const backward = "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD";
  assert.deepEqual(starts("20140131", backward, 4), dates("2014 Jan 31 Feb 28 Mar 31 Apr 30"));
  assert.deepEqual(starts("20140131", `${backward};COUNT=3`, 9), dates("2014 Jan 31 Feb 28 Mar 31"));
});

test("rules count in other calendars: the examples of RFC 7529 §4.3", () => {
  assert.deepEqual(
    starts("20130210", "RSCALE=CHINESE;FREQ=YEARLY", 5),
    "20130210 20140131 20150219 20160208 20170128".split(" "),
  );
  assert.deepEqual(
    starts("20130906", "RSCALE=ETHIOPIC;FREQ=MONTHLY;BYMONTH=13", 5),
    "20130906 20140906 20150906 20160906 20170906".split(" "),
  );
  const adar = "RSCALE=HEBREW;FREQ=YEARLY;BYMONTH=5L;BYMONTHDAY=8";
  assert.deepEqual(
    starts("20140208", `${adar};SKIP=FORWARD`, 5),
    "20140208 20150227 20160217 20170306 20180223".split(" "),
  );
  assert.deepEqual(starts("20140208", `${adar};SKIP=BACKWARD`, 3), "20140208 20150128 20160217".split(" "));
  assert.deepEqual(starts("20140208", adar, 3), "20140208 20160217 20190213".split(" "));
});

test("in another calendar a leap month is a month of MONTHLY, and days that it lacks are skipped as SKIP says", () => {
  // The leap month after the second of the Chinese year 2023 began on 22 March and had 29 days.
  assert.deepEqual(
    starts("20230122", "RSCALE=CHINESE;FREQ=MONTHLY", 5),
    "20230122 20230220 20230322 20230420 20230519".split(" "),
  );
  // The thirtieth day, which the leap month does not have.
  assert.deepEqual(starts("20230321", "RSCALE=CHINESE;FREQ=MONTHLY;SKIP=BACKWARD", 2), "20230321 20230419".split(" "));
  assert.deepEqual(starts("20230321", "RSCALE=CHINESE;FREQ=MONTHLY;SKIP=FORWARD", 2), "20230321 20230420".split(" "));
  const lastOfYear = "RSCALE=CHINESE;FREQ=YEARLY;BYYEARDAY=-1";
  assert.deepEqual(starts("20230121", lastOfYear, 3), "20230121 20240209 20250128".split(" "));
  assert.deepEqual(starts("20230121", `${lastOfYear};COUNT=2`, 3, { from: local("20230201") }), ["20240209"]);
  // The last Sunday of each Persian year's first month, far ahead.
  const nowruz = "RSCALE=PERSIAN;FREQ=YEARLY;BYMONTH=1;BYDAY=1SU";
  assert.deepEqual(starts("20260322", nowruz, 2, { from: local("20990101") }), "20990322 21000321".split(" "));
});

for (const [scale, calendar] of [
  ...[["CHINESE", "chinese"] as const, ["DANGI", "dangi"] as const, ["HEBREW", "hebrew"] as const],
  ...[["ETHIOPIC", "ethiopic"] as const, ["COPTIC", "coptic"] as const, ["PERSIAN", "persian"] as const],
  ...[["ISLAMIC-UMALQURA", "islamic-umalqura"] as const, ["INDIAN", "indian"] as const],
])
  test(`${scale}: a birthday is on the same month and day of that calendar each year, as the platform reckons`, () => {
    const format = new Intl.DateTimeFormat(`en-u-ca-${calendar}`, { timeZone: "UTC", month: "long", day: "numeric" });
    const random = seeded(7529);
    for (let birthdays = 0; birthdays < 12; birthdays++) {
      const day = dayNumber(
        1950 + Math.floor(random() * 70),
        1 + Math.floor(random() * 12),
        1 + Math.floor(random() * 28),
      );
      const found = starts(formatDate(day * 86_400), `RSCALE=${scale};FREQ=YEARLY`, 8).map((text) => {
        const { local: at = 0 } = parseDateTimeText(text) ?? {};
        return format.format(at * 1000).replace(/ II\b/, "");
      });
      assert.ok(found.length > 3);
      assert.equal(new Set(found).size, 1, `${formatDate(day * 86_400)}: ${found.join()}`);
    }
  });

test("a day moved onto one that is there anyway is one instance", () => {
  const rule = "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD;BYMONTHDAY=1,31;BYHOUR=9,17";
  assert.deepEqual(starts("20260131T090000", rule, 6), [
    ...["20260131T090000", "20260131T170000", "20260201T090000", "20260201T170000"],
    ...["20260301T090000", "20260301T170000"],
  ]);
  assert.deepEqual(starts("20260131T090000", `${rule};COUNT=5`, 9, { from: local("20260201T120000") }), [
    "20260201T170000",
    "20260301T090000",
  ]);
});

const never = [
  "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
  "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
  "FREQ=DAILY;BYMONTHDAY=31;BYMONTH=2,4,6,9,11",
  "FREQ=WEEKLY;INTERVAL=2;BYMONTH=2;BYSETPOS=5",
  "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
  "FREQ=MONTHLY;BYDAY=6MO",
  "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
  "FREQ=YEARLY;BYMONTH=2,3;BYDAY=3WE;BYSETPOS=3",
  "FREQ=YEARLY;BYMONTH=3;BYDAY=1TH;BYSETPOS=2",
  "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
  "FREQ=YEARLY;BYDAY=53MO;BYMONTH=1",
  "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
  "FREQ=HOURLY;INTERVAL=24;BYHOUR=10",
  "FREQ=HOURLY;INTERVAL=168;BYDAY=TU",
  "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30;BYDAY=MO",
  "FREQ=MINUTELY;INTERVAL=1439;BYHOUR=3;BYMINUTE=5;BYMONTH=2;BYMONTHDAY=30",
  "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
  "FREQ=SECONDLY;INTERVAL=60;BYSECOND=30",
  "FREQ=SECONDLY;INTERVAL=86399;BYMONTHDAY=30;BYMONTH=2",
  "FREQ=SECONDLY;BYSETPOS=2",
];

/** Milliseconds of CPU that the fastest of some runs takes: other processes do not count, nor does the compiler's warming up. */
function fastest(work: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 12; run++) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}

for (const rule of never)
  test(`a rule that never matches ends in less than 5 ms: ${rule}`, () => {
    // 1 January 2001 is a Monday.
    assert.deepEqual(starts("20010101T090000", rule, 9, { withStart: false }), []);
    assert.ok(fastest(() => starts("20010101T090000", rule, 9, { withStart: false })) < 5);
    assert.ok(fastest(() => starts("20010101T090000", rule, 9, { from: local("20400101") })) < 5);
  });

test("instances that come once in decades are found", () => {
  assert.deepEqual(starts("20160229T090000", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", 3), [
    "20160229T090000",
    "20440229T090000",
    "20720229T090000",
  ]);
  assert.deepEqual(
    starts("20160229T090000", "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;BYHOUR=9;BYMINUTE=0;BYSECOND=0", 3),
    ["20160229T090000", "20440229T090000", "20720229T090000"],
  );
});

const far: readonly (readonly [rule: string, first: string])[] = [
  ["FREQ=DAILY", "20400101T090000"],
  ["FREQ=SECONDLY", "20400101T000000"],
  ["FREQ=SECONDLY;INTERVAL=7", "20400101T000003"],
  ["FREQ=SECONDLY;COUNT=2000000000", "20400101T000000"],
  ["FREQ=SECONDLY;BYHOUR=9;COUNT=1000000000", "20400101T090000"],
  ["FREQ=DAILY;COUNT=1000000000", "20400101T090000"],
  ["FREQ=DAILY;BYDAY=MO,TU;COUNT=1000000", "20400102T090000"],
  ["FREQ=WEEKLY;BYDAY=MO,WE;BYMONTH=1,2;COUNT=1000000", "20400102T090000"],
  ["FREQ=MONTHLY;BYDAY=-1FR;COUNT=100000", "20400127T090000"],
  ["FREQ=MINUTELY;BYDAY=MO;INTERVAL=13", "20400102T001100"],
  ["FREQ=YEARLY;BYMONTH=1;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,1,2,3;BYMINUTE=0,30", "20400101T000000"],
];

for (const [rule, first] of far)
  test(`asked for 2040, a rule of 2001 answers within 3 ms: ${rule}`, () => {
    const from = local("20400101T000000");
    assert.equal(starts("20010101T090000", rule, 1, { from })[0], first);
    assert.ok(fastest(() => starts("20010101T090000", rule, 1, { from })) < 3);
  });

test("COUNT is reached where it is, also when asked from far on", () => {
  const from = local("20260110T000000");
  assert.deepEqual(starts("20260101T000000", "FREQ=SECONDLY;COUNT=777601", 9, { from }), ["20260110T000000"]);
  assert.deepEqual(starts("20260101T000000", "FREQ=SECONDLY;COUNT=777600", 9, { from }), []);
  assert.deepEqual(starts("20260101T000000", "FREQ=SECONDLY;BYHOUR=0,5;COUNT=64801", 9, { from }), ["20260110T000000"]);
  assert.deepEqual(starts("20260101T000000", "FREQ=SECONDLY;BYHOUR=0,5;COUNT=64800", 9, { from }), []);
  assert.deepEqual(starts("20260101", "FREQ=DAILY;COUNT=10", 9, { from }), ["20260110"]);
  assert.deepEqual(starts("20260101", "FREQ=WEEKLY;BYDAY=TH,FR;COUNT=4", 9, { from: local("20260109") }), ["20260109"]);
});
