import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { home } from "../dav/sharing-words.ts";
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
});
