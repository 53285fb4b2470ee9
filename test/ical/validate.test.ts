import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import { type ObjectLimits, validateForStorage } from "../../src/ical/validate.ts";
import { type Reason, Refusal } from "../../src/model/refusal.ts";

const limits: ObjectLimits = { maxInstances: 1000 };
const zone = [
  "BEGIN:VTIMEZONE",
  "TZID:Office",
  "BEGIN:STANDARD",
  "DTSTART:19700101T000000",
  "TZOFFSETFROM:+0100",
  "TZOFFSETTO:+0100",
  "END:STANDARD",
  "END:VTIMEZONE",
];
const calendar = (...inside: readonly string[]): string =>
  `${["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", ...inside, "END:VCALENDAR"].join("\r\n")}\r\n`;
const component = (kind: string, ...inside: readonly string[]): readonly string[] => [
  `BEGIN:${kind}`,
  "UID:1",
  ...inside,
  `END:${kind}`,
];
const start = "DTSTART:20260105T090000Z";
const event = (...inside: readonly string[]): string => calendar(...component("VEVENT", start, ...inside));
const recurring = (rule: string, ...overrides: readonly (readonly string[])[]): string =>
  calendar(
    ...component("VEVENT", start, rule),
    ...overrides.flatMap((override) => component("VEVENT", "DTSTART:20260112T100000Z", ...override)),
  );

function refused(text: string, code: Reason["code"], problem: string, own: ObjectLimits = limits): void {
  assert.throws(
    () => validateForStorage(text, own),
    (error) => {
      assert.ok(error instanceof Refusal, String(error));
      assert.equal(error.reason.code, code, error.message);
      assert.ok(error.message.includes(problem), error.message);
      return true;
    },
  );
}

test("an object comes apart into master and overrides", () => {
  const text = recurring("RRULE:FREQ=WEEKLY", ["RECURRENCE-ID:20260112T090000Z"]);
  const object = validateForStorage(text, limits);
  assert.equal(object.text, text);
  assert.equal(object.uid, "1");
  assert.equal(object.kind, "VEVENT");
  assert.equal(object.master?.line, 4);
  assert.deepEqual(
    object.overrides.map(({ line }) => line),
    [9],
  );
  assert.deepEqual(parseCalendarObject(text), object);
});

