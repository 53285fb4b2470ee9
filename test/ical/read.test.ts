import assert from "node:assert/strict";
import { test } from "node:test";
import { readCalendar, readCalendarInTurns } from "../../src/ical/read.ts";
import { Refusal } from "../../src/model/refusal.ts";

const lines = (...text: readonly string[]): string => `${text.join("\r\n")}\r\n`;
const calendar = (...inside: readonly string[]): string => lines("BEGIN:VCALENDAR", ...inside, "END:VCALENDAR");
const event = (...inside: readonly string[]): string => calendar("BEGIN:VEVENT", ...inside, "END:VEVENT");

const firstProperty = (text: string) => readCalendar(text).components[0]?.properties[0];

function refused(text: string, problem: string): void {
  assert.throws(
    () => readCalendar(text),
    (error) => {
      assert.ok(error instanceof Refusal);
      assert.equal(error.reason.code, "valid-calendar-data");
      assert.ok(error.message.includes(problem), error.message);
      return true;
    },
  );
}

test("a calendar is read into components and properties with their lines", () => {
  const root = readCalendar(
    calendar(
      "VERSION:2.0",
      "BEGIN:VEVENT",
      "DTSTART;TZID=Europe/Berlin:20260105T090000",
      "SUMMARY:Lunch",
      "END:VEVENT",
    ),
  );
  assert.deepEqual(root, {
    name: "VCALENDAR",
    line: 1,
    properties: [{ name: "VERSION", parameters: [], value: "2.0", line: 2 }],
    components: [
      {
        name: "VEVENT",
        line: 3,
        properties: [
          {
            name: "DTSTART",
            parameters: [{ name: "TZID", values: ["Europe/Berlin"] }],
            value: "20260105T090000",
            line: 4,
          },
          { name: "SUMMARY", parameters: [], value: "Lunch", line: 5 },
        ],
        components: [],
      },
    ],
  });
});

test("folded lines are joined, and the lines after them keep their numbers", () => {
  const root = readCalendar("BEGIN:VCALENDAR\r\nSUMMARY:ab\r\n c\r\n\td\r\n \r\nLOCATION:x\r\nEND:VCALENDAR\r\n");
  assert.deepEqual(
    root.properties.map(({ value, line }) => [value, line]),
    [
      ["abcd", 2],
      ["x", 6],
    ],
  );
});

test("a fold may part a name and a parameter", () => {
  const property = firstProperty(event("DTS", " TART;TZ", " ID=Europe/Ber", " lin:20260105T090000"));
  assert.equal(property?.name, "DTSTART");
  assert.deepEqual(property?.parameters, [{ name: "TZID", values: ["Europe/Berlin"] }]);
});

for (const [what, text] of [
  ["LF", event("SUMMARY:Lunch").replaceAll("\r\n", "\n")],
  ["CR CR LF", event("SUMMARY:Lunch").replaceAll("\r\n", "\r\r\n")],
  ["a byte order mark", `\ufeff${event("SUMMARY:Lunch")}`],
  ["blank lines, also before and after", `\r\n\n${event("", "SUMMARY:Lunch", "\t", "")}\r\n \r\n`],
  ["no line end after the last line", event("SUMMARY:Lunch").trimEnd()],
  ["names in small letters", event("summary:Lunch").replaceAll("BEGIN", "begin").replace("VEVENT", "vevent")],
  ["white space after END", event("SUMMARY:Lunch").replaceAll("VEVENT\r", "VEVENT \t\r")],
] as const)
  test(`the reader takes ${what}`, () => {
    assert.deepEqual(firstProperty(text)?.value, "Lunch");
    assert.equal(firstProperty(text)?.name, "SUMMARY");
  });

test("parameters: quoted values, lists, and the carets of RFC 6868", () => {
  const property = firstProperty(
    event(
      'ATTENDEE;CN="Doe; John: Jr, x";MEMBER="mailto:a@example.com","mailto:b@example.com";X-N=a^nb^^c^\'d^e:mailto:j@example.com',
    ),
  );
  assert.deepEqual(property?.parameters, [
    { name: "CN", values: ["Doe; John: Jr, x"] },
    { name: "MEMBER", values: ["mailto:a@example.com", "mailto:b@example.com"] },
    { name: "X-N", values: ['a\nb^c"d^e'] },
  ]);
  assert.equal(property?.value, "mailto:j@example.com");
});

test("parameters without quotes may hold spaces, quotes inside, umlauts, and what a backslash protects", () => {
  const property = firstProperty(
    event('X-LOC;VALUE=URI;X-ABUID=ab\\://Work;X-TITLE="10\\n XX";CN=Zoë "Z" O\'Neill (Room 1) & = co:"geo:1.1"'),
  );
  assert.deepEqual(property?.parameters, [
    { name: "VALUE", values: ["URI"] },
    { name: "X-ABUID", values: ["ab\\://Work"] },
    { name: "X-TITLE", values: ["10\\n XX"] },
    { name: "CN", values: ['Zoë "Z" O\'Neill (Room 1) & = co'] },
  ]);
  assert.equal(property?.value, '"geo:1.1"');
});

