import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "./run-program.ts";

/** A folder and a user's home that vdirsyncer keeps equal. */
export class VdirsyncerPair {
  /** Holds the configuration, and the calendars' files in `local/<calendar>/`. */
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** `certificate`: of a server that speaks TLS, a PEM file. `collections` and `settings` as they stand in the section of the pair, without what both sides are called. */
  static async make(
    server: { readonly url: string; readonly certificate?: string },
    user: string,
    collections: readonly string[],
    ...settings: readonly string[]
  ): Promise<VdirsyncerPair> {
    const folder = await mkdtemp(join(tmpdir(), "caldavd-vdirsyncer-"));
    await mkdir(join(folder, "local"));
    await writeFile(
      join(folder, "config"),
      `[general]
status_path = "${folder}/status/"
[pair both]
a = "local"
b = "remote"
collections = ${JSON.stringify(collections)}
${settings.join("\n")}
[storage local]
type = "filesystem"
path = "${folder}/local/"
fileext = ".ics"
[storage remote]
type = "caldav"
url = "${server.url}/"
username = "${user}"
password = "${user}"
${server.certificate === undefined ? "" : `verify = "${server.certificate}"\n`}`,
    );
    return new VdirsyncerPair(folder);
  }

  /** A path in the folder of the calendars. */
  local(...more: readonly string[]): string {
    return join(this.folder, "local", ...more);
  }

  /** Runs a command, which may make collections that one side lacks; its output. */
  async run(...args: readonly string[]): Promise<string> {
    const { code, output } = await runProgram("vdirsyncer", ["-c", join(this.folder, "config"), ...args], {
      package: "vdirsyncer",
      input: "y\n".repeat(10),
    });
    assert.equal(code, 0, `vdirsyncer ${args.join(" ")} failed:\n${output}`);
    // Its warnings are none here: it says "Deleting an item with no etag" whenever there is one.
    assert.doesNotMatch(output, /^(error|critical):/m, output);
    return output;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
