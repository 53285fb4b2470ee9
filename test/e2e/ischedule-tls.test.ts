import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { accountsXml } from "../support/accounts.ts";
import { type Authority, type CertificateFiles, makeAuthority } from "../support/certificates.ts";
import { Client } from "../support/http-client.ts";
import {
  busyOf,
  calendarOf,
  event,
  icalendar,
  inboxOf,
  place,
  question,
  statusIn,
  statusOf,
  until,
} from "../support/ischedule-words.ts";
import { freePort, type Server, startServer } from "../support/server.ts";

let folder = "";
let authority: Authority;
let com: Server;
let org: Server;
let alice: Client;
let bob: Client;

/** Gives a server this certificate. It is known after the next start. */
async function present(domain: string, { cert, key }: CertificateFiles): Promise<void> {
  await copyFile(cert, join(folder, domain, "own.crt"));
  await copyFile(key, join(folder, domain, "own.key"));
}

/** A server of one domain that the other one is reached from by https. */
async function serverOf(domain: string, user: string, sslPort: number, map: string): Promise<Server> {
  const root = join(folder, domain);
  await mkdir(root);
  await present(domain, await authority.issue(domain, ["DNS:localhost"]));
  const accounts = accountsXml([{ uid: user, guid: `${user}-${domain}` }]);
  await writeFile(join(root, "accounts.xml"), accounts.replaceAll("@example.com", `@${domain}`));
  await writeFile(join(root, "map.properties"), map);
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await writeFile(join(root, "key.pem"), privateKey.export({ format: "pem", type: "pkcs8" }));
  return startServer({
    root,
    settings: {
      SSLPort: sslPort,
      SSLCertificate: join(root, "own.crt"),
      SSLPrivateKey: join(root, "own.key"),
      "DirectoryService/params/xmlFile": join(root, "accounts.xml"),
      "Scheduling/iSchedule/Enabled": true,
      "Scheduling/iSchedule/DomainMap": join(root, "map.properties"),
      "Scheduling/iSchedule/TLSCACertFile": authority.cert,
      "Scheduling/iSchedule/DKIM/Enabled": true,
      "Scheduling/iSchedule/DKIM/Domain": domain,
      "Scheduling/iSchedule/DKIM/PrivateKeyFile": join(root, "key.pem"),
    },
  });
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "caldavd-ischedule-tls-"));
  authority = await makeAuthority(folder, "authority");
  const [comPort, orgPort] = [await freePort(), await freePort()];
  const mapped = (domain: string, port: number): string => `${domain}=https\\://localhost\\:${port}/ischedule/\n`;
  [com, org] = await Promise.all([
    serverOf("example.com", "alice", comPort, mapped("example.org", orgPort)),
    serverOf("example.org", "bob", orgPort, mapped("example.com", comPort)),
  ]);
  alice = new Client(com, "alice");
  bob = new Client(org, "bob");
});
after(async () => {
  alice?.close();
  bob?.close();
  await com?.stop();
  await org?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function orgWith(certificate: CertificateFiles): Promise<void> {
  await present("example.org", certificate);
  org = await org.restart();
  bob.close();
  bob = new Client(org, "bob");
}

const ask = async (): Promise<string> => {
  const body = question(["bob@example.org"]);
  const { text } = await alice.expect(200, "POST", "/calendars/users/alice/outbox/", { headers: icalendar, body });
  return busyOf(text, "bob@example.org");
};
const invite = (uid: string): Promise<unknown> =>
  alice.expect(201, "PUT", place("alice", `${uid}.ics`), { headers: icalendar, body: event(uid, ["bob@example.org"]) });

describe("two servers of two domains, by https", () => {
  test("an invitation, its answer, busy time and the cancellation arrive", async () => {
    await invite("party");
    await statusOf(alice, "party", "bob@example.org", "1.2");
    const [copy] = await calendarOf(bob, "bob", "party");
    assert.ok(copy);
    const body = copy.text.replace(/ATTENDEE[^\r\n:]*:mailto:bob@/, "ATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@");
    await bob.expect(204, "PUT", copy.path, { headers: icalendar, body });
    await until("alice knows", async () => {
      const [own] = await calendarOf(alice, "alice", "party");
      return own !== undefined && /PARTSTAT=ACCEPTED[^\r\n]*:mailto:bob@/.test(own.text);
    });
    assert.match(await ask(), /2\.0;Success[\s\S]*FREEBUSY/);
    await alice.expect(204, "DELETE", place("alice", "party.ics"));
    await until("cancelled", async () =>
      (await calendarOf(bob, "bob", "party")).some(({ text }) => text.includes("STATUS:CANCELLED")),
    );
  });

  for (const [what, uid, by, names, said] of [
    ["of an authority that is not believed", "stranger", "another", ["DNS:localhost"], /self-signed|unable to verify/],
    ["for another name", "name", "ours", ["DNS:calendar.example.org"], /does not match/],
  ] as const)
    test(`a certificate ${what}: nothing is told that server, the log says why, and it is told once when it is right`, async () => {
      const right = await authority.issue(`right-${uid}`, ["DNS:localhost"]);
      const issuer = by === "ours" ? authority : await makeAuthority(folder, "another");
      await orgWith(await issuer.issue(`wrong-${uid}`, names));
      await invite(uid);
      const port = /localhost\\:(\d+)/.exec(await readFile(join(folder, "example.com/map.properties"), "utf8"))?.[1];
      const problem = `"uid":"${uid}".*certificate of https://localhost:${port} is not believed: .*cannot be delivered now`;
      assert.match((await com.logged(new RegExp(problem)))[0], said);
      // Still on its way: RFC 6638 §3.2.9. Who waits for busy time is told now.
      const [own] = await calendarOf(alice, "alice", uid);
      assert.equal(statusIn(own?.text ?? "", "bob@example.org"), "1.0");
      assert.match(await ask(), /5\.1;/);
      assert.deepEqual(await calendarOf(bob, "bob", uid), []);
      await orgWith(right);
      await statusOf(alice, uid, "bob@example.org", "1.2");
      assert.equal((await calendarOf(bob, "bob", uid)).length, 1);
      assert.equal((await inboxOf(bob, "bob", uid)).length, 1);
      assert.match(await ask(), /2\.0;Success/);
    });
});
