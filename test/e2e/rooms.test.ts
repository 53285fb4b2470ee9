import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client } from "../support/http-client.ts";
import { type Server, startServer, until } from "../support/server.ts";

const room = "/calendars/locations/location01/";
const roomAddress = "urn:uuid:30000000-0000-0000-0000-000000000001";
const home = (user: string): string => `/calendars/users/${user}/`;
const name = (index: number): string => `user${String((index % 40) + 1).padStart(2, "0")}`;

const booking = (uid: string, organizer: string, start: string, attendees: readonly string[]): string =>
  [
    ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", `UID:${uid}`],
    ...["DTSTAMP:20260101T000000Z", `DTSTART:${start}`, "DURATION:PT1H", `SUMMARY:${uid}`],
    `ORGANIZER:mailto:${organizer}@example.com`,
    `ATTENDEE;PARTSTAT=ACCEPTED:mailto:${organizer}@example.com`,
    ...attendees.map((one) => `ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:${one}`),
    ...["END:VEVENT", "END:VCALENDAR", ""],
  ].join("\r\n");

const calendarType = { "content-type": "text/calendar" };
/** What the organizer's copy says of the room. */
const answerIn = (text: string): string =>
  /^ATTENDEE[^\r]*PARTSTAT=([A-Z-]+)[^\r]*:(?:urn:uuid:30000000|mailto:location01)/m.exec(
    text.replaceAll("\r\n ", ""),
  )?.[1] ?? "";

describe("two workers", () => {
  let server: Server;
  before(async () => {
    server = await startServer({ workers: 2, settings: { MaxAttendeesPerInstance: 250 } });
    assert.equal(server.workers().length, 2);
  });
  after(() => server?.stop());

  test("asked for one room by a hundred organizers on eight connections give it to one; each other sees a decline", async () => {
    const start = "20270105T100000Z";
    const jobs = Array.from({ length: 100 }, (_, index) => ({ uid: `hour-${index}`, organizer: name(index) }));
    const waiting = [...jobs];
    const line = async (): Promise<void> => {
      const client = new Client(server, null, 1);
      for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
        const body = booking(job.uid, job.organizer, start, [roomAddress]);
        const path = `${home(job.organizer)}calendar/${job.uid}.ics`;
        await client.expect(201, "PUT", path, { body, headers: calendarType, user: job.organizer });
      }
      client.close();
    };
    await Promise.all(Array.from({ length: 8 }, line));
    const reader = new Client(server, null, 4);
    const answers = await until(
      "the room's answer in every organizer's copy",
      async () => {
        const found = await Promise.all(
          jobs.map(async ({ uid, organizer }) => {
            const path = `${home(organizer)}calendar/${uid}.ics`;
            return answerIn((await reader.expect(200, "GET", path, { user: organizer })).text);
          }),
        );
        return found.includes("NEEDS-ACTION") ? undefined : found;
      },
      60_000,
    );
    reader.close();
    assert.equal(answers.filter((one) => one === "ACCEPTED").length, 1, "one has it");
    assert.equal(answers.filter((one) => one === "DECLINED").length, 99, "the others know that they have not");
    const admin = new Client(server, "admin", 1);
    const { text } = await admin.expect(200, "GET", `${room}calendar/`);
    admin.close();
    const events = text.replaceAll("\r\n ", "").split("BEGIN:VEVENT").slice(1);
    const taken = events.filter((one) => /PARTSTAT=ACCEPTED[^\r]*:(?:urn:uuid:30000000|mailto:location01)/.test(one));
    assert.equal(taken.length, 1, "the room's calendar has one accepted event");
  });

  test("one of which invites two hundred keep answering others meanwhile", async () => {
    const organizer = new Client(server, "user01", 1);
    const other = new Client(server, "user40", 1);
    const guests = [
      ...Array.from({ length: 40 }, (_, index) => `mailto:${name(index)}@example.com`).slice(1),
      ...Array.from({ length: 161 }, (_, index) => `mailto:guest${index}@elsewhere.example`),
    ];
    assert.equal(guests.length, 200);
    await other.expect(207, "PROPFIND", `${home("user40")}calendar/`, { headers: { depth: "0" } });
    let isDone = false;
    const sending = organizer
      .expect(201, "PUT", `${home("user01")}calendar/party.ics`, {
        body: booking("party", "user01", "20270106T100000Z", guests),
        headers: calendarType,
      })
      .finally(() => {
        isDone = true;
      });
    const waits: number[] = [];
    while (!isDone) {
      const began = performance.now();
      await other.expect(207, "PROPFIND", `${home("user40")}calendar/`, { headers: { depth: "0" } });
      waits.push(performance.now() - began);
    }
    await sending;
    assert.ok(waits.length > 3, `${waits.length} requests were answered meanwhile`);
    const longest = Math.max(...waits);
    assert.ok(longest < 1000, `somebody waited for ${longest} ms`);
    organizer.close();
    other.close();
  });
});
