import { accessSync, chownSync, constants, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Identity } from "../base/privileges.ts";
import type { ProcessSettings } from "./settings.ts";

/** What stands in the way of a start, and what an administrator should know although it does not. */
export interface Findings {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left",
  ENOTDIR: "a part of the path is not a folder",
  EEXIST: "a file of that name is in the way",
};

/** The system's error in words. */
export const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? String(error.code) : "";
  return reasons[code] ?? error.message;
};

const octal = (mode: number): string => (mode & 0o777).toString(8).padStart(3, "0");

/** Makes a folder and those above it that are missing. By hand, since Node's recursive mkdir never returns where a folder
 *  cannot be made although the one above it is there, as in /proc. True: it was missing. */
export const makeFolders = (path: string, mode: number): boolean => {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return false;
  if (dirname(path) !== path) makeFolders(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another process may have made it in this moment.
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  return true;
};

/** Makes the folder (mode 0750, the worker's own) if it is missing, and looks whether the server can use it. */
const prepareFolder = (
  key: string,
  path: string,
  identity: Identity | undefined,
  problems: string[],
  warnings: string[],
): void => {
  try {
    if (makeFolders(path, 0o750) && identity !== undefined) chownSync(path, identity.uid, identity.gid);
    const stats = statSync(path);
    if (!stats.isDirectory()) {
      problems.push(`${key}: ${path} is not a folder`);
      return;
    }
    if (identity === undefined) accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    else if (identity.uid !== 0 && !mayWrite(stats, identity))
      problems.push(
        `${key}: ${path} cannot be written by the workers (user id ${identity.uid}, group id ${identity.gid})`,
      );
    if ((stats.mode & 0o007) !== 0)
      warnings.push(`${key}: ${path} is open to every user of this host (mode ${octal(stats.mode)}); 750 is enough`);
  } catch (error) {
    problems.push(`${key}: ${path} cannot be used: ${reasonOf(error)}`);
  }
};

const mayWrite = (
  stats: { readonly mode: number; readonly uid: number; readonly gid: number },
  { uid, gid }: Identity,
): boolean => {
  const bits = stats.uid === uid ? stats.mode >> 6 : stats.gid === gid ? stats.mode >> 3 : stats.mode;
  return (bits & 0o7) === 0o7;
};

/** Makes DocumentRoot and DataRoot. `identity`: who the workers are, if not this process's user. */
export const prepare = (settings: ProcessSettings, identity: Identity | undefined): Findings => {
  const problems: string[] = [];
  const warnings: string[] = [];
  if ((settings.umask & 0o007) !== 0o007)
    warnings.push(
      `umask: ${octal(settings.umask)} lets every user of this host at new files of the store; 027 (23 in the plist) does not`,
    );
  prepareFolder("DocumentRoot", settings.documentRoot, identity, problems, warnings);
  prepareFolder("DataRoot", settings.dataRoot, identity, problems, warnings);
  return { problems, warnings };
};
