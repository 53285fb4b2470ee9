import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { bodyHash, canonicalHeader, signedText } from "../../src/scheduling/ischedule/canonical.ts";
import {
  keyRecord,
  type Signer,
  sign,
  UnknownKey,
  UntrustedSignature,
  verify,
} from "../../src/scheduling/ischedule/dkim.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const record = keyRecord(publicKey);
const now = 1_700_000_000;
const signer: Signer = {
  domain: "example.com",
  selector: "one",
  algorithm: "rsa-sha256",
  methods: ["http/well-known", "dns/txt"],
  expires: 600,
  key: privateKey,
};
const body = Buffer.from("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n");
const headers = {
  originator: "mailto:alice@example.com",
  recipient: "mailto:bob@example.org,mailto:dave@example.org",
  "content-type": "text/calendar; charset=utf-8",
  "ischedule-version": "1.0",
  "ischedule-message-id": "1@example.com",
};
const signed = { ...headers, "dkim-signature": sign(headers, body, signer, now) };
const look = (
  found: Readonly<Record<string, string | undefined>>,
  content: Uint8Array = body,
  at = now,
  key = record,
) => verify(found, content, at, async () => [key]);
const edit = (from: RegExp, to: string) => ({
  ...signed,
  "dkim-signature": signed["dkim-signature"].replace(from, to),
});

describe("what is signed", () => {
  test("is a header with its name in lower case, one space for white space, and none around commas", () => {
    assert.equal(
      canonicalHeader("Recipient", "  mailto:a@b ,\tmailto:c@d,mailto:e@f \r\n"),
      "recipient:mailto:a@b,mailto:c@d,mailto:e@f",
    );
    assert.equal(canonicalHeader("X", " a   b\t c "), "x:a b c");
  });

  test("is a body without the empty lines at its end, and one line end", () => {
    const expected = createHash("sha256").update("a\r\n\r\nb\r\n").digest("base64");
    for (const text of ["a\r\n\r\nb", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n\r\n\r\n"])
      assert.equal(bodyHash(Buffer.from(text), "sha256"), expected);
    assert.equal(bodyHash(Buffer.alloc(0), "sha256"), createHash("sha256").update("\r\n").digest("base64"));
    assert.notEqual(bodyHash(Buffer.from("a\r\n\r\nb \r\n"), "sha256"), expected);
  });

  test("are the headers in the order of h, those that are missing left out, then the signature without its value", () => {
    const text = signedText(["B", "missing", "a"], { a: "1", b: "2" }, "v=1; bh=xyz; b= abc def");
    assert.equal(text, "b:2\r\na:1\r\ndkim-signature:v=1; bh=xyz; b=");
  });
});

describe("a signature", () => {
  test("holds until it expires", async () => {
    const found = await look(signed, body, now + 600);
    assert.equal(found.domain, "example.com");
    assert.equal(found.until, now + 600);
    await assert.rejects(look(signed, body, now + 601), /expired/);
    await assert.rejects(look(signed, body, now - 400), /future/);
  });

  test("holds however the headers were spaced on the way, and with a signature in several lines", async () => {
    await look({ ...signed, recipient: "mailto:bob@example.org , mailto:dave@example.org" });
    await look({ ...signed, "content-type": "text/calendar;   charset=utf-8" });
    const value = signed["dkim-signature"];
    await look({ ...signed, "dkim-signature": `${value.slice(0, -20)} ${value.slice(-20)}` });
    await look(signed, Buffer.concat([body, Buffer.from("\r\n\r\n")]));
  });

  test("breaks with any change of what it covers", async () => {
    const changed: readonly (readonly [string, Readonly<Record<string, string | undefined>>, Uint8Array?])[] = [
      ["originator", { ...signed, originator: "mailto:eve@example.com" }],
      ["recipient", { ...signed, recipient: `${headers.recipient},mailto:eve@example.org` }],
      ["recipient gone", { ...signed, recipient: undefined }],
      ["message id", { ...signed, "ischedule-message-id": "2@example.com" }],
      ["content type", { ...signed, "content-type": "text/plain" }],
      ["body", signed, Buffer.from("BEGIN:VCALENDAR\r\nX:1\r\nEND:VCALENDAR\r\n")],
      ["later end", edit(/x=\d+/, `x=${now + 9_999}`)],
      ["other domain", edit(/d=example\.com/, "d=example.net")],
      ["fewer headers", edit(/:iSchedule-Message-ID/, "")],
      ["body hash", edit(/bh=[^;]+/, `bh=${bodyHash(Buffer.from("x"), "sha256")}`)],
      ["signature", edit(/b=[^;]*$/, `b=${Buffer.alloc(256).toString("base64")}`)],
    ];
    for (const [what, found, content] of changed) await assert.rejects(look(found, content), UntrustedSignature, what);
  });

  test("is refused without the headers that say from whom and for whom", async () => {
    for (const name of ["Originator", "Recipient", "Content-Type"])
      await assert.rejects(
        look(edit(new RegExp(`(h=|:)${name}\\b`), "$1x")),
        new RegExp(`${name.toLowerCase()} is not signed`),
      );
  });

  test("is refused when a tag is wrong, missing, or there twice", async () => {
    for (const [from, to] of [
      [/v=1/, "v=2"],
      [/a=rsa-sha256/, "a=rsa-sha1"],
      [/a=rsa-sha256/, "a=none"],
      [/ischedule-relaxed\/simple/, "simple/simple"],
      [/d=example\.com/, "d=../../etc"],
      [/s=one/, "s=one/two"],
      [/t=\d+; x=\d+/, "t=1e9"],
      [/t=\d+; x=\d+; /, ""],
      [/bh=[^;]+; /, ""],
      [/; b=/, "; l=10; b="],
      [/s=one/, "s=one; s=two"],
    ] as const)
      await assert.rejects(look(edit(from, to)), UntrustedSignature, String(from));
    await assert.rejects(look({ ...headers, "dkim-signature": "" }), UntrustedSignature);
  });

  test("is not refused but unknown when there is no key that may be used", async () => {
    const weak = keyRecord(generateKeyPairSync("rsa", { modulusLength: 512 }).publicKey);
    const keys = [
      "",
      "v=DKIM1; p=",
      "v=DKIM1; p=nonsense",
      record.replace("DKIM1", "DKIM9"),
      `k=ed25519; ${record}`,
      `h=sha1; ${record}`,
      record.replace("s=ischedule", "s=email"),
      weak,
    ];
    for (const key of keys) await assert.rejects(look(signed, body, now, key), UnknownKey, key.slice(0, 40));
    await look(signed, body, now, record.replace("s=ischedule", "s=*"));
    await look(signed, body, now, record.replace("v=DKIM1; s=ischedule; ", ""));
  });

  test("asks for the key in the ways it names, those it is known for", async () => {
    const asked: unknown[] = [];
    const found = edit(/q=[^;]+/, "q=dns/txt:carrier/pigeon:private-exchange");
    await assert.rejects(
      verify(found, body, now, async (question) => {
        asked.push(question);
        return [];
      }),
      UnknownKey,
    );
    assert.deepEqual(asked, [{ domain: "example.com", selector: "one", methods: ["private-exchange", "dns/txt"] }]);
  });
});
