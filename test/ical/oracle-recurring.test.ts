// Thousands of random objects – rules, RDATE, EXDATE, overrides, zones, lengths – and ranges, read here, by python3-icalendar
// with python3-dateutil, and by ical.js. Where they differ, disagreements.md says by the RFC who is right.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { judge, newTally, type Tally } from "../support/recurring-judges.ts";

const seed = Number(process.env["RECURRENCE_SEED"] ?? 20_261_120);
const count = Number(process.env["RECURRENCE_COUNT"] ?? 5_000);

const paragraphs = new Set(
  [...readFileSync(new URL("disagreements.md", import.meta.url), "utf8").matchAll(/^## (.*)$/gm)].map(
    ([, title]) => title,
  ),
);

function assertSettled(tally: Tally): void {
  assert.deepEqual(tally.problems.slice(0, 5), [], `${tally.problems.length} of ${tally.cases} cases differ`);
  for (const paragraph of tally.explained.keys()) assert.ok(paragraphs.has(paragraph), paragraph);
}

test(`${count} random objects have the instances that two other implementations find (seed ${seed})`, async (t) => {
  const tally = newTally();
  for (let at = 0; at < count; at += 2_500) await judge(seed + at, Math.min(2_500, count - at), tally);
  assertSettled(tally);
  assert.equal(tally.asked.python, count);
  assert.ok(tally.asked["ical.js"] > count * 0.4, `${tally.asked["ical.js"]}`);
  assert.ok(tally.instances > count * 3, `${tally.instances}`);
  t.diagnostic(`${tally.instances} instances; explained: ${JSON.stringify([...tally.explained])}`);
});
