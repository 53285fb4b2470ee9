import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Database, retryWhileBusy } from "../base/sqlite.ts";
import { parseCalendarObject } from "../ical/parse.ts";
import { elements } from "../xml/element.ts";
import { foldersIn, quickStat } from "./files.ts";
import { IndexFile, schemaVersion } from "./index-file.ts";
import { indexName, kindByPlace } from "./layout.ts";
import type { PropertyStore } from "./properties.ts";
import { kindByType } from "./provision.ts";

/** What is in a calendar home, or in several. */
export interface Census {
  readonly calendars: number;
  /** Calendars among them that take tasks only. */
  readonly todoLists: number;
  /** Objects in calendars, overrides and instances not counted. */
  readonly events: number;
  readonly todos: number;
  /** Objects in calendars that are neither, and files there that are no calendar objects. */
  readonly others: number;
}

export const nothing: Census = { calendars: 0, todoLists: 0, events: 0, todos: 0, others: 0 };

export const together = (a: Census, b: Census): Census => ({
  calendars: a.calendars + b.calendars,
  todoLists: a.todoLists + b.todoLists,
  events: a.events + b.events,
  todos: a.todos + b.todos,
  others: a.others + b.others,
});

/** Counts what is in a home without writing anything, as an administrator may while the server runs: from each calendar's index
 *  where that agrees with its folder, else from the files. */
export async function censusOf(home: string, properties: PropertyStore): Promise<Census> {
  let census = nothing;
  for await (const { path } of calendarsIn(home, properties))
    census = together(census, await countCalendar(path, properties));
  return census;
}

/** The calendars of a home, with their paths below it. */
export async function* calendarsIn(
  home: string,
  properties: PropertyStore,
  below: readonly string[] = [],
): AsyncGenerator<{ readonly path: string; readonly name: string }> {
  for (const folder of await foldersIn(join(home, ...below))) {
    const inside = [...below, folder];
    const path = join(home, ...inside);
    const kind = kindByPlace(inside) ?? (await kindByType(properties, path));
    if (kind === "calendar") yield { path, name: inside.join("/") };
    else if (kind === "folder") yield* calendarsIn(home, properties, inside);
  }
}

const componentsName = "{urn:ietf:params:xml:ns:caldav}supported-calendar-component-set";

async function countCalendar(path: string, properties: PropertyStore): Promise<Census> {
  const set = (await properties.readCollection(path)).get(componentsName);
  const kinds = set === undefined ? [] : elements(set).map(({ attributes }) => attributes["name"]);
  const todoLists = kinds.length > 0 && kinds.every((kind) => kind === "VTODO") ? 1 : 0;
  const counts = (await countIndexed(path)) ?? (await countFiles(path));
  return { calendars: 1, todoLists, ...counts };
}

interface Counts {
  readonly events: number;
  readonly todos: number;
  readonly others: number;
}

/** undefined: there is no index, or it is of another time or server. */
async function countIndexed(path: string): Promise<Counts | undefined> {
  let db: Database;
  try {
    db = new Database(join(path, indexName), { readonly: true });
  } catch {
    return undefined;
  }
  try {
    return await retryWhileBusy(
      path,
      () => {
        if (db.prepare("select VALUE from CALDAV where KEY = 'SCHEMA_VERSION'").get()?.[0] !== schemaVersion)
          return undefined;
        if (new IndexFile(db).state().directory !== quickStat(path)?.ctimeMs) return undefined;
        const counts = { events: 0, todos: 0, others: 0 };
        for (const [kind, count] of db.prepare("select kind, count(*) from resource group by kind").all())
          counts[kind === "VEVENT" ? "events" : kind === "VTODO" ? "todos" : "others"] += Number(count);
        return counts;
      },
      { patience: 2000 },
    );
  } catch {
    return undefined;
  } finally {
    db.close();
  }
}

async function countFiles(path: string): Promise<Counts> {
  const counts = { events: 0, todos: 0, others: 0 };
  for await (const { text } of filesOf(path)) {
    let kind: string | undefined;
    try {
      kind = text === undefined ? undefined : parseCalendarObject(text).kind;
    } catch {
      // Not a calendar object: counted as what it is.
    }
    counts[kind === "VEVENT" ? "events" : kind === "VTODO" ? "todos" : "others"]++;
  }
  return counts;
}

/** The members of a folder, in order of name; `text` is undefined for one that cannot be read, or is gone. */
export async function* filesOf(
  path: string,
): AsyncGenerator<{ readonly name: string; readonly path: string; readonly text: string | undefined }> {
  const found = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const name of found
    .filter((item) => item.isFile() && !item.name.startsWith("."))
    .map((item) => item.name)
    .sort()) {
    const file = join(path, name);
    yield { name, path: file, text: await readFile(file, "utf8").catch(() => undefined) };
  }
}

/** Bytes of all members in a home, inbox and attachments included, as the quota counts them. */
export async function memberBytes(path: string): Promise<number> {
  let bytes = 0;
  for (const item of await readdir(path, { withFileTypes: true }).catch(() => [])) {
    if (item.name.startsWith(".")) continue;
    const inside = join(path, item.name);
    if (item.isDirectory()) bytes += await memberBytes(inside);
    else if (item.isFile()) bytes += (await lstat(inside).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}

/** Bytes that a folder and everything in it take on the disk, as `du` counts them: blocks, each file once. Files that go
 *  meanwhile are not counted. */
export async function diskUsage(path: string, counted: Set<string> = new Set()): Promise<number> {
  const facts = await lstat(path).catch(() => undefined);
  if (facts === undefined) return 0;
  if (facts.nlink > 1 && !facts.isDirectory()) {
    const identity = `${facts.dev}:${facts.ino}`;
    if (counted.has(identity)) return 0;
    counted.add(identity);
  }
  let bytes = facts.blocks * 512;
  if (facts.isDirectory())
    for (const name of await readdir(path).catch(() => [])) bytes += await diskUsage(join(path, name), counted);
  return bytes;
}
