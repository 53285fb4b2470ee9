import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type MailDesk, startMailDesk } from "../support/mail-desk.ts";
import { calendarIn } from "../support/mail-sink.ts";
import { answerTo, meeting, postMail } from "../support/mail-words.ts";

const organizer = "user01@example.com";
const bob = "bob@elsewhere.example";

describe("mails as strangers and their programs write them", () => {
  let desk: MailDesk;
  before(async () => {
    desk = await startMailDesk();
  });
  after(() => desk?.stop());

  /** Invites bob to an event of that name; answers his token's address and his program's acceptance. */
  async function invited(name: string): Promise<{ readonly to: string; readonly reply: string }> {
    const body = meeting(name, organizer, [bob], "DESCRIPTION:Grüße – 挨拶");
    await desk.put(name, body);
    const mails = await desk.sink.to(bob, ++count);
    const mail = mails[count - 1] ?? assert.fail();
    const to = /^Reply-To: .*?(calendar\+[0-9a-f-]{36}@example\.com)/im.exec(mail.head)?.[1] ?? "";
    return { to, reply: answerTo(await calendarIn(mail), bob, "ACCEPTED") };
  }
  let count = 0;
  const send = (to: string, head: readonly string[], body: string, sender = bob): Promise<string> => {
    const raw = [`From: Bob <${bob}>`, `To: ${to}`, "MIME-Version: 1.0", ...head, "", body].join("\r\n");
    return postMail({ port: desk.lmtp, lmtp: true, from: bob, to, sender, raw });
  };
  const accepted = (name: string): Promise<string> => desk.copy(name, /PARTSTAT=ACCEPTED[^\n]*:mailto:bob@/);

  const type = (more: string): string => `Content-Type: text/calendar; ${more}`;
  const encoded = (bytes: Buffer): string => bytes.toString("base64").replace(/.{76}/g, "$&\r\n");
  const quoted = (text: string): string =>
    [...Buffer.from(text)]
      .map((byte) =>
        byte === 13 || byte === 10 || (byte > 32 && byte < 127 && byte !== 61)
          ? String.fromCharCode(byte)
          : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`,
      )
      .join("");
  const parts = (boundary: string, ...all: readonly string[]): string =>
    [...all.map((part) => `--${boundary}\r\n${part}`), `--${boundary}--`, ""].join("\r\n");
  const comment = (reply: string): string => reply.replace("END:VEVENT", "COMMENT:Ich käme gern\r\nEND:VEVENT");

  const forms: Readonly<Record<string, (reply: string) => readonly [readonly string[], string]>> = {
    base64: (reply) => [
      [type("method=REPLY; charset=utf-8"), "Content-Transfer-Encoding: base64"],
      encoded(Buffer.from(reply)),
    ],
    "quoted-printable": (reply) => [
      [type("method=REPLY; charset=UTF-8"), "Content-Transfer-Encoding: quoted-printable"],
      quoted(reply),
    ],
    "8bit": (reply) => [[type("method=REPLY; charset=utf-8"), "Content-Transfer-Encoding: 8bit"], reply],
    "utf-16": (reply) => [
      [type("charset=utf-16le; method=reply"), "Content-Transfer-Encoding: base64"],
      encoded(Buffer.from(`\ufeff${reply}`, "utf16le")),
    ],
    "latin-1": (reply) => [
      [type("charset=iso-8859-1; method=REPLY"), "Content-Transfer-Encoding: base64"],
      encoded(Buffer.from(comment(reply), "latin1")),
    ],
    "no method parameter": (reply) => [[type("charset=utf-8")], reply],
    "nested multiparts": (reply) => [
      ['Content-Type: multipart/mixed; boundary="a"'],
      parts(
        "a",
        `Content-Type: multipart/related; boundary="b"\r\n\r\n${parts("b", `Content-Type: multipart/alternative; boundary="c"\r\n\r\n${parts("c", "Content-Type: text/plain\r\n\r\nYes.", `${type("method=REPLY; charset=utf-8")}\r\n\r\n${reply}`)}`)}`,
      ),
    ],
    "several calendars": (reply) => [
      ['Content-Type: multipart/mixed; boundary="a"'],
      parts(
        "a",
        `${type("method=PUBLISH")}\r\n\r\n${reply.replace("METHOD:REPLY", "METHOD:PUBLISH").replace(/UID:\S+/, "UID:other")}`,
        `${type("method=REPLY; charset=utf-8")}\r\n\r\n${reply}`,
      ),
    ],
    "an attachment beside winmail.dat": (reply) => [
      ['Content-Type: multipart/mixed; boundary="a"'],
      parts(
        "a",
        "Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\neJ8+IgAAAAA=",
        `Content-Type: application/octet-stream; name="reply.ics"\r\n\r\n${reply}`,
      ),
    ],
  };
  for (const [form, make] of Object.entries(forms))
    test(`an answer as ${form} is understood`, async () => {
      const name = form.replace(/\W+/g, "-");
      const { to, reply } = await invited(name);
      await send(to, ...make(reply));
      await accepted(name);
    });

  test("what is no answer is refused with a reason, once and for good", async () => {
    const { to, reply } = await invited("no-answer");
    const depth = Array.from(
      { length: 60 },
      (_, n) => `Content-Type: multipart/mixed; boundary="b${n}"\r\n\r\n--b${n}\r\n`,
    );
    const cases: readonly (readonly [string, readonly string[], string, RegExp])[] = [
      ["winmail.dat alone", ["Content-Type: application/ms-tnef; name=winmail.dat"], "x", /550.*no calendar data/],
      ["another method", [type("method=REQUEST")], reply, /550.*another METHOD/],
      ["no method at all", [type("charset=utf-8")], reply.replace("METHOD:REPLY\r\n", ""), /550/],
      ["depth", ['Content-Type: multipart/mixed; boundary="b"'], `--b\r\n${depth.join("")}`, /550.*cannot be read/],
      [
        "many parts",
        ['Content-Type: multipart/mixed; boundary="a"'],
        "--a\r\n\r\nx\r\n".repeat(200_000),
        /550.*cannot be read/,
      ],
      ["many lines", ["Content-Type: text/html"], "\r\n ".repeat(1_000_000), /550.*cannot be read/],
      ["a long header", [`Subject: ${"=?utf-8?q?a?= ".repeat(10_000)}`], "x", /550.*cannot be read/],
      ["half a calendar", [type("method=REPLY")], reply.slice(0, 300), /550.*not understood/],
    ];
    for (const [what, head, body, said] of cases) {
      const begun = performance.now();
      await assert.rejects(send(to, head, body), said, what);
      assert.ok(performance.now() - begun < 5_000, `${what}: ${performance.now() - begun} ms`);
    }
    await assert.rejects(send(to, [], "x".repeat(76).concat("\r\n").repeat(270_000)), /552/);
    assert.doesNotMatch(await desk.copy("no-answer", /UID:no-answer/), /ACCEPTED[^\n]*bob@/);
    await send(to, [type("method=REPLY")], reply);
    await accepted("no-answer");
  });

  test("what programs write is taken and changes nothing", async () => {
    const { to } = await invited("programs");
    for (const [head, sender] of [
      [["Auto-Submitted: auto-replied"], bob],
      [["X-Autoreply: yes"], bob],
      [["Precedence: auto_reply"], bob],
      // A bounce of a server that knows no reports.
      [["Subject: failure notice"], ""],
    ] as const)
      await send(to, head, "I am not here.", sender);
    assert.equal((await desk.why("programs")).match(/,ignored,|,not understood,/g)?.length, 4);
    assert.doesNotMatch(await desk.copy("programs", /UID:programs/), /SCHEDULE-STATUS="?5/);
  });

  const reports: Readonly<Record<string, readonly [string, string]>> = {
    exim: [
      "multipart/report; report-type=delivery-status; boundary=x",
      "Reporting-MTA: dns; mail.test\r\n\r\nAction: failed\r\nFinal-Recipient: rfc822;bob@elsewhere.example\r\nStatus: 5.0.0",
    ],
    postfix: [
      'multipart/report; report-type=delivery-status;\r\n\tboundary="x"',
      "Reporting-MTA: dns; mx\r\nX-Postfix-Queue-ID: 1\r\n\r\nFinal-Recipient: rfc822; bob@elsewhere.example\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user",
    ],
    exchange: [
      'multipart/report; boundary="x"; report-type=delivery-status',
      "Reporting-MTA: dns;EX1.example.net\r\n\r\nFinal-recipient: RFC822;bob@elsewhere.example\r\nAction: failed\r\nStatus: 5.1.10\r\nDiagnostic-code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound",
    ],
    gmail: [
      'multipart/report; boundary="x"; report-type=delivery-status',
      "Reporting-MTA: dns; googlemail.com\r\n\r\nFinal-Recipient: rfc822; bob@elsewhere.example\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550-5.1.1 The email account does not exist",
    ],
  };
  for (const [server, [contentType, status]] of Object.entries(reports))
    test(`a report of failure as ${server} writes it is 5.1`, async () => {
      const { to } = await invited(server);
      const raw = [
        "From: Mail Delivery System <mailer-daemon@example.net>",
        ...[`To: ${to}`, "Auto-Submitted: auto-replied", "MIME-Version: 1.0", `Content-Type: ${contentType}`, ""],
        parts(
          "x",
          "Content-Type: text/plain\r\n\r\nNo.",
          `Content-Type: message/delivery-status\r\n\r\n${status}\r\n`,
          "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nx",
        ),
      ].join("\r\n");
      await desk.copy(server, /SCHEDULE-STATUS="?1\.1/);
      await postMail({ port: desk.lmtp, lmtp: true, from: "", sender: "", to, raw });
      await desk.copy(server, /SCHEDULE-STATUS="?5\.1[^\n]*:mailto:bob@/);
      assert.match(await desk.why(server), /,bounced,bob@/);
    });

  test("an answer that comes again, or with the token of another event, changes nothing", async () => {
    const { to, reply } = await invited("replay");
    const { to: other } = await invited("other");
    await assert.rejects(send(other, [type("method=REPLY")], reply), /550.*UID/);
    await send(to, [type("method=REPLY"), "Message-ID: <1@elsewhere.example>"], reply);
    await accepted("replay");
    const later = reply
      .replace("PARTSTAT=ACCEPTED", "PARTSTAT=DECLINED")
      .replace(/DTSTAMP:\S+/, "DTSTAMP:20370101T000000Z");
    await send(to, [type("method=REPLY"), "Message-ID: <2@elsewhere.example>"], later);
    const stored = await desk.copy("replay", /PARTSTAT=DECLINED[^\n]*:mailto:bob@/);
    await send(to, [type("method=REPLY"), "Message-ID: <1@elsewhere.example>"], reply);
    await send(to, [type("method=REPLY")], reply);
    assert.equal(await desk.copy("replay", /UID:replay/), stored);
  });
});
