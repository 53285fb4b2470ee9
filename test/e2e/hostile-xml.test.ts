import { after, before, describe, test } from "node:test";
import { multiget } from "../support/http-client.ts";
import { caldav, type Expected, path, Siege } from "./siege.ts";

const query = (filter: string, data = "<C:calendar-data/>"): string =>
  `<C:calendar-query xmlns="DAV:" xmlns:C="${caldav}"><prop><getetag/>${data}</prop><C:filter><C:comp-filter name="VCALENDAR">${filter}</C:comp-filter></C:filter></C:calendar-query>`;
const nested = (depth: number, name: string, inner = ""): string =>
  `<C:comp-filter name="${name}">`.repeat(depth) + inner + "</C:comp-filter>".repeat(depth);

describe("hostile XML is refused or bounded, and no other request waits", () => {
  let siege: Siege;
  before(async () => {
    siege = await Siege.begin();
  });
  after(() => siege?.end());

  const laughs = `<!DOCTYPE lolz [<!ENTITY l0 "lol">${Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join("")}]><propfind xmlns="DAV:"><prop><displayname>&l9;</displayname></prop></propfind>`;
  const outside =
    '<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><propfind xmlns="DAV:"><prop><displayname>&x;</displayname></prop></propfind>';
  const deep = (depth: number): string =>
    `<propfind xmlns="DAV:"><prop>${"<a>".repeat(depth)}${"</a>".repeat(depth)}</prop></propfind>`;
  const properties = (count: number): string =>
    `<propfind xmlns="DAV:"><prop>${Array.from({ length: count }, (_, n) => `<p xmlns="urn:${n}"/>`).join("")}</prop></propfind>`;
  const conditions = (count: number): string =>
    `<C:comp-filter name="VEVENT">${'<C:prop-filter name="SUMMARY"><C:text-match>e</C:text-match></C:prop-filter>'.repeat(count)}</C:comp-filter>`;
  const blanks = (count: number): string =>
    `<propfind xmlns="DAV:">${" ".repeat(count)}<prop><displayname/></prop></propfind>`;
  const patch = (values: string): string =>
    `<propertyupdate xmlns="DAV:"><set><prop>${values}</prop></set></propertyupdate>`;
  const values = (count: number): string =>
    Array.from({ length: count }, (_, n) => `<p${n} xmlns="urn:x">v</p${n}>`).join("");
  const tooMany: Expected = { status: 413, says: /at most \d+ elements/ };
  const tooLarge: Expected = { status: 413, says: /larger than \d+ bytes/ };
  const bodies: readonly (readonly [string, string, () => string, Expected])[] = [
    ["a billion laughs", "PROPFIND", () => laughs, { status: 400 }],
    ["an external entity", "PROPFIND", () => outside, { status: 403, condition: "{DAV:}no-external-entities" }],
    ["5,000 elements inside each other", "PROPFIND", () => deep(5_000), { status: 400, says: /64/ }],
    ["100,000 elements inside each other", "PROPFIND", () => deep(100_000), tooMany],
    [
      "50,000 attributes",
      "PROPFIND",
      () => `<propfind xmlns="DAV:" ${Array.from({ length: 50_000 }, (_, n) => `a${n}="x"`).join(" ")}/>`,
      { status: 400 },
    ],
    ["40,000 properties, each in a namespace of its own,", "PROPFIND", () => properties(40_000), tooMany],
    ["500 properties, each in a namespace of its own,", "PROPFIND", () => properties(500), { status: 207 }],
    [
      "6,000 properties, each in a namespace of its own,",
      "PROPFIND",
      () => properties(6_000),
      { status: 400, says: /at most 500 properties/ },
    ],
    [
      "100,000 hrefs",
      "REPORT",
      () => multiget(Array.from({ length: 100_000 }, (_, n) => `${path}e${n}.ics`)),
      tooLarge,
    ],
    ["20,000 hrefs", "REPORT", () => multiget(Array.from({ length: 20_000 }, (_, n) => `/e${n}`)), tooMany],
    [
      "5,001 hrefs",
      "REPORT",
      () => multiget(Array.from({ length: 5_001 }, (_, n) => `${path}e${n}.ics`)),
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
    ["a filter of 9,000 conditions", "REPORT", () => query(conditions(9_000)), tooMany],
    ["a filter of 3,000 conditions", "REPORT", () => query(conditions(3_000)), { status: 207 }],
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
    ["a megabyte of blanks", "PROPFIND", () => blanks(1_000_000), { status: 207 }],
    ["3 MB of blanks", "PROPFIND", () => blanks(3_000_000), tooLarge],
    ["5,000 properties", "PROPPATCH", () => patch(values(5_000)), { status: 413, says: /at most 500 properties/ }],
    ["500 properties", "PROPPATCH", () => patch(values(500)), { status: 207 }],
    [
      "a property of a megabyte",
      "PROPPATCH",
      () => patch(`<p xmlns="urn:x">${"v".repeat(1_000_000)}</p>`),
      { status: 207 },
    ],
    [
      "a property 60 deep",
      "PROPPATCH",
      () => patch(`${'<p xmlns="urn:x">'.repeat(60)}${"</p>".repeat(60)}`),
      { status: 207 },
    ],
  ];
  for (const [what, method, text, expected] of bodies)
    test(`${method} with ${what}: ${expected.status}`, async (t) => {
      const body = text();
      siege.judge(
        await siege.watched(t, () => siege.xml(method, body, method === "PROPFIND" ? { depth: "0" } : {})),
        expected,
      );
    });

  test("after all of it the server is well", (t) => siege.assertWell(t));
});
