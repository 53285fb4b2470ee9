// Runs the tests: all of them, or those whose path contains one of the arguments. The closing lines and the exit code are those
// of node:test.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const wanted = process.argv.slice(2);

/** All minutes a run may take; the promise is 30. */
const wholeLimit = 29 * 60_000;
/** Milliseconds for one test. */
const oneLimit = 10 * 60_000;

const files = readdirSync(join(root, "test"), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
  .filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`no test has ${wanted.map((part) => JSON.stringify(part)).join(" or ")} in its path`);
  process.exit(1);
}

const run = spawn(
  process.execPath,
  [
    ...["--import", "tsx", "--test", "--test-concurrency=2", `--test-timeout=${oneLimit}`],
    ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
    ...files,
  ],
  // The built program is there (scripts/test has made it): tests of whole servers run that.
  { cwd: root, stdio: "inherit", env: { ...process.env, CALDAVD_TEST_BUILT: "1" } },
);
const late = setTimeout(() => {
  console.error(`the tests took longer than ${wholeLimit / 60_000} minutes and were ended`);
  run.kill("SIGTERM");
  process.exitCode = 1;
}, wholeLimit);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => run.kill(signal));
run.on("close", (code) => {
  clearTimeout(late);
  process.exitCode ??= code ?? 1;
});
