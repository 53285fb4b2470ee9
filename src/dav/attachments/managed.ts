import { randomBytes } from "node:crypto";
import { encodeSegment } from "../../http/uri.ts";
import { isManagedId, type ManagedId, managedIn } from "../../itip/attach.ts";
import type { Href, PrincipalUid } from "../../model/ids.ts";
import type { Principal } from "../../model/principal.ts";
import type { CalendarStore, Collection, ObjectEntry, Staged } from "../../store/contract.ts";
import { isSafeName } from "../../store/layout.ts";
import { collectionResource, memberResource } from "../children.ts";
import type { Room } from "../methods/quota.ts";
import type { Context, Services } from "../registry.ts";
import { principalAt, segmentsOf } from "../urls.ts";
import { dropboxFolder, folderAt, isManagedPlace, managedFolder } from "./boxes.ts";
import { accessThrough, type Holding, holding } from "./events.ts";

// dropbox/managed/<id>-<file name>   the bytes as they were sent, the type as a property
//                 <id>.events        which events have it, or are about to: a line of JSON each

/** An event that has an attachment, or is about to have it. */
export interface Holder {
  readonly home: PrincipalUid;
  readonly uid: string;
  /** Milliseconds since 1970: when it was noted. */
  readonly since: number;
}

/** A managed attachment as it lies in its owner's home. */
export interface Managed {
  readonly id: ManagedId;
  readonly collection: Collection;
  readonly entry: ObjectEntry;
}

/** Events of one attachment that are remembered, the newest. */
const maxHolders = 500;
/** How long an event that was noted may need until it is stored, ms. */
export const pending = 600_000;

export const freshId = (): ManagedId => randomBytes(16).toString("hex") as ManagedId;

/** The name of the file that holds it. */
export const storedName = (id: ManagedId, filename: string): string => {
  const name = `${id}-${filename}`;
  return isSafeName(name) ? name : `${id}-attachment`;
};
/** What the client called a file in the folder of managed attachments. */
export const filenameIn = (name: string): string => name.slice(33);
const noteName = (id: string): string => `${id}.events`;
/** The attachment that a file of the folder is; undefined for a note. */
export const idIn = (name: string): ManagedId | undefined => {
  const id = name.slice(0, 32);
  return name.charAt(32) === "-" && isManagedId(id) ? id : undefined;
};

const place = (owner: Principal) => ({ owner, path: [dropboxFolder, managedFolder] });

/** The managed attachments of a home; undefined when it never had one. */
export const openManaged = (owner: Principal, store: CalendarStore): Promise<Collection | undefined> =>
  store.open(place(owner));

export async function makeManaged(owner: Principal, store: CalendarStore): Promise<Collection> {
  const known = await openManaged(owner, store);
  if (known !== undefined) return known;
  await folderAt(store, { owner, path: [dropboxFolder] }, "dropbox");
  return folderAt(store, place(owner), "folder");
}

/** The attachment of that id in a home. */
export async function findManaged(collection: Collection, id: string): Promise<Managed | undefined> {
  if (!isManagedId(id)) return undefined;
  const [entry] = await collection.entriesAfter(`${id}-`, 1);
  return entry?.name.startsWith(`${id}-`) ? { id, collection, entry } : undefined;
}

/** The attachment that an ATTACH means: its address says in whose home, else it is looked for in this one. */
export async function managedAt(
  id: string,
  address: string,
  owner: Principal,
  { store, directory }: Services,
): Promise<Managed | undefined> {
  const [, type = "", user = "", ...path] = segmentsOf(address)?.path ?? [];
  const named = isManagedPlace({ owner, path }) ? await principalAt(directory, type, user) : undefined;
  const collection = await openManaged(named ?? owner, store);
  return collection && findManaged(collection, id);
}

/** Absolute. */
export const addressOf = (owner: Principal, name: string, { urls, settings }: Services): string =>
  settings.attachments.base + urls.member(place(owner), name);

/** Stores an attachment and the event that will have it, whole or not at all for who looks for it. */
export async function keepManaged(
  collection: Collection,
  id: ManagedId,
  name: string,
  staged: Staged,
  holder: Omit<Holder, "since">,
  room: Room,
): Promise<Managed> {
  const note = await collection.stage(noteText([{ ...holder, since: Date.now() }]), new Map());
  try {
    const entry = await collection.change(async (change) => {
      room(change, staged.size);
      await change.put(noteName(id), note, undefined);
      return change.put(name, staged, undefined);
    });
    return { id, collection, entry };
  } catch (error) {
    await note.discard();
    await staged.discard();
    throw error;
  }
}

export const removeManaged = ({ id, collection, entry }: Managed): Promise<void> =>
  collection.change(async (change) => {
    if (change.entry(entry.name) !== undefined) await change.remove(entry.name);
    if (change.entry(noteName(id)) !== undefined) await change.remove(noteName(id));
  });

const noteText = (holders: readonly Holder[]): Buffer =>
  Buffer.from(holders.map((holder) => `${JSON.stringify(holder)}\n`).join(""));

/** The note of an attachment, and the ETag by which a later one is told from it. */
async function noteOf({ id, collection }: Managed): Promise<{ etag: string | undefined; holders: readonly Holder[] }> {
  const content = await collection.read(noteName(id));
  const holders = (content?.bytes.toString() ?? "").split("\n").flatMap((line): readonly Holder[] => {
    try {
      const { home, uid, since } = JSON.parse(line) as Partial<Holder>;
      return typeof home === "string" && typeof uid === "string" ? [{ home, uid, since: Number(since) || 0 }] : [];
    } catch {
      return [];
    }
  });
  return { etag: content?.etag, holders };
}

