import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, promisify } from "node:util";
import type { SyncToken } from "../../src/model/ids.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { etagOf } from "../../src/store/contents.ts";
import type { CollectionRef } from "../../src/store/contract.ts";
import { onWritePoint, type WritePoint } from "../../src/store/points.ts";
import { FileStore } from "../../src/store/store.ts";
import { bob, newText, oldText, prepare, properties, scenarios } from "../support/crash-scenarios.ts";
import { alice, event, now } from "../support/store.ts";

const child = fileURLToPath(new URL("../support/crash-child.ts", import.meta.url));
const run = promisify(execFile);

const open = async (root: string, startId: string): Promise<FileStore> =>
  (await FileStore.open({ root, startId, quota: undefined, now: () => now, warn: () => undefined })).store;

const known: readonly CollectionRef[] = [
  { owner: alice, path: [] },
  { owner: alice, path: ["calendar"] },
  { owner: alice, path: ["other"] },
  { owner: alice, path: ["files"] },
  { owner: alice, path: ["made"] },
  { owner: bob, path: [] },
  { owner: bob, path: ["calendar"] },
];

const label = (ref: CollectionRef): string => [ref.owner.shortName, ...ref.path].join("/");

/** Everything a client can see: member names with content, and properties, per collection. */
async function picture(store: FileStore): Promise<Map<string, unknown>> {
  const seen = new Map<string, unknown>();
  for (const { uid } of [alice, bob]) seen.set(`locks of ${uid}`, await store.locks.held(uid));
  for (const ref of known) {
    const collection = (await store.provisioned(ref.owner)) ? await store.open(ref) : undefined;
    if (!collection) continue;
    const members: Record<string, unknown> = {};
    for await (const page of collection.entries())
      for (const entry of page) {
        const content = await collection.read(entry.name);
        assert.equal(content?.etag, entry.etag, `${entry.name}: row and file agree`);
        assert.equal(content && etagOf(content.bytes), entry.etag);
        members[entry.name] = [
          content?.bytes.toString(),
          [...(await collection.properties(entry.name))].sort(),
          entry.uid,
        ];
      }
    seen.set(label(ref), [
      members,
      [...(await collection.properties())].filter(([name]) => name !== "{DAV:}resourcetype").sort(),
    ]);
  }
  return seen;
}

async function tokens(store: FileStore): Promise<Map<string, SyncToken>> {
  const all = new Map<string, SyncToken>();
  for (const ref of known) {
    const collection = (await store.provisioned(ref.owner)) ? await store.open(ref) : undefined;
    if (collection) all.set(label(ref), (await collection.info()).syncToken);
  }
  return all;
}

/** A token given out before leads to what is there now, or is refused: it never lies. */
async function tokensHold(store: FileStore, before: Map<string, SyncToken>, had: Map<string, unknown>): Promise<void> {
  for (const ref of known) {
    const token = before.get(label(ref));
    const collection = (await store.provisioned(ref.owner)) ? await store.open(ref) : undefined;
    if (!collection || token === undefined) continue;
    const names = new Set(Object.keys((had.get(label(ref)) as [object] | undefined)?.[0] ?? {}));
    try {
      const changes = await collection.changesSince(token, 1e6);
      for (const name of changes.removed) names.delete(name);
      for (const { name } of changes.changed) names.add(name);
      const now = new Set<string>();
      for await (const page of collection.entries()) for (const { name } of page) now.add(name);
      assert.deepEqual([...names].sort(), [...now].sort());
    } catch (error) {
      assert.ok(error instanceof Refusal && error.reason.code === "valid-sync-token", String(error));
    }
  }
}

async function pointsOf(template: string, scenario: string): Promise<WritePoint[]> {
  const root = await copyOf(template);
  const store = await open(root, "look");
  // Opened before: the copy's own reconcile is no part of the scenario.
  await tokens(store);
  const seen: WritePoint[] = [];
  onWritePoint((point) => seen.push(point));
  await scenarios[scenario]?.(store);
  onWritePoint(undefined);
  await store.close();
  await rm(root, { recursive: true, force: true });
  return seen;
}

