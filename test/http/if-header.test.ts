import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluateIf, ifResources, parseIf, type StateTokens, submittedTokens } from "../../src/http/if-header.ts";
import { HttpError } from "../../src/http/message.ts";

const lock = "urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2";
const other = "urn:uuid:58f202ac-22cf-11d1-b12d-002035b29092";

/** The state of the request's own resource and of others by URL. */
const given =
  (own: StateTokens | undefined, others: Record<string, StateTokens> = {}) =>
  (resource: string | undefined): StateTokens | undefined =>
    resource === undefined ? own : others[resource];
const state = (etag: string | undefined, ...tokens: string[]): StateTokens => ({ etag, tokens: new Set(tokens) });

test("the examples of RFC 4918 §10.4.6 to §10.4.11 mean what they say", () => {
  const noTag = parseIf(`(<${lock}>\r\n ["I am an ETag"])\r\n (["I am another ETag"])`.replaceAll("\r\n", ""));
  assert.equal(noTag.length, 2);
  assert.equal(evaluateIf(noTag, given(state('"I am an ETag"', lock))), true);
  assert.equal(evaluateIf(noTag, given(state('"I am an ETag"'))), false);
  assert.equal(evaluateIf(noTag, given(state('"I am another ETag"'))), true);

  const not = parseIf(`(Not <${lock}> <${other}>)`);
  assert.equal(evaluateIf(not, given(state(undefined, other))), true);
  assert.equal(evaluateIf(not, given(state(undefined, other, lock))), false);
  assert.equal(evaluateIf(not, given(state(undefined))), false);

  const always = parseIf(`(<${lock}>) (Not <DAV:no-lock>)`);
  assert.equal(evaluateIf(always, given(state(undefined))), true);
  assert.deepEqual([...submittedTokens(always)], [lock, "DAV:no-lock"]);

  const tagged = parseIf(`</resource1> (<${lock}> [W/"A weak ETag"]) (["strong ETag"])`);
  assert.deepEqual(ifResources(tagged), ["/resource1"]);
  assert.equal(evaluateIf(tagged, given(undefined, { "/resource1": state('W/"A weak ETag"', lock) })), true);
  assert.equal(evaluateIf(tagged, given(undefined, { "/resource1": state('"strong ETag"') })), true);
  assert.equal(evaluateIf(tagged, given(undefined, { "/resource1": state('"x"', lock) })), false);

  const collection = parseIf(`<http://www.example.com/specs/> (<${lock}>)`);
  assert.equal(evaluateIf(collection, given(undefined, { "http://www.example.com/specs/": state("", lock) })), true);
  assert.equal(evaluateIf(collection, given(state("", lock))), false);

  assert.equal(evaluateIf(parseIf('</specs/rfc2518.doc> (["4217"])'), given(undefined)), false);
  assert.equal(evaluateIf(parseIf('</specs/rfc2518.doc> (Not ["4217"])'), given(undefined)), true);
});

test("a resource holds for all lists up to the next one", () => {
  const header = parseIf('<http://h/a> (["1"]) (["2"]) </b> (["3"])');
  assert.deepEqual(
    header.map((list) => list.resource),
    ["http://h/a", "http://h/a", "/b"],
  );
  assert.deepEqual(ifResources(header), ["http://h/a", "/b"]);
});

test("blanks are free between tokens, and tags may hold anything but quotes", () => {
  assert.deepEqual(parseIf('  (  NOT<urn:x>["a) (b"]not ["c"])\t'), [
    {
      resource: undefined,
      conditions: [
        { not: true, token: "urn:x" },
        { not: false, etag: '"a) (b"' },
        { not: true, etag: '"c"' },
      ],
    },
  ]);
});

test("malformed headers are refused with 400 and the place", () => {
  for (const value of [
    "",
    "()",
    "(",
    "(<urn:x>",
    "<urn:x>",
    "</a> </b> (<urn:x>)",
    "(<urn:x>) </a> (<urn:y>)",
    "(<>)",
    "(<a b>)",
    "([abc])",
    '(["abc)',
    '(["abc" ])',
    '([ "abc"])',
    "(Not)",
    "(Not Not <urn:x>)",
    "(urn:x)",
    "urn:x",
    "(<urn:x>) x",
    '</a> (["1"]) </b>',
  ])
    assert.throws(
      () => parseIf(value),
      (error) => error instanceof HttpError && error.status === 400 && /malformed at \d+: /.test(error.message),
      value,
    );
});

test("a header of 64 KB is read in no time, whatever it says", () => {
  const started = process.cpuUsage();
  for (const value of [
    `(${"<urn:x> ".repeat(8000)})`,
    "(".repeat(65_000),
    `<${"a".repeat(65_000)}`,
    `(Not${" ".repeat(65_000)}`,
  ])
    try {
      parseIf(value);
    } catch (error) {
      assert.ok(error instanceof HttpError);
    }
  const { user, system } = process.cpuUsage(started);
  assert.ok((user + system) / 1000 < 500);
});