/** Notes that an event is about to have the attachment. False: it is gone. */
export async function noteHolder(managed: Managed, { home, uid }: Omit<Holder, "since">): Promise<boolean> {
  for (;;) {
    const { etag, holders } = await noteOf(managed);
    const others = holders.filter((one) => one.home !== home || one.uid !== uid);
    const outcome = await rewriteNote(managed, etag, [...others, { home, uid, since: Date.now() }]);
    if (outcome !== "changed") return outcome === "noted";
  }
}

/** Writes a note anew, unless it is not the one that was read any more. */
async function rewriteNote(
  { id, collection, entry }: Managed,
  etag: string | undefined,
  holders: readonly Holder[],
): Promise<"noted" | "gone" | "changed"> {
  const staged = await collection.stage(noteText(holders.slice(-maxHolders)), new Map());
  const outcome = await collection.change(async (change) => {
    if (change.entry(entry.name) === undefined) return "gone";
    if (change.entry(noteName(id))?.etag !== etag) return "changed";
    await change.put(noteName(id), staged, undefined);
    return "noted";
  });
  if (outcome !== "noted") await staged.discard();
  return outcome;
}

async function* eventsHolding(
  { id }: Managed,
  holders: readonly Holder[],
  services: Services,
): AsyncGenerator<Holding> {
  for (const { home, uid } of holders) {
    const owner = await services.directory.byUid(home);
    if (owner !== undefined) yield* holding(owner, uid, services.store, (component) => managedIn(component).has(id));
  }
}

/** Whether somebody may have the bytes: who may read an event that has the attachment, or takes part in it. */
export async function mayReadManaged(
  managed: Managed,
  user: Principal | undefined,
  services: Services,
  readsEvent: (event: Holding, href: Href) => Promise<boolean>,
): Promise<boolean> {
  const { holders } = await noteOf(managed);
  for await (const event of eventsHolding(managed, holders, services)) {
    const { ref } = event.calendar;
    if (await readsEvent(event, services.urls.member(ref, event.entry.name))) return true;
    if (user !== undefined && (await accessThrough(event, user, services)) !== undefined) return true;
  }
  return false;
}

/** An event that gave an attachment up, and when whoever stored it began (ms since 1970): what was noted later is another's. */
export interface Dropped {
  readonly home: PrincipalUid;
  readonly uid: string;
  readonly began: number;
}

/** Removes an attachment that no event has any more. One that an event was noted for just now stays: that event may be on its way.
 *  Answers whether it was removed. */
export async function releaseManaged(
  managed: Managed,
  dropped: Dropped | undefined,
  services: Services,
  now = Date.now(),
): Promise<boolean> {
  const { etag, holders } = await noteOf(managed);
  const fresh = ({ home, uid, since }: Holder): boolean =>
    dropped !== undefined && home === dropped.home && uid === dropped.uid
      ? since > dropped.began
      : since > now - pending;
  const still = async (some: readonly Holder[]): Promise<boolean> => {
    if (some.some(fresh)) return true;
    for await (const _event of eventsHolding(managed, some, services)) return true;
    return false;
  };
  const giving = holders.filter(({ home, uid }) => home === dropped?.home && uid === dropped.uid);
  if (await still(giving)) return false;
  const others = holders.filter((holder) => !giving.includes(holder));
  if (await still(others)) {
    // Whoever gave it up is asked no more.
    if (giving.length > 0) await rewriteNote(managed, etag, others);
    return false;
  }
  return removeAsNoted(managed, etag);
}

/** Removes an attachment and its note, if that is still the one that was read: nobody wanted it since. */
const removeAsNoted = ({ id, collection, entry }: Managed, etag: string | undefined): Promise<boolean> =>
  collection.change(async (change) => {
    if (change.entry(noteName(id))?.etag !== etag || change.entry(entry.name) === undefined) return false;
    await change.remove(entry.name);
    if (etag !== undefined) await change.remove(noteName(id));
    return true;
  });

/** For who is about to look whether any event has an attachment: how to remove it if none has, which answers false when one was
 *  noted meanwhile. undefined: one was noted just now and may be on its way. */
export async function removeUnlessNoted(managed: Managed, now: number): Promise<(() => Promise<boolean>) | undefined> {
  const { etag, holders } = await noteOf(managed);
  if (holders.some(({ since }) => since > now - pending)) return undefined;
  return () => removeAsNoted(managed, etag);
}

/** Removes notes whose attachment is not there, of a process that died, once they are older than `pending`. */
export async function removeLoneNotes(collection: Collection, names: readonly string[], now: number): Promise<void> {
  for (const name of names) {
    const id = name.slice(0, 32);
    if (!isManagedId(id) || name !== noteName(id) || (await findManaged(collection, id)) !== undefined) continue;
    await collection.change(async (change) => {
      const entry = change.entry(name);
      if (entry !== undefined && entry.modified * 1000 < now - pending) await change.remove(name);
    });
  }
}

/** The attachment as a resource, for who asks for rights on it. */
export async function resourceOf({ collection, entry }: Managed, { urls }: Services) {
  const { ref } = collection;
  return memberResource(await collectionResource(urls.collection(ref), ref.owner, collection), entry);
}

/** The address of an attachment without host. */
export const pathOf = ({ collection, entry }: Managed, { urls }: Services): Href =>
  (urls.collection(collection.ref) + encodeSegment(entry.name)) as Href;

/** Whether the asker may read it. */
export const readable = async (managed: Managed, context: Context): Promise<boolean> =>
  (await context.privileges(await resourceOf(managed, context.services))).has("read");
