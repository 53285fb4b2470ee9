import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Client, itemsOf, preconditionOf, syncCollection, syncTokenOf } from "../support/http-client.ts";
import { type Server, startServer, until } from "../support/server.ts";
import { event } from "./calendar-texts.ts";

const icsType = { "content-type": "text/calendar" };
const etagName = "{DAV:}getetag";
const home = (user: string): string => `/calendars/users/${user}/`;
const user = (n: number): string => `user${String(n).padStart(2, "0")}`;
const address = (n: number): string => `mailto:${user(n)}@example.com`;
const roomAddress = "urn:uuid:30000000-0000-0000-0000-000000000001";

const meeting = (uid: string, organizer: number, attendees: readonly string[], day = 1): string =>
  event(
    uid,
    day,
    `ORGANIZER:${address(organizer)}`,
    `ATTENDEE;PARTSTAT=ACCEPTED:${address(organizer)}`,
    ...attendees.map((one) => `ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:${one}`),
  );

/** On a busy machine, ms. */
const patience = 60_000;
const unfolded = (text: string): string => text.replaceAll("\r\n ", "");

// Two whole servers, each with a master, workers, logs and settings of its own, know nothing of each other but the volume.
describe("two hosts on one volume", () => {
  let root: string;
  let hosts: readonly [Server, Server];
  let clients: readonly [Client, Client];
  const start = async (name: string): Promise<Server> => {
    const data = join(root, name);
    await mkdir(data, { mode: 0o750 });
    return startServer({ root, workers: 1, settings: { DataRoot: data } });
  };
  /** Asks one host, then the other, then the first … */
  let turn = 0;
  const next = (): Client => clients[turn++ % 2] ?? assert.fail();
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "caldavd-hosts-"));
    hosts = [await start("first"), await start("second")];
    clients = [new Client(hosts[0], null, 8), new Client(hosts[1], null, 8)];
  });
  after(async () => {
    for (const client of clients ?? []) client.close();
    for (const host of hosts ?? []) await host.stop();
    await rm(root, { recursive: true, force: true });
  });
  const put = (client: Client, who: string, name: string, body: string, headers: Record<string, string> = {}) =>
    client.ask("PUT", `${home(who)}calendar/${name}`, { user: who, body, headers: { ...icsType, ...headers } });
  const sync = async (client: Client, who: string, token: string) => {
    const { text } = await client.expect(207, "REPORT", `${home(who)}calendar/`, {
      user: who,
      headers: { "content-type": "application/xml" },
      body: syncCollection(token, etagName),
    });
    const changed = itemsOf(text).map(({ href, status }) => `${status === 404 ? "-" : ""}${href.split("/").at(-1)}`);
    return { token: syncTokenOf(text), changed };
  };
  /** Files of a user's collection, as the volume has them. */
  const files = async (who: string, collection: string): Promise<readonly string[]> =>
    (await readdir(join(root, "Documents/calendars/users", who, collection))).filter((name) => name.endsWith(".ics"));
  const copies = async (who: string, uid: string): Promise<readonly string[]> => {
    const folder = join(root, "Documents/calendars/users", who, "calendar");
    const texts = await Promise.all((await files(who, "calendar")).map((name) => readFile(join(folder, name), "utf8")));
    return texts.filter((text) => text.includes(`UID:${uid}\r\n`)).map(unfolded);
  };
  const queued = async (): Promise<readonly string[]> =>
    readdir(join(root, "Documents/.queue")).catch((): string[] => []);

  test("what one has acknowledged the other serves from the next request on", async () => {
    const who = user(1);
    let token = (await sync(next(), who, "")).token;
    for (let n = 0; n < 60; n++) {
      const name = `${n % 7}.ics`;
      const path = `${home(who)}calendar/${name}`;
      const body = event(`${n % 7}`, n);
      if (n % 5 === 4) {
        const { status } = await next().ask("DELETE", path, { user: who });
        assert.equal((await next().ask("GET", path, { user: who })).status, 404, `${n}: DELETE said ${status}`);
      } else {
        const written = await put(next(), who, name, body);
        assert.ok(written.status === 201 || written.status === 204, `${n}: ${written.status}`);
        const read = await next().expect(200, "GET", path, { user: who });
        assert.equal(read.text, body);
        assert.equal(read.headers.etag, written.headers.etag);
      }
      const report = await sync(next(), who, token);
      if (n % 5 !== 4) assert.deepEqual(report.changed, [name], `${n}`);
      ({ token } = report);
    }
  });

  test("of fifty PUTs with one If-Match, at both, exactly one succeeds", async () => {
    const who = user(2);
    const { headers } = await put(next(), who, "a.ics", event("a"));
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        put(next(), who, "a.ics", event("a", n), { "if-match": headers.etag ?? assert.fail() }),
      ),
    );
    assert.equal(answers.filter(({ status }) => status === 204).length, 1);
    assert.equal(answers.filter(({ status }) => status === 412).length, 49);
  });

  test("of fifty PUTs of one new UID, at both, exactly one succeeds", async () => {
    const who = user(2);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => put(next(), who, `new-${n}.ics`, event("new"))),
    );
    assert.equal(answers.filter(({ status }) => status === 201).length, 1);
    for (const answer of answers)
      if (answer.status !== 201) assert.equal(preconditionOf(answer), "{urn:ietf:params:xml:ns:caldav}no-uid-conflict");
  });

  test("first requests at both find one home", async () => {
    for (let n = 10; n < 18; n++) {
      const who = user(n);
      await Promise.all(
        Array.from({ length: 6 }, () =>
          next().expect(207, "PROPFIND", home(who), { user: who, headers: { depth: "1" } }),
        ),
      );
    }
    for (let n = 10; n < 18; n++)
      assert.ok((await readdir(join(root, "Documents/calendars/users", user(n)))).includes("inbox"));
  });

  test("delegates, ACLs and locks that one was given hold at the other at once", async () => {
    const [one, other] = clients;
    const owner = user(3);
    const path = `${home(owner)}calendar/`;
    const asks = async (client: Client): Promise<number> =>
      (await client.ask("PROPFIND", path, { user: user(4), headers: { depth: "0" } })).status;
    await put(one, owner, "a.ics", event("a"));
    const members = (...hrefs: readonly string[]): string =>
      `<?xml version="1.0"?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:group-member-set>${hrefs.map((href) => `<D:href>${href}</D:href>`).join("")}</D:group-member-set></D:prop></D:set></D:propertyupdate>`;
    const acl = (grant: string): string => `<?xml version="1.0"?><acl xmlns="DAV:">${grant}</acl>`;
    const xml = { "content-type": "application/xml" };
    const delegate = "/principals/__uids__/10000000-0000-0000-0000-000000000004/";
    for (let round = 0; round < 5; round++) {
      const [here, there] = round % 2 === 0 ? [one, other] : [other, one];
      assert.equal(await asks(there), 403);
      const delegates = `/principals/users/${owner}/calendar-proxy-read/`;
      await here.expect(207, "PROPPATCH", delegates, { user: owner, headers: xml, body: members(delegate) });
      assert.equal(await asks(there), 207);
      await here.expect(207, "PROPPATCH", delegates, { user: owner, headers: xml, body: members() });
      assert.equal(await asks(there), 403);
      const grant = `<ace><principal><href>${delegate}</href></principal><grant><privilege><read/></privilege></grant></ace>`;
      await here.expect(200, "ACL", path, { user: owner, headers: xml, body: acl(grant) });
      assert.equal(await asks(there), 207);
      await here.expect(200, "ACL", path, { user: owner, headers: xml, body: acl("") });
      const lock = `<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`;
      const { headers } = await here.expect(200, "LOCK", `${path}a.ics`, { user: owner, headers: xml, body: lock });
      assert.equal((await put(there, owner, "a.ics", event("a", round))).status, 423);
      await here.expect(204, "UNLOCK", `${path}a.ics`, {
        user: owner,
        headers: { "lock-token": headers["lock-token"] },
      });
      assert.equal((await put(there, owner, "a.ics", event("a", round))).status, 204);
    }
  });

  test("an invitation sent at one and answered at the other ends in copies that agree, and nobody is told twice", async () => {
    const invited = [21, 22, 23, 24, 25, 26];
    const uid = "across";
    assert.equal((await put(clients[0], user(20), "m.ics", meeting(uid, 20, invited.map(address)))).status, 201);
    await Promise.all(
      invited.map(async (n) => {
        const [name, ...more] = await files(user(n), "calendar");
        assert.ok(name !== undefined && more.length === 0);
        assert.equal((await files(user(n), "inbox")).length, 1);
        const at = `${home(user(n))}calendar/${name}`;
        const { text } = await next().expect(200, "GET", at, { user: user(n) });
        const mine = new RegExp(`ATTENDEE[^:]*:${address(n)}`);
        const answer = unfolded(text).replace(mine, `ATTENDEE;PARTSTAT=ACCEPTED:${address(n)}`);
        assert.equal((await put(next(), user(n), name, answer)).status, 204);
      }),
    );
    const everybody = [20, ...invited];
    const agree = async (): Promise<boolean> => {
      const all = await Promise.all(everybody.map((n) => copies(user(n), uid)));
      return all.every(([copy, ...more]) => more.length === 0 && copy?.match(/PARTSTAT=ACCEPTED/g)?.length === 7);
    };
    await until("every copy to say that all have accepted", agree, patience);
    await until("an empty queue", async () => (await queued()).length === 0, patience);
    // One of each answer, and one of the invitation.
    assert.equal((await files(user(20), "inbox")).length, invited.length);
    for (const n of invited) assert.equal((await files(user(n), "inbox")).length, 1, user(n));
  });

  test("a room that organizers ask for at both goes to one of them", async () => {
    const organizers = Array.from({ length: 16 }, (_, n) => n + 1);
    const sent = await Promise.all(
      organizers.map((n) => put(next(), user(n), "room.ics", meeting(`room-${n}`, n, [roomAddress], 40))),
    );
    for (const { status } of sent) assert.equal(status, 201);
    const answered = async () => {
      const found = await Promise.all(
        organizers.map(async (n) => {
          const [copy] = await copies(user(n), `room-${n}`);
          return /^ATTENDEE[^\r]*PARTSTAT=([A-Z-]+)[^\r]*:urn:uuid:3/m.exec(copy ?? "")?.[1];
        }),
      );
      return !found.includes("NEEDS-ACTION") && found;
    };
    const answers = await until("an answer to each", answered, patience);
    assert.deepEqual(
      answers.filter((one) => one !== "DECLINED"),
      ["ACCEPTED"],
    );
  });

  test("what a host that died had promised the other one does", async () => {
    const invited = Array.from({ length: 24 }, (_, n) => n + 2);
    const third = await start("third");
    const client = new Client(third, null, 1);
    const asked = put(client, user(1), "promise.ics", meeting("promise", 1, invited.map(address), 60)).catch(
      () => undefined,
    );
    await until("the plan to be written down", async () => (await queued()).length > 0);
    for (const pid of [third.pid, ...third.workers()]) process.kill(pid, "SIGKILL");
    await asked;
    client.close();
    await until("an empty queue", async () => (await queued()).length === 0, patience);
    for (const n of invited) {
      const found = await copies(user(n), "promise");
      assert.equal(found.length, 1, user(n));
    }
    const [mine, ...more] = await copies(user(1), "promise");
    assert.equal(more.length, 0);
    assert.equal(mine?.match(/SCHEDULE-STATUS=1\.2/g)?.length, invited.length);
    await third.stop();
  });

  test("neither has anything to complain of", async () => {
    for (const host of hosts) assert.doesNotMatch(await host.errorLog(), /"level":"error"/);
  });
});
