import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { home } from "../dav/sharing-words.ts";
import { adminOf } from "../support/caladmin.ts";
import { type Authority, makeAuthority } from "../support/certificates.ts";
import { Client } from "../support/http-client.ts";
import { type MailServers, mailPassword, startMailServers, withoutMailServers } from "../support/mail-servers.ts";
import { calendarIn } from "../support/mail-sink.ts";
import { answerTo, gateway, mailSettings, meeting, postMail, textWith } from "../support/mail-words.ts";
import { type Server, startServer, until } from "../support/server.ts";

const organizer = "user01@example.com";
const calendar = `${home("user01")}calendar/`;
const patience = 30_000;
const replyTo = (mail: string): string =>
  /^Reply-To: .*?(calendar\+[0-9a-f-]+@example\.com)/im.exec(mail.replace(/\r\n[ \t]+/g, " "))?.[1] ?? "";

type Settings = Readonly<Record<string, string | number | boolean>>;

let folder: string;
let authority: Authority;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "caldavd-mail-tls-"));
  authority = await makeAuthority(folder, "authority");
});
after(() => rm(folder, { recursive: true, force: true }));

/** Mail by TLS and with signing in, both ways. `smtp`, `imap`: when TLS begins. */
function settingsFor(mail: MailServers, smtp: "implicit" | "starttls", imap: "implicit" | "starttls"): Settings {
  const [sending, receiving] = ["Scheduling/iMIP/Sending", "Scheduling/iMIP/Receiving"];
  return {
    ...mailSettings(smtp === "implicit" ? mail.smtps : mail.smtp),
    [`${sending}/Server`]: "localhost",
    [`${sending}/UseSSL`]: true,
    [`${sending}/TLSMode`]: smtp,
    [`${sending}/TLSCACertFile`]: authority.cert,
    [`${sending}/Username`]: gateway,
    [`${sending}/Password`]: mailPassword,
    [`${receiving}/Type`]: "imap",
    [`${receiving}/Server`]: "localhost",
    [`${receiving}/Port`]: imap === "implicit" ? mail.imaps : mail.imap,
    [`${receiving}/TLSMode`]: imap,
    [`${receiving}/TLSCACertFile`]: authority.cert,
    [`${receiving}/Username`]: gateway,
    [`${receiving}/Password`]: mailPassword,
    [`${receiving}/PollingSeconds`]: 1,
  };
}

const put = async (server: Server, name: string, address: string): Promise<void> => {
  const client = new Client(server, "user01");
  const body = meeting(name, organizer, [address]);
  await client.expect(201, "PUT", `${calendar}${name}.ics`, { headers: { "content-type": "text/calendar" }, body });
  client.close();
};
const copy = async (server: Server, name: string, pattern: RegExp): Promise<void> => {
  const client = new Client(server, "user01");
  await textWith(client, `${calendar}${name}.ics`, pattern, patience);
  client.close();
};
/** What `caladmin mail why` says, once it fits. */
const told = (server: Server, settings: Settings, about: string, pattern: RegExp): Promise<string> =>
  until(`${pattern} in mail why`, async () => {
    const dotted = Object.entries(settings).map(([key, value]) => [key.replaceAll("/", "."), value] as const);
    const plain = dotted.map(([key, value]) => [key, value === true ? "True" : value === false ? "False" : `${value}`]);
    const { out } = await adminOf(server, Object.fromEntries(plain))(["-f", "csv", "mail", "why", about]);
    return pattern.test(out) && out;
  });

