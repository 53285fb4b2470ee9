// Compares what index and plan answer with reading every object, for many seeds:
//   node --import tsx scripts/soak-queries.mjs [seeds = 50] [first seed = 1]
// Prints what differs and the figures; ends with 1 when something does.
import { bruteForce } from "../test/dav/brute-force.ts";

const seeds = Number(process.argv[2] ?? 50);
const first = Number(process.argv[3] ?? 1);
let [stored, found, periods, wrong] = [0, 0, 0, 0];
for (let seed = first; seed < first + seeds; seed++) {
  const result = await bruteForce(seed, 150, 50);
  stored += result.stored;
  found += result.found;
  periods += result.periods;
  wrong += result.differences.length;
  for (const difference of result.differences.slice(0, 5)) console.log(`seed ${seed}: ${difference}\n`);
  process.stderr.write(`\r${seed - first + 1} of ${seeds}, ${wrong} differences `);
}
console.log(`\n${seeds} seeds, ${stored} objects, ${found} matches, ${periods} busy periods, ${wrong} differences`);
process.exitCode = wrong === 0 ? 0 : 1;
