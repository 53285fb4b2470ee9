import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { keyRecord, sign } from "../../src/scheduling/ischedule/dkim.ts";
import { accountsXml } from "../support/accounts.ts";
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

const { privateKey: strangersKey, publicKey: strangersPublicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

let folder = "";
let com: Server;
let org: Server;
let alice: Client;
let bob: Client;
let silent: TcpServer;
let silentPort = 0;

/** A server of one domain, that knows the others by the domain map and signs what it sends. */
async function serverOf(domain: string, users: readonly string[], port: number, map: string): Promise<Server> {
  const root = join(folder, domain);
  await mkdir(root);
  const accounts = accountsXml(users.map((uid) => ({ uid, guid: `${uid}-${domain}` })));
  await writeFile(join(root, "accounts.xml"), accounts.replaceAll("@example.com", `@${domain}`));
  await writeFile(join(root, "map.properties"), map);
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await writeFile(join(root, "key.pem"), privateKey.export({ format: "pem", type: "pkcs8" }));
  await mkdir(join(root, "exchanges"));
  await writeFile(join(root, "exchanges", "example.edu#one"), `${keyRecord(strangersPublicKey)}\n`);
  return startServer({
    root,
    port,
    settings: {
      "DirectoryService/params/xmlFile": join(root, "accounts.xml"),
      "Scheduling/iSchedule/Enabled": true,
      "Scheduling/iSchedule/DomainMap": join(root, "map.properties"),
      "Scheduling/iSchedule/DKIM/Enabled": true,
      "Scheduling/iSchedule/DKIM/Domain": domain,
      "Scheduling/iSchedule/DKIM/PrivateKeyFile": join(root, "key.pem"),
      "Scheduling/iSchedule/DKIM/PrivateExchanges": join(root, "exchanges"),
      "Scheduling/iSchedule/DKIM/ProtocolDebug": true,
    },
  });
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "caldavd-ischedule-"));
  silent = createServer(() => undefined);
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const address = silent.address();
  silentPort = typeof address === "object" && address !== null ? address.port : 0;
  const [comPort, orgPort] = [await freePort(), await freePort()];
  const mapped = (domain: string, port: number): string =>
    `${domain}=http\\://127.0.0.1\\:${port}/ischedule/\nexample.net=http://127.0.0.1:${silentPort}/ischedule/\n`;
  [com, org] = await Promise.all([
    serverOf("example.com", ["alice", "carol"], comPort, mapped("example.org", orgPort)),
    serverOf("example.org", ["bob", "dave"], orgPort, mapped("example.com", comPort)),
  ]);
  alice = new Client(com, "alice");
  bob = new Client(org, "bob");
});
after(async () => {
  alice?.close();
  bob?.close();
  await com?.stop();
  await org?.stop();
  silent?.close();
  await rm(folder, { recursive: true, force: true });
});

const whenStatus = (uid: string, address: string, status: string) => statusOf(alice, uid, address, status);

