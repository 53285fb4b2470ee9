import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { sweepManaged } from "../../src/dav/attachments/sweep.ts";
import { actions, one, prepare, two } from "./attachment-actions.ts";
import { filesOf, unfolded } from "./attachment-words.ts";
import { type Exchange, givenExchange } from "./exchange.ts";

const child = fileURLToPath(new URL("./attachment-crash-child.ts", import.meta.url));
const run = promisify(execFile);
/** How many of the points of each action are tried; CALDAVD_CRASH_POINTS says more. */
const tries = Number(process.env["CALDAVD_CRASH_POINTS"] ?? 6);
const anHour = 3_600_000;

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "caldavd-attachments-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const start = (root: string, action: string, at: number): Promise<number | undefined> =>
  run(process.execPath, ["--import", "tsx", child, root, action, String(at)]).then(
    ({ stdout }) => Number(stdout),
    (error: { signal?: string }) => {
      assert.equal(error.signal, "SIGKILL", String(error));
      return undefined;
    },
  );

/** With attributes. */
const copyTo = (from: string, to: string) => run("cp", ["-a", from, to]);

const open = (root: string): Promise<Exchange> => givenExchange({}, undefined, { root, startId: "parent" });

/** The bytes attached to an event, as `as` gets them; undefined: there is no such event. */
async function attachedTo(exchange: Exchange, path: string, as: string): Promise<string | undefined> {
  const { status, text } = await exchange.send("GET", path, { as });
  if (status === 404) return undefined;
  assert.equal(status, 200);
  const found: string[] = [];
  for (const [, url = ""] of unfolded(text).matchAll(/^ATTACH.*?:(http:.*)\r$/gm)) {
    const file = await exchange.send("GET", new URL(url).pathname, { as });
    assert.equal(file.status, 200, `${as} gets nothing at ${url}`);
    found.push(file.text);
  }
  return found.sort().join();
}

/** All that somebody sees, the attendee's copy by its name in his calendar. */
async function seen(exchange: Exchange): Promise<string> {
  const calendar = await exchange.tree.store.open({ owner: await exchange.tree.user("user02"), path: ["calendar"] });
  const name = await calendar?.nameOf("one");
  const { text = "" } =
    name === undefined ? {} : await exchange.send("GET", `/calendars/users/user02/calendar/${name}`, { as: "user02" });
  const cancelled = text.includes("STATUS:CANCELLED");
  return JSON.stringify([
    await attachedTo(exchange, one, "user01"),
    await attachedTo(exchange, two, "user01"),
    name === undefined
      ? undefined
      : cancelled
        ? "cancelled"
        : await attachedTo(exchange, `/calendars/users/user02/calendar/${name}`, "user02"),
  ]);
}

for (const action of Object.keys(actions))
  test(`killed at any point of ${action}: every ATTACH has its file, and the sweep leaves no file without an ATTACH`, async () => {
    const prepared = join(folder, `${action}-before`);
    await copyTo(await template(), prepared);
    const first = await open(prepared);
    const old = await seen(first);
    await first.tree.store.close();
    const whole = join(folder, `${action}-whole`);
    await copyTo(prepared, whole);
    const points = (await start(whole, action, 0)) ?? 0;
    assert.ok(points > 5, `${points} points`);
    const done = await open(whole);
    const now = await seen(done);
    await done.end();
    assert.notEqual(now, old);
    for (let index = 0; index < tries; index++) {
      const at = 1 + Math.floor(((index + Math.random()) * points) / tries);
      const root = join(folder, `${action}-${at}`);
      await copyTo(prepared, root);
      await start(root, action, at);
      const survivor = await open(root);
      const { services } = survivor.tree;
      try {
        await services.scheduling.recover();
        await services.scheduling.idle();
        const state = await seen(survivor);
        assert.ok(state === old || state === now, `${state} is neither ${old} nor ${now}`);
        await sweepManaged(await survivor.tree.user("user01"), services, Date.now() + anHour);
        assert.equal(await seen(survivor), state);
        const texts = await Promise.all(
          [one, two].map(async (path) => unfolded((await survivor.send("GET", path)).text)),
        );
        for (const name of await filesOf(survivor))
          assert.ok(texts.join().includes(name.slice(0, 32)), `${name} is nobody's`);
      } catch (error) {
        if (error instanceof Error) error.message = `killed at point ${at} of ${points}: ${error.message}`;
        throw error;
      } finally {
        await survivor.end();
      }
    }
  });

let made: Promise<string> | undefined;
/** A store in which a meeting has an attachment. */
function template(): Promise<string> {
  made ??= (async () => {
    const root = join(folder, "template");
    const exchange = await open(root);
    await prepare(exchange);
    await exchange.tree.services.scheduling.close();
    await exchange.tree.store.close();
    return root;
  })();
  return made;
}
