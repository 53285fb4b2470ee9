import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { replaceFile } from "../base/replace-file.ts";
import type { PrincipalUid } from "../model/ids.ts";
import type { DelegateList, Delegates } from "./backend.ts";

/** Copies kept; a week or two is how long nobody may notice that delegates are missing. */
export const dumpsKept = 14;

const dumpName = /^delegates-\d{4}-\d\d-\d\d\.json$/;

/** The newest daily copy in the folder of the delegate database, as a path. */
export async function newestDump(folder: string): Promise<string | undefined> {
  const name = (await dumpsIn(folder)).at(-1);
  return name === undefined ? undefined : join(folder, name);
}

/** Names, the oldest first. */
const dumpsIn = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder).catch(() => [])).filter((name) => dumpName.test(name)).sort();

/** All lists as JSON, one owner a line, which people can read and `readDelegatesJson` and `caladmin delegates import` take. */
export function delegatesJson(lists: readonly DelegateList[]): string {
  const owners = new Map<PrincipalUid, { read?: readonly PrincipalUid[]; write?: readonly PrincipalUid[] }>();
  for (const { owner, access, members } of lists) owners.set(owner, { ...owners.get(owner), [access]: members });
  const lines = [...owners].map(([owner, of]) => `    ${JSON.stringify({ owner, ...of })}`);
  return `{\n  "delegates": [\n${lines.join(",\n")}\n  ]\n}\n`;
}

/** Writes the database of today as `delegates-<date>.json` into its folder, durably, unless there is one of today already, and
 *  removes all but the newest `dumpsKept`. Several hosts may do so at once. Answers the path, undefined if nothing was to do. */
export async function dumpDelegates(delegates: Delegates, database: string, today: Date): Promise<string | undefined> {
  const folder = dirname(database);
  const name = `delegates-${dayOf(today)}.json`;
  if ((await dumpsIn(folder)).includes(name)) return undefined;
  await replaceFile(join(folder, name), delegatesJson(await delegates.lists()));
  for (const old of (await dumpsIn(folder)).slice(0, -dumpsKept)) await rm(join(folder, old), { force: true });
  return join(folder, name);
}

/** Local date, as the access log's. */
const dayOf = (date: Date): string =>
  [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => `${part}`.padStart(2, "0")).join("-");

const everyHour = 3_600_000;

/** Keeps daily copies beside the database, from now on; a failure is logged and tried again after an hour. Answers how to end it. */
export function keepDumps(
  delegates: Delegates,
  database: string,
  warn: (message: string) => void,
  now: () => Date = () => new Date(),
): () => Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  const look = (): void => {
    writing = dumpDelegates(delegates, database, now()).then(
      () => {},
      (error: unknown) =>
        warn(`${database}: no daily copy was made: ${error instanceof Error ? error.message : String(error)}`),
    );
  };
  look();
  const timer = setInterval(look, everyHour);
  timer.unref();
  return () => {
    clearInterval(timer);
    return writing;
  };
}
