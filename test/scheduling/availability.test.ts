import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { formatUtc } from "../../src/ical/time.ts";
import { ianaZone, utcZone, type Zone } from "../../src/ical/zones.ts";
import { utc } from "../../src/model/ids.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { unavailableTime } from "../../src/scheduling/availability.ts";
import type { Collection } from "../../src/store/contract.ts";
import { caldav, cs, el, type QName } from "../../src/xml/element.ts";
import { alice, type Given, givenStore } from "../support/store.ts";

let given: Given;
let inbox: Collection;
before(async () => {
  given = await givenStore();
  await given.store.provision(alice);
  const opened = await given.store.open({ owner: alice, path: ["inbox"] });
  assert.ok(opened);
  inbox = opened;
});
after(() => given.end());

const name = caldav("calendar-availability");
const set = (text: string | undefined, as: QName = name): Promise<void> =>
  inbox.change((change) => change.setProperties(undefined, new Map([[as, text === undefined ? null : el(as, text)]])));

const calendar = (...lines: readonly string[]): string =>
  [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "BEGIN:VAVAILABILITY",
    "UID:a",
    ...lines,
    "END:VAVAILABILITY",
    "END:VCALENDAR",
    "",
  ].join("\r\n");
const available = (uid: string, ...lines: readonly string[]): readonly string[] => [
  ...["BEGIN:AVAILABLE", `UID:${uid}`, ...lines, "END:AVAILABLE"],
];
const office = available(
  "office",
  "DTSTART;TZID=Europe/Berlin:20260105T090000",
  "DTEND;TZID=Europe/Berlin:20260105T170000",
  "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
);

/** Monday 2026-01-05 and Tuesday, in UTC. */
const days = { start: utc(Date.UTC(2026, 0, 5) / 1000), end: utc(Date.UTC(2026, 0, 7) / 1000) };
async function away(zone: Zone = utcZone, limit = 100): Promise<readonly string[]> {
  const taken = await unavailableTime(inbox, days, zone, limit);
  return taken.map(({ start, end, busy }) => `${busy} ${formatUtc(start).slice(6, 11)}-${formatUtc(end).slice(6, 11)}`);
}

test("without an availability nobody is away", async () => assert.deepEqual(await away(), []));

test("what no AVAILABLE covers is BUSY-UNAVAILABLE", async () => {
  await set(calendar(...office));
  assert.deepEqual(await away(), [
    "BUSY-UNAVAILABLE 05T00-05T08",
    "BUSY-UNAVAILABLE 05T16-06T08",
    "BUSY-UNAVAILABLE 06T16-07T00",
  ]);
});

test("BUSYTYPE says what it is", async () => {
  await set(calendar("BUSYTYPE:BUSY-TENTATIVE", ...office));
  assert.equal((await away())[0], "BUSY-TENTATIVE 05T00-05T08");
});

test("an availability holds between its own ends only", async () => {
  await set(calendar("DTSTART:20260105T120000Z", "DURATION:PT6H", ...office));
  assert.deepEqual(await away(), ["BUSY-UNAVAILABLE 05T16-05T18"]);
  await set(calendar("DTSTART:20260201T000000Z", ...office));
  assert.deepEqual(await away(), []);
});

test("an AVAILABLE may be moved for one day", async () => {
  const moved = available(
    "office",
    "RECURRENCE-ID;TZID=Europe/Berlin:20260106T090000",
    "DTSTART;TZID=Europe/Berlin:20260106T130000",
    "DTEND;TZID=Europe/Berlin:20260106T170000",
  );
  await set(calendar(...office, ...moved));
  assert.deepEqual(await away(), [
    "BUSY-UNAVAILABLE 05T00-05T08",
    "BUSY-UNAVAILABLE 05T16-06T12",
    "BUSY-UNAVAILABLE 06T16-07T00",
  ]);
});

test("AVAILABLEs that overlap leave nothing twice", async () => {
  const long = available("long", "DTSTART:20260105T060000Z", "DTEND:20260106T180000Z");
  await set(calendar(...office, ...long));
  assert.deepEqual(await away(), ["BUSY-UNAVAILABLE 05T00-05T06", "BUSY-UNAVAILABLE 06T18-07T00"]);
});

test("floating times are read in the given zone", async () => {
  await set(calendar(...available("office", "DTSTART:20260105T090000", "DTEND:20260105T170000")));
  const berlin = ianaZone("Europe/Berlin");
  assert.ok(berlin);
  assert.deepEqual(await away(berlin), ["BUSY-UNAVAILABLE 05T00-05T08", "BUSY-UNAVAILABLE 05T16-07T00"]);
});

test("the older name of the property means the same", async () => {
  await set(undefined);
  await set(calendar(...office), cs("calendar-availability"));
  assert.equal((await away()).length, 3);
  await set(undefined, cs("calendar-availability"));
});

test("what cannot be read says nothing", async () => {
  await set("hello");
  assert.deepEqual(await away(), []);
  await set(calendar(...available("office", "DTSTART:yesterday", "DTEND:20260105T170000Z")));
  assert.deepEqual(await away(), []);
});

test("more instances than the limit are refused", async () => {
  await set(calendar(...available("dense", "DTSTART:20260101T000000Z", "DURATION:PT10M", "RRULE:FREQ=HOURLY")));
  await assert.rejects(
    away(utcZone, 10),
    (error) => error instanceof Refusal && error.reason.code === "number-of-matches-within-limits",
  );
});
