import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { readPlist } from "../../src/xml/plist.ts";
import { type Account, writeAccounts } from "../support/accounts.ts";
import { adminOf, type Said } from "../support/caladmin.ts";

const records: readonly Account[] = [
  ...["alice", "bob", "carol"].map((uid) => ({ uid })),
  { uid: "nocal", calendar: false },
  { type: "group", uid: "team", members: ["bob", "groups:inner"] },
  { type: "group", uid: "inner", members: ["carol"] },
  { type: "location", uid: "room", proxies: ["alice"] },
];

describe("caladmin delegates, without a server", () => {
  let root: string;
  let database: string;
  let caladmin: (args: readonly string[], input?: string) => Promise<Said>;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "caldavd-admin-"));
    const place = { documents: join(root, "Documents"), data: join(root, "Data") };
    await mkdir(place.documents);
    await mkdir(place.data);
    database = join(place.documents, "principals/.db.calendaruserproxy");
    caladmin = adminOf(place, { "DirectoryService/params/xmlFile": await writeAccounts(records) });
  });
  after(() => rm(root, { recursive: true, force: true }));

  const lists = async (...args: string[]): Promise<string[]> => {
    const { out, err, status } = await caladmin(["-f", "json", "delegates", "list", ...args]);
    assert.deepEqual({ err, status }, { err: "", status: 0 });
    const rows = JSON.parse(out) as { owner: string; access: string; delegate: string; source: string }[];
    return rows.map(({ owner, access, delegate, source }) => `${owner} ${access} ${delegate} ${source}`);
  };

  test("adds and removes by every way to write a principal, and lists both directions, groups and records included", async () => {
    assert.equal((await caladmin(["delegates", "add", "users:alice", "write", "groups:team", "GUID-carol"])).status, 0);
    assert.equal(
      (await caladmin(["delegates", "add", "mailto:bob@example.com", "read", "/principals/users/alice/"])).status,
      0,
    );
    const all = [
      "locations:room write users:alice record",
      "users:alice write groups:team database",
      "users:alice write users:carol database",
      "users:bob read users:alice database",
    ];
    assert.deepEqual(await lists(), all);
    assert.deepEqual(await lists("users:carol"), all.slice(1, 3));
    assert.deepEqual(await lists("users:bob"), [all[1], all[3]]);
    assert.equal((await caladmin(["delegates", "remove", "users:alice", "all", "users:carol"])).status, 0);
    assert.deepEqual(await lists("users:carol"), all.slice(1, 2));
    const plain = (await caladmin(["delegates", "list", "users:bob"])).out.split("\n");
    assert.match(plain[0] ?? "", /^owner +access +delegate +source +ownerGUID +delegateGUID$/);
    assert.match(plain[1] ?? "", /^users:alice +write +groups:team +database +GUID-alice +GUID-team$/);
  });

  test("refuses what cannot be, and changes nothing then", async () => {
    const before = await lists();
    for (const [args, said] of [
      [["add", "users:alice", "write", "users:bob", "users:nobody", "GUID-none"], /users:nobody\n.*GUID-none/],
      [["add", "users:nocal", "write", "users:bob"], /users:nocal has no calendars/],
      [["add", "users:alice", "write", "users:alice"], /its own calendars/],
      [["remove", "locations:room", "write", "users:alice"], /by the directory's record/],
      [["remove", "users:alice", "read", "users:bob"], /GUID-bob is no delegate of users:alice/],
    ] as const) {
      const { status, err } = await caladmin(["delegates", ...args]);
      assert.equal(status, 1, args.join(" "));
      assert.match(err, said);
    }
    for (const args of [
      [],
      ["grow"],
      ["add", "users:alice", "admin", "users:bob"],
      ["add", "users:alice"],
      ["list", "a", "b"],
    ]) {
      const { status, out } = await caladmin(["delegates", ...args]);
      assert.equal(status, 64, args.join(" "));
      assert.match(out, /usage: caladmin \[options] delegates list/);
    }
    assert.deepEqual(await lists(), before);
  });

  test("what export writes in each format, import reads again, and --replace makes it all there is", async () => {
    const before = await lists();
    for (const format of ["plain", "json", "plist"]) {
      const file = join(root, `saved.${format}`);
      assert.equal((await caladmin(["-f", format, "delegates", "export", file])).status, 0);
      await caladmin(["delegates", "add", "users:carol", "read", "users:bob"]);
      await caladmin(["delegates", "remove", "users:bob", "all", "users:alice"]);
      const { status, out, err } = await caladmin(["delegates", "import", "--replace", file]);
      assert.deepEqual({ status, out, err }, { status: 0, out: "imported 2 delegates in 2 lists\n", err: "" });
      assert.deepEqual(await lists(), before, format);
    }
    const plist = readPlist(await readFile(join(root, "saved.plist"), "utf8")) as { delegates: object[] };
    assert.deepEqual(
      plist.delegates.map((list) => ({ ...list })),
      [
        { owner: "GUID-alice", write: ["GUID-team"] },
        { owner: "GUID-bob", read: ["GUID-alice"] },
      ],
    );
  });

  test("an import with any problem names all of them and takes nothing", async () => {
    const before = await lists();
    const text = "users:alice\twrite\tusers:bob\nusers:none\tread\tusers:bob\nrubbish\nusers:bob\tread\tGUID-gone\n";
    const { status, err, out } = await caladmin(["delegates", "import", "-"], text);
    assert.deepEqual({ status, out }, { status: 1, out: "" });
    assert.match(err, /line 3: must be/);
    assert.match(err, /line 2: there is no principal users:none/);
    assert.match(err, /line 4: there is no principal GUID-gone\nproblem: nothing was imported/);
    assert.deepEqual(await lists(), before);
    const json = JSON.stringify({ delegates: [{ owner: 7 }, { owner: "users:alice", read: "users:bob", write: [1] }] });
    const wrong = await caladmin(["delegates", "import", "-"], json);
    assert.match(
      wrong.err,
      /delegates\[0]: has no owner\n.*delegates\[1].read: must be a list\n.*delegates\[1].write\[0]/,
    );
    assert.equal((await caladmin(["delegates", "import", "-"], "{ not json")).status, 1);
  });

  test("--dry-run says what would be, --keep-unknown takes GUIDs of nobody, which are listed and can be removed", async () => {
    const text = "users:bob\twrite\tGUID-gone\n";
    const dry = await caladmin(["delegates", "import", "--dry-run", "--keep-unknown", "-"], text);
    assert.equal(dry.out, "would import 1 delegates in 1 lists\n");
    assert.ok(!(await lists()).some((line) => line.includes("unknown")));
    assert.equal((await caladmin(["delegates", "import", "--keep-unknown", "-"], text)).status, 0);
    assert.ok((await lists()).includes("users:bob write unknown database"));
    assert.equal((await caladmin(["delegates", "remove", "users:bob", "write", "GUID-gone"])).status, 0);
  });

  test("a broken database is named with the way out, which import --new is", async () => {
    const before = await lists();
    const saved = join(root, "saved.json");
    await caladmin(["-f", "json", "delegates", "export", saved]);
    const whole = await caladmin(["delegates", "import", "--new", saved]);
    assert.equal(whole.status, 1);
    assert.match(whole.err, /is there and whole/);
    await writeFile(database, "this is no database at all, whatever its name says".repeat(100));
    const broken = await caladmin(["delegates", "list"]);
    assert.equal(broken.status, 1);
    assert.match(broken.err, /cannot be used: .*caladmin delegates import --new/);
    const { status, out } = await caladmin(["delegates", "import", "--new", saved]);
    assert.equal(status, 0);
    assert.match(out, /imported 2 delegates in 2 lists into a new database .*; the old one is .*before-/);
    assert.deepEqual(await lists(), before);
    assert.ok((await readdir(join(database, ".."))).some((name) => name.startsWith(".db.calendaruserproxy.before-")));
  });
});
