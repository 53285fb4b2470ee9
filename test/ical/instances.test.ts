import assert from "node:assert/strict";
import { test } from "node:test";
import { countInstances, instancesIn, occurrences } from "../../src/ical/instances.ts";
import { formatDateTime } from "../../src/ical/time.ts";
import { ianaZone, utcZone } from "../../src/ical/zones.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { always, at, dates, events, localStarts, range, spans } from "./calendar-text.ts";

const all = (...texts: readonly string[]) => instancesIn(events(...texts), always, utcZone, 1000);
const weekly =
  "DTSTART;TZID=Europe/Berlin:20260316T090000\nDTEND;TZID=Europe/Berlin:20260316T100000\nRRULE:FREQ=WEEKLY;COUNT=4";

test("an instance keeps its local time when clocks change", () => {
  assert.deepEqual(spans(all(weekly)), [
    "20260316T080000Z/20260316T090000Z",
    "20260323T080000Z/20260323T090000Z",
    "20260330T070000Z/20260330T080000Z",
    "20260406T070000Z/20260406T080000Z",
  ]);
});

test("an instance says what it was made from", () => {
  const object = events(weekly, "RECURRENCE-ID:20260330T070000Z\nDTSTART:20260330T120000Z\nSUMMARY:moved");
  const { instances, complete } = instancesIn(object, always, utcZone, 10);
  assert.equal(complete, true);
  assert.deepEqual(
    instances.map(({ recurrenceId }) => recurrenceId && formatDateTime(recurrenceId)),
    ["20260316T090000", "20260323T090000", "20260330T070000Z", "20260406T090000"],
  );
  assert.deepEqual(
    instances.map(({ component }) => component === object.master),
    [true, true, false, true],
  );
  assert.equal(
    instancesIn(events("DTSTART:20260330T120000Z"), always, utcZone, 10).instances[0]?.recurrenceId,
    undefined,
  );
});

test("expansion stops at the limit and says so", () => {
  const object = events("DTSTART:20260101T090000Z\nRRULE:FREQ=DAILY");
  const { instances, complete } = instancesIn(object, always, utcZone, 5);
  assert.equal(instances.length, 5);
  assert.equal(complete, false);
  assert.equal(instancesIn(object, range("20260101T000000Z", "20260106T000000Z"), utcZone, 5).complete, true);
});

test("a range far from DTSTART is answered from there", () => {
  const object = events("DTSTART;TZID=Europe/Berlin:20010101T090000\nRRULE:FREQ=DAILY\nDURATION:P2D");
  assert.deepEqual(spans(instancesIn(object, range("20400101T000000Z", "20400102T000000Z"), utcZone, 10)), [
    "20391230T080000Z/20400101T080000Z",
    "20391231T080000Z/20400102T080000Z",
    "20400101T080000Z/20400103T080000Z",
  ]);
});

// ------------------------------------------------------------------------------------------------------------- overrides

for (const [form, id] of [
  ["in the master's zone", ";TZID=Europe/Berlin:20260323T090000"],
  ["in UTC", ":20260323T080000Z"],
  ["in another zone", ";TZID=America/New_York:20260323T040000"],
  ["floating", ":20260323T090000"],
  ["as a date", ";VALUE=DATE:20260323"],
] as const)
  test(`RECURRENCE-ID is compared by instant: ${form}`, () => {
    const override = `RECURRENCE-ID${id}\nDTSTART;TZID=Europe/Berlin:20260324T150000`;
    assert.deepEqual(localStarts(all(weekly, override)), [
      ...["20260316T090000", "20260324T150000", "20260330T090000", "20260406T090000"],
    ]);
  });

test("an override counts where it lies, not where its instance was", () => {
  const object = events(weekly, "RECURRENCE-ID:20260323T080000Z\nDTSTART:20260501T080000Z\nDURATION:PT1H");
  assert.deepEqual(spans(instancesIn(object, range("20260323T000000Z", "20260324T000000Z"), utcZone, 9)), []);
  assert.deepEqual(spans(instancesIn(object, range("20260501T000000Z", "20260502T000000Z"), utcZone, 9)), [
    "20260501T080000Z/20260501T090000Z",
  ]);
});

