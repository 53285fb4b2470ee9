import type { CalendarObject } from "../../ical/calendar-object.ts";
import type { Component } from "../../ical/component.ts";
import { unfolded } from "../../ical/slices.ts";
import type { Principal } from "../../model/principal.ts";
import { Refusal } from "../../model/refusal.ts";
import type { ShareAccess } from "../../sharing/invitations.ts";
import { SHARING } from "../../sharing/names.ts";
import type { CalendarStore, Collection, CollectionRef } from "../../store/contract.ts";
import { isSafeName } from "../../store/layout.ts";
import { childrenNamed, type Element, el, type QName, textOf } from "../../xml/element.ts";
import type { Place } from "../methods/members.ts";
import type { Context, Services } from "../registry.ts";
import { principalAt, segmentsOf } from "../urls.ts";
import { accessThrough, holding } from "./events.ts";

/** Where the attachments of a home lie, a folder for each event that has some (caldav-dropbox). */
export const dropboxFolder = "dropbox";
/** Among the boxes: what the server manages by itself (RFC 8607), of all events. */
export const managedFolder = "managed";

export const isManagedPlace = ({ path }: CollectionRef): boolean =>
  path[0] === dropboxFolder && path[1] === managedFolder;

/** Whether a collection is the box of an event. */
export const isBox = ({ path }: CollectionRef): boolean =>
  path.length === 2 && path[0] === dropboxFolder && path[1] !== managedFolder;

/** On a box: the UIDs of the events that refer to it, or did. */
const eventsName: QName = `{${SHARING}}events`;
const uidName: QName = `{${SHARING}}uid`;
/** On a box that the server made: its client may still do so. */
const providedName: QName = `{${SHARING}}provided`;

/** Boxes of one event that are looked after, and events of one box. */
const maxBoxes = 10;
const maxEvents = 50;

/** The addresses of attachments in drop boxes that an event's text names, up to the name of the box. */
function boxesIn(text: string): readonly string[] {
  // Nearly no event has one.
  if (!text.includes("ATTACH") && !text.includes("X-APPLE-DROPBOX")) return [];
  const found = new Set<string>();
  for (const [address] of unfolded(text).matchAll(
    /\/calendars\/[^/\s"]{1,100}\/[^/\s"]{1,300}\/dropbox\/[^/\s";,]{1,300}/g,
  )) {
    found.add(address);
    if (found.size === maxBoxes) break;
  }
  return [...found];
}

/** The names of the boxes in the owner's own home that an event's text refers to. */
export async function ownBoxesIn(text: string, owner: Principal, { directory }: Services): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const address of boxesIn(text)) {
    const [, type = "", user = "", , id = ""] = segmentsOf(address)?.path ?? [];
    if (id === managedFolder || !isSafeName(id)) continue;
    if ((await principalAt(directory, type, user))?.uid === owner.uid) ids.push(id);
  }
  return ids;
}

/** Makes the drop boxes in the owner's home that an event just stored refers to. */
export async function lookAfterBoxes(
  { text, uid }: CalendarObject,
  { owner, collection }: Place,
  { services }: Context,
): Promise<void> {
  if (!services.settings.dropbox || collection.kind !== "calendar") return;
  for (const id of await ownBoxesIn(text, owner, services))
    try {
      await ensureBox(services.store, owner, id, uid);
    } catch (error) {
      // The event is stored; its client makes the box itself where there is none.
      services.warn("the drop box of an event could not be made", { owner: owner.shortName, box: id, error });
    }
}

/** Makes the box of an event, as the original did when it met one, and notes whose it is. */
async function ensureBox(store: CalendarStore, owner: Principal, id: string, uid: string): Promise<void> {
  await folderAt(store, { owner, path: [dropboxFolder] }, "dropbox");
  const provided = new Map([[providedName, el(providedName)]]);
  const box = await folderAt(store, { owner, path: [dropboxFolder, id] }, "folder", provided);
  const known = await notedOn(box);
  if (known.includes(uid)) return;
  const events = [...known, uid].slice(-maxEvents).map((one) => el(uidName, one));
  await box.change((change) => change.setProperties(undefined, new Map([[eventsName, el(eventsName, ...events)]])));
}

/** Takes a box that the server made for one that a client makes; false: it is made already. */
export async function adopted(box: Collection): Promise<boolean> {
  if (!(await box.properties()).has(providedName)) return false;
  return box.change(async (change) => {
    if (!(await change.properties()).has(providedName)) return false;
    await change.setProperties(undefined, new Map([[providedName, null]]));
    return true;
  });
}

const notedOn = async (box: Collection): Promise<readonly string[]> => {
  const noted = (await box.properties()).get(eventsName);
  return noted === undefined ? [] : childrenNamed(noted, uidName).map(textOf);
};

/** The events that a box may belong to. Those of an original server say nothing; Apple's clients named them after the event. */
export async function eventsOf(box: Collection): Promise<readonly string[]> {
  const noted = await notedOn(box);
  if (noted.length > 0) return noted;
  const id = box.ref.path[1] ?? "";
  return id.endsWith(".dropbox") ? [id.slice(0, -".dropbox".length)] : [];
}

/** Opens a folder of the server's own, made where it is missing. */
export async function folderAt(
  store: CalendarStore,
  ref: CollectionRef,
  kind: "dropbox" | "folder",
  properties: ReadonlyMap<QName, Element> = new Map(),
): Promise<Collection> {
  const found = await store.open(ref);
  if (found !== undefined) return found;
  try {
    return await store.create(ref, kind, properties);
  } catch (error) {
    const made =
      error instanceof Refusal && error.reason.code === "resource-must-be-null" ? await store.open(ref) : undefined;
    if (made === undefined) throw error;
    return made;
  }
}

/** Whether a component refers to the box of that name. */
export function namesBox(id: string): (component: Component) => boolean {
  const ends = [id, encodeURIComponent(id)].map((name) => `/${dropboxFolder}/${name}`);
  const names = (value: string): boolean =>
    ends.some((end) => {
      const at = value.indexOf(end);
      const next = at === -1 ? "" : value.charAt(at + end.length);
      return at !== -1 && (next === "" || next === "/");
    });
  return ({ properties }) =>
    properties.some(({ name, value }) => (name === "ATTACH" || name === "X-APPLE-DROPBOX") && names(value));
}

/** What somebody may do with a box because of the event it belongs to: who takes part in it, and whoever has that person's or the
 *  owner's calendar shared; undefined: nothing. */
export async function boxAccess(
  box: Collection,
  user: Principal,
  services: Services,
): Promise<ShareAccess | undefined> {
  const { owner, path } = box.ref;
  const names = namesBox(path[1] ?? "");
  let found: ShareAccess | undefined;
  for (const uid of await eventsOf(box))
    for await (const held of holding(owner, uid, services.store, names)) {
      found = (await accessThrough(held, user, services)) ?? found;
      if (found === "read-write") return found;
    }
  return found;
}

/** Whether an event of the home refers to the box. */
export async function isReferred(box: Collection, services: Services): Promise<boolean> {
  const names = namesBox(box.ref.path[1] ?? "");
  for (const uid of await eventsOf(box))
    for await (const _held of holding(box.ref.owner, uid, services.store, names)) return true;
  return false;
}

/** After an event was removed: its boxes go with it, unless another event of the home refers to them. */
export async function removeBoxes(ids: readonly string[], owner: Principal, services: Services): Promise<void> {
  for (const id of ids) {
    const ref = { owner, path: [dropboxFolder, id] };
    const box = await services.store.open(ref);
    if (box !== undefined && !(await isReferred(box, services))) await services.store.remove(ref);
  }
}
