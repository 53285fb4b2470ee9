import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { isBusy } from "../../src/base/sqlite.ts";
import { utc } from "../../src/model/ids.ts";
import { busyIn } from "../../src/store/busy.ts";
import { IndexFile } from "../../src/store/index-file.ts";
import { calendarOf, event, givenStore, now, put } from "../support/store.ts";

test("busy time is whole, whichever of its questions meets the commit of another process", async () => {
  const given = await givenStore();
  const calendar = await calendarOf(given.store);
  for (const name of ["a", "b", "c"]) await put(calendar, `${name}.ics`, event(name));
  const real = IndexFile.recognise(join(given.root, "calendars/users/alice/calendar/.db.sqlite"));
  assert.ok(real);
  for (let meets = 1; meets <= 12; meets++) {
    let asked = 0;
    // The index itself; one of its statements finds the file locked, as it does while somebody commits.
    const db = new Proxy(real.db, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (key !== "prepare") return typeof value === "function" ? value.bind(target) : value;
        return (sql: string) => {
          if (++asked === meets) throw Object.assign(new Error("database is locked"), { code: "SQLITE_BUSY" });
          return target.prepare(sql);
        };
      },
    });
    const index = { db } as IndexFile;
    const rows = [];
    const range = { start: utc(now - 86_400), end: utc(now + 30 * 86_400) };
    const pages = busyIn(range, 0, async (question) => {
      try {
        return question(index);
      } catch (error) {
        if (!isBusy(error)) throw error;
        return question(index);
      }
    });
    for await (const page of pages) rows.push(...page.rows);
    assert.deepEqual(rows.map(({ uid }) => uid).sort(), ["a", "b", "c"], `statement ${meets}`);
  }
  real.close();
  await given.end();
});
