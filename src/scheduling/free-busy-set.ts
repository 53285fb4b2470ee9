import type { Principal } from "../model/principal.ts";
import type { CalendarStore, Collection, CollectionRef } from "../store/contract.ts";
import { caldav, child, childrenNamed, dav, type Element, type QName, textOf } from "../xml/element.ts";

const setName: QName = caldav("calendar-free-busy-set");
const transparencyName: QName = caldav("schedule-calendar-transp");
const transparent: QName = caldav("transparent");

/** Opens the calendar that an href names, under any of its addresses; undefined where there is none (any more). */
export type CalendarAt = (href: string) => Promise<Collection | undefined>;

/** The calendar that a link in a sharee's home stands for; undefined where it is to be hidden. */
export type SharedAt = (link: Collection) => Promise<Collection | undefined>;

/** The calendars that make a calendar user busy. What a calendar says of itself decides (RFC 6638 §9.1); the list that clients of
 *  the drafts keep on the inbox (calendar-free-busy-set) decides for the calendars that say nothing, and may name calendars
 *  of others. Without either, a calendar counts. */
export async function* freeBusySet(
  owner: Principal,
  inbox: Collection | undefined,
  store: CalendarStore,
  calendarAt: CalendarAt,
  sharedAt?: SharedAt,
): AsyncGenerator<Collection> {
  const set = (await inbox?.properties())?.get(setName);
  const listed = set === undefined ? undefined : await listedCalendars(set, calendarAt);
  for await (const calendar of calendarsBelow({ owner, path: [] }, store, sharedAt)) {
    const key = keyOf(calendar);
    const isListed = listed?.delete(key) ?? true;
    const transparency = (await calendar.properties()).get(transparencyName);
    if (transparency === undefined ? isListed : child(transparency, transparent) === undefined) yield calendar;
  }
  for (const calendar of listed?.values() ?? []) if (calendar.ref.owner.uid !== owner.uid) yield calendar;
}

const keyOf = ({ ref }: Collection): string => `${ref.owner.uid}/${ref.path.join("/")}`;

async function listedCalendars(set: Element, calendarAt: CalendarAt): Promise<Map<string, Collection>> {
  const listed = new Map<string, Collection>();
  for (const element of childrenNamed(set, dav("href"))) {
    const calendar = await calendarAt(textOf(element).trim());
    if (calendar !== undefined) listed.set(keyOf(calendar), calendar);
  }
  return listed;
}

/** Every calendar of a home, those in its folders too; with `sharedAt` those that others share with its owner. */
export async function* calendarsBelow(
  ref: CollectionRef,
  store: CalendarStore,
  sharedAt?: SharedAt,
): AsyncGenerator<Collection> {
  for (const { name, kind } of await store.children(ref)) {
    const inner: CollectionRef = { owner: ref.owner, path: [...ref.path, name] };
    if (kind === "folder") yield* calendarsBelow(inner, store, sharedAt);
    if (kind !== "calendar" && kind !== "share") continue;
    const found = await store.open(inner);
    const calendar = found?.kind === "share" ? await sharedAt?.(found) : found;
    if (calendar !== undefined) yield calendar;
  }
}
