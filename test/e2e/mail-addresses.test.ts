import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type MailDesk, startMailDesk } from "../support/mail-desk.ts";
import { calendarIn } from "../support/mail-sink.ts";
import { answerTo, meeting, postMail } from "../support/mail-words.ts";

const organizer = "user01@example.com";

for (const takesUtf8 of [true, false])
  describe(`mail addresses beyond ASCII, with a relay ${takesUtf8 ? "for" : "without"} SMTPUTF8`, () => {
    let desk: MailDesk;
    before(async () => {
      desk = await startMailDesk({ takesUtf8 });
    });
    after(() => desk?.stop());
    const put = (name: string, address: string): Promise<unknown> => {
      const body = meeting(name, organizer, [address]);
      return desk.put(name, body);
    };

    test("a domain in letters of its own is written to in ASCII, and its answer is understood", async () => {
      await put("domain", "bob@bücher.example");
      // The sink shows what it got in letters.
      const [mail] = await desk.sink.to("bob@bücher.example");
      assert.ok(mail);
      assert.match(mail.head, /^To: .*bob@xn--bcher-kva\.example/im);
      assert.doesNotMatch(mail.head, /[^\u0000-\u007f]/);
      await desk.copy("domain", /SCHEDULE-STATUS="?1\.1/);
      const to = /^Reply-To: .*?(calendar\+[0-9a-f-]{36}@example\.com)/im.exec(mail.head)?.[1] ?? "";
      const text = answerTo(await calendarIn(mail), "bob@bücher.example", "ACCEPTED");
      const from = "bob@bücher.example";
      await postMail({ port: desk.lmtp, lmtp: true, from, to, calendar: { method: "REPLY", text } });
      await desk.copy("domain", /PARTSTAT=ACCEPTED[^\n]*:mailto:bob@bücher\.example/);
    });

    test(
      takesUtf8
        ? "a name in letters of its own is written to"
        : "a name in letters of its own is 5.2 at once, and caladmin says why",
      async () => {
        await put("name", "jürgen@elsewhere.example");
        if (takesUtf8) {
          const [mail] = await desk.sink.to("jürgen@elsewhere.example");
          assert.ok(mail);
          await desk.copy("name", /SCHEDULE-STATUS="?1\.1/);
          const to = /^Reply-To: .*?(calendar\+[0-9a-f-]{36}@example\.com)/im.exec(mail.head)?.[1] ?? "";
          const text = answerTo(await calendarIn(mail), "jürgen@elsewhere.example", "DECLINED");
          const from = "jürgen@elsewhere.example";
          await postMail({ port: desk.lmtp, lmtp: true, from, to, calendar: { method: "REPLY", text } });
          await desk.copy("name", /PARTSTAT=DECLINED[^\n]*:mailto:jürgen@/);
          return;
        }
        await desk.copy("name", /SCHEDULE-STATUS="?5\.2[^\n]*:mailto:jürgen@/);
        await desk.server.logged(/takes no addresses beyond ASCII \(SMTPUTF8\).*a mail was refused/);
        const out = await desk.why("name");
        assert.match(out, /,refused,jürgen@elsewhere\.example,name,.*SMTPUTF8/);
        assert.deepEqual(await desk.sink.to("jürgen@elsewhere.example", 0), []);
      },
    );
  });
