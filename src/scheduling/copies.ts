import type { CalendarObject } from "../ical/calendar-object.ts";
import { parseCalendarObject } from "../ical/parse.ts";
import { organizerOf } from "../itip/people.ts";
import type { Principal } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import type { CalendarStore, Collection, ObjectEntry } from "../store/contract.ts";
import { caldav, childrenNamed, dav, textOf } from "../xml/element.ts";
import { calendarsBelow } from "./free-busy-set.ts";
import type { SchedulingServices } from "./services.ts";

/** Where somebody has an object. */
export interface Copy {
  readonly collection: Collection;
  readonly entry: ObjectEntry;
  readonly object: CalendarObject;
}

/** Somebody's object of that UID, in whatever calendar. Of several the first that has an ORGANIZER. */
export async function copyOf(owner: Principal, uid: string, store: CalendarStore): Promise<Copy | undefined> {
  let plain: Copy | undefined;
  for await (const collection of calendarsBelow({ owner, path: [] }, store)) {
    const name = await collection.nameOf(uid);
    const copy = name === undefined ? undefined : await copyAt(collection, name);
    if (copy === undefined) continue;
    const { master, overrides } = copy.object;
    if (organizerOf(master === undefined ? overrides : [master, ...overrides]) !== undefined) return copy;
    plain ??= copy;
  }
  return plain;
}

/** The object as it is stored; undefined when there is none (any more), or when it cannot be read. */
export async function copyAt(collection: Collection, name: string): Promise<Copy | undefined> {
  const [entry, content] = await Promise.all([collection.entry(name), collection.read(name)]);
  if (entry === undefined || content === undefined) return undefined;
  try {
    return {
      collection,
      entry: { ...entry, etag: content.etag },
      object: parseCalendarObject(content.bytes.toString()),
    };
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

/** The calendar that new invitations go to (RFC 6638 §4.3): the one set on the inbox, else `calendar`, else the first one; each
 *  only if it takes components of that kind. Undefined when there is none. */
export async function defaultCalendar(
  owner: Principal,
  kind: string,
  { store, calendarAt, kindsOf }: SchedulingServices,
): Promise<Collection | undefined> {
  const takes = async (collection: Collection): Promise<boolean> => (await kindsOf(collection)).includes(kind);
  const inbox = await store.open({ owner, path: ["inbox"] });
  const property = (await inbox?.properties())?.get(caldav("schedule-default-calendar-URL"));
  const [href] = property === undefined ? [] : childrenNamed(property, dav("href"));
  const named = href && (await calendarAt(textOf(href).trim()));
  if (named?.ref.owner.uid === owner.uid && (await takes(named))) return named;
  const usual = await store.open({ owner, path: ["calendar"] });
  if (usual?.kind === "calendar" && (await takes(usual))) return usual;
  for await (const collection of calendarsBelow({ owner, path: [] }, store))
    if (await takes(collection)) return collection;
  return undefined;
}
