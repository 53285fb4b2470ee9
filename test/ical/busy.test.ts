import assert from "node:assert/strict";
import { test } from "node:test";
import { busyOf, freeBusyComponent, mergeBusy, strongestBusy } from "../../src/ical/busy.ts";
import type { Busy, Instance } from "../../src/ical/calendar-object.ts";
import { propertiesOf } from "../../src/ical/component.ts";
import { writeComponent } from "../../src/ical/write.ts";
import { ianaZone } from "../../src/ical/zones.ts";
import { utc } from "../../src/model/ids.ts";
import { at, events, range, todo } from "./calendar-text.ts";

const busyOfEvent = (lines: string): Busy => busyOf(events(`DTSTART:20260105T090000Z\n${lines}`).master!);

const table: readonly (readonly [lines: string, busy: Busy])[] = [
  ["", "BUSY"],
  ["STATUS:CONFIRMED", "BUSY"],
  ["TRANSP:OPAQUE\nSTATUS:CONFIRMED", "BUSY"],
  ["STATUS:CANCELLED", "FREE"],
  ["STATUS:TENTATIVE", "BUSY-TENTATIVE"],
  ["STATUS:X-OUT", "BUSY"],
  ["TRANSP:TRANSPARENT", "FREE"],
  ["STATUS:CONFIRMED\nTRANSP:TRANSPARENT", "FREE"],
  ["STATUS:TENTATIVE\nTRANSP:TRANSPARENT", "FREE"],
  ["status:tentative\ntransp:opaque", "BUSY-TENTATIVE"],
];

for (const [lines, busy] of table)
  test(`RFC 4791 §7.10: an event with ${JSON.stringify(lines)} is ${busy}`, () => {
    assert.equal(busyOfEvent(lines), busy);
  });

test("a to-do makes nobody busy", () => {
  assert.equal(busyOf(todo("DUE:20260105T090000Z").master!), "FREE");
});

const period = (start: string, end: string, busy: Busy = "BUSY", floating = false): Instance => ({
  start: at(start),
  end: at(end),
  floating,
  busy,
});
const day = range("20260105T000000Z", "20260106T000000Z");
const shown = (periods: readonly { start: number; end: number; busy: Busy }[]): string[] =>
  periods.map(({ start, end, busy }) => `${busy} ${(start - day.start) / 3600}-${(end - day.start) / 3600}`);

test("periods of one type that touch or overlap become one; different types stay as they are", () => {
  const merged = mergeBusy(
    [
      period("20260105T120000", "20260105T130000"),
      period("20260105T090000", "20260105T100000"),
      period("20260105T100000", "20260105T110000"),
      period("20260105T091500", "20260105T093000"),
      period("20260105T093000", "20260105T123000", "BUSY-TENTATIVE"),
      period("20260105T080000", "20260105T090000", "FREE"),
      period("20260105T150000", "20260105T150000"),
    ],
    day,
  );
  assert.deepEqual(shown(merged), ["BUSY 9-11", "BUSY-TENTATIVE 9.5-12.5", "BUSY 12-13"]);
});

test("periods are cut to the range, those outside are left out", () => {
  const merged = mergeBusy(
    [
      period("20260104T120000", "20260105T010000"),
      period("20260105T230000", "20260106T010000"),
      period("20260106T000000", "20260106T010000"),
      period("20260104T230000", "20260105T000000"),
    ],
    day,
  );
  assert.deepEqual(shown(merged), ["BUSY 0-1", "BUSY 23-24"]);
});

test("floating periods are read in the zone given", () => {
  const merged = mergeBusy(
    [period("20260105T090000", "20260105T100000", "BUSY", true)],
    day,
    ianaZone("Europe/Berlin")!,
  );
  assert.deepEqual(shown(merged), ["BUSY 8-9"]);
});

test("where one state at a time is wanted, the strongest is left", () => {
  const merged = mergeBusy(
    [
      period("20260105T080000", "20260105T180000", "BUSY-TENTATIVE"),
      period("20260105T090000", "20260105T100000"),
      period("20260105T093000", "20260105T110000", "BUSY-UNAVAILABLE"),
      period("20260105T120000", "20260105T130000"),
    ],
    day,
  );
  assert.deepEqual(shown(strongestBusy(merged)), [
    ...["BUSY-TENTATIVE 8-9", "BUSY 9-9.5", "BUSY-UNAVAILABLE 9.5-11", "BUSY-TENTATIVE 11-12", "BUSY 12-13"],
    "BUSY-TENTATIVE 13-18",
  ]);
});

test("a VFREEBUSY has one FREEBUSY for each type, and none when all is free", () => {
  const header = { range: day, stamp: utc(0), uid: "u", properties: [] };
  const merged = mergeBusy(
    [
      period("20260105T090000", "20260105T100000"),
      period("20260105T120000", "20260105T130000"),
      period("20260105T093000", "20260105T123000", "BUSY-TENTATIVE"),
    ],
    day,
  );
  assert.deepEqual(writeComponent(freeBusyComponent(header, merged)).split("\r\n"), [
    "BEGIN:VFREEBUSY",
    "UID:u",
    "DTSTAMP:19700101T000000Z",
    "DTSTART:20260105T000000Z",
    "DTEND:20260106T000000Z",
    "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260105T093000Z/20260105T123000Z",
    "FREEBUSY;FBTYPE=BUSY:20260105T090000Z/20260105T100000Z,20260105T120000Z/202",
    " 60105T130000Z",
    "END:VFREEBUSY",
    "",
  ]);
  assert.deepEqual(propertiesOf(freeBusyComponent({ ...header, uid: undefined }, []), "FREEBUSY"), []);
});
