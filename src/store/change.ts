import { unlink } from "node:fs/promises";
import { join } from "node:path";
import { isBroken } from "../base/sqlite.ts";
import type { CalendarObject } from "../ical/calendar-object.ts";
import { type ETag, type Utc, utc } from "../model/ids.ts";
import { caldav, type Element, type QName } from "../xml/element.ts";
import { etagOf, factsOf } from "./contents.ts";
import type { CollectionChange, ObjectEntry, PropertyEdits, Staged } from "./contract.ts";
import { freshName, isMissing, quickLstat, quickStat, renameFile, stageFile } from "./files.ts";
import type { Handle } from "./handle.ts";
import type { ResourceRow } from "./index-file.ts";
import { largeFile, OpenFile, stageChunks } from "./large-files.ts";
import type { StoreParts } from "./parts.ts";
import { reach } from "./points.ts";
import type { Properties } from "./properties.ts";
import { indexedOccurrences, objectColumns, scheduleTagOf } from "./reconcile.ts";
import { CollectionGone, type Transaction } from "./transaction.ts";

const scheduleTagName = caldav("schedule-tag");

/** A durable file waiting to be renamed into place. */
export interface StagedFile extends Staged {
  /** Undefined for a file that is not to be held in memory. */
  readonly bytes: Uint8Array | undefined;
  readonly properties: Properties;
  /** Not all properties found room in attributes. */
  readonly needsSidecar: boolean;
}

/** Stages bytes with their properties; see `Collection.stage`. */
export const stage = (parts: StoreParts, bytes: Uint8Array, properties: Properties): Promise<StagedFile> =>
  staged(parts, bytes, properties, async (path, decorate) => {
    await stageFile(path, bytes, decorate);
    return { etag: etagOf(bytes), size: bytes.length };
  });

/** Stages a body as it comes; see `Collection.stageChunks`. */
export const stageBody = (
  parts: StoreParts,
  chunks: AsyncIterable<Uint8Array>,
  properties: Properties,
): Promise<StagedFile> => staged(parts, undefined, properties, (path, decorate) => stageChunks(path, chunks, decorate));

async function staged(
  parts: StoreParts,
  bytes: Uint8Array | undefined,
  properties: Properties,
  write: (path: string, decorate: (() => void) | undefined) => Promise<Pick<Staged, "etag" | "size">>,
): Promise<StagedFile> {
  const path = join(parts.layout.staging, freshName());
  let needsSidecar = false;
  const decorate =
    properties.size > 0
      ? () => {
          needsSidecar = !parts.properties.decorate(path, properties);
        }
      : undefined;
  const { etag, size } = await write(path, decorate);
  return {
    path,
    bytes,
    etag,
    size,
    properties,
    needsSidecar,
    discard: () => unlink(path).catch(() => undefined),
  };
}

/** A change of one collection, its lock held. */
export class OpenChange implements CollectionChange {
  readonly handle: Handle;
  readonly transaction: Transaction;

  constructor(handle: Handle, transaction: Transaction) {
    this.handle = handle;
    this.transaction = transaction;
  }

  entry(name: string): ObjectEntry | undefined {
    return this.transaction.index.entry(name);
  }

  nameOf(uid: string): string | undefined {
    return this.transaction.index.nameOf(uid);
  }

  totals(): { readonly objects: number; readonly bytes: number } {
    return this.transaction.state;
  }

  properties(): Promise<Properties> {
    return this.handle.parts.properties.readCollection(this.handle.path);
  }

  async put(name: string, staged: Staged, object: CalendarObject | undefined): Promise<ObjectEntry> {
    const file = staged as StagedFile;
    const { parts, path } = this.handle;
    // Before anything is visible: what cannot be expanded is refused here.
    const times = object && indexedOccurrences(object, parts.now());
    if (file.needsSidecar) await parts.properties.writeMemberSidecar(path, name, file.etag, file.properties);
    reach("put.rename");
    try {
      await renameFile(file.path, join(path, name));
    } catch (error) {
      throw isMissing(error) && !quickStat(path)?.isDirectory() ? new CollectionGone(path) : error;
    }
    reach("put.renamed");
    this.transaction.moved = true;
    await parts.properties.dropMemberSidecars(path, name, file.needsSidecar ? file.etag : undefined);
    const row = this.#rowOf(name, file, object);
    this.index(() => this.transaction.count(this.transaction.index.put(row, times, this.transaction.next())));
    reach("put.rows");
    return { ...row, created: row.modified };
  }

  async remove(name: string): Promise<void> {
    const { parts, path } = this.handle;
    reach("remove.unlink");
    await unlink(join(path, name)).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
    reach("remove.unlinked");
    this.transaction.moved = true;
    await parts.properties.dropMemberSidecars(path, name, undefined);
    this.index(() => this.transaction.count(this.transaction.index.remove(name, this.transaction.next())));
    reach("remove.rows");
  }

