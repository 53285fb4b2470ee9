// Lets people of one server create, change, answer, move and delete events at random, and compares their copies after each action:
//   node --import tsx scripts/soak-scheduling.mjs [seeds = 50] [first seed = 1] [actions = 60]
// Prints what was wrong with the actions that led to it; ends with 1 when something was.
import { fuzzScheduling } from "../test/dav/scheduling-fuzz.ts";

const seeds = Number(process.argv[2] ?? 50);
const first = Number(process.argv[3] ?? 1);
const actions = Number(process.argv[4] ?? 60);
let [done, wrong] = [0, 0];
const taken = {};
for (let seed = first; seed < first + seeds; seed++) {
  const result = await fuzzScheduling(seed, actions);
  done += result.actions;
  for (const [kind, count] of Object.entries(result.taken)) {
    const [name] = kind.split(/ \d| user/);
    taken[name] = (taken[name] ?? 0) + count;
  }
  if (result.problem !== undefined) {
    wrong += 1;
    console.log(`${result.problem}\n`);
  }
  process.stderr.write(`\r${seed - first + 1} of ${seeds} seeds, ${wrong} problems `);
}
process.stderr.write("\r");
console.log(
  Object.entries(taken)
    .map(([kind, count]) => `${kind}: ${count}`)
    .join(", "),
);
console.log(`${seeds} seeds, ${done} actions, ${wrong} problems`);
process.exitCode = wrong === 0 ? 0 : 1;
