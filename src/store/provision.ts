import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { PrincipalUid } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import {
  CALDAV,
  CS,
  caldav,
  DAV,
  type Element,
  el,
  elements,
  elWith,
  localOf,
  type QName,
  textOf,
} from "../xml/element.ts";
import type { CollectionKind } from "./contract.ts";
import { freshName, makeDirectories, quickStat, syncDirectory } from "./files.ts";
import { homesIn } from "./homes.ts";
import { indexName, sidecarFolder } from "./layout.ts";
import type { StoreParts } from "./parts.ts";
import { reach } from "./points.ts";
import { ownerName, type Properties, type PropertyStore } from "./properties.ts";

/** Darwin's mark of a calendar: this attribute alone makes a directory one. */
export const resourcetypeName: QName = `{${DAV}}resourcetype`;
export const calendarType = el(resourcetypeName, el(`{${DAV}}collection`), el(`{${CALDAV}}calendar`));
/** Ours, so that a plain collection is told from a calendar that lost its attributes. */
export const folderType = el(resourcetypeName, el(`{${DAV}}collection`));

/** The original's mark of an accepted share. */
export const shareType = el(resourcetypeName, el(`{${DAV}}collection`), el(`{${CS}}shared`));
export const notificationType = el(resourcetypeName, el(`{${DAV}}collection`), el(`{${CS}}notification`));

const componentsName = caldav("supported-calendar-component-set");
const calendarOf = (kind: string): Properties =>
  new Map([
    [resourcetypeName, calendarType],
    [componentsName, el(componentsName, elWith(caldav("comp"), { name: kind }))],
  ]);

interface Beginning {
  readonly name: string;
  readonly properties: Properties;
}

/** The collections a new home begins with. Events and tasks apart: Apple's clients cannot work with both in one calendar. */
const apart: readonly Beginning[] = [
  { name: "calendar", properties: calendarOf("VEVENT") },
  { name: "tasks", properties: calendarOf("VTODO") },
  { name: "inbox", properties: new Map() },
  { name: "outbox", properties: new Map() },
];
/** The first calendar takes everything, as the original's did. */
const together: readonly Beginning[] = apart.map((beginning) =>
  beginning.name === "calendar" ? { ...beginning, properties: new Map([[resourcetypeName, calendarType]]) } : beginning,
);

/** Where a principal's home is, if it has one: by name (1.0 and ours), by uid (1.2), hashed (2.x). A home of that name that
 *  carries another uid belongs to somebody whose name was given away: it is passed over and never handed out. One without a
 *  mark (1.0, or a copy that lost its attributes) belongs to whoever has its name, unless that principal has another. */
export async function findHome(
  parts: Pick<StoreParts, "layout" | "properties" | "warn">,
  owner: Principal,
): Promise<string | undefined> {
  const named = parts.layout.namedHome(owner);
  let unmarked = false;
  if (quickStat(named)?.isDirectory()) {
    const mark = await ownerOfHome(parts, named);
    if (mark === owner.uid) return named;
    unmarked = mark === undefined;
    if (mark !== undefined)
      parts.warn("a home of this name belongs to another principal; its data stays untouched", {
        path: named,
        owner: mark,
        principal: owner.uid,
      });
  }
  for (const path of [parts.layout.uidHome(owner), parts.layout.hashedHome(owner)])
    if (path !== named && quickStat(path)?.isDirectory()) return path;
  return unmarked ? named : undefined;
}

/** Puts the owner's mark on a home that lies by name and has none, so that whoever gets the name later does not get it. Only where
 *  that is one system call, since nobody holds the home's lock here; what cannot be marked is served as it is. */
export async function markHome(parts: StoreParts, home: string, owner: Principal): Promise<void> {
  if (home !== parts.layout.namedHome(owner) || parts.properties.mode !== "xattr") return;
  if (quickStat(join(home, sidecarFolder)) || (await ownerOfHome(parts, home)) !== undefined) return;
  try {
    await parts.properties.writeCollection(home, new Map([[ownerName, el(ownerName, owner.uid)]]));
    await syncDirectory(home);
  } catch (error) {
    parts.warn("a home could not be marked as its owner's", {
      path: home,
      principal: owner.uid,
      reason: String(error),
    });
  }
}

