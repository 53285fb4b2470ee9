import { randomBytes } from "node:crypto";
import { readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Lru } from "../base/lru.ts";
import type { CalendarObject } from "../ical/calendar-object.ts";
import type { PrincipalUid, Utc } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import type { Element, QName } from "../xml/element.ts";
import { StoredCollection } from "./collection.ts";
import { ContentCache } from "./contents.ts";
import type {
  CalendarStore,
  Collection,
  CollectionChange,
  CollectionKind,
  CollectionRef,
  PublishedPlaces,
} from "./contract.ts";
import {
  discardDirectory,
  foldersIn,
  freshName,
  isMissing,
  makeDirectories,
  quickStat,
  renameFile,
  stageFile,
  sweepStaging,
  syncDirectory,
} from "./files.ts";
import { Handle } from "./handle.ts";
import { homesIn, type StoredHome } from "./homes.ts";
import { FileJobs, type Jobs } from "./jobs.ts";
import { kindByPlace, Layout } from "./layout.ts";
import { LockStore } from "./locks.ts";
import { moveMember } from "./move.ts";
import { type LockScope, NamedLocks } from "./named-locks.ts";
import type { StoreParts } from "./parts.ts";
import { type PropertyMode, PropertyStore, probeProperties } from "./properties.ts";
import {
  calendarType,
  findHome,
  folderType,
  kindByType,
  makeCollection,
  makeHome,
  markHome,
  notificationType,
  ownerOfHome,
  resourcetypeName,
  shareType,
} from "./provision.ts";
import { publishedPlaces } from "./published.ts";
import { Received } from "./received.ts";
import { probeVolume, type Volume } from "./volume.ts";

export interface StoreOptions {
  /** DocumentRoot. */
  readonly root: string;
  /** Random for each start of the server on each host; the same for all its workers. */
  readonly startId: string;
  /** Bytes a home may hold; undefined: no quota. */
  readonly quota: number | undefined;
  readonly now: () => Utc;
  readonly warn: (message: string, details: Readonly<Record<string, unknown>>) => void;
  /** Overrides what the probe finds; for tests. */
  readonly properties?: PropertyMode;
  readonly watch?: boolean;
  /** Whether this process tidies up what killed writers left; one worker does. */
  readonly sweep?: boolean;
  /** Whether a new home keeps events and tasks apart. Default true. */
  readonly apart?: boolean;
}

const typeOfKind = {
  calendar: calendarType,
  folder: folderType,
  dropbox: folderType,
  notification: notificationType,
  share: shareType,
};

const homeMemory = 10_000;
const mayHoldCollections: ReadonlySet<CollectionKind> = new Set<CollectionKind>(["home", "folder", "dropbox"]);

/** The calendar store of one worker. */
export class FileStore implements CalendarStore {
  readonly quota: number | undefined;
  readonly layout: Layout;
  readonly published: PublishedPlaces;
  readonly locks: LockStore;
  readonly jobs: Jobs;
  readonly received: Received;
  readonly groupEvents: Jobs;
  readonly #namedLocks: NamedLocks;
  readonly #parts: StoreParts;
  readonly #handles: Lru<string, Handle>;
  readonly #homes = new Lru<PrincipalUid, string>({ maxEntries: homeMemory });
  readonly #making = new Map<PrincipalUid, Promise<string>>();

  private constructor(options: StoreOptions, layout: Layout, mode: PropertyMode, volume: Volume) {
    this.quota = options.quota;
    this.layout = layout;
    this.published = publishedPlaces(layout);
    this.#namedLocks = new NamedLocks(layout.namedLocks);
    this.jobs = new FileJobs(layout.queue, layout.staging);
    this.received = new Received(layout.received);
    this.groupEvents = new FileJobs(layout.groupEvents, layout.staging);
    this.#parts = {
      layout,
      properties: new PropertyStore(mode, options.warn),
      contents: new ContentCache(8 << 20, 128 << 10),
      lists: new Lru({ maxWeight: 60_000, weigh: ({ list }) => list.length }),
      startId: options.startId,
      volume,
      rows: new Lru({ maxEntries: 10_000 }),
      now: options.now,
      warn: options.warn,
      watch: options.watch ?? true,
      apart: options.apart ?? true,
    };
    this.locks = new LockStore(this.#parts);
    this.#handles = new Lru({ maxEntries: 256, dispose: (handle) => handle.close() });
  }

