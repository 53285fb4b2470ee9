import { join } from "node:path";
import type { CalendarObject } from "../ical/calendar-object.ts";
import { utc } from "../model/ids.ts";
import { caldav } from "../xml/element.ts";
import { OpenChange } from "./change.ts";
import type { StoredCollection } from "./collection.ts";
import { factsOf } from "./contents.ts";
import type { CollectionChange } from "./contract.ts";
import { quickLstat, quickStat, renameFile, syncDirectory } from "./files.ts";
import type { Handle } from "./handle.ts";
import { sidecarFolder } from "./layout.ts";
import { reach } from "./points.ts";
import type { Properties } from "./properties.ts";
import { indexedOccurrences, objectColumns, scheduleTagOf } from "./reconcile.ts";
import type { Transaction } from "./transaction.ts";

/** Both locks, in order of path: two moves in opposite directions do not wait for each other. */
async function withBoth<T>(a: Handle, b: Handle, work: (inA: Transaction, inB: Transaction) => Promise<T>): Promise<T> {
  if (a === b) return a.locked((both) => work(both, both));
  return a.path < b.path
    ? a.locked((inA) => b.locked((inB) => work(inA, inB)))
    : b.locked((inB) => a.locked((inA) => work(inA, inB)));
}

/** Moves a member with one rename: it is in one place or the other, with its properties, whenever the process dies. */
export function moveMember(
  from: StoredCollection,
  name: string,
  to: StoredCollection,
  newName: string,
  object: CalendarObject | undefined,
  check: (source: CollectionChange, destination: CollectionChange) => void | Promise<void>,
): Promise<void> {
  return withBoth(from.handle, to.handle, async (inFrom, inTo) => {
    const source = new OpenChange(from.handle, inFrom);
    const destination = from.handle === to.handle ? source : new OpenChange(to.handle, inTo);
    await check(source, destination);
    const entry = source.entry(name);
    if (entry === undefined) return;
    const { parts } = to.handle;
    const times = object && indexedOccurrences(object, parts.now());
    const properties: Properties = entry.hasProperties
      ? await parts.properties.readMember(from.handle.path, name, entry.etag)
      : new Map();
    // A sidecar does not move with the file; it has to be there first.
    if (properties.size > 0 && quickStat(join(from.handle.path, sidecarFolder)))
      await parts.properties.writeMemberSidecar(to.handle.path, newName, entry.etag, properties);
    const target = join(to.handle.path, newName);
    reach("move.rename");
    await renameFile(join(from.handle.path, name), target);
    reach("move.renamed");
    inFrom.moved = true;
    inTo.moved = true;
    await parts.properties.dropMemberSidecars(from.handle.path, name, undefined);
    await syncDirectory(to.handle.path);
    const stat = quickLstat(target);
    const row = {
      name: newName,
      ...objectColumns(object),
      etag: entry.etag,
      modified: utc(Math.floor((stat?.mtimeMs ?? Date.now()) / 1000)),
      scheduleTag: scheduleTagOf(properties.get(caldav("schedule-tag"))),
      hasProperties: entry.hasProperties,
      hasAcl: entry.hasAcl,
      ...(stat ? factsOf(stat) : { inode: 0, size: entry.size, changed: 0 }),
    };
    source.index(() => inFrom.count(inFrom.index.remove(name, inFrom.next())));
    destination.index(() => inTo.count(inTo.index.put(row, times, inTo.next())));
    reach("move.rows");
  });
}
