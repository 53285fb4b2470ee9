import assert from "node:assert/strict";
import { readdir, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Href, utc } from "../../src/model/ids.ts";
import { covering, covers, type Lock, liesBelow, lockPath } from "../../src/model/lock.ts";
import { alice, calendarOf, givenStore, now } from "../support/store.ts";

const lock = (token: string, path: string, more: Partial<Lock> = {}): Lock => ({
  token: `urn:uuid:${token}`,
  path,
  root: `/${path}` as Href,
  deep: false,
  shared: false,
  creator: alice.uid,
  owner: "<a/>",
  timeout: 60,
  expires: utc(now + 60),
  ...more,
});
const yes = (): void => undefined;

test("a lock covers its resource, and with depth infinity what is below", () => {
  const flat = lock("a", "calendar");
  const deep = lock("b", "calendar", { deep: true });
  assert.ok(covers(flat, "calendar") && covers(deep, "calendar") && covers(deep, "calendar/a/b"));
  assert.ok(!covers(flat, "calendar/a") && !covers(deep, "calendar2") && !covers(deep, "") && !covers(deep, "cal"));
  assert.ok(liesBelow(lock("c", "a/b"), "a") && liesBelow(flat, "") && !liesBelow(flat, "calendar"));
  assert.ok(!liesBelow(lock("c", "ab"), "a"));
  assert.deepEqual(covering([flat, deep], "calendar/x"), [deep]);
  assert.equal(lockPath([], "x"), "x");
  assert.equal(lockPath(["a"], "x"), "a/x");
  assert.equal(lockPath(["a", "b"]), "a/b");
});

test("nothing is on the disk before the first lock, and no collection changes with it", async () => {
  const given = await givenStore();
  try {
    const calendar = await calendarOf(given.store);
    const { syncToken } = await calendar.info();
    assert.deepEqual(await given.store.locks.held(alice.uid), []);
    assert.ok(!(await readdir(given.root)).includes(".locks"));
    const home = join(given.root, "calendars/users/alice");
    const before = await Promise.all([home, join(home, "calendar")].map((path) => stat(path)));
    const one = lock("1", "calendar/a.ics");
    await given.store.locks.grant(alice.uid, one, yes);
    assert.deepEqual(await given.store.locks.held(alice.uid), [one]);
    const after = await Promise.all([home, join(home, "calendar")].map((path) => stat(path)));
    assert.deepEqual(
      after.map(({ ctimeMs }) => ctimeMs),
      before.map(({ ctimeMs }) => ctimeMs),
    );
    assert.equal((await calendar.info()).syncToken, syncToken);
    assert.deepEqual(
      (await readdir(join(given.root, ".locks"))).filter((name) => !name.endsWith("-journal")),
      [`${alice.uid}.sqlite`],
    );
  } finally {
    await given.end();
  }
});

test("what one process grants, refreshes and releases the others see at once, and one that starts later", async () => {
  const given = await givenStore();
  try {
    const [a, b] = [given.store.locks, (await given.again()).locks];
    for (let round = 0; round < 50; round++) {
      const one = lock(`${round}`, `calendar/${round}`);
      await a.grant(alice.uid, one, yes);
      assert.deepEqual(await b.held(alice.uid), [one], `granted ${round}`);
      assert.deepEqual(await b.refresh(alice.uid, one.token, 90, utc(now + 90)), {
        ...one,
        timeout: 90,
        expires: now + 90,
      });
      assert.equal((await a.held(alice.uid))[0]?.expires, now + 90);
      assert.deepEqual(await (await given.again()).locks.held(alice.uid), await a.held(alice.uid));
      await b.release(alice.uid, one.token);
      assert.deepEqual(await a.held(alice.uid), [], `released ${round}`);
      assert.equal(await a.refresh(alice.uid, one.token, 90, utc(now + 90)), undefined);
    }
  } finally {
    await given.end();
  }
});

