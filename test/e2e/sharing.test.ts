import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { cs, textOf } from "../../src/xml/element.ts";
import { command, home, mail, remove, replyBody, set, shareBody } from "../dav/sharing-words.ts";
import { Client, propfind } from "../support/http-client.ts";
import { type Server, startServer } from "../support/server.ts";
import { event } from "./calendar-texts.ts";
import { VdirsyncerPair } from "./vdirsyncer-pair.ts";

const run = promisify(execFile);
const calendar = `${home("user01")}team/`;
const xml = { "content-type": "application/xml" };
const icalendar = { "content-type": "text/calendar" };
const alarm = ["BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:x", "TRIGGER:-PT30M", "END:VALARM"];
const others = ["user02", "user03", "user04", "user05", "user06", "user07", "user08", "user09"];

describe("a calendar shared on a server of two workers", () => {
  let server: Server;
  /** Sockets enough that both workers are met. */
  let client: Client;
  const places = new Map<string, string>();
  before(async () => {
    server = await startServer();
    client = new Client(server, "user01", 8);
    await client.expect(201, "MKCALENDAR", calendar);
  });
  after(async () => {
    client?.close();
    await server?.stop();
  });

  const share = (...edits: readonly string[]) =>
    client.expect(200, "POST", calendar, { headers: xml, body: shareBody(...edits) });
  async function accept(user: string): Promise<void> {
    const body = replyBody(user, "accepted", calendar);
    const { text } = await client.expect(200, "POST", home(user), { user, headers: xml, body });
    places.set(user, `${/<D:href>([^<]*)/.exec(text)?.[1] ?? ""}/`);
  }
  const invited = async (): Promise<readonly string[]> => {
    const [item] = await client.multistatus("PROPFIND", calendar, propfind(cs("invite")), { depth: "0" });
    const users = item?.found.get(cs("invite"))?.children ?? [];
    return users.flatMap((user) =>
      typeof user === "string" || user.name !== cs("user")
        ? []
        : `${textOf(user).slice(0, mail("user01").length)} ${JSON.stringify(user.children).match(/invite-(\w+)/)?.[1]}`,
    );
  };
  const place = (user: string): string => places.get(user) ?? assert.fail(`${user} has no share`);
  const read = async (user: string, name: string) => client.ask("GET", `${place(user)}${name}`, { user });

  test("with eight others who are invited, and accept, all at once: nobody is lost", async () => {
    await Promise.all(others.map((user) => share(set(mail(user), "read-write", "Team"))));
    await Promise.all(others.map(accept));
    assert.deepEqual(
      [...(await invited())].sort(),
      others.map((user) => `${mail(user)} accepted`),
    );
  });
  test("is written by all of them at once, each with an alarm of his own", async () => {
    await Promise.all(
      others.flatMap((user) =>
        [0, 1, 2].map((n) =>
          client.expect(201, "PUT", `${place(user)}${user}-${n}.ics`, {
            user,
            headers: icalendar,
            body: event(`${user}-${n}`, n, ...alarm),
          }),
        ),
      ),
    );
    const whole = await client.expect(200, "GET", calendar);
    assert.equal(whole.text.match(/BEGIN:VEVENT/g)?.length, 24);
    assert.doesNotMatch(whole.text, /VALARM/);
    for (const user of others) {
      const seen = await client.expect(200, "GET", place(user), { user });
      assert.equal(seen.text.match(/BEGIN:VEVENT/g)?.length, 24);
      assert.equal(seen.text.match(/BEGIN:VALARM/g)?.length, 3);
    }
  });
  test("is changed by all of them at once: the last of each is kept, nobody's alarm ends with another", async () => {
    const url = (user: string): string => `${user === "user01" ? calendar : place(user)}user02-0.ics`;
    await Promise.all(
      others.map((user, n) =>
        client.expect([201, 204], "PUT", url(user), {
          user,
          headers: icalendar,
          body: event("user02-0", 0, ...alarm.map((line) => line.replace("30M", `${n + 1}M`))),
        }),
      ),
    );
    for (const [n, user] of others.entries())
      assert.match((await read(user, "user02-0.ics")).text, new RegExp(`-PT${n + 1}M`));
    assert.doesNotMatch((await client.expect(200, "GET", url("user01"))).text, /VALARM/);
  });
  test("stays shared after a restart, and in a copy of the store", async () => {
    const before = await read("user03", "user03-1.ics");
    assert.equal(before.status, 200);
    server = await server.restart();
    assert.deepEqual((await read("user03", "user03-1.ics")).text, before.text);
    const root = await mkdtemp(join(tmpdir(), "caldavd-copy-"));
    try {
      await run("cp", ["-a", server.documents, join(root, "Documents")]);
      const copy = await startServer({ root });
      const there = new Client(copy, "user03");
      try {
        const answer = await there.expect(200, "GET", `${place("user03")}user03-1.ics`);
        assert.equal(answer.text, before.text);
        assert.equal(answer.headers.etag, before.headers.etag);
      } finally {
        there.close();
        await copy.stop();
      }
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
  test("shows an edit made with an editor under each sharee's alarms", async () => {
    const file = join(server.home("user01"), "team/user03-1.ics");
    await writeFile(file, (await readFile(file, "utf8")).replace(/SUMMARY:.*/, "SUMMARY:by hand"));
    const seen = await read("user03", "user03-1.ics");
    assert.match(seen.text, /SUMMARY:by hand/);
    assert.match(seen.text, /TRIGGER:-PT30M/);
    assert.doesNotMatch((await read("user04", "user03-1.ics")).text, /VALARM/);
  });
  test("is a directory in the sharee's home that an administrator may remove", async () => {
    const name = place("user09").split("/").at(-2) ?? "";
    assert.ok((await readdir(server.home("user09"))).includes(name));
    await rm(join(server.home("user09"), name), { recursive: true });
    assert.equal(
      (await client.ask("PROPFIND", place("user09"), { user: "user09", headers: { depth: "0" } })).status,
      404,
    );
    assert.equal((await client.expect(200, "GET", calendar)).text.match(/BEGIN:VEVENT/g)?.length, 24);
    await accept("user09");
    assert.equal((await read("user09", "user09-1.ics")).status, 200);
  });
  test("is gone for who is removed while others write", async () => {
    const writes = [...Array(10).keys()].map((n) =>
      client.expect(201, "PUT", `${place("user02")}more-${n}.ics`, {
        user: "user02",
        headers: icalendar,
        body: event(`more-${n}`, n),
      }),
    );
    await share(remove(mail("user08")));
    await Promise.all(writes);
    assert.equal((await read("user08", "user08-1.ics")).status, 404);
    assert.equal((await invited()).length, 7);
  });
  test("is read by strangers where it is published, compressed for who takes it, until that ends", async () => {
    await client.expect(200, "POST", calendar, { headers: xml, body: command("publish-calendar") });
    const [item] = await client.multistatus("PROPFIND", calendar, propfind(cs("publish-url")), { depth: "0" });
    const url = item?.found.get(cs("publish-url"));
    const { pathname } = new URL(url === undefined ? "" : textOf(url));
    const stranger = new Client(server, null);
    try {
      const answer = await stranger.expect(200, "GET", pathname);
      assert.equal(answer.text.match(/BEGIN:VEVENT/g)?.length, 34);
      assert.doesNotMatch(answer.text, /VALARM/);
      const etag = answer.headers.etag ?? "";
      assert.equal((await stranger.ask("GET", pathname, { headers: { "if-none-match": etag } })).status, 304);
      // The body as bytes: the client reads text.
      const { stdout } = await run("curl", ["-s", "-H", "Accept-Encoding: gzip", `${server.url}${pathname}`], {
        encoding: "buffer",
      });
      assert.equal(gunzipSync(stdout).toString(), answer.text);
      await client.expect(200, "POST", calendar, { headers: xml, body: command("unpublish-calendar") });
      assert.equal((await stranger.ask("GET", pathname)).status, 404);
    } finally {
      stranger.close();
    }
  });
  test("is kept by vdirsyncer in a sharee's folder, both ways", async () => {
    const name = place("user02").split("/").at(-2) ?? "";
    const pair = await VdirsyncerPair.make(server, "user02", [name], 'conflict_resolution = "b wins"');
    try {
      await mkdir(pair.local(name));
      const local = (file: string): string => pair.local(name, file);
      const texts = async (): Promise<readonly string[]> =>
        Promise.all(
          (await readdir(pair.local(name)))
            .filter((file) => file.endsWith(".ics"))
            .map((file) => readFile(local(file), "utf8")),
        );
      await pair.run("discover");
      await pair.run("sync");
      assert.equal((await texts()).length, 34);
      assert.ok((await texts()).some((text) => text.includes("UID:user02-1") && text.includes("-PT30M")));
      // The sharee's device makes an event with an alarm; the owner changes another.
      await writeFile(local("mine.ics"), event("mine", 5, ...alarm));
      const changed = event("user03-2", 2).replace(/SUMMARY:.*/, "SUMMARY:moved by the owner");
      await client.expect(204, "PUT", `${calendar}user03-2.ics`, { headers: icalendar, body: changed });
      await pair.run("sync");
      assert.ok((await texts()).some((text) => text.includes("SUMMARY:moved by the owner")));
      const all = (await client.expect(200, "GET", calendar)).text;
      assert.match(all, /UID:mine/);
      assert.doesNotMatch(all, /VALARM/);
      // Nothing is left to do.
      await pair.run("sync");
      assert.equal((await texts()).length, 35);
    } finally {
      await pair.remove();
    }
  });
  test("nothing of it went wrong in the logs", async () => {
    assert.doesNotMatch(await server.errorLog(), /a request failed|could not be answered/);
  });
});