test("overrides without a master are instances", () => {
  const one = "RECURRENCE-ID:20260323T080000Z\nDTSTART:20260323T090000Z\nDURATION:PT1H";
  const two = "RECURRENCE-ID:20260316T080000Z\nDTSTART:20260316T090000Z\nDURATION:PT1H";
  assert.deepEqual(spans(all(one, two)), ["20260316T090000Z/20260316T100000Z", "20260323T090000Z/20260323T100000Z"]);
});

test("an override of no instance is an instance of its own, of an excluded one too", () => {
  const stray = "RECURRENCE-ID:20260318T080000Z\nDTSTART:20260318T100000Z";
  const excluded = "RECURRENCE-ID:20260323T080000Z\nDTSTART:20260323T100000Z";
  assert.deepEqual(localStarts(all(`${weekly}\nEXDATE:20260323T080000Z`, stray, excluded)), [
    ...["20260316T090000", "20260318T100000Z", "20260323T100000Z", "20260330T090000", "20260406T090000"],
  ]);
});

test("an override of an event that does not recur replaces it", () => {
  const override = "RECURRENCE-ID:20260316T080000Z\nDTSTART:20260317T080000Z";
  assert.deepEqual(localStarts(all("DTSTART:20260316T080000Z", override)), ["20260317T080000Z"]);
  assert.deepEqual(localStarts(all("DTSTART:20260315T080000Z", override)), ["20260315T080000Z", "20260317T080000Z"]);
});

test("a cancelled or transparent override is an instance that is free", () => {
  const { instances } = all(weekly, "RECURRENCE-ID:20260323T080000Z\nDTSTART:20260323T080000Z\nSTATUS:CANCELLED");
  assert.deepEqual(
    instances.map(({ busy }) => busy),
    ["BUSY", "FREE", "BUSY", "BUSY"],
  );
});

test("RANGE=THISANDFUTURE moves the instance and all later ones, by the clock, with the new length", () => {
  const future =
    "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260323T090000\nDTSTART;TZID=Europe/Berlin:20260324T110000\nDURATION:PT30M";
  const { instances } = all(weekly, future);
  assert.deepEqual(spans({ instances }), [
    "20260316T080000Z/20260316T090000Z",
    "20260324T100000Z/20260324T103000Z",
    "20260331T090000Z/20260331T093000Z",
    "20260407T090000Z/20260407T093000Z",
  ]);
  assert.equal(formatDateTime(instances[3]!.recurrenceId!), "20260406T090000");
  assert.equal(instances[3]!.component, instances[1]!.component);
});

test("a later THISANDFUTURE, and a single override after one, go their own way", () => {
  const first = "RECURRENCE-ID;RANGE=THISANDFUTURE:20260323T080000Z\nDTSTART;TZID=Europe/Berlin:20260323T100000";
  const single = "RECURRENCE-ID:20260330T070000Z\nDTSTART;TZID=Europe/Berlin:20260330T200000";
  const second = "RECURRENCE-ID;RANGE=THISANDFUTURE:20260406T070000Z\nDTSTART;TZID=Europe/Berlin:20260405T090000";
  assert.deepEqual(localStarts(all(weekly.replace("COUNT=4", "COUNT=5"), second, single, first)), [
    ...["20260316T090000", "20260323T100000", "20260330T200000", "20260405T090000", "20260412T090000"],
  ]);
});

test("instances moved far by THISANDFUTURE are found where they are now", () => {
  const future = "RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20260102\nDTSTART;VALUE=DATE:20260302";
  const object = events("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY", future);
  const found = instancesIn(object, range("20270101T000000Z", "20270102T000000Z"), utcZone, 9);
  assert.deepEqual(localStarts(found), ["20270101"]);
  assert.equal(formatDateTime(found.instances[0]!.recurrenceId!), "20261103");
});

// ------------------------------------------------------------------------------------------------------- exceptions, dates

