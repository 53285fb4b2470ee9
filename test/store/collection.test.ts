import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { appendFile, copyFile, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { listAttributesSync, removeAttributeSync } from "fs-xattr";
import { utc } from "../../src/model/ids.ts";
import { Refusal } from "../../src/model/refusal.ts";
import type { Collection } from "../../src/store/contract.ts";
import { el } from "../../src/xml/element.ts";
import { alice, calendarOf, event, givenStore, names, put } from "../support/store.ts";

const folder = (root: string): string => join(root, "calendars/users/alice/calendar");
const refused = (code: string) => (error: unknown) => error instanceof Refusal && error.reason.code === code;

test("a new home has the layout of the administration guide and its owner's uid", async () => {
  const given = await givenStore();
  await given.store.provision(alice);
  assert.deepEqual(readdirSync(join(given.root, "calendars/users/alice")).sort(), [
    "calendar",
    "inbox",
    "outbox",
    "tasks",
  ]);
  assert.ok(existsSync(join(given.root, "principals/users/alice")));
  assert.ok(existsSync(join(given.root, "principals/__uids__/UID-alice")));
  assert.equal(await given.store.ownerOf(join(given.root, "calendars/users/alice")), "UID-alice");
  await given.end();
});

test("twenty first accesses make one home", async () => {
  const given = await givenStore();
  const others = await Promise.all([given.again(), given.again(), given.again()]);
  await Promise.all(Array.from({ length: 20 }, (_, at) => (others[at % 3] ?? given.store).provision(alice)));
  assert.deepEqual(readdirSync(join(given.root, "calendars/users")), ["alice"]);
  assert.deepEqual(readdirSync(join(given.root, ".staging")), []);
  assert.equal(existsSync(join(given.root, "calendars/__uids__")), false);
  await given.end();
});

test("the file holds the bytes that came, and the etag is their MD5", async () => {
  const given = await givenStore();
  const calendar = await calendarOf(given.store);
  const etag = await put(calendar, "a.ics", event("a"));
  assert.equal(readFileSync(join(folder(given.root), "a.ics"), "utf8"), event("a"));
  assert.equal(etag, `"${createHash("md5").update(event("a")).digest("hex")}"`);
  assert.equal((await calendar.read("a.ics"))?.etag, etag);
  assert.deepEqual(readdirSync(join(given.root, ".staging")), []);
  await given.end();
});

test("changes since a token are what was put and removed since", async () => {
  const given = await givenStore();
  const calendar = await calendarOf(given.store);
  await put(calendar, "a.ics", event("a"));
  await put(calendar, "b.ics", event("b"));
  const { token } = await calendar.changesSince(undefined, 1e9);
  await put(calendar, "c.ics", event("c"));
  await calendar.change((change) => change.remove("a.ics"));
  const changes = await calendar.changesSince(token, 1e9);
  assert.deepEqual(
    changes.changed.map(({ name }) => name),
    ["c.ics"],
  );
  assert.deepEqual(changes.removed, ["a.ics"]);
  const first = await calendar.changesSince(token, 1);
  assert.equal(first.truncated, true);
  const rest = await calendar.changesSince(first.token, 1e9);
  assert.equal(first.changed.length + first.removed.length + rest.changed.length + rest.removed.length, 2);
  await given.end();
});

test("a sync token from a deleted index is refused with valid-sync-token", async () => {
  const given = await givenStore();
  let calendar = await calendarOf(given.store);
  await put(calendar, "a.ics", event("a"));
  const { token } = await calendar.changesSince(undefined, 10);
  await unlink(join(folder(given.root), ".db.sqlite"));
  calendar = await calendarOf(given.store);
  await assert.rejects(() => calendar.changesSince(token, 10), refused("valid-sync-token"));
  assert.deepEqual(await names(calendar), ["a.ics"]);
  await given.end();
});

test("an index of garbage, or of another server, is made again", async () => {
  const given = await givenStore();
  await put(await calendarOf(given.store), "a.ics", event("a"));
  for (const garbage of ["", "garbage garbage", "x".repeat(8192)]) {
    await writeFile(join(folder(given.root), ".db.sqlite"), garbage);
    const calendar = await calendarOf(given.store);
    assert.deepEqual(await names(calendar), ["a.ics"]);
    await put(calendar, "a.ics", event("a"));
  }
  await given.end();
});

for (const how of ["as a new file", "in place, as a rolled back volume would"])
  test(`an index restored ${how} refuses the tokens of the future it has forgotten, even after it has caught up in numbers`, async () => {
    const given = await givenStore();
    let calendar = await calendarOf(given.store);
    await put(calendar, "a.ics", event("a"));
    const early = (await calendar.changesSince(undefined, 10)).token;
    const index = join(folder(given.root), ".db.sqlite");
    await copyFile(index, `${given.root}/backup`);
    await put(calendar, "b.ics", event("b"));
    await put(calendar, "c.ics", event("c"));
    const lost = (await calendar.changesSince(undefined, 10)).token;
    await given.store.close();
    if (how.startsWith("in place")) await copyFile(`${given.root}/backup`, index);
    else {
      await copyFile(`${given.root}/backup`, `${index}.new`);
      await rename(`${index}.new`, index);
    }
    for (const name of ["b.ics", "c.ics"]) await unlink(join(folder(given.root), name));
    const after = await given.again({ startId: "second" });
    calendar = await calendarOf(after);
    await assert.rejects(() => calendar.changesSince(lost, 10), refused("valid-sync-token"));
    for (const name of ["d", "e", "f", "g"]) await put(calendar, `${name}.ics`, event(name));
    await assert.rejects(() => calendar.changesSince(lost, 10), refused("valid-sync-token"));
    assert.deepEqual((await calendar.changesSince(early, 10)).changed.map(({ name }) => name).sort(), [
      "d.ics",
      "e.ics",
      "f.ics",
      "g.ics",
    ]);
    await given.end();
  });

test("a restart refuses no token", async () => {
  const given = await givenStore();
  let calendar = await calendarOf(given.store);
  await put(calendar, "a.ics", event("a"));
  const { token } = await calendar.changesSince(undefined, 10);
  await given.store.close();
  calendar = await calendarOf(await given.again({ startId: "second" }));
  assert.deepEqual((await calendar.changesSince(token, 10)).changed, []);
  await put(calendar, "b.ics", event("b"));
  assert.deepEqual(
    (await calendar.changesSince(token, 10)).changed.map(({ name }) => name),
    ["b.ics"],
  );
  await given.end();
});

test("files added, edited in place, renamed over and removed by hand are seen at the next access", async () => {
  const given = await givenStore();
  let calendar = await calendarOf(given.store);
  await put(calendar, "a.ics", event("a"));
  await put(calendar, "b.ics", event("b"));
  const { token } = await calendar.changesSince(undefined, 10);
  await writeFile(join(folder(given.root), "new.ics"), event("new"));
  await unlink(join(folder(given.root), "b.ics"));
  calendar = await calendarOf(given.store);
  let changes = await calendar.changesSince(token, 10);
  assert.deepEqual([changes.changed.map(({ name }) => name), changes.removed], [["new.ics"], ["b.ics"]]);
  const edited = (await readFile(join(folder(given.root), "a.ics"), "utf8")).replace("SUMMARY:a", "SUMMARY:A");
  await writeFile(join(folder(given.root), "a.ics"), edited);
  // The kernel's notice comes through the event loop; a request from a client does too, and later.
  await new Promise((resolve) => setImmediate(resolve));
  calendar = await calendarOf(given.store);
  changes = await calendar.changesSince(changes.token, 10);
  assert.deepEqual(
    changes.changed.map(({ name }) => name),
    ["a.ics"],
  );
  assert.equal((await calendar.entry("a.ics"))?.etag, (await calendar.read("a.ics"))?.etag);
  await given.end();
});

test("an edit in place while the server was down is seen when it comes back", async () => {
  const given = await givenStore();
  await put(await calendarOf(given.store), "a.ics", event("a"));
  await given.store.close();
  await appendFile(join(folder(given.root), "a.ics"), "\r\n");
  const calendar = await calendarOf(await given.again({ startId: "second" }));
  assert.equal((await calendar.entry("a.ics"))?.etag, (await calendar.read("a.ics"))?.etag);
  await given.end();
});

test("a file that is no calendar is served, left out of queries, and logged once with its path", async () => {
  const given = await givenStore();
  let calendar = await calendarOf(given.store);
  await put(calendar, "a.ics", event("a"));
  await writeFile(join(folder(given.root), "broken.ics"), "BEGIN:VCALENDAR\r\nrubbish\r\n");
  calendar = await calendarOf(given.store);
  assert.deepEqual(await names(calendar), ["a.ics", "broken.ics"]);
  assert.equal((await calendar.read("broken.ics"))?.bytes.toString(), "BEGIN:VCALENDAR\r\nrubbish\r\n");
  const found: string[] = [];
  for await (const page of calendar.search({ op: "every" })) found.push(...page.map(({ name }) => name));
  assert.deepEqual(found, ["a.ics"]);
  await names(await calendarOf(await given.again()));
  assert.equal(given.warnings.filter((line) => line.includes("broken.ics")).length, 1);
  await given.end();
});

test("two files with one UID are both served", async () => {
  const given = await givenStore();
  let calendar = await calendarOf(given.store);
  await put(calendar, "a.ics", event("a"));
  await copyFile(join(folder(given.root), "a.ics"), join(folder(given.root), "copy.ics"));
  calendar = await calendarOf(given.store);
  assert.deepEqual(await names(calendar), ["a.ics", "copy.ics"]);
  await put(calendar, "b.ics", event("b"));
  assert.equal(await calendar.nameOf("a"), "a.ics");
  await given.end();
});

test("a time range finds what overlaps it, floating events where the asker is", async () => {
  const given = await givenStore();
  const calendar = await calendarOf(given.store);
  await put(calendar, "utc.ics", event("utc"));
  await put(calendar, "floating.ics", event("floating").replaceAll("00Z\r\n", "00\r\n"));
  await put(calendar, "daily.ics", event("daily", "RRULE:FREQ=DAILY"));
  const find = async (start: number, end: number, floatingOffset = 0): Promise<string[]> => {
    const found: string[] = [];
    const range = { start: utc(start), end: utc(end) };
    for await (const page of calendar.search({ op: "time-range", range, floatingOffset }))
      found.push(...page.map(({ name }) => name));
    return found;
  };
  const ten = Date.UTC(2026, 10, 21, 10) / 1000;
  assert.deepEqual(await find(ten + 600, ten + 1200), ["daily.ics", "floating.ics", "utc.ics"]);
  assert.deepEqual(await find(ten + 600, ten + 1200, -7200), ["daily.ics", "utc.ics"]);
  assert.deepEqual(await find(ten + 7200 + 600, ten + 7200 + 1200, 7200), ["floating.ics"]);
  const far = Date.UTC(2040, 5, 1, 10) / 1000;
  assert.deepEqual(await find(far, far + 60), ["daily.ics"]);
  assert.deepEqual(await find(far - 60, far), []);
  await given.end();
});

test("of fifty writers who look at the same etag one succeeds, over two processes", async () => {
  const given = await givenStore();
  const calendar = await calendarOf(given.store);
  const etag = await put(calendar, "a.ics", event("a"));
  const other = await calendarOf(await given.again());
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, async (_, at) => {
      const target = at % 2 ? calendar : other;
      const staged = await target.stage(Buffer.from(event("a", `COMMENT:${at}`)), new Map());
      return target.change(async (change) => {
        if (change.entry("a.ics")?.etag !== etag) throw new Error("412");
        return change.put("a.ics", staged, undefined);
      });
    }),
  );
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
  await given.end();
});

