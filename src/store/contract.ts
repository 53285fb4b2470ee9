import type { Busy, CalendarObject } from "../ical/calendar-object.ts";
import type { IndexCondition } from "../ical/filter-plan.ts";
import type { ETag, PrincipalUid, SyncToken, TimeRange, Utc } from "../model/ids.ts";
import type { Lock } from "../model/lock.ts";
import type { Principal } from "../model/principal.ts";
import type { Element, QName } from "../xml/element.ts";
import type { Jobs } from "./jobs.ts";
import type { LockScope } from "./named-locks.ts";
import type { Received } from "./received.ts";

export type { Jobs } from "./jobs.ts";
export type { Receipt, Received } from "./received.ts";

/** What a directory of the store is. `home` is the calendar home itself; `folder` a plain WebDAV collection inside one; `share`
 *  a sharee's link to somebody's calendar, which holds what is the sharee's own. */
export type CollectionKind = "home" | "calendar" | "inbox" | "outbox" | "dropbox" | "notification" | "folder" | "share";

/** A collection by owner and path below the home: [] is the home, ["calendar"] the default calendar. */
export interface CollectionRef {
  readonly owner: Principal;
  readonly path: readonly string[];
}

/** A collection as of one moment. */
export interface CollectionInfo {
  readonly kind: CollectionKind;
  readonly syncToken: SyncToken;
  /** Bytes of all members. */
  readonly bytes: number;
  readonly objects: number;
  readonly created: Utc;
  readonly modified: Utc;
  /** Whether the collection has an ACL of its own. */
  readonly hasAcl: boolean;
  /** Changes whenever the collection's own properties may have changed; its sync token does not. */
  readonly properties: number;
}

/** A member (file) of a collection, from its index row. */
export interface ObjectEntry {
  readonly name: string;
  /** Undefined when the file could not be read as a calendar object, and in collections that hold plain files. */
  readonly uid: string | undefined;
  /** Component kind, "VEVENT" …; undefined as above. */
  readonly kind: string | undefined;
  readonly etag: ETag;
  readonly size: number;
  readonly created: Utc;
  readonly modified: Utc;
  readonly scheduleTag: string | undefined;
  /** X-CALENDARSERVER-ACCESS other than PUBLIC. */
  readonly access: string | undefined;
  readonly hasProperties: boolean;
  readonly hasAcl: boolean;
}

/** An instance from the index, with what free-busy needs of its object. */
export interface BusyRow {
  readonly name: string;
  readonly uid: string;
  /** Component kind. The row of a VAVAILABILITY is its bounds: what is busy in them, its file says. */
  readonly kind: string;
  readonly start: Utc;
  readonly end: Utc;
  readonly floating: boolean;
  readonly busy: Busy;
  /** As in ObjectEntry. */
  readonly access: string | undefined;
  readonly hasAcl: boolean;
}

/** A part of what makes busy. */
export interface BusyPage {
  readonly rows: readonly BusyRow[];
  /** Objects whose indexed window does not cover the range: they must be expanded by the caller. Of them there are no rows. */
  readonly uncertain: readonly ObjectEntry[];
}

/** `null` removes. */
export type PropertyEdits = ReadonlyMap<QName, Element | null>;

export interface Changes {
  readonly token: SyncToken;
  readonly changed: readonly ObjectEntry[];
  /** Names, in order of their going; also what came after the token. */
  readonly removed: readonly string[];
  /** Of both, the names that only an owner may know of as of the token: PRIVATE ones ever since they came, and what came later
   *  and is, or ended, with an ACL of its own. */
  readonly unheard: ReadonlySet<string>;
  /** More changes exist; `token` stands after the last one given. */
  readonly truncated: boolean;
}

