import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { utc } from "../../src/model/ids.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { caldav, el } from "../../src/xml/element.ts";
import { type Given, givenStore, now } from "../support/store.ts";
import { type Desk, deskOver, invitation } from "./given.ts";

const opened: Given[] = [];
after(async () => {
  for (const given of opened) await given.end();
});

async function given(): Promise<{ store: Given; desk: Desk; second: () => Promise<Desk> }> {
  const store = await givenStore();
  opened.push(store);
  let at = now as number;
  // Messages of one second have one DTSTAMP; people are slower.
  const clock = () => utc(at++);
  return { store, desk: deskOver(store.store, clock), second: async () => deskOver(await store.again(), clock) };
}

const accepted = (name: string): RegExp => new RegExp(`PARTSTAT=ACCEPTED[^\r\n]*:mailto:${name}@`);
const answered = (text: string, name: string, partstat: string): string =>
  text.replace(new RegExp(`(ATTENDEE[^:]*?):mailto:${name}@`), `$1;PARTSTAT=${partstat}:mailto:${name}@`);

describe("an invitation on one server", () => {
  test("lies in the attendee's calendar and inbox; his answer reaches the organizer and the others", async () => {
    const { desk } = await given();
    await desk.put("alice", "lunch.ics", invitation("lunch", "alice", ["bob", "carol"]));
    assert.equal((await desk.inbox("bob")).length, 1);
    const own = (await desk.copy("bob", "lunch")) ?? "";
    const name = (await (await desk.calendar("bob")).nameOf("lunch")) ?? "";
    await desk.put("bob", name, answered(own, "bob", "ACCEPTED"));
    assert.match((await desk.copy("alice", "lunch")) ?? "", accepted("bob"));
    await desk.scheduling.idle();
    assert.match((await desk.copy("carol", "lunch")) ?? "", accepted("bob"));
    assert.equal((await desk.inbox("carol")).length, 1, "what others answer is no news for the inbox");
    assert.equal((await desk.inbox("alice")).length, 1);
    assert.deepEqual(desk.warnings, []);
  });

  test("goes out to two hundred while other work goes on", async () => {
    const { desk } = await given();
    const guests = Array.from({ length: 200 }, (_, index) => `u${index}`);
    let longest = 0;
    let last = performance.now();
    const ticking = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    await desk.put("alice", "party.ics", invitation("party", "alice", guests));
    clearInterval(ticking);
    for (const name of guests) assert.ok(await desk.copy(name, "party"), name);
    assert.ok(longest < 1000, `the loop stood still for ${longest} ms`);
  });

  test("many answers at once become few updates, and all of them arrive", async () => {
    const { desk } = await given();
    const guests = Array.from({ length: 12 }, (_, index) => `u${index}`);
    await desk.put("alice", "party.ics", invitation("party", "alice", guests));
    await Promise.all(
      guests.map(async (guest) => {
        const own = (await desk.copy(guest, "party")) ?? "";
        const name = (await (await desk.calendar(guest)).nameOf("party")) ?? "";
        await desk.put(guest, name, answered(own, guest, "ACCEPTED"));
      }),
    );
    await desk.scheduling.idle();
    for (const guest of ["alice", ...guests]) {
      const text = (await desk.copy(guest, "party")) ?? "";
      for (const other of guests) assert.match(text, accepted(other), `${guest} knows of ${other}`);
    }
  });

  test("keeps its schedule tag through answers, and changes it with what it says", async () => {
    const { desk } = await given();
    const tagOf = async (name: string, uid: string): Promise<string | undefined> => {
      const calendar = await desk.calendar(name);
      const file = await calendar.nameOf(uid);
      return file === undefined ? undefined : (await calendar.entry(file))?.scheduleTag;
    };
    await desk.put("alice", "lunch.ics", invitation("lunch", "alice", ["bob", "carol"]));
    const before = [await tagOf("alice", "lunch"), await tagOf("carol", "lunch")];
    assert.match(before[0] ?? "", /^"[0-9a-f-]{36}"$/);
    const name = (await (await desk.calendar("bob")).nameOf("lunch")) ?? "";
    await desk.put("bob", name, answered((await desk.copy("bob", "lunch")) ?? "", "bob", "DECLINED"));
    await desk.scheduling.idle();
    assert.deepEqual([await tagOf("alice", "lunch"), await tagOf("carol", "lunch")], before);
    await desk.put("alice", "lunch.ics", invitation("lunch", "alice", ["bob", "carol"], ["LOCATION:Here"]));
    assert.notEqual(await tagOf("alice", "lunch"), before[0]);
    assert.notEqual(await tagOf("carol", "lunch"), before[1]);
  });

  test("has one object per user: the same UID in a second calendar is refused", async () => {
    const { desk, store } = await given();
    await desk.put("alice", "lunch.ics", invitation("lunch", "alice", ["bob"]));
    await store.store.create({ owner: desk.person("bob"), path: ["work"] }, "calendar", new Map());
    const own = (await desk.copy("bob", "lunch")) ?? "";
    const work = await store.store.open({ owner: desk.person("bob"), path: ["work"] });
    assert.ok(work);
    const { validateForStorage } = await import("../../src/ical/validate.ts");
    const sent = validateForStorage(own, { maxInstances: 100 });
    await assert.rejects(
      desk.scheduling.change(
        {
          ...{ owner: desk.person("bob"), collection: work, name: "x.ics", sent, merge: false, silent: false },
          ...{ may: undefined, check: () => undefined, maySend: async () => undefined, commit: async () => undefined },
        },
        "lunch",
      ),
      (error) => error instanceof Refusal && error.reason.code === "unique-scheduling-object-resource",
    );
  });
});

