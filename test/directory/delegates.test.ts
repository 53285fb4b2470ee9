import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Database } from "../../src/base/sqlite.ts";
import type { DelegateList, Delegates } from "../../src/directory/backend.ts";
import { dumpDelegates, newestDump } from "../../src/directory/delegate-dumps.ts";
import { delegatesFile, openDelegates, restoreDelegates } from "../../src/directory/delegates.ts";
import type { PrincipalUid } from "../../src/model/ids.ts";

const uids = (...texts: string[]): PrincipalUid[] => texts as PrincipalUid[];
const [ann, bob, cid, dan] = uids("ANN", "BOB", "CID", "DAN") as [
  PrincipalUid,
  PrincipalUid,
  PrincipalUid,
  PrincipalUid,
];

const set = (delegates: Delegates, owner: PrincipalUid, access: "read" | "write", members: readonly PrincipalUid[]) =>
  delegates.change([{ owner, access, edit: () => members }]);

/** What another process wrote can only be asked for in a later turn of the event loop. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function givenFolders(storeIsUsed = false) {
  const root = await mkdtemp(join(tmpdir(), "caldavd-delegates-"));
  const warnings: string[] = [];
  const options = {
    documentRoot: join(root, "Documents"),
    dataRoot: join(root, "Data"),
    storeIsUsed,
    warn: (text: string) => void warnings.push(text),
  };
  await mkdir(options.dataRoot);
  return { options, warnings, path: delegatesFile(options.documentRoot) };
}

/** A database as the original made it. */
async function original(path: string, version: string, type = "CALENDARUSERPROXY"): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const database = new Database(path);
  database.exec(`create table CALDAV (KEY text unique, VALUE text unique);
    insert into CALDAV values ('SCHEMA_VERSION', '${version}'), ('TYPE', '${type}');
    create table GROUPS (GROUPNAME text, MEMBER text);
    insert into GROUPS values ('ANN#calendar-proxy-write', 'BOB')`);
  database.close();
}

test("a new database has the name, tables and version of 1.x, and no file beside it", async () => {
  const { options, path } = await givenFolders();
  const delegates = await openDelegates(options);
  await set(delegates, ann, "write", [bob]);
  delegates.close();
  assert.ok(path.endsWith("/Documents/principals/.db.calendaruserproxy"));
  assert.deepEqual(
    (await readdir(dirname(path))).filter((name) => !name.endsWith("-journal")),
    [".db.calendaruserproxy"],
  );
  const database = new Database(path, { readonly: true });
  assert.deepEqual(database.prepare("select KEY, VALUE from CALDAV order by KEY").all(), [
    ["SCHEMA_VERSION", "3"],
    ["TYPE", "CALENDARUSERPROXY"],
  ]);
  assert.deepEqual(database.prepare("select GROUPNAME, MEMBER from GROUPS").all(), [
    ["ANN#calendar-proxy-write", "BOB"],
  ]);
  assert.deepEqual(database.prepare("select name from sqlite_master where type = 'index' and sql is not null").all(), [
    ["GROUPNAMES"],
    ["MEMBERS"],
  ]);
  database.close();
});

test("lists are set whole, in their order, once each, and read in both directions", async () => {
  const { options } = await givenFolders();
  const delegates = await openDelegates(options);
  await set(delegates, ann, "write", [cid, bob, cid]);
  await set(delegates, ann, "read", [dan]);
  await set(delegates, bob, "write", [cid]);
  assert.deepEqual(await delegates.of(ann, "write"), [cid, bob]);
  assert.deepEqual(await delegates.of(ann, "read"), [dan]);
  assert.deepEqual(await delegates.whoTrust(cid, "write"), [ann, bob]);
  assert.deepEqual(await delegates.whoTrust(cid, "read"), []);
  await set(delegates, ann, "write", [bob]);
  assert.deepEqual(await delegates.of(ann, "write"), [bob]);
  assert.deepEqual(await delegates.whoTrust(cid, "write"), [bob]);
  assert.deepEqual(await delegates.of(dan, "read"), []);
  delegates.close();
});

