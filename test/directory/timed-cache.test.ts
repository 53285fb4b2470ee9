import assert from "node:assert/strict";
import { test } from "node:test";
import { TimedCache, type TimedCacheOptions } from "../../src/directory/timed-cache.ts";

interface Source {
  readonly cache: TimedCache<string, string>;
  readonly answers: Map<string, string>;
  readonly asked: string[];
  readonly changes: string[];
  fail: boolean;
  now: number;
}

/** Fresh for 100 ms, absence for 10, stale for 1,000; two entries. */
function given(options: Partial<TimedCacheOptions<string, string>> = {}): Source {
  const source: Omit<Source, "cache"> = { answers: new Map(), asked: [], changes: [], fail: false, now: 0 };
  const cache = new TimedCache<string, string>({
    maxEntries: 2,
    freshFor: 100,
    absentFor: 10,
    staleFor: 1000,
    same: (a, b) => a === b,
    changed: (key) => void source.changes.push(key),
    now: () => source.now,
    fetch: async (key) => {
      source.asked.push(key);
      if (source.fail) throw new Error("down");
      return source.answers.get(key);
    },
    ...options,
  });
  return Object.assign(source, { cache });
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a fresh value is given without asking, by the same promise", async () => {
  const source = given();
  source.answers.set("a", "1");
  assert.equal(await source.cache.get("a"), "1");
  source.now = 99;
  assert.equal(source.cache.get("a"), source.cache.get("a"));
  assert.equal(await source.cache.get("a"), "1");
  assert.deepEqual(source.asked, ["a"]);
});

test("a value past its time is given at once and asked for behind the scenes; a much older one is waited for", async () => {
  const source = given();
  source.answers.set("a", "1");
  await source.cache.get("a");
  source.answers.set("a", "2");
  source.now = 100;
  assert.equal(await source.cache.get("a"), "1");
  await settled();
  assert.equal(await source.cache.get("a"), "2");
  assert.deepEqual(source.changes, ["a"]);
  source.answers.set("a", "3");
  source.now = 300;
  assert.equal(await source.cache.get("a"), "3");
});

test("absence is believed for its own time, and its end is a change", async () => {
  const source = given();
  assert.equal(await source.cache.get("a"), undefined);
  source.answers.set("a", "1");
  source.now = 9;
  assert.equal(await source.cache.get("a"), undefined);
  source.now = 10;
  assert.equal(await source.cache.get("a"), "1");
  assert.deepEqual(source.changes, ["a"]);
});

test("a source that fails leaves what was known, for a time, and what is not known is an error", async () => {
  const source = given();
  source.answers.set("a", "1");
  await source.cache.get("a");
  source.fail = true;
  source.now = 999;
  assert.equal(await source.cache.get("a"), "1");
  await assert.rejects(source.cache.get("b"), /down/);
  source.now = 1000;
  await assert.rejects(source.cache.get("a"), /down/);
  source.fail = false;
  assert.equal(await source.cache.get("a"), "1");
  assert.deepEqual(source.changes, []);
});

test("absence is no answer when the source fails, unless it is said to be one", async () => {
  for (const staleAbsence of [false, true]) {
    const source = given({ staleAbsence });
    assert.equal(await source.cache.get("a"), undefined);
    source.fail = true;
    source.now = 500;
    if (staleAbsence) assert.equal(await source.cache.get("a"), undefined);
    else await assert.rejects(source.cache.get("a"), /down/);
    source.now = 1000;
    await assert.rejects(source.cache.get("a"), /down/);
  }
});

test("what another process keeps is believed as long as one's own; from before the start only when the source fails", async () => {
  const kept = new Map([
    ["a", { value: "theirs", at: 50 }],
    ["old", { value: "before", at: -1 }],
  ]);
  const keeper = { load: (key: string) => kept.get(key), save: () => {} };
  const source = given({ keeper });
  source.answers.set("a", "mine").set("old", "now");
  source.now = 149;
  assert.equal(await source.cache.get("a"), "theirs");
  assert.equal(await source.cache.get("old"), "now");
  assert.deepEqual(source.asked, ["old"]);
  const failing = given({ keeper });
  failing.fail = true;
  failing.now = 998;
  assert.equal(await failing.cache.get("old"), "before");
  assert.equal(await failing.cache.get("a"), "theirs");
  failing.now = 1100;
  await assert.rejects(failing.cache.get("a"), /down/);
});

test("many who ask at once are answered by one question", async () => {
  const source = given();
  source.answers.set("a", "1");
  assert.deepEqual(await Promise.all(Array.from({ length: 50 }, () => source.cache.get("a"))), Array(50).fill("1"));
  assert.deepEqual(source.asked, ["a"]);
});

test("what was kept before the process began is given while the source fails, and asked for at the next occasion", async () => {
  const keeper = { load: () => ({ value: "kept", at: 950 }), save: () => {} };
  const source = { fail: true, now: 1000, asked: 0 };
  const cache = new TimedCache<string, string>({
    ...{ maxEntries: 2, freshFor: 100, absentFor: 10, staleFor: 1000, keeper },
    same: (a, b) => a === b,
    changed: () => {},
    now: () => source.now,
    fetch: async () => {
      source.asked++;
      if (source.fail) throw new Error("down");
      return "new";
    },
  });
  assert.equal(await cache.get("a"), "kept");
  source.fail = false;
  // Given at once, asked for behind the scenes, although it is not a hundred milliseconds old.
  assert.equal(await cache.get("a"), "kept");
  await settled();
  assert.equal(source.asked, 2);
  assert.equal(await cache.get("a"), "new");
  assert.equal(source.asked, 2);
});

test("no more than the bound is kept", async () => {
  const source = given();
  for (let i = 0; i < 1000; i++) await source.cache.get(`key ${i}`);
  assert.equal(source.cache.size, 2);
});