for (const [form, exdate] of [
  ["in the master's zone", ";TZID=Europe/Berlin:20260323T090000"],
  ["in UTC", ":20260323T080000Z"],
  ["in another zone", ";TZID=America/New_York:20260323T040000"],
  ["floating", ":20260323T090000"],
  ["as a date", ";VALUE=DATE:20260323"],
  ["in a list", ":20260101T000000Z,20260323T080000Z"],
] as const)
  test(`EXDATE takes an instance away: ${form}`, () => {
    assert.deepEqual(localStarts(all(`${weekly}\nEXDATE${exdate}`)), [
      "20260316T090000",
      "20260330T090000",
      "20260406T090000",
    ]);
  });

test("EXDATE can take DTSTART away, and then COUNT has counted it", () => {
  assert.equal(localStarts(all(`${weekly}\nEXDATE:20260316T080000Z`))[0], "20260323T090000");
  assert.deepEqual(localStarts(all(`${weekly.replace("4", "1")}\nEXDATE:20260316T080000Z`)), []);
});

test("EXDATE of an all-day event may carry a time", () => {
  const found = all("DTSTART;VALUE=DATE:20260316\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260317T000000Z\nEXDATE:");
  assert.deepEqual(localStarts(found), ["20260316", "20260318"]);
});

test("EXRULE of old data takes instances away", () => {
  const daily = "DTSTART;TZID=Europe/Berlin:20260316T090000\nRRULE:FREQ=DAILY;COUNT=7\nEXRULE:FREQ=WEEKLY;BYDAY=SA,SU";
  assert.deepEqual(localStarts(all(daily)), dates("2026 Mar 16-20", "T090000"));
  const far = events(daily.replace(";COUNT=7", ""));
  assert.deepEqual(localStarts(instancesIn(far, range("20400107T000000Z", "20400110T000000Z"), utcZone, 9)), [
    "20400109T090000",
  ]);
});

test("RDATE adds to DTSTART, once, in any form and zone", () => {
  assert.deepEqual(localStarts(all("DTSTART:20260316T090000Z\nRDATE:20260320T090000Z,20260316T090000Z")), [
    "20260316T090000Z",
    "20260320T090000Z",
  ]);
  const zoned = `${weekly}\nRDATE;TZID=America/New_York:20260323T040000\nRDATE:20260401T120000Z`;
  assert.deepEqual(spans(all(zoned)).length, 5);
});

test("an RDATE that is a PERIOD brings its own length, also at an instance of the rule", () => {
  const periods = "RDATE;VALUE=PERIOD:20260323T080000Z/PT3H,20260325T080000Z/20260325T083000Z";
  assert.deepEqual(spans(all(`${weekly.replace("4", "2")}\n${periods}`)), [
    "20260316T080000Z/20260316T090000Z",
    "20260323T080000Z/20260323T110000Z",
    "20260325T080000Z/20260325T083000Z",
  ]);
});

test("an RDATE in UTC without a length of its own leaves an instance of the rule as long as it was", () => {
  // The clocks of Cairo go forward in the night after 2006-04-27: a week of its clock has an hour less.
  const zoned = "DTSTART;TZID=Africa/Cairo:20060427T073000\nDURATION:P1W\nRRULE:FREQ=HOURLY;COUNT=12";
  const instance = "20060427T143000Z/20060504T133000Z";
  assert.ok(spans(all(zoned)).includes(instance));
  assert.ok(spans(all(`${zoned}\nRDATE:20060427T143000Z`)).includes(instance));
});

test("a long RDATE period is found by its end", () => {
  const object = events("DTSTART:20260101T090000Z\nRRULE:FREQ=YEARLY\nRDATE;VALUE=PERIOD:20260201T000000Z/P60D");
  assert.equal(instancesIn(object, range("20260320T000000Z", "20260321T000000Z"), utcZone, 9).instances.length, 1);
});

test("an empty RRULE, as some exporters write, is none", () => {
  assert.deepEqual(localStarts(all("DTSTART;VALUE=DATE:20260105\nRRULE:")), ["20260105"]);
});

test("two rules are a union", () => {
  const two =
    "DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=WEEKLY;COUNT=3\nRRULE:FREQ=DAILY;INTERVAL=7;COUNT=2\nRRULE:FREQ=MONTHLY;COUNT=2";
  assert.deepEqual(localStarts(all(two)), ["20260105", "20260112", "20260119", "20260205"]);
});

