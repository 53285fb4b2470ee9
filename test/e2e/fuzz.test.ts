// Mutated iCalendar and XML on a running server, for 20 seconds; scripts/soak-fuzz.mjs does it for ten minutes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../support/fuzz.ts";

const seconds = Number(process.env["FUZZ_SECONDS"] ?? 20);
const seed = Number(process.env["FUZZ_SEED"] ?? 1);

test(`${seconds} s of mutated requests: none fails, none takes 250 ms, no worker ends (seed ${seed})`, async (t) => {
  const { requests, slowest, statuses, problems } = await fuzz({ seconds, seed });
  t.diagnostic(`${requests} requests, slowest ${slowest.toFixed(0)} ms, ${JSON.stringify(statuses)}`);
  assert.deepEqual(problems.slice(0, 3), [], `${problems.length} problems`);
  assert.ok(requests > seconds * 20, `${requests}`);
});
