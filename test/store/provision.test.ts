import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { givenStore } from "../support/store.ts";

const child = fileURLToPath(new URL("../support/provision-child.ts", import.meta.url));

test("first accesses through two processes at one moment make one home, in its place, which none of them misses", async () => {
  const given = await givenStore();
  const users = 400;
  const start = Date.now() + 2_500;
  const run = (): Promise<{ readonly stdout: string }> =>
    promisify(execFile)(process.execPath, ["--import", "tsx", child, given.root, `${start}`, `${users}`]);
  for (const { stdout } of await Promise.all([run(), run()])) assert.equal(stdout.trim(), "0");
  assert.deepEqual(readdirSync(join(given.root, "calendars")), ["users"]);
  assert.equal(readdirSync(join(given.root, "calendars/users")).length, users);
  await given.end();
});
