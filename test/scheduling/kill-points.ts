import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { utc } from "../../src/model/ids.ts";
import { sweepStaging } from "../../src/store/files.ts";
import { FileStore } from "../../src/store/store.ts";
import { seeded } from "../support/recurring-cases.ts";
import { now } from "../support/store.ts";
import { type Desk, deskOver, outside } from "./given.ts";
import { type Scenario, scenarioNamed } from "./kill-scenarios.ts";

const child = fileURLToPath(new URL("./kill-child.ts", import.meta.url));

/** A desk over the store in a folder. `after`: seconds that its clock is ahead of `now`; it is a second later each time it is asked. */
export async function openDesk(root: string, after: number): Promise<{ store: FileStore; desk: Desk }> {
  const { store } = await FileStore.open({
    root,
    startId: `at-${after}`,
    quota: undefined,
    now: () => now,
    warn: () => undefined,
  });
  let at = now + after;
  return { store, desk: deskOver(store, () => utc(at++), [outside(root)]) };
}

/** What kills at points of one scenario have shown. */
export interface KillReport {
  /** Points that the whole action passes. */
  readonly points: number;
  /** Times that a process was killed on its way. */
  readonly kills: number;
  /** Times that the process that carried on was killed too. */
  readonly again: number;
  /** What was not right after a restart; each with its point. */
  readonly anomalies: readonly string[];
}

export interface KillOptions {
  /** Points that are tried, spread over all. */
  readonly tries: number;
  readonly seed: number;
  /** Tries at once. */
  readonly width?: number;
  readonly progress?: (line: string) => void;
}

interface Ended {
  readonly isKilled: boolean;
  readonly passed: number;
  readonly did: readonly string[];
}

const start = (root: string, name: string, at: number, part = 0, parts = 1): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const argv = ["--import", "tsx", child, root, name, String(at), String(part), String(parts)];
    execFile(process.execPath, argv, (error, stdout, stderr) => {
      const isKilled = error?.signal === "SIGKILL";
      if (error !== null && !isKilled) return reject(new Error(`${name}, part ${part}: ${stderr}`));
      const lines = stdout.split("\n");
      resolve({
        isKilled,
        passed: Number(lines.find((line) => line.startsWith("passed "))?.slice(7) ?? 0),
        did: lines.filter((line) => line.startsWith("did ")).map((line) => line.slice(4)),
      });
    });
  });

/** Lets processes die at points spread over all that a scenario passes, and looks at what the next one makes of it. Of a scenario of
 *  two parts, the process of one part dies and that of the other lives; every third time the one that carries on dies too. */
export async function killPoints(name: string, options: KillOptions): Promise<KillReport> {
  const scenario = scenarioNamed(name);
  const folder = await mkdtemp(join(tmpdir(), "caldavd-kill-"));
  try {
    return await tryAll(scenario, folder, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function tryAll(scenario: Scenario, folder: string, options: KillOptions): Promise<KillReport> {
  const { tries, seed, width = 1, progress } = options;
  const { name, parts } = scenario;
  const prepared = join(folder, "before");
  const { store, desk } = await openDesk(prepared, 0);
  await scenario.prepare(desk);
  await desk.scheduling.idle();
  await desk.scheduling.close();
  await store.close();
  const whole = join(folder, "whole");
  await copy(prepared, whole);
  const [first] = await Promise.all(Array.from({ length: parts }, (_, part) => start(whole, name, 0, part, parts)));
  const points = first?.passed ?? 0;
  assert.ok(points > 20, `${points} points`);
  const random = seeded(seed);
  const waiting = Array.from({ length: tries }, (_, index) => ({
    index,
    at: 1 + Math.floor(((index + random()) * points) / tries),
    again: index % 3 === 2 ? 1 + Math.floor(random() ** 2 * 150) : 0,
  }));
  let [kills, again] = [0, 0];
  const anomalies: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const root = join(folder, `killed-${next.index}`);
      await copy(prepared, root);
      const ends = await Promise.all(
        Array.from({ length: parts }, (_, part) => start(root, name, part === 0 ? (next?.at ?? 0) : 0, part, parts)),
      );
      const killed = ends.filter(({ isKilled }) => isKilled).length;
      kills += killed;
      if (next.again > 0 && scenario.meanwhile === undefined && (await start(root, "recover", next.again)).isKilled)
        again += 1;
      const did = new Set(ends.flatMap((one) => one.did));
      const problem = await problemAfter(scenario, root, did, killed > 0);
      if (problem !== undefined)
        anomalies.push(`${name}, killed at point ${next.at} of ${points} (then ${next.again}): ${problem}`);
      progress?.(`${name}: ${tries - waiting.length} of ${tries}, ${anomalies.length} anomalies`);
      await rm(root, { recursive: true, force: true });
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  return { points, kills, again, anomalies };
}

const copy = (from: string, to: string): Promise<void> => cp(from, to, { recursive: true, preserveTimestamps: true });

const listed = async (root: string, folder: string): Promise<readonly string[]> =>
  (await readdir(join(root, folder)).catch(() => [])).sort();

/** Starts anew on what is left, and says what is wrong then; undefined: all is right. */
async function problemAfter(
  scenario: Scenario,
  root: string,
  did: ReadonlySet<string>,
  isKilled: boolean,
): Promise<string | undefined> {
  const leftBehind = new Set(await listed(root, ".staging"));
  const { store, desk } = await openDesk(root, 3_000);
  try {
    await scenario.meanwhile?.(desk);
    await desk.scheduling.recover();
    for (let left = 1, rounds = 0; left > 0 && rounds < 100; rounds++) {
      await desk.scheduling.idle();
      left = (await listed(root, ".queue")).length;
    }
    assert.deepEqual(await listed(root, ".queue"), [], "the queue is empty");
    assert.deepEqual(desk.warnings, []);
    if (!isKilled) assert.deepEqual([...leftBehind], [], "staging is empty");
    const added = (await listed(root, ".staging")).filter((one) => !leftBehind.has(one));
    assert.deepEqual(added, [], "carrying on leaves nothing in staging");
    await sweepStaging(join(root, ".staging"), -1);
    assert.deepEqual(await listed(root, ".staging"), [], "staging is empty when it is swept");
    await scenario.look(desk, { root, did });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await desk.scheduling.close();
    await store.close();
  }
}
