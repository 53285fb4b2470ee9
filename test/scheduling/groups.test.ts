import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { utc } from "../../src/model/ids.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { type Given, givenStore, now } from "../support/store.ts";
import { type Desk, deskOver, invitation } from "./given.ts";

const opened: Given[] = [];
after(async () => {
  for (const given of opened) await given.end();
});

async function given(at = now as number): Promise<Desk> {
  const store = await givenStore();
  opened.push(store);
  let clock = at;
  const desk = deskOver(store.store, () => utc(clock++));
  desk.teams.set("team1", ["bob", "carol"]);
  return desk;
}

const lineOf = (text: string | undefined, name: string): string | undefined =>
  text?.split("\r\n").find((line) => line.startsWith("ATTENDEE") && line.endsWith(`:mailto:${name}@example.com`));
const guestsOf = (text: string | undefined): readonly string[] =>
  [...(text ?? "").matchAll(/^ATTENDEE.*:mailto:(\w+)@/gm)].map(([, name]) => name ?? "");
const update = async (desk: Desk): Promise<void> => {
  await desk.scheduling.groups.update();
  await desk.scheduling.idle();
};

describe("a group that is invited", () => {
  test("brings its members: each is an ATTENDEE with MEMBER, has the event and may answer", async () => {
    const desk = await given();
    await desk.put("alice", "e.ics", invitation("e", "alice", ["dave", "team1"]));
    const own = await desk.copy("alice", "e");
    assert.deepEqual(guestsOf(own), ["dave", "team1", "bob", "carol"]);
    assert.match(lineOf(own, "team1") ?? "", /;CUTYPE=GROUP.*;SCHEDULE-STATUS=2\.7:/);
    assert.match(lineOf(own, "bob") ?? "", /;MEMBER="mailto:team1@example.com"/);
    assert.match(lineOf(own, "bob") ?? "", /PARTSTAT=NEEDS-ACTION.*SCHEDULE-STATUS=1\.2/);
    assert.doesNotMatch(lineOf(own, "dave") ?? "", /MEMBER/);
    assert.equal((await desk.inbox("carol")).length, 1);
    const copy = (await desk.copy("carol", "e")) ?? "";
    const name = (await (await desk.calendar("carol")).nameOf("e")) ?? "";
    await desk.put("carol", name, copy.replace(/PARTSTAT=NEEDS-ACTION([^\r\n]*:mailto:carol@)/, "PARTSTAT=ACCEPTED$1"));
    assert.match(lineOf(await desk.copy("alice", "e"), "carol") ?? "", /PARTSTAT=ACCEPTED/);
    assert.deepEqual(desk.warnings, []);
  });

  test("does not invite its organizer, nor anybody twice who is invited by name or by another group", async () => {
    const desk = await given();
    desk.teams.set("team1", ["alice", "bob", "carol"]);
    desk.teams.set("team2", ["carol"]);
    await desk.put("alice", "e.ics", invitation("e", "alice", ["bob", "team1", "team2"]));
    const own = await desk.copy("alice", "e");
    assert.deepEqual(guestsOf(own), ["bob", "team1", "team2", "carol"]);
    assert.doesNotMatch(lineOf(own, "bob") ?? "", /MEMBER/);
    assert.match(lineOf(own, "carol") ?? "", /MEMBER="mailto:team1@example.com","mailto:team2@example.com"/);
    assert.equal((await desk.inbox("carol")).length, 1);
  });

  test("with more members than MaxMembers is refused with max-attendees-per-instance, and nobody is invited", async () => {
    const desk = await given();
    const many = Array.from({ length: 61 }, (_, index) => `u${index}`);
    desk.teams.set("team1", many);
    await assert.rejects(
      desk.put("alice", "e.ics", invitation("e", "alice", ["team1"])),
      (error) => error instanceof Refusal && error.reason.code === "max-attendees-per-instance",
    );
    assert.equal(await desk.copy("u0", "e"), undefined);
    desk.teams.set("team1", many.slice(1));
    await desk.put("alice", "e.ics", invitation("e", "alice", ["team1"]));
    assert.ok(await desk.copy("u60", "e"));
  });

  test("with SCHEDULE-AGENT=CLIENT is the client's to expand", async () => {
    const desk = await given();
    const line = "ATTENDEE;SCHEDULE-AGENT=CLIENT:mailto:team1@example.com";
    await desk.put("alice", "e.ics", invitation("e", "alice", [line]));
    assert.deepEqual(guestsOf(await desk.copy("alice", "e")), ["team1"]);
  });

  test("and taken off takes its members along, not who is invited by name", async () => {
    const desk = await given();
    await desk.put("alice", "e.ics", invitation("e", "alice", ["dave", "team1"]));
    const own = (await desk.copy("alice", "e")) ?? "";
    await desk.put("alice", "e.ics", own.replace(/ATTENDEE[^\r\n]*:mailto:team1@example.com\r\n/, ""));
    assert.deepEqual(guestsOf(await desk.copy("alice", "e")), ["dave"]);
    assert.match((await desk.copy("bob", "e")) ?? "", /STATUS:CANCELLED/);
    assert.doesNotMatch((await desk.copy("dave", "e")) ?? "", /STATUS:CANCELLED/);
  });

  test("keeps its members, and their answers, when the client forgets MEMBER or leaves them out", async () => {
    const desk = await given();
    await desk.put("alice", "e.ics", invitation("e", "alice", ["team1"]));
    const copy = (await desk.copy("bob", "e")) ?? "";
    const name = (await (await desk.calendar("bob")).nameOf("e")) ?? "";
    await desk.put("bob", name, copy.replace(/PARTSTAT=NEEDS-ACTION([^\r\n]*:mailto:bob@)/, "PARTSTAT=ACCEPTED$1"));
    await desk.put("alice", "e.ics", invitation("e", "alice", ["team1"], ["LOCATION:Here"]));
    const left = (await desk.copy("alice", "e")) ?? "";
    assert.match(lineOf(left, "bob") ?? "", /PARTSTAT=ACCEPTED/);
    await desk.put("alice", "e.ics", left.replaceAll(';MEMBER="mailto:team1@example.com"', ""));
    assert.match(lineOf(await desk.copy("alice", "e"), "bob") ?? "", /MEMBER="mailto:team1@example.com"/);
    assert.doesNotMatch((await desk.copy("bob", "e")) ?? "", /STATUS:CANCELLED/);
  });

  test("is expanded in the one instance that invites it", async () => {
    const desk = await given();
    const series = invitation("e", "alice", ["dave"], ["RRULE:FREQ=DAILY;COUNT=5"]);
    const instance = invitation(
      "e",
      "alice",
      ["dave", "team1"],
      ["RECURRENCE-ID:20261122T100000Z", "DTSTART:20261122T120000Z"],
    );
    const event = /BEGIN:VEVENT[\s\S]*END:VEVENT\r\n/;
    const both = series.replace("END:VCALENDAR", `${event.exec(instance)?.[0] ?? ""}END:VCALENDAR`);
    await desk.put("alice", "e.ics", both);
    assert.deepEqual(guestsOf(await desk.copy("alice", "e")), ["dave", "dave", "team1", "bob", "carol"]);
    const copy = (await desk.copy("bob", "e")) ?? "";
    assert.equal(copy.match(/BEGIN:VEVENT/g)?.length, 1);
    assert.match(copy, /RECURRENCE-ID:20261122T100000Z/);
  });
});