test("databases of version 3 and 4 are used as they are, that of 2.x where it stands", async () => {
  const one = await givenFolders(true);
  await original(one.path, "3");
  const three = await openDelegates(one.options);
  assert.deepEqual(await three.of(ann, "write"), [bob]);
  three.close();

  const two = await givenFolders(true);
  const place = join(two.options.dataRoot, "calendaruserproxy.sqlite");
  await original(place, "4");
  const four = await openDelegates(two.options);
  await set(four, cid, "read", [dan]);
  four.close();
  const database = new Database(place, { readonly: true });
  assert.deepEqual(database.prepare("select VALUE from CALDAV where KEY = 'SCHEMA_VERSION'").get(), ["4"]);
  assert.deepEqual(database.prepare("select count(*) from GROUPS").get(), [2]);
  database.close();
});

test("a missing or empty database of a used store is an error that says how to restore it, and nothing is made", async () => {
  const { options, path } = await givenFolders(true);
  await assert.rejects(
    openDelegates(options),
    /delegate database is missing although the store is in use.*backup.*\.lost/s,
  );
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, "");
  await assert.rejects(openDelegates(options), /missing although the store is in use/);
  assert.equal((await readFile(path)).length, 0);
});

test("an administrator who confirms the loss gets a new database, once", async () => {
  const { options, path, warnings } = await givenFolders(true);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.lost`, "");
  const delegates = await openDelegates(options);
  assert.deepEqual(await delegates.of(ann, "write"), []);
  delegates.close();
  assert.match(warnings.join(), /new, empty delegate database/);
  await rm(path);
  await assert.rejects(openDelegates(options), /missing/);
});

test("another type, another schema or garbage is refused and left untouched", async () => {
  for (const [version, type] of [
    ["3", "Regular Calendar Collection"],
    ["9", "CALENDARUSERPROXY"],
  ] as const) {
    const { options, path } = await givenFolders();
    await original(path, version, type);
    const before = await readFile(path);
    await assert.rejects(openDelegates(options), /cannot be used: (is a database of type|has schema 9).*backup/s);
    assert.ok(before.equals(await readFile(path)));
  }
  const { options, path } = await givenFolders();
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, "x".repeat(5000));
  await assert.rejects(openDelegates(options), /cannot be used: .*not a database/);
  assert.equal((await readFile(path)).length, 5000);
});

test("a database with a damaged page is refused as well, and nothing is changed in it", async () => {
  const { options, path } = await givenFolders(true);
  await mkdir(dirname(path), { recursive: true });
  await restoreDelegates(path, manyLists);
  const bytes = await readFile(path);
  bytes.fill(0x5a, 3 * 4096, 5 * 4096);
  await writeFile(path, bytes);
  await assert.rejects(openDelegates(options), /cannot be used: .*caladmin delegates import --new/s);
  assert.ok(bytes.equals(await readFile(path)));
});

const manyLists: readonly DelegateList[] = Array.from({ length: 500 }, (_, n) => ({
  owner: `OWNER-${n}` as PrincipalUid,
  access: n % 2 === 0 ? "read" : "write",
  members: [`A-${n}`, `B-${n}`] as PrincipalUid[],
}));

test("edits of several lists are one change, and are given what each list holds at that moment", async () => {
  const { options } = await givenFolders();
  const delegates = await openDelegates(options);
  await delegates.change([
    { owner: ann, access: "write", edit: () => [bob, cid] },
    { owner: bob, access: "read", edit: () => [dan] },
  ]);
  await Promise.all(
    [cid, dan].map((uid) =>
      delegates.change([
        {
          owner: ann,
          access: "write",
          edit: (now) => (uid === cid ? now.filter((one) => one !== cid) : [...now, dan]),
        },
      ]),
    ),
  );
  assert.deepEqual(await delegates.of(ann, "write"), [bob, dan]);
  await assert.rejects(
    delegates.change([
      { owner: ann, access: "write", edit: () => [] },
      {
        owner: bob,
        access: "read",
        edit: () => {
          throw new Error("no");
        },
      },
    ]),
    /no/,
  );
  assert.deepEqual(await delegates.of(ann, "write"), [bob, dan]);
  await delegates.change([{ owner: dan, access: "read", edit: () => [ann] }], "removed");
  assert.deepEqual(await delegates.lists(), [{ owner: dan, access: "read", members: [ann] }]);
  delegates.close();
});

test("each day has one copy beside the database, fourteen are kept, and drafts are not left behind", async () => {
  const { options, path } = await givenFolders();
  const delegates = await openDelegates(options);
  await set(delegates, ann, "write", [bob, cid]);
  await set(delegates, ann, "read", [dan]);
  for (let day = 1; day <= 20; day++) await dumpDelegates(delegates, path, new Date(2026, 10, day, 9));
  assert.equal(await dumpDelegates(delegates, path, new Date(2026, 10, 20, 23)), undefined);
  const files = (await readdir(dirname(path))).filter((name) => !name.startsWith(".db.")).sort();
  assert.equal(files.length, 14);
  assert.deepEqual([files[0], files.at(-1)], ["delegates-2026-11-07.json", "delegates-2026-11-20.json"]);
  const newest = await newestDump(dirname(path));
  assert.deepEqual(JSON.parse(await readFile(newest ?? "", "utf8")), {
    delegates: [{ owner: "ANN", read: ["DAN"], write: ["BOB", "CID"] }],
  });
  delegates.close();
});

test("a lost database is made again from its copy: the message names it, and what stood there is kept aside", async () => {
  const { options, path } = await givenFolders(true);
  await restoreDelegates(path, manyLists);
  const first = await openDelegates(options);
  const dump = await dumpDelegates(first, path, new Date(2026, 10, 20));
  first.close();
  await rm(path);
  await assert.rejects(openDelegates(options), new RegExp(`caladmin delegates import --new ${dump}`));
  assert.equal(await restoreDelegates(path, manyLists), undefined);
  const second = await openDelegates(options);
  assert.deepEqual((await second.lists()).length, manyLists.length);
  second.close();
  await writeFile(path, "broken");
  const aside = await restoreDelegates(path, [{ owner: ann, access: "read", members: [bob] }]);
  assert.equal(await readFile(aside ?? "", "utf8"), "broken");
  const third = await openDelegates(options);
  assert.deepEqual(await third.of(ann, "read"), [bob]);
  third.close();
});

test("a database that is made again while another process has it open is taken up by it", async () => {
  const { options, path, warnings } = await givenFolders();
  const delegates = await openDelegates(options);
  await rm(path);
  await assert.rejects(set(delegates, ann, "write", [cid]), /gone or broken/);
  await restoreDelegates(path, [{ owner: ann, access: "read", members: [bob] }]);
  await set(delegates, ann, "write", [cid]);
  assert.deepEqual(await delegates.of(ann, "read"), [bob]);
  assert.match(warnings.join(), /was replaced; the new one is in use/);
  delegates.close();
});

test("the generation changes with each writing, by whichever process", async () => {
  const { options } = await givenFolders();
  const mine = await openDelegates(options);
  const other = await openDelegates(options);
  const before = mine.generation();
  assert.equal(mine.generation(), before);
  await set(other, ann, "read", [bob]);
  await nextTurn();
  const after = mine.generation();
  assert.notEqual(after, before);
  assert.deepEqual(await mine.of(ann, "read"), [bob]);
  await set(mine, ann, "read", []);
  assert.notEqual(mine.generation(), after);
  mine.close();
  other.close();
});

test("a database that goes while it is used is still read, but no writing is answered that would be lost", async () => {
  const { options, path } = await givenFolders();
  const delegates = await openDelegates(options);
  await set(delegates, ann, "write", [bob]);
  await rename(path, `${path}.away`);
  await assert.rejects(set(delegates, ann, "write", [cid]), /gone or broken/);
  assert.deepEqual(await delegates.of(ann, "write"), [bob]);
  await copyFile(`${path}.away`, path);
  await set(delegates, ann, "write", [cid]);
  delegates.close();
  const again = await openDelegates(options);
  assert.deepEqual(await again.of(ann, "write"), [cid]);
  again.close();
});

test("four processes that start at once make one database and lose no list", async () => {
  const { options } = await givenFolders();
  const module = new URL("../../src/directory/delegates.ts", import.meta.url).href;
  const code = `import { openDelegates } from "${module}";
    const options = ${JSON.stringify({ ...options, warn: undefined })};
    const delegates = await openDelegates({ ...options, warn() {} });
    for (let n = 0; n < 25; n++)
      await delegates.change([{ owner: "P" + process.argv[1] + "-" + n, access: "write", edit: () => ["BOB"] }]);
    delegates.close();`;
  const children = [0, 1, 2, 3].map((n) =>
    spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code, String(n)], { stdio: "inherit" }),
  );
  for (const [code] of await Promise.all(children.map((child) => once(child, "exit")))) assert.equal(code, 0);
  const delegates = await openDelegates(options);
  assert.equal((await delegates.whoTrust(bob, "write")).length, 100);
  delegates.close();
});