describe("a room", () => {
  test("booked by twenty organizers through two workers at one moment goes to exactly one", async () => {
    const { desk, second } = await given();
    const other = await second();
    const organizers = Array.from({ length: 20 }, (_, index) => `o${index}`);
    await Promise.all(
      organizers.map((name, index) =>
        (index % 2 === 0 ? desk : other).put(name, "m.ics", invitation(`m-${name}`, name, ["room1"])),
      ),
    );
    await Promise.all([desk.scheduling.idle(), other.scheduling.idle()]);
    const winners: string[] = [];
    for (const name of organizers) {
      const text = (await desk.copy(name, `m-${name}`)) ?? "";
      if (accepted("room1").test(text)) winners.push(name);
      else assert.match(text, /PARTSTAT=DECLINED[^\r\n]*:mailto:room1@/, `${name} sees a decline`);
    }
    assert.equal(winners.length, 1, winners.join(" "));
    assert.deepEqual([...desk.warnings, ...other.warnings], []);
  });
});

describe("a room with an availability", () => {
  test("declines what lies outside of it, and of a series just those instances", async () => {
    const { desk, store } = await given();
    await desk.calendar("room1");
    const inbox = await store.store.open({ owner: desk.person("room1"), path: ["inbox"] });
    const open = [
      ...["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VAVAILABILITY", "UID:a", "BEGIN:AVAILABLE", "UID:hours"],
      ...["DTSTART:20261116T090000Z", "DTEND:20261116T170000Z", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"],
      ...["END:AVAILABLE", "END:VAVAILABILITY", "END:VCALENDAR", ""],
    ].join("\r\n");
    const name = caldav("calendar-availability");
    await inbox?.change((change) => change.setProperties(undefined, new Map([[name, el(name, open)]])));
    const ask = async (uid: string, ...lines: readonly string[]): Promise<string> => {
      await desk.put("alice", `${uid}.ics`, invitation(uid, "alice", ["room1"], lines));
      await desk.scheduling.idle();
      return (await desk.copy("alice", uid)) ?? "";
    };
    assert.match(await ask("day", "DTSTART:20261123T100000Z", "DURATION:PT1H"), accepted("room1"));
    assert.match(
      await ask("night", "DTSTART:20261123T200000Z", "DURATION:PT1H"),
      /PARTSTAT=DECLINED[^\r\n]*:mailto:room1@/,
    );
    const days = await ask("days", "DTSTART:20261125T110000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=5");
    const [master = "", ...others] = days.split("BEGIN:VEVENT").slice(1);
    assert.match(master, accepted("room1"));
    assert.deepEqual(
      others.map((one) => /RECURRENCE-ID:(\d{8})/.exec(one)?.[1]),
      ["20261128", "20261129"],
      "Saturday and Sunday",
    );
    for (const one of others) assert.match(one, /PARTSTAT=DECLINED[^\r\n]*:mailto:room1@/);
    assert.deepEqual(desk.warnings, []);
  });
});

describe("two people who answer and change one event at the same time", () => {
  test("do not wait for each other for ever", async () => {
    const { desk } = await given();
    await desk.put("alice", "a.ics", invitation("a", "alice", ["bob"]));
    await desk.put("bob", "b.ics", invitation("b", "bob", ["alice"]));
    const answer = async (name: string, uid: string): Promise<void> => {
      const file = (await (await desk.calendar(name)).nameOf(uid)) ?? "";
      await desk.put(name, file, answered((await desk.copy(name, uid)) ?? "", name, "ACCEPTED"));
    };
    await Promise.all([
      answer("bob", "a"),
      answer("alice", "b"),
      desk.put("alice", "a.ics", invitation("a", "alice", ["bob"], ["LOCATION:Here"])),
      desk.put("bob", "b.ics", invitation("b", "bob", ["alice"], ["LOCATION:There"])),
    ]);
    await desk.scheduling.idle();
    assert.match((await desk.copy("bob", "a")) ?? "", /LOCATION:Here/);
    assert.match((await desk.copy("alice", "b")) ?? "", /LOCATION:There/);
  });
});
