import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { home } from "../dav/sharing-words.ts";
import { adminOf } from "../support/caladmin.ts";
import { Client } from "../support/http-client.ts";
import { calendarIn, type MailSink, startMailSink } from "../support/mail-sink.ts";
import { answerTo, gateway, listens, mailSettings, meeting, postMail, textWith } from "../support/mail-words.ts";
import { freePort, type Server, startServer } from "../support/server.ts";

const organizer = "user01@example.com";
const calendar = `${home("user01")}calendar/`;
const icalendar = { "content-type": "text/calendar" };

describe("invitations by mail", () => {
  let sink: MailSink;
  let server: Server;
  let client: Client;
  let lmtp = 0;
  const refused = new Map<string, readonly [number, string]>();
  before(async () => {
    sink = await startMailSink({ refuses: (recipient) => refused.get(recipient) });
    lmtp = await freePort();
    server = await startServer({ settings: mailSettings(sink.port, lmtp) });
    client = new Client(server, "user01");
    await listens(lmtp);
  });
  after(async () => {
    client?.close();
    await server?.stop();
    await sink?.stop();
  });
  const put = (name: string, body: string): Promise<unknown> =>
    client.expect([201, 204], "PUT", `${calendar}${name}.ics`, { headers: icalendar, body });
  const copy = (name: string, pattern: RegExp): Promise<string> => textWith(client, `${calendar}${name}.ics`, pattern);

  test("an invitation goes out once, comes back answered, and the organizer sees it; so does a cancellation", async () => {
    await put("lunch", meeting("lunch", organizer, ["bob@elsewhere.example"]));
    const [mail] = await sink.to("bob@elsewhere.example");
    assert.ok(mail);
    assert.match(mail.head, /^From: .*user01@example\.com/im);
    assert.match(mail.source, /^Content-Type: text\/calendar; charset=utf-8; method=REQUEST/im);
    const reply = /^Reply-To: .*?(calendar\+[0-9a-f-]{36}@example\.com)/im.exec(mail.head)?.[1];
    assert.ok(reply);
    assert.equal(mail.from, reply);
    const text = await calendarIn(mail);
    assert.ok(text.includes(`:mailto:${reply}`), text);
    await copy("lunch", /SCHEDULE-STATUS="?1\.1/);
    const calendarText = answerTo(text, "bob@elsewhere.example", "ACCEPTED");
    const answer = { port: lmtp, lmtp: true, to: reply, calendar: { method: "REPLY", text: calendarText } };
    await assert.rejects(
      postMail({ ...answer, from: "mallory@elsewhere.example" }),
      /550.*bob@elsewhere\.example was asked/,
    );
    await postMail({ ...answer, from: "bob@elsewhere.example" });
    assert.match(await copy("lunch", /PARTSTAT=ACCEPTED[^\n]*bob@/), /ORGANIZER[^\n]*:mailto:user01@example\.com/);
    await client.expect(204, "DELETE", `${calendar}lunch.ics`);
    const [, cancel, ...more] = await sink.to("bob@elsewhere.example", 2);
    assert.deepEqual(more, []);
    assert.ok(cancel);
    assert.match(await calendarIn(cancel), /METHOD:CANCEL[\s\S]*STATUS:CANCELLED/);
    assert.match(cancel.head, new RegExp(`^Reply-To: .*${reply.replaceAll("+", "\\+")}`, "im"));
  });

  test("a refused recipient is 5.1, and nobody here is mailed about a token that is not known", async () => {
    refused.set("gone@elsewhere.example", [550, "no such user"]);
    await put("gone", meeting("gone", organizer, ["gone@elsewhere.example"]));
    await copy("gone", /SCHEDULE-STATUS="?5\.1[^\n]*gone@/);
    const to = gateway.replace("@", "+00000000-0000-4000-8000-000000000000@");
    await assert.rejects(postMail({ port: lmtp, lmtp: true, from: "bob@elsewhere.example", to }), /550/);
  });

  test("an invitation from outside lies in the user's calendar, his answer goes to the organizer, and the cancellation comes", async () => {
    const carol = "carol@elsewhere.example";
    const text = (method: string, ...more: readonly string[]): string =>
      meeting("tea", carol, [organizer], ...more).replace("VERSION:2.0", `VERSION:2.0\r\nMETHOD:${method}`);
    const invite = { port: lmtp, lmtp: true, to: organizer, calendar: { method: "REQUEST", text: text("REQUEST") } };
    await assert.rejects(postMail({ ...invite, from: "mallory@elsewhere.example" }), /550.*speaks for carol/);
    await postMail({ ...invite, from: carol, messageId: "<1@elsewhere.example>" });
    // A mail server that has not heard our answer brings it again.
    await postMail({ ...invite, from: carol, messageId: "<1@elsewhere.example>" });
    const members = async (collection: string): Promise<readonly string[]> => {
      const { text: listing } = await client.expect(207, "PROPFIND", `${home("user01")}${collection}/`, {
        headers: { depth: "1" },
      });
      return [...listing.matchAll(/<D:href>([^<]*\.ics)</g)].map((match) => match[1] ?? "");
    };
    const paths = await members("calendar");
    const texts = await Promise.all(paths.map(async (path) => (await client.expect(200, "GET", path)).text));
    const own = paths[texts.findIndex((one) => one.includes("UID:tea"))] ?? assert.fail(paths.join());
    const stored = await textWith(client, own, /UID:tea/);
    const noted = await Promise.all((await members("inbox")).map((path) => client.expect(200, "GET", path)));
    assert.equal(noted.filter((one) => one.text.includes("UID:tea")).length, 1);
    const answered = stored.replace(/PARTSTAT=NEEDS-ACTION;RSVP=TRUE(:mailto:user01)/, "PARTSTAT=TENTATIVE$1");
    assert.notEqual(answered, stored);
    await client.expect(204, "PUT", own, { headers: icalendar, body: answered });
    const [mail] = await sink.to(carol);
    assert.ok(mail);
    assert.match(mail.head, /^From: .*user01@example\.com/im);
    assert.match(mail.head, /^Reply-To: .*user01@example\.com/im);
    assert.match(mail.head, /^Subject: Tentative: Meeting tea/im);
    const reply = await calendarIn(mail);
    assert.match(reply, /METHOD:REPLY/);
    assert.match(reply, /ATTENDEE;PARTSTAT=TENTATIVE[^\r]*:mailto:user01@example\.com/);
    assert.match(reply, /ORGANIZER:mailto:carol@elsewhere\.example/);
    await textWith(client, own, /ORGANIZER[^\r]*SCHEDULE-STATUS=1\.1/);
    await postMail({
      ...invite,
      from: carol,
      calendar: { method: "CANCEL", text: text("CANCEL", "SEQUENCE:1", "STATUS:CANCELLED") },
    });
    await textWith(client, own, /STATUS:CANCELLED/);
  });

  test("nobody is mailed of what is over, of what is others' to send, or at addresses that could be more than one", async () => {
    await put("past", meeting("past", organizer, ["dan@elsewhere.example"], "DTSTART:20200101T100000Z"));
    await put("agent", meeting("agent", organizer, ["ATTENDEE;SCHEDULE-AGENT=CLIENT:mailto:dan@elsewhere.example"]));
    await put("odd", meeting("odd", organizer, ["ATTENDEE:mailto:dan@elsewhere.example,eve@elsewhere.example"]));
    await copy("odd", /SCHEDULE-STATUS="?3\.7/);
    await put("now", meeting("now", organizer, ["dan@elsewhere.example"]));
    // In the lane of the others, after them.
    const mails = await sink.to("dan@elsewhere.example");
    assert.deepEqual(
      mails.map(({ head }) => /^Subject: (.*?)\r?$/m.exec(head)?.[1]),
      ["Invitation: Meeting now"],
    );
    assert.deepEqual(await sink.to("eve@elsewhere.example", 0), []);
  });

  test("SCHEDULE-FORCE-SEND=REQUEST mails what would not be mailed: what is over, what was answered long ago, what has not changed", async () => {
    const fay = "fay@elsewhere.example";
    const forced = `ATTENDEE;PARTSTAT=ACCEPTED;SCHEDULE-FORCE-SEND=REQUEST:mailto:${fay}`;
    const past = ["DTSTART:20200101T100000Z", "DTEND:20200101T110000Z"];
    await put("forced-past", meeting("forced-past", organizer, [forced], ...past));
    await sink.to(fay, 1);
    await put("forced-import", meeting("forced-import", organizer, [forced]));
    await sink.to(fay, 2);
    assert.doesNotMatch(await copy("forced-import", /SCHEDULE-STATUS="?1\.1/), /FORCE-SEND/);
    await put("forced-import", meeting("forced-import", organizer, [forced]));
    const mails = await sink.to(fay, 3);
    assert.deepEqual(
      mails.map(({ head }) => /^Subject: (.*?)\r?$/m.exec(head)?.[1]),
      ["Invitation: Meeting forced-past", "Invitation: Meeting forced-import", "Invitation: Meeting forced-import"],
    );
    for (const mail of mails) assert.doesNotMatch(await calendarIn(mail), /FORCE-SEND/);
    assert.doesNotMatch(await copy("forced-past", /SCHEDULE-STATUS="?1\.1/), /FORCE-SEND/);
  });

  test("what cannot be delivered now is in caladmin's queue with the reason, and is tried at once when it is told to", async () => {
    const caladmin = adminOf(server, { "Scheduling.iMIP.Enabled": "False" });
    refused.set("late@elsewhere.example", [451, "come back later"]);
    await put("late", meeting("late", organizer, ["late@elsewhere.example"]));
    // After 2 and 4 seconds; the next pause is one of 8.
    for (const tries of [1, 2, 3]) await server.logged(/come back later.*cannot be delivered now/, tries);
    const failed = performance.now();
    const { out, status } = await caladmin(["-f", "csv", "mail", "queue"]);
    assert.equal(status, 0);
    assert.match(out, /,mail,REQUEST,late@elsewhere\.example,late,.*451 come back later/);
    refused.delete("late@elsewhere.example");
    assert.equal((await caladmin(["mail", "retry"])).status, 0);
    await sink.to("late@elsewhere.example");
    assert.ok(performance.now() - failed < 7_900, `sent after ${performance.now() - failed} ms`);
    await copy("late", /SCHEDULE-STATUS="?1\.1/);
    const { out: why } = await caladmin(["-f", "csv", "mail", "why", "late"]);
    assert.match(why.split("\r\n")[1] ?? "", /,sent,late@elsewhere\.example,late,/);
    assert.match(why, /,deferred,/);
    assert.equal((await caladmin(["mail"])).status, 64);
  });
});

test("a mail whose acceptance a killed server did not hear of comes again, as the same: its Message-ID and token stay", async () => {
  let isSilent = true;
  const sink = await startMailSink({ isSilent: () => isSilent });
  let server = await startServer({ settings: mailSettings(sink.port) });
  const client = new Client(server, "user01");
  try {
    const body = meeting("twice", organizer, ["bob@elsewhere.example"]);
    await client.expect(201, "PUT", `${calendar}twice.ics`, { headers: icalendar, body });
    await sink.to("bob@elsewhere.example");
    for (const pid of [server.pid, ...server.workers()]) process.kill(pid, "SIGKILL");
    isSilent = false;
    server = await server.restart();
    const mails = await sink.to("bob@elsewhere.example", 2);
    for (const header of [/^Message-ID: (\S+)/im, /^Reply-To: .*<(\S+)>/im]) {
      const [first, second] = mails.map(({ head }) => header.exec(head)?.[1]);
      assert.ok(first);
      assert.equal(second, first);
    }
    await textWith(client, `${calendar}twice.ics`, /SCHEDULE-STATUS="?1\.1/);
    assert.equal((await sink.to("bob@elsewhere.example", 2)).length, 2);
  } finally {
    client.close();
    await server.stop();
    await sink.stop();
  }
});
