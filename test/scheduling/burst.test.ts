import assert from "node:assert/strict";
import { after, test } from "node:test";
import { utc } from "../../src/model/ids.ts";
import { onWritePoint } from "../../src/store/points.ts";
import { type Given, givenStore, now } from "../support/store.ts";
import { deskOver, invitation } from "./given.ts";

let store: Given | undefined;
after(async () => {
  onWritePoint(undefined);
  await store?.end();
});

test("fifty answers in a moment, through two workers, are told to the others in a few rounds", async () => {
  const given = await givenStore();
  store = given;
  let at = now as number;
  const clock = () => utc(at++);
  const desks = [deskOver(given.store, clock), deskOver(await given.again(), clock)] as const;
  const [first] = desks;
  const guests = Array.from({ length: 50 }, (_, index) => `u${index}`);
  await first.put("alice", "party.ics", invitation("party", "alice", guests));
  let written = 0;
  onWritePoint((point) => {
    if (point === "put.renamed") written += 1;
  });
  await Promise.all(
    guests.map(async (name, index) => {
      const desk = desks[index % 2] ?? first;
      const own = (await desk.copy(name, "party")) ?? "";
      const file = (await (await desk.calendar(name)).nameOf("party")) ?? "";
      const line = new RegExp(`^(ATTENDEE[^:\r\n]*):mailto:${name}@`, "m");
      await desk.put(name, file, own.replace(line, `$1;PARTSTAT=ACCEPTED:mailto:${name}@`));
    }),
  );
  for (const desk of desks) await desk.scheduling.idle();
  // Each answer is three files: the organizer's copy, the item in the inbox, the attendee's own copy.
  const refreshed = written - 3 * guests.length;
  assert.ok(refreshed <= 6 * guests.length, `${refreshed} copies were written to tell 50 answers to 49 others`);
  assert.ok(refreshed >= guests.length - 1, `${refreshed} copies were written`);
  for (const name of ["alice", ...guests]) {
    const copy = (await first.copy(name, "party")) ?? "";
    assert.equal(copy.match(/^ATTENDEE[^\r\n]*PARTSTAT=ACCEPTED/gm)?.length, guests.length, name);
  }
  assert.equal((await first.inbox("alice")).length, guests.length);
  assert.deepEqual([...first.warnings, ...desks[1].warnings], []);
});
