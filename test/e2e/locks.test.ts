import assert from "node:assert/strict";
import { readdir, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { type Answer, Client, preconditionOf, propfind, shown } from "../support/http-client.ts";
import { type Server, startServer, until } from "../support/server.ts";
import { event } from "./calendar-texts.ts";

const home = "/calendars/users/user05/";
const path = `${home}calendar/`;
const ics = { "content-type": "text/calendar" };

const lockInfo = (scope: "exclusive" | "shared" = "exclusive"): string =>
  `<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:${scope}/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>HOST\\user</D:href></D:owner></D:lockinfo>`;
const ask = (client: Client, at: string, depth = "0", scope: "exclusive" | "shared" = "exclusive"): Promise<Answer> =>
  client.ask("LOCK", at, { headers: { depth, timeout: "Second-3600" }, body: lockInfo(scope) });
const tokenOf = (answer: Answer): string => {
  assert.ok(answer.status === 200 || answer.status === 201, shown(answer));
  return String(answer.headers["lock-token"]).slice(1, -1);
};
const held = (token: string): Record<string, string> => ({ if: `(<${token}>)` });
const tally = (answers: readonly Answer[]): Record<number, number> => {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

describe("locks and two workers", () => {
  let server: Server;
  let crowd: readonly Client[] = [];
  const connect = async (): Promise<void> => {
    for (const client of crowd) client.close();
    // One connection each: the master deals them out to both workers.
    crowd = Array.from({ length: 50 }, () => new Client(server, "user05", 1));
    await Promise.all(crowd.map((client) => client.expect(207, "PROPFIND", path, { headers: { depth: "0" } })));
    assert.equal(server.workers().length, 2);
  };
  const one = (): Client => crowd[0] ?? assert.fail();
  const put = (client: Client, at: string, n = 0, headers: Record<string, string> = {}): Promise<Answer> =>
    client.ask("PUT", at, { body: event(at, 0, `COMMENT:${n}`), headers: { ...ics, ...headers } });
  before(async () => {
    server = await startServer({ workers: 2 });
    await connect();
  });
  after(async () => {
    for (const client of crowd) client.close();
    await server?.stop();
  });

  test("a lock taken through one worker is honoured by the other, and ends for both", async () => {
    await put(one(), `${path}both.ics`);
    const token = tokenOf(await ask(one(), `${path}both.ics`));
    const refused = await Promise.all(crowd.map((client, n) => put(client, `${path}both.ics`, n)));
    assert.deepEqual(tally(refused), { 423: 50 });
    assert.equal(preconditionOf(refused[7] ?? assert.fail()), "{DAV:}lock-token-submitted");
    const allowed = await Promise.all(crowd.map((client, n) => put(client, `${path}both.ics`, n, held(token))));
    assert.deepEqual(tally(allowed), { 204: 50 });
    await one().expect(204, "UNLOCK", `${path}both.ics`, { headers: { "lock-token": `<${token}>` } });
    assert.deepEqual(tally(await Promise.all(crowd.map((client, n) => put(client, `${path}both.ics`, n)))), {
      204: 50,
    });
  });

  test("of 50 exclusive LOCKs of one resource exactly one is granted, of 50 shared ones all", async () => {
    for (const at of [`${path}fifty.ics`, `${home}fifty.txt`, `${home}fifty-shared.txt`]) {
      const shared = at.includes("shared");
      const answers = await Promise.all(crowd.map((client) => ask(client, at, "0", shared ? "shared" : "exclusive")));
      const granted = answers.filter(({ status }) => status === 200 || status === 201);
      assert.equal(granted.length, shared ? 50 : 1, JSON.stringify(tally(answers)));
      for (const answer of answers)
        if (!granted.includes(answer)) assert.equal(preconditionOf(answer), "{DAV:}no-conflicting-lock", shown(answer));
      const [first] = granted;
      assert.equal((await put(one(), at, 1, held(tokenOf(first ?? assert.fail())))).status < 300, true);
      for (const answer of granted)
        await one().expect(204, "UNLOCK", at, { headers: { "lock-token": `<${tokenOf(answer)}>` } });
    }
  });

  test("once a LOCK was answered nothing changes that its holder did not change, also what was under way", async () => {
    for (let round = 0; round < 15; round++) {
      const name = `${path}under-way-${round}.ics`;
      await put(one(), name);
      let go = true;
      const written: number[] = [];
      const writers = crowd.slice(1, 21).map(async (client, n) => {
        for (let at = 0; go && at < 200; at++) written.push((await put(client, name, n * 1000 + at)).status);
      });
      const token = tokenOf(await ask(one(), name));
      const { headers: locked } = await one().expect(200, "GET", name);
      await until("a refusal", () => written.includes(423));
      go = false;
      await Promise.all(writers);
      const { headers: now } = await one().expect(200, "GET", name);
      assert.equal(now.etag, locked.etag);
      await one().expect(204, "UNLOCK", name, { headers: { "lock-token": `<${token}>` } });
    }
  });

  test("nor in a tree that was locked with Depth infinity: no member, no collection comes or goes", async () => {
    for (let round = 0; round < 8; round++) {
      const tree = `${home}tree-${round}/`;
      for (const at of [tree, `${tree}inner/`]) await one().expect(201, "MKCOL", at);
      for (let n = 0; n < 20; n++) await one().expect(201, "MKCOL", `${tree}victim-${n}/`);
      const attempts = crowd.slice(1, 41).map((client, n) => {
        if (n % 4 === 0) return client.ask("MKCOL", `${tree}inner/made-${n}/`);
        if (n % 4 === 1) return client.ask("DELETE", `${tree}victim-${n % 20}/`);
        if (n % 4 === 2) return client.ask("PUT", `${tree}inner/${n}.txt`, { body: "text" });
        return client.ask("MOVE", `${tree}victim-${n % 20}/`, {
          headers: { destination: `${home}moved-${round}-${n}/` },
        });
      });
      const token = tokenOf(await ask(one(), tree, "infinity"));
      const list = async (): Promise<readonly string[]> =>
        (await one().multistatus("PROPFIND", tree, propfind("{DAV:}getetag"), { depth: "infinity" }))
          .map(({ href }) => href)
          .sort();
      const locked = await list();
      await Promise.all(attempts);
      assert.deepEqual(await list(), locked);
      await one().expect(423, "MKCOL", `${tree}late/`);
      await one().expect(204, "DELETE", tree, { headers: held(token) });
    }
  });

  test("a lock outlives its worker, all workers, and the server", async () => {
    await put(one(), `${path}lives.ics`);
    const token = tokenOf(await ask(one(), `${path}lives.ics`));
    for (const kill of ["workers", "server"]) {
      if (kill === "workers") {
        const old = server.workers();
        for (const pid of old) process.kill(pid, "SIGKILL");
        await until("new workers", () => {
          const now = server.workers();
          return now.length === 2 && !now.some((pid) => old.includes(pid));
        });
      } else server = await server.restart();
      await until("an answer", () =>
        connect().then(
          () => true,
          () => false,
        ),
      );
      assert.deepEqual(tally(await Promise.all(crowd.map((client) => put(client, `${path}lives.ics`)))), { 423: 50 });
    }
    assert.equal((await put(one(), `${path}lives.ics`, 1, held(token))).status, 204);
    await one().expect(204, "UNLOCK", `${path}lives.ics`, { headers: { "lock-token": `<${token}>` } });
  });

  test("a lock that ran out is gone for all", async () => {
    await put(one(), `${path}short.ics`);
    const headers = { depth: "0", timeout: "Second-1" };
    const { text } = await one().expect(200, "LOCK", `${path}short.ics`, { headers, body: lockInfo() });
    assert.match(text, /<D:timeout>Second-[01]</);
    await until("its end", async () => (await put(one(), `${path}short.ics`)).status === 204);
    assert.deepEqual(tally(await Promise.all(crowd.map((client) => put(client, `${path}short.ics`)))), { 204: 50 });
  });

  test("a home whose lock file was damaged or taken away has no locks, and goes on", async () => {
    const folder = join(server.documents, ".locks");
    const [file = assert.fail("no lock file")] = (await readdir(folder)).filter((name) => name.endsWith(".sqlite"));
    for (const damage of [() => writeFile(join(folder, file), "x".repeat(20_000)), () => unlink(join(folder, file))]) {
      await put(one(), `${path}damaged.ics`);
      tokenOf(await ask(one(), `${path}damaged.ics`));
      await damage();
      assert.deepEqual(tally(await Promise.all(crowd.map((client) => put(client, `${path}damaged.ics`)))), { 204: 50 });
      const token = tokenOf(await ask(one(), `${path}damaged.ics`));
      await one().expect(204, "UNLOCK", `${path}damaged.ics`, { headers: { "lock-token": `<${token}>` } });
    }
  });
});

describe("file managers", () => {
  let server: Server;
  let client: Client;
  before(async () => {
    server = await startServer({ workers: 2 });
    client = new Client(server, "user05", 4);
  });
  after(async () => {
    client?.close();
    await server?.stop();
  });
  const opened: string[] = [];
  afterEach(() => opened.splice(0));

  const explorer = { "user-agent": "Microsoft-WebDAV-MiniRedir/10.0.19045", translate: "f" };
  const finder = { "user-agent": "WebDAVFS/3.0.0 (03008000) Darwin/21.6.0 (x86_64)" };

  test("Windows Explorer copies a file into a folder, edits and removes it", async () => {
    const folder = `${home}Documents/`;
    const file = `${folder}Plan%20f%C3%BCr%20M%C3%A4rz.docx`;
    const go = (statuses: number | readonly number[], method: string, at: string, more: object = {}, body?: string) =>
      client.expect(statuses, method, at, {
        headers: { ...explorer, ...more },
        ...(body === undefined ? {} : { body }),
      });
    const { headers } = await go(200, "OPTIONS", "/");
    assert.match(String(headers.dav), /\b2\b/);
    assert.equal(headers["ms-author-via"], "DAV");
    await go(207, "PROPFIND", home, { depth: "0" });
    await go(201, "MKCOL", folder);
    await go(404, "PROPFIND", file, { depth: "0" });
    await go(201, "PUT", file, {}, "");
    const locked = await go(200, "LOCK", file, { timeout: "Second-3600", depth: "0" }, lockInfo());
    const token = tokenOf(locked);
    const times = `<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop><Z:Win32CreationTime>Fri, 20 Nov 2026 10:00:00 GMT</Z:Win32CreationTime><Z:Win32LastAccessTime>Fri, 20 Nov 2026 10:00:00 GMT</Z:Win32LastAccessTime><Z:Win32LastModifiedTime>Fri, 20 Nov 2026 10:00:00 GMT</Z:Win32LastModifiedTime><Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>`;
    const set = await go(207, "PROPPATCH", file, held(token), times);
    assert.doesNotMatch(set.text, /HTTP\/1\.1 [45]/);
    await go(200, "HEAD", file);
    await go(204, "PUT", file, held(token), "PK the document");
    await go(207, "PROPPATCH", file, held(token), times);
    const refreshed = await go(200, "LOCK", file, { ...held(token), timeout: "Second-3600" });
    assert.match(refreshed.text, /Win|HOST\\user/);
    await go(204, "UNLOCK", file, { "lock-token": `<${token}>` });
    const listed = await client.multistatus(
      "PROPFIND",
      folder,
      propfind("{urn:schemas-microsoft-com:}Win32FileAttributes"),
      { depth: "1" },
    );
    assert.deepEqual(
      listed.map(({ href }) => href),
      [folder, file],
    );
    assert.equal(listed[1]?.found.size, 1);
    // Older ones lock the address first and write then.
    const fresh = `${folder}new.txt`;
    const early = await go(201, "LOCK", fresh, { timeout: "Second-3600", depth: "0" }, lockInfo());
    await go(204, "PUT", fresh, held(tokenOf(early)), "");
    await go(204, "PUT", fresh, held(tokenOf(early)), "text");
    await go(204, "UNLOCK", fresh, { "lock-token": `<${tokenOf(early)}>` });
    await go(201, "MOVE", fresh, { destination: `${folder}renamed.txt`, overwrite: "F" });
    assert.equal((await go(200, "GET", `${folder}renamed.txt`)).text, "text");
    await go(204, "DELETE", folder);
  });

  test("Finder copies a file with its fork, renames it and removes it", async () => {
    const go = (statuses: number | readonly number[], method: string, at: string, more: object = {}, body?: string) =>
      client.expect(statuses, method, at, { headers: { ...finder, ...more }, ...(body === undefined ? {} : { body }) });
    const { headers } = await go(200, "OPTIONS", home);
    assert.match(String(headers.dav), /^1, 2\b/);
    const quota = `<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:quota-available-bytes/><D:quota-used-bytes/><D:quota/><D:quotaused/></D:prop></D:propfind>`;
    await go(207, "PROPFIND", home, { depth: "0" }, quota);
    await go(404, "PROPFIND", `${home}.hidden`, { depth: "0" });
    await go(404, "PROPFIND", `${home}._Report.pdf`, { depth: "0" });
    for (const [at, text] of [
      [`${home}._Report.pdf`, "\0\x05\x16\x07 a fork"],
      [`${home}Report.pdf`, "%PDF"],
      [`${home}.DS_Store`, "Bud1"],
    ] as const) {
      await go(404, "PROPFIND", at, { depth: "0" });
      await go(201, "PUT", at, {}, "");
      const token = tokenOf(await go(200, "LOCK", at, { depth: "0", timeout: "Second-600" }, lockInfo()));
      await go(204, "PUT", at, { ...held(token), "x-expected-entity-length": `${text.length}` }, text);
      await go(200, "LOCK", at, { ...held(token), timeout: "Second-600" });
      await go(204, "UNLOCK", at, { "lock-token": `<${token}>` });
      assert.equal((await go(200, "GET", at)).text, text);
    }
    const listed = await client.multistatus("PROPFIND", home, propfind("{DAV:}getcontentlength"), { depth: "1" });
    for (const name of ["._Report.pdf", "Report.pdf", ".DS_Store"])
      assert.ok(
        listed.some(({ href }) => href === home + name),
        name,
      );
    await go(201, "MOVE", `${home}Report.pdf`, { destination: `${home}Final.pdf`, overwrite: "T" });
    await go(201, "MOVE", `${home}._Report.pdf`, { destination: `${home}._Final.pdf`, overwrite: "T" });
    await go(204, "DELETE", `${home}._Final.pdf`);
    await go(204, "DELETE", `${home}Final.pdf`);
    // Between calendar objects there is no room for forks, and other hidden names are nobody's.
    await go(403, "PUT", `${path}._a.ics`, {}, "fork");
    await go(403, "PUT", `${home}.profile`, {}, "text");
  });
});
