import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { PrincipalUid } from "../../src/model/ids.ts";
import type { Principal } from "../../src/model/principal.ts";
import { writeAccounts } from "../support/accounts.ts";
import { adminOf, type Said } from "../support/caladmin.ts";
import { event, givenStore, principal, put } from "../support/store.ts";

const owner = (name: string): Principal => ({ ...principal(name), uid: `GUID-${name}` as PrincipalUid });
const id = (letter: string): string => letter.repeat(32);
const managed = (letter: string): string => `${id(letter)}-notes.txt`;
const attached = (of: string, file: string): string =>
  `ATTACH;MANAGED-ID=${file.slice(0, 32)}:http://localhost:8008${of}dropbox/${file}`;
const dan = "/calendars/__uids__/GUID-dan/";
const ann = "/calendars/users/ann/";

let root: string;
let documents: string;
let accounts: string;
let caladmin: (args: readonly string[]) => Promise<Said>;
const knows = (...names: readonly string[]): Promise<string> =>
  writeAccounts(
    names.map((uid) => ({ uid })),
    accounts,
  );
const lines = (said: Said): readonly string[] => said.out.trimEnd().split("\r\n").slice(1);
const csv = (...args: readonly string[]): Promise<Said> => caladmin(["-f", "csv", "purge", ...args]);
const inside = (place: string): readonly string[] =>
  readdirSync(join(documents, "calendars/users", place), { encoding: "utf8" })
    .filter((name) => !name.startsWith("."))
    .sort();
const longAgo = async (...places: readonly string[]): Promise<void> => {
  const time = Date.now() / 1000 - 30 * 86_400;
  for (const place of places) await utimes(join(documents, "calendars/users", place), time, time);
};

