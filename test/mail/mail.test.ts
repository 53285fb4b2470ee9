import assert from "node:assert/strict";
import { test } from "node:test";
import { mailAddressOf, plainAddress } from "../../src/mail/mail.ts";
import { readMail } from "../../src/mail/read.ts";

test("a domain is in ASCII, whatever it is written in, and what stands before it is as it is written", () => {
  assert.equal(plainAddress("Bob@Bücher.example"), "bob@xn--bcher-kva.example");
  assert.equal(plainAddress("bob@xn--bcher-kva.example"), "bob@xn--bcher-kva.example");
  assert.equal(plainAddress("Jürgen@例え.jp"), "jürgen@xn--r8jz45g.jp");
  // The same letter, written as two characters.
  assert.equal(plainAddress("ju\u0308rgen@example.org"), "jürgen@example.org");
  assert.equal(mailAddressOf("mailto:%E9%A6%99@example.org"), "香@example.org");
  assert.equal(mailAddressOf("MAILTO:香@Example.org"), "香@example.org");
});

test("what could be more than one address, or no mailbox, is none", () => {
  for (const text of [
    "a,b@example.org",
    "a@b@example.org",
    '"a b"@example.org',
    "a\u200b@example.org",
    "a\u3000b@example.org",
    "a\u0085@example.org",
    "a@exa mple.org",
    "a@１２７.０.０.１",
    `${"ü".repeat(40)}@example.org`,
    "@example.org",
    "a@",
  ])
    assert.equal(plainAddress(text), undefined, text);
});

test("the sender of a mail is known by his address in every form", async () => {
  const from = async (line: string): Promise<string | undefined> =>
    (await readMail(Buffer.from(`From: ${line}\r\nTo: a@example.com\r\n\r\nWords\r\n`))).from;
  assert.equal(await from("Jürgen <Jürgen@Bücher.example>"), "jürgen@xn--bcher-kva.example");
  assert.equal(await from("jürgen@xn--bcher-kva.example"), "jürgen@xn--bcher-kva.example");
});