for (const [what, text] of [
  ["DTEND before DTSTART", event("DTEND:20250101T000000Z")],
  ["DTEND as a date", event("DTEND;VALUE=DATE:20260106")],
  ["a date without VALUE=DATE", calendar(...component("VEVENT", "DTSTART:20260105"))],
  ["TZID on a UTC time", event("DTEND;TZID=Office:20260105T100000Z")],
  ["two rules", event("RRULE:FREQ=WEEKLY", "RRULE:FREQ=DAILY;COUNT=3")],
  ["a rule without instances", event("RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")],
  ["a rule with a million instances", event("RRULE:FREQ=SECONDLY;COUNT=1000000")],
  ["a rule that never ends", event("RRULE:FREQ=MINUTELY")],
  ["an empty EXDATE", event("RRULE:FREQ=DAILY", "EXDATE:")],
  ["an empty RRULE", event("RRULE:")],
  ["quotes escaped beside an ALTREP (Thunderbird)", event('DESCRIPTION;ALTREP="data:text/html,x":so \\"called\\"')],
  ["RDATE:20131210Z (Google)", event("RDATE:20131210Z")],
  ["a duration that ends in T", event("DURATION:P1DT")],
  ["DURATION:PT0S beside DTEND (Thunderbird)", event("DTEND:20260105T100000Z", "DURATION:PT0S")],
  ["a year 0 in CREATED (Google)", event("CREATED:00001231T000000Z")],
  ["an unused VTIMEZONE", calendar(...zone, ...component("VEVENT", start))],
  ["a TZID with a VTIMEZONE", calendar(...zone, ...component("VEVENT", "DTSTART;TZID=Office:20260105T090000"))],
  ["a TZID of a known zone", calendar(...component("VEVENT", "DTSTART;TZID=Europe/Berlin:20260105T090000"))],
  ["TZID=UTC", calendar(...component("VEVENT", "DTSTART;TZID=UTC:20260105T090000"))],
  ["a Windows zone", calendar(...component("VEVENT", "DTSTART;TZID=W. Europe Standard Time:20260105T090000"))],
  ["overrides without a master", calendar(...component("VEVENT", start, "RECURRENCE-ID:20260105T090000Z"))],
  [
    "an override before its master",
    calendar(
      ...component("VEVENT", start, "RECURRENCE-ID:20260106T090000Z"),
      ...component("VEVENT", start, "RRULE:FREQ=DAILY"),
    ),
  ],
  ["an override of a master that does not recur", recurring("SUMMARY:x", ["RECURRENCE-ID:20260109T090000Z"])],
  [
    "an override by a date of an event with times",
    recurring("RRULE:FREQ=WEEKLY", ["RECURRENCE-ID;VALUE=DATE:20260112"]),
  ],
  [
    "an override of an instance that EXDATE takes out",
    recurring("RRULE:FREQ=WEEKLY\r\nEXDATE:20260112T090000Z", ["RECURRENCE-ID:20260112T090000Z"]),
  ],
  ["an override of an RDATE", recurring("RDATE:20260109T090000Z", ["RECURRENCE-ID:20260109T090000Z"])],
  [
    "an override by the same instant in another zone",
    recurring("RRULE:FREQ=WEEKLY", ["RECURRENCE-ID;TZID=Europe/Berlin:20260112T100000"]),
  ],
  ["a VTODO without dates", calendar(...component("VTODO", "SUMMARY:x"))],
  ["a VJOURNAL", calendar(...component("VJOURNAL", "DTSTART;VALUE=DATE:20260105"))],
  [
    "a VFREEBUSY",
    calendar(
      ...component("VFREEBUSY", 'FREEBUSY;FBTYPE="BUSY":20260105T090000Z/PT1H,20260105T120000Z/20260105T130000Z'),
    ),
  ],
  ["a VAVAILABILITY", calendar(...component("VAVAILABILITY", "BEGIN:AVAILABLE", "UID:2", start, "END:AVAILABLE"))],
  ["an X- component beside the event", calendar("BEGIN:X-NOTE", "END:X-NOTE", ...component("VEVENT", start))],
  ["an X- property with any value", event("X-TEST;TZID=Nowhere:abc\\d")],
  ["escaped text", event('DESCRIPTION:a\\, b\\; c\\n\\N d\\\\ "e" \\: f\\')],
] as const)
  test(`accepted: ${what}`, () => {
    validateForStorage(text, limits);
  });

for (const [problem, text] of [
  ["line 1: the body is empty", ""],
  ['line 7: DTEND: "20260230" is not a date or time', event("DTEND:20260230")],
  ['line 7: EXDATE: "x" is not a date or time', event("EXDATE:20260105T090000Z,x")],
  ['line 7: RDATE: "20260105T090000Z/x" is not a period', event("RDATE;VALUE=PERIOD:20260105T090000Z/x")],
  ['line 7: DURATION: "1 hour" is not a duration', event("DURATION:1 hour")],
  ['line 7: SEQUENCE: "abc" is not an integer', event("SEQUENCE:abc")],
  [
    'line 8: TRIGGER: "soon" is neither a duration nor a date-time',
    event("BEGIN:VALARM", "TRIGGER:soon", "END:VALARM"),
  ],
  ['line 7: DESCRIPTION: "\\\\\\"" is not an escape sequence', event('DESCRIPTION:Bad \\"escaping\\"')],
  ["line 7: a second DTSTART in one VEVENT", event("DTSTART:20260106T090000Z")],
  ["line 7: the VEVENT has both DTEND and DURATION", event("DURATION:PT1H", "DTEND:20260105T100000Z")],
  ["line 4: the VEVENT has no DTSTART", calendar(...component("VEVENT"))],
  ["line 1: the VCALENDAR holds no component", calendar()],
  ["line 1: the VCALENDAR has no VERSION", event().replace("VERSION:2.0\r\n", "")],
  ['line 2: VERSION must be 2.0, found "1.0"', event().replace("2.0", "1.0")],
  ["line 12: the RECURRENCE-ID is no instance", recurring("RRULE:FREQ=WEEKLY", ["RECURRENCE-ID:20260112T100000Z"])],
  ["INTERVAL", event("RRULE:FREQ=DAILY;INTERVAL=0")],
  ["BYDAY", event("RRULE:FREQ=MONTHLY;BYDAY=+1,3MO")],
] as const)
  test(`refused as invalid data: ${problem}`, () => refused(text, "valid-calendar-data", problem));

