import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { repository, type Server, startServer } from "../support/server.ts";
import { runProgram } from "./run-program.ts";

describe("Digest as real clients do it", () => {
  let server: Server;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "caldavd-digest-"));
    server = await startServer({ settings: { "Authentication/Basic/Enabled": false } });
  });
  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Statuses of all answers of one curl, in order. */
  async function curl(...args: readonly string[]): Promise<readonly number[]> {
    const { code, output } = await runProgram(
      "curl",
      ["-sS", "-v", "--digest", "-u", "user01:user01", "-X", "PROPFIND", "-H", "Depth: 0", ...args],
      { package: "curl" },
    );
    assert.equal(code, 0, output);
    return [...output.matchAll(/^< HTTP\/1\.1 (\d+)/gm)].map((match) => Number(match[1]));
  }
  /** The workers that answered, as the access log's `count` lines have it. */
  async function workersOf(pattern: RegExp, count: number): Promise<readonly string[]> {
    const lines = await server.accessed(pattern, count);
    return [...new Set(lines.map((line) => / i=(\d+)/.exec(line)?.[1] ?? ""))].sort();
  }
  const home = (): string => `${server.url}/calendars/users/user01/`;
  const silent = (url: string): readonly string[] => ["-o", "/dev/null", url];

  test("curl asks for a nonce for each of its transfers, and then signs in", async () => {
    const urls = Array.from({ length: 3 }, () => silent(home())).flat();
    assert.deepEqual(await curl(...urls), [401, 207, 401, 207, 401, 207]);
  });

  test("a query, a name with blanks and quotes are part of what is hashed", async () => {
    for (const path of ["?a=1&b=%20", "not%20there%22/", "%E2%82%AC/?x=%C3%BC"])
      assert.ok([207, 404].includes((await curl(...silent(`${home()}${path}`))).at(-1) ?? 0), path);
  });

  test("a nonce is asked of one worker and used at another, on many connections at once", async () => {
    const urls = Array.from({ length: 24 }, () => silent(`${home()}?many`)).flat();
    const statuses = await curl("--parallel", "--parallel-immediate", "--parallel-max", "12", ...urls);
    assert.equal(statuses.filter((status) => status === 207).length, 24);
    assert.deepEqual(await workersOf(/\?many HTTP\/1\.1" 207 /, 24), ["1", "2"]);
  });

  test("one nonce serves six connections at both workers, and six more after a restart", async () => {
    const file = join(folder, "session");
    const script = join(repository, "test/e2e/digest-session.py");
    const run = (what: string) =>
      runProgram("/usr/bin/python3", [script, `${home()}?${what}`, "user01", "user01", what, file], {
        package: "python3-requests",
      });
    const saved = await run("save");
    assert.equal(saved.code, 0, saved.output);
    assert.deepEqual(await workersOf(/\?save HTTP\/1\.1" 207 /, 6), ["1", "2"]);
    server = await server.restart();
    const used = await run("use");
    assert.equal(used.code, 0, used.output);
    assert.match(used.output, /first answer: 207/);
  });

  test("OPTIONS is answered to everybody, with the challenges for who would like to be somebody", async () => {
    const stranger = await fetch(home(), { method: "OPTIONS" });
    assert.equal(stranger.status, 200);
    assert.match(stranger.headers.get("www-authenticate") ?? "", /^Digest realm="[^"]+", nonce="[\w-]{40}"/);
    assert.deepEqual(await curl("-X", "OPTIONS", "-H", "Expect:", ...silent(home())), [200]);
  });

  test("a wrong password is 401 and stays so", async () => {
    assert.deepEqual(await curl("-u", "user01:wrong", ...silent(home())), [401, 401]);
  });

  test("SHA-256 works with curl", async () => {
    const other = await startServer({ settings: { "Authentication/Digest/Algorithm": "sha-256" } });
    try {
      assert.deepEqual(await curl(...silent(`${other.url}/calendars/users/user01/`)), [401, 207]);
    } finally {
      await other.stop();
    }
  });

  test("python-caldav finds, makes, saves, searches, changes and removes with Digest", async () => {
    const script = join(repository, "test/e2e/python-caldav.py");
    const { code, output } = await runProgram(
      "/usr/bin/python3",
      [script, `${server.url}/`, "user03", "user03", "digest"],
      { package: "python3-caldav" },
    );
    assert.equal(code, 0, output);
  });
});
