import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { type Answer, basic, Client, multiget, preconditionOf, propfind, shown } from "../support/http-client.ts";
import { type Server, startServer } from "../support/server.ts";
import { Bystander } from "./bystander.ts";
import { calendar, event, ruled } from "./calendar-texts.ts";
import { RawSocket } from "./raw-socket.ts";

const home = "/calendars/users/user04/";
const path = `${home}calendar/`;
const caldav = "urn:ietf:params:xml:ns:caldav";
/** Milliseconds no other request may wait longer; the aim is 20. */
const bound = 250;
/** MaximumAttachmentSize of this server, so that an object of a million dates is within it. */
const maxBytes = 12_000_000;

/** What a case is answered with: the status, and the precondition or words of the body. */
interface Expected {
  readonly status: number;
  readonly condition?: string;
  readonly says?: RegExp;
}
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

const query = (filter: string, data = "<C:calendar-data/>"): string =>
  `<C:calendar-query xmlns="DAV:" xmlns:C="${caldav}"><prop><getetag/>${data}</prop><C:filter><C:comp-filter name="VCALENDAR">${filter}</C:comp-filter></C:filter></C:calendar-query>`;
const nested = (depth: number, name: string, inner = ""): string =>
  `<C:comp-filter name="${name}">`.repeat(depth) + inner + "</C:comp-filter>".repeat(depth);