describe("two servers of two domains", () => {
  test("an invitation arrives in the other's calendar and inbox, once; the organizer's copy says so under its tag", async () => {
    const put = await alice.expect(201, "PUT", place("alice", "party.ics"), {
      headers: icalendar,
      body: event("party", ["carol@example.com", "bob@example.org"]),
    });
    await whenStatus("party", "bob@example.org", "1.2");
    const now = await alice.ask("HEAD", place("alice", "party.ics"));
    assert.equal(now.headers["schedule-tag"], put.headers["schedule-tag"]);
    const [copy, ...others] = await calendarOf(bob, "bob", "party");
    assert.ok(copy);
    assert.equal(others.length, 0);
    assert.equal((await inboxOf(bob, "bob", "party")).length, 1);
  });

  test("an answer arrives at the organizer, and the other attendee hears of it", async () => {
    const [copy] = await calendarOf(bob, "bob", "party");
    assert.ok(copy);
    const accepted = copy.text
      .replace(/ATTENDEE[^\r\n:]*:mailto:bob@/, "ATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@")
      .replace("TRANSP:TRANSPARENT", "TRANSP:OPAQUE");
    await bob.expect(204, "PUT", copy.path, { headers: icalendar, body: accepted });
    await until("alice knows", async () => {
      const [own] = await calendarOf(alice, "alice", "party");
      return own !== undefined && /PARTSTAT=ACCEPTED[^\r\n]*:mailto:bob@/.test(own.text);
    });
    // The calendar is written before the inbox.
    await until("it is in her inbox", async () => (await inboxOf(alice, "alice", "party")).length === 1);
    const carol = new Client(com, "carol");
    await until("carol knows", async () => {
      const [own] = await calendarOf(carol, "carol", "party");
      return own !== undefined && /PARTSTAT=ACCEPTED[^\r\n]*:mailto:bob@/.test(own.text);
    });
    carol.close();
    await until("bob's copy says so", async () => {
      const [own] = await calendarOf(bob, "bob", "party");
      return own !== undefined && statusIn(own.text, "alice@example.com") === "1.2";
    });
  });

  test("busy time of the other server is in the local answer; who does not answer costs only his own", async () => {
    const people = ["carol@example.com", "bob@example.org", "nobody@example.org", "mute@example.net", "x@example.edu"];
    const began = Date.now();
    const { text } = await alice.expect(200, "POST", "/calendars/users/alice/outbox/", {
      headers: icalendar,
      body: question(people),
    });
    assert.ok(Date.now() - began < 20_000);
    assert.match(busyOf(text, "bob@example.org"), /2\.0;Success[\s\S]*FREEBUSY;FBTYPE=BUSY:20270301T100000Z\/PT1H/);
    assert.match(busyOf(text, "carol@example.com"), /2\.0;Success/);
    assert.match(busyOf(text, "nobody@example.org"), /3\.7;/);
    assert.match(busyOf(text, "mute@example.net"), /5\.1;/);
    assert.match(busyOf(text, "x@example.edu"), /3\.7;/);
  });

  test("another time arrives; a cancellation does too", async () => {
    const body = event(
      "party",
      ["carol@example.com", "bob@example.org"],
      ["DTSTART:20270302T100000Z", "DTEND:20270302T110000Z"],
    );
    await alice.expect(204, "PUT", place("alice", "party.ics"), { headers: icalendar, body });
    await until("the new time", async () =>
      (await calendarOf(bob, "bob", "party")).some(({ text }) => text.includes("DTSTART:20270302T100000Z")),
    );
    await alice.expect(204, "DELETE", place("alice", "party.ics"));
    await until("cancelled", async () =>
      (await calendarOf(bob, "bob", "party")).some(({ text }) => text.includes("STATUS:CANCELLED")),
    );
  });

  test("a peer that never answers holds up no PUT and no other peer", async () => {
    const began = Date.now();
    const body = event("slow", ["mute@example.net", "bob@example.org"]);
    await alice.expect(201, "PUT", place("alice", "slow.ics"), { headers: icalendar, body });
    assert.ok(Date.now() - began < 5_000);
    const own = await whenStatus("slow", "bob@example.org", "1.2");
    assert.equal(statusIn(own.text, "mute@example.net"), "1.0");
  });

  test("a peer that is down, and the sender killed meanwhile: the message arrives once when both are back", async () => {
    await org.halt();
    const body = event("later", ["bob@example.org"]);
    await alice.expect(201, "PUT", place("alice", "later.ics"), { headers: icalendar, body });
    const [own] = await calendarOf(alice, "alice", "later");
    assert.equal(statusIn(own?.text ?? "", "bob@example.org"), "1.0");
    for (const worker of com.workers()) process.kill(worker, "SIGKILL");
    org = await org.restart();
    bob.close();
    bob = new Client(org, "bob");
    await until("alice's server is back", async () =>
      alice.ask("OPTIONS", "/").then(
        () => true,
        () => false,
      ),
    );
    await whenStatus("later", "bob@example.org", "1.2");
    assert.equal((await calendarOf(bob, "bob", "later")).length, 1);
    assert.equal((await inboxOf(bob, "bob", "later")).length, 1);
    await until("the queue is empty but for the silent peer", async () => {
      const left = await readdir(join(com.documents, ".queue"));
      return left.length <= 1;
    });
  });
});

