// Carries out a part of a scenario and kills itself when the store has passed so many points: argv root, scenario ("recover": what a
// server does when it starts), point (0: never), part, parts. Prints `did <what>` for what was answered, and `passed <points>`.
import { writeSync } from "node:fs";
import { onWritePoint } from "../../src/store/points.ts";
import { openDesk } from "./kill-points.ts";
import { scenarioNamed } from "./kill-scenarios.ts";

const [root = "", name = "", at = "0", part = "0", parts = "1"] = process.argv.slice(2);
const { desk } = await openDesk(root, name === "recover" ? 2_000 : 1_000);
let passed = 0;
onWritePoint(() => {
  passed += 1;
  if (passed === Number(at)) process.kill(process.pid, "SIGKILL");
});
// Written before anything else happens, as an answer that has left.
const did = (what: string): void => void writeSync(1, `did ${what}\n`);
if (name === "recover") await desk.scheduling.recover();
else await scenarioNamed(name).act(desk, { part: Number(part), parts: Number(parts), did });
await desk.scheduling.idle();
writeSync(1, `passed ${passed}\n`);
process.exit(0);
