import { existsSync, readFileSync } from "node:fs";

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined);

/** Whether `pid` is a running caldavd other than this process. A number that another program got since is not: after a crash
 *  of the whole machine, low numbers return. */
export const isRunning = (pid: number): boolean => {
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
    return codeOf(error) === "ENOENT" ? !existsSync("/proc/self/cmdline") : true;
  }
};

/** The process id in a file; undefined when there is no such file, or no number in it. */
export const pidIn = (path: string): number | undefined => {
  try {
    const pid = Number.parseInt(readFileSync(path, "latin1"), 10);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
};