describe("the door for other servers", () => {
  const message = (uid: string, from: string): string =>
    event(uid, ["bob@example.org"])
      .replaceAll("alice@example.com", from)
      .replace("VERSION:2.0\r\n", "VERSION:2.0\r\nMETHOD:REQUEST\r\n");
  const post = (headers: Record<string, string>, body: string) =>
    bob.ask("POST", "/ischedule/", { user: null, headers, body });
  const headersFor = (from: string, id: string): Record<string, string> => ({
    originator: `mailto:${from}`,
    recipient: "mailto:bob@example.org",
    "iSchedule-Version": "1.0",
    "iSchedule-Message-ID": id,
    "Content-Type": "text/calendar; charset=utf-8",
  });
  const lower = (headers: Record<string, string>) =>
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

  test("tells its capabilities, and its key", async () => {
    for (const place of ["/.well-known/ischedule?action=capabilities", "/ischedule?query=capabilities"]) {
      const { text, headers } = await bob.expect(200, "GET", place, { user: null });
      assert.match(text, /query-result[\s\S]*<version>1\.0<\/version>[\s\S]*name="VFREEBUSY"/);
      assert.equal(headers["ischedule-version"], "1.0");
    }
    const { text } = await bob.expect(200, "GET", "/.well-known/domainkey/example.org/ischedule", { user: null });
    assert.match(text, /^v=DKIM1; s=ischedule; p=\S+\n$/);
    await bob.expect(404, "GET", "/.well-known/domainkey/example.com/ischedule", { user: null });
  });

  test("takes the form of before the drafts from a peer of the domain map", async () => {
    const { status, text } = await post(icalendar, message("old", "alice@example.com"));
    assert.equal(status, 200, text);
    assert.match(text, /urn:ietf:params:xml:ns:caldav[\s\S]*mailto:bob@example\.org[\s\S]*1\.2;/);
    assert.equal((await calendarOf(bob, "bob", "old")).length, 1);
  });

  test("refuses a domain that is not the peer's, and its own people's names", async () => {
    for (const from of ["eve@example.info", "dave@example.org"]) {
      const { status, text } = await post(icalendar, message("forged", from));
      assert.equal(status, 403, from);
      assert.match(text, /originator-denied/);
    }
    assert.equal((await calendarOf(bob, "bob", "forged")).length, 0);
  });

  test("refuses a signature that the domain's key did not make", async () => {
    const body = message("signed", "alice@example.com");
    const headers = headersFor("alice@example.com", "1@example.com");
    const signer = {
      domain: "example.com",
      selector: "ischedule",
      algorithm: "rsa-sha256",
      methods: ["http/well-known"],
      expires: 600,
      key: strangersKey,
    } as const;
    const signature = sign(lower(headers), Buffer.from(body), signer, Math.floor(Date.now() / 1000));
    const { status, text } = await post({ ...headers, "DKIM-Signature": signature }, body);
    assert.equal(status, 403);
    assert.match(text, /verification-failed[\s\S]*does not match the key/);
    assert.equal((await calendarOf(bob, "bob", "signed")).length, 0);
  });

  test("believes a signature of a domain whose key it has, for that domain alone, and each once", async () => {
    const signer = {
      domain: "example.edu",
      selector: "one",
      algorithm: "rsa-sha256",
      methods: ["private-exchange"],
      expires: 600,
      key: strangersKey,
    } as const;
    const send = async (uid: string, from: string, id: string) => {
      const body = message(uid, from);
      const headers = headersFor(from, id);
      const signature = sign(lower(headers), Buffer.from(body), signer, Math.floor(Date.now() / 1000));
      const all = { ...headers, "DKIM-Signature": signature };
      return { first: await post(all, body), again: await post(all, body) };
    };
    const { first, again } = await send("foreign", "eve@example.edu", "4@example.edu");
    assert.equal(first.status, 200, first.text);
    assert.match(first.text, /mailto:bob@example\.org<\/[\s\S]*1\.2;/);
    assert.equal((await calendarOf(bob, "bob", "foreign")).length, 1);
    assert.equal(again.status, 403);
    assert.match(again.text, /verification-failed[\s\S]*came before/);
    const other = await send("lent", "alice@example.com", "5@example.edu");
    assert.equal(other.first.status, 403);
    assert.match(other.first.text, /originator-denied/);
    assert.equal((await calendarOf(bob, "bob", "lent")).length, 0);
  });

  test("does one message once: the second time it answers as the first, and another under its name is refused", async () => {
    const headers = headersFor("alice@example.com", "2@example.com");
    const first = await post(headers, message("once", "alice@example.com"));
    const [{ path } = { path: "" }] = await inboxOf(bob, "bob", "once");
    await bob.expect(204, "DELETE", path);
    const second = await post(headers, message("once", "alice@example.com"));
    assert.equal(first.status, 200);
    assert.equal(second.text, first.text);
    assert.equal((await inboxOf(bob, "bob", "once")).length, 0);
    assert.equal((await post(headers, message("twice", "alice@example.com"))).status, 403);
  });

  test("names what is wrong with a request", async () => {
    const good = headersFor("alice@example.com", "3@example.com");
    const body = message("wrong", "alice@example.com");
    const cases: readonly [Record<string, string>, string, string][] = [
      [{ ...good, "Content-Type": "text/plain" }, body, "supported-calendar-data"],
      [{ ...good, "iSchedule-Version": "7.0" }, body, "version-not-supported"],
      [{ ...good, originator: "" }, body, "originator-missing"],
      [{ ...good, originator: "mailto:carol@example.com" }, body, "originator-denied"],
      [{ ...good, recipient: "" }, body, "recipient-missing"],
      [{ ...good, recipient: "mailto:dave@example.org" }, body, "recipient-mismatch"],
      [good, "nothing", "valid-calendar-data"],
      [good, body.replace("METHOD:REQUEST\r\n", ""), "valid-scheduling-message"],
    ];
    for (const [headers, text, condition] of cases) {
      const answer = await post(headers, text);
      assert.ok(answer.status >= 400 && answer.status < 500, `${condition}: ${answer.status}`);
      assert.match(answer.text, new RegExp(`<(\\w+:)?${condition}/>`), condition);
    }
  });
});
