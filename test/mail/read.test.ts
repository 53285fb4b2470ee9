import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { headerText, mailAddressOf } from "../../src/mail/mail.ts";
import { readMail } from "../../src/mail/read.ts";

const mail = (head: readonly string[], ...body: readonly string[]): Buffer =>
  Buffer.from([...head, "MIME-Version: 1.0", "", ...body].join("\r\n"));
const plain = ["Content-Type: text/plain", "", "Words"];

describe("a mail that has arrived", () => {
  test("has its calendar found as an alternative, in base64, before the same one attached", async () => {
    const text = "BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nSUMMARY:Grüße\r\nEND:VCALENDAR\r\n";
    const read = await readMail(
      mail(
        [
          "From: Bob <Bob@Example.org>",
          "To: =?utf-8?q?K?= <calendar+TOKEN@example.com>, other@example.org",
          "Message-ID: <1@example.org>",
          'Content-Type: multipart/mixed; boundary="m"',
        ],
        "--m",
        'Content-Type: application/ics; name="a.ics"',
        "Content-Disposition: attachment",
        "",
        "BEGIN:VCALENDAR",
        "--m",
        'Content-Type: multipart/alternative; boundary="a"',
        "",
        "--a",
        ...plain,
        "--a",
        "Content-Type: text/calendar; charset=utf-8; method=REPLY",
        "Content-Transfer-Encoding: base64",
        "",
        Buffer.from(text).toString("base64"),
        "--a--",
        "--m--",
      ),
    );
    assert.equal(read.from, "bob@example.org");
    assert.deepEqual(read.to, ["calendar+token@example.com", "other@example.org"]);
    assert.equal(read.messageId, "<1@example.org>");
    assert.match(read.calendars[0] ?? "", /METHOD:REPLY[\s\S]*Grüße/);
    assert.equal(read.calendars.length, 2);
    assert.equal(read.isAutomatic, false);
  });

  test("from two people, or with two From lines, is from nobody", async () => {
    for (const head of [["From: a@example.org, b@example.org"], ["From: a@example.org", "From: b@example.org"], []])
      assert.equal((await readMail(mail(head, "Words"))).from, undefined, head.join());
  });

  test("is known as made by a program", async () => {
    for (const line of ["Auto-Submitted: auto-replied", "Precedence: bulk"])
      assert.equal((await readMail(mail(["From: a@example.org", line], "x"))).isAutomatic, true, line);
    assert.equal((await readMail(mail(["From: a@example.org", "Auto-Submitted: no"], "x"))).isAutomatic, false);
  });

  test("reports a failed delivery, and a late one as not failed; the mail it returns is no mail of its own", async () => {
    const report = (action: string): Buffer =>
      mail(
        [
          "From: MAILER-DAEMON@example.org",
          'Content-Type: multipart/report; report-type=delivery-status; boundary="r"',
        ],
        "--r",
        ...plain,
        "--r",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.example.org",
        "",
        "Final-Recipient: rfc822; bob@example.org",
        `Action: ${action}`,
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 no such user",
        "--r",
        "Content-Type: message/rfc822",
        "",
        "From: alice@example.com",
        "Content-Type: text/calendar; method=REQUEST",
        "",
        "BEGIN:VCALENDAR",
        "--r--",
      );
    const failed = await readMail(report("failed"));
    assert.deepEqual(failed.report, { failed: true, why: "smtp; 550 no such user" });
    assert.deepEqual(failed.calendars, []);
    assert.equal((await readMail(report("delayed"))).report?.failed, false);
  });

  test("is refused when it is nested without end", async () => {
    const depth = 100;
    const parts = Array.from({ length: depth }, (_, n) => [
      `Content-Type: multipart/mixed; boundary="b${n}"`,
      "",
      `--b${n}`,
    ]);
    await assert.rejects(
      readMail(Buffer.from(["From: a@example.org", ...parts.flat(), "Content-Type: text/plain", "", "x"].join("\r\n"))),
    );
  });
});

describe("an address for mail", () => {
  test("is one plain address", () => {
    assert.equal(mailAddressOf("mailto:Bob@Example.org"), "bob@example.org");
    assert.equal(mailAddressOf("MAILTO:bob%2Bx@example.org"), "bob+x@example.org");
  });

  test("is nothing that could be two, a header, a place or a program", () => {
    for (const address of [
      "mailto:a@example.org,b@example.org",
      "mailto:a@example.org?cc=b@example.org",
      "mailto:a@example.org%0D%0ABcc:b@example.org",
      "mailto:a@example.org\r\nBcc: b@example.org",
      "mailto:<a@example.org>",
      'mailto:"a b"@example.org',
      "mailto:a b@example.org",
      "mailto:a@[127.0.0.1]",
      "mailto:a@-example.org",
      "mailto:@example.org",
      "mailto:a",
      "mailto:%E0%A4%A",
      `mailto:${"a".repeat(65)}@example.org`,
      "urn:uuid:0",
      "/etc/passwd",
    ])
      assert.equal(mailAddressOf(address), undefined, address);
  });

  test("stands in headers of one line", () => {
    assert.equal(headerText("Lunch\r\nBcc: eve@example.org"), "Lunch Bcc: eve@example.org");
    assert.equal(headerText("a\u2028b\u202ec\u0000d"), "a b c d");
    assert.equal([...headerText("é".repeat(500))].length, 200);
  });
});
