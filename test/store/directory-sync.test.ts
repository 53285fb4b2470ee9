import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readlinkSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DirectorySync, isMissing } from "../../src/store/files.ts";

/** Descriptors of this process that are open on the folder. */
const openOn = (folder: string): number =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false;
    }
  }).length;

test("however many sync a directory at one moment, one descriptor is held, and none when it is closed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "caldavd-sync-"));
  const directory = new DirectorySync(folder);
  const again = async (times: number): Promise<void> => {
    for (let left = times; left > 0; left--) await directory.sync();
  };
  // Each comes back at once, at every place of the others' ends.
  await Promise.all(Array.from({ length: 40 }, (_, at) => again(1 + (at % 7))));
  assert.equal(openOn(folder), 1);
  const late = directory.sync();
  directory.close();
  await late;
  assert.equal(openOn(folder), 0);
  await directory.sync();
  directory.close();
  assert.equal(openOn(folder), 0);
  rmdirSync(folder);
});

test("a directory that is gone fails each who waits for it, and those who come later", async () => {
  const folder = mkdtempSync(join(tmpdir(), "caldavd-sync-"));
  rmdirSync(folder);
  const directory = new DirectorySync(folder);
  const outcomes = await Promise.allSettled([directory.sync(), directory.sync(), directory.sync()]);
  for (const outcome of outcomes) assert.ok(outcome.status === "rejected" && isMissing(outcome.reason));
  await assert.rejects(directory.sync());
});
