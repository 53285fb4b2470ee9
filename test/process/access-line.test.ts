import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type AccessEntry, accessLine, logTime, markerLine, refusedLine } from "../../src/process/access-line.ts";
import { maxLine } from "../../src/process/line-pipe.ts";

const entry = (
  more: Partial<AccessEntry> & { readonly user?: string; readonly report?: string; readonly items?: string[] } = {},
): AccessEntry => {
  const { user = "-", report, items = [], ...rest } = more;
  return {
    remote: "192.0.2.7",
    log: { user, report, items },
    method: "GET",
    target: "/calendars/users/alice/calendar/lunch.ics",
    version: "1.1",
    status: 200,
    bytes: 731,
    referer: undefined,
    agent: "macOS/14.5 Calendar/1",
    milliseconds: 1.26,
    outstanding: 3,
    ...rest,
  };
};

/** A line without its date, which is now. */
const line = (one: AccessEntry, extended = true): string =>
  accessLine(one, 2, extended).replace(/\[[^\]]*\]/, "[date]");

describe("a line of the access log", () => {
  test("is Apache combined with worker, milliseconds and outstanding requests", () => {
    assert.equal(
      line(entry({ user: "alice" })),
      '192.0.2.7 - alice [date] "GET /calendars/users/alice/calendar/lunch.ics HTTP/1.1" 200 731 "-" "macOS/14.5 Calendar/1" i=2 t=1.3 or=3\n',
    );
  });

  test("names the report behind the method and ends in the counts of the answer", () => {
    const report = entry({ method: "REPORT", report: "CalDAV:calendar-query", items: ["responses=12", "rcount=50"] });
    assert.match(line(report), /"REPORT\(CalDAV:calendar-query\) \/calendars.* or=3 responses=12 rcount=50\n$/);
  });

  test("is plain Apache combined when the extended log is off", () => {
    const report = entry({ method: "REPORT", report: "DAV:sync-collection", items: ["responses=1"] });
    assert.match(line(report, false), /"REPORT \/calendars[^"]*" 200 731 "-" "macOS\/14.5 Calendar\/1"\n$/);
  });

  test("shows who acts as whom in quotes", () => {
    assert.match(line(entry({ user: "superuser as alice" })), / - "superuser as alice" \[date\]/);
    assert.match(line(entry({ user: '"superuser as alice"' })), / - "superuser as alice" \[date\]/);
  });

  test("stays one line, with its quotes where they belong, whatever a client sends", () => {
    const hostile = line(entry({ agent: 'x" 500 0\r\n10.0.0.1 - root', referer: "caf\u00e9\t\x7f", target: '/a"b' }));
    assert.equal(hostile.split("\n").length, 2);
    assert.match(hostile, /"GET \/a%22b HTTP\/1.1" 200 731 "caf%E9%09%7F" "x%22 500 0%0D%0A10\.0\.0\.1 - root"/);
  });

  test("shows names beyond ASCII as the percent-encoded bytes of their UTF-8", () => {
    assert.match(line(entry({ user: "zoë 😀" })), / - "zo%C3%AB %F0%9F%98%80" /);
    assert.match(line(entry({ items: ['note=a "b"'] })), / note="a %22b%22"\n$/);
  });

  test("is never longer than a pipe takes at once", () => {
    const long = "\u00ff".repeat(60_000);
    const full = accessLine(
      entry({ user: long, report: long, target: long, agent: long, referer: long, items: Array(20).fill(`k=${long}`) }),
      256,
      true,
    );
    assert.ok(Buffer.byteLength(full) < maxLine, `${full.length}`);
    assert.match(full, /^192\.0\.2\.7 - .* i=256 t=1\.3 or=3 .*\n$/);
  });

  test("is written as the original did for connections refused unread", () => {
    assert.match(
      refusedLine("192.0.2.7", 503, 2, 600, true),
      /^192\.0\.2\.7 - - \[[^\]]+\] "\?\?\?" 503 0 "-" "-" i=2 t=0\.0 or=600\n$/,
    );
  });
});

test("the log's time has day, month name and zone", () => {
  assert.match(logTime(new Date(2026, 10, 5, 9, 7, 3)), /^\[05\/Nov\/2026:09:07:03 [+-]\d{4}\]$/);
});

test("a marker line has its date as ctime writes it", () => {
  assert.equal(
    markerLine("Log opened - server start", new Date(2026, 10, 5, 9, 7, 3)),
    "Log opened - server start: [Thu Nov  5 09:07:03 2026].\n",
  );
});
