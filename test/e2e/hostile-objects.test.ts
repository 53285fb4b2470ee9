import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { propfind, shown } from "../support/http-client.ts";
import { calendar, event, ruled } from "./calendar-texts.ts";
import { caldav, type Expected, path, Siege } from "./siege.ts";

const invalid: Expected = { status: 403, condition: `{${caldav}}valid-calendar-data` };

const series = (uid: string, ...more: readonly string[]): string =>
  calendar(
    ...["BEGIN:VEVENT", `UID:${uid}`, "DTSTAMP:20261101T080000Z", "DTSTART;VALUE=DATE:20260101"],
    ...["RRULE:FREQ=DAILY", ...more, "END:VEVENT"],
  );

/** `EXDATE` lines with `count` days, a thousand on each. */
function exdates(count: number): string[] {
  const lines: string[] = [];
  let days: string[] = [];
  for (let n = 0; n < count; n++) {
    // 28 days in each month, twelve months, years from 1000 on: all of them exist.
    const day = `${1000 + Math.floor(n / 336)}${`${1 + (Math.floor(n / 28) % 12)}`.padStart(2, "0")}${`${1 + (n % 28)}`.padStart(2, "0")}`;
    days.push(day);
    if (days.length === 1000 || n === count - 1) {
      lines.push(`EXDATE;VALUE=DATE:${days.join(",")}`);
      days = [];
    }
  }
  return lines;
}

const many = (count: number, line: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => line(n)).join("\r\n");

const query = (filter: string, data = "<C:calendar-data/>"): string =>
  `<C:calendar-query xmlns="DAV:" xmlns:C="${caldav}"><prop><getetag/>${data}</prop><C:filter><C:comp-filter name="VCALENDAR">${filter}</C:comp-filter></C:filter></C:calendar-query>`;

