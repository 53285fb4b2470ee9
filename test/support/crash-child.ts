// Runs one scenario on a prepared store and kills itself at a named point: argv root, scenario, point, which time.
import { onWritePoint } from "../../src/store/points.ts";
import { FileStore } from "../../src/store/store.ts";
import { scenarios } from "./crash-scenarios.ts";
import { now } from "./store.ts";

const [root = "", scenario = "", point = "", times = "1"] = process.argv.slice(2);
const { store } = await FileStore.open({
  root,
  startId: "child",
  quota: undefined,
  now: () => now,
  warn: () => undefined,
});
let left = Number(times);
onWritePoint((reached) => {
  if (reached === point && --left === 0) process.kill(process.pid, "SIGKILL");
});
await scenarios[scenario]?.(store);
process.exit(0);
