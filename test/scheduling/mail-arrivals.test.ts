import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { writeComponent } from "../../src/ical/write.ts";
import type { IncomingMail } from "../../src/mail/mail.ts";
import { type Arrival, answerIn, messageTo } from "../../src/scheduling/mail/arrivals.ts";

const alice = "mailto:alice@example.com";
const bob = "mailto:bob@example.org";
const pair = { organizer: "urn:uuid:alice", attendee: bob, uid: "u" };

const calendar = (method: string, ...lines: readonly string[]): string =>
  [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//x//EN",
    `METHOD:${method}`,
    "BEGIN:VEVENT",
    ...(lines.some((line) => line.startsWith("UID")) ? [] : ["UID:u"]),
    "DTSTAMP:20261101T080000Z",
    "DTSTART:20361201T100000Z",
    ...lines,
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ].join("\r\n");

const mail = (more: Partial<IncomingMail>): IncomingMail => ({
  from: "bob@example.org",
  to: ["calendar+token@example.com"],
  messageId: "<1@example.org>",
  subject: "",
  isAutomatic: false,
  calendars: [],
  contradictions: 0,
  report: undefined,
  ...more,
});

const accepted = calendar("REPLY", "ORGANIZER:mailto:calendar+token@example.com", `ATTENDEE;PARTSTAT=ACCEPTED:${bob}`);
const textOf = (arrival: Arrival): string => {
  assert.equal(arrival.is, "message", JSON.stringify(arrival));
  return arrival.is === "message" ? writeComponent(arrival.message.root) : "";
};

describe("an answer to a token", () => {
  test("is the attendee's to the organizer the token was made for, whatever it says of itself", () => {
    const text = calendar(
      "REPLY",
      "ORGANIZER:mailto:eve@example.org",
      "ATTENDEE;PARTSTAT=DECLINED:mailto:carol@example.org",
      "ATTENDEE;PARTSTAT=ACCEPTED:MAILTO:BOB@example.org",
    );
    const arrival = answerIn(mail({ calendars: [text] }), pair, false);
    const applied = textOf(arrival);
    assert.match(applied, /^ORGANIZER:urn:uuid:alice\r$/m);
    assert.match(applied, /^ATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@example\.org\r$/m);
    assert.doesNotMatch(applied, /carol|eve/);
    assert.ok(
      arrival.is === "message" &&
        arrival.message.originator === bob &&
        arrival.message.recipients[0] === pair.organizer,
    );
  });

  test("may name the attendee by an alias, when he is the only one", () => {
    const text = accepted.replace(bob, "mailto:robert@example.org");
    assert.match(
      textOf(answerIn(mail({ calendars: [text] }), pair, false)),
      /PARTSTAT=ACCEPTED:mailto:bob@example\.org/,
    );
  });

  test("counts only from the address that was asked, a sub-address of it included; or from all, as the original had it", () => {
    const from = (address: string | undefined, any = false): string =>
      answerIn(mail({ from: address, calendars: [accepted] }), pair, any).is;
    assert.equal(from("bob+calendar@example.org"), "message");
    for (const other of ["eve@example.org", "bob@example.com", undefined]) {
      assert.equal(from(other), "unknown", other);
      assert.equal(from(other, true), "message", other);
    }
  });

  test("of another event, of an organizer, or without a calendar changes nothing", () => {
    const is = (text: string): string => answerIn(mail({ calendars: [text] }), pair, false).is;
    assert.equal(is(accepted.replace("UID:u", "UID:other")), "unknown");
    assert.equal(is(accepted.replace("REPLY", "CANCEL")), "unknown");
    assert.equal(is(accepted.replace("METHOD:REPLY\r\n", "")), "unknown");
    assert.equal(is("nonsense"), "unknown");
    assert.equal(answerIn(mail({}), pair, false).is, "unknown");
  });

  test("that a program wrote on holiday is noise; one that a calendar program sends by itself counts", () => {
    assert.equal(answerIn(mail({ isAutomatic: true }), pair, false).is, "noise");
    assert.equal(answerIn(mail({ isAutomatic: true, calendars: [accepted] }), pair, false).is, "message");
  });

  test("that is a report of failure is a bounce, from whomever; one of delay is noise", () => {
    const report = (failed: boolean): Arrival =>
      answerIn(mail({ from: "mailer-daemon@example.net", report: { failed, why: "550" } }), pair, false);
    assert.deepEqual(report(true), { is: "bounce", why: "550" });
    assert.equal(report(false).is, "noise");
  });
});

describe("a mail to a user", () => {
  const isHere = async (address: string): Promise<"recipient" | "other" | undefined> =>
    address.endsWith("alice@example.com") ? "recipient" : address.endsWith("@example.com") ? "other" : undefined;
  const to = (more: Partial<IncomingMail>): Promise<Arrival> => messageTo("alice@example.com", mail(more), isHere);
  const invitation = calendar(
    "REQUEST",
    `ORGANIZER;SCHEDULE-AGENT=NONE:${bob}`,
    `ATTENDEE:${alice}`,
    "ATTENDEE:mailto:carol@example.com",
  );

  test("from an organizer elsewhere is his invitation to this user alone", async () => {
    const arrival = await to({ calendars: [invitation] });
    assert.ok(arrival.is === "message");
    assert.deepEqual(arrival.message.recipients, [alice]);
    assert.equal(arrival.message.originator, bob);
    assert.doesNotMatch(textOf(arrival), /SCHEDULE-AGENT/);
  });

  test("in the name of an organizer from somebody else, though SENT-BY names him, is not", async () => {
    assert.equal((await to({ from: "eve@example.org", calendars: [invitation] })).is, "unknown");
    const sentBy = invitation.replace("SCHEDULE-AGENT=NONE", 'SENT-BY="mailto:eve@example.org"');
    assert.equal((await to({ from: "eve@example.org", calendars: [sentBy] })).is, "unknown");
  });

  test("in the name of a user of this server is not believed, whatever its From", async () => {
    const text = invitation.replace(bob, "mailto:dan@example.com");
    assert.equal((await to({ from: "dan@example.com", calendars: [text] })).is, "unknown");
  });

  test("that does not name the user is not his", async () => {
    assert.equal((await to({ calendars: [invitation.replace(`ATTENDEE:${alice}\r\n`, "")] })).is, "unknown");
  });

  test("with an attendee's own answer is delivered, with another's or with two it is not", async () => {
    const answer = calendar("REPLY", `ORGANIZER:${alice}`, `ATTENDEE;PARTSTAT=ACCEPTED:${bob}`);
    assert.equal((await to({ calendars: [answer] })).is, "message");
    assert.equal((await to({ from: "eve@example.org", calendars: [answer] })).is, "unknown");
    const two = answer.replace("END:VEVENT", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:carol@example.org\r\nEND:VEVENT");
    assert.equal((await to({ calendars: [two] })).is, "unknown");
  });
});