describe("hostile calendar data is refused or bounded, and no other request waits", () => {
  let siege: Siege;
  before(async () => {
    siege = await Siege.begin();
  });
  after(() => siege?.end());

  const objects: readonly (readonly [string, () => string, Expected])[] = [
    [
      "a rule that never matches (30 February)",
      () => ruled("h1", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"),
      { status: 201 },
    ],
    ["the same each second", () => ruled("h2", "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"), { status: 201 }],
    [
      "a set position that is never reached",
      () => ruled("h3", "FREQ=YEARLY;BYMONTH=2,3;BYDAY=3WE;BYSETPOS=5"),
      { status: 201 },
    ],
    ["each second for ever", () => ruled("h4", "FREQ=SECONDLY"), { status: 201 }],
    [
      "each second, filtered to one in a day",
      () => ruled("h5", "FREQ=SECONDLY;BYHOUR=3;BYMINUTE=3;BYSECOND=3"),
      { status: 201 },
    ],
    ["a billion days", () => ruled("h6", "FREQ=DAILY;COUNT=1000000000", "00010101T000000Z"), { status: 201 }],
    [
      "each second since the year 1",
      () => ruled("h7", "FREQ=SECONDLY;INTERVAL=7", "00010101T000000Z"),
      { status: 201 },
    ],
    [
      "every part of a rule at once",
      () =>
        ruled(
          "h8",
          `FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYHOUR=${range(24)};BYMINUTE=${range(60)};BYSECOND=${range(60)};BYSETPOS=-1`,
        ),
      { status: 201 },
    ],
    ["an interval of 0", () => ruled("h9", "FREQ=DAILY;INTERVAL=0"), { ...invalid, says: /INTERVAL/ }],
    ["a count of 0", () => ruled("h10", "FREQ=DAILY;COUNT=0"), { ...invalid, says: /COUNT/ }],
    ["a start on 30 February", () => ruled("h11", "FREQ=DAILY", "20260230T100000Z"), { ...invalid, says: /line \d/ }],
    ["a start at 25 o'clock", () => ruled("h12", "FREQ=DAILY", "20260228T250000Z"), { ...invalid, says: /line \d/ }],
    [
      "20,000 components inside each other",
      () => "BEGIN:VCALENDAR\r\n".repeat(20_000) + "END:VCALENDAR\r\n".repeat(20_000),
      invalid,
    ],
    ["one line of a megabyte", () => event("h13", 0, `X-LONG:${"a".repeat(1_000_000)}`), { status: 201 }],
    [
      "a line with 60,000 parameters",
      () => event("h14", 0, `X-LONG${Array.from({ length: 60_000 }, (_, n) => `;P${n}=v`).join("")}:v`),
      invalid,
    ],
    [
      "200,000 properties",
      () =>
        event(
          "h15",
          0,
          many(200_000, (n) => `X-P:${n}`),
        ),
      { status: 201 },
    ],
    [
      "100,000 attendees",
      () =>
        event(
          "h16",
          0,
          "ORGANIZER:mailto:user04@example.com",
          many(100_000, (n) => `ATTENDEE:mailto:a${n}@example.com`),
        ),
      { status: 403, condition: `{${caldav}}max-attendees-per-instance` },
    ],
    ["20,000 EXDATEs", () => series("h17", ...exdates(20_000)), { status: 201 }],
    ["100,000 EXDATEs, within the usual limit", () => series("h18", ...exdates(100_000)), invalid],
    [
      "100,000 RDATEs",
      () => series("h19", ...exdates(100_000).map((line) => line.replace("EXDATE", "RDATE"))),
      invalid,
    ],
    ["20,000 overrides", () => overrides(20_000), { status: 201 }],
    ["bytes that are no text", () => "\0\x01\x02".repeat(100_000), invalid],
    ["nothing but line ends", () => "\r\n".repeat(500_000), invalid],
  ];
  for (const [what, text, expected] of objects)
    test(`PUT of ${what}: ${expected.status}`, async (t) => {
      const body = text();
      const name = `${what.replace(/\W+/g, "-")}.ics`;
      siege.judge(await siege.watched(t, () => siege.put(name, body), expected.bound), expected);
      if (expected.status !== 201) return;
      // What was taken must not hurt those who read it either.
      const week =
        '<C:comp-filter name="VEVENT"><C:time-range start="20270301T000000Z" end="20270308T000000Z"/></C:comp-filter>';
      siege.judge(await siege.watched(t, () => siege.xml("REPORT", query(week, "")), expected.bound), { status: 207 });
      const busy = `<C:free-busy-query xmlns:C="${caldav}"><C:time-range start="20270301T000000Z" end="20270302T000000Z"/></C:free-busy-query>`;
      const answer = await siege.watched(t, () => siege.xml("REPORT", busy), expected.bound);
      // The effort of looking for an instance is bounded too; an answer that is not whole is refused.
      if (answer.status === 403)
        siege.judge(answer, { status: 403, condition: "{DAV:}number-of-matches-within-limits" });
      else siege.judge(answer, { status: 200 });
    });

  afterEach(async () => {
    const items = await siege.client.multistatus("PROPFIND", path, propfind("{DAV:}getetag"), { depth: "1" });
    for (const { href } of items)
      if (href !== path && !/\/e\d+\.ics$/.test(href)) await siege.client.expect(204, "DELETE", href);
  });

  test("an expansion beyond the limit is refused", async (t) => {
    siege.judge(await siege.put("each-second.ics", ruled("each-second", "FREQ=SECONDLY")), { status: 201 });
    const expand = '<C:calendar-data><C:expand start="20260101T000000Z" end="20400101T000000Z"/></C:calendar-data>';
    const answer = await siege.watched(t, () => siege.xml("REPORT", query('<C:comp-filter name="VEVENT"/>', expand)));
    assert.ok([207, 403, 507].includes(answer.status), shown(answer));
    assert.match(answer.text, /number-of-recurrences-within-limits|max-instances/);
  });

  test("after all of it the server is well", (t) => siege.assertWell(t));
});

const range = (n: number): string => Array.from({ length: n }, (_, at) => at).join(",");

function overrides(count: number): string {
  const all: string[] = [];
  for (let n = 0; n < count; n++) {
    const at = new Date(Date.UTC(2026, 0, 1 + n, 10)).toISOString().replace(/[-:]|\.\d+/g, "");
    all.push(
      "BEGIN:VEVENT",
      "UID:overrides",
      "DTSTAMP:20261101T080000Z",
      `RECURRENCE-ID:${at}`,
      `DTSTART:${at}`,
      "DURATION:PT2H",
      "END:VEVENT",
    );
  }
  return ruled("overrides", "FREQ=DAILY").replace("END:VCALENDAR\r\n", `${all.join("\r\n")}\r\nEND:VCALENDAR\r\n`);
}
