import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Desk, invitation } from "./given.ts";

/** Something that processes are killed in. */
export interface Scenario {
  readonly name: string;
  /** What holds after each restart. */
  readonly claim: string;
  /** Processes that do it side by side: the first is killed. */
  readonly parts: number;
  /** Before. */
  prepare(desk: Desk): Promise<unknown>;
  act(desk: Desk, turn: Turn): Promise<unknown>;
  /** What clients do through a process that lives, before anybody looks for what the dead one has left. */
  meanwhile?(desk: Desk): Promise<unknown>;
  /** Throws for what is not right. */
  look(desk: Desk, after: After): Promise<void>;
}

interface Turn {
  readonly part: number;
  readonly parts: number;
  /** An answer has left: from now on it has happened. */
  did(what: string): void;
}

interface After {
  readonly root: string;
  readonly did: ReadonlySet<string>;
}

const guests = Array.from({ length: 50 }, (_, index) => `u${index}`);
const organizers = Array.from({ length: 8 }, (_, index) => `o${index}`);
const newcomer = "u50";

/** The person's ATTENDEE line in an unfolded text, its parameters in order. */
function lineOf(text: string | undefined, person: string): string {
  const found = new RegExp(`^ATTENDEE([^\\r\\n]*):mailto:${person}@example\\.com`, "m").exec(text ?? "");
  return found === null ? "" : `ATTENDEE${found[1]}`;
}
const partstatIn = (text: string | undefined, person: string): string =>
  /;PARTSTAT=([A-Z-]+)/.exec(lineOf(text, person))?.[1] ?? "NEEDS-ACTION";
const statusIn = (text: string | undefined, person: string): string =>
  /;SCHEDULE-STATUS="?([0-9.,]+)/.exec(lineOf(text, person))?.[1] ?? "none";
const replyStatusIn = (text: string | undefined): string =>
  /^ORGANIZER[^\r\n]*;SCHEDULE-STATUS="?([0-9.,]+)/m.exec(text ?? "")?.[1] ?? "none";
const startIn = (text: string | undefined): string => /^DTSTART[^:\r\n]*:(\S+)/m.exec(text ?? "")?.[1] ?? "none";
const isCancelled = (text: string | undefined): boolean => /^STATUS:CANCELLED/m.test(text ?? "");

/** METHODs of what lies in an inbox, in alphabetical order. */
const methodsIn = async (desk: Desk, name: string): Promise<string> =>
  (await desk.inbox(name))
    .map((text) => /^METHOD:(\w+)/m.exec(text)?.[1] ?? "no method")
    .sort()
    .join(" ");

const answered = (text: string, name: string, partstat: string): string =>
  text
    .replaceAll("\r\n ", "")
    .replace(new RegExp(`^(ATTENDEE[^:\\r\\n]*):mailto:${name}@`, "m"), (_whole, head: string) => {
      return `${head.replace(/;(PARTSTAT|RSVP)=[^;:]*/g, "")};PARTSTAT=${partstat}:mailto:${name}@`;
    });

async function answer(desk: Desk, name: string, partstat: string): Promise<void> {
  const own = (await desk.copy(name, "party")) ?? "";
  const file = (await (await desk.calendar(name)).nameOf("party")) ?? "";
  await desk.put(name, file, answered(own, name, partstat));
}

const invite = (desk: Desk): Promise<unknown> => desk.put("alice", "party.ics", invitation("party", "alice", guests));

/** Everybody's copy says the same of everybody's answer. */
async function sameAnswers(desk: Desk, own: string | undefined, people: readonly string[]): Promise<void> {
  for (const name of people) {
    const copy = await desk.copy(name, "party");
    for (const other of people)
      assert.equal(partstatIn(copy, other), partstatIn(own, other), `${name}'s copy says of ${other}`);
    assert.equal(/^ATTENDEE[^\r\n]*;SCHEDULE-STATUS/m.test(copy ?? ""), false, `${name} sees delivery notes`);
  }
}

