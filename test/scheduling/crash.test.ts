import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FileStore } from "../../src/store/store.ts";
import { now } from "../support/store.ts";
import { type Desk, deskOver, invitation, outside } from "./given.ts";

const child = fileURLToPath(new URL("./crash-child.ts", import.meta.url));
const run = promisify(execFile);
const guests = 50;
const names = Array.from({ length: guests }, (_, index) => `u${index}`);
/** How many of the points of each action are tried; CALDAVD_CRASH_POINTS says more. */
const tries = Number(process.env["CALDAVD_CRASH_POINTS"] ?? 5);

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "caldavd-crash-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const open = async (root: string): Promise<FileStore> =>
  (await FileStore.open({ root, startId: "parent", quota: undefined, now: () => now, warn: () => undefined })).store;

const start = (root: string, action: string, at: number) =>
  run(process.execPath, ["--import", "tsx", child, root, action, String(at), String(guests)]).then(
    ({ stdout }) => Number(stdout),
    (error: { signal?: string }) => {
      assert.equal(error.signal, "SIGKILL", String(error));
      return undefined;
    },
  );

/** Lets a process die at points spread over all that the action passes, and looks at what the next one makes of it. */
async function eachPoint(
  action: string,
  prepare: (desk: Desk) => Promise<unknown>,
  look: (desk: Desk, root: string) => Promise<void>,
): Promise<void> {
  const prepared = join(folder, `${action}-before`);
  const store = await open(prepared);
  const desk = deskOver(store, () => now);
  await prepare(desk);
  await desk.scheduling.idle();
  await store.close();
  const whole = join(folder, `${action}-whole`);
  await cp(prepared, whole, { recursive: true, preserveTimestamps: true });
  const points = (await start(whole, action, 0)) ?? 0;
  assert.ok(points > 20, `${points} points`);
  for (let index = 0; index < tries; index++) {
    const at = 1 + Math.floor(((index + Math.random()) * points) / tries);
    const root = join(folder, `${action}-${at}`);
    await cp(prepared, root, { recursive: true, preserveTimestamps: true });
    await start(root, action, at);
    const survivor = await open(root);
    const next = deskOver(survivor, () => now, [outside(root)]);
    try {
      await next.scheduling.recover();
      for (let left = 1; left > 0; left = (await readdir(join(root, ".queue")).catch(() => [])).length)
        await next.scheduling.idle();
      await look(next, root);
      assert.deepEqual(await readdir(join(root, ".queue")).catch(() => []), []);
      assert.deepEqual(next.warnings, []);
    } catch (error) {
      if (error instanceof Error) error.message = `${action}, killed at point ${at} of ${points}: ${error.message}`;
      throw error;
    } finally {
      await next.scheduling.close();
      await survivor.close();
      await rm(root, { recursive: true, force: true });
    }
  }
}

const invite = (desk: Desk) => desk.put("alice", "party.ics", invitation("party", "alice", names));

describe("a process killed anywhere on the way", () => {
  test("an invitation of fifty: all of it happened or none", async () => {
    await eachPoint(
      "invite",
      async (desk) => desk.calendar("alice"),
      async (desk) => {
        const own = await desk.copy("alice", "party");
        for (const name of names) {
          assert.equal((await desk.copy(name, "party")) !== undefined, own !== undefined, name);
          assert.equal((await desk.inbox(name)).length, own === undefined ? 0 : 1, `inbox of ${name}`);
          if (own !== undefined) assert.match(own, new RegExp(`SCHEDULE-STATUS=1\\.2[^\r\n]*:mailto:${name}@`));
        }
      },
    );
  });

  test("an invitation to another server: it was sent under one name, and the organizer's copy says so, or not at all", async () => {
    await eachPoint(
      "abroad",
      async (desk) => desk.calendar("alice"),
      async (desk, root) => {
        const own = await desk.copy("alice", "party");
        const sent = (await readFile(join(root, "sent"), "utf8").catch(() => "")).split("\n").filter(Boolean);
        assert.equal(new Set(sent).size, own === undefined ? 0 : 1);
        assert.ok(sent.length <= 2, "a kill between sending and noting it sends again, once");
        assert.equal((await desk.copy("u0", "party")) !== undefined, own !== undefined);
        if (own !== undefined) assert.match(own, /SCHEDULE-STATUS=1\.2[^\r\n]*:mailto:bob@example\.org/);
      },
    );
  });

  test("a cancellation of fifty: all of it happened or none", async () => {
    await eachPoint("cancel", invite, async (desk) => {
      const own = await desk.copy("alice", "party");
      for (const name of names) {
        assert.equal(/STATUS:CANCELLED/.test((await desk.copy(name, "party")) ?? ""), own === undefined, name);
        assert.equal((await desk.inbox(name)).length, own === undefined ? 2 : 1, `inbox of ${name}`);
      }
    });
  });

  test("an answer: the organizer and the forty-nine others hear of it, or it was not given", async () => {
    await eachPoint("accept", invite, async (desk) => {
      const accepted = /PARTSTAT=ACCEPTED[^\r\n]*:mailto:u0@/;
      const given = accepted.test((await desk.copy("u0", "party")) ?? "");
      for (const name of ["alice", ...names])
        assert.equal(accepted.test((await desk.copy(name, "party")) ?? ""), given, name);
      assert.equal((await desk.inbox("alice")).length, given ? 1 : 0);
    });
  });

  test("a room's booking: it has answered, and its organizer knows, or it was not asked", async () => {
    await eachPoint(
      "book",
      async (desk) => desk.calendar("alice"),
      async (desk) => {
        const own = await desk.copy("alice", "party");
        const room = await desk.copy("room1", "party");
        assert.equal(room !== undefined, own !== undefined);
        if (own === undefined || room === undefined) return;
        assert.match(room, /PARTSTAT=ACCEPTED[^\r\n]*:mailto:room1@/);
        assert.match(own, /PARTSTAT=ACCEPTED[^\r\n]*:mailto:room1@/);
        assert.match((await desk.copy("u0", "party")) ?? "", /PARTSTAT=ACCEPTED[^\r\n]*:mailto:room1@/);
        assert.equal((await desk.inbox("alice")).length, 1);
      },
    );
  });
});
