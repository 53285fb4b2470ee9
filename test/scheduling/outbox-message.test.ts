import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Refusal } from "../../src/model/refusal.ts";
import { isOrganizerMethod, readMessage } from "../../src/scheduling/outbox-message.ts";

const message = (method: string, component: string, ...lines: readonly string[]): string =>
  [
    ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", ...(method === "" ? [] : [`METHOD:${method}`])],
    ...[`BEGIN:${component}`, "UID:1", "DTSTAMP:20260101T000000Z", ...lines, `END:${component}`],
    ...["END:VCALENDAR", ""],
  ].join("\r\n");

const people = ["ORGANIZER:mailto:a@example.com", "ATTENDEE;CN=B:mailto:b@example.com"];
const times = ["DTSTART:20260105T090000Z", "DTEND:20260106T090000Z"];
const request = (...lines: readonly string[]): string => message("REQUEST", "VFREEBUSY", ...lines);

function refuses(text: string, code: string): void {
  assert.throws(
    () => readMessage(text),
    (error) => error instanceof Refusal && error.reason.code === code,
  );
}

describe("a request for busy time", () => {
  test("is its range, its people, and the event to look past", () => {
    const { method, kind, uid, organizer, attendees, busyTime } = readMessage(
      request(...people, ...times, "X-CALENDARSERVER-MASK-UID:lunch"),
    );
    assert.deepEqual([method, kind, uid, organizer.value], ["REQUEST", "VFREEBUSY", "1", "mailto:a@example.com"]);
    assert.deepEqual(
      attendees.map(({ value }) => value),
      ["mailto:b@example.com"],
    );
    assert.deepEqual(busyTime, {
      range: { start: Date.UTC(2026, 0, 5, 9) / 1000, end: Date.UTC(2026, 0, 6, 9) / 1000 },
      maskUid: "lunch",
    });
  });

  test("may say its times in a zone", () => {
    const zoned = ["DTSTART;TZID=Europe/Berlin:20260105T100000", "DTEND;TZID=Europe/Berlin:20260106T100000"];
    assert.equal(readMessage(request(...people, ...zoned)).busyTime?.range.start, Date.UTC(2026, 0, 5, 9) / 1000);
  });

  test("with floating times or dates is no valid calendar data", () => {
    refuses(request(...people, "DTSTART:20260105T090000", "DTEND:20260106T090000"), "valid-calendar-data");
    refuses(request(...people, "DTSTART;VALUE=DATE:20260105", "DURATION:P1D"), "valid-calendar-data");
  });

  test("that ends before it begins is no valid calendar data", () =>
    refuses(request(...people, "DTSTART:20260106T090000Z", "DTEND:20260105T090000Z"), "valid-calendar-data"));

  test("without DTSTART, DTEND or ATTENDEE is no scheduling message", () => {
    for (const lines of [
      [...people, times[0]],
      [...people, times[1]],
      [people[0], ...times],
    ])
      refuses(request(...lines.map(String)), "valid-scheduling-message");
  });

  test("has one VFREEBUSY", () => {
    const two = request(...people, ...times, "END:VFREEBUSY", "BEGIN:VFREEBUSY", "UID:1", ...people, ...times);
    refuses(two, "valid-calendar-data");
    refuses(request(...people, ...times, "RECURRENCE-ID:20260105T090000Z"), "valid-scheduling-message");
  });

  test("names each attendee once, in any spelling", () => {
    const more = ["ATTENDEE:MAILTO:B@example.com", "ATTENDEE:urn:uuid:C", "ATTENDEE:urn:uuid:C"];
    const { attendees } = readMessage(request(...people, ...times, ...more));
    assert.deepEqual(
      attendees.map(({ value }) => value),
      ["mailto:b@example.com", "urn:uuid:C"],
    );
  });
});

describe("a message", () => {
  const event = ["DTSTART:20260105T090000Z", ...people];

  test("has a METHOD of iTIP", () => {
    refuses(message("", "VEVENT", ...event), "valid-scheduling-message");
    refuses(message("INVITE", "VEVENT", ...event), "valid-scheduling-message");
    assert.equal(readMessage(message("request", "VEVENT", ...event)).method, "REQUEST");
  });

  test("has an ORGANIZER", () =>
    refuses(message("REQUEST", "VEVENT", event[0] ?? "", people[1] ?? ""), "valid-organizer"));

  test("has no X-CALENDARSERVER-ACCESS", () =>
    refuses(message("REQUEST", "VEVENT", ...event, "X-CALENDARSERVER-ACCESS:PRIVATE"), "no-access-restrictions"));

  test("is a calendar object: one UID, one kind, VERSION 2.0", () => {
    const valid = message("REQUEST", "VEVENT", ...event);
    const second = ["END:VEVENT", "BEGIN:VEVENT", "UID:2", "RECURRENCE-ID:20260105T090000Z"];
    refuses(message("REQUEST", "VEVENT", ...event, ...second), "valid-calendar-data");
    refuses(valid.replace("VERSION:2.0", "VERSION:1.0"), "valid-calendar-data");
    refuses("", "valid-calendar-data");
    refuses("hello", "valid-calendar-data");
  });

  test("of other kinds asks for no busy time", () => {
    assert.equal(readMessage(message("REQUEST", "VEVENT", ...event)).busyTime, undefined);
    assert.equal(readMessage(message("PUBLISH", "VFREEBUSY", ...people)).busyTime, undefined);
  });

  test("is of the organizer or of an attendee", () => {
    assert.ok(isOrganizerMethod("CANCEL"));
    assert.ok(!isOrganizerMethod("REPLY"));
  });
});

test("a message to more than a thousand attendees is refused with max-attendees-per-instance", () => {
  const attendees = (count: number): readonly string[] =>
    Array.from({ length: count }, (_, at) => `ATTENDEE:mailto:user${at}@example.com`);
  assert.equal(readMessage(request(...people, ...times, ...attendees(999))).attendees.length, 1000);
  refuses(request(...people, ...times, ...attendees(1000)), "max-attendees-per-instance");
});
