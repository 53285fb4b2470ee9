import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { makeFolders, prepare } from "../../src/process/prepare.ts";
import type { ProcessSettings } from "../../src/process/settings.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "caldavd-prepare-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const settings = (documentRoot: string, umask = 0o027): ProcessSettings =>
  ({ documentRoot, dataRoot: join(folder, "Data"), umask }) as ProcessSettings;

test("missing folders are made for the server alone", () => {
  const path = join(folder, "a", "Documents");
  assert.deepEqual(prepare(settings(path), undefined), { problems: [], warnings: [] });
  assert.equal(statSync(path).mode & 0o777, 0o750);
});

test("a path that is a file, or below one, or cannot be made, is a problem that names key, path and reason", () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  const problemsOf = (path: string): string => prepare(settings(path), undefined).problems.join("\n");
  assert.equal(problemsOf(file), `DocumentRoot: ${file} is not a folder`);
  assert.match(
    problemsOf(join(file, "x")),
    /^DocumentRoot: .*\/file\/x cannot be used: a part of the path is not a folder$/,
  );
  // Where Node's own recursive mkdir would never return.
  assert.match(problemsOf("/proc/caldavd/Documents"), /^DocumentRoot: \/proc\/caldavd\/Documents cannot be used: /);
});

test("folders and a umask that let others in are worth a warning", () => {
  const path = join(folder, "Documents");
  mkdirSync(path);
  chmodSync(path, 0o755);
  const { problems, warnings } = prepare(settings(path, 0o022), undefined);
  assert.deepEqual(problems, []);
  assert.match(warnings.join("\n"), /umask: 022 lets every user/);
  assert.match(warnings.join("\n"), /DocumentRoot: .* is open to every user of this host \(mode 755\)/);
});

test("a folder that the workers' own user cannot write is a problem", () => {
  const path = join(folder, "Documents");
  mkdirSync(path, { mode: 0o700 });
  const { problems } = prepare(settings(path), { uid: 54_321, gid: 54_321 });
  if (process.getuid?.() === 0)
    assert.match(
      problems.join("\n"),
      /DocumentRoot: .* cannot be written by the workers \(user id 54321, group id 54321\)/,
    );
});

test("folders that two processes make at once are made once", () => {
  const path = join(folder, "x", "y", "z");
  assert.equal(makeFolders(path, 0o750), true);
  assert.equal(makeFolders(path, 0o750), false);
});
