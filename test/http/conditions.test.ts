import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConditions, evaluateConditions, matchesTag } from "../../src/http/conditions.ts";
import { HttpError } from "../../src/http/message.ts";
import { utc } from "../../src/model/ids.ts";

const current = { etag: '"abc"', modified: utc(784111777.5) };
const before = "Sun, 06 Nov 1994 08:49:36 GMT";
const same = "Sun, 06 Nov 1994 08:49:37 GMT";

test("a weak tag matches weakly only, and commas inside quotes do not separate", () => {
  const rows: [list: string, etag: string, weak: boolean, matches: boolean][] = [
    ['"abc"', '"abc"', false, true],
    ['"x", "abc"', '"abc"', false, true],
    ['"x","abc" , "y"', '"abc"', false, true],
    ['"x", "abcd"', '"abc"', false, false],
    ['"a,b", "c"', '"a,b"', false, true],
    ['"a,b"', '"a"', false, false],
    ['W/"abc"', '"abc"', false, false],
    ['W/"abc"', '"abc"', true, true],
    ['"abc"', 'W/"abc"', true, true],
    ['"abc"', 'W/"abc"', false, false],
    ['W/"abc"', 'W/"abc"', true, true],
    ["abc", '"abc"', false, true],
    ["x, abc ", '"abc"', false, true],
    ['"abc', '"abc"', false, false],
    ["", '"abc"', true, false],
    [" , ,", '"abc"', true, false],
  ];
  for (const [list, etag, weak, matches] of rows)
    assert.equal(matchesTag(list, etag, weak), matches, `${list} ~ ${etag} ${weak}`);
});

test("the conditions are asked in the order of RFC 9110 §13.2.2", () => {
  const rows: [headers: Record<string, string>, exists: boolean, method: string, outcome: undefined | 304 | 412][] = [
    [{}, true, "PUT", undefined],
    [{ "if-match": '"abc"' }, true, "PUT", undefined],
    [{ "if-match": '"old"' }, true, "PUT", 412],
    [{ "if-match": '"old"' }, true, "GET", 412],
    [{ "if-match": "*" }, true, "DELETE", undefined],
    [{ "if-match": "*" }, false, "DELETE", 412],
    [{ "if-match": '"abc"' }, false, "PUT", 412],
    [{ "if-match": 'W/"abc"' }, true, "PUT", 412],
    [{ "if-none-match": "*" }, true, "PUT", 412],
    [{ "if-none-match": "*" }, false, "PUT", undefined],
    [{ "if-none-match": '"abc"' }, true, "PUT", 412],
    [{ "if-none-match": '"abc"' }, true, "GET", 304],
    [{ "if-none-match": 'W/"abc"' }, true, "HEAD", 304],
    [{ "if-none-match": '"old"' }, true, "GET", undefined],
    [{ "if-none-match": '"abc"' }, true, "PROPFIND", 412],
    [{ "if-modified-since": same }, true, "GET", 304],
    [{ "if-modified-since": before }, true, "GET", undefined],
    [{ "if-modified-since": same }, true, "PUT", undefined],
    [{ "if-modified-since": same }, false, "GET", undefined],
    [{ "if-modified-since": "garbage" }, true, "GET", undefined],
    [{ "if-unmodified-since": same }, true, "PUT", undefined],
    [{ "if-unmodified-since": before }, true, "PUT", 412],
    [{ "if-unmodified-since": before }, false, "PUT", undefined],
    [{ "if-unmodified-since": "garbage" }, true, "PUT", undefined],
    // An entity tag says more than a date, so the date beside it is not looked at.
    [{ "if-match": '"abc"', "if-unmodified-since": before }, true, "PUT", undefined],
    [{ "if-none-match": '"old"', "if-modified-since": same }, true, "GET", undefined],
    [{ "if-none-match": '"abc"', "if-modified-since": before }, true, "GET", 304],
    // Both kinds must hold.
    [{ "if-match": '"old"', "if-none-match": '"abc"' }, true, "GET", 412],
    [{ "if-match": '"abc"', "if-none-match": '"abc"' }, true, "GET", 304],
  ];
  for (const [headers, exists, method, outcome] of rows)
    assert.equal(
      evaluateConditions(headers, exists ? current : undefined, method),
      outcome,
      `${method} ${JSON.stringify(headers)} ${exists}`,
    );
});

test("a resource without entity tag matches only the asterisk", () => {
  assert.equal(evaluateConditions({ "if-match": '"abc"' }, {}, "PUT"), 412);
  assert.equal(evaluateConditions({ "if-match": " * " }, {}, "PUT"), undefined);
  assert.equal(evaluateConditions({ "if-none-match": '"abc"' }, {}, "GET"), undefined);
});

test("checking throws the 412 and says whether the answer is 304", () => {
  assert.equal(checkConditions({ "if-none-match": '"abc"' }, current, "GET"), true);
  assert.equal(checkConditions({}, current, "GET"), false);
  assert.throws(
    () => checkConditions({ "if-match": "*" }, undefined, "PUT"),
    (error) => error instanceof HttpError && error.status === 412 && /does not exist/.test(error.message),
  );
});
