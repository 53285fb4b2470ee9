import assert from "node:assert/strict";
import { test } from "node:test";
import type { Property } from "../../src/ical/component.ts";
import type { DateTime } from "../../src/ical/time.ts";
import {
  addDuration,
  dateTimeOf,
  dateTimesOf,
  formatDate,
  formatLocal,
  formatUtc,
  packedDate,
  parseDateTimeText,
  parseDuration,
  toUtc,
} from "../../src/ical/time.ts";
import { ianaZone, utcZone } from "../../src/ical/zones.ts";
import { utc } from "../../src/model/ids.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { at } from "./calendar-text.ts";

const berlin = ianaZone("Europe/Berlin")!;
const newYork = ianaZone("America/New_York")!;

const property = (name: string, value: string, ...parameters: readonly (readonly [string, string])[]): Property => ({
  name,
  parameters: parameters.map(([key, text]) => ({ name: key, values: [text] })),
  value,
  line: 12,
});

test("dates and times are read strictly: only days and times that exist", () => {
  assert.deepEqual(parseDateTimeText("20260105"), { local: 1_767_571_200, date: true, utc: false });
  assert.deepEqual(parseDateTimeText("20260105T010203"), { local: 1_767_574_923, date: false, utc: false });
  assert.deepEqual(parseDateTimeText("20260105T010203Z"), { local: 1_767_574_923, date: false, utc: true });
  for (const text of [
    ...["", "notadate", "19982905", "20261301", "20260230", "20250229", "21000229", "20260100", "00000101", "2026010"],
    ...["20260105T", "20260105T240000", "20260105T006000", "20260105T000061", "20260105T0000", "20260105t000000"],
    ...["20260105T000000z", "20260105T000000-0800", " 20260105", "20260105T000000+", "2026010١"],
  ])
    assert.equal(parseDateTimeText(text), undefined, text);
  assert.ok(parseDateTimeText("20240229") && parseDateTimeText("20000229"));
});

test("second 60 is second 59 (RFC 5545 §3.3.5)", () => {
  assert.equal(parseDateTimeText("20161231T235960Z")?.local, parseDateTimeText("20161231T235959Z")?.local);
});

test("what is written reads back, and infinities are written as the first and last day of the calendar", () => {
  for (let day = -719_162; day < 2_932_896; day += 97) {
    const text = formatDate(day * 86_400);
    assert.equal(parseDateTimeText(text)?.local, day * 86_400, text);
    assert.equal(`${packedDate(day)}`.padStart(8, "0"), text);
  }
  assert.equal(formatLocal(at("20260105T010203")), "20260105T010203");
  assert.equal(formatUtc(utc(0)), "19700101T000000Z");
  assert.equal(formatUtc(utc(Number.POSITIVE_INFINITY)), "99991231T235959Z");
  assert.equal(formatUtc(utc(Number.NEGATIVE_INFINITY)), "00010101T000000Z");
});

test("durations have nominal days and exact seconds (RFC 5545 §3.3.6)", () => {
  assert.deepEqual(parseDuration("P15DT5H0M20S"), { days: 15, seconds: 18_020 });
  assert.deepEqual(parseDuration("P7W"), { days: 49, seconds: 0 });
  assert.deepEqual(parseDuration("-PT15M"), { days: 0, seconds: -900 });
  assert.deepEqual(parseDuration("+P1D"), { days: 1, seconds: 0 });
  assert.deepEqual(parseDuration("PT0S"), { days: 0, seconds: 0 });
  assert.deepEqual(parseDuration("P1DT"), { days: 1, seconds: 0 }, "as old versions of iCal write it");
  assert.deepEqual(parseDuration("PT24H"), { days: 0, seconds: 86_400 });
  for (const text of [
    "",
    "P",
    "PT",
    "P1H",
    "PT1D",
    "1D",
    "P-1D",
    "P1Y",
    "PT1S1M",
    "P1.5D",
    "P1D ",
    "pt1h",
    "PT99999999999S",
  ])
    assert.equal(parseDuration(text), undefined, text);
});

