import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { isRunning } from "../base/processes.ts";
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
