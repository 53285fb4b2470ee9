import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { repository, startServer } from "../support/server.ts";
import { runProgram } from "./run-program.ts";

test("python-caldav finds, makes, saves, searches, changes and removes", async () => {
  const server = await startServer();
  try {
    const script = join(repository, "test/e2e/python-caldav.py");
    // Debian's own interpreter: the library is a package of the system.
    const { code, output } = await runProgram("/usr/bin/python3", [script, `${server.url}/`, "user03", "user03"], {
      package: "python3-caldav",
    });
    assert.equal(code, 0, output);
  } finally {
    await server.stop();
  }
});
