import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Answer, Client, preconditionOf, propfind, shown } from "../support/http-client.ts";
import { type Server, startServer } from "../support/server.ts";
import { event } from "./calendar-texts.ts";

const path = "/calendars/users/user06/calendar/";
const quota = 200_000;
const tally = (answers: readonly Answer[]): Record<number, number> => {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

describe("requests at the same moment, on connections spread over two workers", () => {
  let server: Server;
  let crowd: readonly Client[];
  before(async () => {
    server = await startServer({ workers: 2, settings: { UserQuota: quota } });
    // One connection each: the master deals them out to both workers.
    crowd = Array.from({ length: 50 }, () => new Client(server, "user06", 1));
    await Promise.all(crowd.map((client) => client.expect(207, "PROPFIND", path, { headers: { depth: "0" } })));
    assert.equal(server.workers().length, 2);
  });
  after(async () => {
    for (const client of crowd ?? []) client.close();
    await server?.stop();
  });
  const one = (): Client => crowd[0] ?? assert.fail();
  const put = (client: Client, name: string, body: string, headers: Record<string, string> = {}): Promise<Answer> =>
    client.ask("PUT", path + name, { body, headers: { "content-type": "text/calendar", ...headers } });

  test("of 50 PUTs with one If-Match exactly one succeeds", async () => {
    for (let round = 0; round < 10; round++) {
      const name = `match-${round}.ics`;
      const { headers } = await put(one(), name, event(name));
      const etag = String(headers.etag);
      const answers = await Promise.all(
        crowd.map((client, n) => put(client, name, event(name, 0, `COMMENT:writer ${n}`), { "if-match": etag })),
      );
      assert.deepEqual(tally(answers), { 204: 1, 412: 49 });
      const winner = answers.findIndex(({ status }) => status === 204);
      const { text, headers: now } = await one().expect(200, "GET", path + name);
      assert.match(text, new RegExp(`COMMENT:writer ${winner}\r\n`));
      assert.equal(now.etag, answers[winner]?.headers.etag);
    }
  });

  test("of 50 PUTs with If-None-Match: * exactly one succeeds", async () => {
    const answers = await Promise.all(
      crowd.map((client, n) => put(client, "none.ics", event("none", 0, `COMMENT:${n}`), { "if-none-match": "*" })),
    );
    assert.deepEqual(tally(answers), { 201: 1, 412: 49 });
  });

  test("of 50 PUTs of one new UID under different names exactly one succeeds, the others name it", async () => {
    for (let round = 0; round < 5; round++) {
      const uid = `twin-${round}`;
      const answers = await Promise.all(crowd.map((client, n) => put(client, `${uid}-${n}.ics`, event(uid))));
      assert.deepEqual(tally(answers), { 201: 1, 403: 49 });
      const winner = answers.findIndex(({ status }) => status === 201);
      for (const answer of answers.filter(({ status }) => status === 403)) {
        assert.equal(preconditionOf(answer), "{urn:ietf:params:xml:ns:caldav}no-uid-conflict", shown(answer));
        assert.ok(answer.text.includes(`${path}${uid}-${winner}.ics<`), shown(answer));
      }
      const names = (await readdir(join(server.home("user06"), "calendar"))).filter((name) =>
        name.startsWith(`${uid}-`),
      );
      assert.deepEqual(names, [`${uid}-${winner}.ics`]);
    }
  });

  test("of 50 DELETEs of one object exactly one succeeds", async () => {
    await put(one(), "gone.ics", event("gone"));
    const answers = await Promise.all(crowd.map((client) => client.ask("DELETE", `${path}gone.ics`)));
    assert.deepEqual(tally(answers), { 204: 1, 404: 49 });
  });

  test("of 20 MKCALENDARs of one name exactly one succeeds", async () => {
    const answers = await Promise.all(
      crowd.slice(0, 20).map((client) => client.ask("MKCALENDAR", "/calendars/users/user06/made/")),
    );
    const { 201: made, ...others } = tally(answers);
    assert.equal(made, 1);
    assert.deepEqual(
      Object.keys(others).filter((status) => status !== "403" && status !== "405"),
      [],
    );
  });

  test("of 20 calendars moved to one name exactly one arrives, and the others stay whole", async () => {
    const at = (name: string): string => `/calendars/users/user06/${name}/`;
    const movers = crowd.slice(0, 20);
    for (const [n, client] of movers.entries()) {
      await client.expect(201, "MKCALENDAR", at(`from-${n}`));
      await client.expect(201, "PUT", `${at(`from-${n}`)}e.ics`, {
        body: event(`moved-${n}`),
        headers: { "content-type": "text/calendar" },
      });
    }
    const answers = await Promise.all(
      movers.map((client, n) =>
        client.ask("MOVE", at(`from-${n}`), { headers: { destination: `${server.url}${at("to")}`, overwrite: "F" } }),
      ),
    );
    assert.deepEqual(answers.filter(({ status }) => status === 201).length, 1, JSON.stringify(tally(answers)));
    assert.ok(
      answers.every(({ status }) => status < 500),
      JSON.stringify(tally(answers)),
    );
    for (const [n, { status }] of answers.entries()) {
      const { text } = await one().expect(200, "GET", `${at(status === 201 ? "to" : `from-${n}`)}e.ics`);
      assert.match(text, new RegExp(`UID:moved-${n}\r\n`));
    }
  });

  test("20 first requests of a new user find one home", async () => {
    for (const user of ["user11", "user12", "user13"]) {
      const home = `/calendars/users/${user}/`;
      const answers = await Promise.all(
        crowd.slice(0, 20).map((client) =>
          client.ask("PROPFIND", home, {
            body: propfind("{DAV:}resourcetype"),
            headers: { depth: "1", "content-type": "application/xml" },
            user,
          }),
        ),
      );
      assert.deepEqual(tally(answers), { 207: 20 });
      assert.equal(new Set(answers.map(({ text }) => text)).size, 1, "the answers differ");
      const inside = (await readdir(server.home(user))).filter((name) => !name.startsWith("."));
      for (const name of ["calendar", "inbox", "outbox"]) assert.ok(inside.includes(name), `${name} in ${inside}`);
      const homes = (await readdir(join(server.documents, "calendars"), { recursive: true })).filter((name) =>
        name.endsWith("/inbox"),
      );
      assert.equal(homes.filter((name) => name.includes(user)).length, 1, homes.join(" "));
    }
    const left = await readdir(join(server.documents, ".staging")).catch(() => []);
    assert.deepEqual(left, [], "staged files were left behind");
  });

  describe("quota", () => {
    const home = "/calendars/users/user14/";
    const file = (n: number): string => `${home}calendar/q${n}.ics`;
    /** An event of just so many bytes. */
    const sized = (uid: string, bytes: number): string => {
      const least = event(uid, 0, "X-PAD:").length;
      return event(uid, 0, `X-PAD:${"x".repeat(bytes - least)}`);
    };
    const store = (client: Client, n: number, bytes: number): Promise<Answer> =>
      client.ask("PUT", file(n), {
        body: sized(`quota-${n}`, bytes),
        headers: { "content-type": "text/calendar" },
        user: "user14",
      });
    async function told(): Promise<{ used: number; available: number }> {
      const answer = await one().expect(207, "PROPFIND", home, {
        body: propfind("{DAV:}quota-used-bytes", "{DAV:}quota-available-bytes"),
        headers: { depth: "0", "content-type": "application/xml" },
        user: "user14",
      });
      const number = (name: string): number => Number(new RegExp(`${name}>(\\d+)<`).exec(answer.text)?.[1]);
      return { used: number("quota-used-bytes"), available: number("quota-available-bytes") };
    }
    async function onDisk(): Promise<number> {
      const root = server.home("user14");
      let bytes = 0;
      for (const name of await readdir(root, { recursive: true })) {
        if (name.split("/").some((part) => part.startsWith("."))) continue;
        const facts = await stat(join(root, name));
        if (facts.isFile()) bytes += facts.size;
      }
      return bytes;
    }

    test("of 50 writes of a tenth of the quota each, as many succeed as fit", async () => {
      const size = quota / 10 - 100;
      const answers = await Promise.all(crowd.map((client, n) => store(client, n, size)));
      assert.deepEqual(tally(answers), { 201: 10, 507: 40 });
      for (const answer of answers.filter(({ status }) => status === 507))
        assert.equal(preconditionOf(answer), "{DAV:}quota-not-exceeded", shown(answer));
      assert.equal(await onDisk(), 10 * size);
      assert.deepEqual(await told(), { used: 10 * size, available: 1000 });
    });

    test("one byte more than is left is refused, and what is there stays", async () => {
      const { used, available } = await told();
      assert.equal((await store(one(), 100, available + 1)).status, 507);
      assert.deepEqual(await told(), { used, available });
      assert.equal((await store(one(), 100, available - 1)).status, 201);
      assert.equal((await told()).available, 1);
    });

    test("a full home takes a smaller object in place of a larger one, and room is given back", async () => {
      const names = (await readdir(join(server.home("user14"), "calendar"))).filter((name) => /^q\d+\.ics$/.test(name));
      const n = Number(/\d+/.exec(names.find((name) => name !== "q100.ics") ?? "")?.[0]);
      assert.equal((await store(one(), n, quota / 10 + 100)).status, 507);
      assert.equal((await store(one(), n, 1000)).status, 204);
      assert.equal((await told()).used, await onDisk());
      await one().expect(204, "DELETE", file(n), { user: "user14" });
      const { used, available } = await told();
      assert.equal(used, await onDisk());
      assert.equal(used + available, quota);
    });
  });
});