// ----------------------------------------------------------------------------------------------------------- ends, clocks

test("DTEND gives every instance the same exact length, DURATION the same days", () => {
  // Clocks in Berlin go forward on 29 March 2026: that day has 23 hours.
  const start = "DTSTART;TZID=Europe/Berlin:20260327T120000\nRRULE:FREQ=DAILY;COUNT=2";
  assert.deepEqual(spans(all(`${start}\nDTEND;TZID=Europe/Berlin:20260328T120000`)), [
    "20260327T110000Z/20260328T110000Z",
    "20260328T110000Z/20260329T110000Z",
  ]);
  assert.deepEqual(spans(all(`${start}\nDURATION:P1D`))[1], "20260328T110000Z/20260329T100000Z");
  assert.deepEqual(spans(all(`${start}\nDURATION:PT24H`))[1], "20260328T110000Z/20260329T110000Z");
});

test("DTSTART and DTEND may have different zones", () => {
  const flight = "DTSTART;TZID=Europe/Berlin:20260105T100000\nDTEND;TZID=America/New_York:20260105T130000";
  assert.deepEqual(spans(all(flight)), ["20260105T090000Z/20260105T180000Z"]);
});

test("without an end, a timed event has no length and an all-day event one day", () => {
  assert.deepEqual(spans(all("DTSTART:20260105T090000Z")), ["20260105T090000Z/20260105T090000Z"]);
  assert.deepEqual(spans(all("DTSTART;VALUE=DATE:20260105")), ["20260105T000000/20260106T000000"]);
  assert.deepEqual(spans(all("DTSTART:20260105")), ["20260105T000000/20260106T000000"], "without VALUE=DATE too");
  assert.deepEqual(spans(all("DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260105")), [
    "20260105T000000/20260106T000000",
  ]);
  assert.deepEqual(spans(all("DTSTART:20260105T090000Z\nDTEND:20260105T080000Z")), [
    "20260105T090000Z/20260105T090000Z",
  ]);
});

test("a daily event in the gap is an hour later on that day, in the hour that comes twice it is early", () => {
  const daily = "DTSTART;TZID=Europe/Berlin:20260328T023000\nRRULE:FREQ=DAILY;COUNT=3";
  assert.deepEqual(
    spans(all(daily)).map((span) => span.slice(0, 16)),
    ["20260328T013000Z", "20260329T013000Z", "20260330T003000Z"],
  );
  const autumn = "DTSTART;TZID=Europe/Berlin:20261024T023000\nRRULE:FREQ=DAILY;COUNT=3";
  assert.deepEqual(
    spans(all(autumn)).map((span) => span.slice(0, 16)),
    ["20261024T003000Z", "20261025T003000Z", "20261026T013000Z"],
  );
});

test("an RDATE is one instance with the rule's, also where a gap sets the rule's instants back", () => {
  const { instances } = all(
    "DTSTART;TZID=America/New_York:20210314T024500\nRRULE:FREQ=MINUTELY;INTERVAL=15;COUNT=5\nRDATE;TZID=America/New_York:20210314T033000",
  );
  assert.deepEqual(spans({ instances }), [
    "20210314T070000Z/20210314T070000Z",
    "20210314T071500Z/20210314T071500Z",
    "20210314T073000Z/20210314T073000Z",
    "20210314T074500Z/20210314T074500Z",
  ]);
});

test("times in the gap and the times they are read as are one instance", () => {
  const halfHourly =
    "DTSTART;TZID=Europe/Berlin:20260329T013000\nRRULE:FREQ=MINUTELY;INTERVAL=30;UNTIL=20260329T020000Z";
  assert.deepEqual(
    spans(all(halfHourly)).map((span) => span.slice(9, 16)),
    [...["003000Z", "010000Z", "013000Z", "020000Z"]],
  );
  // 02:30 is read as 03:30; 03:15 comes after it by the rule and before it by the clock.
  const quarter = "DTSTART;TZID=Europe/Berlin:20260329T023000\nRRULE:FREQ=DAILY;BYHOUR=2,3;BYMINUTE=15,30;COUNT=4";
  assert.deepEqual(
    spans(all(quarter)).map((span) => span.slice(9, 16)),
    ["011500Z", "013000Z", "001500Z"],
  );
  // Such a DTSTART, too, is not given again by the time that it is read as.
  const minutely = "DTSTART;TZID=America/Sao_Paulo:20121021T004500\nRRULE:FREQ=MINUTELY;INTERVAL=15;COUNT=9";
  const minutes = spans(all(minutely)).map((span) => span.slice(9, 13));
  assert.deepEqual(minutes, ["0300", "0315", "0330", "0345", "0400", "0415", "0430", "0445"]);
});

