// Does one thing with attachments on a prepared store and kills itself at the n-th write point (0: never; prints how many there were):
// argv root, action, n.
import { onWritePoint } from "../../src/store/points.ts";
import { actions } from "./attachment-actions.ts";
import { givenExchange } from "./exchange.ts";

const [root = "", action = "", at = "0"] = process.argv.slice(2);
const exchange = await givenExchange({}, undefined, { root, startId: "child" });
let count = 0;
onWritePoint(() => {
  if (++count === Number(at)) process.kill(process.pid, "SIGKILL");
});
await actions[action]?.(exchange);
await exchange.tree.services.scheduling.idle();
process.stdout.write(`${count}`);
process.exit(0);
