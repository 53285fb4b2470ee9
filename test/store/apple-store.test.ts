import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Database } from "../../src/base/sqlite.ts";
import { openDelegates } from "../../src/directory/delegates.ts";
import type { PrincipalUid } from "../../src/model/ids.ts";
import { FileStore } from "../../src/store/store.ts";
import { caldav, dav, ical, type QName, textOf } from "../../src/xml/element.ts";
import { event, names, now, principal, put } from "../support/store.ts";

const archive = fileURLToPath(new URL("../fixtures/calendarserver-2.4-store.tar.gz", import.meta.url));

/** A store as Darwin Calendar Server 2.4 left it, attributes included. Its GUIDs are the short names. */
function appleStore(): { readonly documents: string; readonly data: string; end(): void } {
  const root = mkdtempSync(join(tmpdir(), "caldavd-apple-"));
  execFileSync("tar", ["--xattrs", "--xattrs-include=user.*", "-xzf", archive, "-C", root]);
  return { documents: join(root, "Documents"), data: join(root, "Data"), end: () => rmSync(root, { recursive: true }) };
}
const user = (name: string) => ({ ...principal(name), uid: name as PrincipalUid });
const user01 = user("user01");

const open = async (documents: string, startId = "first"): Promise<FileStore> =>
  (await FileStore.open({ root: documents, startId, quota: undefined, now: () => now, warn: () => undefined })).store;

test("a store of Darwin Calendar Server 2.4 opens in place: homes, members, properties, ETags", async () => {
  const { documents, end } = appleStore();
  const store = await open(documents);
  const home = { owner: user01, path: [] };
  assert.deepEqual(
    (await store.children(home)).map(({ name, kind }) => `${name} ${kind}`),
    ["calendar calendar", "dropbox dropbox", "inbox inbox", "labcal calendar", "outbox outbox"],
  );
  const calendar = await store.open({ owner: user01, path: ["calendar"] });
  assert.ok(calendar);
  assert.deepEqual(await names(calendar), [
    "allday.ics",
    "conf.ics",
    "drop.ics",
    "ev3.ics",
    "inv1.ics",
    "room.ics",
    "todo.ics",
  ]);
  const folder = join(documents, "calendars/__uids__/us/er/user01/calendar");
  for (const name of await names(calendar)) {
    const bytes = readFileSync(join(folder, name));
    assert.equal((await calendar.entry(name))?.etag, `"${createHash("md5").update(bytes).digest("hex")}"`);
  }
  assert.equal((await calendar.entry("conf.ics"))?.access, "CONFIDENTIAL");
  assert.equal((await calendar.entry("inv1.ics"))?.scheduleTag, "eb72987a-f3a6-4443-a04a-15c21b9ff457");
  assert.equal((await calendar.entry("todo.ics"))?.kind, "VTODO");
  const onFile = (await calendar.properties("todo.ics")).get("{urn:lab:ns}onfile");
  assert.equal(onFile && textOf(onFile), "v");

  const lab = await store.open({ owner: user01, path: ["labcal"] });
  const properties = (await lab?.properties()) ?? new Map();
  const text = (name: QName): string | undefined => {
    const value = properties.get(name);
    return value && textOf(value);
  };
  assert.equal(text(dav("displayname")), "Lab Cal é");
  assert.equal(text(ical("calendar-color")), "#FF2968FF");
  assert.equal(text(caldav("calendar-description")), "A lab calendar");
  assert.ok(properties.has("{DAV:}acl"));
  assert.equal((await lab?.info())?.hasAcl, true);
  await store.close();
  end();
});

test("what is written there stands where the original would have put it, and nothing of it is lost", async () => {
  const { documents, end } = appleStore();
  const store = await open(documents);
  await store.provision(user01);
  const calendar = await store.open({ owner: user01, path: ["calendar"] });
  assert.ok(calendar);
  await put(calendar, "new.ics", event("new"));
  assert.ok(readdirSync(join(documents, "calendars/__uids__/us/er/user01/calendar")).includes("new.ics"));
  assert.deepEqual(readdirSync(join(documents, "calendars/users")), []);
  // The original finds another version in the frame all its databases have, and makes its own index.
  const index = new Database(join(documents, "calendars/__uids__/us/er/user01/calendar/.db.sqlite"), {
    readonly: true,
  });
  assert.notEqual(index.prepare("select VALUE from CALDAV where KEY = 'SCHEMA_VERSION'").get()?.[0], "6");
  index.close();
  await store.close();
  end();
});

test("its delegates are the original's", async () => {
  const { documents, data, end } = appleStore();
  const delegates = await openDelegates({
    documentRoot: documents,
    dataRoot: data,
    storeIsUsed: true,
    warn: () => undefined,
  });
  const database = new Database(join(data, "calendaruserproxy.sqlite"), { readonly: true });
  const rows = database.prepare("select GROUPNAME, MEMBER from GROUPS").all();
  assert.ok(rows.length > 0);
  for (const [group, member] of rows) {
    const [owner, proxy] = String(group).split("#calendar-proxy-");
    const named = await delegates.of(owner as PrincipalUid, proxy === "write" ? "write" : "read");
    assert.ok(named.includes(member as PrincipalUid), `${group} holds ${member}`);
  }
  database.close();
  delegates.close();
  end();
});
