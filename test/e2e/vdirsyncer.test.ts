import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { textOf } from "../../src/xml/element.ts";
import { Client, itemsOf, multiget, propfind } from "../support/http-client.ts";
import { type Server, startServer } from "../support/server.ts";
import { event, todo } from "./calendar-texts.ts";
import { runProgram } from "./run-program.ts";
import { VdirsyncerPair } from "./vdirsyncer-pair.ts";

const home = "/calendars/users/user02/";
const displayname = "{DAV:}displayname";
const color = "{http://apple.com/ns/ical/}calendar-color";

/** Two calendars hold the same when each UID has the same text; vdirsyncer names files anew on one side. */
const byUid = (texts: Iterable<string>): Map<string, string> =>
  new Map([...texts].map((text) => [/^UID:(.*?)\r?$/m.exec(text)?.[1] ?? text, text.replace(/\r\n/g, "\n").trim()]));

describe("vdirsyncer keeps a folder and a calendar equal", () => {
  let server: Server;
  let pair: VdirsyncerPair;
  let client: Client;
  before(async () => {
    server = await startServer();
    client = new Client(server, "user02");
    pair = await VdirsyncerPair.make(
      server,
      "user02",
      ["from a", "from b"],
      'conflict_resolution = "a wins"',
      'metadata = ["color", "displayname"]',
    );
    await mkdir(pair.local("work"));
  });
  after(async () => {
    client?.close();
    await server?.stop();
    await pair?.remove();
  });

  const vdirsyncer = (...args: readonly string[]): Promise<string> => pair.run(...args);
  const local = (...more: readonly string[]): string => pair.local("work", ...more);
  async function localTexts(): Promise<string[]> {
    const names = (await readdir(local())).filter((name) => name.endsWith(".ics"));
    return Promise.all(names.map((name) => readFile(local(name), "utf8")));
  }
  const members = async (): Promise<string[]> =>
    (await client.multistatus("PROPFIND", `${home}work/`, propfind("{DAV:}getetag"), { depth: "1" }))
      .map(({ href }) => href)
      .filter((href) => href.endsWith(".ics"));
  async function remoteTexts(): Promise<string[]> {
    const answer = await client.expect(207, "REPORT", `${home}work/`, { body: multiget(await members()) });
    return itemsOf(answer.text).map(({ found }) => {
      const data = found.get("{urn:ietf:params:xml:ns:caldav}calendar-data");
      return data === undefined ? "" : textOf(data);
    });
  }
  const assertEqual = async (count: number): Promise<void> => {
    const here = byUid(await localTexts());
    const there = byUid(await remoteTexts());
    assert.equal(here.size, count);
    assert.deepEqual([...there].sort(), [...here].sort());
  };
  /** The member that holds the UID. */
  async function hrefOf(uid: string): Promise<string> {
    for (const href of await members())
      if ((await client.ask("GET", href)).text.includes(`UID:${uid}\r\n`)) return href;
    throw new Error(`no member has the UID ${uid}`);
  }

  test("discover finds the home from the root and makes the calendar it lacks", async () => {
    const output = await vdirsyncer("discover");
    assert.match(output, /"work"/);
    const found = await client.multistatus("PROPFIND", `${home}work/`, propfind("{DAV:}resourcetype"), { depth: "0" });
    const type = found[0]?.found.get("{DAV:}resourcetype");
    assert.ok(type?.children.some((child) => typeof child !== "string" && child.name.endsWith("}calendar")));
    assert.ok((await readdir(pair.local())).includes("calendar"), "the default calendar was not found");
  });

  test("300 events and 20 todos arrive", async () => {
    for (let n = 0; n < 300; n++) await writeFile(local(`e${n}.ics`), event(`e${n}`, n % 200));
    for (let n = 0; n < 20; n++) await writeFile(local(`t${n}.ics`), todo(`t${n}`));
    await vdirsyncer("sync");
    await assertEqual(320);
  });

  test("changes, additions and removals travel both ways", async () => {
    for (let n = 0; n < 10; n++) {
      await writeFile(local(`e${n}.ics`), event(`e${n}`, n, "COMMENT:changed here"));
      await rm(local(`e${100 + n}.ics`));
      await writeFile(local(`new${n}.ics`), event(`new-here-${n}`, n));
    }
    const there = new Map((await members()).map((href) => [href, ""]));
    for (const href of there.keys()) there.set(href, (await client.ask("GET", href)).text);
    const hrefWith = (uid: string): string =>
      [...there].find(([, text]) => text.includes(`UID:${uid}\r\n`))?.[0] ?? assert.fail(`no ${uid}`);
    for (let n = 0; n < 10; n++) {
      const uid = `e${20 + n}`;
      await client.expect(204, "PUT", hrefWith(uid), {
        body: event(uid, n, "COMMENT:changed there"),
        headers: { "content-type": "text/calendar" },
      });
      await client.expect(204, "DELETE", hrefWith(`e${200 + n}`));
      await client.expect(201, "PUT", `${home}work/there${n}.ics`, {
        body: event(`new-there-${n}`, n),
        headers: { "content-type": "text/calendar" },
      });
    }
    await vdirsyncer("sync");
    await assertEqual(320);
    const texts = await localTexts();
    assert.equal(texts.filter((text) => text.includes("changed here")).length, 10);
    assert.equal(texts.filter((text) => text.includes("changed there")).length, 10);
    assert.equal(texts.filter((text) => text.includes("UID:new-")).length, 20);
    for (const uid of ["e100", "e209"]) assert.ok(!texts.some((text) => text.includes(`UID:${uid}\r\n`)), uid);
  });

  test("a conflict is seen and resolved as the client is told", async () => {
    await writeFile(local("e50.ics"), event("e50", 1, "COMMENT:mine"));
    await client.expect(204, "PUT", await hrefOf("e50"), {
      body: event("e50", 2, "COMMENT:theirs"),
      headers: { "content-type": "text/calendar" },
    });
    await vdirsyncer("sync");
    await assertEqual(320);
    assert.match((await client.ask("GET", await hrefOf("e50"))).text, /COMMENT:mine/);
  });

  test("a second run has nothing to do", async () => {
    const before = await client.multistatus("PROPFIND", `${home}work/`, propfind("{DAV:}sync-token"), { depth: "0" });
    await vdirsyncer("sync");
    const after = await client.multistatus("PROPFIND", `${home}work/`, propfind("{DAV:}sync-token"), { depth: "0" });
    assert.deepEqual(after, before);
  });

  test("colour and display name travel both ways", async () => {
    await writeFile(local("color"), "#ff8800");
    await writeFile(local("displayname"), "Work & Play");
    await vdirsyncer("metasync");
    const [there] = await client.multistatus("PROPFIND", `${home}work/`, propfind(displayname, color), { depth: "0" });
    const value = (name: typeof displayname | typeof color): string => textOf(there?.found.get(name) ?? "");
    assert.equal(value(displayname), "Work & Play");
    assert.match(value(color), /^#ff8800/i);
    await client.multistatus(
      "PROPPATCH",
      `${home}work/`,
      `<propertyupdate xmlns="DAV:" xmlns:I="http://apple.com/ns/ical/"><set><prop><displayname>Arbeit é</displayname><I:calendar-color>#0011ff</I:calendar-color></prop></set></propertyupdate>`,
    );
    await vdirsyncer("metasync");
    assert.equal((await readFile(local("displayname"), "utf8")).trim(), "Arbeit é");
    assert.match(await readFile(local("color"), "utf8"), /^#0011ff/i);
  });

  test("khal lists what was synchronised", async () => {
    const config = join(pair.folder, "khal");
    await writeFile(
      config,
      `[calendars]
[[work]]
path = ${pair.local("work")}
[locale]
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%d %H:%M
longdatetimeformat = %Y-%m-%d %H:%M
local_timezone = UTC
default_timezone = UTC
[sqlite]
path = ${pair.folder}/khal.db
`,
    );
    const { code, output } = await runProgram("khal", ["-c", config, "list", "2026-12-01", "30d"], { package: "khal" });
    assert.equal(code, 0, output);
    // Day 30 after 2026-11-01.
    assert.match(output, /2026-12-01/);
    assert.match(output, /10:00-11:00 Event e30/);
  });
});
