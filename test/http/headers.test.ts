import assert from "node:assert/strict";
import { test } from "node:test";
import { httpDate, isoDate, parseHttpDate } from "../../src/http/dates.ts";
import {
  contentTypeOf,
  depthOf,
  destinationOf,
  overwriteOf,
  parseContentType,
  scheduleTagOf,
  timeoutOf,
} from "../../src/http/headers.ts";
import { HttpError } from "../../src/http/message.ts";
import { preferenceApplied, preferencesOf } from "../../src/http/prefer.ts";
import { splitList } from "../../src/http/tokens.ts";
import { utc } from "../../src/model/ids.ts";

const status = (expected: number) => (error: unknown) => error instanceof HttpError && error.status === expected;

test("Depth is 0, 1 or infinity, or what the method takes for granted", () => {
  assert.equal(depthOf({ depth: "0" }, "infinity"), "0");
  assert.equal(depthOf({ depth: " 1 " }, "infinity"), "1");
  assert.equal(depthOf({ depth: "Infinity" }, "0"), "infinity");
  assert.equal(depthOf({}, "infinity"), "infinity");
  assert.equal(depthOf({}, undefined), undefined);
  for (const depth of ["", "2", "00", "1,noroot", "infinite"])
    assert.throws(() => depthOf({ depth }, "0"), status(400));
});

test("Overwrite is T unless F is said", () => {
  assert.equal(overwriteOf({}), true);
  assert.equal(overwriteOf({ overwrite: "t" }), true);
  assert.equal(overwriteOf({ overwrite: "F" }), false);
  assert.throws(() => overwriteOf({ overwrite: "no" }), status(400));
});

test("Destination is a path or a URL of this server; another server is 502, none is 400", () => {
  const ours = (authority: string): boolean => authority === "localhost:8008";
  assert.deepEqual(destinationOf({ destination: "/a/b%20c" }, ours), { rawPath: "/a/b%20c", path: ["a", "b c"] });
  assert.deepEqual(destinationOf({ destination: "http://LOCALHOST:8008/a/" }, ours), { rawPath: "/a/", path: ["a"] });
  assert.throws(() => destinationOf({ destination: "http://elsewhere/a" }, ours), status(502));
  for (const destination of [undefined, "", "a/b", "/a#b", "/a/../b", "mailto:a", "/%zz"])
    assert.throws(() => destinationOf({ destination }, ours), status(400), destination);
});

test("If-Schedule-Tag-Match is one tag", () => {
  assert.equal(scheduleTagOf({}), undefined);
  assert.equal(scheduleTagOf({ "if-schedule-tag-match": ' "abc" ' }), '"abc"');
  assert.equal(scheduleTagOf({ "if-schedule-tag-match": "abc" }), '"abc"');
  for (const value of ["", '"a", "b"', "a b", '"a'])
    assert.throws(() => scheduleTagOf({ "if-schedule-tag-match": value }), status(400), value);
});

test("Timeout lists the client's wishes", () => {
  assert.deepEqual(timeoutOf({ timeout: "Infinite, Second-4100000000" }), ["infinite", 4100000000]);
  assert.deepEqual(timeoutOf({ timeout: "Second-9999999999, Minute-1" }), [0xffffffff]);
  assert.deepEqual(timeoutOf({}), []);
});

test("Content-Type is taken apart, quoted parameters too", () => {
  assert.deepEqual(contentTypeOf({ "content-type": 'Text/Calendar; charset="UTF-8"; component=VEVENT;x="a;b\\"c"' }), {
    type: "text/calendar",
    charset: "utf-8",
    parameters: Object.assign(Object.create(null), { charset: "UTF-8", component: "VEVENT", x: 'a;b"c' }),
  });
  assert.equal(parseContentType("text/xml")?.charset, undefined);
  assert.equal(contentTypeOf({}), undefined);
  for (const type of ["text", "text/", "/xml", "text/a b", "text/x, text/y"])
    assert.throws(() => contentTypeOf({ "content-type": type }), status(400), type);
});

test("lists are split outside quotes only", () => {
  assert.deepEqual(splitList('a, "b,c" ,, d="e\\",f"'), ["a", '"b,c"', 'd="e\\",f"']);
  assert.deepEqual(splitList('"never closed, x\\'), ['"never closed, x\\']);
  assert.deepEqual(splitList(" "), []);
});

test("preferences of RFC 7240 and RFC 8144 are read, Brief too", () => {
  const none = preferencesOf({});
  assert.equal(none.minimal, false);
  assert.equal(preferencesOf({ brief: "t" }).minimal, true);
  assert.equal(preferencesOf({ brief: "f" }).minimal, false);
  assert.equal(preferencesOf({ prefer: "return=minimal" }).minimal, true);
  assert.equal(preferencesOf({ prefer: 'Return = "minimal" ; foo="a,b"' }).minimal, true);
  assert.equal(preferencesOf({ prefer: "return-minimal" }).minimal, true);
  const both = preferencesOf({ prefer: "return=representation, depth-noroot, return=minimal", brief: "t" });
  assert.deepEqual([both.representation, both.noRoot, both.minimal], [true, true, false]);
  const rest = preferencesOf({ prefer: "handling=strict, wait=10, respond-async, unknown=1" });
  assert.deepEqual([rest.strict, rest.wait, rest.respondAsync], [true, 10, true]);
  assert.equal(preferencesOf({ prefer: "handling=lenient" }).strict, false);
  assert.equal(preferencesOf({ prefer: "wait=soon" }).wait, undefined);
  assert.deepEqual(preferenceApplied("return=minimal"), { "Preference-Applied": "return=minimal", Vary: "Prefer" });
});

test("the three forms of HTTP dates are read, anything else is not there", () => {
  const time = utc(784111777);
  assert.equal(httpDate(time), "Sun, 06 Nov 1994 08:49:37 GMT");
  assert.equal(httpDate(utc(784111777.9)), "Sun, 06 Nov 1994 08:49:37 GMT");
  assert.equal(isoDate(utc(784111777.9)), "1994-11-06T08:49:37Z");
  assert.equal(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), time);
  assert.equal(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT"), time);
  assert.equal(parseHttpDate("Sun Nov  6 08:49:37 1994"), time);
  assert.equal(parseHttpDate("Tuesday, 06-Nov-29 08:49:37 GMT"), utc(Date.UTC(2029, 10, 6, 8, 49, 37) / 1000));
  for (const wrong of [
    "",
    "yesterday",
    "Sun, 06 Nov 1994 08:49:37 CET",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    "0",
    "Sun, 06 Nov 1994 25:49:37 GMT",
  ])
    assert.equal(parseHttpDate(wrong), undefined, wrong);
});
