import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import { type CompSelection, type DataSelection, type PropSelection, selectData } from "../../src/ical/partial.ts";
import { utcZone } from "../../src/ical/zones.ts";
import { type TimeRange, utc } from "../../src/model/ids.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { abcd2, abcd3, abcd8 } from "./rfc4791-examples.ts";

const at = (value: string): number =>
  Date.parse(value.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z")) / 1000;
const range = (start: string, end: string): TimeRange => ({ start: utc(at(start)), end: utc(at(end)) });
const select = (text: string, selection: DataSelection, limit = 1000): string =>
  selectData(parseCalendarObject(text), selection, utcZone, limit);
const linesOf = (text: string): readonly string[] => text.trimEnd().split("\r\n");
/** The lines from the first BEGIN:kind to the last END:kind. */
const only = (text: string, kind: string): readonly string[] => {
  const lines = linesOf(text);
  return lines.slice(lines.indexOf(`BEGIN:${kind}`), lines.lastIndexOf(`END:${kind}`) + 1);
};
const props = (...names: readonly string[]): readonly PropSelection[] =>
  names.map((name) => ({ name, noValue: false }));
const comp = (name: string, selection: Partial<CompSelection> = {}): CompSelection => ({
  name,
  props: [],
  comps: [],
  ...selection,
});
const event = (...inside: readonly string[]): string =>
  ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:1", ...inside, "END:VEVENT", "END:VCALENDAR", ""].join(
    "\r\n",
  );

test("without a selection, the text is given as stored", () => {
  const text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUid:1\nEND:VEVENT\nEND:VCALENDAR\n";
  assert.equal(select(text, {}), text);
  assert.equal(select(text, { comp: comp("VCALENDAR") }), text);
  assert.equal(select(text, { comp: comp("VCALENDAR", { props: "all", comps: "all" }) }), text);
  assert.equal(select(text, { limitRecurrenceSet: range("20260101T000000Z", "20260102T000000Z") }), text);
  assert.equal(select(text, { limitFreeBusySet: range("20260101T000000Z", "20260102T000000Z") }), text);
});

