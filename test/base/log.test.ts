import assert from "node:assert/strict";
import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { AppendFile, createLogger, levelOf } from "../../src/base/log.ts";

const logged = (level: "debug" | "info" | "warn" | "error", levels = {}) => {
  const lines: string[] = [];
  return { lines, log: createLogger({ write: (line) => lines.push(line) }, { level, levels, fields: { worker: 3 } }) };
};

describe("the error log", () => {
  test("has one JSON object a line: level, time, fields, message, and an error with stack and causes", () => {
    const { lines, log } = logged("warn");
    log.error("it failed", { path: "/x", error: new Error("outer", { cause: new Error("inner") }) });
    assert.equal(lines.length, 1);
    const line = JSON.parse(lines[0] ?? "");
    assert.equal(line.level, "error");
    assert.equal(line.worker, 3);
    assert.equal(line.msg, "it failed");
    assert.equal(line.path, "/x");
    assert.match(line.time, /^\d{4}-\d\d-\d\dT/);
    assert.match(line.error.stack, /outer[\s\S]*log\.test\.ts/);
    assert.equal(line.error.cause.message, "inner");
  });

  test("leaves out what is below its level", () => {
    const { lines, log } = logged("warn");
    log.debug("no");
    log.info("no");
    log.warn("yes");
    assert.equal(lines.length, 1);
    assert.equal(log.enabled("info"), false);
    assert.equal(log.enabled("error"), true);
  });

  test("gives a part of the server its own level: the longest dotted prefix of LogLevels wins", () => {
    const levels = { store: "debug", "store.index": "error" } as const;
    assert.equal(levelOf("store.collection", levels, "warn"), "debug");
    assert.equal(levelOf("store.index.rows", levels, "warn"), "error");
    assert.equal(levelOf("storekeeper", levels, "warn"), "warn");
    assert.equal(levelOf("constructor", levels, "warn"), "warn");
    const { lines, log } = logged("warn", levels);
    log.named("store.collection").debug("yes");
    log.named("store.index").warn("no");
    assert.equal(lines.length, 1);
    assert.equal(JSON.parse(lines[0] ?? "").part, "store.collection");
  });
});

describe("a file that grows", () => {
  test("keeps the order of writes, and says when it cannot be opened", async () => {
    const folder = await mkdtemp(join(tmpdir(), "caldavd-append-"));
    const path = join(folder, "log");
    const file = await AppendFile.open(path);
    for (let n = 0; n < 500; n++) file.write(`${n}\n`);
    await file.flush();
    await rename(path, `${path}.1`);
    await file.reopen();
    file.write(Buffer.from("new\n"));
    await file.close();
    assert.equal(await readFile(`${path}.1`, "utf8"), Array.from({ length: 500 }, (_, n) => `${n}\n`).join(""));
    assert.equal(await readFile(path, "utf8"), "new\n");
    await assert.rejects(AppendFile.open(join(folder, "no", "such")), /ENOENT/);
    await rm(folder, { recursive: true });
  });
});