  /** Opens the store below DocumentRoot; makes its folders, looks which properties the volume can hold. */
  static async open(options: StoreOptions): Promise<{ store: FileStore; properties: PropertyMode }> {
    const layout = new Layout(options.root);
    for (const folder of [layout.principals, layout.calendars, layout.staging]) await makeDirectories(folder);
    const mode = options.properties ?? (await probeProperties(layout.staging));
    // An hour: a writer of another host may be at work.
    if (options.sweep) await sweepStaging(layout.staging, 3_600_000);
    const volume = await probeVolume(layout.staging);
    return { store: new FileStore(options, layout, mode, volume), properties: mode };
  }

  async provision(owner: Principal): Promise<void> {
    await this.#home(owner, true);
  }

  met(owner: Principal): boolean {
    return this.#homes.peek(owner.uid) !== undefined;
  }

  async provisioned(owner: Principal): Promise<boolean> {
    return (await this.#home(owner, false)) !== undefined;
  }

  async open(ref: CollectionRef): Promise<Collection | undefined> {
    return this.#open(ref);
  }

  async children(ref: CollectionRef): Promise<readonly { readonly name: string; readonly kind: CollectionKind }[]> {
    const collection = await this.#open(ref);
    return collection === undefined ? [] : this.#childrenOf(collection);
  }

  async #childrenOf({
    ref,
    kind,
    handle,
  }: StoredCollection): Promise<readonly { name: string; kind: CollectionKind }[]> {
    if (!mayHoldCollections.has(kind)) return [];
    const stat = quickStat(handle.path);
    // A directory's links are its own two and one from each directory inside; file systems that do not count say 1.
    if (stat === undefined || stat.nlink === 2) return [];
    const changed = stat.ctimeMs;
    if (handle.children?.changed === changed) return handle.children.list;
    const list: { name: string; kind: CollectionKind }[] = [];
    for (const name of await foldersIn(handle.path)) {
      const inner = await this.#open({ owner: ref.owner, path: [...ref.path, name] });
      if (inner !== undefined) list.push({ name, kind: inner.kind });
    }
    // A folder made in the same clock tick would not show in ctime.
    if (Date.now() - changed > 50) handle.children = { changed, list };
    return list;
  }

  async create(
    ref: CollectionRef,
    kind: "calendar" | "folder" | "dropbox" | "notification" | "share",
    properties: ReadonlyMap<QName, Element>,
  ): Promise<Collection> {
    const path = await this.#pathOf(ref);
    if (path === undefined || quickStat(dirname(path)) === undefined)
      throw new Refusal({ code: "resource-must-be-null", problem: "the parent is gone" });
    const all = new Map(properties);
    all.set(resourcetypeName, typeOfKind[kind]);
    if (quickStat(path)) throw taken(ref);
    try {
      await makeCollection(this.#parts, path, all);
    } catch (error) {
      throw isTaken(error) ? taken(ref) : error;
    }
    const made = await this.#open(ref);
    if (made === undefined) throw taken(ref);
    return made;
  }

  async remove(ref: CollectionRef): Promise<void> {
    const path = await this.#pathOf(ref);
    if (path === undefined) return;
    let free: () => Promise<void>;
    try {
      free = await discardDirectory(path, this.layout.staging);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    this.#forget(path);
    free().catch((error: unknown) =>
      this.#parts.warn("removed collection not yet freed", { path, reason: String(error) }),
    );
  }

  async move(from: CollectionRef, to: CollectionRef): Promise<void> {
    const source = await this.#pathOf(from);
    const target = await this.#pathOf(to);
    if (source === undefined || target === undefined || quickStat(target)) throw taken(to);
    try {
      await rename(source, target);
    } catch (error) {
      throw isTaken(error) ? taken(to) : error;
    }
    await syncDirectory(dirname(target));
    if (dirname(source) !== dirname(target)) await syncDirectory(dirname(source));
    this.#forget(source);
  }

  moveMember(
    from: Collection,
    name: string,
    to: Collection,
    newName: string,
    object: CalendarObject | undefined,
    check: (source: CollectionChange, destination: CollectionChange) => void | Promise<void>,
  ): Promise<void> {
    return moveMember(from as StoredCollection, name, to as StoredCollection, newName, object, check);
  }

  async usedBytes(owner: Principal, except?: CollectionRef): Promise<number> {
    return this.#bytesBelow({ owner, path: [] }, except?.path.join("/"));
  }

  async #bytesBelow(ref: CollectionRef, except: string | undefined): Promise<number> {
    const collection = await this.#open(ref);
    if (collection === undefined) return 0;
    let sum = except === ref.path.join("/") ? 0 : (await collection.info()).bytes;
    for (const { name } of await this.#childrenOf(collection))
      sum += await this.#bytesBelow({ owner: ref.owner, path: [...ref.path, name] }, except);
    return sum;
  }

  exclusively<T>(scope: LockScope, name: string, work: () => Promise<T>): Promise<T> {
    return this.#namedLocks.exclusively(scope, name, work);
  }

  claim(role: string): (() => void) | undefined {
    return this.#namedLocks.claim(role);
  }

  /** Every home there is, whoever it belongs to. */
  homes(): AsyncIterable<StoredHome> {
    return homesIn(this.layout, this.#parts.properties);
  }

  ownerOf(home: string): Promise<PrincipalUid | undefined> {
    return ownerOfHome(this.#parts, home);
  }

  /** The key for digest nonces, the same for every worker and host of this store; made once. */
  async secret(): Promise<Buffer> {
    for (let attempt = 0; ; attempt++) {
      try {
        const secret = await readFile(this.layout.secret);
        if (secret.length >= 32) return secret;
      } catch (error) {
        if (!isMissing(error) || attempt > 5) throw error;
      }
      const staged = join(this.layout.staging, freshName());
      await stageFile(staged, randomBytes(32), undefined);
      // Of several makers the last one stays; each reads again what stayed.
      await renameFile(staged, this.layout.secret);
    }
  }

  /** Gives back memory that only makes repeated requests faster; for a worker that has nothing to do. */
  tidy(): void {
    this.#parts.contents.clear();
    this.#parts.lists.clear();
    this.#parts.rows.clear();
    this.locks.close();
    for (const path of this.#handles.keys()) this.#handles.peek(path)?.rest();
  }

  async close(): Promise<void> {
    this.locks.close();
    this.#handles.clear();
    this.#namedLocks.close();
    this.received.close();
  }

  async #home(owner: Principal, make: boolean): Promise<string | undefined> {
    const known = this.#homes.get(owner.uid);
    if (known !== undefined && quickStat(known)?.isDirectory()) return known;
    const found = await findHome(this.#parts, owner);
    if (found !== undefined) {
      await markHome(this.#parts, found, owner);
      this.#homes.set(owner.uid, found);
      return found;
    }
    if (!make) return undefined;
    let making = this.#making.get(owner.uid);
    if (making === undefined) {
      making = makeHome(this.#parts, owner).finally(() => this.#making.delete(owner.uid));
      this.#making.set(owner.uid, making);
    }
    const home = await making;
    this.#homes.set(owner.uid, home);
    return home;
  }

  async #pathOf(ref: CollectionRef): Promise<string | undefined> {
    const home = await this.#home(ref.owner, false);
    return home === undefined ? undefined : ref.path.length === 0 ? home : join(home, ...ref.path);
  }

  async #open(ref: CollectionRef): Promise<StoredCollection | undefined> {
    const known = this.#homes.get(ref.owner.uid);
    const path = known !== undefined && ref.path.length > 0 ? join(known, ...ref.path) : await this.#pathOf(ref);
    if (path === undefined) return undefined;
    let handle = this.#handles.get(path);
    if (handle === undefined) {
      if (!quickStat(path)?.isDirectory()) return undefined;
      const place = kindByPlace(ref.path);
      handle = new Handle(path, this.#parts, async () => place ?? (await kindByType(this.#parts.properties, path)));
      this.#handles.set(path, handle);
    }
    const view = await handle.view();
    if (view === undefined) {
      this.#forget(path);
      return undefined;
    }
    return new StoredCollection(ref, view, handle);
  }

  #forget(path: string): void {
    for (const key of [...this.#handles.keys()])
      if (key === path || key.startsWith(`${path}/`)) this.#handles.delete(key);
    for (const [uid, home] of this.#homesAt(path)) if (home === path) this.#homes.delete(uid);
  }

  *#homesAt(path: string): Iterable<[PrincipalUid, string]> {
    for (const uid of [...this.#homes.keys()]) {
      const home = this.#homes.peek(uid);
      if (home === path) yield [uid, home];
    }
  }
}

// Of several renames to one name the first wins; a directory that is not empty is not replaced.
const isTaken = (error: unknown): boolean =>
  error instanceof Error && "code" in error && ["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(String(error.code));

const taken = (ref: CollectionRef): Refusal =>
  new Refusal({ code: "resource-must-be-null", problem: `"${ref.path.at(-1) ?? ""}" is there already` });
