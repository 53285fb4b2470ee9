import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { configFrom } from "../../src/config/load.ts";
import { readPlist } from "../../src/xml/plist.ts";

const program = fileURLToPath(new URL("../../src/admin/caladmin.ts", import.meta.url));

const caladmin = (
  ...args: readonly string[]
): { readonly status: number | null; readonly out: string; readonly err: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", program, ...args], {
    encoding: "utf8",
  });
  return { status, out: stdout, err: stderr };
};

describe("caladmin", () => {
  let folder: string;
  let good: string;
  let bad: string;
  const plist = (inner: string): string => `<?xml version="1.0"?><plist version="1.0"><dict>${inner}</dict></plist>`;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "caldavd-admin-"));
    good = join(folder, "good.plist");
    bad = join(folder, "bad.plist");
    writeFileSync(
      good,
      plist(
        `<key>HTTPPort</key><integer>8123</integer>
         <key>Scheduling</key><dict><key>iMIP</key><dict><key>Password</key><string>hush</string></dict></dict>`,
      ),
    );
    writeFileSync(
      bad,
      plist(
        `<key>UserQuota</key><string>much</string><key>MaxRequests</key><integer>0</integer><key>HTPPort</key><integer>1</integer>`,
      ),
    );
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("config prints every key with the value caldavd would use, options included, and no password", () => {
    const { status, out } = caladmin("-c", good, "-o", "MultiProcess/ProcessCount=3", "config");
    assert.equal(status, 0);
    assert.match(out, /^HTTPPort = 8123$/m);
    assert.match(out, /^MultiProcess\.ProcessCount = 3$/m);
    assert.match(out, /^Scheduling\.iMIP\.Password = "\(not shown\)"$/m);
    assert.doesNotMatch(out, /hush/);
    assert.equal(JSON.parse(caladmin("-c", good, "-f", "json", "config").out)["HTTPPort"], 8123);
  });

  test("config prints a property list that says the same again", () => {
    const { out } = caladmin("-c", good, "-f", "plist", "config");
    const again = configFrom(readPlist(out), { folder });
    assert.deepEqual(again.problems, []);
    assert.equal(again.config.HTTPPort, 8123);
    assert.doesNotMatch(out, /hush/);
  });

  test("check-config says all that is wrong at once, and its status is 1", () => {
    const { status, err } = caladmin("check-config", bad);
    assert.equal(status, 1);
    assert.match(err, /^problem: UserQuota: must be a whole number/m);
    assert.match(err, /^problem: MaxRequests: must be a whole number from 1 to 100000, found 0( \(line 1\))?$/m);
    assert.match(err, /^warning: HTPPort: .*HTTPPort/m);
    assert.equal(caladmin("check-config", join(folder, "none.plist")).status, 1);
    const { status: fine, out } = caladmin("check-config", good);
    assert.deepEqual({ fine, out }, { fine: 0, out: `${good}: no problems\n` });
  });

  test("a command, option or format that does not exist is a wrong call: 64 and the usage", () => {
    for (const args of [[], ["frobnicate"], ["-x", "config"], ["-f", "pdf", "config"], ["config", "more"]]) {
      const { status, out } = caladmin(...args);
      assert.equal(status, 64, args.join(" "));
      assert.match(out, /^caladmin: .*\nusage: caladmin /);
    }
    assert.equal(caladmin("-h").status, 0);
  });
});
