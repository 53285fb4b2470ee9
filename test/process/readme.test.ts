import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { repository, type Server, startServer } from "../support/server.ts";

const readme = readFileSync(join(repository, "README.md"), "utf8");

/** The commands of the tour, each with what it is said to print. */
const steps = [...readme.matchAll(/```sh\n([\s\S]*?)```\n```text\n([\s\S]*?)```/g)].map((match) => ({
  command: match[1] ?? "",
  printed: match[2] ?? "",
}));

/** `…` stands for anything on its line. */
const pattern = (text: string): RegExp =>
  new RegExp(
    `^${text
      .split("…")
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join(".*")}$`,
  );

describe("the tour of the README, with the default configuration", () => {
  let server: Server;
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "caldavd-tour-"));
    server = await startServer({
      plist: join(repository, "plist/caldavd.plist"),
      settings: { PIDFile: "", AccessLogFile: "", ErrorLogFile: "" },
    });
  });
  after(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("has its steps", () => assert.ok(steps.length >= 6, `${steps.length}`));

  for (const { command, printed } of steps)
    test(`prints what the README says: ${/-X (\w+)/.exec(command)?.[1] ?? "GET"} ${printed.split("\n")[0]}`, () => {
      const { stdout, stderr } = spawnSync("bash", ["-c", command.replaceAll(":8008", `:${server.port}`)], {
        cwd: folder,
        encoding: "utf8",
      });
      assert.equal(stderr, "");
      assert.match(stdout.replaceAll("\r", ""), pattern(printed));
    });
});

test("files that the README links to are there", () => {
  const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1] ?? "");
  assert.ok(links.length > 3);
  for (const link of links) assert.ok(existsSync(join(repository, link)), link);
});