test("of many processes that ask at once for a lock that excludes the others exactly one gets it", async () => {
  const given = await givenStore();
  try {
    const stores = [given.store, await given.again(), await given.again()];
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, (_, at) =>
        stores[at % 3]?.locks.grant(alice.uid, lock(`${at}`, "calendar/a.ics"), (held) => {
          if (held.length > 0) throw new Error("taken");
        }),
      ),
    );
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
    for (const store of stores) assert.equal((await store.locks.held(alice.uid)).length, 1);
  } finally {
    await given.end();
  }
});

test("a lock that ran out is gone, without anybody doing anything", async () => {
  let time = now;
  const given = await givenStore({ now: () => time });
  try {
    const { locks } = given.store;
    await locks.grant(alice.uid, lock("1", "a"), yes);
    await locks.grant(alice.uid, lock("2", "b", { expires: utc(now + 120) }), yes);
    time = utc(now + 59);
    assert.equal((await locks.held(alice.uid)).length, 2);
    time = utc(now + 60);
    assert.deepEqual(
      (await locks.held(alice.uid)).map(({ token }) => token),
      ["urn:uuid:2"],
    );
    assert.equal(await locks.refresh(alice.uid, "urn:uuid:1", 60, utc(now + 999)), undefined);
    await locks.grant(alice.uid, lock("3", "a"), (held) => assert.equal(held.length, 1));
    time = utc(now + 120);
    assert.deepEqual(await locks.held(alice.uid), []);
  } finally {
    await given.end();
  }
});

test("locks end with what was at a path and below it", async () => {
  const given = await givenStore();
  try {
    const { locks } = given.store;
    for (const path of ["a", "a/b", "a/b/c", "ab"]) await locks.grant(alice.uid, lock(path, path), yes);
    const left = async (): Promise<readonly string[]> => (await locks.held(alice.uid)).map(({ path }) => path);
    await locks.releaseAt(alice.uid, "a/b", true);
    assert.deepEqual(await left(), ["a", "a/b", "ab"]);
    await locks.releaseAt(alice.uid, "a");
    assert.deepEqual(await left(), ["ab"]);
  } finally {
    await given.end();
  }
});

test("a file that is gone, empty, broken or somebody else's costs the locks and nothing else", async () => {
  const given = await givenStore();
  try {
    const stores = [given.store, await given.again()];
    const file = join(given.root, ".locks", `${alice.uid}.sqlite`);
    const spoil: readonly (() => Promise<void>)[] = [
      () => unlink(file),
      () => writeFile(file, ""),
      () => writeFile(file, "no database at all, but long enough to be read as one ".repeat(200)),
      () => writeFile(file, Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(9000, 7)])),
    ];
    for (const [at, damage] of spoil.entries()) {
      await given.store.locks.grant(alice.uid, lock(`before ${at}`, "a"), yes);
      for (const { locks } of stores) assert.equal((await locks.held(alice.uid)).length, 1, `before ${at}`);
      await damage();
      for (const { locks } of stores) assert.deepEqual(await locks.held(alice.uid), [], `after ${at}`);
      await stores[1]?.locks.grant(alice.uid, lock(`after ${at}`, "b"), yes);
      for (const { locks } of stores)
        assert.deepEqual(
          (await locks.held(alice.uid)).map(({ token }) => token),
          [`urn:uuid:after ${at}`],
        );
      await given.store.locks.release(alice.uid, `urn:uuid:after ${at}`);
    }
    assert.ok(given.warnings.some((warning) => warning.startsWith("locks lost")));
  } finally {
    await given.end();
  }
});

test("a home without locks is asked for the price of a stat", async () => {
  const given = await givenStore();
  try {
    let best = Number.POSITIVE_INFINITY;
    for (let again = 0; again < 20; again++) {
      const began = performance.now();
      for (let at = 0; at < 1000; at++) given.store.locks.held(alice.uid);
      best = Math.min(best, performance.now() - began);
    }
    // In µs for one. A stat takes 2, whatever opens or asks a file ten times that; the bound is for a busy machine.
    assert.ok(best < 15, `${best} µs`);
  } finally {
    await given.end();
  }
});
