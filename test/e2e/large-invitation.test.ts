import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { accountsXml } from "../support/accounts.ts";
import { Client } from "../support/http-client.ts";
import { type Server, startServer, until } from "../support/server.ts";

const guests = Array.from({ length: 200 }, (_, index) => `guest${String(index).padStart(3, "0")}`);
const organizer = "host";
const bystander = "neighbour";
const home = (user: string): string => `/calendars/users/${user}/`;

const invitation = (uid: string, start: string): string =>
  [
    ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", `UID:${uid}`],
    ...["DTSTAMP:20260101T000000Z", `DTSTART:${start}`, "DURATION:PT1H", `SUMMARY:${uid}`],
    `ORGANIZER:mailto:${organizer}@example.com`,
    `ATTENDEE;PARTSTAT=ACCEPTED:mailto:${organizer}@example.com`,
    ...guests.map((one) => `ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:${one}@example.com`),
    ...["END:VEVENT", "END:VCALENDAR", ""],
  ].join("\r\n");

/** Milliseconds that the thread of a process that answers requests has spent on a processor. */
const cpuOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;

describe("an invitation of two hundred who are all of this server", () => {
  let server: Server;
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "caldavd-guests-"));
    const accounts = join(folder, "accounts.xml");
    await writeFile(accounts, accountsXml([organizer, bystander, ...guests].map((uid) => ({ uid }))));
    server = await startServer({
      workers: 1,
      settings: { MaxAttendeesPerInstance: 250, "DirectoryService/params/xmlFile": accounts },
    });
  });
  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [turn, uid, start] of [
    ["when none of them has a home yet", "first", "20270106T100000Z"],
    ["when all have one", "second", "20270107T100000Z"],
  ] as const)
    test(`is answered soon, reaches the last inbox, and others of the same worker hardly wait, ${turn}`, async (t) => {
      const [worker = 0] = server.workers();
      const writer = new Client(server, organizer, 1);
      const other = new Client(server, bystander, 1);
      const poll = async (): Promise<void> =>
        void (await other.expect(207, "PROPFIND", `${home(bystander)}calendar/`, { headers: { depth: "0" } }));
      await poll();
      await writer.expect(207, "PROPFIND", `${home(organizer)}calendar/`, { headers: { depth: "0" } });
      const began = performance.now();
      let isDone = false;
      const sending = writer
        .expect(201, "PUT", `${home(organizer)}calendar/${uid}.ics`, {
          body: invitation(uid, start),
          headers: { "content-type": "text/calendar" },
        })
        .finally(() => {
          isDone = true;
        });
      const cpu: number[] = [];
      while (!isDone) {
        const before = cpuOf(worker);
        await poll();
        cpu.push(cpuOf(worker) - before);
      }
      await sending;
      const answered = performance.now() - began;
      const reader = new Client(server, null, 4);
      const last = await until("the invitation in every inbox", async () => {
        const found = await Promise.all(
          guests.map(async (user) => {
            const options = { headers: { depth: "1" }, user };
            const { text } = await reader.expect(207, "PROPFIND", `${home(user)}inbox/`, options);
            return text.match(/\.ics<\/(?:\w+:)?href>/g)?.length ?? 0;
          }),
        );
        return found.some((one) => one < (uid === "first" ? 1 : 2)) ? undefined : found;
      });
      assert.deepEqual(new Set(last), new Set([uid === "first" ? 1 : 2]), "once each");
      const own = (await writer.expect(200, "GET", `${home(organizer)}calendar/${uid}.ics`)).text;
      assert.equal(own.replaceAll("\r\n ", "").match(/SCHEDULE-STATUS=1\.2/g)?.length, guests.length);
      cpu.sort((a, b) => a - b);
      const at = (part: number): number => cpu[Math.floor((cpu.length - 1) * part)] ?? 0;
      t.diagnostic(
        `answered after ${Math.round(answered)} ms; ${cpu.length} requests of another waited for ${at(0.5).toFixed(1)} ms ` +
          `of the worker's processor (median), ${at(0.95).toFixed(1)} (95 %), ${at(1).toFixed(1)} (longest)`,
      );
      // The goals are a second and 20 ms; what is asserted is far from them, since other tests run beside this one.
      assert.ok(answered < 120_000, `answered after ${answered} ms`);
      assert.ok(cpu.length > 10, `${cpu.length} requests were answered meanwhile`);
      assert.ok(at(0.5) < 40, `others waited for ${at(0.5)} ms of processor`);
      assert.ok(at(1) < 500, `somebody waited for ${at(1)} ms of processor`);
      for (const client of [writer, other, reader]) client.close();
    });
});
