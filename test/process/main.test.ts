import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/server.ts";
import { get, isAlive, until } from "./running.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tsx = fileURLToPath(import.meta.resolve("tsx"));

describe("caldavd", () => {
  let folder: string;
  let port: number;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "caldavd-main-"));
    port = await freePort();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const caldavd = (
    ...args: readonly string[]
  ): { readonly status: number | null; readonly out: string; readonly err: string } => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", tsx, join(root, "src/main.ts"), ...args],
      { cwd: folder, encoding: "utf8", timeout: 60_000, env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
    );
    return { status, out: stdout, err: stderr };
  };
  const served = (): readonly string[] =>
    [
      ["-f", join(root, "plist/caldavd-test.plist")],
      ...[`HTTPPort=${port}`, "DocumentRoot=Documents", "DataRoot=Data", "MultiProcess/ProcessCount=1"].map(
        (option) => ["-o", option],
      ),
    ].flat();

  test("-h prints the usage and ends with 0; a wrong call prints it and ends with 64", () => {
    assert.deepEqual({ ...caldavd("-h"), out: "" }, { status: 0, out: "", err: "" });
    for (const args of [["-Z"], ["-X", "operand"], ["-f"]]) {
      const { status, out, err } = caldavd(...args);
      assert.equal(status, 64);
      assert.match(out, /^caldavd: .*\nusage: caldavd /);
      assert.equal(err, "");
    }
  });

  test("names all problems of its configuration at once and ends with 1", () => {
    const { status, err } = caldavd(
      "-X",
      ...served(),
      "-t",
      "Quadruple",
      "-o",
      "UserQuota=much",
      "-o",
      "MaxRequests=0",
      "-o",
      "HTPPort=1",
    );
    assert.equal(status, 1);
    for (const line of [
      /^caldavd: .*ProcessType: must be one of Combined, Master, Slave, Single/m,
      /UserQuota: /,
      /MaxRequests: /,
      /HTPPort.*HTTPPort/,
    ])
      assert.match(err, line);
  });

  test("ends with 1 and the reason when a folder or the port cannot be had", () => {
    const unusable = caldavd("-X", ...served(), "-o", "DocumentRoot=/proc/none/Documents");
    assert.equal(unusable.status, 1);
    assert.match(unusable.err, /^caldavd: DocumentRoot: \/proc\/none\/Documents cannot be used: /m);
    const silent = caldavd("-X", ...served(), "-o", "HTTPPort=0");
    assert.equal(silent.status, 1);
    assert.match(silent.err, /^caldavd: HTTPPort: /m);
  });

  test("without -X goes to the background: 0 when it is ready, 1 with the message when it cannot start", async () => {
    const started = caldavd(...served());
    assert.deepEqual(started, { status: 0, out: `caldavd: ready on http://127.0.0.1:${port}/ (1 workers)\n`, err: "" });
    const pid = Number(readFileSync(join(folder, "Data/caldavd.pid"), "utf8"));
    try {
      assert.equal((await get(port, "/")).status, 200);
      const second = caldavd(...served());
      assert.equal(second.status, 1);
      assert.match(second.err, new RegExp(`PIDFile: .*caldavd runs already, with process id ${pid}`));
    } finally {
      process.kill(pid, "SIGTERM");
    }
    await until("its end", () => !isAlive(pid), 40);
    assert.equal(existsSync(join(folder, "Data/caldavd.pid")), false);
    assert.match(readFileSync(join(folder, "Data/access.log"), "utf8"), /"GET \/ HTTP\/1\.1" 200 /);
    // The store, its logs and its folders are nobody else's to read.
    for (const path of ["Documents", "Data", "Data/access.log", "Data/error.log"])
      assert.equal(statSync(join(folder, path)).mode & 0o007, 0, path);
  });
});
