// Asks two other implementations about many random recurring objects: node --import tsx scripts/soak-recurrence.mjs [count] [seed]
// Prints what differs and the figures; ends with 1 when a difference has no explanation in test/ical/disagreements.md.
import { judge, newTally } from "../test/support/recurring-judges.ts";

const count = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? 1);
const batch = 2_500;
const parallel = 2;

const tally = newTally();
const started = performance.now();
let next = 0;

async function work() {
  while (next < count) {
    const at = next;
    next += batch;
    await judge(seed + at, Math.min(batch, count - at), tally);
    process.stderr.write(`\r${tally.cases} of ${count}, ${tally.problems.length} unexplained `);
  }
}
await Promise.all(Array.from({ length: parallel }, work));

console.log();
for (const problem of tally.problems.slice(0, 20)) console.log(`${problem}\n`);
console.log(
  `${tally.cases} objects, ${tally.instances} instances, ${Math.round((performance.now() - started) / 1000)} s`,
);
for (const [name, asked] of Object.entries(tally.asked)) console.log(`${name} answered ${asked}`);
for (const [paragraph, times] of tally.explained) console.log(`${times} × ${paragraph}`);
console.log(`${tally.problems.length} unexplained`);
process.exitCode = tally.problems.length === 0 ? 0 : 1;