/** A file's content, open for reading; it is to be closed. */
export interface OpenContent {
  readonly size: number;
  readonly etag: ETag;
  readonly modified: Utc;
  /** From `first` to `last`, both included, in pieces. */
  bytes(first?: number, last?: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export interface Content {
  readonly bytes: Buffer;
  /** Computed from these very bytes. */
  readonly etag: ETag;
  readonly modified: Utc;
}

/** One directory of the store with its index. Opened by `CalendarStore.open`; cheap to hold for one request, not longer. */
export interface Collection {
  readonly ref: CollectionRef;
  readonly kind: CollectionKind;
  info(): Promise<CollectionInfo>;
  entry(name: string): Promise<ObjectEntry | undefined>;
  /** The rows of these names, in their order; undefined where there is none. All of one state, looked up together. */
  entriesNamed(names: readonly string[]): Promise<readonly (ObjectEntry | undefined)[]>;
  /** The rows of the first names behind one, in order. */
  entriesAfter(name: string, limit: number): Promise<readonly ObjectEntry[]>;
  /** Pages of at most 1000, in order of name. */
  entries(): AsyncIterable<readonly ObjectEntry[]>;
  /** The rows that satisfy the condition, in pages. With `exact: false` plans these are candidates. */
  search(condition: IndexCondition): AsyncIterable<readonly ObjectEntry[]>;
  /** Instances that overlap the range and are not free, in pages and no order; floating ones are compared after adding
   *  `floatingOffset` seconds to them. */
  busy(range: TimeRange, floatingOffset: number): AsyncIterable<BusyPage>;
  /** Undefined token: everything. Throws Refusal(valid-sync-token). */
  changesSince(token: SyncToken | undefined, limit: number): Promise<Changes>;
  /** Whether a token is one this collection gave out and can still answer. */
  knows(token: SyncToken): Promise<boolean>;
  nameOf(uid: string): Promise<string | undefined>;
  read(name: string): Promise<Content | undefined>;
  /** As `read`, of a file that may be too large for memory. */
  openFile(name: string): Promise<OpenContent | undefined>;
  /** What a row read just now describes, if this worker has it in memory; else it must be read. */
  kept(entry: ObjectEntry): Content | undefined;
  /** Dead properties, of the collection itself or of a member. */
  properties(name?: string): Promise<ReadonlyMap<QName, Element>>;
  /** Runs `work` under the collection's write lock (all workers, all hosts). Work of several callers is committed together;
   *  `work` must not await anything but the change's own methods. */
  change<T>(work: (change: CollectionChange) => T | Promise<T>): Promise<T>;
  /** Writes the bytes and their properties to a staged file, durable, not yet visible. To be used by `CollectionChange.put`. */
  stage(bytes: Uint8Array, properties: ReadonlyMap<QName, Element>): Promise<Staged>;
  /** As `stage`, of a body that is never in memory as a whole. Throws what the chunks throw. */
  stageChunks(chunks: AsyncIterable<Uint8Array>, properties: ReadonlyMap<QName, Element>): Promise<Staged>;
}

/** A durable file waiting to be renamed into place. Disposed of if never put. */
export interface Staged {
  readonly path: string;
  readonly etag: ETag;
  readonly size: number;
  discard(): Promise<void>;
}

/** Only valid inside `Collection.change`. */
export interface CollectionChange {
  entry(name: string): ObjectEntry | undefined;
  nameOf(uid: string): string | undefined;
  /** Objects and bytes now. */
  totals(): { readonly objects: number; readonly bytes: number };
  /** The collection's own properties as they stand under the lock. */
  properties(): Promise<ReadonlyMap<QName, Element>>;
  /** Renames the staged file into place and writes the rows. `object` is undefined for plain files and what cannot be parsed. */
  put(name: string, staged: Staged, object: CalendarObject | undefined): Promise<ObjectEntry>;
  remove(name: string): Promise<void>;
  /** All or nothing. `name` undefined: the collection's own. A member gets a new revision when its ACL is among them: who
   *  synchronises may see it now, or no longer. */
  setProperties(name: string | undefined, edits: PropertyEdits): Promise<void>;
}

/** Where published calendars lie, one small file for each token. A token says nothing by itself: the calendar must agree. */
export interface PublishedPlaces {
  /** undefined: no such token, or no token at all. */
  find(token: string): Promise<{ readonly owner: PrincipalUid; readonly path: readonly string[] } | undefined>;
  /** Durable when it resolves. */
  set(token: string, ref: CollectionRef): Promise<void>;
  remove(token: string): Promise<void>;
}

/** WebDAV locks, by the owner of the home (RFC 4918 §6). The store keeps them and forbids nothing: who changes something on
 *  behalf of a client asks `held` with the write lock of the changed collection taken. */
export interface Locks {
  /** The locks of a home that have not run out; a promise only while somebody is writing. */
  held(owner: PrincipalUid): readonly Lock[] | Promise<readonly Lock[]>;
  /** Durable when this resolves. `check` sees the locks it would join, none of which can change meanwhile, and throws to refuse. */
  grant(owner: PrincipalUid, lock: Lock, check: (held: readonly Lock[]) => void): Promise<void>;
  /** Lets a lock run until `expires`. Undefined when there is none of that token any more. */
  refresh(owner: PrincipalUid, token: string, timeout: number, expires: Utc): Promise<Lock | undefined>;
  release(owner: PrincipalUid, token: string): Promise<void>;
  /** Ends the locks on what was at the path and below it; `below`: only those below. */
  releaseAt(owner: PrincipalUid, path: string, below?: boolean): Promise<void>;
}

export interface CalendarStore {
  readonly published: PublishedPlaces;
  /** Makes the home with its default collections if it is not there; races have one winner. */
  provision(owner: Principal): Promise<void>;
  /** Whether this process has used the home already; told from memory. */
  met(owner: Principal): boolean;
  /** Whether the home exists, without making it. */
  provisioned(owner: Principal): Promise<boolean>;
  open(ref: CollectionRef): Promise<Collection | undefined>;
  /** The collections directly inside, by name, those of the server's own names included (inbox, outbox …). */
  children(ref: CollectionRef): Promise<readonly { readonly name: string; readonly kind: CollectionKind }[]>;
  /** Makes a collection with its properties, visible at once and complete. Throws Refusal(resource-must-be-null). */
  create(
    ref: CollectionRef,
    kind: "calendar" | "folder" | "dropbox" | "notification" | "share",
    properties: ReadonlyMap<QName, Element>,
  ): Promise<Collection>;
  /** Makes it disappear at once; the space is freed afterwards. */
  remove(ref: CollectionRef): Promise<void>;
  /** Moves (renames) a collection; tokens of the old place are refused at the new one. */
  move(from: CollectionRef, to: CollectionRef): Promise<void>;
  /** Moves a member between collections, properties included, in one rename. `object` as in `put`.
   *  `check` runs with both locks held and may throw. */
  moveMember(
    from: Collection,
    name: string,
    to: Collection,
    newName: string,
    object: CalendarObject | undefined,
    check: (source: CollectionChange, destination: CollectionChange) => void | Promise<void>,
  ): Promise<void>;
  readonly locks: Locks;
  /** Bytes of all members in the home; without those directly in `except`, whose own count a lock can hold still. */
  usedBytes(owner: Principal, except?: CollectionRef): Promise<number>;
  /** Bytes a home may hold; undefined means no quota. */
  readonly quota: number | undefined;
  /** Runs `work` under a named lock of all workers and hosts. Collection locks may be taken inside, never the other way round.
   *  Throws LockTimeout. */
  exclusively<T>(scope: LockScope, name: string, work: () => Promise<T>): Promise<T>;
  /** Takes a role that one process at a time has, of all workers and hosts, and answers how to give it back; undefined while another
   *  has it. */
  claim(role: string): (() => void) | undefined;
  /** Messages on their way. */
  readonly jobs: Jobs;
  /** Messages that came from other servers. */
  readonly received: Pick<Received, "begin" | "end">;
  /** Objects that invite groups, by owner and UID: small files that say who the members were. */
  readonly groupEvents: Pick<Jobs, "put" | "read" | "remove" | "list">;
  /** Owner's uid recorded on a home directory, for `caladmin`. */
  ownerOf(home: string): Promise<PrincipalUid | undefined>;
  close(): Promise<void>;
}
