import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { replaceFile } from "../../src/base/replace-file.ts";

const folder = () => mkdtemp(join(tmpdir(), "replace-file-"));

test("a file that is replaced keeps its mode, and nothing is left beside it", async () => {
  const place = await folder();
  const path = join(place, "settings.plist");
  await writeFile(path, "old", { mode: 0o604 });
  const { ino } = await stat(path);
  await replaceFile(path, "new");
  const facts = await stat(path);
  assert.equal(await readFile(path, "utf8"), "new");
  assert.equal(facts.mode & 0o777, 0o604);
  assert.notEqual(facts.ino, ino);
  assert.deepEqual(await readdir(place), ["settings.plist"]);
  await rm(place, { recursive: true });
});

test("a new file is not for everybody's eyes", async () => {
  const place = await folder();
  const path = join(place, "new.json");
  await replaceFile(path, "{}");
  assert.equal((await stat(path)).mode & 0o007, 0);
  await rm(place, { recursive: true });
});

test("where nothing can be put, no draft is left", async () => {
  const place = await folder();
  const path = join(place, "taken");
  await mkdir(path);
  await assert.rejects(replaceFile(path, "new"));
  assert.deepEqual(await readdir(place), ["taken"]);
  await rm(place, { recursive: true });
});