for (const [problem, text] of [
  ["line 4: METHOD is for messages", calendar("METHOD:PUBLISH", ...component("VEVENT", start))],
  ["line 7: METHOD is for messages", event("METHOD:PUBLISH")],
  ["line 1: there is nothing but VTIMEZONE", calendar(...zone)],
  ["line 8: VTODO beside VEVENT", calendar(...component("VEVENT", start), ...component("VTODO"))],
  ["line 4: VALARM is none of VEVENT", calendar(...component("VALARM", "TRIGGER:-PT5M"))],
  ["line 4: the VTODO has no UID", calendar("BEGIN:VTODO", "END:VTODO")],
  [
    'line 8: the UID "2" beside "1"',
    calendar(...component("VEVENT", start), "BEGIN:VEVENT", "UID:2", start, "END:VEVENT"),
  ],
  [
    "line 8: a second VEVENT without RECURRENCE-ID; the first is in line 4",
    calendar(...component("VEVENT", start), ...component("VEVENT", start)),
  ],
  [
    "a second component with the same RECURRENCE-ID",
    recurring(
      "RRULE:FREQ=WEEKLY",
      ["RECURRENCE-ID:20260112T090000Z"],
      ["RECURRENCE-ID;TZID=Europe/Berlin:20260112T100000"],
    ),
  ],
  [
    "line 6: TZID=Nowhere of DTSTART",
    calendar("BEGIN:VEVENT", "UID:1", "DTSTART;TZID=Nowhere:20260105T090000", "END:VEVENT"),
  ],
] as const)
  test(`refused as invalid object: ${problem}`, () => refused(text, "valid-calendar-object-resource", problem));

test("the collection's limits", () => {
  refused(event(), "max-resource-size", "max-resource-size", { ...limits, maxBytes: 50 });
  refused(event("X-A:éééééééé"), "max-resource-size", "max-resource-size", {
    ...limits,
    maxBytes: event("X-A:éééééééé").length,
  });
  validateForStorage(event(), { ...limits, maxBytes: event().length });
  refused(event(), "supported-calendar-component", "supported", { ...limits, kinds: ["VTODO"] });
  validateForStorage(event(), { ...limits, kinds: ["VEVENT"] });
  const attendees = ["ATTENDEE:mailto:a@example.com", "ATTENDEE:mailto:b@example.com"];
  refused(event(...attendees), "max-attendees-per-instance", "max-attendees", { ...limits, maxAttendees: 1 });
  validateForStorage(event(...attendees), { ...limits, maxAttendees: 2 });
});

test("an inbox takes messages: METHOD, and components without DTSTART", () => {
  const text = calendar("METHOD:REPLY", ...component("VEVENT"));
  assert.equal(validateForStorage(text, { ...limits, allowMethod: true }).uid, "1");
  refused(calendar(...component("VEVENT")), "valid-calendar-data", "no DTSTART", { ...limits, allowMethod: true });
});