for (const mode of ["xattr", "sidecar"] as const) {
  test(`properties of members and collections are kept (${mode})`, async () => {
    const given = await givenStore({ properties: mode });
    const calendar = await calendarOf(given.store);
    await put(calendar, "a.ics", event("a"));
    const large = el("{urn:x}large", Array.from({ length: 3000 }, (_, at) => (at * 7919) % 9973).join("-"));
    await calendar.change((change) =>
      change.setProperties(
        "a.ics",
        new Map([
          ["{urn:x}small", el("{urn:x}small", "é")],
          ["{urn:x}large", large],
        ]),
      ),
    );
    await calendar.change((change) =>
      change.setProperties(
        undefined,
        new Map([
          ["{DAV:}displayname", el("{DAV:}displayname", "Work")],
          ["{urn:x}large", large],
        ]),
      ),
    );
    const other = await given.again();
    // A collection is good for one request: what it saw counts as now for a moment.
    const fresh = (): Promise<Collection> => calendarOf(other);
    const kept = await (await fresh()).properties("a.ics");
    assert.deepEqual([...kept.keys()].sort(), ["{urn:x}large", "{urn:x}small"]);
    assert.deepEqual(kept.get("{urn:x}small"), el("{urn:x}small", "é"));
    assert.ok(isDeepStrictEqual(kept.get("{urn:x}large"), large));
    assert.equal((await (await fresh()).properties()).get("{DAV:}displayname")?.children[0], "Work");
    assert.ok(isDeepStrictEqual((await (await fresh()).properties()).get("{urn:x}large"), large));
    await calendar.change((change) => change.setProperties(undefined, new Map([["{DAV:}displayname", null]])));
    assert.equal((await (await fresh()).properties()).has("{DAV:}displayname"), false);
    assert.equal((await calendar.entry("a.ics"))?.etag, (await calendar.read("a.ics"))?.etag);
    await given.end();
  });
}

