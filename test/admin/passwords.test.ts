import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { slowHashes } from "../../src/auth/slow-hashes.ts";
import { proves } from "../../src/auth/stored-password.ts";
import { adminOf, type Said } from "../support/caladmin.ts";
import { Client } from "../support/http-client.ts";
import { type Server, startServer, until } from "../support/server.ts";

describe("caladmin passwords, on a running server", () => {
  let server: Server;
  let admin: (args: readonly string[], input?: string) => Promise<Said>;
  let client: Client;
  before(async () => {
    server = await startServer();
    admin = adminOf(server);
    client = new Client(server, null);
  });
  after(async () => {
    client?.close();
    await server?.stop();
  });

  const home = "/calendars/users/user01/";
  const status = async (password: string, method = "PROPFIND", user = "user01"): Promise<number> =>
    (
      await client.ask(method, home, {
        headers: { depth: "0", authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` },
      })
    ).status;
  const good = async (...args: readonly string[]): Promise<string> => {
    const said = await admin(["passwords", ...args]);
    assert.deepEqual([said.status, said.err], [0, ""], said.out);
    return said.out;
  };
  const refused = async (code: number, says: RegExp, ...args: readonly string[]): Promise<void> => {
    const { status: exit, out, err } = await admin(["passwords", ...args]);
    assert.equal(exit, code);
    assert.match(out + err, says);
  };

  test("one that is made signs in at both workers, and no more once it is revoked", async () => {
    const password = (await good("add", "user01", "telephone")).trim();
    assert.match(password, /^[a-z2-7-]{23}$/);
    await until("the password to be known", async () => (await status(password)) === 207);
    for (let i = 0; i < 8; i++) assert.equal(await status(password), 207);
    assert.equal(await status("user01"), 207);
    assert.equal(await status(password, "PROPFIND", "user02"), 401);

    const [listed] = JSON.parse((await admin(["-f", "json", "passwords", "list", "users:user01"])).out);
    assert.deepEqual(
      { ...listed, id: "", created: "", GUID: "" },
      { id: "", user: "user01", name: "telephone", access: "write", methods: "Basic", created: "", GUID: "" },
    );
    await good("revoke", listed.id);
    await until("its end", async () => (await status(password)) === 401);
    await until("its end everywhere", async () => {
      const all = await Promise.all(Array.from({ length: 8 }, () => status(password)));
      return all.every((one) => one === 401 || one === 429);
    });
  });

  test("one for reading may not write; the last day is told", async () => {
    const password = (
      await good("add", "user02", "display", "--read-only", "--expires", "2999-12-31", "--digest")
    ).trim();
    await until("the password to be known", async () => (await status(password, "OPTIONS", "user02")) === 200);
    assert.equal(await status(password, "DELETE", "user02"), 403);
    assert.match(await good("list", "user02"), /user02 +display +read +Basic, Digest +\d{4}-\d\d-\d\d +2999-12-31 /);
  });

  test("what cannot be is said", async () => {
    await good("add", "user03", "twice");
    await refused(1, /user03: there is an app password "twice" already/, "add", "user03", "twice");
    await refused(1, /there is no user nobody/, "add", "nobody", "x");
    await refused(1, /locations:location01 is no user/, "add", "locations:location01", "x");
    await refused(1, /there is no app password 0000/, "revoke", "0000");
    await refused(64, /--expires must be a date/, "add", "user03", "x", "--expires", "2027-02-30");
    await refused(64, /2020-01-01 is over/, "add", "user03", "x", "--expires", "2020-01-01");
    await refused(64, /NAME must have/, "add", "user03", " ");
    await refused(64, /takes no options/, "list", "--digest");
    await refused(64, /cannot forget/, "forget");
  });

  test("hash makes what may stand in accounts.xml", async () => {
    const { out } = await admin(["passwords", "hash"], "s3cret\n");
    const hashes = slowHashes();
    const naming = { name: "", realm: "" };
    assert.equal(await proves(out.trim(), "s3cret", naming, hashes), true);
    assert.equal(await proves(out.trim(), "s3cret\n", naming, hashes), false);
    hashes.close();
  });
});
