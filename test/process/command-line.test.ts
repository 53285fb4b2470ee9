import assert from "node:assert/strict";
import { test } from "node:test";
import { readCommandLine, UsageError } from "../../src/process/command-line.ts";

test("flags are those of the original; -o may be repeated and -t is a short form of it", () => {
  assert.deepEqual(
    readCommandLine([
      "-X",
      "-f",
      "/etc/x.plist",
      "-o",
      "HTTPPort=1",
      "-o",
      "A/B=x=y",
      "-t",
      "Slave",
      "-u",
      "nobody",
      "-g",
      "adm",
    ]),
    {
      help: false,
      foreground: true,
      configFile: "/etc/x.plist",
      overrides: ["HTTPPort=1", "A/B=x=y", "ProcessType=Slave"],
      user: "nobody",
      group: "adm",
    },
  );
  assert.equal(readCommandLine(["-h"]).help, true);
  assert.equal(readCommandLine([]).foreground, false);
});

test("flags of the original without a meaning here are taken and ignored", () => {
  const line = readCommandLine([
    "-T",
    "/usr/bin/twistd",
    "-p",
    "/tmp/stats",
    "-P",
    "caldav",
    "-R",
    "caldav_kqueue",
    "-X",
  ]);
  assert.equal(line.foreground, true);
  assert.deepEqual(line.overrides, []);
});

test("an unknown flag, an operand and a missing value are usage errors", () => {
  for (const args of [["-q"], ["start"], ["-f"], ["-o"], ["-X", "more"]])
    assert.throws(() => readCommandLine(args), UsageError, args.join(" "));
});
