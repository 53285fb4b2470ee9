import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseFilter } from "../../src/dav/reports/calendar-filter.ts";
import { HttpError } from "../../src/http/message.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { readXml } from "../../src/xml/read.ts";

const parse = (inside: string) =>
  parseFilter(readXml(`<C:filter xmlns:C="urn:ietf:params:xml:ns:caldav">${inside}</C:filter>`));
const event = (inside: string): string =>
  `<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">${inside}</C:comp-filter></C:comp-filter>`;
const refusedWith = (code: string, inside: string): void => {
  assert.throws(
    () => parse(inside),
    (error) => error instanceof Refusal && error.reason.code === code,
  );
};

test("the example of RFC 4791 §7.8.6 is read", () => {
  const filter = parse(
    event(`<C:prop-filter name="UID"><C:text-match collation="i;octet">DC6C50A0@x</C:text-match></C:prop-filter>`),
  );
  assert.deepEqual(filter, {
    name: "VCALENDAR",
    isNotDefined: false,
    timeRange: undefined,
    props: [],
    anyOf: false,
    comps: [
      {
        name: "VEVENT",
        isNotDefined: false,
        timeRange: undefined,
        comps: [],
        anyOf: false,
        props: [
          {
            name: "UID",
            isNotDefined: false,
            timeRange: undefined,
            textMatch: { text: "DC6C50A0@x", collation: "i;octet", negate: false, type: "contains" },
            params: [],
            anyOf: false,
          },
        ],
      },
    ],
  });
});

test("names are compared without regard to case, and a collation of its own is i;ascii-casemap", () => {
  const filter = parse(
    event(`<C:prop-filter name="summary"><C:text-match negate-condition="yes">x</C:text-match></C:prop-filter>`),
  );
  assert.deepEqual(filter.comps[0]?.props[0]?.textMatch, {
    text: "x",
    collation: "i;ascii-casemap",
    negate: true,
    type: "contains",
  });
});

test("caseless=no of clients older than the RFC means i;octet", () => {
  const filter = parse(
    event(`<C:prop-filter name="SUMMARY"><C:text-match caseless="no">x</C:text-match></C:prop-filter>`),
  );
  assert.equal(filter.comps[0]?.props[0]?.textMatch?.collation, "i;octet");
});

test("one bound of a time-range may be missing", () => {
  const { timeRange } = parse(event(`<C:time-range start="20260101T000000Z"/>`)).comps[0] ?? {};
  assert.deepEqual(timeRange, { start: 1767225600, end: Number.POSITIVE_INFINITY });
});

test("both bounds missing is a bad request", () => {
  assert.throws(
    () => parse(event("<C:time-range/>")),
    (error) => error instanceof HttpError && error.status === 400,
  );
});

describe("valid-filter refuses", () => {
  const wrong: Readonly<Record<string, string>> = {
    "an outermost component that is not VCALENDAR": `<C:comp-filter name="VEVENT"/>`,
    "two outermost components": `<C:comp-filter name="VCALENDAR"/><C:comp-filter name="VCALENDAR"/>`,
    "an empty filter": "",
    "an alarm outside its event": `<C:comp-filter name="VCALENDAR"><C:comp-filter name="VALARM"/></C:comp-filter>`,
    "an event inside an event": event(`<C:comp-filter name="VEVENT"/>`),
    "a time-range of a property without date": event(
      `<C:prop-filter name="SUMMARY"><C:time-range start="20260101T000000Z"/></C:prop-filter>`,
    ),
    "a floating time-range": event(`<C:time-range start="20260101T000000"/>`),
    "a date in a time-range": event(`<C:time-range start="20260101"/>`),
    "the 30th of February": event(`<C:time-range start="20260230T000000Z"/>`),
    "an end before the start": event(`<C:time-range start="20260102T000000Z" end="20260101T000000Z"/>`),
    "a time-range of a time zone": `<C:comp-filter name="VCALENDAR"><C:comp-filter name="VTIMEZONE"><C:time-range start="20260101T000000Z"/></C:comp-filter></C:comp-filter>`,
    "is-not-defined with another test": event(
      `<C:prop-filter name="DUE"><C:is-not-defined/><C:text-match>x</C:text-match></C:prop-filter>`,
    ),
    "an unknown test": event("<C:moon-phase/>"),
    "an unknown match-type": event(
      `<C:prop-filter name="UID"><C:text-match match-type="sounds-like">x</C:text-match></C:prop-filter>`,
    ),
  };
  for (const [what, inside] of Object.entries(wrong)) test(what, () => refusedWith("valid-filter", inside));
});

test("an unknown collation is supported-collation's", () => {
  refusedWith(
    "supported-collation",
    event(`<C:prop-filter name="SUMMARY"><C:text-match collation="i;klingon">x</C:text-match></C:prop-filter>`),
  );
});