test("a day is a day on the calendar, 24 hours are 24 hours: both over a change of clocks", () => {
  // Clocks in Berlin go from 02:00 to 03:00 on 29 March 2026.
  const start: DateTime = { local: at("20260328T120000"), form: "zoned", zone: berlin };
  assert.equal(formatLocal(addDuration(start, { days: 1, seconds: 0 }).local), "20260329T120000");
  assert.equal(formatLocal(addDuration(start, { days: 0, seconds: 86_400 }).local), "20260329T130000");
  // PT5H from 00:00 is 5 elapsed hours.
  const night: DateTime = { local: at("20260329T000000"), form: "zoned", zone: berlin };
  const end = addDuration(night, { days: 0, seconds: 5 * 3600 });
  assert.equal(formatLocal(end.local), "20260329T060000");
  assert.equal(toUtc(end, utcZone) - toUtc(night, utcZone), 5 * 3600);
});

test("a time in a gap is read with the offset before it, a time that comes twice is the first (RFC 5545 §3.3.5)", () => {
  // The RFC's own examples, its 11 March 2007.
  assert.equal(newYork.toUtc(at("20070311T023000")), at("20070311T073000Z"));
  assert.equal(newYork.toUtc(at("20071104T013000")), at("20071104T053000Z"));
  assert.equal(berlin.toUtc(at("20260329T023000")), at("20260329T013000Z"));
  assert.equal(berlin.toUtc(at("20261025T023000")), at("20261025T003000Z"));
  assert.equal(berlin.toUtc(at("20261025T030000")), at("20261025T020000Z"));
});

test("a property's value has one of four forms", () => {
  const zones = (tzid: string) => (tzid === "Europe/Berlin" ? berlin : undefined);
  const read = (...args: Parameters<typeof property>) => dateTimeOf(property(...args), zones);
  assert.deepEqual(read("DTSTART", "20260105", ["VALUE", "DATE"]), {
    local: at("20260105"),
    form: "date",
    zone: undefined,
  });
  assert.equal(read("DTSTART", "20260105").form, "date", "without VALUE=DATE, as old clients write");
  assert.equal(read("DTSTART", "20260105", ["TZID", "Europe/Berlin"]).form, "date", "a date has no zone");
  assert.equal(read("DTSTART", "20260105T010203").form, "floating");
  assert.equal(read("DTSTART", "20260105T010203Z", ["TZID", "Europe/Berlin"]).form, "utc");
  assert.equal(read("DTSTART", "20260105T010203", ["TZID", "Europe/Berlin"]).zone, berlin);
  assert.deepEqual(read("DTSTART", "20260105T010203", ["TZID", "Nowhere"]), {
    local: at("20260105T010203"),
    form: "zoned",
    zone: undefined,
  });
});

test("a list may hold periods, and may be empty", () => {
  const lookup = () => undefined;
  const list = property("RDATE", "20260105T010203Z/PT1H,20260106T010203Z/20260106T020203Z", ["VALUE", "PERIOD"]);
  assert.deepEqual(
    dateTimesOf(list, lookup).map(({ local }) => formatLocal(local)),
    ["20260105T010203", "20260106T010203"],
  );
  assert.deepEqual(dateTimesOf(property("EXDATE", ""), lookup), []);
});

test("a value that is no time is refused with its line and text", () => {
  const refused = (value: string, problem: RegExp, ...parameters: readonly (readonly [string, string])[]) =>
    assert.throws(
      () => dateTimeOf(property("DTSTART", value, ...parameters), () => undefined),
      (error) => error instanceof Refusal && error.reason.code === "valid-calendar-data" && problem.test(error.message),
    );
  refused("20260230", /line 12: DTSTART: "20260230" is not a date or time/);
  refused("x".repeat(1000), /x…"/);
  refused("20260105T000000", /VALUE=DATE/, ["VALUE", "DATE"]);
});