test("a value may be empty and may hold any character", () => {
  assert.equal(firstProperty(event("DESCRIPTION:"))?.value, "");
  assert.equal(firstProperty(event("DESCRIPTION: a:b;c,d\\n\u2028é😀\u000b"))?.value, " a:b;c,d\\n\u2028é😀\u000b");
});

for (const [text, problem] of [
  ["", "line 1: BEGIN:VCALENDAR is expected, found nothing"],
  ["\r\n\r\n", "BEGIN:VCALENDAR is expected, found nothing"],
  ["hello", 'line 1: "hello" is not a content line'],
  [lines("BEGIN:VEVENT", "END:VEVENT"), "line 1: BEGIN:VCALENDAR is expected, found BEGIN:VEVENT"],
  [lines("VERSION:2.0"), "line 1: BEGIN:VCALENDAR is expected, found VERSION"],
  [calendar("BEGIN:VEVENT", "BEGIN:VALARM", "END:VEVENT"), "line 4: END:VEVENT closes VALARM, begun in line 3"],
  [lines("BEGIN:VCALENDAR", "BEGIN:VEVENT"), "line 2: the text ends inside VEVENT, begun in line 2"],
  [`${calendar()}END:VEVENT`, "line 3: END:VEVENT without BEGIN"],
  [`${calendar()}\r\nX-COMMENT:1`, "line 4: X-COMMENT after END:VCALENDAR"],
  [`${calendar()}${calendar()}`, "line 3: BEGIN:VCALENDAR after END:VCALENDAR"],
  [calendar("BEGIN:VCALENDAR", "END:VCALENDAR"), "line 2: BEGIN:VCALENDAR inside VCALENDAR"],
  [event("SUMMARY Lunch"), 'line 3: "SUMMARY Lunch" is not a content line'],
  [event("SUMMARY"), 'line 3: "SUMMARY" is not a content line'],
  [event("DTSTART;VALUE:20260105"), "line 3: a parameter of DTSTART is not of the form NAME=value"],
  [event("DTSTART;;VALUE=DATE:20260105"), "line 3: a parameter of DTSTART is not of the form NAME=value"],
  [event('ATTENDEE;CN="Doe:mailto:a@example.com'), "line 3: CN of ATTENDEE: the quote is not closed"],
  [event('ATTENDEE;CN="Doe" x:mailto:a@example.com'), "line 3: CN of ATTENDEE: text after the closing quote"],
  [event("ATTENDEE;CN=Doe"), 'line 3: ATTENDEE has no ":" before its value'],
  [event("SUMMARY:a", "DESCRIPTION:b\0"), "line 4: a NUL character"],
  [calendar("BEGIN:V EVENT", "END:V EVENT"), 'line 2: "V EVENT" is not a component name'],
  [lines("BEGIN:VCALENDAR", ...Array<string>(16).fill("BEGIN:X-A")), "line 17: components nested deeper than 16"],
] as const)
  test(`refused: ${problem}`, () => refused(text, problem));

test("hostile text takes time in proportion to its length", () => {
  const size = 1_000_000;
  const hostile: readonly string[] = [
    event(`DESCRIPTION:${"\r\n ".repeat(size / 3)}`),
    event(`X-A;P=${"^n".repeat(size / 2)}:x`),
    event(`X-A;P="${",".repeat(size)}`),
    event(`X-A${";P=1".repeat(250)}:x`),
    event("A:\r\n".repeat(size / 4)),
    " ".repeat(size),
    "\n".repeat(size),
    `BEGIN:VCALENDAR\n${";".repeat(size)}`,
    event(`X-A;P=${"\\".repeat(size)}`),
  ];
  const started = process.cpuUsage();
  for (const text of hostile)
    try {
      readCalendar(text);
    } catch (error) {
      assert.ok(error instanceof Refusal);
    }
  const { user } = process.cpuUsage(started);
  assert.ok(user < 3_000_000, `took ${user} µs`);
});

test("parameters, values and depth are bounded", () => {
  refused(event(`X-A${";P=1".repeat(257)}:x`), "more than 256 parameters");
  refused(event(`X-A;P=${"1,".repeat(10_001)}:x`), "more than 10000 parameter values");
});

test("a long text read in turns is what it is read whole, and so is what is wrong with it", async () => {
  const alarm = "BEGIN:VALARM\r\nTRIGGER;RELATED=END:-PT5M\r\nDESCRIPTION:folded\r\n  line\r\nEND:VALARM\r\n";
  const text = `BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\n${alarm.repeat(4_000)}END:VEVENT\r\nEND:VCALENDAR\r\n`;
  assert.ok(text.length > 300_000);
  assert.deepEqual(await readCalendarInTurns(text), readCalendar(text));
  for (const broken of [text.slice(0, -30), text.replace(/VALARM\r\n(?=END:VEVENT)/, "VTODO\r\n"), `${text}X:1`]) {
    const problem = (error: unknown): string => String(error);
    const whole = await Promise.resolve()
      .then(() => readCalendar(broken))
      .catch(problem);
    assert.match(String(whole), /line \d+/);
    assert.equal(await readCalendarInTurns(broken).catch(problem), whole);
  }
});