test("RFC 4791 §7.8.1: named components and properties", () => {
  const selected = select(abcd3, {
    comp: comp("VCALENDAR", {
      props: props("VERSION"),
      comps: [
        comp("VEVENT", { props: props("SUMMARY", "UID", "DTSTART", "DTEND", "DURATION", "RRULE") }),
        comp("VTIMEZONE"),
      ],
    }),
  });
  assert.deepEqual(linesOf(selected).slice(0, 3), ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VTIMEZONE"]);
  assert.deepEqual(only(selected, "VTIMEZONE"), only(abcd3, "VTIMEZONE"));
  assert.deepEqual(only(selected, "VEVENT"), [
    "BEGIN:VEVENT",
    "DTSTART;TZID=US/Eastern:20060104T100000",
    "DURATION:PT1H",
    "SUMMARY:Event #3",
    "UID:DC6C50A017428C5216A2F1CD@example.com",
    "END:VEVENT",
  ]);
});

test("a property without its value keeps its parameters", () => {
  const selected = select(abcd3, {
    comp: comp("VCALENDAR", { comps: [comp("VEVENT", { props: [{ name: "ATTENDEE", noValue: true }] })] }),
  });
  assert.deepEqual(linesOf(selected), [
    "BEGIN:VCALENDAR",
    "BEGIN:VEVENT",
    "ATTENDEE;PARTSTAT=ACCEPTED;ROLE=CHAIR:",
    "ATTENDEE;PARTSTAT=NEEDS-ACTION:",
    "END:VEVENT",
    "END:VCALENDAR",
  ]);
});

test("RFC 4791 §7.8.2: only the overrides that touch the range", () => {
  const selected = select(abcd2, { limitRecurrenceSet: range("20060103T000000Z", "20060105T000000Z") });
  const events = only(selected, "VEVENT").filter((line) => line.startsWith("SUMMARY"));
  assert.deepEqual(events, ["SUMMARY:Event #2", "SUMMARY:Event #2 bis"]);
  assert.deepEqual(only(selected, "VTIMEZONE"), only(abcd2, "VTIMEZONE"));
});

test("an override whose original time touches the range stays, and so does one for all that follow", () => {
  const moved = (id: string): string =>
    event(
      "DTSTART:20260105T090000Z",
      "DTEND:20260105T100000Z",
      "RRULE:FREQ=DAILY",
      "END:VEVENT",
      "BEGIN:VEVENT",
      "UID:1",
      id,
      "DTSTART:20260301T090000Z",
      "SUMMARY:moved",
    );
  const keeps = (id: string, start: string, end: string): boolean =>
    select(moved(id), { limitRecurrenceSet: range(start, end) }).includes("SUMMARY:moved");
  const id = "RECURRENCE-ID:20260110T090000Z";
  assert.ok(keeps(id, "20260110T093000Z", "20260110T100000Z"));
  assert.ok(!keeps(id, "20260110T100000Z", "20260111T000000Z"));
  assert.ok(keeps(id, "20260301T090000Z", "20260301T100000Z"));
  assert.ok(!keeps(id, "20260201T000000Z", "20260202T000000Z"));
  assert.ok(keeps("RECURRENCE-ID;RANGE=THISANDFUTURE:20260110T090000Z", "20260201T000000Z", "20260202T000000Z"));
});

test("RFC 4791 §7.8.3: instances in UTC, without time zones and rules", () => {
  const selected = select(abcd2, { expand: range("20060103T000000Z", "20060105T000000Z") });
  assert.deepEqual(linesOf(selected), [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Example Corp.//CalDAV Client//EN",
    "BEGIN:VEVENT",
    "DTSTAMP:20060206T001121Z",
    "DTSTART:20060103T170000Z",
    "RECURRENCE-ID:20060103T170000Z",
    "DURATION:PT1H",
    "SUMMARY:Event #2",
    "UID:00959BC664CA650E933C892C@example.com",
    "END:VEVENT",
    "BEGIN:VEVENT",
    "DTSTAMP:20060206T001121Z",
    "DTSTART:20060104T190000Z",
    "RECURRENCE-ID:20060104T170000Z",
    "DURATION:PT1H",
    "SUMMARY:Event #2 bis",
    "UID:00959BC664CA650E933C892C@example.com",
    "END:VEVENT",
    "END:VCALENDAR",
  ]);
  const single = select(abcd3, { expand: range("20060103T000000Z", "20060105T000000Z") });
  assert.ok(single.includes("DTSTART:20060104T150000Z\r\nDURATION:PT1H\r\n"));
  assert.ok(!single.includes("RECURRENCE-ID") && !single.includes("VTIMEZONE"));
});

test("the initial instance has no RECURRENCE-ID, ends move along, dates stay dates", () => {
  const timed = select(
    event("DTSTART:20260105T090000Z", "DTEND:20260105T103000Z", "RRULE:FREQ=WEEKLY", "EXDATE:20260112T090000Z"),
    { expand: range("20260101T000000Z", "20260125T000000Z") },
  );
  assert.deepEqual(only(timed, "VEVENT"), [
    "BEGIN:VEVENT",
    "UID:1",
    "DTSTART:20260105T090000Z",
    "DTEND:20260105T103000Z",
    "END:VEVENT",
    "BEGIN:VEVENT",
    "UID:1",
    "DTSTART:20260119T090000Z",
    "RECURRENCE-ID:20260119T090000Z",
    "DTEND:20260119T103000Z",
    "END:VEVENT",
  ]);
  const days = select(event("DTSTART;VALUE=DATE:20260105", "DTEND;VALUE=DATE:20260107", "RRULE:FREQ=WEEKLY;COUNT=2"), {
    expand: range("20260110T000000Z", "20260125T000000Z"),
  });
  assert.deepEqual(only(days, "VEVENT"), [
    "BEGIN:VEVENT",
    "UID:1",
    "DTSTART;VALUE=DATE:20260112",
    "RECURRENCE-ID;VALUE=DATE:20260112",
    "DTEND;VALUE=DATE:20260114",
    "END:VEVENT",
  ]);
  const floating = select(event("DTSTART:20260105T090000", "DTEND:20260105T100000", "RRULE:FREQ=WEEKLY;COUNT=2"), {
    expand: range("20260110T000000Z", "20260125T000000Z"),
  });
  assert.ok(floating.includes("DTSTART:20260112T090000\r\nRECURRENCE-ID:20260112T090000\r\nDTEND:20260112T100000\r\n"));
});

test("DTEND gives every instance the exact duration of the first, over a change of offset too (RFC 5545 §3.8.5.3)", () => {
  const selected = select(
    event(
      "DTSTART;TZID=Europe/Berlin:20260328T220000",
      "DTEND;TZID=Europe/Berlin:20260329T060000",
      "RRULE:FREQ=DAILY;COUNT=2",
    ),
    { expand: range("20260328T000000Z", "20260401T000000Z") },
  );
  assert.deepEqual(
    only(selected, "VEVENT").filter((line) => line.startsWith("DT")),
    ["DTSTART:20260328T210000Z", "DTEND:20260329T040000Z", "DTSTART:20260329T200000Z", "DTEND:20260330T030000Z"],
  );
});

test("expansion and selection together; recurrence properties are gone whatever is named", () => {
  const selected = select(abcd2, {
    expand: range("20060103T000000Z", "20060104T000000Z"),
    comp: comp("VCALENDAR", { comps: [comp("VEVENT", { props: props("DTSTART", "RRULE") }), comp("VTIMEZONE")] }),
  });
  assert.deepEqual(linesOf(selected), [
    "BEGIN:VCALENDAR",
    "BEGIN:VEVENT",
    "DTSTART:20060103T170000Z",
    "END:VEVENT",
    "END:VCALENDAR",
  ]);
});

test("more instances than the limit are refused with number-of-recurrences-within-limits", () => {
  const text = event("DTSTART:20260105T090000Z", "RRULE:FREQ=DAILY");
  const january = range("20260101T000000Z", "20260131T000000Z");
  assert.equal(select(text, { expand: january }, 26).match(/BEGIN:VEVENT/g)?.length, 26);
  assert.throws(
    () => select(text, { expand: january }, 25),
    (error) =>
      error instanceof Refusal &&
      error.reason.code === "number-of-recurrences-within-limits" &&
      error.reason.limit === 25,
  );
});

test("RFC 4791 §7.8.4: only the free-busy periods in the range", () => {
  const selected = select(abcd8, { limitFreeBusySet: range("20060104T110000Z", "20060105T110000Z") });
  assert.deepEqual(
    linesOf(selected).filter((line) => line.startsWith("FREEBUSY")),
    ["FREEBUSY:20060104T100000Z/PT2H", "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20060105T100000Z/20060105T120000Z"],
  );
  assert.ok(selected.includes("DTSTART:20060101T000000Z"));
});
