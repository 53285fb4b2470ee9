import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Database } from "../../src/base/sqlite.ts";
import { calendarOf, event, givenStore, names, put } from "../support/store.ts";

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a listing that meets the commit of another process waits for its end, however long, at every step of opening", async () => {
  const given = await givenStore();
  const calendar = await calendarOf(given.store);
  const members = Array.from({ length: 300 }, (_, at) => `${at}.ics`);
  for (const name of members) await put(calendar, name, event(name));
  // A commit keeps readers out; this one begins a turn of the event loop later in each round.
  const other = new Database(join(given.root, "calendars/users/alice/calendar/.db.sqlite"));
  for (let turns = 0; turns < 12; turns++) {
    const store = await given.again();
    const listing = calendarOf(store).then(names);
    for (let turn = 0; turn < turns; turn++) await soon();
    other.exec("begin exclusive");
    const listed = listing.then(() => true);
    const committed = new Promise<boolean>((resolve) =>
      setTimeout(() => {
        other.exec("commit");
        resolve(false);
      }, 60),
    );
    // Waits for both, so that a failure is this round's.
    await Promise.all([listed, committed]);
    assert.equal((await listing).length, members.length);
    await store.close();
  }
  other.close();
  await given.end();
});

test("what was read between another process's rename and its commit is not given again after the commit", async () => {
  const given = await givenStore();
  const calendar = await calendarOf(given.store);
  const first = await put(calendar, "a.ics", event("a"));
  const path = join(given.root, "calendars/users/alice/calendar");
  const store = await given.again();
  // Each question is a request of its own.
  const read = async () => (await (await calendarOf(store)).entry("a.ics"))?.etag;
  assert.equal(await read(), first);
  const staged = await calendar.stage(Buffer.from(event("a", "LOCATION:elsewhere")), new Map());
  let during: string | undefined;
  await calendar.change(async (change) => {
    await change.put("a.ics", staged, undefined);
    // Long enough that both files' times count as at rest.
    while (Date.now() - statSync(path).ctimeMs < 50) await soon();
    during = await read();
  });
  assert.equal(during, first, "the row that was committed last");
  assert.equal(await read(), staged.etag);
  await given.end();
});
