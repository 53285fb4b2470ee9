import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { home } from "../dav/sharing-words.ts";
import { adminOf } from "../support/caladmin.ts";
import { Client } from "../support/http-client.ts";
import { calendarIn, type MailSink, startMailSink } from "../support/mail-sink.ts";
import { answerTo, listens, mailSettings, meeting, postMail, textWith } from "../support/mail-words.ts";
import { freePort, type Server, startServer } from "../support/server.ts";

const organizer = "user01@example.com";
const calendar = `${home("user01")}calendar/`;
const icalendar = { "content-type": "text/calendar; charset=utf-8" };

for (const takesUtf8 of [true, false])
  describe(`mail addresses beyond ASCII, with a relay ${takesUtf8 ? "for" : "without"} SMTPUTF8`, () => {
    let sink: MailSink;
    let server: Server;
    let client: Client;
    let lmtp = 0;
    before(async () => {
      sink = await startMailSink({ takesUtf8 });
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
    const put = (name: string, address: string): Promise<unknown> => {
      const body = meeting(name, organizer, [address]);
      return client.expect(201, "PUT", `${calendar}${name}.ics`, { headers: icalendar, body });
    };
    const copy = (name: string, pattern: RegExp): Promise<string> =>
      textWith(client, `${calendar}${name}.ics`, pattern);

    test("a domain in letters of its own is written to in ASCII, and its answer is understood", async () => {
      await put("domain", "bob@bücher.example");
      // The sink shows what it got in letters.
      const [mail] = await sink.to("bob@bücher.example");
      assert.ok(mail);
      assert.match(mail.head, /^To: .*bob@xn--bcher-kva\.example/im);
      assert.doesNotMatch(mail.head, /[^\u0000-\u007f]/);
      await copy("domain", /SCHEDULE-STATUS="?1\.1/);
      const to = /^Reply-To: .*?(calendar\+[0-9a-f-]{36}@example\.com)/im.exec(mail.head)?.[1] ?? "";
      const text = answerTo(await calendarIn(mail), "bob@bücher.example", "ACCEPTED");
      const from = "bob@bücher.example";
      await postMail({ port: lmtp, lmtp: true, from, to, calendar: { method: "REPLY", text } });
      await copy("domain", /PARTSTAT=ACCEPTED[^\n]*:mailto:bob@bücher\.example/);
    });

    test(
      takesUtf8
        ? "a name in letters of its own is written to"
        : "a name in letters of its own is 5.2 at once, and caladmin says why",
      async () => {
        await put("name", "jürgen@elsewhere.example");
        if (takesUtf8) {
          const [mail] = await sink.to("jürgen@elsewhere.example");
          assert.ok(mail);
          await copy("name", /SCHEDULE-STATUS="?1\.1/);
          const to = /^Reply-To: .*?(calendar\+[0-9a-f-]{36}@example\.com)/im.exec(mail.head)?.[1] ?? "";
          const text = answerTo(await calendarIn(mail), "jürgen@elsewhere.example", "DECLINED");
          const from = "jürgen@elsewhere.example";
          await postMail({ port: lmtp, lmtp: true, from, to, calendar: { method: "REPLY", text } });
          await copy("name", /PARTSTAT=DECLINED[^\n]*:mailto:jürgen@/);
          return;
        }
        await copy("name", /SCHEDULE-STATUS="?5\.2[^\n]*:mailto:jürgen@/);
        await server.logged(/takes no addresses beyond ASCII \(SMTPUTF8\).*a mail was refused/);
        const { out } = await adminOf(server, {})(["-f", "csv", "mail", "why", "name"]);
        assert.match(out, /,refused,jürgen@elsewhere\.example,name,.*SMTPUTF8/);
        assert.deepEqual(await sink.to("jürgen@elsewhere.example", 0), []);
      },
    );
  });