/** Moves the home of a principal whose short name changed to where it is looked for now. undefined: it has none. */
async function followName(parts: StoreParts, owner: Principal, target: string): Promise<string | undefined> {
  // Whoever never had a home needs no search for it.
  const known = parts.layout.principalFolders(owner).at(-1);
  if (known === undefined || !quickStat(known)?.isDirectory()) return undefined;
  for await (const { path, owner: mark, named } of homesIn(parts.layout, parts.properties)) {
    if (mark !== owner.uid || named === undefined) continue;
    if (path === parts.layout.namedHome(owner)) return path; // made since by another worker
    await makeDirectories(dirname(target));
    try {
      await rename(path, target);
    } catch (error) {
      // Another worker was first.
      if (quickStat(target)?.isDirectory()) return target;
      throw error;
    }
    await syncDirectory(dirname(target));
    await syncDirectory(dirname(path));
    parts.warn("a home was moved after its owner, whose name changed", { from: path, to: target });
    return target;
  }
  return undefined;
}

/** The uid recorded on a home. */
export async function ownerOfHome(
  parts: Pick<StoreParts, "properties">,
  home: string,
): Promise<PrincipalUid | undefined> {
  const value = (await parts.properties.readCollection(home, true)).get(ownerName);
  return value && (textOf(value) as PrincipalUid);
}

/** Makes a home with its collections, complete before it is visible; of several makers one wins and the others use it. */
export async function makeHome(parts: StoreParts, owner: Principal): Promise<string> {
  const named = parts.layout.namedHome(owner);
  const isTaken = quickStat(named) !== undefined;
  // Somebody else's, or the one that another worker has made since this one looked.
  if (isTaken && (await ownerOfHome(parts, named)) === owner.uid) return named;
  const target = isTaken ? parts.layout.uidHome(owner) : named;
  const followed = await followName(parts, owner, target);
  if (followed !== undefined) return followed;
  for (const folder of parts.layout.principalFolders(owner)) await makeDirectories(folder);
  await makeDirectories(dirname(target));
  const home = join(parts.layout.staging, `home-${freshName()}`);
  await mkdir(home);
  try {
    reach("create.stage");
    await parts.properties.writeNew(home, new Map([[ownerName, el(ownerName, owner.uid)]]));
    for (const { name, properties } of parts.apart ? apart : together) {
      const path = join(home, name);
      await mkdir(path);
      reach("create.properties");
      await parts.properties.writeNew(path, properties);
      await syncDirectory(path);
    }
    await syncDirectory(home);
    reach("create.rename");
    await rename(home, target);
    reach("create.renamed");
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    // Somebody else's rename came first; a directory that is not empty cannot be renamed over.
    if (error instanceof Error && "code" in error && ["ENOTEMPTY", "EEXIST"].includes(String(error.code)))
      return target;
    throw error;
  }
  await syncDirectory(dirname(target));
  return target;
}

/** The kind that a directory's resourcetype says. One of a home without it is a calendar that lost its attributes (a copy without
 *  them). */
export async function kindByType(properties: PropertyStore, path: string): Promise<CollectionKind> {
  const type = (await properties.readCollection(path)).get(resourcetypeName);
  if (type === undefined) return "calendar";
  const marks = elements(type).map((node) => localOf(node.name));
  return marks.includes("calendar") ? "calendar" : marks.includes("shared") ? "share" : "folder";
}

/** Makes a collection with its properties, complete before it is visible. Throws the errno error when the name is taken. */
export async function makeCollection(
  parts: StoreParts,
  path: string,
  properties: ReadonlyMap<QName, Element>,
): Promise<void> {
  const staged = join(parts.layout.staging, `collection-${freshName()}`);
  await mkdir(staged);
  try {
    reach("create.stage");
    reach("create.properties");
    await parts.properties.writeNew(staged, properties);
    // The index to be. rename(2) silently replaces an empty directory: with something in it, of several makers one wins.
    await writeFile(join(staged, indexName), "");
    await syncDirectory(staged);
    reach("create.rename");
    await rename(staged, path);
    reach("create.renamed");
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}
