import assert from "node:assert/strict";
import { test } from "node:test";
import { Respawn } from "../../src/process/respawn.ts";

test("a first death is answered at once, later ones after 0.1 s doubling to 30 s; a minute of life starts the count anew", () => {
  const respawn = new Respawn();
  const delays = Array.from({ length: 12 }, () => respawn.delay(500));
  assert.deepEqual(delays, [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
  assert.equal(respawn.delay(60_000), 0);
  assert.equal(respawn.delay(1), 100);
});
