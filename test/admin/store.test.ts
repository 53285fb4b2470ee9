import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { PrincipalUid } from "../../src/model/ids.ts";
import type { Principal, RecordType } from "../../src/model/principal.ts";
import { caldav, el, elWith } from "../../src/xml/element.ts";
import { readPlist } from "../../src/xml/plist.ts";
import { type Account, writeAccounts } from "../support/accounts.ts";
import { adminOf, type Said } from "../support/caladmin.ts";
import { event, givenStore, principal, put } from "../support/store.ts";

const records: readonly Account[] = [
  ...["ann", "bob", "cid", "dan"].map((uid) => ({ uid })),
  { uid: "off", calendar: false },
  { type: "group", uid: "team", calendar: true },
  { type: "group", uid: "plain" },
  { type: "location", uid: "room" },
  { type: "resource", uid: "beamer" },
];
const owner = (shortName: string, type: RecordType = "users", uid = `GUID-${shortName}`): Principal => ({
  ...principal(shortName),
  type,
  uid: uid as PrincipalUid,
});
const todo = (uid: string): string => event(uid).replaceAll("VEVENT", "VTODO").replace("DTEND:", "DUE:");

describe("caladmin on a store without a server", () => {
  let root: string;
  let documents: string;
  let accounts: string;
  let caladmin: (args: readonly string[], input?: string) => Promise<Said>;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "caldavd-admin-"));
    documents = join(root, "Documents");
    await mkdir(join(root, "Data"));
    accounts = await writeAccounts(records);
    caladmin = adminOf({ documents, data: join(root, "Data") }, { "DirectoryService/params/xmlFile": accounts });
    const given = await givenStore({ root: documents, apart: true });
    const calendarOf = async (of: Principal, name: string) => {
      await given.store.provision(of);
      const path = [name];
      const opened = await given.store.open({ owner: of, path });
      return opened ?? (await given.store.create({ owner: of, path }, "calendar", new Map()));
    };
    for (const [of, name, texts] of [
      [owner("ann"), "calendar", [event("a1"), event("a2", "RRULE:FREQ=DAILY;COUNT=9")]],
      [owner("ann"), "work", [event("a3")]],
      [owner("ann"), "tasks", [todo("t1"), todo("t2")]],
      [owner("ann"), "inbox", [event("i1")]],
      [owner("bob"), "calendar", []],
      [owner("team", "groups"), "calendar", [event("g1")]],
      [owner("room", "locations"), "calendar", [event("r1")]],
      [owner("beamer", "resources"), "plan", []],
      [owner("dan"), "calendar", [event("d1"), event("d2")]],
    ] as const) {
      const calendar = await calendarOf(of, name);
      for (const [n, text] of texts.entries()) await put(calendar, `${name}-${n}.ics`, text);
    }
    const lists = new Map([
      [
        caldav("supported-calendar-component-set"),
        el(caldav("supported-calendar-component-set"), elWith(caldav("comp"), { name: "VTODO" })),
      ],
    ]);
    await given.store.create({ owner: owner("bob"), path: ["chores"] }, "calendar", lists);
    await given.store.close();
  });
  after(() => rm(root, { recursive: true, force: true }));

  const indexes = (): string[] =>
    readdirSync(documents, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".db.sqlite"));
  const stats = async (): Promise<Record<string, number>> =>
    JSON.parse((await caladmin(["-f", "json", "stats"])).out) as Record<string, number>;
  const du = (path: string): number =>
    Number(spawnSync("du", ["-s", "--block-size=1", path], { encoding: "utf8" }).stdout.split("\t")[0]);

  test("stats counts what the guide names, the same in every format, with indexes and without", async () => {
    const expected = {
      diskUsage: du(documents),
      accounts: 5,
      groups: 2,
      locations: 1,
      resources: 1,
      // calendar and tasks are made with each home; work, chores and plan were added.
      userCalendars: 8,
      groupCalendars: 2,
      locationCalendars: 2,
      resourceCalendars: 3,
      calendars: 15,
      events: 7,
      todos: 2,
      todoLists: 7,
      homes: 6,
      orphanedHomes: 0,
    };
    assert.deepEqual(await stats(), expected);
    const plain = await caladmin(["stats"]);
    assert.deepEqual({ status: plain.status, err: plain.err }, { status: 0, err: "" });
    assert.deepEqual(
      Object.fromEntries(
        plain.out
          .trimEnd()
          .split("\n")
          .map((line) => line.split(": ")),
      ),
      asText(expected),
    );
    assert.deepEqual({ ...(readPlist((await caladmin(["-f", "plist", "stats"])).out) as object) }, expected);
    const csv = (await caladmin(["-f", "csv", "stats"])).out.trimEnd().split("\r\n");
    assert.equal(csv.shift(), "name,value");
    assert.deepEqual(Object.fromEntries(csv.map((line) => line.split(","))), asText(expected));

    const human = (await caladmin(["stats", "--human"])).out;
    assert.match(human, /^diskUsage: [\d.]+[KM]$/m);

    assert.ok(indexes().length > 5, `${indexes()}`);
    for (const name of indexes()) await rm(join(documents, name));
    assert.deepEqual(await stats(), { ...expected, diskUsage: du(documents) });
    assert.deepEqual(indexes(), [], "counting makes no index: it might be another user's than the server's");
  });

  const asText = (facts: Record<string, number>): Record<string, string> =>
    Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, `${value}`]));

  test("check-local-users names those with a home here whose record says that another server has their calendars", async () => {
    const none = await caladmin(["check-local-users"]);
    assert.deepEqual([none.status, none.out], [0, ""]);
    const augments = join(root, "augments.xml");
    const elsewhere = ["ann", "cid"].map(
      (name) => `<record><uid>GUID-${name}</uid><server-id>other.example.com</server-id></record>`,
    );
    await writeFile(augments, `<augments>${elsewhere.join("")}</augments>`);
    const some = await caladmin(["-f", "csv", "-o", `AugmentService/params/xmlFiles=${augments}`, "check-local-users"]);
    assert.equal(some.status, 1, some.err);
    // cid has no home.
    assert.equal(
      some.out,
      "principal,GUID,server,home\r\nusers:ann,GUID-ann,other.example.com,calendars/users/ann\r\n",
    );
  });

  test("principals tells of each one its home, what is in it, and its quota", async () => {
    const rows = JSON.parse((await caladmin(["-f", "json", "principals"])).out) as Record<string, unknown>[];
    assert.equal(rows.length, 9);
    const ann = rows.find((row) => row["principal"] === "users:ann");
    const { diskUsage, quotaUsed, quotaAvailable, ...rest } = ann ?? {};
    assert.deepEqual(rest, {
      principal: "users:ann",
      fullName: "ann",
      GUID: "GUID-ann",
      calendaring: true,
      home: "calendars/users/ann",
      calendars: 3,
      events: 3,
      todos: 2,
      quota: 104857600,
    });
    assert.equal(
      quotaUsed,
      ["a1", "a3", "i1"].reduce((sum, uid) => sum + event(uid).length, 0) +
        event("a2", "RRULE:FREQ=DAILY;COUNT=9").length +
        2 * todo("t1").length,
    );
    assert.equal(Number(quotaUsed) + Number(quotaAvailable), 104857600);
    assert.equal(diskUsage, du(join(documents, "calendars/users/ann")));
    const one = await caladmin(["-f", "csv", "principals", "--list", "locations", "users:bob"]);
    assert.equal(one.out, "principal\r\nlocations:room\r\nusers:bob\r\n");
    assert.equal((await caladmin(["principals", "--list", "--disabled", "users"])).out, "principal\nusers:off\n");
    const wrong = await caladmin(["principals", "users:none", "users:no"]);
    assert.equal(wrong.status, 1);
    assert.match(wrong.err, /users:none\n.*users:no\n/);
  });

  test("verify names every file that is not in order, and says that a store is", async () => {
    const fine = await caladmin(["verify"]);
    assert.deepEqual({ status: fine.status, out: fine.out }, { status: 0, out: "" });
    assert.match(fine.err, /^10 files, 0 not in order/);
    const calendar = join(documents, "calendars/users/ann/calendar");
    const wrong: Record<string, string | Buffer> = {
      "broken.ics": "BEGIN:VCALENDAR\r\nnonsense",
      "latin1.ics": Buffer.from(event("l1", "LOCATION:M\u00fcnchen"), "latin1"),
      "twin.ics": event("a1"),
      "unclear.ics": event("u1").replace("DTSTART:20261121T100000Z", "DTSTART:20261399T100000Z"),
      "a.ics.rollback": event("a9"),
      "empty.ics": "",
    };
    for (const [name, text] of Object.entries(wrong)) await writeFile(join(calendar, name), text);
    const { status, out, err } = await caladmin(["-f", "json", "verify", "users:ann"]);
    assert.equal(status, 1);
    const found = (JSON.parse(out) as { place: string; kind: string; problem: string }[]).map(
      ({ place, kind }) => `${kind} ${place.replace("calendars/users/ann/calendar/", "")}`,
    );
    assert.deepEqual(found.sort(), [
      "broken broken.ics",
      "broken empty.ics",
      "broken latin1.ics",
      "duplicate twin.ics",
      "invalid unclear.ics",
      "stray a.ics.rollback",
    ]);
    assert.match(err, /12 files, 6 not in order/);
    const plain = await caladmin(["verify"]);
    assert.match(plain.out, /^calendars\/users\/ann\/calendar\/broken.ics: broken: .*line 2/m);
    for (const name of Object.keys(wrong)) await rm(join(calendar, name));
  });

  test("a name that another person got: the old home is an orphan, and purge removes it, but only when told to", async () => {
    const heirs = records.map((record) => (record.uid === "dan" ? { ...record, guid: "GUID-heir" } : record));
    await writeAccounts(heirs, accounts);
    const { status, out } = await caladmin(["-f", "json", "homes", "--orphans", "--size"]);
    assert.equal(status, 1);
    assert.deepEqual(JSON.parse(out), [
      {
        state: "orphan",
        place: "calendars/users/dan",
        ownerGUID: "GUID-dan",
        diskUsage: du(join(documents, "calendars/users/dan")),
        note: "users:dan is now GUID-heir",
      },
    ]);
    assert.equal((await stats())["orphanedHomes"], 1);
    assert.equal((await stats())["events"], 5);
    const home = join(documents, "calendars/users/dan");
    const dry = await caladmin(["purge", "--orphans"]);
    assert.match(dry.err, /1 homes; --yes removes/);
    assert.match(dry.out, /calendars\/users\/dan +GUID-dan/);
    for (const args of [["purge"], ["purge", "--orphans", "--delegates"], ["purge", "--delegates", "x"]])
      assert.equal((await caladmin(args)).status, 64, args.join(" "));
    const other = await caladmin(["purge", "--orphans", "--yes", "calendars/users/ann"]);
    assert.equal(other.status, 1);
    assert.match(other.err, /there is no orphaned home of that place.*\n.*nothing was removed/);
    assert.ok(existsSync(join(home, "calendar/calendar-0.ics")));
    const done = await caladmin(["purge", "--orphans", "--yes", "--shred", "GUID-dan"]);
    assert.deepEqual({ status: done.status, err: done.err }, { status: 0, err: "1 homes removed\n" });
    assert.ok(!existsSync(home));
    assert.deepEqual(readdirSync(join(documents, ".staging")), []);
    assert.equal((await caladmin(["homes", "--orphans"])).status, 0);
    await writeAccounts(records, accounts);
  });

  test("purge does not believe a directory that knows nobody", async () => {
    await writeAccounts([{ uid: "stranger" }], accounts);
    const { status, err } = await caladmin(["purge", "--orphans", "--yes"]);
    assert.equal(status, 1);
    assert.match(err, /knows the owner of no home at all/);
    assert.ok(existsSync(join(documents, "calendars/users/ann")));
    await writeAccounts(records, accounts);
  });

  test("purge --delegates removes those that the directory does not know, and only them", async () => {
    const made = await caladmin(
      ["delegates", "import", "--new", "-"],
      "users:ann\twrite\tGUID-gone\nusers:ann\twrite\tusers:bob\nGUID-old\tread\tusers:ann\n",
    );
    assert.equal(made.status, 0, made.err);
    const dry = await caladmin(["-f", "csv", "purge", "--delegates"]);
    assert.equal(dry.status, 0, dry.err);
    assert.equal(dry.out, "ownerGUID,access,delegateGUID\r\nGUID-ann,write,GUID-gone\r\nGUID-old,read,GUID-ann\r\n");
    assert.equal((await caladmin(["purge", "--delegates", "--yes"])).status, 0);
    const left = JSON.parse((await caladmin(["-f", "json", "delegates", "export"])).out) as unknown;
    assert.deepEqual(left, { delegates: [{ owner: "GUID-ann", write: ["GUID-bob"] }] });
  });

  test("homes in the places of original servers are found, and a second home of somebody is told", async () => {
    await mkdir(join(documents, "calendars/__uids__/GUID-cid/calendar"), { recursive: true });
    await mkdir(join(documents, "calendars/__uids__/GU/ID/GUID-ann/calendar"), { recursive: true });
    await mkdir(join(documents, "calendars/__uids__/GUID-nobody"), { recursive: true });
    await mkdir(join(documents, "calendars/users/off"), { recursive: true });
    const rows = JSON.parse((await caladmin(["-f", "json", "homes"])).out) as Record<string, string>[];
    const told = rows.map(({ state, place, owner: of }) => `${state} ${of ?? "-"} ${place?.slice(10)}`);
    for (const line of [
      "used users:ann users/ann",
      "unused users:ann __uids__/GU/ID/GUID-ann",
      "used users:cid __uids__/GUID-cid",
      "orphan - __uids__/GUID-nobody",
      "disabled users:off users/off",
      "used groups:team groups/team",
    ])
      assert.ok(told.includes(line), `${line} in ${told.join(", ")}`);
  });

  test("every command has a help text with its usage", async () => {
    const { out } = await caladmin(["--help"]);
    const names = [...out.matchAll(/^ {2}([a-z-]+) {2,}/gm)]
      .map(([, name]) => name ?? "")
      .filter((name) => !name.startsWith("-"));
    assert.ok(names.includes("stats") && names.includes("delegates"), `${names}`);
    for (const name of names.filter((name) => name !== "help")) {
      const help = await caladmin(["help", name]);
      assert.equal(help.status, 0);
      assert.match(help.out, new RegExp(`^usage: caladmin \\[options\\] ${name}`));
      assert.equal((await caladmin([name, "-h"])).out, help.out);
    }
    const alien = await caladmin(["stats", "--shred"]);
    assert.equal(alien.status, 64);
    assert.match(alien.out, /stats takes no option --shred/);
  });
});
