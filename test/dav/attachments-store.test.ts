import assert from "node:assert/strict";
import { readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { sweepBoxes, sweepManaged } from "../../src/dav/attachments/sweep.ts";
import { attach, attachIn, filesOf, home, taken } from "./attachment-words.ts";
import { type Exchange, event, givenExchange, refused } from "./exchange.ts";

const one = `${home("user01")}calendar/one.ics`;
const day = 86_400_000;
let exchange: Exchange;
beforeEach(async () => {
  exchange = await givenExchange({
    attachments: { managed: true, maxSize: 4_000_000, maxTotal: 8_000_000, maxCount: 100, base: "http://localhost" },
  });
  await exchange.put(one, event("one"));
});
afterEach(() => exchange.end());

const owner = () => exchange.tree.user("user01");
const get = (path: string, headers: Readonly<Record<string, string>> = {}) => exchange.send("GET", path, { headers });
/** Where the home lies on disk. */
const place = (): string => join(exchange.tree.store.layout.calendars, "users/user01");

describe("a large attachment", () => {
  const bytes = "0123456789".repeat(100_000);
  test("is answered whole, in parts, and not at all when it is known, with its length", async () => {
    const { path } = taken(await attach(exchange, one, bytes));
    const whole = await get(path);
    assert.equal(whole.text, bytes);
    assert.equal(whole.headers["content-length"], "1000000");
    assert.equal(whole.headers["accept-ranges"], "bytes");
    const { etag = "" } = whole.headers;
    const part = await get(path, { range: "bytes=999990-", "if-range": etag });
    assert.deepEqual(
      [part.status, part.text, part.headers["content-range"]],
      [206, "0123456789", "bytes 999990-999999/1000000"],
    );
    const middle = await get(path, { range: "bytes=300005-300007" });
    assert.deepEqual([middle.status, middle.text, middle.headers["content-length"]], [206, "567", "3"]);
    assert.equal((await get(path, { range: "bytes=1000000-" })).status, 416);
    assert.equal((await get(path, { "if-none-match": etag })).status, 304);
    assert.equal((await get(path, { range: "bytes=0-1", "if-range": '"old"' })).text.length, bytes.length);
    const head = await exchange.send("HEAD", path);
    assert.deepEqual([head.status, head.text, head.headers["content-length"]], [200, "", "1000000"]);
  });
  test("has the ETag of its bytes, also when somebody puts another file in its place", async () => {
    const { path, id } = taken(await attach(exchange, one, bytes));
    const before = (await get(path)).headers["etag"];
    await writeFile(join(place(), "dropbox/managed", `${id}-notes.txt`), bytes.replaceAll("0", "x"));
    const after = await get(path);
    assert.notEqual(after.headers["etag"], before);
    assert.equal(after.text, bytes.replaceAll("0", "x"));
  });
  test("of the drop box is copied, and given an ACL, with its bytes", async () => {
    const box = `${home("user01")}dropbox/b/`;
    await exchange.send("MKCOL", `${home("user01")}dropbox/`);
    await exchange.send("MKCOL", box);
    const headers = { "content-type": "text/plain" };
    assert.equal((await exchange.send("PUT", `${box}a.txt`, { headers, body: bytes })).status, 201);
    const destination = `http://localhost${box}b.txt`;
    assert.equal((await exchange.send("COPY", `${box}a.txt`, { headers: { destination } })).status, 201);
    const ace = `<ace><principal><authenticated/></principal><grant><privilege><read/></privilege></grant></ace>`;
    const acl = await exchange.send("ACL", `${box}b.txt`, { body: `<acl xmlns="DAV:">${ace}</acl>` });
    assert.equal(acl.status, 200, acl.text);
    const read = await exchange.send("GET", `${box}b.txt`, { as: "user05" });
    assert.deepEqual([read.status, read.text === bytes, read.headers["content-type"]], [200, true, "text/plain"]);
    assert.equal((await exchange.send("GET", `${box}a.txt`, { as: "user05" })).status, 403);
  });
});

describe("files that people can read lie in the home", () => {
  test("under the name the client gave, beside a note of the events", async () => {
    const { id } = taken(await attach(exchange, one, "hello", { name: "Minutes 1.txt" }));
    const folder = join(place(), "dropbox/managed");
    const names = (await readdir(folder)).filter((name) => !name.startsWith("."));
    assert.deepEqual(names.sort(), [`${id}-Minutes 1.txt`, `${id}.events`]);
    assert.equal(await readFile(join(folder, `${id}-Minutes 1.txt`), "utf8"), "hello");
    assert.match(await readFile(join(folder, `${id}.events`), "utf8"), /"uid":"one"/);
  });
  test("and nothing is left in the staging folder of an upload that was refused", async () => {
    refused(await attach(exchange, one, "x".repeat(4_000_001)), "max-attachment-size");
    assert.deepEqual(await readdir(exchange.tree.store.layout.staging), []);
    assert.deepEqual(await filesOf(exchange), []);
  });
});

describe("the quota", () => {
  test("counts attachments of both kinds, refuses what is too much with 507, and gives back what is removed", async () => {
    const small = await givenExchange(
      { attachments: { managed: true, maxSize: 90_000, maxTotal: undefined, maxCount: 100, base: "http://localhost" } },
      undefined,
      { quota: 100_000 },
    );
    const body = `<D:propfind xmlns:D="DAV:"><D:prop><D:quota-used-bytes/></D:prop></D:propfind>`;
    const used = async (): Promise<number> => {
      const answer = await small.send("PROPFIND", home("user01"), { headers: { depth: "0" }, body });
      return Number(/quota-used-bytes>(\d+)</.exec(answer.text)?.[1]);
    };
    const box = `${home("user01")}dropbox/b/`;
    const put = (bytes: number) =>
      small.send("PUT", `${box}a.txt`, { headers: { "content-type": "text/plain" }, body: "x".repeat(bytes) });
    try {
      await small.put(one, event("one"));
      await small.send("MKCOL", `${home("user01")}dropbox/`);
      await small.send("MKCOL", box);
      const before = await used();
      const { id } = taken(await attach(small, one, "x".repeat(60_000)));
      assert.ok((await used()) >= before + 60_000);
      refused(await attach(small, one, "x".repeat(60_000)), "quota-not-exceeded", 507);
      refused(await put(60_000), "quota-not-exceeded", 507);
      assert.equal((await attachIn(small, one)).length, 1);
      assert.equal((await filesOf(small)).length, 2);
      assert.equal((await attach(small, one, "", { query: `action=attachment-remove&managed-id=${id}` })).status, 204);
      assert.equal(await used(), before);
      assert.equal((await put(60_000)).status, 201);
      refused(await attach(small, one, "x".repeat(60_000)), "quota-not-exceeded", 507);
    } finally {
      await small.end();
    }
  });
});

describe("the sweep", () => {
  const sweep = (now: number) => owner().then((user) => sweepManaged(user, exchange.tree.services, now));
  test("removes what no event has, but nothing that came within ten minutes, and nothing an event has", async () => {
    const kept = taken(await attach(exchange, one, "kept"));
    const lost = taken(await attach(exchange, one, "lost"));
    const calendar = await exchange.tree.store.open({ owner: await owner(), path: ["calendar"] });
    const text = (await get(one)).text.replace(/\r\n /g, "").replace(new RegExp(`ATTACH[^\r]*${lost.id}.*\r\n`), "");
    await writeFile(join(place(), "calendar/one.ics"), text);
    assert.equal((await calendar?.read("one.ics"))?.bytes.toString(), text);
    assert.equal(await sweep(Date.now()), 0);
    assert.equal(await sweep(Date.now() + 700_000), 1);
    assert.deepEqual(await filesOf(exchange), [`${kept.id}-notes.txt`, `${kept.id}.events`]);
    assert.equal((await get(kept.path)).text, "kept");
  });
  test("removes a note whose file was never stored", async () => {
    taken(await attach(exchange, one, "kept"));
    const note = join(place(), "dropbox/managed", `${"a".repeat(32)}.events`);
    await writeFile(note, "{}\n");
    await utimes(note, Date.now() / 1000 - 3600, Date.now() / 1000 - 3600);
    assert.equal((await filesOf(exchange)).length, 3);
    await sweep(Date.now());
    assert.equal((await filesOf(exchange)).length, 2);
  });
  test("removes a box a week after the last event named it; one that is named again stays", async () => {
    const box = (id: string): string => `${home("user01")}dropbox/${id}/`;
    const named = (uid: string, id: string) => event(uid, { more: [`X-APPLE-DROPBOX:${box(id).slice(0, -1)}`] });
    await exchange.put(one, named("one", "left"));
    await exchange.put(one.replace("one", "two"), named("two", "back"));
    await exchange.put(one.replace("one", "three"), named("three", "kept"));
    const there = async (): Promise<readonly string[]> =>
      (await exchange.tree.store.children({ owner: await owner(), path: ["dropbox"] })).map(({ name }) => name);
    const look = async (now: number) => sweepBoxes(await owner(), exchange.tree.services, now);
    await exchange.put(one, event("one"));
    await exchange.put(one.replace("one", "two"), event("two"));
    const start = Date.now();
    assert.equal(await look(start), 0);
    assert.equal(await look(start + 6 * day), 0);
    await exchange.put(one.replace("one", "two"), named("two", "back"));
    assert.equal(await look(start + 8 * day), 1);
    assert.deepEqual(await there(), ["back", "kept"]);
    assert.equal(await look(start + 30 * day), 0);
  });
  test("asks the texts of all events before a box goes that an original server left", async () => {
    await exchange.put(
      one,
      event("one", { more: [`ATTACH:http://old.example.com${home("user09")}dropbox/lab-drop.dropbox/a.txt`] }),
    );
    await exchange.send("MKCOL", `${home("user01")}dropbox/`);
    await exchange.send("MKCOL", `${home("user01")}dropbox/lab-drop.dropbox/`);
    const look = async (now: number) => sweepBoxes(await owner(), exchange.tree.services, now);
    assert.equal(await look(Date.now()), 0);
    assert.equal(await look(Date.now() + 30 * day), 0);
    await exchange.send("DELETE", one);
    assert.equal(await look(Date.now() + 60 * day), 0);
    assert.equal(await look(Date.now() + 90 * day), 1);
  });
});