for (const [smtp, imap, mechanism] of [
  ["starttls", "implicit", "PLAIN"],
  ["implicit", "starttls", "LOGIN"],
] as const)
  describe(`exim with ${smtp} TLS and ${mechanism}, dovecot with ${imap} TLS`, { skip: withoutMailServers }, () => {
    let mail: MailServers;
    let server: Server;
    let settings: Settings;
    before(async () => {
      const certificate = await authority.issue(`mail-${smtp}`, ["DNS:localhost"]);
      mail = await startMailServers(undefined, { certificate, mechanism, user: gateway });
      settings = settingsFor(mail, smtp, imap);
      server = await startServer({ settings });
    });
    after(async () => {
      await server?.stop();
      await mail?.stop();
    });
    const again = async (change: Settings): Promise<void> => {
      server = await server.restart({ settings: { ...settings, ...change } });
    };

    test("an invitation goes out and its answer comes in, signed in and encrypted", async () => {
      const bob = "bob@elsewhere.example";
      await put(server, "lunch", bob);
      const [invitation = ""] = await mail.mails(bob, 1);
      const text = await calendarIn({ source: invitation });
      const calendar = { method: "REPLY", text: answerTo(text, bob, "ACCEPTED") };
      await postMail({ port: mail.smtp, from: bob, to: replyTo(invitation), calendar });
      await copy(server, "lunch", /PARTSTAT=ACCEPTED[^\n]*bob@/);
      const logs = await mail.logs();
      assert.match(logs, new RegExp(`<= calendar\\+.* P=esmtpsa X=TLS1\\.[23]:.* A=signing_in:${gateway}`));
      assert.match(logs, new RegExp(`imap-login: (?:Info: )?Login: user=<${gateway}>.*, TLS`));
    });

    test("a certificate of nobody we know: the mail waits, the log and caladmin say why, and it leaves when we know him", async () => {
      await again({ "Scheduling/iMIP/Sending/TLSCACertFile": "" });
      await put(server, "unknown", "carl@elsewhere.example");
      await server.logged(/certificate of localhost:\d+ is not believed.*cannot be delivered now/);
      await copy(server, "unknown", /SCHEDULE-STATUS="?1\.0/);
      await told(server, settings, "unknown", /,deferred,carl@.*certificate of localhost:\d+ is not believed/);
      assert.deepEqual(await mail.inbox("carl@elsewhere.example"), []);
      await again({});
      await mail.mails("carl@elsewhere.example", 1);
      await copy(server, "unknown", /SCHEDULE-STATUS="?1\.1/);
    });

    test("a certificate for another name: the same", async () => {
      await again({ "Scheduling/iMIP/Sending/Server": "127.0.0.1" });
      await put(server, "other", "dora@elsewhere.example");
      const [line] = await server.logged(/certificate of 127\.0\.0\.1:\d+ is not believed/);
      assert.match(line, /does not match|not in the cert/);
      await copy(server, "other", /SCHEDULE-STATUS="?1\.0/);
      await again({});
      await mail.mails("dora@elsewhere.example", 1);
    });

    test("a wrong password: the same, and it is not in the log", async () => {
      await again({ "Scheduling/iMIP/Sending/Password": "close-sesame" });
      await put(server, "password", "emma@elsewhere.example");
      await server.logged(/localhost:\d+ does not let \\"calendar@example\.com\\" sign in.*535/);
      await copy(server, "password", /SCHEDULE-STATUS="?1\.0/);
      await told(server, settings, "password", /,deferred,emma@.*does not let .*calendar@example\.com.* sign in.*535/);
      assert.doesNotMatch(await server.errorLog(), /close-sesame|Y2xvc2Utc2VzYW1l/);
      await again({});
      await mail.mails("emma@elsewhere.example", 1);
    });

    test("a mailbox that is not ours to read: the log and caladmin say why, and the answer in it is found later", async () => {
      const fred = "fred@elsewhere.example";
      await put(server, "mailbox", fred);
      const [invitation = ""] = await mail.mails(fred, 1);
      await again({ "Scheduling/iMIP/Receiving/Password": "close-sesame" });
      const calendar = { method: "REPLY", text: answerTo(await calendarIn({ source: invitation }), fred, "DECLINED") };
      await postMail({ port: mail.smtp, from: fred, to: replyTo(invitation), calendar });
      await server.logged(/localhost:\d+ does not let \\"calendar@example\.com\\" sign in.*cannot be received/);
      await told(server, settings, gateway, /,not received,calendar@.*does not let .* sign in/);
      await again({ "Scheduling/iMIP/Receiving/TLSCACertFile": "" });
      await server.logged(/certificate of localhost:\d+ is not believed.*cannot be received/);
      await told(server, settings, gateway, /,not received,calendar@.*certificate of localhost:\d+ is not believed/);
      await again({});
      await copy(server, "mailbox", /PARTSTAT=DECLINED[^\n]*fred@/);
    });
  });
