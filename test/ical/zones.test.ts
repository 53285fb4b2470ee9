import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Component } from "../../src/ical/component.ts";
import { componentsNamed } from "../../src/ical/component.ts";
import { readCalendar } from "../../src/ical/read.ts";
import {
  ianaZone,
  utcZone,
  type Zone,
  zoneNames,
  zoneOfComponent,
  zoneRelease,
  zonesOf,
} from "../../src/ical/zones.ts";
import { utc } from "../../src/model/ids.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { at } from "./calendar-text.ts";

const vtimezone = (...lines: readonly string[]): Component => {
  const text = ["BEGIN:VCALENDAR", "BEGIN:VTIMEZONE", ...lines, "END:VTIMEZONE", "END:VCALENDAR", ""].join("\r\n");
  return componentsNamed(readCalendar(text), "VTIMEZONE")[0]!;
};

const part = (name: string, ...lines: readonly string[]): string[] => [`BEGIN:${name}`, ...lines, `END:${name}`];

/** Berlin as Apple writes it. */
const berlin = [
  "TZID:Europe/Berlin",
  ...part(
    "DAYLIGHT",
    "TZOFFSETFROM:+0100",
    "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
    "DTSTART:19810329T020000",
    "TZOFFSETTO:+0200",
  ),
  ...part(
    "STANDARD",
    "TZOFFSETFROM:+0200",
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
    "DTSTART:19961027T030000",
    "TZOFFSETTO:+0100",
  ),
];

const hours = (zone: Zone, text: string): number => zone.offsetAt(at(text)) / 3600;

test("every zone of the data agrees with the time zones that Node brings, from 1970 to 2037", () => {
  assert.match(zoneRelease, /^20\d\d[a-z]$/);
  let compared = 0;
  const differing = new Set<string>();
  for (const name of zoneNames()) {
    let format: Intl.DateTimeFormat;
    try {
      format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset", year: "numeric" });
    } catch {
      continue;
    }
    const zone = ianaZone(name)!;
    for (let i = 0; i < 40; i++) {
      const instant = utc(Math.floor((i / 40) * 2_140_000_000) + ((i * 86_400 * 37) % 31_000_000));
      const shown = format.formatToParts(instant * 1000).find(({ type }) => type === "timeZoneName")?.value ?? "";
      const [, sign, hour = 0, minute = 0] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(shown) ?? [];
      const offset = (sign === "-" ? -1 : 1) * (Number(hour) * 3600 + Number(minute) * 60);
      compared++;
      if (Math.abs(offset - zone.offsetAt(instant)) >= 60) differing.add(name);
    }
  }
  assert.ok(compared > 20_000);
  // The two need not be of one release: a few zones differ between any two.
  assert.ok(differing.size <= 12, [...differing].join());
});

test("zones are found by old names, Windows names, vendors' prefixes, other case, and with blanks", () => {
  assert.equal(ianaZone("Asia/Calcutta")?.id, "Asia/Kolkata");
  assert.equal(ianaZone("US/Eastern")?.id, "America/New_York");
  assert.equal(ianaZone("W. Europe Standard Time")?.id, "Europe/Berlin");
  assert.equal(ianaZone("Eastern Standard Time ")?.id, "America/New_York");
  assert.equal(ianaZone("/mozilla.org/20050126_1/Europe/Berlin")?.id, "Europe/Berlin");
  assert.equal(
    ianaZone("/freeassociation.sourceforge.net/America/Argentina/Buenos_Aires")?.id,
    "America/Argentina/Buenos_Aires",
  );
  assert.equal(ianaZone("europe/berlin")?.id, "Europe/Berlin");
  assert.equal(ianaZone("UTC"), utcZone);
  assert.equal(ianaZone("Etc/GMT+5")?.offsetAt(utc(0)), -5 * 3600);
  assert.equal(ianaZone("Europe/Berlin"), ianaZone(" Europe/Berlin"), "one object per zone");
  for (const name of ["", "/", "Nowhere", "Berlin", "Customized Time Zone", "x".repeat(100_000), "/".repeat(199)])
    assert.equal(ianaZone(name), undefined, name.slice(0, 30));
});

test("every Windows name leads to a zone", () => {
  const file = fileURLToPath(new URL("../../data/zones/windows.json", import.meta.url));
  const names = Object.keys(JSON.parse(readFileSync(file, "utf8")) as Record<string, string>);
  assert.ok(names.length > 140);
  for (const name of names) assert.ok(ianaZone(name) !== undefined, name);
});

