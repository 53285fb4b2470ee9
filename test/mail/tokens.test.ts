import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Database } from "../../src/base/sqlite.ts";
import { MailTokens } from "../../src/mail/tokens.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "caldavd-tokens-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const pair = { organizer: "mailto:alice@example.com", attendee: "mailto:bob@example.org", uid: "lunch" };
const now = Date.UTC(2026, 10, 20);
const day = 86_400_000;

describe("reply tokens", () => {
  test("are one for each organizer, attendee and event, and stay the same", async () => {
    const tokens = await MailTokens.open(join(folder, "one.sqlite"), 90);
    const token = await tokens.tokenFor(pair, 0, now);
    assert.equal(await tokens.tokenFor(pair, 0, now + day), token);
    assert.notEqual(await tokens.tokenFor({ ...pair, uid: "dinner" }, 0, now), token);
    assert.deepEqual(await tokens.find(token.toUpperCase()), pair);
    assert.equal(await tokens.find("nobody"), undefined);
    tokens.close();
  });

  test("are forgotten so many days after their last use and the end of the event, not before", async () => {
    const tokens = await MailTokens.open(join(folder, "two.sqlite"), 90);
    const used = await tokens.tokenFor(pair, 0, now);
    const late = await tokens.tokenFor({ ...pair, uid: "late" }, now + 50 * day, now);
    await tokens.purge(now + 90 * day);
    assert.ok(await tokens.find(used));
    await tokens.purge(now + 91 * day);
    assert.equal(await tokens.find(used), undefined);
    await tokens.purge(now + 140 * day);
    assert.ok(await tokens.find(late));
    await tokens.purge(now + 141 * day);
    assert.equal(await tokens.find(late), undefined);
    tokens.close();
  });

  test("of the original's mail gateway are known", async () => {
    const path = join(folder, "mailgatewaytokens.sqlite");
    const original = new Database(path);
    original.exec(
      `create table CALDAV (KEY text unique, VALUE text unique);
       insert into CALDAV values ('SCHEMA_VERSION', '1'), ('TYPE', 'MAILGATEWAYTOKENS');
       create table TOKENS (TOKEN text, ORGANIZER text, ATTENDEE text, ICALUID text, DATESTAMP date);
       create index TOKENSINDEX on TOKENS (TOKEN);
       insert into TOKENS values ('d7cdf68d-8b73-4df1-ad3b-f08002fb285f', 'urn:uuid:1', 'mailto:bob@example.org', 'u', '2026-11-01')`,
    );
    original.close();
    const tokens = await MailTokens.open(path, 90);
    const found = await tokens.find("d7cdf68d-8b73-4df1-ad3b-f08002fb285f");
    assert.deepEqual(found, { organizer: "urn:uuid:1", attendee: "mailto:bob@example.org", uid: "u" });
    tokens.close();
  });

  test("are not looked for in a database of another kind, which stays as it is", async () => {
    const path = join(folder, "other.sqlite");
    const other = new Database(path);
    other.exec(
      "create table CALDAV (KEY text unique, VALUE text unique); insert into CALDAV values ('TYPE', 'CALENDARUSERPROXY')",
    );
    other.close();
    await assert.rejects(MailTokens.open(path, 90), /of type CALENDARUSERPROXY, not MAILGATEWAYTOKENS/);
    const same = new Database(path);
    assert.deepEqual(same.prepare("select name from sqlite_master where type = 'table'").all(), [["CALDAV"]]);
    same.close();
  });

  test("have notes of what became of mails, by event and by address, the latest first", async () => {
    const tokens = await MailTokens.open(join(folder, "notes.sqlite"), 90);
    for (const [at, event] of ["deferred", "sent"].entries())
      await tokens.note({ at: now + at, uid: "lunch", address: "bob@example.org", event, details: "x" });
    await tokens.note({ at: now, uid: "dinner", address: "eve@example.org", event: "sent", details: "y" });
    assert.deepEqual(
      (await tokens.notes("lunch", 10)).map(({ event }) => event),
      ["sent", "deferred"],
    );
    assert.deepEqual(
      (await tokens.notes("Eve@example.org", 10)).map(({ uid }) => uid),
      ["dinner"],
    );
    assert.equal((await tokens.notes(undefined, 2)).length, 2);
    await tokens.purge(now + 91 * day);
    assert.deepEqual(await tokens.notes(undefined, 10), []);
    tokens.close();
  });
});
