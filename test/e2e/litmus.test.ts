import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Server, startServer } from "../support/server.ts";
import { runProgram } from "./run-program.ts";

describe("litmus against a calendar home", () => {
  let server: Server;
  let folder: string;
  before(async () => {
    server = await startServer();
    folder = await mkdtemp(join(tmpdir(), "caldavd-litmus-"));
  });
  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  for (const suite of ["basic", "copymove", "props", "locks", "http"])
    test(`every test of the suite "${suite}" passes`, async () => {
      const { output } = await runProgram("litmus", [`${server.url}/calendars/users/user01/`, "user01", "user01"], {
        package: "litmus",
        cwd: folder,
        env: { TESTS: suite },
      });
      const summary = /summary for `(\w+)': of (\d+) tests run: (\d+) passed, (\d+) failed/.exec(output);
      // What the requests and answers were is in litmus's debug log; its end belongs to the first failure.
      const failed = output.split(/[\r\n]+/).filter((line) => /FAIL|WARNING/.test(line));
      const debug = async (): Promise<string> => (await readFile(join(folder, "debug.log"), "latin1")).slice(-3000);
      assert.ok(summary, `litmus gave no summary:\n${output}`);
      assert.equal(summary[4], "0", `${failed.join("\n")}\n${summary[4] === "0" ? "" : await debug()}`);
      assert.equal(summary[2], summary[3], output);
    });
});
