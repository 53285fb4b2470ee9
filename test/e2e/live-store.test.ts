import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { Client, propfind } from "../support/http-client.ts";
import { type Server, startServer, until } from "../support/server.ts";
import { event } from "./calendar-texts.ts";
import { directoryState, SyncClient, sorted } from "./sync-client.ts";

const run = promisify(execFile);
const path = "/calendars/users/user05/calendar/";

describe("an administrator's hand in the store during a running synchronisation", () => {
  let server: Server;
  let writer: Client;
  let clients: readonly SyncClient[];
  let folder: string;
  let running = true;
  let loops: Promise<unknown>;
  let written = 0;

  before(async () => {
    server = await startServer();
    writer = new Client(server, "user05");
    await writer.expect(207, "PROPFIND", "/calendars/users/user05/", { headers: { depth: "1" } });
    folder = join(server.home("user05"), "calendar");
    for (let n = 0; n < 60; n++) await put();
    clients = [0, 1].map(() => new SyncClient(server, "user05", path));
    loops = Promise.all([
      ...clients.map(async (client) => {
        while (running) await client.round();
      }),
      // Somebody also writes all the time, so that changes by hand and by HTTP meet.
      (async () => {
        while (running) {
          await put();
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })(),
    ]);
    loops.catch(() => undefined);
  });
  after(async () => {
    running = false;
    await loops?.catch(() => undefined);
    for (const client of clients ?? []) client.close();
    writer?.close();
    await server?.stop();
  });

  async function put(): Promise<void> {
    const uid = `w${written++}`;
    await writer.expect(201, "PUT", `${path}${uid}.ics`, {
      body: event(uid, written % 100),
      headers: { "content-type": "text/calendar" },
    });
  }

  /** As `until`; fails at once when one of the clients met an answer that must not be. */
  async function eventually(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
    await Promise.race([loops, until(what, check, 30_000)]);
  }

  /** Both clients have begun and ended a round since now. */
  async function synchronised(): Promise<void> {
    const aims = clients.map(({ rounds }) => rounds + 2);
    await eventually("two more rounds of both clients", () =>
      clients.every(({ rounds }, at) => rounds >= (aims[at] ?? 0)),
    );
  }
  const knowBoth = (name: string): boolean => clients.every(({ etags }) => etags.has(name));
  const textBoth = (name: string, part: string): boolean =>
    clients.every(({ texts }) => texts.get(name)?.includes(part) === true);
  const allIndexes = async (): Promise<string[]> =>
    (await readdir(server.documents, { recursive: true }))
      .filter((name) => name.endsWith(".db.sqlite") && name.includes("calendars"))
      .map((name) => join(server.documents, name));

  test("every index is deleted", async () => {
    await synchronised();
    const indexes = await allIndexes();
    assert.ok(indexes.length > 0);
    const refused = clients.map(({ refusals }) => refusals);
    for (const index of indexes) await rm(index);
    await synchronised();
    assert.ok(
      clients.every(({ refusals }, at) => refusals > (refused[at] ?? 0)),
      "no token was refused",
    );
  });

  test("an index is replaced by garbage", async () => {
    const index = join(folder, ".db.sqlite");
    await writeFile(`${index}.new`, Buffer.alloc(50_000, "garbage "));
    await rename(`${index}.new`, index);
    await synchronised();
  });

  test("an index is overwritten with garbage in place", async () => {
    const index = join(folder, ".db.sqlite");
    const { size } = await stat(index);
    await writeFile(index, Buffer.alloc(size, "garbage "), { flag: "r+" });
    await synchronised();
  });

  test("an index is emptied in place", async () => {
    await truncate(join(folder, ".db.sqlite"), 0);
    await synchronised();
  });

  test("an index is mutilated in every way, again and again", async () => {
    const index = join(folder, ".db.sqlite");
    const aside = join(folder, ".aside");
    const ways: readonly (() => Promise<unknown>)[] = [
      () => rm(index, { force: true }),
      () => truncate(index, 0),
      async () => truncate(index, Math.floor((await stat(index)).size / 2)),
      () => writeFile(index, Buffer.alloc(4096, "x"), { flag: "r+" }),
      // An older state comes back, as with a restored backup.
      () => copyFile(index, aside),
      () => rename(aside, index),
    ];
    for (let n = 0; n < 60; n++) {
      // The server may be replacing the file just now.
      await ways[(n * 5) % ways.length]?.().catch(() => undefined);
      const rounds = clients.map((client) => client.rounds);
      if (n % 3 === 0)
        await eventually("a round", () => clients.every((client, at) => client.rounds > (rounds[at] ?? 0)));
    }
    await synchronised();
  });

  test("an event is edited with sed -i", async () => {
    await run("sed", ["-i", "s/SUMMARY:.*/SUMMARY:by sed\\r/", join(folder, "w1.ics")]);
    await eventually("the change to arrive", () => textBoth("w1.ics", "SUMMARY:by sed"));
  });

  test("an event is edited in place and the calendar listed", async () => {
    const file = join(folder, "w2.ics");
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace("SUMMARY:Event", "SUMMARY:In place, event"), { flag: "r+" });
    await writer.multistatus("PROPFIND", path, propfind("{DAV:}getetag"), { depth: "1" });
    await eventually("the change to arrive", () => textBoth("w2.ics", "SUMMARY:In place"));
  });

  test("an event is edited in place and fetched", async () => {
    const file = join(folder, "w3.ics");
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace("SUMMARY:Event", "SUMMARY:In place, event"), { flag: "r+" });
    assert.match((await writer.expect(200, "GET", `${path}w3.ics`)).text, /SUMMARY:In place/);
    await eventually("the change to arrive", () => textBoth("w3.ics", "SUMMARY:In place"));
  });

  test("a file is added", async () => {
    await writeFile(join(folder, "added by hand.ics"), event("by-hand"));
    await eventually("the file to arrive", () => textBoth("added by hand.ics", "UID:by-hand"));
  });

  test("a file is removed", async () => {
    await eventually("the file to be known", () => knowBoth("w4.ics"));
    await rm(join(folder, "w4.ics"));
    await eventually("the file to be gone", () => clients.every(({ etags }) => !etags.has("w4.ics")));
  });

  test("a second file with the same UID is added", async () => {
    await writeFile(join(folder, "twin.ics"), event("w5", 3, "COMMENT:twin"));
    await eventually("the twin to arrive", () => knowBoth("twin.ics"));
    assert.ok(knowBoth("w5.ics"));
    assert.match((await writer.expect(200, "GET", `${path}twin.ics`)).text, /COMMENT:twin/);
    assert.doesNotMatch((await writer.expect(200, "GET", `${path}w5.ics`)).text, /COMMENT:twin/);
    // Neither of them is stuck.
    for (const name of ["w5.ics", "twin.ics"]) {
      const { headers } = await writer.expect(200, "GET", path + name);
      await writer.expect(204, "DELETE", path + name, { headers: { "if-match": headers.etag } });
    }
    await put();
  });

  test("a file becomes unparsable", async () => {
    await writeFile(join(folder, "w6.ics"), "BEGIN:VCALENDAR\r\nthis is no calendar");
    await eventually("the file to be served as it is", async () => {
      const { text } = await writer.expect(200, "GET", `${path}w6.ics`);
      return text.includes("this is no calendar");
    });
    await synchronised();
    await eventually("a line about it in the error log", async () => (await server.errorLog()).includes("w6.ics"));
    const lines = (await server.errorLog()).split("\n").filter((line) => line.includes("w6.ics"));
    assert.ok(lines.length <= 2, `told ${lines.length} times, by two workers:\n${lines.join("\n")}`);
  });

  test("a hundred files come and go at once", async () => {
    const names = Array.from({ length: 100 }, (_, n) => `many-${n}.ics`);
    for (const name of names) await writeFile(join(folder, name), event(name));
    await eventually("all to arrive", () => names.every(knowBoth));
    for (const name of names) await rm(join(folder, name));
    await eventually("all to be gone", () => names.every((name) => clients.every(({ etags }) => !etags.has(name))));
  });

  test("in the end both clients know what the directory holds, and nothing ever failed", async () => {
    running = false;
    await loops;
    for (const client of clients) await client.round();
    const expected = sorted(await directoryState(folder));
    for (const { etags, rounds } of clients) {
      assert.deepEqual(sorted(etags), expected);
      assert.ok(rounds > 20, `only ${rounds} rounds`);
    }
    const failed = (await server.accessLog()).filter((line) => /" 5\d\d /.test(line));
    assert.deepEqual(failed, []);
  });
});
