import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpError } from "../../src/http/message.ts";
import { decodePath, encodeSegment, hrefOf, parseReference, samePath } from "../../src/http/uri.ts";

const is400 = (error: unknown): boolean => error instanceof HttpError && error.status === 400;

test("a path is decoded into its segments, empty ones left out", () => {
  assert.deepEqual(decodePath("/"), []);
  assert.deepEqual(decodePath("/calendars/users/alice/"), ["calendars", "users", "alice"]);
  assert.deepEqual(decodePath("//a///b"), ["a", "b"]);
  assert.deepEqual(decodePath("/a%20b/%C3%A4.ics"), ["a b", "ä.ics"]);
  assert.deepEqual(decodePath("/a%25b%23c%3Fd/%7e~"), ["a%b#c?d", "~~"]);
  assert.deepEqual(decodePath("/Te%cc%81st"), ["Te\u0301st"]);
  assert.deepEqual(decodePath("/...a/.b"), ["...a", ".b"]);
});

test("paths that could not be names in the store are refused with 400", () => {
  for (const path of [
    "",
    "a",
    "*",
    "/%",
    "/%4",
    "/%zz",
    "/%ff",
    "/%c3",
    "/%c0%ae%c0%ae/",
    "/%ed%a0%80",
    "/.",
    "/a/../b",
    "/a/%2e%2e/b",
    "/%2E",
    "/a%2fb",
    "/a%00b",
    "/a\\b",
    "/a%5cb",
    "/ä",
    "/a b",
    "/a\u0000",
  ])
    assert.throws(() => decodePath(path), is400, path);
});

test("names have one canonical spelling, which reads back to the same name", () => {
  assert.equal(encodeSegment("lunch-1_2.3~4.ics"), "lunch-1_2.3~4.ics");
  assert.equal(encodeSegment("a b@c:d"), "a%20b%40c%3Ad");
  assert.equal(encodeSegment("!$&'()*+,;="), "%21%24%26%27%28%29%2A%2B%2C%3B%3D");
  assert.equal(encodeSegment("{A}%#?[]ä"), "%7BA%7D%25%23%3F%5B%5D%C3%A4");
  assert.equal(encodeSegment("a\ud800"), "a%EF%BF%BD");
  for (let code = 1; code < 0x3000; code += 1) {
    const name = `x${String.fromCharCode(code)}`;
    if (name === "x/" || name === "x\\") continue;
    const href = hrefOf(["calendars", name], false);
    assert.match(href, /^[\x21-\x7e]+$/);
    assert.deepEqual(decodePath(href), ["calendars", name]);
  }
});

test("an href ends in a slash if and only if it is a collection", () => {
  assert.equal(hrefOf([], true), "/");
  assert.equal(hrefOf([], false), "/");
  assert.equal(hrefOf(["a", "b"], true), "/a/b/");
  assert.equal(hrefOf(["a", "b"], false), "/a/b");
});

test("paths are the same when their decoded segments are", () => {
  assert.ok(samePath(decodePath("/a%40b/"), decodePath("/a@b")));
  assert.ok(!samePath(["a"], ["a", "b"]));
  assert.ok(!samePath(["a"], ["A"]));
});

test("references are paths or http URLs", () => {
  assert.deepEqual(parseReference("/a/b?c=d?e"), { authority: undefined, rawPath: "/a/b", query: "c=d?e" });
  assert.deepEqual(parseReference("http://Host:8008/a%20b"), { authority: "host:8008", rawPath: "/a%20b", query: "" });
  assert.deepEqual(parseReference(" HTTPS://[::1]:8443 "), { authority: "[::1]:8443", rawPath: "/", query: "" });
  assert.deepEqual(parseReference("http://h?x"), { authority: "h", rawPath: "/", query: "x" });
  for (const wrong of ["", "a/b", "mailto:a@b", "urn:uuid:1", "http://", "http://u:p@h/", "/a#b", "ftp://h/"])
    assert.equal(parseReference(wrong), undefined, wrong);
});