  /** Writes rows after the rename: from there on the change is made, so a failing index is dropped and made again and
   *  nobody is told "no". */
  index(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.transaction.failed ??= error;
    }
  }

  async setProperties(name: string | undefined, edits: PropertyEdits): Promise<void> {
    if (edits.size === 0) return;
    if (name !== undefined) return this.#setMemberProperties(name, edits);
    const { parts, path } = this.handle;
    this.transaction.moved = true;
    await parts.properties.writeCollection(path, edits);
    const acl = edits.get("{DAV:}acl");
    const { state } = this.transaction;
    this.transaction.state = {
      ...state,
      properties: state.properties + 1,
      hasAcl: acl === undefined ? state.hasAcl : acl !== null,
    };
  }

  // New attributes on a copy of the bytes, renamed over the old: content and properties never disagree.
  async #setMemberProperties(name: string, edits: PropertyEdits): Promise<void> {
    const entry = this.entry(name);
    const staged = entry && (await this.#copied(entry, edits));
    if (entry === undefined || staged === undefined) return;
    try {
      await this.#replace(name, staged, entry, edits.has("{DAV:}acl"));
    } catch (error) {
      await staged.discard();
      throw error;
    }
  }

  /** A staged copy of a member with other properties. Undefined when it is gone. */
  async #copied({ name, size, etag, hasProperties }: ObjectEntry, edits: PropertyEdits) {
    const { parts, path } = this.handle;
    const after = async (of: ETag): Promise<Properties> =>
      mergeEdits(hasProperties ? await parts.properties.readMember(path, name, of) : new Map<QName, Element>(), edits);
    if (size <= largeFile) {
      const content = await parts.contents.read(join(path, name));
      return content && stage(parts, content.bytes, await after(content.etag));
    }
    const file = await OpenFile.open(join(path, name));
    if (file === undefined) return undefined;
    try {
      return await stageBody(parts, file.bytes(), await after(etag));
    } finally {
      await file.close();
    }
  }

  async #replace(name: string, staged: StagedFile, entry: ObjectEntry, touched: boolean): Promise<void> {
    const { parts, path } = this.handle;
    if (staged.needsSidecar) await parts.properties.writeMemberSidecar(path, name, staged.etag, staged.properties);
    reach("put.rename");
    await renameFile(staged.path, join(path, name));
    reach("put.renamed");
    this.transaction.moved = true;
    if (!staged.needsSidecar) await parts.properties.dropMemberSidecars(path, name, undefined);
    this.index(() =>
      this.transaction.index.setProperties(
        name,
        {
          ...factsAt(join(path, name), staged.size),
          hasProperties: staged.properties.size > 0,
          hasAcl: staged.properties.has("{DAV:}acl"),
          scheduleTag: scheduleTagOf(staged.properties.get(scheduleTagName)) ?? entry.scheduleTag,
        },
        touched ? this.transaction.next() : undefined,
      ),
    );
    const { state } = this.transaction;
    this.transaction.state = { ...state, properties: state.properties + 1 };
    reach("put.rows");
  }

  #rowOf(name: string, file: StagedFile, object: CalendarObject | undefined): ResourceRow & { readonly modified: Utc } {
    const { parts, path } = this.handle;
    const target = join(path, name);
    const stat = quickLstat(target);
    const facts = stat ? factsOf(stat) : { inode: 0, size: file.size, changed: 0 };
    const modified = utc(Math.floor((stat?.mtimeMs ?? Date.now()) / 1000));
    if (stat && file.bytes) {
      const bytes = Buffer.from(file.bytes.buffer, file.bytes.byteOffset, file.size);
      parts.contents.keep(target, facts, { bytes, etag: file.etag, modified });
    }
    return {
      name,
      ...objectColumns(object),
      etag: file.etag,
      modified,
      scheduleTag: scheduleTagOf(file.properties.get(scheduleTagName)),
      hasProperties: file.properties.size > 0,
      hasAcl: file.properties.has("{DAV:}acl"),
      ...facts,
    };
  }
}

const factsAt = (path: string, size: number): { inode: number; size: number; changed: number } => {
  const stat = quickLstat(path);
  return stat ? factsOf(stat) : { inode: 0, size, changed: 0 };
};

/** Properties after edits. */
export const mergeEdits = (before: Properties, edits: PropertyEdits): Map<QName, Element> => {
  const after = new Map(before);
  for (const [name, value] of edits) {
    if (value === null) after.delete(name);
    else after.set(name, value);
  }
  return after;
};

interface Job {
  readonly work: (change: CollectionChange) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Changes of one collection in this process: those that wait together are made under one lock, synced and committed
 *  together. One that throws does not touch the others. */
export class ChangeQueue {
  readonly #handle: Handle;
  #jobs: Job[] = [];

  constructor(handle: Handle) {
    this.#handle = handle;
  }

  run<T>(work: (change: CollectionChange) => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#add({ work, resolve: resolve as (value: unknown) => void, reject });
    });
  }

  #add(job: Job): void {
    this.#jobs.push(job);
    if (this.#jobs.length === 1) void this.#runAll();
  }

  async #runAll(): Promise<void> {
    let batch: readonly Job[] | undefined;
    const outcomes = new Map<Job, { readonly error: unknown } | { readonly value: unknown }>();
    try {
      await this.#handle.locked(async (transaction) => {
        batch ??= this.#jobs.splice(0);
        const change = new OpenChange(this.#handle, transaction);
        for (const job of batch) {
          try {
            outcomes.set(job, { value: await job.work(change) });
          } catch (error) {
            if (!isBroken(error)) outcomes.set(job, { error });
            else {
              // Nothing of this job has happened. With a new index it is done anew, and so are all when no file was moved yet.
              if (!transaction.moved) throw error;
              transaction.failed ??= error;
              this.#add(job);
            }
          }
        }
      });
    } catch (error) {
      for (const job of batch ?? this.#jobs.splice(0)) job.reject(error);
      return;
    }
    for (const [job, outcome] of outcomes) {
      if ("error" in outcome) job.reject(outcome.error);
      else job.resolve(outcome.value);
    }
  }
}
