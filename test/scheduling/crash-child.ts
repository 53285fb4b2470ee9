// Sends an invitation and kills itself when the store has passed so many points: argv root, action, how many, attendees.
import { onWritePoint } from "../../src/store/points.ts";
import { FileStore } from "../../src/store/store.ts";
import { now } from "../support/store.ts";
import { deskOver, invitation, outside } from "./given.ts";

const [root = "", action = "", at = "0", count = "0"] = process.argv.slice(2);
const { store } = await FileStore.open({
  root,
  startId: "child",
  quota: undefined,
  now: () => now,
  warn: () => undefined,
});
const desk = deskOver(store, () => now, [outside(root)]);
const guests = Array.from({ length: Number(count) }, (_, index) => `u${index}`);
let passed = 0;
onWritePoint(() => {
  passed += 1;
  if (passed === Number(at)) process.kill(process.pid, "SIGKILL");
});
if (action === "invite") await desk.put("alice", "party.ics", invitation("party", "alice", guests));
if (action === "abroad") {
  await desk.scheduling.recover();
  await desk.put("alice", "party.ics", invitation("party", "alice", ["u0", "ATTENDEE:mailto:bob@example.org"]));
}
if (action === "cancel") await desk.put("alice", "party.ics", undefined);
if (action === "accept") {
  const own = (await desk.copy("u0", "party")) ?? "";
  const calendar = await desk.calendar("u0");
  const name = (await calendar.nameOf("party")) ?? "";
  await desk.put("u0", name, own.replace(/(ATTENDEE[^:]*):mailto:u0@/, "$1;PARTSTAT=ACCEPTED:mailto:u0@"));
}
if (action === "book") await desk.put("alice", "party.ics", invitation("party", "alice", ["room1", "u0"]));
await desk.scheduling.idle();
process.stdout.write(`${passed}\n`);
process.exit(0);
