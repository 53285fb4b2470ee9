import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { killPoints } from "./kill-points.ts";
import { scenarios } from "./kill-scenarios.ts";

// scripts/soak-kill-points.mjs tries more of them.
const many = new Set(["invite", "cancel", "reschedule", "replies", "room"]);

describe("a process killed anywhere on the way", () => {
  for (const { name, claim } of scenarios)
    test(claim, async () => {
      const tries = many.has(name) ? 20 : 8;
      const { kills, anomalies } = await killPoints(name, { tries, seed: 6, width: 2 });
      assert.deepEqual(anomalies, []);
      assert.ok(kills >= tries / 2, `${kills} kills`);
    });
});
