import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { runCaladmin, type Said } from "../support/caladmin.ts";
import { Client } from "../support/http-client.ts";
import { freePort, repository, until } from "../support/server.ts";

describe("caladmin runs the service from the command line", () => {
  let root: string;
  let plist: string;
  let port: number;
  const caladmin = (...args: string[]): Promise<Said> => runCaladmin(["-c", plist, ...args]);
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "caldavd-service-"));
    plist = join(root, "caldavd.plist");
    port = await freePort();
    await writeFile(
      plist,
      `<?xml version="1.0"?>
<plist version="1.0">
<dict>
  <!-- kept by hand -->
  <key>BindAddresses</key>
  <array><string>127.0.0.1</string></array>
  <key>HTTPPort</key>
  <integer>${port}</integer>
  <key>DocumentRoot</key>
  <string>Documents</string>
  <key>DataRoot</key>
  <string>Data</string>
  <key>PIDFile</key>
  <string>caldavd.pid</string>
  <key>AccessLogFile</key>
  <string></string>
  <key>ErrorLogFile</key>
  <string></string>
  <key>DirectoryService</key>
  <dict>
    <key>params</key>
    <dict>
      <key>xmlFile</key>
      <string>${join(repository, "data/accounts-test.xml")}</string>
    </dict>
  </dict>
  <key>Authentication</key>
  <dict>
    <key>Basic</key>
    <dict>
      <key>Enabled</key>
      <true/>
    </dict>
  </dict>
  <key>MyOwnKey</key>
  <string>mine</string>
</dict>
</plist>
`,
      { mode: 0o600 },
    );
  });
  after(async () => {
    await caladmin("stop");
    await rm(root, { recursive: true, force: true });
  });

  test("settings get shows keys and sections, and names what is no key", async () => {
    const { out } = await caladmin("settings", "get", "HTTPPort", "MultiProcess/StaggeredStartup");
    assert.equal(
      out,
      `HTTPPort = ${port}\nMultiProcess.StaggeredStartup.Enabled = false\nMultiProcess.StaggeredStartup.Interval = 15\n`,
    );
    const wrong = await caladmin("settings", "get", "HTPPort");
    assert.equal(wrong.status, 1);
    assert.match(wrong.err, /HTPPort: is not a known key; did you mean HTTPPort\?/);
  });

  test("settings set writes what was asked, keeps comments, unknown keys and the file's mode; a wrong value writes nothing", async () => {
    const before = await readFile(plist, "utf8");
    for (const [wrong, said] of [
      ["MultiProcess/ProcessCount=999", /ProcessCount: must be a whole number from 0 to 256/],
      ["MultiProcess=3", /is a dictionary; set its keys one by one/],
      ["RedirectHTTPToHTTPS=True", /needs SSLPort to be other than 0.*\n.*nothing was written/s],
      ["Nothing=1", /Nothing: is not a known key/],
    ] as const) {
      const { status, err } = await caladmin("settings", "set", "UserQuota=5000000", wrong);
      assert.equal(status, 1, wrong);
      assert.match(err, said);
    }
    assert.equal((await caladmin("settings", "set", "HTTPPort")).status, 64);
    assert.equal(await readFile(plist, "utf8"), before);
    const set = await caladmin(
      ...["settings", "set", "MultiProcess.ProcessCount=1", "UserQuota=5000000"],
      "AdminPrincipals=/principals/users/admin/,/principals/users/user01/",
    );
    assert.deepEqual(set, { status: 0, out: "", err: "" });
    const text = await readFile(plist, "utf8");
    assert.match(text, /<!-- kept by hand -->/);
    assert.match(text, /<key>MyOwnKey<\/key>\n {2}<string>mine<\/string>/);
    assert.ok(text.startsWith(before.slice(0, before.indexOf("  <key>MyOwnKey"))));
    assert.equal((await stat(plist)).mode & 0o777, 0o600);
    const { out } = await caladmin("settings", "get", "UserQuota", "AdminPrincipals");
    assert.match(out, /UserQuota = 5000000/);
    assert.match(out, /AdminPrincipals = \["\/principals\/users\/admin\/","\/principals\/users\/user01\/"]/);
    assert.equal((await caladmin("settings", "unset", "UserQuota")).status, 0);
    assert.doesNotMatch(await readFile(plist, "utf8"), /UserQuota/);
  });

  test("start, status, fullstatus, reload, stop: each says what is, with a status for scripts", async () => {
    const none = await caladmin("status");
    assert.deepEqual({ status: none.status, out: none.out }, { status: 3, out: "caldavd does not run\n" });
    assert.equal((await caladmin("reload")).status, 1);
    assert.equal((await caladmin("stop")).status, 0);

    const started = await caladmin("start");
    assert.equal(started.status, 0, started.err);
    assert.match(started.out, new RegExp(`caldavd: ready on http://127.0.0.1:${port}/`));
    const pid = Number(await readFile(join(root, "caldavd.pid"), "utf8"));
    assert.equal((await caladmin("start")).out, `caldavd runs already, process ${pid}\n`);
    assert.deepEqual(JSON.parse((await caladmin("-f", "json", "status")).out), { state: "running", process: pid });

    const full = await caladmin("-f", "json", "fullstatus");
    assert.equal(full.status, 0, full.err);
    const facts = JSON.parse(full.out) as Record<string, unknown>;
    assert.equal(facts["state"], "running");
    assert.ok(Number(facts["answersInMilliseconds"]) >= 0);
    assert.equal(facts["documentRoot"], join(root, "Documents"));
    assert.match(String(facts["delegateDatabase"]), /principals\/\.db\.calendaruserproxy$/);
    assert.match(String(facts["workers"]), /^\d+/);

    const workers = facts["workers"];
    await caladmin("settings", "set", "MultiProcess/ProcessCount=2");
    assert.equal((await caladmin("reload")).status, 0);
    await until(
      "two new workers",
      async () => {
        const { workers: now } = JSON.parse((await caladmin("-f", "json", "fullstatus")).out) as { workers: string };
        const pids = now.split(" ");
        return pids.length === 2 && !pids.includes(String(workers)) ? true : undefined;
      },
      30_000,
    );
  });

  test("logs shows the log that was chosen, the lines with a text, the last ones, and their sums", async () => {
    const client = new Client({ host: "127.0.0.1", port }, "user01");
    for (let n = 0; n < 3; n++)
      await client.expect(207, "PROPFIND", "/calendars/users/user01/", { headers: { depth: "0" } });
    await client.expect(404, "GET", "/calendars/users/user01/calendar/needle.ics");
    client.close();
    const all = (await caladmin("logs")).out.trimEnd().split("\n");
    assert.match(all[0] ?? "", /^Log opened/);
    assert.ok(all.length >= 5);
    const found = (await caladmin("logs", "--log", "access", "--filter", "NEEDLE")).out.trimEnd().split("\n");
    assert.equal(found.length, 1);
    assert.match(found[0] ?? "", /"GET .*needle\.ics HTTP\/1\.1" 404/);
    assert.deepEqual((await caladmin("logs", "-n", "2")).out.trimEnd().split("\n"), all.slice(-2));
    const sums = JSON.parse((await caladmin("-f", "json", "logs", "--summary", "--filter", "user01")).out) as {
      method: string;
      num: number;
      numOK: number;
      numBAD: number;
    }[];
    assert.deepEqual(
      sums.map(({ method, num, numOK, numBAD }) => [method, num, numOK, numBAD]),
      [
        ["PROPFIND", 3, 3, 0],
        ["GET", 1, 0, 1],
      ],
    );
    assert.equal((await caladmin("logs", "--log", "error", "--filter", "no such text")).out, "");
    assert.equal((await caladmin("logs", "--log", "mail")).status, 64);
    assert.equal((await caladmin("logs", "-n", "many")).status, 64);
  });

  test("backup names the files of the configuration and the store, and what can be left out", async () => {
    const { out } = await caladmin("-f", "json", "backup");
    const rows = JSON.parse(out) as { backup: string; path: string }[];
    assert.deepEqual(
      rows.filter(({ backup }) => backup === "yes").map(({ path }) => path),
      [plist, join(repository, "data/accounts-test.xml"), join(root, "Documents")],
    );
    assert.equal((await caladmin("backup", "--paths")).out.trimEnd().split("\n").length, 3);
  });

  test("stats, homes, verify and delegates answer beside the running server, and it goes on", async () => {
    for (const command of [["stats"], ["homes"], ["verify"], ["principals", "users:user01"], ["delegates", "list"]]) {
      const { status, err } = await caladmin(...command);
      assert.equal(status, 0, `${command.join(" ")}: ${err}`);
    }
    const client = new Client({ host: "127.0.0.1", port }, "user01");
    await client.expect(207, "PROPFIND", "/calendars/users/user01/", { headers: { depth: "1" } });
    client.close();
  });

  test("stop returns when the server is gone", async () => {
    assert.deepEqual(await caladmin("stop"), { status: 0, out: "caldavd has stopped\n", err: "" });
    assert.equal((await caladmin("status")).status, 3);
    assert.equal((await caladmin("-f", "json", "fullstatus")).status, 3);
    await assert.rejects(stat(join(root, "caldavd.pid")));
  });

  test("a start that fails says why", async () => {
    await writeFile(join(root, "Documents/principals/.db.calendaruserproxy"), "broken");
    const { status, err } = await caladmin("start");
    assert.equal(status, 1);
    assert.match(err, /the delegate database cannot be used/);
  });
});
