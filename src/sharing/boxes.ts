import type { Principal } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import type { CalendarStore, Collection, CollectionRef } from "../store/contract.ts";
import { isSafeName } from "../store/layout.ts";
import { childrenNamed, type Element, el, elWith, type QName, textOf } from "../xml/element.ts";
import { invitationOf, type ShareAccess } from "./invitations.ts";
import { SHARING } from "./names.ts";

/** Where the attachments of a home lie, a folder for each event that has some (caldav-dropbox). */
export const dropboxFolder = "dropbox";

/** On such a folder: the event it belongs to. Who shares the event's calendar gets at its attachments. */
const eventName: QName = `{${SHARING}}event`;
const segmentName: QName = `{${SHARING}}collection`;

/** Boxes of one event that are looked after. */
const maxBoxes = 10;

/** The addresses of attachments in drop boxes that an event's text names, up to the name of the box. */
export function boxesIn(text: string): readonly string[] {
  // Nearly no event has one.
  if (!text.includes("ATTACH") && !text.includes("X-APPLE-DROPBOX")) return [];
  const found = new Set<string>();
  for (const [address] of text
    .replace(/\r?\n[ \t]/g, "")
    .matchAll(/\/calendars\/[^/\s"]{1,100}\/[^/\s"]{1,300}\/dropbox\/[^/\s";,]{1,300}/g)) {
    found.add(address);
    if (found.size === maxBoxes) break;
  }
  return [...found];
}

/** Makes the box of an event, as the original did when it met one, and notes whose it is. */
export async function ensureBox(
  store: CalendarStore,
  owner: Principal,
  id: string,
  calendar: CollectionRef,
  object: string,
): Promise<void> {
  if (!isSafeName(id)) return;
  await folderAt(store, { owner, path: [dropboxFolder] }, "dropbox");
  const box = await folderAt(store, { owner, path: [dropboxFolder, id] }, "folder");
  const value = elWith(eventName, { name: object }, ...calendar.path.map((name) => el(segmentName, name)));
  const before = (await box.properties()).get(eventName);
  if (before !== undefined && isSame(before, value)) return;
  await box.change((change) => change.setProperties(undefined, new Map([[eventName, value]])));
}

const isSame = (a: Element, b: Element): boolean =>
  a.attributes["name"] === b.attributes["name"] &&
  a.children.map(textOf).join("/") === b.children.map(textOf).join("/");

async function folderAt(store: CalendarStore, ref: CollectionRef, kind: "dropbox" | "folder"): Promise<Collection> {
  const found = await store.open(ref);
  if (found !== undefined) return found;
  try {
    return await store.create(ref, kind, new Map());
  } catch (error) {
    const made =
      error instanceof Refusal && error.reason.code === "resource-must-be-null" ? await store.open(ref) : undefined;
    if (made === undefined) throw error;
    return made;
  }
}

/** What somebody may do with a box because the calendar of its event is shared with him; undefined: nothing. */
export async function boxAccess(
  box: Collection,
  user: Principal,
  store: CalendarStore,
): Promise<ShareAccess | undefined> {
  const event = (await box.properties()).get(eventName);
  const object = event?.attributes["name"];
  if (event === undefined || object === undefined) return undefined;
  const path = childrenNamed(event, segmentName).map(textOf);
  const calendar = await store.open({ owner: box.ref.owner, path });
  if (calendar?.kind !== "calendar") return undefined;
  const invitation = await invitationOf(calendar, user.uid);
  if (invitation?.status !== "accepted") return undefined;
  const entry = await calendar.entry(object);
  // The attachments of a private event are as private as it is.
  return entry === undefined || entry.access !== undefined ? undefined : invitation.access;
}