test("an empty RRULE is none, and Google's RDATE:20131210Z beside dates is a date", () => {
  assert.equal(all("DTSTART:20260105T090000Z\nRRULE:").instances.length, 1);
  assert.deepEqual(spans(all("DTSTART;VALUE=DATE:20141210\nRRULE:FREQ=DAILY;COUNT=1\nRDATE:20131210Z")), [
    "20131210T000000/20131211T000000",
    "20141210T000000/20141211T000000",
  ]);
});

test("UNTIL is inclusive: a UTC time by instant, a local time by the clock, a date with its whole day", () => {
  const count = (until: string): number =>
    all(`DTSTART;TZID=Europe/Berlin:20260316T090000\nRRULE:FREQ=DAILY;UNTIL=${until}`).instances.length;
  assert.equal(count("20260318T080000Z"), 3);
  assert.equal(count("20260318T075959Z"), 2);
  assert.equal(count("20260318T090000"), 3);
  assert.equal(count("20260318T085959"), 2);
  assert.equal(count("20260318"), 3);
  assert.equal(count("20260301T000000Z"), 1, "an end before DTSTART leaves DTSTART");
});

test("UNTIL of an all-day event may be a time", () => {
  const allDay = (until: string) => localStarts(all(`DTSTART;VALUE=DATE:20260316\nRRULE:FREQ=DAILY;UNTIL=${until}`));
  assert.deepEqual(allDay("20260318"), dates("2026 Mar 16-18"));
  assert.deepEqual(allDay("20260318T000000Z"), dates("2026 Mar 16-18"));
  assert.deepEqual(allDay("20260317T235959Z"), dates("2026 Mar 16-17"));
});

test("UNTIL in the hour that comes twice is compared by instant", () => {
  const until = (time: string) =>
    all(`DTSTART;TZID=Europe/Berlin:20261024T024500\nRRULE:FREQ=DAILY;UNTIL=${time}`).instances.length;
  assert.equal(until("20261025T004500Z"), 2);
  assert.equal(until("20261025T004459Z"), 1);
  assert.equal(until("20261025T013000Z"), 2);
});

test("floating and all-day instances are read in the zone that is asked for", () => {
  const floating = events("DTSTART:20260105T090000\nDURATION:PT1H");
  const allDay = events("DTSTART;VALUE=DATE:20260105");
  const hits = (object: typeof floating, start: string, end: string, zone: string): number =>
    instancesIn(object, range(start, end), ianaZone(zone)!, 9).instances.length;
  assert.equal(hits(floating, "20260105T080000Z", "20260105T090000Z", "Europe/Berlin"), 1);
  assert.equal(hits(floating, "20260105T090000Z", "20260105T100000Z", "Europe/Berlin"), 0);
  assert.equal(hits(floating, "20260105T140000Z", "20260105T150000Z", "America/New_York"), 1);
  assert.equal(hits(allDay, "20260106T040000Z", "20260106T050000Z", "America/New_York"), 1);
  assert.equal(hits(allDay, "20260104T230000Z", "20260104T233000Z", "Europe/Berlin"), 1);
  assert.equal(hits(allDay, "20260104T230000Z", "20260104T233000Z", "UTC"), 0);
});

test("a zone that nobody knows is read as floating", () => {
  const { instances } = all(
    "DTSTART;TZID=Nowhere:20260105T090000\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE;TZID=Nowhere:20260106T090000",
  );
  assert.deepEqual(
    instances.map(({ floating }) => floating),
    [true],
  );
});