test("a collection moves, disappears at once, and leaves nothing behind", async () => {
  const given = await givenStore();
  await given.store.provision(alice);
  const work = await given.store.create({ owner: alice, path: ["work"] }, "calendar", new Map());
  await put(work, "a.ics", event("a"));
  await assert.rejects(
    () => given.store.create({ owner: alice, path: ["work"] }, "folder", new Map()),
    refused("resource-must-be-null"),
  );
  await given.store.move({ owner: alice, path: ["work"] }, { owner: alice, path: ["play"] });
  assert.equal(await given.store.open({ owner: alice, path: ["work"] }), undefined);
  assert.deepEqual(
    (await given.store.children({ owner: alice, path: [] })).map(({ name, kind }) => `${name} ${kind}`),
    ["calendar calendar", "inbox inbox", "outbox outbox", "play calendar", "tasks calendar"],
  );
  assert.equal(await given.store.usedBytes(alice), event("a").length);
  await given.store.remove({ owner: alice, path: ["play"] });
  assert.equal(await given.store.open({ owner: alice, path: ["play"] }), undefined);
  assert.equal(await given.store.usedBytes(alice), 0);
  await given.end();
});

test("a home removed by hand is made again, empty", async () => {
  const given = await givenStore();
  await put(await calendarOf(given.store), "a.ics", event("a"));
  await rm(join(given.root, "calendars/users/alice"), { recursive: true });
  assert.deepEqual(await names(await calendarOf(given.store)), []);
  await given.end();
});