const copyOf = async (template: string): Promise<string> => {
  const root = await mkdtemp(join(tmpdir(), "caldavd-crash-"));
  await rm(root, { recursive: true });
  await run("cp", ["-a", template, root]);
  return root;
};

const template = await mkdtemp(join(tmpdir(), "caldavd-crash-template-"));
{
  const store = await open(template, "template");
  await prepare(store);
  await picture(store);
  await store.close();
}
test.after(() => rm(template, { recursive: true, force: true }));

/** The states between which a write has to jump. */
async function endsOf(scenario: string): Promise<{ before: Map<string, unknown>; after: Map<string, unknown> }> {
  const root = await copyOf(template);
  const store = await open(root, "ends");
  const before = await picture(store);
  await scenarios[scenario]?.(store);
  const after = await picture(store);
  await store.close();
  await rm(root, { recursive: true, force: true });
  return { before, after };
}

const same = isDeepStrictEqual;

for (const scenario of Object.keys(scenarios)) {
  test(`killed at any point of ${scenario}: old or new, never half; rows equal files; no token lies`, async () => {
    const { before, after } = await endsOf(scenario);
    const points = await pointsOf(template, scenario);
    assert.ok(points.length > 0);
    const seen = new Map<string, number>();
    for (const point of points) {
      const nth = (seen.get(point) ?? 0) + 1;
      seen.set(point, nth);
      const root = await copyOf(template);
      const first = await open(root, "first");
      const given = await tokens(first);
      await first.close();
      const ended = await run(process.execPath, ["--import", "tsx", child, root, scenario, point, String(nth)]).then(
        () => "ran through",
        (error: { signal?: string; stderr?: string }) => error.signal ?? error.stderr,
      );
      assert.equal(ended, "SIGKILL", `${scenario} killed at ${point} (${nth})`);
      const store = await open(root, "second");
      const now = await picture(store);
      assert.ok(
        same(now, before) || same(now, after),
        `${scenario} killed at ${point} (${nth}) is neither old nor new`,
      );
      await tokensHold(store, given, before);
      // And the write can be made again.
      if (same(now, before)) {
        await scenarios[scenario]?.(store);
        assert.deepEqual(await picture(store), after, `${scenario} again after ${point}`);
      }
      await store.close();
      await rm(root, { recursive: true, force: true });
    }
  });

  for (const code of ["ENOSPC", "EIO"]) {
    test(`${code} at any point of ${scenario}: an error or success, old or new, nothing left behind`, async () => {
      const { before, after } = await endsOf(scenario);
      const points = await pointsOf(template, scenario);
      for (const [at, point] of points.entries()) {
        const root = await copyOf(template);
        const store = await open(root, "first");
        const given = await tokens(store);
        let count = 0;
        onWritePoint(() => {
          if (count++ === at) throw Object.assign(new Error(`${code}: injected at ${point}`), { code });
        });
        const outcome = await Promise.resolve(scenarios[scenario]?.(store)).then(
          () => "done",
          (error: unknown) => String(error),
        );
        onWritePoint(undefined);
        const now = await picture(store);
        assert.ok(
          same(now, before) || same(now, after),
          `${scenario} with ${code} at ${point}: neither old nor new after ${outcome}`,
        );
        if (outcome === "done") assert.ok(same(now, after), `${scenario} said done with ${code} at ${point}`);
        await tokensHold(store, given, before);
        const fresh = await open(root, "second");
        assert.ok(same(await picture(fresh), now), `another process sees the same after ${code} at ${point}`);
        assert.deepEqual(
          (await readdir(join(root, ".staging"))).filter((name) => !name.startsWith("removed-")),
          [],
          `staging after ${code} at ${point}`,
        );
        await fresh.close();
        await store.close();
        await rm(root, { recursive: true, force: true });
      }
    });
  }
}

test("the scenarios are about different contents", () => {
  assert.notEqual(oldText, newText);
  assert.notDeepEqual([...properties("old")], [...properties("new")]);
  assert.ok(event("b").length > 0);
});