/** ann has an event of her own with an attachment, and one of dan's; dan has two attachments and two boxes. */
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "caldavd-purge-"));
  documents = join(root, "Documents");
  await mkdir(join(root, "Data"));
  accounts = await writeAccounts(["ann", "bob", "dan"].map((uid) => ({ uid })));
  caladmin = adminOf({ documents, data: join(root, "Data") }, { "DirectoryService/params/xmlFile": accounts });
  const given = await givenStore({ root: documents, apart: true });
  const calendar = async (name: string) => {
    await given.store.provision(owner(name));
    return (await given.store.open({ owner: owner(name), path: ["calendar"] })) ?? assert.fail();
  };
  const [hers, his] = [await calendar("ann"), await calendar("dan")];
  await put(hers, "own.ics", event("own", attached(ann, `managed/${managed("a")}`)));
  await put(
    hers,
    "invited.ics",
    event("invited", `${attached(dan, `managed/${managed("d")}`)}\r\nX-APPLE-DROPBOX:${dan}dropbox/kept%20box`),
  );
  await put(his, "his.ics", event("his"));
  await given.store.close();
  for (const [name, files] of [
    [
      "ann",
      [
        `managed/${managed("a")}`,
        `managed/${id("a")}.events`,
        `managed/${managed("b")}`,
        `managed/${id("b")}.events`,
        "box/left.txt",
      ],
    ],
    [
      "dan",
      [
        `managed/${managed("d")}`,
        `managed/${id("d")}.events`,
        `managed/${managed("e")}`,
        `managed/${id("e")}.events`,
        "kept box/map.txt",
        "box/x.txt",
      ],
    ],
  ] as const)
    for (const file of files) {
      const path = join(documents, "calendars/users", name, "dropbox", file);
      await mkdir(join(path, ".."), { recursive: true });
      await writeFile(path, file.endsWith(".events") ? "" : "bytes");
      await longAgo(`${name}/dropbox/${file}`);
    }
  await longAgo("ann/dropbox/box", "dan/dropbox/box", "dan/dropbox/kept box");
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("purge --orphans", () => {
  test("leaves of a home the attachments that others' events refer to, and nothing else", async () => {
    await knows("ann", "bob");
    const told = await csv("--orphans");
    assert.match(lines(told).join(), /^calendars\/users\/dan,GUID-dan,\d+,2$/);
    assert.match(told.err, /2 attachments stay/);
    assert.ok(existsSync(join(documents, "calendars/users/dan/calendar/his.ics")));
    const done = await csv("--orphans", "--yes");
    assert.equal(done.status, 0, done.err);
    assert.deepEqual(inside("dan"), ["dropbox"]);
    assert.deepEqual(inside("dan/dropbox"), ["kept box", "managed"]);
    assert.deepEqual(inside("dan/dropbox/managed"), [managed("d"), `${id("d")}.events`]);
    assert.deepEqual(inside("dan/dropbox/kept box"), ["map.txt"]);
    assert.match((await caladmin(["homes", "--orphans"])).out, /GUID-dan/, "what stays is still marked as his");
    assert.match((await csv("--orphans", "--yes", "--referred")).err, /1 homes removed/);
    assert.ok(!existsSync(join(documents, "calendars/users/dan")));
    assert.equal(inside("ann/dropbox/managed").length, 4);
  });
  test("knows the events by the owner's short name too", async () => {
    const text = event("named", attached("/calendars/users/dan/", `managed/${managed("e")}`));
    await writeFile(join(documents, "calendars/users/ann/calendar/named.ics"), text);
    await knows("ann", "bob");
    await csv("--orphans", "--yes");
    assert.deepEqual(inside("dan/dropbox/managed"), [
      managed("d"),
      `${id("d")}.events`,
      managed("e"),
      `${id("e")}.events`,
    ]);
  });
  test("with --aside moves homes with all they have; moved back they are served as before", async () => {
    await rm(join(documents, "calendars/users/ann/calendar/invited.ics"));
    await knows("ann", "bob");
    const aside = join(root, "aside");
    assert.match((await csv("--orphans", "--aside", aside)).err, /--yes removes/);
    assert.ok(!existsSync(aside));
    const done = await csv("--orphans", "--yes", "--aside", aside);
    assert.deepEqual([done.status, done.err], [0, `1 homes moved to ${aside}\n`]);
    assert.ok(!existsSync(join(documents, "calendars/users/dan")));
    const { rename } = await import("node:fs/promises");
    await rename(join(aside, "calendars/users/dan"), join(documents, "calendars/users/dan"));
    await knows("ann", "bob", "dan");
    assert.match((await caladmin(["-f", "csv", "homes"])).out, /used,users:dan,calendars\/users\/dan,GUID-dan/);
  });
  test("with --aside leaves a home where it is that others' events need, and says so", async () => {
    await knows("ann", "bob");
    const { status, err } = await csv("--orphans", "--yes", "--aside", join(root, "aside"));
    assert.equal(status, 1);
    assert.match(err, /calendars\/users\/dan: events of others refer to 2 of its attachments; it stays/);
    assert.ok(existsSync(join(documents, "calendars/users/dan/calendar/his.ics")));
  });
  test("removes nothing with --dry-run, nor while the directory cannot be read", async () => {
    await knows("ann", "bob");
    assert.equal((await csv("--orphans", "--yes", "--dry-run")).status, 0);
    assert.ok(existsSync(join(documents, "calendars/users/dan/calendar/his.ics")));
    await rm(accounts);
    for (const way of [["--orphans"], ["--attachments"], ["--older-than", "1"], ["--delegates"]])
      assert.equal((await csv(...way, "--yes")).status, 1, way.join());
    assert.ok(existsSync(join(documents, "calendars/users/dan/calendar/his.ics")));
  });
});

