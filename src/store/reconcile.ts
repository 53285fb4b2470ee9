import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { CalendarObject, Occurrences } from "../ical/calendar-object.ts";
import { propertyOf as icalPropertyOf } from "../ical/component.ts";
import { occurrences } from "../ical/instances.ts";
import { parseCalendarObject } from "../ical/parse.ts";
import type { Utc } from "../model/ids.ts";
import { caldav, type Element, textOf } from "../xml/element.ts";
import { factsOf, sameFacts } from "./contents.ts";
import type { CollectionKind } from "./contract.ts";
import { isMissing, quickLstat, quickStat } from "./files.ts";
import type { Handle } from "./handle.ts";
import type { FileFacts, IndexFile } from "./index-file.ts";
import { digestOf, largeFile } from "./large-files.ts";
import { isHidden } from "./layout.ts";
import type { Transaction } from "./transaction.ts";

/** Instances of one object that the index holds at most; the window of a longer series is narrowed. */
export const indexedInstances = 1_000;

const scheduleTagName = caldav("schedule-tag");

/** Whether members of such a collection are calendar objects. */
export const holdsObjects = (kind: CollectionKind): boolean => kind === "calendar" || kind === "inbox";

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
// About 1 ms of stat calls, and about 10 ms of parsing.
const statSlice = 256;
const parseSlice = 32;

/** Names of the directory's files whose rows are missing or of another time, and of rows without a file. Reads no file. */
export async function differences(path: string, index: IndexFile): Promise<Map<string, FileFacts | undefined>> {
  const rows = index.allFacts();
  const found = new Map<string, FileFacts | undefined>();
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    if (isMissing(error)) return found;
    throw error;
  }
  let looked = 0;
  const { kind } = index.state();
  for (const name of names) {
    if (isHidden(name, kind)) continue;
    if (++looked % statSlice === 0) await soon();
    const stat = quickLstat(join(path, name));
    if (!stat?.isFile()) continue;
    const facts = factsOf(stat);
    const row = rows.get(name);
    rows.delete(name);
    if (!row || !sameFacts(row, facts)) found.set(name, facts);
  }
  for (const name of rows.keys()) found.set(name, undefined);
  return found;
}

/** Makes the rows agree with the directory: the rebuild of a lost index, the repair after a crash, and the answer to
 *  hand edits and restored backups. Every difference in bytes gets a revision of its own; the lock is held throughout and
 *  the event loop is given its turn. A file that cannot be read as a calendar object gets a row without UID and kind. */
export async function reconcile(handle: Handle, transaction: Transaction, inode: number): Promise<void> {
  const { index } = transaction;
  const { parts, path } = handle;
  // The directory as it was before it is read: whatever changes from now on differs from it.
  const before = quickStat(path)?.ctimeMs ?? 0;
  // A restored copy: revisions after it were given out before, so what comes now is of an era of its own, files equal or not.
  if (transaction.state.inode !== inode) transaction.next();
  let looked = 0;
  for (const [name, facts] of await differences(path, index)) {
    if (facts === undefined) {
      transaction.count(index.remove(name, transaction.next()));
      continue;
    }
    if (++looked % parseSlice === 0) await soon();
    const isObject = holdsObjects(transaction.state.kind);
    const content =
      isObject || facts.size <= largeFile
        ? await parts.contents.read(join(path, name))
        : await digestOf(join(path, name));
    if (content === undefined) continue; // gone again; the directory's ctime says so and we come back
    const known = index.facts(name);
    const own = parts.properties.memberFacts(path, name);
    if (known?.etag === content.etag) {
      // Same bytes, other inode or time: a copy, a restore, or a change of attributes.
      const entry = index.entry(name);
      if (entry && entry.hasProperties === own.hasProperties && entry.hasAcl === own.hasAcl) {
        index.setFacts(name, content.facts);
        continue;
      }
    }
    const read = isObject && content.bytes !== undefined ? readObject(handle, name, content.bytes) : undefined;
    const properties = own.hasProperties ? await parts.properties.readMember(path, name, content.etag) : undefined;
    transaction.count(
      index.put(
        {
          name,
          ...objectColumns(read?.object),
          etag: content.etag,
          modified: content.modified,
          scheduleTag: scheduleTagOf(properties?.get(scheduleTagName)),
          ...own,
          ...content.facts,
        },
        read?.times,
        transaction.next(),
      ),
    );
    warnOfTwin(handle, index, name, read?.object);
  }
  const own = await parts.properties.readCollection(path);
  transaction.state = {
    ...transaction.state,
    hasAcl: own.has("{DAV:}acl"),
    properties: transaction.state.properties + 1,
    directory: before,
    inode,
  };
}

/** The columns of a row that come from the object's text. */
export function objectColumns(object: CalendarObject | undefined): {
  readonly uid: string | undefined;
  readonly kind: string | undefined;
  readonly access: string | undefined;
} {
  const access = object && icalPropertyOf(object.root, "X-CALENDARSERVER-ACCESS")?.value.trim().toUpperCase();
  return { uid: object?.uid, kind: object?.kind, access: access === "PUBLIC" ? undefined : access };
}

export const scheduleTagOf = (value: Element | undefined): string | undefined => (value ? textOf(value) : undefined);

/** What `occurrences` says, for the index. */
export const indexedOccurrences = (object: CalendarObject, now: Utc): Occurrences =>
  occurrences(object, now, indexedInstances);

function readObject(
  handle: Handle,
  name: string,
  bytes: Buffer,
): { object: CalendarObject; times: Occurrences } | undefined {
  try {
    const object = parseCalendarObject(bytes.toString("utf8"));
    return { object, times: indexedOccurrences(object, handle.parts.now()) };
  } catch (error) {
    // Logged by whoever writes the row, so once per content.
    handle.parts.warn("left out of calendar queries: the file cannot be read as a calendar object", {
      path: join(handle.path, name),
      reason: error instanceof Error ? error.message : String(error),
    });
    return undefined;
  }
}

function warnOfTwin(handle: Handle, index: IndexFile, name: string, object: CalendarObject | undefined): void {
  if (!object) return;
  const first = index.nameOf(object.uid);
  if (first !== undefined && first !== name)
    handle.parts.warn("two files of a calendar have one UID; both are served", {
      path: join(handle.path, name),
      other: first,
      uid: object.uid,
    });
}
