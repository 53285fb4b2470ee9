import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { KeptAnswers } from "../../src/directory/kept-answers.ts";
import { until } from "../support/server.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});
async function file(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-answers-"));
  folders.push(folder);
  return join(folder, "answers.sqlite");
}
const open = (path: string, warnings: string[] = [], maxRows = 1000, about = "test"): KeptAnswers =>
  new KeptAnswers(path, { maxRows, keepFor: 3_600_000, about, warn: (message) => void warnings.push(message) });

test("an answer of one worker is found by another, and by one that starts later", async () => {
  const path = await file();
  const one = open(path);
  const other = open(path);
  const now = Date.now();
  one.of<{ name: string }>("records").save("a", { name: "Ann" }, now);
  assert.deepEqual(one.of("records").load("a"), { value: { name: "Ann" }, at: now });
  await until("the answer to be written", () => other.of("records").load("a") !== undefined);
  assert.deepEqual(other.of("records").load("a"), { value: { name: "Ann" }, at: now });
  assert.equal(other.of("names").load("a"), undefined);
  one.of("records").save("a", undefined, now);
  assert.equal(one.of("records").load("a"), undefined);
  one.close();
  assert.equal(other.of("records").load("a"), undefined);
  other.of("records").save("b", 7, now);
  other.close();
  const later = open(path);
  assert.deepEqual(later.of("records").load("b"), { value: 7, at: now });
  later.close();
  const changed = open(path, [], 1000, "another configuration");
  assert.equal(changed.of("records").load("b"), undefined);
  changed.close();
});

test("no more rows than the bound are kept, and none that is too old", async () => {
  const path = await file();
  const answers = open(path, [], 500);
  const kind = answers.of<number>("records");
  kind.save("old", 1, Date.now() - 4_000_000);
  for (let i = 0; i < 3000; i++) kind.save(`key ${i}`, i, Date.now() - 3000 + i);
  answers.close();
  const again = open(path, [], 500);
  const left = Array.from({ length: 3000 }, (_, i) => again.of("records").load(`key ${i}`)).filter(
    (row) => row !== undefined,
  );
  assert.ok(left.length >= 500 && left.length <= 1600, `${left.length} rows`);
  assert.equal(again.of("records").load("old"), undefined);
  again.close();
});

test("a broken file is made anew, a place that cannot be written is done without", async () => {
  const path = await file();
  await writeFile(path, "this is no database, and long enough to be looked at as one".repeat(50));
  const answers = open(path);
  answers.of("records").save("a", 1, 1);
  answers.close();
  const warnings: string[] = [];
  const nowhere = open("/nonexistent/folder/answers.sqlite", warnings);
  nowhere.of("records").save("a", 1, 1);
  assert.deepEqual(nowhere.of("records").load("a"), { value: 1, at: 1 });
  nowhere.close();
  assert.equal(warnings.length, 1);
});