test("a home whose name was given to another person is not handed out", async () => {
  const given = await givenStore();
  await put(await calendarOf(given.store), "a.ics", event("a"));
  const other = { ...alice, uid: "UID-other" as typeof alice.uid };
  await given.store.provision(other);
  const calendar = await given.store.open({ owner: other, path: ["calendar"] });
  assert.deepEqual(calendar && (await names(calendar)), []);
  assert.ok(existsSync(join(folder(given.root), "a.ics")));
  await given.end();
});

test("a home without a mark is its name's, and is marked: whoever gets the name later does not get it", async () => {
  const given = await givenStore();
  await put(await calendarOf(given.store), "a.ics", event("a"));
  const home = join(given.root, "calendars/users/alice");
  for (const attribute of listAttributesSync(home)) removeAttributeSync(home, attribute);
  const again = await given.again();
  assert.deepEqual(await names(await calendarOf(again)), ["a.ics"]);
  assert.equal(await again.ownerOf(home), alice.uid);
  const other = { ...alice, uid: "UID-other" as typeof alice.uid };
  await again.provision(other);
  const calendar = await again.open({ owner: other, path: ["calendar"] });
  assert.deepEqual(calendar && (await names(calendar)), []);
  await given.end();
});

test("an unmarked home is not handed to a principal that has one of its own", async () => {
  const given = await givenStore();
  await put(await calendarOf(given.store), "a.ics", event("a"));
  const other = { ...alice, uid: "UID-other" as typeof alice.uid };
  await given.store.provision(other);
  const home = join(given.root, "calendars/users/alice");
  for (const attribute of listAttributesSync(home)) removeAttributeSync(home, attribute);
  const again = await given.again();
  const calendar = await again.open({ owner: other, path: ["calendar"] });
  assert.deepEqual(calendar && (await names(calendar)), []);
  assert.equal(await again.ownerOf(home), undefined);
  await given.end();
});

test("a principal whose short name changes keeps its home, also when somebody else gets the old name", async () => {
  const given = await givenStore();
  await put(await calendarOf(given.store), "a.ics", event("a"));
  const renamed = { ...alice, shortName: "alicia" };
  const heir = { ...alice, uid: "UID-heir" as typeof alice.uid };
  const again = await given.again();
  await Promise.all([again.provision(heir), given.store.provision(heir)]);
  await Promise.all([again.provision(renamed), given.store.provision(renamed)]);
  const calendar = await again.open({ owner: renamed, path: ["calendar"] });
  assert.deepEqual(calendar && (await names(calendar)), ["a.ics"]);
  const heirs = await again.open({ owner: heir, path: ["calendar"] });
  assert.deepEqual(heirs && (await names(heirs)), []);
  assert.equal(await again.ownerOf(join(given.root, "calendars/users/alicia")), alice.uid);
  await given.end();
});

