import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { AccessLog } from "../../src/process/access-log.ts";

describe("the access log file", () => {
  let folder: string;
  let path: string;
  let now: Date;
  const clock = (): Date => now;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "caldavd-log-"));
    path = join(folder, "access.log");
    now = new Date(2026, 10, 9, 23, 59, 0);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test("grows over restarts and says when it was opened and closed", async () => {
    for (const line of ["one\n", "two\n"]) {
      const log = await AccessLog.open(path, { rotate: false, now: clock });
      log.write(line);
      await log.close();
    }
    const date = "[Mon Nov  9 23:59:00 2026]";
    const whole = (line: string): string =>
      `Log opened - server start: ${date}.\n${line}Log closed - server stop: ${date}.\n`;
    assert.equal(await readFile(path, "utf8"), whole("one\n") + whole("two\n"));
  });

  test("is opened anew at its path after somebody renamed it, and no line is lost", async () => {
    const log = await AccessLog.open(path, { rotate: false, now: clock });
    for (let i = 0; i < 1_000; i++) log.write(`${i}\n`);
    await rename(path, `${path}.1`);
    const reopened = log.reopen();
    for (let i = 1_000; i < 2_000; i++) log.write(`${i}\n`);
    await reopened;
    for (let i = 2_000; i < 3_000; i++) log.write(`${i}\n`);
    await log.close();
    const old = (await readFile(`${path}.1`, "utf8")).split("\n");
    const fresh = (await readFile(path, "utf8")).split("\n");
    assert.ok(old.includes("999") && fresh.includes("2999") && !fresh.includes("999"));
    const numbers = [...old, ...fresh].filter((line) => /^\d+$/.test(line)).map(Number);
    assert.deepEqual(
      numbers,
      Array.from({ length: 3_000 }, (_, i) => i),
    );
  });

  test("with RotateAccessLog moves to a name with the date of its content, without zeros, when the day changes", async () => {
    now = new Date(2026, 2, 9, 23, 59, 0);
    const log = await AccessLog.open(path, { rotate: true, now: clock });
    log.write("yesterday\n");
    now = new Date(2026, 2, 10, 0, 0, 1);
    log.write("today\n");
    log.write("and more\n");
    await log.reopen();
    await log.close();
    assert.deepEqual((await readdir(folder)).sort(), ["access.log", "access.log.2026_3_9"]);
    const old = await readFile(`${path}.2026_3_9`, "utf8");
    assert.match(old, /yesterday\nLog closed - rotating: \[Tue Mar 10 00:00:01 2026\]\.\n$/);
    assert.match(
      await readFile(path, "utf8"),
      /^Log opened - rotated: .*\.\ntoday\nand more\nLog closed - server stop/,
    );
  });

  test("goes on in the old file when the name for it is taken", async () => {
    await writeFile(`${path}.2026_11_9`, "somebody else's\n");
    const log = await AccessLog.open(path, { rotate: true, now: clock });
    now = new Date(2026, 10, 10, 0, 0, 1);
    log.write("today\n");
    await log.close();
    assert.equal(await readFile(`${path}.2026_11_9`, "utf8"), "somebody else's\n");
    assert.match(await readFile(path, "utf8"), /today\n/);
  });
});