describe("hostile input is refused or bounded, and no other request waits", () => {
  let server: Server;
  let client: Client;
  let bystander: Bystander;
  let worst = 0;

  before(async () => {
    // One worker: whoever blocks it blocks the bystander.
    server = await startServer({ workers: 1, settings: { MaximumAttachmentSize: maxBytes } });
    client = new Client(server, "user04");
    for (let n = 0; n < 100; n++) await put(`e${n}.ics`, event(`e${n}`, n));
    bystander = new Bystander(server.port, path, "user04");
    // The first polls pay for opening and compiling.
    await client.expect(207, "PROPFIND", path, { headers: { depth: "0" } });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await bystander.seen();
  });
  after(async () => {
    bystander?.end();
    client?.close();
    await server?.stop();
  });

  const put = (name: string, body: string): Promise<Answer> =>
    client.ask("PUT", path + name, { body, headers: { "content-type": "text/calendar; charset=utf-8" } });
  const xml = (method: string, body: string, headers: Record<string, string> = {}): Promise<Answer> =>
    client.ask(method, path, { body, headers: { "content-type": "application/xml", depth: "1", ...headers } });

  /** Runs `work` and judges what the bystander went through meanwhile. */
  async function watched<T>(t: TestContext, work: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    const result = await work();
    const took = performance.now() - begun;
    const seen = await bystander.seen();
    worst = Math.max(worst, seen.worst);
    t.diagnostic(
      `answered in ${took.toFixed(0)} ms; the bystander: ${seen.polls} polls, worst ${seen.worst.toFixed(1)} ms, median ${seen.median.toFixed(2)} ms`,
    );
    assert.deepEqual(seen.problems, []);
    assert.ok(seen.worst < bound, `another request waited ${seen.worst.toFixed(0)} ms`);
    return result;
  }

  function judge(answer: Answer, expected: Expected): void {
    assert.equal(answer.status, expected.status, shown(answer));
    if (expected.condition !== undefined) assert.equal(preconditionOf(answer), expected.condition, shown(answer));
    if (expected.says !== undefined) assert.match(answer.text, expected.says);
  }

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
      () => event("h15", 0, ...Array.from({ length: 200_000 }, (_, n) => `X-P:${n}`)),
      { status: 201 },
    ],
    [
      "100,000 attendees",
      () =>
        event(
          "h16",
          0,
          "ORGANIZER:mailto:user04@example.com",
          ...Array.from({ length: 100_000 }, (_, n) => `ATTENDEE:mailto:a${n}@example.com`),
        ),
      { status: 403, condition: `{${caldav}}max-attendees-per-instance` },
    ],
    ["100,000 EXDATEs, within the usual limit", () => series("h17", ...exdates(100_000)), { status: 201 }],
    ["1,000,000 EXDATEs, within a raised limit", () => series("h18", ...exdates(1_000_000)), { status: 201 }],
    [
      "100,000 RDATEs",
      () => series("h19", ...exdates(100_000).map((line) => line.replace("EXDATE", "RDATE"))),
      { status: 201 },
    ],
    ["20,000 overrides", () => overrides(20_000), { status: 201 }],
    ["bytes that are no text", () => "\0\x01\x02".repeat(100_000), invalid],
    ["nothing but line ends", () => "\r\n".repeat(500_000), invalid],
  ];
  for (const [what, text, expected] of objects)
    test(`PUT of ${what}: ${expected.status}`, async (t) => {
      const body = text();
      const name = `${what.replace(/\W+/g, "-")}.ics`;
      judge(await watched(t, () => put(name, body)), expected);
      if (expected.status !== 201) return;
      // What was taken must not hurt those who read it either.
      const week =
        '<C:comp-filter name="VEVENT"><C:time-range start="20270301T000000Z" end="20270308T000000Z"/></C:comp-filter>';
      judge(await watched(t, () => xml("REPORT", query(week, ""))), { status: 207 });
      const busy = `<C:free-busy-query xmlns:C="${caldav}"><C:time-range start="20270301T000000Z" end="20270302T000000Z"/></C:free-busy-query>`;
      judge(await watched(t, () => xml("REPORT", busy)), { status: 200 });
      judge(await watched(t, () => client.ask("DELETE", path + name)), { status: 204 });
    });

  test("an expansion beyond the limit is refused", async (t) => {
    judge(await put("each-second.ics", ruled("each-second", "FREQ=SECONDLY")), { status: 201 });
    const expand = '<C:calendar-data><C:expand start="20260101T000000Z" end="20400101T000000Z"/></C:calendar-data>';
    const answer = await watched(t, () => xml("REPORT", query('<C:comp-filter name="VEVENT"/>', expand)));
    assert.ok([207, 403, 507].includes(answer.status), shown(answer));
    assert.match(answer.text, /number-of-recurrences-within-limits|max-instances/);
    judge(await client.ask("DELETE", `${path}each-second.ics`), { status: 204 });
  });

  const laughs = `<!DOCTYPE lolz [<!ENTITY l0 "lol">${Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join("")}]><propfind xmlns="DAV:"><prop><displayname>&l9;</displayname></prop></propfind>`;
  const outside =
    '<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><propfind xmlns="DAV:"><prop><displayname>&x;</displayname></prop></propfind>';
  const deep = (depth: number): string =>
    `<propfind xmlns="DAV:"><prop>${"<a>".repeat(depth)}${"</a>".repeat(depth)}</prop></propfind>`;
  const bodies: readonly (readonly [string, string, () => string, Expected])[] = [
    ["a billion laughs", "PROPFIND", () => laughs, { status: 400 }],
    ["an external entity", "PROPFIND", () => outside, { status: 403, condition: "{DAV:}no-external-entities" }],
    ["5,000 elements inside each other", "PROPFIND", () => deep(5_000), { status: 400, says: /64/ }],
    ["100,000 elements inside each other", "PROPFIND", () => deep(100_000), { status: 400 }],
    [
      "50,000 attributes",
      "PROPFIND",
      () => `<propfind xmlns="DAV:" ${Array.from({ length: 50_000 }, (_, n) => `a${n}="x"`).join(" ")}/>`,
      { status: 400 },
    ],
    [
      "100,000 namespaces",
      "PROPFIND",
      () =>
        `<propfind xmlns="DAV:"><prop>${Array.from({ length: 40_000 }, (_, n) => `<p xmlns="urn:${n}"/>`).join("")}</prop></propfind>`,
      { status: 207 },
    ],
    [
      "100,000 hrefs",
      "REPORT",
      () => multiget(Array.from({ length: 100_000 }, (_, n) => `${path}e${n}.ics`)),
      { status: 400 },
    ],
    [
      "40,000 hrefs",
      "REPORT",
      () => multiget(Array.from({ length: 40_000 }, (_, n) => `${path}e${n}.ics`)),
      { status: 403, condition: "{DAV:}number-of-matches-within-limits" },
    ],
    [
      "5,000 times the same href",
      "REPORT",
      () => multiget(Array.from({ length: 5_000 }, () => `${path}e1.ics`)),
      { status: 207 },
    ],
    [
      "filters 50 deep",
      "REPORT",
      () => query(nested(50, "VEVENT")),
      { status: 403, condition: `{${caldav}}valid-filter` },
    ],
    ["filters 50 deep of unknown components", "REPORT", () => query(nested(50, "X-UNKNOWN")), { status: 207 }],
    ["filters 5,000 deep", "REPORT", () => query(nested(5_000, "X-UNKNOWN")), { status: 400 }],
    [
      "a filter of 20,000 conditions",
      "REPORT",
      () =>
        query(
          `<C:comp-filter name="VEVENT">${'<C:prop-filter name="SUMMARY"><C:text-match>e</C:text-match></C:prop-filter>'.repeat(20_000)}</C:comp-filter>`,
        ),
      { status: 207 },
    ],
    [
      "a text-match of a megabyte",
      "REPORT",
      () =>
        query(
          `<C:comp-filter name="VEVENT"><C:prop-filter name="SUMMARY"><C:text-match>${"a".repeat(1_000_000)}</C:text-match></C:prop-filter></C:comp-filter>`,
        ),
      { status: 207 },
    ],
    [
      "a time-range of all time",
      "REPORT",
      () =>
        query(
          '<C:comp-filter name="VEVENT"><C:time-range start="00010101T000000Z" end="99991231T235959Z"/></C:comp-filter>',
        ),
      { status: 207 },
    ],
    [
      "a body of 3 MB of text",
      "PROPFIND",
      () => `<propfind xmlns="DAV:">${" ".repeat(3_000_000)}<prop><displayname/></prop></propfind>`,
      { status: 207 },
    ],
    [
      "20,000 properties",
      "PROPPATCH",
      () =>
        `<propertyupdate xmlns="DAV:"><set><prop>${Array.from({ length: 20_000 }, (_, n) => `<p${n} xmlns="urn:x">v</p${n}>`).join("")}</prop></set></propertyupdate>`,
      { status: 207 },
    ],
    [
      "a property of 3 MB",
      "PROPPATCH",
      () =>
        `<propertyupdate xmlns="DAV:"><set><prop><p xmlns="urn:x">${"v".repeat(3_000_000)}</p></prop></set></propertyupdate>`,
      { status: 207 },
    ],
  ];
  for (const [what, method, text, expected] of bodies)
    test(`${method} with ${what}: ${expected.status}`, async (t) => {
      const body = text();
      judge(await watched(t, () => xml(method, body, method === "PROPFIND" ? { depth: "0" } : {})), expected);
    });

  const head = (method: string, target: string, ...more: readonly string[]): string =>
    [`${method} ${target} HTTP/1.1`, "Host: localhost", `Authorization: ${basic("user04")}`, ...more, "", ""].join(
      "\r\n",
    );
  /** Sends 100 MB, or as much as the server wants to have. */
  async function upload(opening: string, frame: (chunk: Buffer) => Buffer): Promise<Answer> {
    const socket = new RawSocket(server.port);
    const chunk = frame(Buffer.alloc(65_536, "A"));
    let more = await socket.write(opening);
    for (let sent = 0; more && sent < 100_000_000; sent += 65_536) more = await socket.write(chunk);
    const { status, text } = await socket.answer();
    socket.destroy();
    return { status, headers: {}, text: text.slice(text.indexOf("\r\n\r\n") + 4) };
  }
  const tooLarge: Expected = { status: 403, condition: `{${caldav}}max-resource-size`, says: /12000000/ };
  const calendarType = "Content-Type: text/calendar";

  test("100 MB with a Content-Length are refused before they are sent", async (t) => {
    const opening = head("PUT", `${path}huge.ics`, calendarType, "Content-Length: 100000000");
    judge(await watched(t, () => upload(opening, (chunk) => chunk)), tooLarge);
  });
  test("100 MB in chunks are refused at the limit", async (t) => {
    const opening = head("PUT", `${path}huge.ics`, calendarType, "Transfer-Encoding: chunked");
    const framed = (chunk: Buffer): Buffer =>
      Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n")]);
    judge(await watched(t, () => upload(opening, framed)), tooLarge);
  });
  test("a client that waits for 100 Continue is told so before it sends 100 MB", async (t) => {
    const socket = new RawSocket(server.port);
    await socket.write(
      head("PUT", `${path}huge.ics`, calendarType, "Content-Length: 100000000", "Expect: 100-continue"),
    );
    const { status } = await watched(t, () => socket.answer());
    socket.destroy();
    assert.equal(status, 403);
  });
  test("100 MB of XML are refused", async (t) => {
    const opening = head("PROPFIND", path, "Depth: 0", "Content-Type: text/xml", "Content-Length: 100000000");
    judge(await watched(t, () => upload(opening, (chunk) => chunk)), { status: 413 });
  });

  const heads: readonly (readonly [string, () => string, number])[] = [
    [
      "one header field of 10 MB",
      () => `GET / HTTP/1.1\r\nHost: localhost\r\nX-Bomb: ${"a".repeat(10_000_000)}\r\n\r\n`,
      431,
    ],
    ["10,000 header fields", () => head("GET", path, ...Array.from({ length: 10_000 }, (_, n) => `X-${n}: 1`)), 431],
    ["300 small header fields", () => head("GET", path, ...Array.from({ length: 300 }, (_, n) => `X-${n}: 1`)), 431],
    ["a path of 60,000 characters", () => head("GET", `${path}${"a".repeat(60_000)}`), 404],
    ["a path of 20,000 segments", () => head("GET", `/${"a/".repeat(20_000)}`), 404],
    ["a path that climbs out", () => head("GET", "/calendars/../../../etc/passwd"), 400],
    ["a path that climbs out, encoded", () => head("GET", "/calendars/%2e%2e/%2e%2e/etc/passwd"), 400],
    ["a path with NUL", () => head("GET", `${path}a%00.ics`), 400],
    [
      "10,000 ranges",
      () => head("GET", `${path}e1.ics`, `Range: bytes=${Array.from({ length: 10_000 }, () => "0-").join(",")}`),
      200,
    ],
    [
      "an If header of 5,000 conditions",
      () => head("PUT", `${path}e1.ics`, "Content-Length: 0", `If: ${"(<urn:x>)".repeat(5_000)}`),
      412,
    ],
    ["an If-Match of 20,000 tags", () => head("GET", `${path}e1.ics`, `If-Match: ${'"a",'.repeat(15_000)}"b"`), 412],
    ["two lengths", () => head("PUT", `${path}x.ics`, "Content-Length: 3", "Content-Length: 4"), 400],
    ["a length and chunks", () => head("PUT", `${path}x.ics`, "Content-Length: 3", "Transfer-Encoding: chunked"), 400],
    ["what is not HTTP", () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
  ];
  for (const [what, text, status] of heads)
    test(`a request with ${what}: ${status}`, async (t) => {
      const socket = new RawSocket(server.port);
      const answer = await watched(t, async () => {
        await socket.write(Buffer.from(text(), "latin1"));
        return socket.answer();
      });
      socket.destroy();
      assert.equal(answer.status, status, answer.text.slice(0, 1000));
    });

  test("300 clients that send their header a byte at a time are cut off with 408", async (t) => {
    const sockets = Array.from({ length: 300 }, () => new RawSocket(server.port));
    const begun = performance.now();
    const drip = setInterval(() => {
      for (const socket of sockets) if (!socket.ended && socket.received === "") socket.socket.write("X");
    }, 1000);
    const answers = await watched(t, async () => {
      for (const socket of sockets) await socket.write("GET / HTTP/1.1\r\nX-Slow: ");
      return Promise.all(sockets.map((socket) => socket.answer(60_000)));
    });
    clearInterval(drip);
    for (const socket of sockets) socket.destroy();
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [408]);
    assert.ok(performance.now() - begun < 40_000, `only after ${performance.now() - begun} ms`);
  });

  test("300 clients that never finish their body delay nobody", async (t) => {
    const sockets = Array.from({ length: 300 }, () => new RawSocket(server.port));
    const opening = head("PUT", `${path}slow.ics`, calendarType, "Content-Length: 1000", "X-Slow: 1");
    await watched(t, async () => {
      for (const socket of sockets) await socket.write(`${opening}BEGIN`);
      judge(await put("meanwhile.ics", event("meanwhile")), { status: 201 });
    });
    for (const socket of sockets) socket.destroy();
  });

  test("after all of it the server is well", async (t) => {
    const items = await client.multistatus("PROPFIND", path, propfind("{DAV:}getetag"), { depth: "1" });
    assert.equal(items.filter(({ href }) => /\/e\d+\.ics$/.test(href)).length, 100);
    const log = await server.errorLog();
    assert.doesNotMatch(log, /"level":"(error|fatal)"|a request failed/, "the error log has errors");
    t.diagnostic(`no other request ever waited more than ${worst.toFixed(1)} ms`);
  });
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
