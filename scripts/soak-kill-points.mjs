// Kills the process at points of what scheduling does, and looks at what the next one makes of it:
//   node --import tsx scripts/soak-kill-points.mjs [points = 200] [seed = 1] [scenario ...]
// Prints what was not right and a summary of each scenario; ends with 1 when something was not.
import { killPoints } from "../test/scheduling/kill-points.ts";
import { scenarios } from "../test/scheduling/kill-scenarios.ts";

const tries = Number(process.argv[2] ?? 200);
const seed = Number(process.argv[3] ?? 1);
const chosen = process.argv.slice(4);
let wrong = 0;
for (const { name, claim } of scenarios) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const began = Date.now();
  const progress = (line) => process.stderr.write(`\r${line} `);
  const { points, kills, again, anomalies } = await killPoints(name, { tries, seed, width: 2, progress });
  process.stderr.write("\r");
  for (const anomaly of anomalies.slice(0, 5)) console.log(`${anomaly}\n`);
  wrong += anomalies.length;
  const time = Math.round((Date.now() - began) / 1000);
  console.log(`${name} (${claim}): ${tries} of ${points} points, ${kills} kills, ${again} more while carrying on,`);
  console.log(`  ${anomalies.length} anomalies, ${time} s`);
}
console.log(wrong === 0 ? "no anomalies" : `${wrong} anomalies`);
process.exitCode = wrong === 0 ? 0 : 1;
