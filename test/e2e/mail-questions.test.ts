import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { home } from "../dav/sharing-words.ts";
import { type MailDesk, startMailDesk } from "../support/mail-desk.ts";
import { calendarIn, type SunkMail } from "../support/mail-sink.ts";
import { answerTo, meeting, postMail, textWith } from "../support/mail-words.ts";
import { until } from "../support/server.ts";

const organizer = "user01@example.com";
const calendar = `${home("user01")}calendar/`;
const icalendar = { "content-type": "text/calendar" };
const replyTo = ({ head }: SunkMail): string =>
  /^Reply-To: .*?(calendar\+[0-9a-f-]{36}@example\.com)/im.exec(head)?.[1] ?? "";
const subjects = (mails: readonly SunkMail[]): readonly string[] =>
  mails.map(({ head }) => /^Subject: (.*?)\r?$/im.exec(head)?.[1] ?? "");

/** A message of few lines, as a calendar program makes it. */
const message = (method: string, ...lines: readonly string[]): string =>
  [
    ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", `METHOD:${method}`, "BEGIN:VEVENT"],
    ...["DTSTAMP:20261120T120000Z", ...lines, "END:VEVENT", "END:VCALENDAR", ""],
  ].join("\r\n");

describe("what attendees ask and propose by mail", () => {
  let desk: MailDesk;
  before(async () => {
    desk = await startMailDesk();
  });
  after(() => desk?.stop());
  const send = (from: string, to: string, method: string, text: string): Promise<string> =>
    postMail({ port: desk.lmtp, lmtp: true, from, to, calendar: { method, text } });
  const inbox = async (uid: string): Promise<readonly string[]> => {
    const { text } = await desk.client.expect(207, "PROPFIND", `${home("user01")}inbox/`, { headers: { depth: "1" } });
    const paths = [...text.matchAll(/<D:href>([^<]*\.ics)</g)].map((match) => match[1] ?? "");
    const texts = await Promise.all(paths.map(async (path) => (await desk.client.expect(200, "GET", path)).text));
    return texts.filter((one) => one.includes(`UID:${uid}\r\n`)).map((one) => one.replaceAll("\r\n ", ""));
  };

  test("REFRESH is answered with the present state, to who asks alone, and not for ever", async () => {
    const [ann, ben] = ["ann@elsewhere.example", "ben@elsewhere.example"];
    await desk.put("state", meeting("state", organizer, [ann, ben]));
    const [invitation] = await desk.sink.to(ann);
    assert.ok(invitation);
    const refresh = message(
      "REFRESH",
      "UID:state",
      `ORGANIZER:mailto:${replyTo(invitation)}`,
      `ATTENDEE:mailto:${ann}`,
    );
    const token = replyTo(invitation);
    await assert.rejects(
      send("mallory@elsewhere.example", token, "REFRESH", refresh),
      /550.*ann@elsewhere\.example was asked/,
    );
    await send(ann, token, "REFRESH", refresh);
    const [, state] = await desk.sink.to(ann, 2);
    assert.ok(state);
    assert.match(await calendarIn(state), /METHOD:REQUEST[\s\S]*UID:state[\s\S]*DTSTART:20361103T100000Z/);
    assert.match(state.source, /sends you the present state of this event/);
    for (let count = 0; count < 8; count++) await send(ann, token, "REFRESH", refresh);
    await until("the last is refused", async () => /,ignored,ann@.*often enough/.test(await desk.why("state")));
    await desk.put("after", meeting("after", organizer, [ann, ben]));
    // In the lane of the others, after them.
    const isThere = (mails: readonly SunkMail[]): boolean => subjects(mails).includes("Invitation: Meeting after");
    const all = await until("the last mail", async () => {
      const mails = await desk.sink.to(ann);
      return isThere(mails) && isThere(await desk.sink.to(ben)) && mails;
    });
    const answers = subjects(all).filter((subject) => subject === "Present state: Meeting state").length;
    assert.ok(answers >= 1 && answers <= 6, `${answers} answers`);
    assert.deepEqual(subjects(await desk.sink.to(ben)), ["Invitation: Meeting state", "Invitation: Meeting after"]);
  });

  test("COUNTER lies in the organizer's inbox and changes nothing; what he says to it is mailed", async () => {
    const cora = "cora@elsewhere.example";
    await desk.put("counter", meeting("counter", organizer, [cora]));
    const [invitation] = await desk.sink.to(cora);
    assert.ok(invitation);
    const proposal = (await calendarIn(invitation))
      .replace("METHOD:REQUEST", "METHOD:COUNTER")
      .replace("DTSTART:20361103T100000Z", "DTSTART:20361103T150000Z")
      .replace("DTEND:20361103T110000Z", "DTEND:20361103T160000Z");
    await send(cora, replyTo(invitation), "COUNTER", proposal);
    const [noted = ""] = await until("the inbox item", async () => {
      const found = (await inbox("counter")).filter((one) => one.includes("METHOD:COUNTER"));
      return found.length > 0 && found;
    });
    assert.match(noted, /DTSTART:20361103T150000Z[\s\S]*ATTENDEE[^\r]*:mailto:cora@/);
    await desk.copy("counter", /DTSTART:20361103T100000Z/);
    const declined = message(
      "DECLINECOUNTER",
      ...["UID:counter", "DTSTART:20361103T150000Z", "SUMMARY:Meeting counter", "COMMENT:Too late for me."],
      ...[`ORGANIZER:mailto:${organizer}`, `ATTENDEE:mailto:${cora}`],
    );
    const headers = { ...icalendar, originator: `mailto:${organizer}`, recipient: `mailto:${cora}` };
    await desk.client.expect(200, "POST", `${home("user01")}outbox/`, { headers, body: declined });
    const [, answer] = await desk.sink.to(cora, 2);
    assert.ok(answer);
    assert.match(answer.head, /^Subject: Proposal declined: Meeting counter/im);
    assert.match(answer.source, /has declined your proposal[\s\S]*Too late for me/);
    assert.match(await calendarIn(answer), /METHOD:DECLINECOUNTER/);
  });

  test("ADD of an organizer elsewhere brings an instance, and one of ours is mailed", async () => {
    const dora = "dora@elsewhere.example";
    const series = meeting(
      "added",
      dora,
      [organizer],
      "DTSTART:20361103T100000Z",
      "DTEND:20361103T110000Z",
      "RRULE:FREQ=WEEKLY;COUNT=2",
    );
    await send(dora, organizer, "REQUEST", series.replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST"));
    const own = await until("the copy", async () => {
      const { text } = await desk.client.expect(207, "PROPFIND", calendar, { headers: { depth: "1" } });
      const paths = [...text.matchAll(/<D:href>([^<]*\.ics)</g)].map((match) => match[1] ?? "");
      for (const path of paths)
        if ((await desk.client.expect(200, "GET", path)).text.includes("UID:added\r\n")) return path;
      return undefined;
    });
    const added = message(
      "ADD",
      ...["UID:added", "SEQUENCE:1", "DTSTART:20361220T100000Z", "DTEND:20361220T110000Z", "SUMMARY:Once more"],
      ...[`ORGANIZER:mailto:${dora}`, `ATTENDEE:mailto:${organizer}`],
    );
    await send(dora, organizer, "ADD", added);
    await textWith(
      desk.client,
      own,
      /RDATE:20361220T100000Z[\s\S]*RECURRENCE-ID:20361220T100000Z|RECURRENCE-ID:20361220T100000Z/,
    );
    await desk.put("ours", meeting("ours", organizer, [dora], "DTSTART:20361103T100000Z", "RRULE:FREQ=WEEKLY;COUNT=2"));
    const body = message(
      "ADD",
      ...["UID:ours", "SEQUENCE:1", "DTSTART:20361220T100000Z", "DTEND:20361220T110000Z", "SUMMARY:Once more"],
      ...[`ORGANIZER:mailto:${organizer}`, `ATTENDEE:mailto:${dora}`],
    );
    const headers = { ...icalendar, originator: `mailto:${organizer}`, recipient: `mailto:${dora}` };
    await desk.client.expect(200, "POST", `${home("user01")}outbox/`, { headers, body });
    const mails = await desk.sink.to(dora, 2);
    assert.deepEqual(subjects(mails), ["Invitation: Meeting ours", "Updated invitation: Once more"]);
  });

  test("who is sent in an attendee's place is invited, and answers, by his own mail or the one passed on to him", async () => {
    const [eric, fred, gina] = ["eric@elsewhere.example", "fred@elsewhere.example", "gina@elsewhere.example"];
    await desk.put("place", meeting("place", organizer, [eric]));
    const [invitation] = await desk.sink.to(eric);
    assert.ok(invitation);
    const text = await calendarIn(invitation);
    const delegated = answerTo(text, eric, `DELEGATED;DELEGATED-TO="mailto:${fred}"`);
    await send(eric, replyTo(invitation), "REPLY", delegated);
    const [passed] = await desk.sink.to(fred);
    assert.ok(passed);
    assert.match(passed.head, /^Subject: Invitation: Meeting place/im);
    await desk.copy("place", /DELEGATED-FROM="?mailto:eric[^\n]*:mailto:fred@/);
    await send(fred, replyTo(passed), "REPLY", answerTo(await calendarIn(passed), fred, "TENTATIVE"));
    await desk.copy("place", /PARTSTAT=TENTATIVE[^\n]*:mailto:fred@/);
    // The mail that eric got, in fred's hands.
    const own = `ATTENDEE;PARTSTAT=ACCEPTED;DELEGATED-FROM="mailto:${eric}":mailto:${fred}`;
    const forwarded = answerTo(text, eric, "X")
      .replace(/ATTENDEE[^\r]*/, own)
      .replace("DTSTAMP:", "DTSTAMP:2037");
    const later = forwarded.replace(/DTSTAMP:\S*/, "DTSTAMP:20370101T000000Z");
    await send(fred, replyTo(invitation), "REPLY", later);
    const stored = await desk.copy("place", /PARTSTAT=ACCEPTED[^\n]*:mailto:fred@/);
    assert.match(stored, /PARTSTAT=DELEGATED[^\n]*:mailto:eric@/);
    // Nobody's delegate.
    await assert.rejects(
      send(gina, replyTo(invitation), "REPLY", answerTo(text, eric, "ACCEPTED").replaceAll(eric, gina)),
      /550.*eric@elsewhere\.example was asked/,
    );
    assert.doesNotMatch(await desk.copy("place", /UID:place/), /gina/);
  });

  test("answers to what is not there, to what was replaced, and of strangers change nothing, and caladmin says why", async () => {
    const hugo = "hugo@elsewhere.example";
    await desk.put("old", meeting("old", organizer, [hugo], "DTSTART:20361103T100000Z", "RRULE:FREQ=WEEKLY;COUNT=3"));
    const [invitation] = await desk.sink.to(hugo);
    assert.ok(invitation);
    const text = await calendarIn(invitation);
    const token = replyTo(invitation);
    const before = await desk.copy("old", /SCHEDULE-STATUS="?1\.1/);
    // No instance is on that day.
    await send(
      hugo,
      token,
      "REPLY",
      answerTo(text, hugo, "ACCEPTED").replace("RRULE:FREQ=WEEKLY;COUNT=3", "RECURRENCE-ID:20361104T100000Z"),
    );
    await until("it is ignored", async () => /,ignored,hugo@.*REPLY no-change/.test(await desk.why("old")));
    assert.equal(await desk.copy("old", /UID:old/), before);
    await desk.put(
      "old",
      meeting("old", organizer, [hugo], "DTSTART:20361103T120000Z", "RRULE:FREQ=WEEKLY;COUNT=3", "SEQUENCE:5"),
    );
    await send(hugo, token, "REPLY", answerTo(text, hugo, "ACCEPTED"));
    await until("it is ignored", async () => /,ignored,hugo@.*REPLY out-of-sequence/.test(await desk.why("old")));
    const crasher = message(
      "REPLY",
      ...["UID:old", "SEQUENCE:5", "DTSTART:20361103T120000Z", `ORGANIZER:mailto:${organizer}`],
      "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ivan@elsewhere.example",
    );
    await send("ivan@elsewhere.example", organizer, "REPLY", crasher);
    await until("it is ignored", async () => /,ignored,ivan@.*REPLY not-invited/.test(await desk.why("old")));
    assert.doesNotMatch(await desk.copy("old", /UID:old/), /ACCEPTED[^\n]*(?:hugo|ivan)/);
    assert.deepEqual(await desk.sink.to("ivan@elsewhere.example", 0), []);
  });
});
