import assert from "node:assert/strict";
import { test } from "node:test";
import type { Component } from "../../src/ical/component.ts";
import { fromJCal, toJCal } from "../../src/ical/jcal.ts";
import { readCalendar } from "../../src/ical/read.ts";
import { Refusal } from "../../src/model/refusal.ts";

const event = (...inside: readonly string[]): string =>
  `${["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", ...inside, "END:VEVENT", "END:VCALENDAR"].join("\r\n")}\r\n`;

/** The jCal of one property. */
function jPropertyOf(line: string): unknown {
  const [, , [[, [property]]]] = JSON.parse(toJCal(event(line)));
  return property;
}

const meaning = ({ name, properties, components }: Component): unknown => [
  name,
  properties.map((property) => [
    property.name,
    property.value,
    property.parameters.filter(({ name: parameter }) => parameter !== "VALUE"),
  ]),
  components.map(meaning),
];

for (const [line, expected] of [
  ["DTSTART;TZID=US/Eastern:20260101T100000", ["dtstart", { tzid: "US/Eastern" }, "date-time", "2026-01-01T10:00:00"]],
  ["DTSTART;VALUE=DATE:20260101", ["dtstart", {}, "date", "2026-01-01"]],
  ["DTSTART:20260101", ["dtstart", {}, "date", "2026-01-01"]],
  ["DURATION:PT1H", ["duration", {}, "duration", "PT1H"]],
  ["SUMMARY:a\\, b\\n\\;", ["summary", {}, "text", "a, b\n;"]],
  ["CATEGORIES:a\\,b,c", ["categories", {}, "text", "a,b", "c"]],
  ["GEO:1.5;2.5", ["geo", {}, "float", [1.5, 2.5]]],
  ["SEQUENCE:3", ["sequence", {}, "integer", 3]],
  [
    "RRULE:FREQ=WEEKLY;UNTIL=20260301T000000Z;BYDAY=MO,-1TU;WKST=SU;INTERVAL=2;BYMONTH=1",
    [
      "rrule",
      {},
      "recur",
      { freq: "WEEKLY", until: "2026-03-01T00:00:00Z", byday: ["MO", "-1TU"], wkst: "SU", interval: 2, bymonth: 1 },
    ],
  ],
  ["CONFERENCE;FEATURE=PHONE,VIDEO;VALUE=URI:tel:1", ["conference", { feature: ["PHONE", "VIDEO"] }, "uri", "tel:1"]],
  // RFC 7265 §5.3
  ["X-COFFEE-DATA:Stenophylla;Guinea\\,Africa", ["x-coffee-data", {}, "unknown", "Stenophylla;Guinea\\,Africa"]],
  ["DTSTART;X-SLACK=30.3;VALUE=DATE:20110512", ["dtstart", { "x-slack": "30.3" }, "date", "2011-05-12"]],
  // What a converter would make something else of.
  ["SEQUENCE:abc", ["sequence", {}, "unknown", "abc"]],
  ["DTSTART:notadate", ["dtstart", {}, "unknown", "notadate"]],
  ["RRULE:nonsense", ["rrule", {}, "unknown", "nonsense"]],
] as const)
  test(`${line} in jCal`, () => assert.deepEqual(jPropertyOf(line), expected));

test("text, jCal, text: nothing is lost", () => {
  const text = event(
    'ATTENDEE;CN="Doe, J";MEMBER="mailto:a@b","mailto:c@d";X-T="10\\n XX":mailto:j@example.com',
    "EXDATE:20260101T000000Z,20260102T000000Z",
    "RDATE;VALUE=PERIOD:20260101T000000Z/PT1H",
    "ATTACH;VALUE=BINARY;ENCODING=BASE64:aGVsbG8=",
    "TRIGGER;VALUE=DATE-TIME:20260101T000000Z",
    "REQUEST-STATUS:2.0;Success",
    "CREATED:20260101",
    "URL:http://example.com/a\\,b;c",
    "X-LONG;LANGUAGE=de:Gr\u00fc\u00dfe \\, 😀",
    "FREEBUSY;FBTYPE=BUSY:20260101T000000Z/PT1H,20260101T000000Z/20260102T000000Z",
  );
  assert.deepEqual(meaning(readCalendar(fromJCal(toJCal(text)))), meaning(readCalendar(text)));
});

for (const [json, problem] of [
  ["{", "not JSON"],
  ["[]", "a component is a list of three"],
  ['["vevent",[],[]]', "a vcalendar is expected"],
  ['["vcalendar",[["x"]],[]]', "a property is a list of four or more"],
  ['["vcalendar",[["x-a",{},"unknown","a\\r\\nEND:VCALENDAR"]],[]]', "x-a has a line end"],
  ['["vcalendar",[["x-a:b",{},"text","a"]],[]]', "begins with its name"],
  ['["vcalendar",[["x-a",{"p":{}},"text","a"]],[]]', "p is no parameter"],
  ['["vcalendar",[["summary",{},"text",{}]],[]]', "its type text has other values"],
  ['["vcalendar",[["rrule",{},"recur","FREQ=DAILY"]],[]]', "a rule is an object"],
  [`${'["vcalendar",[],['.repeat(40)}${"]]".repeat(40)}`, "nested deeper than 16"],
] as const)
  test(`jCal is refused: ${problem}`, () =>
    assert.throws(
      () => fromJCal(json),
      (error) =>
        error instanceof Refusal && error.reason.code === "valid-calendar-data" && error.message.includes(problem),
    ));

test("line ends in a parameter stay inside it", () => {
  const text = fromJCal('["vcalendar",[["x-a",{"p":"a\\r\\nb\\"c"},"text","d\\r\\ne"]],[]]');
  assert.equal(
    text,
    "BEGIN:VCALENDAR\r\nX-A;P=a^nb^'c;VALUE=TEXT:d\\ne\r\nEND:VCALENDAR\r\n".replace(
      ";P=a^nb^'c;VALUE=TEXT",
      ";VALUE=TEXT;P=a^nb^'c",
    ),
  );
});
