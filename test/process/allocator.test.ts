import assert from "node:assert/strict";
import { test } from "node:test";
import { allocatorEnvironment } from "../../src/process/allocator.ts";

test("what an administrator preloads is left alone", () => {
  assert.deepEqual(allocatorEnvironment({ LD_PRELOAD: "/usr/lib/libtcmalloc.so.4" }), { MALLOC_ARENA_MAX: "2" });
  assert.deepEqual(allocatorEnvironment({ LD_PRELOAD: "/x.so", MALLOC_ARENA_MAX: "4" }), { MALLOC_ARENA_MAX: "4" });
});

test("the allocator of workers is told in one way or the other to give memory back", () => {
  const environment = allocatorEnvironment({ MALLOC_CONF: "narenas:1" });
  if (environment["LD_PRELOAD"] === undefined) assert.deepEqual(environment, { MALLOC_ARENA_MAX: "2" });
  else {
    assert.match(environment["LD_PRELOAD"], /libjemalloc\.so\.2$/);
    assert.equal(environment["MALLOC_CONF"], "narenas:1");
  }
});

test("workers that offer Kerberos have its libraries loaded behind the allocator, or the system's: its package would crash", () => {
  const environment = allocatorEnvironment({}, true);
  if (environment["LD_PRELOAD"] === undefined) assert.deepEqual(environment, { MALLOC_ARENA_MAX: "2" });
  else assert.match(environment["LD_PRELOAD"], /libjemalloc\.so\.2:\S*libgssapi_krb5\.so\.2$/);
});
