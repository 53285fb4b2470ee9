import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { home } from "../dav/sharing-words.ts";
import { Client } from "../support/http-client.ts";
import { type MailServers, mailPassword, startMailServers, withoutMailServers } from "../support/mail-servers.ts";
import { calendarIn } from "../support/mail-sink.ts";
import { answerTo, gateway, listens, mailSettings, meeting, postMail, textWith } from "../support/mail-words.ts";
import { freePort, type Server, startServer, until } from "../support/server.ts";

const organizer = "user01@example.com";
const calendar = `${home("user01")}calendar/`;
const icalendar = { "content-type": "text/calendar" };
const unfolded = (mail: string): string => mail.replace(/\r\n[ \t]+/g, " ");
const replyTo = (mail: string): string =>
  /^Reply-To: .*?(calendar\+[0-9a-f-]+@example\.com)/im.exec(unfolded(mail))?.[1] ?? "";
const patience = 30_000;

for (const how of ["lmtp", "imap"] as const)
  describe(`through exim and dovecot, answers by ${how}`, { skip: withoutMailServers }, () => {
    let mail: MailServers;
    let server: Server;
    let client: Client;
    before(async () => {
      const lmtp = how === "lmtp" ? await freePort() : undefined;
      mail = await startMailServers(lmtp);
      const receiving = "Scheduling/iMIP/Receiving";
      server = await startServer({
        settings: {
          ...mailSettings(mail.smtp, lmtp),
          ...(how === "lmtp"
            ? {}
            : {
                [`${receiving}/Type`]: "imap",
                [`${receiving}/Server`]: "127.0.0.1",
                [`${receiving}/Port`]: mail.imap,
                [`${receiving}/UseSSL`]: false,
                [`${receiving}/Username`]: gateway,
                [`${receiving}/Password`]: mailPassword,
                [`${receiving}/PasswordInClear`]: true,
                [`${receiving}/PollingSeconds`]: 1,
              }),
        },
      });
      client = new Client(server, "user01");
      if (lmtp !== undefined) await listens(lmtp);
    });
    after(async () => {
      client?.close();
      await server?.stop();
      await mail?.stop();
    });
    const put = (name: string, body: string): Promise<unknown> =>
      client.expect([201, 204], "PUT", `${calendar}${name}.ics`, { headers: icalendar, body });
    const copy = (name: string, pattern: RegExp): Promise<string> =>
      textWith(client, `${calendar}${name}.ics`, pattern, patience);

    test("an invitation lies in the mailbox, its answer in the organizer's calendar; then it is cancelled", async () => {
      const bob = `bob-${how}@elsewhere.example`;
      await put("lunch", meeting("lunch", organizer, [bob]));
      const [invitation = ""] = await mail.mails(bob, 1);
      const text = await calendarIn({ source: invitation });
      assert.match(text, /METHOD:REQUEST/);
      await postMail({
        port: mail.smtp,
        from: bob,
        to: replyTo(invitation),
        calendar: { method: "REPLY", text: answerTo(text, bob, "ACCEPTED") },
      });
      await copy("lunch", /PARTSTAT=ACCEPTED[^\n]*bob-/);
      await client.expect(204, "DELETE", `${calendar}lunch.ics`);
      const [, cancellation = "", ...more] = await mail.mails(bob, 2);
      assert.match(await calendarIn({ source: cancellation }), /METHOD:CANCEL/);
      assert.deepEqual(more, []);
      if (how === "imap")
        await until("an empty mailbox", async () => (await mail.inbox(gateway)).length === 0, patience);
    });

    test("what the other mail server returns is 5.1 in the organizer's calendar", async () => {
      await put("lost", meeting("lost", organizer, ["nobody@nowhere.example"]));
      await copy("lost", /SCHEDULE-STATUS="?5\.1[^\n]*nobody@/);
    });

    test("words to the gateway change nothing, and are not lost", async () => {
      const eve = `eve-${how}@elsewhere.example`;
      await put("talk", meeting("talk", organizer, [eve]));
      const [invitation = ""] = await mail.mails(eve, 1);
      await postMail({ port: mail.smtp, from: eve, to: replyTo(invitation), subject: "I will be late" });
      if (how === "imap") {
        await until(
          "the mail in the gateway's mailbox",
          async () => (await mail.inbox(gateway)).some((one) => one.includes("I will be late")),
          patience,
        );
        return;
      }
      const [, returned = ""] = await mail.mails(eve, 2);
      assert.match(returned, /only answers of calendar\s+programs are understood/);
    });
  });

describe("through exim and dovecot, with accidents", { skip: withoutMailServers }, () => {
  let mail: MailServers;
  let server: Server;
  before(async () => {
    mail = await startMailServers(undefined);
    server = await startServer({ settings: mailSettings(mail.smtp) });
  });
  after(async () => {
    await server?.stop();
    await mail?.stop();
  });
  const put = async (name: string, address: string): Promise<void> => {
    const client = new Client(server, "user01");
    const body = meeting(name, organizer, [address]);
    await client.expect(201, "PUT", `${calendar}${name}.ics`, { headers: icalendar, body });
    client.close();
  };
  const copy = async (name: string, pattern: RegExp): Promise<void> => {
    const client = new Client(server, "user01");
    await textWith(client, `${calendar}${name}.ics`, pattern, patience);
    client.close();
  };

  test("what is written while the mail server is down arrives once when it is back, the server killed in between", async () => {
    await mail.stopSmtp();
    await put("down", "carl@elsewhere.example");
    await copy("down", /SCHEDULE-STATUS="?1\.0/);
    server.signal("SIGKILL");
    for (const pid of server.workers()) process.kill(pid, "SIGKILL");
    await mail.startSmtp();
    server = await server.restart();
    await copy("down", /SCHEDULE-STATUS="?1\.1/);
    // What comes after it in the same lane shows that nothing else came before.
    await put("later", "carl@elsewhere.example");
    const mails = await mail.mails("carl@elsewhere.example", 2);
    assert.deepEqual(
      mails.map((one) => /^Subject: (.*)$/m.exec(one.replaceAll("\r", ""))?.[1]),
      ["Invitation: Meeting down", "Invitation: Meeting later"],
    );
  });
});
