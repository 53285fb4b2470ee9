import { randomUUID } from "node:crypto";
import { copyFile, link, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { retryWhileBusy } from "../base/sqlite.ts";
import type { DelegateList, Delegates } from "./backend.ts";
import { DelegateDatabase, makeDatabase } from "./delegate-database.ts";
import { newestDump } from "./delegate-dumps.ts";

export interface DelegatesOptions {
  readonly documentRoot: string;
  readonly dataRoot: string;
  /** There are calendars already: then a missing database means that it was lost, and none is made in its place. */
  readonly storeIsUsed: boolean;
  readonly warn: (message: string) => void;
}

/** Where version 1 kept it, and where it is made. */
export const delegatesFile = (documentRoot: string): string =>
  join(documentRoot, "principals", ".db.calendaruserproxy");
/** Where version 2 kept it. Used when the other one is not there. */
const delegatesFileOf2 = (dataRoot: string): string => join(dataRoot, "calendaruserproxy.sqlite");

/** Opens the delegate database: tables and names of the original, schema 3 (of 1.x, made by this server too) or 4 (of 2.x).
 *  Unlike every other database of the store it cannot be rebuilt: it is never replaced, never emptied, and with a used
 *  store never made anew. Throws an Error that says what is wrong and how to restore it. */
export async function openDelegates(options: DelegatesOptions): Promise<Delegates> {
  const path = await delegatesPath(options);
  if (!(await holdsData(path))) {
    if (options.storeIsUsed) await confirmLoss(path, options.warn);
    else await create(path);
  }
  return retryWhileBusy(path, () => new DelegateDatabase(path, options.warn));
}

/** Where the database is, or would be made. */
export async function delegatesPath(options: Pick<DelegatesOptions, "documentRoot" | "dataRoot">): Promise<string> {
  const own = delegatesFile(options.documentRoot);
  const old = delegatesFileOf2(options.dataRoot);
  return (await holdsData(own)) || !(await holdsData(old)) ? own : old;
}

/** Makes a new database that holds these lists, in place of a lost or broken one; what stands there is moved aside. A server that
 *  runs takes it up within a second. Answers where the old one is now, undefined if there was none. */
export async function restoreDelegates(path: string, lists: readonly DelegateList[]): Promise<string | undefined> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomUUID()}.new`;
  let aside: string | undefined;
  try {
    makeDatabase(draft, lists);
    if (await exists(path)) {
      aside = `${path}.before-${new Date().toISOString().replaceAll(":", "").slice(0, 17)}`;
      // A second name first: at no moment is there no database.
      await link(path, aside).catch(() => copyFile(path, aside ?? ""));
    }
    // A journal of the old file would be rolled back into the new one.
    await rm(`${path}-journal`, { force: true });
    await rename(draft, path);
  } finally {
    await Promise.all([rm(draft, { force: true }), rm(`${draft}-journal`, { force: true })]);
  }
  await rm(`${path}.lost`, { force: true });
  await syncFolder(dirname(path));
  return aside;
}

/** Throws unless an administrator has said that the database is lost for good. */
async function confirmLoss(path: string, warn: (message: string) => void): Promise<void> {
  const confirmation = `${path}.lost`;
  if (await exists(confirmation)) {
    warn(`${path}: a new, empty delegate database is made, because ${confirmation} says that the old one is lost`);
    await create(path);
    await rm(confirmation, { force: true });
  } else if (!(await holdsData(path)))
    throw new Error(
      `${path}: the delegate database is missing although the store is in use. It says who may see and edit whose ` +
        "calendars, and cannot be rebuilt. Copy it back from a backup (that of version 2 is calendaruserproxy.sqlite in " +
        `DataRoot)${await orFromDump(path)}. If it is lost for good, say so by making an empty file ${confirmation}, ` +
        "and start again",
    );
}

async function orFromDump(path: string): Promise<string> {
  const dump = await newestDump(dirname(path));
  return dump === undefined ? "" : `, or make it again from its daily copy: caladmin delegates import --new ${dump}`;
}

/** Makes an empty delegate database at its place, complete or not at all; one that is there stays. */
async function create(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomUUID()}.new`;
  makeDatabase(draft, []);
  try {
    // A link, not a rename: of several workers that start at once one wins, and nobody's rows are replaced.
    await link(draft, path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "EEXIST" && code !== "EPERM" && code !== "ENOTSUP") throw error;
    // An empty file (a backup that failed, a full disk) is no database. Volumes without links are for one host.
    if (!(await holdsData(path))) await rename(draft, path);
  } finally {
    await Promise.all([rm(draft, { force: true }), rm(`${draft}-journal`, { force: true })]);
  }
  await syncFolder(dirname(path));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  await folder.sync().finally(() => folder.close());
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const holdsData = (path: string): Promise<boolean> =>
  stat(path).then(
    ({ size }) => size > 0,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw error;
    },
  );