describe("purge --attachments", () => {
  test("tells and removes what no event of anybody refers to", async () => {
    const told = await csv("--attachments");
    const found = [
      `users:ann,box,5`,
      `users:ann,managed/${managed("b")},5`,
      "users:dan,box,5",
      `users:dan,managed/${managed("e")},5`,
    ];
    assert.deepEqual([...lines(told)].sort(), found);
    assert.match(told.err, /4 attachments and drop boxes that no event refers to; --yes removes/);
    assert.equal(inside("ann/dropbox/managed").length, 4);
    const done = await csv("--attachments", "--yes");
    assert.deepEqual([...lines(done)].sort(), found);
    assert.deepEqual(inside("ann/dropbox"), ["managed"]);
    assert.deepEqual(inside("ann/dropbox/managed"), [managed("a"), `${id("a")}.events`]);
    assert.deepEqual(inside("dan/dropbox"), ["kept box", "managed"]);
    assert.deepEqual(inside("dan/dropbox/managed"), [managed("d"), `${id("d")}.events`]);
    assert.deepEqual(lines(await csv("--attachments", "--yes")), []);
  });
  test("leaves what came just now: its event may be on its way", async () => {
    const now = Date.now() / 1000;
    await utimes(join(documents, "calendars/users/ann/dropbox/managed", managed("b")), now, now);
    await writeFile(
      join(documents, "calendars/users/dan/dropbox/managed", `${id("e")}.events`),
      `${JSON.stringify({ home: "GUID-ann", uid: "coming", since: Date.now() })}\n`,
    );
    await writeFile(join(documents, "calendars/users/ann/dropbox/box/new.txt"), "new");
    assert.deepEqual(lines(await csv("--attachments", "--yes")), ["users:dan,box,5"]);
  });
});

describe("purge --older-than", () => {
  const at = (name: string): string => join(documents, "calendars/users/ann/calendar", `${name}.ics`);
  const dated = (uid: string, start: string, more = ""): string =>
    event(uid, more)
      .replace(/DTSTART[^\r\n]*/, `DTSTART:${start}`)
      .replace(/DTEND[^\r\n]*/, "DURATION:PT1H");
  const stamp = (days: number): string =>
    new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:]|\.\d+/g, "");
  const todo = (uid: string, more: string): string => dated(uid, stamp(-100), more).replaceAll("VEVENT", "VTODO");
  beforeEach(async () => {
    for (const [name, text] of [
      ["old", dated("old", stamp(-100))],
      ["young", dated("young", stamp(-20))],
      ["coming", dated("coming", stamp(20))],
      ["endless", dated("endless", stamp(-100), "RRULE:FREQ=DAILY")],
      ["ended", dated("ended", stamp(-100), "RRULE:FREQ=DAILY;COUNT=3")],
      ["lasting", dated("lasting", stamp(-100), "RRULE:FREQ=WEEKLY;COUNT=20")],
      ["open", todo("open", "STATUS:NEEDS-ACTION")],
      ["done", todo("done", "STATUS:COMPLETED")],
      ["broken", "BEGIN:VCALENDAR\r\n"],
      ["own", dated("own", stamp(20))],
      ["invited", dated("invited", stamp(20))],
    ] as const)
      await writeFile(at(name), text);
  });
  test("removes events of which nothing took place since, and finished tasks", async () => {
    await writeFile(join(documents, "calendars/users/dan/calendar/his.ics"), dated("his", stamp(-100)));
    assert.deepEqual(lines(await csv("--older-than", "30")), ["users:ann,calendar,3", "users:dan,calendar,1"]);
    assert.equal(inside("ann/calendar").length, 11);
    const done = await csv("--older-than", "30", "--yes", "users:ann");
    assert.deepEqual(
      [done.status, lines(done), done.err],
      [0, ["users:ann,calendar,3"], "3 events and tasks removed\n"],
    );
    assert.deepEqual(
      inside("ann/calendar"),
      ["broken", "coming", "endless", "invited", "lasting", "open", "own", "young"].map((name) => `${name}.ics`),
    );
    assert.deepEqual(inside("dan/calendar"), ["his.ics"]);
  });
  test("is asked for in whole days, of principals there are, and not together with another way", async () => {
    for (const args of [
      ["--older-than", "0"],
      ["--older-than", "x"],
      ["--older-than", "30", "--attachments"],
      ["--attachments", "--aside", root],
      ["--orphans", "--aside", root, "--shred"],
      ["--attachments", "users:ann"],
    ])
      assert.equal((await csv(...args)).status, 64, args.join(" "));
    const { status, err } = await csv("--older-than", "30", "--yes", "users:ann", "users:nobody");
    assert.equal(status, 1);
    assert.match(err, /there is no principal users:nobody/);
    assert.equal(inside("ann/calendar").length, 11);
  });
});
