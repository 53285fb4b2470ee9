import assert from "node:assert/strict";
import { test } from "node:test";
import { bundle } from "../../src/ical/bundle.ts";
import { calendarLines, splitCalendar } from "../../src/ical/split.ts";
import { validateForStorage } from "../../src/ical/validate.ts";

const lines = (...all: readonly string[]): string => `${all.join("\r\n")}\r\n`;
const event = (uid: string, ...more: readonly string[]): readonly string[] => [
  "BEGIN:VEVENT",
  `UID:${uid}`,
  "DTSTAMP:20260101T000000Z",
  ...more,
  "END:VEVENT",
];
const berlin = ["BEGIN:VTIMEZONE", "TZID:Europe/Berlin", "BEGIN:STANDARD", "DTSTART:19700101T000000"].concat([
  "TZOFFSETFROM:+0100",
  "TZOFFSETTO:+0100",
  "END:STANDARD",
  "END:VTIMEZONE",
]);
const tokyo = berlin.map((line) => line.replace("Europe/Berlin", "Asia/Tokyo"));
const stream = (...inside: readonly (readonly string[])[]): string =>
  lines(
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//x//EN",
    "METHOD:PUBLISH",
    "X-WR-CALNAME:Work",
    ...inside.flat(),
    "END:VCALENDAR",
  );
const split = (text: string) => [...splitCalendar(text)];

test("components with one UID become one object, with the zones they name and nothing of the calendar's own", () => {
  const weekly = event("a", "DTSTART;TZID=Europe/Berlin:20260105T090000", "RRULE:FREQ=WEEKLY");
  const moved = event(
    "a",
    "RECURRENCE-ID;TZID=Europe/Berlin:20260112T090000",
    'DTSTART;TZID="Asia/Tokyo":20260112T100000',
  );
  const plain = event("b", "DTSTART:20260105T090000Z", "SUMMARY:folded", "  line");
  const objects = split(stream(berlin, weekly, tokyo, plain, moved));
  assert.deepEqual(
    objects.map(({ uid, text }) => [uid, text]),
    [
      [
        "a",
        lines(
          "BEGIN:VCALENDAR",
          "VERSION:2.0",
          "PRODID:-//x//EN",
          ...berlin,
          ...tokyo,
          ...weekly,
          ...moved,
          "END:VCALENDAR",
        ),
      ],
      ["b", lines("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//EN", ...plain, "END:VCALENDAR")],
    ],
  );
  for (const { text } of objects) validateForStorage(text, { maxInstances: 400 });
  assert.deepEqual(calendarLines(stream(plain)), [
    "VERSION:2.0",
    "PRODID:-//x//EN",
    "METHOD:PUBLISH",
    "X-WR-CALNAME:Work",
  ]);
});

test("a stream of several VCALENDARs, with LF alone, without VERSION, is taken apart too", () => {
  const text = ["BEGIN:VCALENDAR", ...event("a", "DTSTART:20260105T090000Z"), "END:VCALENDAR", ""].join("\n");
  const objects = split(text + text.replace("UID:a", "UID:b"));
  assert.deepEqual(
    objects.map(({ uid }) => uid),
    ["a", "b"],
  );
  for (const { text: one } of objects) assert.equal(validateForStorage(one, { maxInstances: 400 }).kind, "VEVENT");
});

test("of two revisions of one instance the later is taken (RFC 5546 §2.1.5)", () => {
  const first = event("a", "SEQUENCE:2", "DTSTART:20260105T090000Z", "SUMMARY:second");
  const second = event("a", "SEQUENCE:1", "DTSTART:20260105T090000Z", "SUMMARY:first");
  const [object, ...more] = split(stream(first, second, second));
  assert.equal(more.length, 0);
  assert.match(object?.text ?? "", /SUMMARY:second/);
  assert.doesNotMatch(object?.text ?? "", /SUMMARY:first/);
});

test("a component without UID gets one, the same for the same text; the UID of an alarm is not taken for it", () => {
  const nameless = (summary: string) =>
    stream([
      "BEGIN:VEVENT",
      "DTSTART:20260105T090000Z",
      `SUMMARY:${summary}`,
      "UID:",
      "BEGIN:VALARM",
      "UID:alarm",
      "END:VALARM",
      "END:VEVENT",
    ]);
  const [one] = split(nameless("x"));
  assert.ok(one?.isMade);
  assert.match(one.text, new RegExp(`BEGIN:VEVENT\\r\\nUID:${one.uid}\\r\\nDTSTART`));
  assert.equal(split(nameless("x"))[0]?.uid, one.uid);
  assert.notEqual(split(nameless("y"))[0]?.uid, one.uid);
  assert.equal(validateForStorage(one.text, { maxInstances: 400 }).uid, one.uid);
});

test("a UID with a colon, folded, is read whole; one UID in an event and a task makes two objects", () => {
  const objects = split(
    stream(
      ["BEGIN:VEVENT", 'UID;X-A="b:c":urn:uuid:1', " 23", "END:VEVENT"],
      ["BEGIN:VTODO", "UID:urn:uuid:123", "END:VTODO"],
    ),
  );
  assert.deepEqual(
    objects.map(({ uid }) => uid),
    ["urn:uuid:123", "urn:uuid:123"],
  );
});

test("what was bundled comes apart into the same objects", async () => {
  const texts = split(
    stream(
      berlin,
      event("a", "DTSTART;TZID=Europe/Berlin:20260105T090000"),
      event("b", "DTSTART;TZID=Europe/Berlin:20260105T090000"),
    ),
  ).map(({ text }) => text);
  let whole = "";
  for await (const piece of bundle(texts, { product: "-//x//EN" })) whole += piece;
  assert.deepEqual(
    split(whole).map(({ text }) => text),
    texts,
  );
  assert.deepEqual(split("nothing"), []);
});
