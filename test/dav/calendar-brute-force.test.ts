// What the index and the plan of a query answer, against reading every object. More seeds: scripts/soak-queries.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bruteForce } from "./brute-force.ts";

for (const seed of [4711, 20])
  test(`seed ${seed}: queries, free-busy queries and the outbox find exactly what reading every object finds`, async () => {
    const { stored, found, periods, differences } = await bruteForce(seed, 80, 20);
    assert.deepEqual(differences.slice(0, 3), []);
    assert.ok(stored > 60 && found > 200 && periods > 100, `${stored} ${found} ${periods}`);
  });
