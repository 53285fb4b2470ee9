// Provisions homes at the same moments as its twin: `provision-child.ts ROOT START USERS`. Prints how often a calendar was missing.
import { utc } from "../../src/model/ids.ts";
import { FileStore } from "../../src/store/store.ts";
import { principal } from "./store.ts";

const [root = "", start = "0", users = "0"] = process.argv.slice(2);
const { store } = await FileStore.open({
  root,
  startId: "start",
  quota: undefined,
  now: () => utc(Math.floor(Date.now() / 1000)),
  warn: () => undefined,
  sweep: false,
  apart: false,
});
let missing = 0;
for (let user = 0; user < Number(users); user++) {
  while (Date.now() < Number(start) + user * 20) await new Promise((resolve) => setImmediate(resolve));
  const owner = principal(`new${user}`);
  const found = await Promise.all(
    Array.from({ length: 4 }, async () => {
      await store.provision(owner);
      return store.open({ owner, path: ["calendar"] });
    }),
  );
  missing += found.filter((calendar) => calendar === undefined).length;
}
await store.close();
console.log(missing);
