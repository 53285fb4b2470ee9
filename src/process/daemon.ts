import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolders, reasonOf } from "./prepare.ts";
import { StartError } from "./run.ts";

/** Set in the environment of the process that is to serve in the background. */
const mark = "CALDAVD_BACKGROUND";

/** Whether this process is the one in the background. */
export const inBackground = (): boolean => process.env[mark] !== undefined && process.send !== undefined;

/** What the process in the background tells the one that was typed. */
type Report = { readonly ready: string } | { readonly failed: string };

/** Tells the process in front that the server accepts connections, and lets it go. */
export const reportReady = (line: string): void => report({ ready: line });
/** Tells it why there is no server. */
export const reportFailure = (message: string): void => report({ failed: message });

const report = (message: Report): void => {
  if (!process.connected) return;
  process.send?.(message, () => {
    if (process.connected) process.disconnect();
  });
};

/** Runs the same command again, detached from the terminal and with `errorLog` as its standard output, and waits until it is
 *  ready. Resolves with the ready line. Throws StartError with what the server said against starting. */
export const startInBackground = (errorLog: string | undefined): Promise<string> => {
  let output: number;
  const path = errorLog ?? "/dev/null";
  try {
    if (errorLog !== undefined) makeFolders(dirname(path), 0o750);
    output = openSync(path, "a");
  } catch (error) {
    throw new StartError([`ErrorLogFile: ${path} cannot be opened: ${reasonOf(error)}`], { cause: error });
  }
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    stdio: ["ignore", output, output, "ipc"],
    env: { ...process.env, [mark]: "1" },
  });
  closeSync(output);
  return new Promise((resolve, reject) => {
    child.on("message", (message: Report) => {
      if ("ready" in message) {
        child.disconnect();
        child.unref();
        resolve(message.ready);
      } else reject(new StartError([message.failed]));
    });
    child.on("error", (error) => reject(new StartError([error.message], { cause: error })));
    child.on("exit", (code) => reject(new StartError([`the server ended with status ${code}; ${path} says why`])));
  });
};