test("zones follow their rule to 2100, history from the first transition", () => {
  const zone = ianaZone("Europe/Berlin")!;
  assert.equal(hours(zone, "20990701T000000"), 2);
  assert.equal(hours(zone, "20991201T000000"), 1);
  assert.equal(zone.offsetAt(at("18900101T000000")), 3208);
  assert.equal(hours(zone, "19450601T000000"), 3);
  assert.equal(hours(ianaZone("America/New_York")!, "19800401T000000"), -5, "the rule of 1980, not of 2007");
});

test("a VTIMEZONE is evaluated by its rules, before its first onset by what that changes from", () => {
  const zone = zoneOfComponent(vtimezone(...berlin));
  assert.equal(hours(zone, "20260328T120000"), 1);
  assert.equal(hours(zone, "20260329T005959"), 1);
  assert.equal(hours(zone, "20260329T010000"), 2);
  assert.equal(hours(zone, "20261025T005959"), 2);
  assert.equal(hours(zone, "20261025T010000"), 1);
  assert.equal(hours(zone, "20600701T000000"), 2);
  assert.equal(hours(zone, "19500701T000000"), 1);
  assert.equal(zone.toUtc(at("20260329T023000")), at("20260329T013000Z"));
  assert.equal(zone.toUtc(at("20261025T023000")), at("20261025T003000Z"));
});

test("equal VTIMEZONEs are one zone", () => {
  assert.equal(zoneOfComponent(vtimezone(...berlin)), zoneOfComponent(vtimezone("X-LIC-LOCATION:Berlin", ...berlin)));
  const other = berlin.map((line) => line.replace("+0200", "+0300"));
  assert.notEqual(zoneOfComponent(vtimezone(...berlin)), zoneOfComponent(vtimezone(...other)));
});

test("Outlook's definitions from 1601 work", () => {
  const zone = zoneOfComponent(
    vtimezone(
      "TZID:W. Europe Standard Time",
      ...part(
        "STANDARD",
        "DTSTART:16010101T030000",
        "TZOFFSETFROM:+0200",
        "TZOFFSETTO:+0100",
        "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10",
      ),
      ...part(
        "DAYLIGHT",
        "DTSTART:16010101T020000",
        "TZOFFSETFROM:+0100",
        "TZOFFSETTO:+0200",
        "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3",
      ),
    ),
  );
  assert.equal(hours(zone, "20260701T000000"), 2);
  assert.equal(hours(zone, "20261201T000000"), 1);
});

test("onsets may be listed, end with UNTIL, and come from several parts", () => {
  const zone = zoneOfComponent(
    vtimezone(
      "TZID:Made",
      ...part(
        "STANDARD",
        "DTSTART:19701101T020000",
        "TZOFFSETFROM:-0400",
        "TZOFFSETTO:-0500",
        "RDATE:19711101T020000,19721101T020000",
      ),
      ...part(
        "STANDARD",
        "DTSTART:20001029T020000",
        "TZOFFSETFROM:-0400",
        "TZOFFSETTO:-0500",
        "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;UNTIL=20051030T060000Z",
      ),
      ...part(
        "DAYLIGHT",
        "DTSTART:20000402T020000",
        "TZOFFSETFROM:-0500",
        "TZOFFSETTO:-0400",
        "RRULE:FREQ=YEARLY;BYMONTH=4;BYDAY=1SU;UNTIL=20060402T070000Z",
      ),
      ...part("DAYLIGHT", "DTSTART:19720401T020000", "TZOFFSETFROM:-0500", "TZOFFSETTO:-0400"),
    ),
  );
  assert.equal(hours(zone, "19720501T000000"), -4);
  assert.equal(hours(zone, "19730501T000000"), -5);
  assert.equal(hours(zone, "20050701T000000"), -4);
  assert.equal(hours(zone, "20051101T000000"), -5, "the onset at UNTIL is the last");
  assert.equal(hours(zone, "20300101T000000"), -4, "after the last onset it stays");
});

test("a zone with one offset is fixed", () => {
  const zone = zoneOfComponent(
    vtimezone("TZID:X", ...part("STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0530", "TZOFFSETTO:+0530")),
  );
  assert.equal(zone.fixed, true);
  assert.equal(zone.offsetAt(utc(0)), 19_800);
});

