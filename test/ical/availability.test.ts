import assert from "node:assert/strict";
import { test } from "node:test";
import { availabilitiesIn, unavailableIn } from "../../src/ical/availability.ts";
import { formatUtc } from "../../src/ical/time.ts";
import { ianaZone, utcZone } from "../../src/ical/zones.ts";
import { utc } from "../../src/model/ids.ts";

const at = (text: string) => utc(Date.parse(`${text}:00:00Z`) / 1000);
const range = { start: at("2026-01-05T00"), end: at("2026-01-07T00") };
const availability = (lines: readonly string[], ...available: readonly (readonly string[])[]): readonly string[] => [
  ...["BEGIN:VAVAILABILITY", "UID:a", ...lines],
  ...available.flatMap((own, at) => ["BEGIN:AVAILABLE", `UID:${at}`, ...own, "END:AVAILABLE"]),
  "END:VAVAILABILITY",
];
const away = (...components: readonly (readonly string[])[]): readonly string[] => {
  const text = ["BEGIN:VCALENDAR", ...components.flat(), "END:VCALENDAR", ""].join("\r\n");
  return unavailableIn(availabilitiesIn(text), range, utcZone, 100)
    .slice()
    .sort((a, b) => a.start - b.start)
    .map(({ start, end, busy }) => `${formatUtc(start).slice(6, 11)}-${formatUtc(end).slice(6, 11)} ${busy}`);
};
const office = ["DTSTART:20260101T090000Z", "DTEND:20260101T170000Z", "RRULE:FREQ=DAILY"];

test("what no AVAILABLE covers is busy, of the type BUSYTYPE says", () => {
  assert.deepEqual(away(availability([], office)), [
    "05T00-05T09 BUSY-UNAVAILABLE",
    "05T17-06T09 BUSY-UNAVAILABLE",
    "06T17-07T00 BUSY-UNAVAILABLE",
  ]);
  assert.deepEqual(away(availability(["DTSTART:20260106T000000Z", "BUSYTYPE:BUSY-TENTATIVE"])), [
    "06T00-07T00 BUSY-TENTATIVE",
  ]);
  assert.deepEqual(away(availability(["DTSTART:20260107T000000Z"])), []);
});

test("the higher PRIORITY decides where two overlap (RFC 7953 §4)", () => {
  const always = availability(["PRIORITY:9"], office);
  const travel = availability(
    ["PRIORITY:1", "DTSTART:20260105T120000Z", "DTEND:20260106T120000Z", "BUSYTYPE:BUSY"],
    ["DTSTART:20260105T200000Z", "DURATION:PT1H"],
  );
  const expected = [
    "05T00-05T09 BUSY-UNAVAILABLE",
    "05T12-05T20 BUSY",
    "05T21-06T12 BUSY",
    "06T17-07T00 BUSY-UNAVAILABLE",
  ];
  assert.deepEqual(away(always, travel), expected);
  assert.deepEqual(away(travel, always), expected);
});

test("among equals, what one of them leaves free is free", () => {
  const morning = availability([], ["DTSTART:20260105T080000Z", "DTEND:20260105T100000Z"]);
  const evening = availability(["DTEND:20260106T000000Z"], ["DTSTART:20260105T190000Z", "DTEND:20260105T200000Z"]);
  assert.deepEqual(away(morning, evening), [
    ...["05T00-05T08 BUSY-UNAVAILABLE", "05T00-05T08 BUSY-UNAVAILABLE", "05T10-05T19 BUSY-UNAVAILABLE"],
    ...["05T10-05T19 BUSY-UNAVAILABLE", "05T20-07T00 BUSY-UNAVAILABLE", "05T20-06T00 BUSY-UNAVAILABLE"],
  ]);
});

test("floating times are read in the calendar's zone", () => {
  const text = ["BEGIN:VCALENDAR", ...availability(["DTSTART:20260105T000000"]), "END:VCALENDAR", ""].join("\r\n");
  const [one] = unavailableIn(availabilitiesIn(text), range, ianaZone("Asia/Tokyo") ?? utcZone, 100);
  assert.equal(one?.start, range.start);
  const [other] = unavailableIn(availabilitiesIn(text), range, ianaZone("America/New_York") ?? utcZone, 100);
  assert.equal(other?.start, at("2026-01-05T05"));
});
