import assert from "node:assert/strict";
import { test } from "node:test";
import { type CompFilter, matches, type PropFilter, type TextMatch } from "../../src/ical/filter.ts";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import { ianaZone, utcZone, type Zone } from "../../src/ical/zones.ts";
import { type TimeRange, utc } from "../../src/model/ids.ts";
import { abcd1, abcd2, abcd3, abcd5, abcd6, abcd8 } from "./rfc4791-examples.ts";

const comp = (name: string, tests: Partial<CompFilter> = {}): CompFilter => ({
  name,
  isNotDefined: false,
  timeRange: undefined,
  props: [],
  comps: [],
  anyOf: false,
  ...tests,
});
const prop = (name: string, tests: Partial<PropFilter> = {}): PropFilter => ({
  name,
  isNotDefined: false,
  timeRange: undefined,
  textMatch: undefined,
  params: [],
  anyOf: false,
  ...tests,
});
const text = (value: string, tests: Partial<TextMatch> = {}): TextMatch => ({
  text: value,
  collation: "i;ascii-casemap",
  negate: false,
  type: "contains",
  ...tests,
});
const at = (value: string): number =>
  Date.parse(value.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z")) / 1000;
const range = (start: string, end: string): TimeRange => ({
  start: utc(start === "" ? Number.NEGATIVE_INFINITY : at(start)),
  end: utc(end === "" ? Number.POSITIVE_INFINITY : at(end)),
});

const asks = (objectText: string, inside: readonly CompFilter[], zone: Zone = utcZone): boolean =>
  matches(comp("VCALENDAR", { comps: inside }), parseCalendarObject(objectText), zone);
const event = (...inside: readonly string[]): string =>
  ["BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:1", ...inside, "END:VEVENT", "END:VCALENDAR", ""].join("\r\n");

test("RFC 4791 §7.8.1: events that overlap a range", () => {
  const wanted = [comp("VEVENT", { timeRange: range("20060104T000000Z", "20060105T000000Z") })];
  assert.deepEqual(
    [abcd1, abcd2, abcd3, abcd5, abcd8].map((object) => asks(object, wanted)),
    [false, true, true, false, false],
  );
});

test("RFC 4791 §7.8.6: an event by UID", () => {
  const wanted = [
    comp("VEVENT", {
      props: [prop("UID", { textMatch: text("DC6C50A017428C5216A2F1CD@example.com", { collation: "i;octet" }) })],
    }),
  ];
  assert.deepEqual(
    [abcd1, abcd3].map((object) => asks(object, wanted)),
    [false, true],
  );
});

test("RFC 4791 §7.8.7: events by an attendee's PARTSTAT", () => {
  const attendee = (partstat: string) => [
    comp("VEVENT", {
      props: [
        prop("ATTENDEE", {
          textMatch: text("mailto:lisa@example.com"),
          params: [{ name: "PARTSTAT", test: text(partstat) }],
        }),
      ],
    }),
  ];
  assert.ok(asks(abcd3, attendee("NEEDS-ACTION")));
  assert.ok(!asks(abcd3, attendee("ACCEPTED")), "both tests must hold for one ATTENDEE");
});

test("RFC 4791 §7.8.9: all pending to-dos", () => {
  const pending = [
    comp("VTODO", {
      props: [
        prop("COMPLETED", { isNotDefined: true }),
        prop("STATUS", { textMatch: text("CANCELLED", { negate: true }) }),
      ],
    }),
  ];
  assert.deepEqual(
    [abcd5, abcd6, abcd1].map((object) => asks(object, pending)),
    [true, false, false],
  );
});

test("a component must exist, or must not", () => {
  assert.ok(asks(abcd1, []));
  assert.ok(asks(abcd1, [comp("VEVENT"), comp("VTIMEZONE")]));
  assert.ok(!asks(abcd1, [comp("VTODO")]));
  assert.ok(asks(abcd1, [comp("VTODO", { isNotDefined: true })]));
  assert.ok(!asks(abcd1, [comp("VEVENT", { isNotDefined: true })]));
  assert.ok(asks(abcd5, [comp("VTODO", { comps: [comp("VALARM")] })]));
  assert.ok(asks(abcd6, [comp("VTODO", { comps: [comp("VALARM", { isNotDefined: true })] })]));
  assert.ok(asks(abcd5, [comp("*", { props: [prop("SUMMARY", { textMatch: text("task #2") })] })]));
});

test("all tests must hold for one component: an override has its own instances and properties", () => {
  const named = (summary: string, start: string, end: string) => [
    comp("VEVENT", {
      timeRange: range(start, end),
      props: [prop("SUMMARY", { textMatch: text(summary, { type: "equals" }) })],
    }),
  ];
  // The 4th at 12:00 Eastern was moved to 14:00, which is 19:00Z.
  assert.ok(asks(abcd2, named("Event #2 bis", "20060104T190000Z", "20060104T193000Z")));
  assert.ok(!asks(abcd2, named("Event #2", "20060104T000000Z", "20060105T000000Z")));
  assert.ok(!asks(abcd2, named("Event #2 bis", "20060103T000000Z", "20060104T000000Z")));
  assert.ok(asks(abcd2, named("Event #2", "20060103T000000Z", "20060104T000000Z")));
});

test("anyof and allof", () => {
  const tests = { props: [prop("LOCATION"), prop("STATUS", { textMatch: text("tentative") })] };
  assert.ok(!asks(abcd3, [comp("VEVENT", tests)]));
  assert.ok(asks(abcd3, [comp("VEVENT", { ...tests, anyOf: true })]));
  const either = comp("VCALENDAR", { comps: [comp("VTODO"), comp("VEVENT")], anyOf: true });
  assert.ok(matches(either, parseCalendarObject(abcd1), utcZone));
  const attendee = prop("ATTENDEE", {
    textMatch: text("nobody"),
    params: [{ name: "ROLE", test: text("CHAIR") }],
  });
  assert.ok(!asks(abcd3, [comp("VEVENT", { props: [attendee] })]));
  assert.ok(asks(abcd3, [comp("VEVENT", { props: [{ ...attendee, anyOf: true }] })]));
});

test("parameters must exist, or must not", () => {
  const wanted = (test: "defined" | "not-defined", name: string) => [
    comp("VEVENT", { props: [prop("ORGANIZER", { params: [{ name, test }] })] }),
  ];
  const object = event("ORGANIZER;CN=Ann:mailto:a@example.com");
  assert.deepEqual(
    [
      wanted("defined", "CN"),
      wanted("not-defined", "CN"),
      wanted("defined", "ROLE"),
      wanted("not-defined", "ROLE"),
    ].map((filter) => asks(object, filter)),
    [true, false, false, true],
  );
});

test("text is matched without its escapes, lists item by item too", () => {
  const object = event("SUMMARY:Lunch\\, dinner\\nand more", "CATEGORIES:Work,At\\,home");
  const summary = (match: TextMatch) => [comp("VEVENT", { props: [prop("SUMMARY", { textMatch: match })] })];
  const category = (match: TextMatch) => [comp("VEVENT", { props: [prop("CATEGORIES", { textMatch: match })] })];
  assert.ok(asks(object, summary(text("lunch, dinner\nand"))));
  assert.ok(asks(object, category(text("work", { type: "equals" }))));
  assert.ok(asks(object, category(text("at,home", { type: "equals" }))));
  assert.ok(!asks(object, category(text("home", { type: "equals" }))));
  assert.ok(!asks(object, category(text("work", { type: "equals", negate: true }))));
});

test("RFC 4791 §9.9: the time of a property", () => {
  const inDecember = [
    comp("VTODO", { props: [prop("COMPLETED", { timeRange: range("20051201T000000Z", "20060101T000000Z") })] }),
  ];
  assert.deepEqual(
    [abcd5, abcd6].map((object) => asks(object, inDecember)),
    [false, true],
  );
  const ends = (start: string, end: string) => [
    comp("VEVENT", { props: [prop("DTEND", { timeRange: range(start, end) })] }),
  ];
  // 10:00 Eastern with DURATION:PT1H ends at 16:00Z.
  assert.ok(asks(abcd1, ends("20060102T160000Z", "20060102T160001Z")));
  assert.ok(!asks(abcd1, ends("20060102T150000Z", "20060102T160000Z")));
  const starts = (start: string, end: string) => [
    comp("VEVENT", { props: [prop("DTSTART", { timeRange: range(start, end) })] }),
  ];
  assert.ok(asks(abcd1, starts("20060102T150000Z", "")));
  assert.ok(!asks(abcd1, starts("", "20060102T150000Z")));
  assert.ok(!asks(abcd1, [comp("VEVENT", { props: [prop("SUMMARY", { timeRange: range("20060102T150000Z", "") })] })]));
});

test("dates and floating times are read in the asker's zone", () => {
  const tokyo = ianaZone("Asia/Tokyo");
  assert.ok(tokyo !== undefined);
  const wanted = [comp("VEVENT", { timeRange: range("20260104T150000Z", "20260104T160000Z") })];
  for (const object of [event("DTSTART;VALUE=DATE:20260105"), event("DTSTART:20260105T000000", "DURATION:PT1H")]) {
    assert.ok(asks(object, wanted, tokyo));
    assert.ok(!asks(object, wanted, utcZone));
  }
});

const rings = (object: string, start: string, end: string, zone: Zone = utcZone): boolean =>
  asks(object, [comp("VEVENT", { comps: [comp("VALARM", { timeRange: range(start, end) })] })], zone);
const alarm = (...inside: readonly string[]): readonly string[] => ["BEGIN:VALARM", ...inside, "END:VALARM"];

test("an alarm rings before the start of any instance", () => {
  const object = event("DTSTART:20260105T090000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY", ...alarm("TRIGGER:-P1DT15M"));
  assert.ok(rings(object, "20260104T084500Z", "20260104T084501Z"));
  assert.ok(rings(object, "20360204T084500Z", "20360204T084501Z"));
  assert.ok(!rings(object, "20260104T084501Z", "20260105T084500Z"));
  assert.ok(!rings(object, "20260103T000000Z", "20260104T084500Z"));
});

test("an alarm relative to the end, an absolute one, and repetitions", () => {
  const hour = ["DTSTART:20260105T090000Z", "DURATION:PT1H"];
  assert.ok(rings(event(...hour, ...alarm("TRIGGER;RELATED=END:PT5M")), "20260105T100500Z", "20260105T100501Z"));
  assert.ok(!rings(event(...hour, ...alarm("TRIGGER;RELATED=END:PT5M")), "20260105T090000Z", "20260105T100500Z"));
  const absolute = event(...hour, ...alarm("TRIGGER;VALUE=DATE-TIME:20250101T000000Z"));
  assert.ok(rings(absolute, "20250101T000000Z", "20250101T000001Z"));
  assert.ok(!rings(absolute, "20260105T000000Z", "20260106T000000Z"));
  const repeated = event(...hour, ...alarm("TRIGGER:-PT1H", "REPEAT:3", "DURATION:PT10M"));
  assert.deepEqual(
    ["080000", "080500", "081000", "083000", "084000"].map((time) =>
      rings(repeated, `20260105T${time}Z`, `20260105T${time.slice(0, 4)}01Z`),
    ),
    [true, false, true, true, false],
  );
  const endless = event(...hour, ...alarm("TRIGGER:-PT1H", "REPEAT:9999999999", "DURATION:PT1S"));
  assert.ok(rings(endless, "20260110T000000Z", "20260110T000001Z"));
});

test("an alarm of an override belongs to the override's instance only", () => {
  const object = [
    "BEGIN:VCALENDAR",
    "BEGIN:VEVENT",
    "UID:1",
    "DTSTART:20260105T090000Z",
    "RRULE:FREQ=DAILY;COUNT=3",
    ...alarm("TRIGGER:-PT5M"),
    "END:VEVENT",
    "BEGIN:VEVENT",
    "UID:1",
    "RECURRENCE-ID:20260106T090000Z",
    "DTSTART:20260106T120000Z",
    ...alarm("TRIGGER:-PT30M"),
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ].join("\r\n");
  assert.deepEqual(
    ["20260105T0855", "20260106T0855", "20260106T1130", "20260106T1155", "20260107T0855", "20260107T0830"].map((time) =>
      rings(object, `${time}00Z`, `${time}01Z`),
    ),
    [true, false, true, false, true, false],
  );
});

test("an all-day event's alarm is at a time of the asker's day", () => {
  const berlin = ianaZone("Europe/Berlin");
  assert.ok(berlin !== undefined);
  const object = event("DTSTART;VALUE=DATE:20260105", ...alarm("TRIGGER:PT9H"));
  assert.ok(rings(object, "20260105T080000Z", "20260105T080001Z", berlin));
  assert.ok(rings(object, "20260105T090000Z", "20260105T090001Z", utcZone));
});

test("a filter of something else than a calendar matches nothing", () => {
  assert.ok(!matches(comp("VCARD"), parseCalendarObject(abcd1), utcZone));
  assert.ok(matches(comp("VCARD", { isNotDefined: true }), parseCalendarObject(abcd1), utcZone));
});