const nonsense: readonly (readonly [title: string, lines: readonly string[], problem: RegExp])[] = [
  ["no STANDARD or DAYLIGHT", ["TZID:X"], /VTIMEZONE: X: has neither/],
  ["no DTSTART", ["TZID:X", ...part("STANDARD", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0100")], /STANDARD: has no DTSTART/],
  ["no offset", ["TZID:X", ...part("STANDARD", "DTSTART:19700101T000000", "TZOFFSETTO:+0100")], /has no TZOFFSETFROM/],
  [
    "an offset of 25 hours",
    ["TZID:X", ...part("STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+2500")],
    /line \d+: TZOFFSETTO: "\+2500" is not an offset/,
  ],
  [
    "a rule that changes the offset every second",
    [
      ...berlin,
      ...part("STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0000", "RRULE:FREQ=SECONDLY"),
    ],
    /does not change its offset SECONDLY/,
  ],
];

for (const [title, lines, problem] of nonsense)
  test(`a VTIMEZONE with ${title} is refused with valid-calendar-data`, () => {
    assert.throws(
      () => zoneOfComponent(vtimezone(...lines)),
      (error) => error instanceof Refusal && error.reason.code === "valid-calendar-data" && problem.test(error.message),
    );
  });

test("hostile definitions stay cheap", () => {
  const lines = ["TZID:X"];
  for (let i = 0; i < 400; i++)
    lines.push(
      ...part(
        "STANDARD",
        `DTSTART:1900${`${(i % 12) + 1}`.padStart(2, "0")}01T000000`,
        "TZOFFSETFROM:+0100",
        `TZOFFSETTO:+00${10 + (i % 50)}`,
        "RRULE:FREQ=MONTHLY;BYHOUR=1,2,3,4,5,6,7,8",
      ),
    );
  const component = vtimezone(...lines);
  const before = process.cpuUsage();
  zoneOfComponent(component).offsetAt(at("20990101T000000"));
  const { user } = process.cpuUsage(before);
  assert.ok(user < 100_000, `${user} µs`);
});

test("the object's own VTIMEZONE wins over the IANA zone of its name", () => {
  const text = (offset: string): string =>
    [
      "BEGIN:VCALENDAR",
      "BEGIN:VTIMEZONE",
      "TZID:Europe/Berlin",
      ...part("STANDARD", "DTSTART:19700101T000000", `TZOFFSETFROM:${offset}`, `TZOFFSETTO:${offset}`),
      "END:VTIMEZONE",
      "END:VCALENDAR",
      "",
    ].join("\r\n");
  assert.equal(zonesOf(readCalendar(text("+0700")))("Europe/Berlin")?.offsetAt(utc(0)), 7 * 3600);
  assert.equal(zonesOf(readCalendar(text("+0700")))("Europe/Paris")?.id, "Europe/Paris");
  assert.equal(zonesOf(readCalendar(text("+9900")))("Europe/Berlin")?.id, "Europe/Berlin", "nonsense gives way");
});

test("the history of New York in RFC 5545 §3.6.5 agrees with the IANA zone from 1967 on", () => {
  const part = (name: string, start: string, rule: string): string[] => {
    const [from, to] = name === "DAYLIGHT" ? ["-0500", "-0400"] : ["-0400", "-0500"];
    return [`BEGIN:${name}`, `DTSTART:${start}`, rule, `TZOFFSETFROM:${from}`, `TZOFFSETTO:${to}`, `END:${name}`];
  };
  const zone = zoneOfComponent(
    vtimezone(
      "TZID:America/New_York",
      ...part("DAYLIGHT", "19670430T020000", "RRULE:FREQ=YEARLY;BYMONTH=4;BYDAY=-1SU;UNTIL=19730429T070000Z"),
      ...part("STANDARD", "19671029T020000", "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;UNTIL=20061029T060000Z"),
      ...part("DAYLIGHT", "19740106T020000", "RDATE:19750223T020000"),
      ...part("DAYLIGHT", "19760425T020000", "RRULE:FREQ=YEARLY;BYMONTH=4;BYDAY=-1SU;UNTIL=19860427T070000Z"),
      ...part("DAYLIGHT", "19870405T020000", "RRULE:FREQ=YEARLY;BYMONTH=4;BYDAY=1SU;UNTIL=20060402T070000Z"),
      ...part("DAYLIGHT", "20070311T020000", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU"),
      ...part("STANDARD", "20071104T020000", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU"),
    ),
  );
  const known = ianaZone("America/New_York")!;
  const hour = 3600;
  for (let instant = at("19670501T000000"); instant < at("20991231T000000"); instant = utc(instant + 7 * hour))
    if (zone.offsetAt(instant) !== known.offsetAt(instant)) assert.fail(`they differ at ${instant}`);
});
