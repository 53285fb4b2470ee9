import assert from "node:assert/strict";
import { test } from "node:test";
import { Lru } from "../../src/base/lru.ts";

test("the entry not used for longest leaves first, and is disposed of once", () => {
  const gone: string[] = [];
  const lru = new Lru<string, number>({ maxEntries: 2, dispose: (value, key) => gone.push(`${key}=${value}`) });
  lru.set("a", 1);
  lru.set("b", 2);
  assert.equal(lru.get("a"), 1);
  lru.set("c", 3);
  assert.deepEqual(gone, ["b=2"]);
  assert.deepEqual([...lru.keys()], ["a", "c"]);
});

test("peeking and asking do not count as use", () => {
  const lru = new Lru<string, number>({ maxEntries: 2 });
  lru.set("a", 1);
  lru.set("b", 2);
  assert.equal(lru.peek("a"), 1);
  assert.equal(lru.has("a"), true);
  lru.set("c", 3);
  assert.equal(lru.has("a"), false);
});

test("entries leave until the weight is within its bound", () => {
  const lru = new Lru<string, string>({ maxWeight: 10, weigh: (value) => value.length });
  lru.set("a", "1234");
  lru.set("b", "1234");
  lru.set("c", "12345678");
  assert.deepEqual([...lru.keys()], ["c"]);
  assert.equal(lru.weight, 8);
  lru.set("c", "1");
  assert.equal(lru.weight, 1);
});

test("a value too heavy by itself is disposed of at once and takes the old one of its key with it", () => {
  const gone: string[] = [];
  const lru = new Lru<string, string>({
    maxWeight: 4,
    weigh: (value) => value.length,
    dispose: (value) => gone.push(value),
  });
  lru.set("a", "abc");
  lru.set("a", "abcde");
  assert.deepEqual(gone, ["abc", "abcde"]);
  assert.equal(lru.size, 0);
  assert.equal(lru.weight, 0);
});

test("replacing disposes of the old value, setting the same one does not", () => {
  const gone: object[] = [];
  const lru = new Lru<string, object>({ maxEntries: 4, dispose: (value) => gone.push(value) });
  const first = {};
  lru.set("a", first);
  lru.set("a", first);
  assert.equal(gone.length, 0);
  lru.set("a", {});
  assert.equal(gone[0], first);
});

test("deleting and clearing dispose of every value", () => {
  let disposed = 0;
  const lru = new Lru<number, number>({ maxEntries: 100, dispose: () => (disposed += 1) });
  for (let i = 0; i < 10; i++) lru.set(i, i);
  assert.equal(lru.delete(3), true);
  assert.equal(lru.delete(3), false);
  lru.clear();
  assert.equal(disposed, 10);
  assert.equal(lru.size, 0);
});

test("values may be undefined, and an Lru without bounds is refused", () => {
  const lru = new Lru<string, undefined>({ maxEntries: 1 });
  lru.set("a", undefined);
  assert.equal(lru.has("a"), true);
  assert.throws(() => new Lru({}), RangeError);
});
