import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzScheduling } from "./scheduling-fuzz.ts";

// scripts/soak-scheduling.mjs plays more of them.
for (const seed of [1, 2, 3, 4])
  test(`whatever organizers, attendees and delegates do, their copies agree (seed ${seed})`, async () => {
    const { problem, actions } = await fuzzScheduling(seed, 40);
    assert.equal(problem, undefined);
    assert.ok(actions > 15, `${actions} actions`);
  });