// ---------------------------------------------------------------------------------------------------------------- bounds

/** Milliseconds of CPU. */
function cost(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test("more than 10 rules are refused, and 10 that never match end soon", () => {
  const rules = (count: number): string =>
    `DTSTART:20260101T000000Z${"\nRRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30".repeat(count)}`;
  assert.throws(
    () => all(rules(11)),
    (error) =>
      error instanceof Refusal &&
      error.reason.code === "valid-calendar-data" &&
      /more than 10 RRULEs/.test(error.message),
  );
  assert.equal(all(rules(10)).instances.length, 1);
  assert.ok(cost(() => all(rules(10))) < 50);
});

const endless: readonly (readonly [title: string, lines: string, override?: string])[] = [
  ["every instance is excluded", "RRULE:FREQ=SECONDLY\nEXRULE:FREQ=SECONDLY"],
  ["an EXRULE of seconds", "RRULE:FREQ=DAILY\nEXRULE:FREQ=SECONDLY;INTERVAL=7;COUNT=1000000000"],
  ["an instance in 28 years", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO"],
  ["a COUNT that must be walked", "RRULE:FREQ=SECONDLY;INTERVAL=7;BYHOUR=9;COUNT=1000000000"],
  ["a period of decades beside a rule of seconds", "RRULE:FREQ=SECONDLY\nRDATE;VALUE=PERIOD:20010101T000000Z/P20000D"],
  [
    "a rule of seconds moved by years",
    "RRULE:FREQ=SECONDLY",
    "RECURRENCE-ID;RANGE=THISANDFUTURE:20010102T000000Z\nDTSTART:20110102T000000Z\nDURATION:P3000D",
  ],
];

for (const [title, lines, override] of endless)
  test(`what would take for ever ends soon: ${title}`, () => {
    const texts = [`DTSTART:20010101T000000Z\n${lines}`, ...(override === undefined ? [] : [override])];
    const week = range("20400101T000000Z", "20400108T000000Z");
    const work = () => {
      instancesIn(events(...texts), week, utcZone, 1000);
      instancesIn(events(...texts), always, utcZone, 1000);
      occurrences(events(...texts), at("20261120T000000Z"), 1000);
      countInstances(events(...texts), 1000);
    };
    work();
    assert.ok(cost(work) < 200);
  });

test("an EXRULE of seconds leaves what it does not give", () => {
  const rules = "DTSTART:20260101T000030Z\nRRULE:FREQ=DAILY;COUNT=4\nEXRULE:FREQ=SECONDLY;UNTIL=20260103T000000Z";
  assert.deepEqual(localStarts(all(rules)), ["20260103T000030Z", "20260104T000030Z"]);
});

test("an instance in decades is found in a range around it", () => {
  const sparse = events("DTSTART:20160229T090000Z\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO");
  const asked = range("20440101T000000Z", "20450101T000000Z");
  assert.deepEqual(localStarts(instancesIn(sparse, asked, utcZone, 9)), ["20440229T090000Z"]);
});

test("tens of thousands of EXDATE and RDATE values are read in one pass", () => {
  const values = Array.from(
    { length: 20_000 },
    (_, i) => `2026010${1 + (i % 9)}T${`${100_000 + (i % 86_400)}`.slice(1, 3)}${10 + (i % 50)}00Z`,
  );
  const lines = values.map((value) => `EXDATE:${value}\nRDATE:${value}`).join("\n");
  const object = events(`DTSTART:20260101T000000Z\nRRULE:FREQ=MINUTELY;COUNT=1000\n${lines}`);
  assert.ok(cost(() => instancesIn(object, always, utcZone, 1000)) < 500);
});

test("instances are counted up to one more than the limit", () => {
  assert.equal(countInstances(events(weekly), 100), 4);
  assert.equal(countInstances(events(weekly, "RECURRENCE-ID:20260318T080000Z\nDTSTART:20260318T100000Z"), 100), 5);
  assert.equal(countInstances(events("DTSTART:20260318T100000Z\nRRULE:FREQ=SECONDLY"), 100), 101);
  assert.equal(countInstances(events("DTSTART:20260318T100000Z"), 100), 1);
});
