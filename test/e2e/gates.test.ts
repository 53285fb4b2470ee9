import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Account, writeAccounts } from "../support/accounts.ts";
import { Client, propfind } from "../support/http-client.ts";
import { type Server, startServer, until } from "../support/server.ts";

// The guide: who uses the service must be allowed by its access list and have calendars switched on in the record.
const people: readonly Account[] = [
  { uid: "both" },
  { uid: "nested" },
  { uid: "listed", calendar: false },
  { uid: "enabled" },
  { uid: "neither", calendar: false },
  { uid: "admin" },
];
const inner: Account = { type: "group", uid: "inner", members: ["nested", "groups:com.apple.access_calendar"] };
const calendarList: Account = {
  type: "group",
  uid: "com.apple.access_calendar",
  members: ["both", "listed", "groups:inner"],
};
const allServices: Account = { type: "group", uid: "com.apple.access_all_services", members: ["enabled"] };

describe("with EnableSACLs", () => {
  let server: Server;
  let accounts: string;
  let augments: string;
  let client: Client;
  before(async () => {
    accounts = await writeAccounts([...people, inner]);
    augments = join(dirname(accounts), "augments.xml");
    await writeFile(augments, "<augments/>");
    server = await startServer({
      settings: {
        "AugmentService/params/xmlFiles": augments,
        EnableSACLs: true,
        "DirectoryService/params/xmlFile": accounts,
        AdminPrincipals: "/principals/users/admin/",
      },
    });
    client = new Client(server, null);
  });
  after(async () => {
    client.close();
    await server?.stop();
  });

  const home = async (user: string): Promise<number> =>
    (await client.ask("PROPFIND", `/calendars/users/${user}/`, { user, headers: { depth: "0" } })).status;
  const table = async (): Promise<Record<string, number>> => {
    const found: Record<string, number> = {};
    for (const { uid } of people) found[uid] = await home(uid);
    return found;
  };
  const becomes = (expected: Record<string, number>): Promise<true> =>
    until(
      JSON.stringify(expected),
      async () => {
        const found = await table();
        return Object.entries(expected).every(([uid, status]) => found[uid] === status) ? true : undefined;
      },
      15_000,
    );

  test("and no such group, the record alone decides", async () => {
    assert.deepEqual(await table(), { both: 207, nested: 207, listed: 403, enabled: 207, neither: 403, admin: 207 });
    assert.equal((await client.ask("OPTIONS", "/", { user: null })).status, 200);
  });

  test("both gates must be open, nested members are members, and the list comes first, without a restart", async () => {
    await writeAccounts([...people, inner, calendarList], accounts);
    await becomes({ both: 207, nested: 207, listed: 403, enabled: 403, neither: 403, admin: 403 });
    const outside = await client.ask("GET", "/principals/users/enabled/", { user: "enabled" });
    assert.equal(outside.status, 403);
    assert.match(outside.text, /enabled is not on the access list/);
    const off = await client.ask("PROPFIND", "/calendars/users/listed/", { user: "listed" });
    assert.match(off.text, /calendars are not switched on/);
    assert.equal((await client.ask("PROPFIND", "/principals/users/listed/", { user: "listed" })).status, 207);
  });

  test("strangers are asked to sign in everywhere but at the redirect that says where", async () => {
    for (const [method, path] of [
      ["GET", "/"],
      ["OPTIONS", "/"],
      ["PROPFIND", "/principals/"],
    ] as const)
      assert.equal((await client.ask(method, path, { user: null })).status, 401, `${method} ${path}`);
    assert.equal((await client.ask("PROPFIND", "/.well-known/caldav", { user: null })).status, 301);
    const signedIn = await client.ask("PROPFIND", "/principals/", { user: "both", headers: { depth: "0" } });
    assert.equal(signedIn.status, 207);
  });

  test("the list for all services comes before that of this one", async () => {
    await writeAccounts([...people, inner, calendarList, allServices], accounts);
    await becomes({ both: 403, nested: 403, listed: 403, enabled: 207, neither: 403, admin: 403 });
  });

  test("and the server must be the record's: others are sent to theirs, when both gates are open", async () => {
    await writeAccounts([...people, inner, calendarList], accounts);
    await writeFile(
      augments,
      `<augments>${["both", "listed", "enabled", "neither"].map((uid) => `<record><uid>GUID-${uid}</uid><server-id>other.example.com</server-id></record>`).join("")}</augments>`,
    );
    await becomes({ both: 307, nested: 207, listed: 403, enabled: 403, neither: 403, admin: 403 });
    const path = "/calendars/users/both/calendar/a%20b.ics?x=1";
    const { host, port } = new URL(server.url);
    assert.ok(host.endsWith(`:${port}`));
    for (const user of ["both", "nested"]) {
      const sent = await client.ask("PUT", path, { user, body: "x" });
      assert.deepEqual([sent.status, sent.headers["location"]], [307, `http://other.example.com:${port}${path}`]);
    }
    assert.equal((await client.ask("PROPFIND", "/calendars/users/both/", { user: null })).status, 401);
    const principal = await client.expect(207, "PROPFIND", "/principals/users/both/", {
      user: "nested",
      headers: { depth: "0" },
      body: propfind("{urn:ietf:params:xml:ns:caldav}calendar-home-set"),
    });
    assert.ok(principal.text.includes(`>http://other.example.com:${port}/calendars/__uids__/GUID-both/<`));
    // Calendars that are off are nowhere.
    assert.equal((await client.ask("PROPFIND", "/calendars/users/listed/", { user: "both" })).status, 404);
    await writeFile(augments, "<augments/>");
    await becomes({ both: 207, nested: 207, listed: 403, enabled: 403, neither: 403, admin: 403 });
  });

  test("a list that is taken away lets everybody in again", async () => {
    await writeAccounts([...people, inner], accounts);
    await becomes({ both: 207, nested: 207, listed: 403, enabled: 207, neither: 403, admin: 207 });
  });
});
