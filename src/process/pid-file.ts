import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolders } from "./prepare.ts";

/** The server runs already. */
export class AlreadyRunning extends Error {
  readonly pid: number;
  constructor(pid: number, path: string) {
    super(`${path}: caldavd runs already, with process id ${pid}`);
    this.name = "AlreadyRunning";
    this.pid = pid;
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined);

/** Whether `pid` is a running caldavd other than this process. A number that another program got since is not: after a crash
 *  of the whole machine, low numbers return. */
const isRunning = (pid: number): boolean => {
  // In a container every start has the same process id.
  if (!(pid > 1) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) !== "EPERM") return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("caldavd");
  } catch (error) {
    // Without /proc the number alone has to do; with it, the process is gone by now.
    return codeOf(error) === "ENOENT" ? !exists("/proc/self/cmdline") : true;
  }
};

const exists = (path: string): boolean => {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
};

/** Writes this process's number to `path`, in place of a stale one. Throws AlreadyRunning, or the system's error. */
export const writePidFile = (path: string): void => {
  makeFolders(dirname(path), 0o755);
  for (;;) {
    try {
      writeFileSync(path, `${process.pid}\n`, { flag: "wx", mode: 0o644 });
      return;
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    const pid = Number.parseInt(readFileSync(path, "latin1"), 10);
    if (isRunning(pid)) throw new AlreadyRunning(pid, path);
    rmSync(path, { force: true });
  }
};

/** Removes the file if it still names this process. */
export const removePidFile = (path: string): void => {
  try {
    if (Number.parseInt(readFileSync(path, "latin1"), 10) === process.pid) rmSync(path, { force: true });
  } catch {
    // Gone already, or not ours to remove.
  }
};