test("a member moves between calendars with its properties", async () => {
  const given = await givenStore();
  const from = await calendarOf(given.store);
  await put(from, "a.ics", event("a"));
  await from.change((change) => change.setProperties("a.ics", new Map([["{urn:x}p", el("{urn:x}p", "1")]])));
  const to = await given.store.create({ owner: alice, path: ["work"] }, "calendar", new Map());
  await given.store.moveMember(from, "a.ics", to, "b.ics", undefined, () => undefined);
  assert.deepEqual([await names(from), await names(to)], [[], ["b.ics"]]);
  assert.equal((await to.properties("b.ics")).get("{urn:x}p")?.children[0], "1");
  await given.end();
});

test("a store at rest answers as before, also when its index was deleted or exchanged meanwhile", async () => {
  const given = await givenStore();
  const calendar = await calendarOf(given.store);
  await put(calendar, "a.ics", event("a"));
  const { syncToken } = await (await calendarOf(given.store)).info();

  given.store.tidy();
  const awake = await calendarOf(given.store);
  assert.equal((await awake.info()).syncToken, syncToken);
  assert.equal((await awake.entry("a.ics"))?.uid, "a");
  given.store.tidy();
  await put(awake, "b.ics", event("b"));
  given.store.tidy();
  assert.deepEqual(
    (await awake.changesSince(syncToken, 10)).changed.map(({ name }) => name),
    ["b.ics"],
  );

  const index = join(folder(given.root), ".db.sqlite");
  for (const exchanged of [false, true]) {
    given.store.tidy();
    await unlink(index);
    if (exchanged) await put(await calendarOf(await given.again()), "c.ics", event("c"));
    // What a request still holds finds the other file, too.
    assert.equal((await awake.entry("b.ics"))?.uid, "b");
    const found = await calendarOf(given.store);
    assert.deepEqual(await names(found), exchanged ? ["a.ics", "b.ics", "c.ics"] : ["a.ics", "b.ics"]);
  }
  await given.end();
});

test("while a worker writes, its other requests are answered with what was there before or is there now", async () => {
  const given = await givenStore();
  const calendar = await calendarOf(given.store);
  await put(calendar, "a.ics", event("a"));
  const before = (await (await calendarOf(given.store)).info()).syncToken;
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let under = (): void => undefined;
  const underWay = new Promise<void>((resolve) => {
    under = resolve;
  });
  const staged = await calendar.stage(Buffer.from(event("b")), new Map());
  const write = calendar.change(async (change) => {
    await change.put("b.ics", staged, undefined);
    under();
    await held;
  });
  await underWay;
  const beside = await calendarOf(given.store);
  assert.equal((await beside.info()).syncToken, before);
  assert.ok((await names(beside)).includes("a.ics"));
  release();
  await write;
  const after = await calendarOf(given.store);
  assert.notEqual((await after.info()).syncToken, before);
  assert.deepEqual(await names(after), ["a.ics", "b.ics"]);
  const changes = await after.changesSince(before, 10);
  assert.deepEqual(
    changes.changed.map(({ name }) => name),
    ["b.ics"],
  );
  await given.end();
});

test("Finder's own files are members of a home and a folder, and stray between calendar objects", async () => {
  const given = await givenStore();
  await given.store.provision(alice);
  await given.store.create({ owner: alice, path: ["files"] }, "folder", new Map());
  for (const path of ["", "calendar", "files"])
    for (const name of ["._a.ics", ".DS_Store", "._", ".hidden"])
      await writeFile(join(given.root, "calendars/users/alice", path, name), "fork");
  for (const path of [[], ["files"]]) {
    const holds = await given.store.open({ owner: alice, path });
    assert.deepEqual(holds && (await names(holds)), [".DS_Store", "._a.ics"]);
  }
  const calendar = await calendarOf(given.store);
  assert.deepEqual(await names(calendar), []);
  await put(calendar, "a.ics", event("a"));
  assert.deepEqual(await names(calendar), ["a.ics"]);
  await given.end();
});