describe("when the members of a group change", () => {
  test("who came is invited and who left uninvited, without anybody touching the event", async () => {
    const desk = await given();
    await desk.put("alice", "e.ics", invitation("e", "alice", ["team1"]));
    desk.teams.set("team1", ["carol", "erin"]);
    await update(desk);
    assert.deepEqual(guestsOf(await desk.copy("alice", "e")), ["team1", "carol", "erin"]);
    assert.match((await desk.copy("bob", "e")) ?? "", /STATUS:CANCELLED/);
    assert.ok(await desk.copy("erin", "e"));
    assert.equal((await desk.inbox("erin")).length, 1);
    assert.ok(lineOf(await desk.copy("carol", "e"), "erin"), "the others hear of it");
    const before = await desk.copy("alice", "e");
    await update(desk);
    assert.equal(await desk.copy("alice", "e"), before, "nothing more follows");
    assert.deepEqual(desk.warnings, []);
  });

  test("the organizer's next change says so, too", async () => {
    const desk = await given();
    await desk.put("alice", "e.ics", invitation("e", "alice", ["team1"]));
    desk.teams.set("team1", ["carol"]);
    await desk.put("alice", "e.ics", (await desk.copy("alice", "e"))?.replace("SUMMARY:e", "SUMMARY:f"));
    assert.deepEqual(guestsOf(await desk.copy("alice", "e")), ["team1", "carol"]);
    assert.match((await desk.copy("bob", "e")) ?? "", /STATUS:CANCELLED/);
  });

  test("events that are over, and those that are gone, stay as they are", async () => {
    const desk = await given(now + 30 * 86_400);
    await desk.put("alice", "e.ics", invitation("e", "alice", ["team1"]));
    await desk.put("alice", "f.ics", invitation("f", "alice", ["team1"], ["DTSTART:20270101T100000Z"]));
    await desk.put("alice", "f.ics", undefined);
    desk.teams.set("team1", ["erin"]);
    await update(desk);
    assert.deepEqual(guestsOf(await desk.copy("alice", "e")), ["team1", "bob", "carol"]);
    assert.equal(await desk.copy("erin", "e"), undefined);
    assert.equal(await desk.copy("alice", "f"), undefined);
  });
});
