import assert from "node:assert/strict";
import { test } from "node:test";
import { attachmentNamed, filenameOf } from "../../src/http/disposition.ts";

const named = (value: string): string | undefined => filenameOf({ "content-disposition": value });

test("a file name is read quoted, as a token, and by RFC 8187, which goes before", () => {
  assert.equal(named("attachment;filename=test.txt"), "test.txt");
  assert.equal(named('attachment; filename="a \\"b\\"; c.txt"'), 'a "b"; c.txt');
  assert.equal(named("attachment; filename=\"x\"; filename*=utf-8'de'%E2%82%AC%20rates.pdf"), "€ rates.pdf");
  assert.equal(named("attachment; filename=\"x\"; filename*=utf-8''%ZZ"), "x");
  assert.equal(named("attachment"), undefined);
  assert.equal(filenameOf({}), undefined);
});
test("UTF-8 that was written plainly is understood, Latin-1 stays", () => {
  assert.equal(named(`attachment; filename="${Buffer.from("日本.txt").toString("latin1")}"`), "日本.txt");
  assert.equal(named('attachment; filename="Gr\u00fc\u00dfe.txt"'), "Grüße.txt");
});
test("folders, control characters and what turns the direction of writing are left out", () => {
  assert.equal(named('attachment; filename="/etc/passwd"'), "passwd");
  assert.equal(named("attachment; filename*=UTF-8''C%3A%5Ctemp%5Ca.txt"), "a.txt");
  assert.equal(named("attachment; filename*=UTF-8''a%0D%0Ab%E2%80%AEfdp.exe"), "abfdp.exe");
  assert.equal(named('attachment; filename=".."'), undefined);
});
test("a long name keeps its ending and is cut between characters", () => {
  const name = named(`attachment; filename*=UTF-8''${"%F0%9F%98%80".repeat(100)}.pdf`) ?? "";
  assert.ok(name.endsWith("😀.pdf"));
  assert.ok(Buffer.byteLength(name) <= 180);
});
test("what is written is read again", () => {
  for (const name of ["a.txt", "Grüße 日本.pdf", 'a"b c;%.txt', "it's (1).txt"])
    assert.equal(named(attachmentNamed(name)), name);
});
