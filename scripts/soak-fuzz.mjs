// Sends mutated iCalendar and XML to a server of its own for some time:
//   node --import tsx scripts/soak-fuzz.mjs [seconds = 600] [seed]
// Ends with 1 when a request was answered with 5xx or not at all, took more than 250 ms, or a worker was restarted.
import { fuzz } from "../test/support/fuzz.ts";

const seconds = Number(process.argv[2] ?? 600);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
console.log(`${seconds} s, seed ${seed}`);
const result = await fuzz({ seconds, seed, progress: (line) => process.stderr.write(`\r${line}`) });
console.log();
for (const problem of result.problems.slice(0, 20)) console.log(`${problem}\n`);
console.log(
  `${result.requests} requests, slowest ${result.slowest.toFixed(0)} ms, statuses ${JSON.stringify(result.statuses)}`,
);
console.log(`the slowest: ${result.slowestWas.slice(0, 600)}`);
console.log(`${result.problems.length} problems`);
process.exitCode = result.problems.length === 0 ? 0 : 1;
