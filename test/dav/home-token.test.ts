import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { decodeHomeToken, encodeHomeToken, type HomeToken } from "../../src/dav/home-token.ts";
import type { SyncToken } from "../../src/model/ids.ts";

const token = (children: Readonly<Record<string, string>>): HomeToken => ({
  own: "aaaa-1" as SyncToken,
  children: new Map(Object.entries(children) as [string, SyncToken][]),
});

test("a home's token is a data: URI that holds the state of every collection", () => {
  const given = token({ calendar: "bbbb-2", "Über uns, 100 %": "cccc-30", inbox: "dddd-0" });
  const text = encodeHomeToken(given);
  assert.match(text, /^data:,h[A-Za-z0-9_-]+$/);
  assert.deepEqual(decodeHomeToken(text), given);
});

test("fifty collections take less than four kilobytes", () => {
  const children = Object.fromEntries(
    Array.from({ length: 50 }, (_, at) => [crypto.randomUUID(), `${at}f00ba4-${at}`]),
  );
  const text = encodeHomeToken(token(children));
  assert.ok(text.length < 4096);
  assert.deepEqual(decodeHomeToken(text), token(children));
});

test("what is no token of a home is not read, however it is made", () => {
  const packed = (text: string): string => `data:,hz${deflateRawSync(text).toString("base64url")}`;
  for (const text of [
    "",
    "data:,aaaa-1",
    "data:,h",
    "data:,h-",
    "data:,hzhello",
    "data:,h-AAA/",
    packed(""),
    packed("a-1/calendar"),
    packed("a-1//x"),
    packed("x".repeat(1_000_000)),
    `data:,h${"A".repeat(200_000)}`,
  ])
    assert.equal(decodeHomeToken(text), undefined, text.slice(0, 40));
});