export const scenarios: readonly Scenario[] = [
  {
    name: "invite",
    claim: "an invitation of fifty: all of it happened or none",
    parts: 1,
    prepare: (desk) => desk.calendar("alice"),
    act: async (desk, { did }) => {
      await invite(desk);
      did("invite");
    },
    look: async (desk, { did }) => {
      const own = await desk.copy("alice", "party");
      assert.ok(own !== undefined || !did.has("invite"), "what was answered is there");
      for (const name of guests) {
        assert.equal((await desk.copy(name, "party")) !== undefined, own !== undefined, name);
        assert.equal(await methodsIn(desk, name), own === undefined ? "" : "REQUEST", `inbox of ${name}`);
        if (own !== undefined) assert.equal(statusIn(own, name), "1.2", name);
      }
      if (own !== undefined) await sameAnswers(desk, own, guests);
      assert.equal(await methodsIn(desk, "alice"), "");
    },
  },
  {
    name: "cancel",
    claim: "a cancellation of fifty: all of it happened or none",
    parts: 1,
    prepare: invite,
    act: async (desk, { did }) => {
      await desk.put("alice", "party.ics", undefined);
      did("cancel");
    },
    look: async (desk, { did }) => {
      const own = await desk.copy("alice", "party");
      assert.ok(own === undefined || !did.has("cancel"), "what was answered is gone");
      for (const name of guests) {
        const copy = await desk.copy(name, "party");
        assert.ok(copy !== undefined, `${name} has a copy`);
        assert.equal(isCancelled(copy), own === undefined, name);
        assert.equal(await methodsIn(desk, name), own === undefined ? "CANCEL REQUEST" : "REQUEST", `inbox of ${name}`);
      }
    },
  },
  {
    name: "reschedule",
    claim: "a reschedule of fifty, one of whom is replaced: all of it happened or none",
    parts: 1,
    prepare: async (desk) => {
      await invite(desk);
      for (const name of guests.slice(0, 5)) await answer(desk, name, "ACCEPTED");
    },
    act: async (desk, { did }) => {
      const times = ["DTSTART:20261122T100000Z", "DTEND:20261122T110000Z"];
      await desk.put("alice", "party.ics", invitation("party", "alice", [...guests.slice(1), newcomer], times));
      did("reschedule");
    },
    look: async (desk, { did }) => {
      const own = await desk.copy("alice", "party");
      const isMoved = startIn(own) === "20261122T100000Z";
      assert.ok(isMoved || !did.has("reschedule"), "what was answered is there");
      const stay = guests.slice(1);
      for (const name of stay) {
        const copy = await desk.copy(name, "party");
        assert.equal(startIn(copy), startIn(own), name);
        assert.equal(await methodsIn(desk, name), isMoved ? "REQUEST REQUEST" : "REQUEST", `inbox of ${name}`);
        if (isMoved) {
          assert.equal(partstatIn(own, name), "NEEDS-ACTION", name);
          assert.equal(statusIn(own, name), "1.2", name);
        }
      }
      const [removed = ""] = guests;
      assert.equal(isCancelled(await desk.copy(removed, "party")), isMoved, "who was taken off");
      assert.equal(await methodsIn(desk, removed), isMoved ? "CANCEL REQUEST" : "REQUEST");
      assert.equal(startIn(await desk.copy(newcomer, "party")), isMoved ? "20261122T100000Z" : "none", "who came");
      assert.equal(await methodsIn(desk, newcomer), isMoved ? "REQUEST" : "");
      await sameAnswers(desk, own, isMoved ? [...stay, newcomer] : guests);
    },
  },
  {
    name: "overtaken",
    claim:
      "an invitation whose client changes it again before the killed process is missed: one after the other, each once",
    parts: 1,
    prepare: (desk) => desk.calendar("alice"),
    act: invite,
    meanwhile: (desk) => {
      const times = ["DTSTART:20261122T100000Z", "DTEND:20261122T110000Z"];
      return desk.put("alice", "party.ics", invitation("party", "alice", guests.slice(1), times));
    },
    look: async (desk) => {
      const own = await desk.copy("alice", "party");
      assert.equal(startIn(own), "20261122T100000Z");
      const [removed = "", ...stay] = guests;
      const wasInvited = (await desk.copy(removed, "party")) !== undefined;
      assert.equal(isCancelled(await desk.copy(removed, "party")), wasInvited, "who was taken off");
      assert.equal(await methodsIn(desk, removed), wasInvited ? "CANCEL REQUEST" : "");
      for (const name of stay) {
        assert.equal(startIn(await desk.copy(name, "party")), "20261122T100000Z", name);
        assert.equal(await methodsIn(desk, name), wasInvited ? "REQUEST REQUEST" : "REQUEST", `inbox of ${name}`);
      }
      await sameAnswers(desk, own, stay);
    },
  },
  {
    name: "replies",
    claim: "fifty answers through two processes: each that was given is known to everybody, once",
    parts: 2,
    prepare: invite,
    act: (desk, { part, parts, did }) =>
      Promise.all(
        guests.map(async (name, index) => {
          if (index % parts !== part) return;
          await answer(desk, name, index % 3 === 0 ? "DECLINED" : "ACCEPTED");
          did(name);
        }),
      ),
    look: async (desk, { did }) => {
      const own = await desk.copy("alice", "party");
      const given: string[] = [];
      for (const [index, name] of guests.entries()) {
        const copy = await desk.copy(name, "party");
        const partstat = partstatIn(copy, name);
        if (partstat !== "NEEDS-ACTION" || did.has(name)) {
          given.push(name);
          assert.equal(partstat, index % 3 === 0 ? "DECLINED" : "ACCEPTED", name);
          assert.equal(replyStatusIn(copy), "1.2", `${name} knows that the answer arrived`);
          assert.equal(statusIn(own, name), "2.0", `the organizer's copy of ${name}`);
        } else assert.equal(statusIn(own, name), "1.2", `the organizer's copy of ${name}`);
        assert.equal(await methodsIn(desk, name), "REQUEST", `inbox of ${name}`);
      }
      await sameAnswers(desk, own, guests);
      const replies = (await desk.inbox("alice")).map((text) => /^ATTENDEE[^\r\n]*:mailto:(\w+)@/m.exec(text)?.[1]);
      assert.deepEqual(replies.sort(), given.sort(), "one reply of each in the organizer's inbox");
    },
  },
  {
    name: "room",
    claim: "a room that eight organizers want through two processes: one has it, each knows its answer",
    parts: 2,
    prepare: async (desk) => {
      for (const name of organizers) await desk.calendar(name);
    },
    act: (desk, { part, parts, did }) =>
      Promise.all(
        organizers.map(async (name, index) => {
          if (index % parts !== part) return;
          // All of them overlap.
          const times = [`DTSTART:20261121T10${index}000Z`, `DTEND:20261121T12${index}000Z`].map((line) =>
            line.replace(/(T\d\d)([67])0/, (_all, hour: string, ten: string) => `${hour}${Number(ten) - 2}5`),
          );
          await desk.put(name, "party.ics", invitation(`party-${name}`, name, ["room1", "u0"], times));
          did(name);
        }),
      ),
    look: async (desk, { did }) => {
      const answers: string[] = [];
      for (const name of organizers) {
        const uid = `party-${name}`;
        const own = await desk.copy(name, uid);
        const room = await desk.copy("room1", uid);
        assert.ok(own !== undefined || !did.has(name), "what was answered is there");
        assert.equal(room !== undefined, own !== undefined, `the room and ${name}`);
        assert.equal((await desk.copy("u0", uid)) !== undefined, own !== undefined, `the guest and ${name}`);
        assert.equal(await methodsIn(desk, name), own === undefined ? "" : "REPLY", `inbox of ${name}`);
        if (own === undefined) continue;
        const answer = partstatIn(room, "room1");
        answers.push(answer);
        assert.equal(partstatIn(own, "room1"), answer, name);
        assert.equal(partstatIn(await desk.copy("u0", uid), "room1"), answer, `the guest of ${name}`);
        assert.equal(statusIn(own, "room1"), "2.0", name);
        assert.equal(statusIn(own, "u0"), "1.2", name);
        assert.equal(replyStatusIn(room), "1.2", name);
      }
      const expected = answers.map((_, index) => (index === 0 ? "ACCEPTED" : "DECLINED"));
      assert.deepEqual(answers.sort(), expected, "one has it, the others know that they have not");
      const invited = answers.map(() => "REQUEST").join(" ");
      assert.equal(await methodsIn(desk, "u0"), invited, "the guest's inbox");
      assert.equal(await methodsIn(desk, "room1"), "", "the room's inbox");
    },
  },
  {
    name: "accept",
    claim: "an answer: the organizer and the forty-nine others hear of it, or it was not given",
    parts: 1,
    prepare: invite,
    act: async (desk, { did }) => {
      await answer(desk, "u0", "ACCEPTED");
      did("answer");
    },
    look: async (desk, { did }) => {
      const partstat = partstatIn(await desk.copy("u0", "party"), "u0");
      assert.ok(partstat === "ACCEPTED" || !did.has("answer"), "what was answered is there");
      for (const name of ["alice", ...guests])
        assert.equal(partstatIn(await desk.copy(name, "party"), "u0"), partstat, name);
      assert.equal(await methodsIn(desk, "alice"), partstat === "ACCEPTED" ? "REPLY" : "");
      for (const name of guests) assert.equal(await methodsIn(desk, name), "REQUEST", `inbox of ${name}`);
    },
  },
  {
    name: "rebook",
    claim: "a booked room's event gets another summary: the room is not asked anew, and nobody hears its answer twice",
    parts: 1,
    prepare: (desk) => desk.put("alice", "party.ics", invitation("party", "alice", ["room1", "u0"])),
    act: async (desk, { did }) => {
      const own = (await desk.copy("alice", "party")) ?? "";
      await desk.put("alice", "party.ics", own.replace("SUMMARY:party", "SUMMARY:dinner"));
      did("rebook");
    },
    look: async (desk, { did }) => {
      const own = await desk.copy("alice", "party");
      const isRenamed = own?.includes("SUMMARY:dinner") === true;
      assert.ok(isRenamed || !did.has("rebook"), "what was answered is there");
      for (const name of ["alice", "u0", "room1"]) {
        const copy = await desk.copy(name, "party");
        assert.equal(partstatIn(copy, "room1"), "ACCEPTED", name);
        assert.equal(copy?.includes("SUMMARY:dinner"), isRenamed, name);
      }
      assert.equal(await methodsIn(desk, "alice"), "REPLY");
      assert.equal(await methodsIn(desk, "u0"), isRenamed ? "REQUEST REQUEST" : "REQUEST");
    },
  },
  {
    name: "abroad",
    claim:
      "an invitation to another server: it was sent under one name, and the organizer's copy says so, or not at all",
    parts: 1,
    prepare: (desk) => desk.calendar("alice"),
    act: async (desk, { did }) => {
      await desk.scheduling.recover();
      await desk.put("alice", "party.ics", invitation("party", "alice", ["u0", "ATTENDEE:mailto:bob@example.org"]));
      did("invite");
    },
    look: async (desk, { root, did }) => {
      const own = await desk.copy("alice", "party");
      assert.ok(own !== undefined || !did.has("invite"), "what was answered is there");
      const sent = (await readFile(join(root, "sent"), "utf8").catch(() => "")).split("\n").filter(Boolean);
      assert.equal(new Set(sent).size, own === undefined ? 0 : 1);
      assert.ok(sent.length <= 3, "a kill between sending and noting it sends again, once for each");
      assert.equal((await desk.copy("u0", "party")) !== undefined, own !== undefined);
      if (own !== undefined) assert.match(own, /SCHEDULE-STATUS=1\.2[^\r\n]*:mailto:bob@example\.org/);
    },
  },
];

export function scenarioNamed(name: string): Scenario {
  const found = scenarios.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found;
}
