import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { writePlist } from "../../src/xml/plist.ts";
import { type Account, writeAccounts } from "../support/accounts.ts";
import { adminOf, type Said } from "../support/caladmin.ts";
import { Client } from "../support/http-client.ts";
import { type Server, startServer, until } from "../support/server.ts";
import { event } from "./calendar-texts.ts";

const people: readonly Account[] = [{ uid: "ann" }, { uid: "bob" }, { uid: "cid" }];

describe("people come, go and change while the server runs", () => {
  let server: Server;
  let accounts: string;
  let sudoers: string;
  let client: Client;
  let caladmin: (args: readonly string[], input?: string) => Promise<Said>;
  before(async () => {
    accounts = await writeAccounts(people);
    sudoers = join(accounts, "../sudoers.plist");
    server = await startServer({
      settings: { "DirectoryService/params/xmlFile": accounts, SudoersFile: sudoers, AdminPrincipals: "" },
    });
    client = new Client(server, null);
    caladmin = adminOf(server, { "DirectoryService/params/xmlFile": accounts });
  });
  after(async () => {
    client.close();
    await server?.stop();
  });

  const lunch = "/calendars/users/ann/calendar/lunch.ics";
  const status = async (method: string, path: string, user: string): Promise<number> =>
    (await client.ask(method, path, { user, headers: { depth: "0" } })).status;
  /** Each of the two workers looks at the file once a second. */
  const becomes = (method: string, path: string, user: string, expected: number): Promise<true> => {
    let row = 0;
    return until(
      `${method} ${path} as ${user} to be ${expected}`,
      async () => {
        const fresh = new Client(server, user, 1);
        row = (await fresh.ask(method, path, { headers: { depth: "0" } })).status === expected ? row + 1 : 0;
        fresh.close();
        return row >= 6 ? true : undefined;
      },
      // Wrong sign-ins are answered later and later.
      40_000,
    );
  };
  const put = (path: string, user: string) =>
    client.expect([201, 204], "PUT", path, {
      user,
      body: event("lunch"),
      headers: { "content-type": "text/calendar" },
    });

  test("somebody else who gets a name gets a home of their own; the old one stays, unseen, and comes back with its owner", async () => {
    await put(lunch, "ann");
    const delegates = await caladmin(["delegates", "add", "users:ann", "read", "users:bob"]);
    assert.equal(delegates.status, 0, delegates.err);
    assert.equal(await status("GET", lunch, "bob"), 200);

    await writeAccounts(
      people.map((one) => (one.uid === "ann" ? { ...one, guid: "GUID-heir" } : one)),
      accounts,
    );
    await becomes("GET", lunch, "ann", 404);
    assert.equal(await status("GET", lunch, "bob"), 403);
    assert.equal(await status("PROPFIND", "/calendars/__uids__/GUID-ann/", "ann"), 404);
    const listed = await client.expect(207, "PROPFIND", "/calendars/users/ann/", {
      user: "ann",
      headers: { depth: "infinity" },
    });
    assert.doesNotMatch(listed.text, /lunch/);
    const sync = `<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`;
    const synced = await client.expect(207, "REPORT", "/calendars/users/ann/calendar/", { user: "ann", body: sync });
    assert.doesNotMatch(synced.text, /lunch/);
    await put("/calendars/users/ann/calendar/mine.ics", "ann");

    const orphans = await caladmin(["-f", "json", "homes", "--orphans"]);
    assert.equal(orphans.status, 1);
    assert.deepEqual(JSON.parse(orphans.out), [
      { state: "orphan", place: "calendars/users/ann", ownerGUID: "GUID-ann", note: "users:ann is now GUID-heir" },
    ]);
    assert.match(await readFile(join(server.documents, "calendars/users/ann/calendar/lunch.ics"), "utf8"), /UID:lunch/);

    await writeAccounts(people, accounts);
    await becomes("GET", lunch, "ann", 200);
    assert.equal(await status("GET", "/calendars/users/ann/calendar/mine.ics", "ann"), 404);
    assert.equal(await status("GET", lunch, "bob"), 200);
  });

  test("somebody who leaves the directory is refused, and keeps home and delegates for the day of return", async () => {
    await writeAccounts(
      people.filter(({ uid }) => uid !== "ann"),
      accounts,
    );
    await becomes("GET", lunch, "ann", 401);
    await becomes("GET", lunch, "bob", 404);
    await writeAccounts(people, accounts);
    await becomes("GET", lunch, "bob", 200);
  });

  test("a directory that breaks or is gone changes nothing for anybody", async () => {
    await rename(accounts, `${accounts}.away`);
    await until(
      "the loss to be told",
      async () => {
        assert.equal(await status("GET", lunch, "bob"), 200);
        return /there is no such accounts file/.test(await server.errorLog()) ? true : undefined;
      },
      // Wrong sign-ins are answered later and later.
      40_000,
    );
    assert.equal(await status("GET", lunch, "bob"), 200);
    await writeFile(accounts, "<accounts");
    assert.equal(await status("GET", lunch, "bob"), 200);
    await writeAccounts(people, accounts);
  });

  test("a home removed by hand while requests come is gone without an error, and is made anew when its owner comes", async () => {
    await put("/calendars/users/cid/calendar/a.ics", "cid");
    const asking = [client, new Client(server, null)].map(async (one) => {
      const seen = new Set<number>();
      for (let n = 0; n < 60; n++)
        seen.add((await one.ask("GET", "/calendars/users/cid/calendar/a.ics", { user: "cid" })).status);
      return seen;
    });
    // The server may make an index anew between two steps of it, as for anybody who types rm -r.
    await rm(server.home("cid"), { recursive: true, force: true, maxRetries: 20, retryDelay: 5 });
    for (const seen of await Promise.all(asking))
      for (const code of seen) assert.ok(code === 200 || code === 404, `${code}`);
    await client.expect(207, "PROPFIND", "/calendars/users/cid/", { user: "cid", headers: { depth: "1" } });
    assert.equal(await status("GET", "/calendars/users/cid/calendar/a.ics", "cid"), 404);
    await put("/calendars/users/cid/calendar/a.ics", "cid");
    assert.equal(await status("GET", "/calendars/users/cid/calendar/a.ics", "cid"), 200);
    assert.doesNotMatch(await server.errorLog(), /"level":"error"/);
  });

  test("an orphan is purged beside the running server, and nobody notices", async () => {
    await writeAccounts(
      people.filter(({ uid }) => uid !== "cid"),
      accounts,
    );
    await becomes("GET", "/calendars/users/cid/calendar/a.ics", "cid", 401);
    assert.equal((await caladmin(["purge", "--orphans"])).status, 0);
    assert.ok(existsSync(server.home("cid")));
    const purged = await caladmin(["purge", "--orphans", "--yes"]);
    assert.equal(purged.status, 0, purged.err);
    assert.ok(!existsSync(server.home("cid")));
    assert.equal(await status("GET", lunch, "ann"), 200);
    await writeAccounts(people, accounts);
    await becomes("PROPFIND", "/calendars/users/cid/", "cid", 207);
  });

  test("sudoers act as any user by X-Authorize-As; the file is read again when it appears, changes and goes", async () => {
    // A connection for each, so that both workers are asked.
    const as = async (name: string, password: string, target?: string): Promise<number> => {
      const fresh = new Client(server, null, 1);
      const { status } = await fresh.ask("GET", lunch, {
        headers: {
          authorization: `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`,
          ...(target === undefined ? {} : { "x-authorize-as": target }),
        },
      });
      fresh.close();
      return status;
    };
    const write = (users: readonly { username: string; password: string }[]) =>
      writeFile(sudoers, writePlist({ users }));
    // Wrong passwords are slowed down, so a refusal need show only once from each worker.
    const settles = (expected: number, ...call: Parameters<typeof as>): Promise<true> => {
      let row = 0;
      return until(
        `${call.join(" ")} to be ${expected}`,
        async () => {
          row = (await as(...call)) === expected ? row + 1 : 0;
          return row >= (expected === 401 ? 2 : 6) ? true : undefined;
        },
        20_000,
      );
    };
    assert.equal(await as("root", "secret", "ann"), 401);
    await write([
      { username: "root", password: "secret" },
      { username: "other", password: "secret" },
    ]);
    await settles(200, "root", "secret", "ann");
    for (const [call, expected] of [
      [["root", "secret", "bob"], 200],
      [["root", "secret", "cid"], 403],
      [["root", "secret", "other"], 403],
      [["root", "secret", "root"], 403],
      [["root", "secret", "nobody"], 403],
      [["root", "secret"], 400],
      [["root", "wrong", "ann"], 401],
      [["ann", "ann", "bob"], 403],
      [["ann", "ann"], 200],
    ] as const)
      assert.equal(await as(call[0], call[1], call[2]), expected, call.join(" "));
    await server.accessed(/"root as ann"/);
    await write([{ username: "root", password: "changed" }]);
    await settles(200, "root", "changed", "ann");
    assert.equal(await as("root", "secret", "ann"), 401);
    assert.equal(await as("other", "secret", "ann"), 401);
    await rm(sudoers);
    await settles(401, "root", "changed", "ann");
  });
});