test("the order of the answers: size, text, values, version, object, collection", () => {
  const own: ObjectLimits = { maxInstances: 1000, kinds: ["VTODO"], maxAttendees: 0, maxBytes: 1000 };
  const text = calendar("METHOD:PUBLISH", ...component("VEVENT", start, "SEQUENCE:x", "ATTENDEE:a", "BEGIN:X"));
  refused(text.repeat(20), "max-resource-size", "", own);
  refused(text, "valid-calendar-data", "closes X", own);
  const closed = text.replace("BEGIN:X", "X:1").replace("VERSION:2.0", "VERSION:3");
  refused(closed, "valid-calendar-data", "SEQUENCE", own);
  const numbered = closed.replace("SEQUENCE:x", "SEQUENCE:1");
  refused(numbered, "valid-calendar-data", "VERSION", own);
  const version2 = numbered.replace("VERSION:3", "VERSION:2.0");
  refused(version2, "valid-calendar-object-resource", "METHOD", own);
  const plain = version2.replace("METHOD:PUBLISH", "X-A:1");
  refused(plain, "supported-calendar-component", "", own);
  refused(plain, "max-attendees-per-instance", "", { ...own, kinds: ["VEVENT"] });
});

test("a file on disk is read leniently: the first kind and UID count", () => {
  const object = parseCalendarObject(
    calendar(
      ...component("VEVENT", "DTSTART:rubbish"),
      ...component("VTODO"),
      "BEGIN:VEVENT",
      "UID:2",
      "END:VEVENT",
      ...component("VEVENT", "RECURRENCE-ID:20260112T090000Z"),
      ...component("VEVENT"),
    ).replace("VERSION:2.0", "METHOD:PUBLISH"),
  );
  assert.equal(object.uid, "1");
  assert.equal(object.kind, "VEVENT");
  assert.equal(object.master?.line, 4);
  assert.equal(object.overrides.length, 1);
  assert.throws(() => parseCalendarObject(calendar(...zone)), Refusal);
  assert.throws(() => parseCalendarObject("rubbish"), Refusal);
});

test("hostile objects are judged quickly", () => {
  const overrides = Array.from({ length: 3000 }, (_, i) => {
    const at = new Date(Date.UTC(2026, 0, 5, 9) + i * 86_400_000).toISOString().replace(/[-:]|\.000/g, "");
    return [`RECURRENCE-ID:${at}`];
  });
  const hostile: readonly string[] = [
    recurring("RRULE:FREQ=DAILY;COUNT=100000", ...overrides),
    recurring("RRULE:FREQ=SECONDLY", ["RECURRENCE-ID:20360112T090000Z"]),
    recurring("RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", ["RECURRENCE-ID:20360112T090000Z"]),
    event(`EXDATE:${Array<string>(50_000).fill("20260105T090000Z").join(",")}`),
    event("ATTENDEE:mailto:a@example.com\r\n".repeat(30_000)),
  ];
  for (const text of hostile) {
    const started = process.cpuUsage();
    try {
      validateForStorage(text, { ...limits, maxAttendees: 100 });
    } catch (error) {
      assert.ok(error instanceof Refusal);
    }
    const { user } = process.cpuUsage(started);
    assert.ok(user < 500_000, `${text.slice(0, 120)} took ${user} µs`);
  }
});

test("masses of dates and of zones are refused by their number", () => {
  const dates = Array.from(
    { length: 20_000 },
    (_, at) => `2026${10 + (at % 3)}10T${10 + (at % 13)}${10 + (at % 50)}00Z`,
  );
  assert.equal(validateForStorage(event(`EXDATE:${dates.join()}`), limits).uid, "1");
  refused(event(`EXDATE:${dates.join()}`, "RDATE:20260101T000000Z"), "valid-calendar-data", "more than 20000 RDATE");
  refused(event(...dates.map((date) => `EXDATE:${date}`), "RDATE:20260101T000000Z"), "valid-calendar-data", "20000");
  const zones = (count: number): string =>
    calendar(
      ...Array.from({ length: count }, (_, at) => zone.map((line) => line.replace("Office", `Office ${at}`))).flat(),
      ...component("VEVENT", start),
    );
  assert.equal(validateForStorage(zones(200), limits).uid, "1");
  refused(zones(201), "valid-calendar-data", "more than 200 VTIMEZONEs");
});
