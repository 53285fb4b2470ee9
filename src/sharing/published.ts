import { randomBytes } from "node:crypto";
import type { Directory } from "../directory/backend.ts";
import type { CalendarStore, Collection } from "../store/contract.ts";
import { type Element, el, type QName, textOf } from "../xml/element.ts";
import { publishedName } from "./names.ts";

interface PublishingServices {
  readonly store: CalendarStore;
  readonly directory: Directory;
}

/** Random bytes of a token: nobody guesses it, and it says nothing of whose calendar it is. */
const tokenBytes = 24;

/** Publishes a calendar and answers its token; one that is published already keeps its own. The file that says where the token leads
 *  comes first, the token on the calendar, without which the file means nothing, last. */
export async function publishCalendar(calendar: Collection, { store }: PublishingServices): Promise<string> {
  const known = tokenOf(await calendar.properties());
  const token = known ?? randomBytes(tokenBytes).toString("base64url");
  await store.published.set(token, calendar.ref);
  let published = token;
  await calendar.change(async (change) => {
    // Of two that publish at once the first one's token stays.
    published = tokenOf(await change.properties()) ?? token;
    if (published === token && known === undefined)
      await change.setProperties(undefined, new Map([[publishedName, el(publishedName, token)]]));
  });
  if (published !== token) {
    await store.published.remove(token);
    await store.published.set(published, calendar.ref);
  }
  return published;
}

/** Ends a publication; its address never leads anywhere again. */
export async function unpublishCalendar(calendar: Collection, { store }: PublishingServices): Promise<void> {
  let token: string | undefined;
  await calendar.change(async (change) => {
    token = tokenOf(await change.properties());
    if (token !== undefined) await change.setProperties(undefined, new Map([[publishedName, null]]));
  });
  if (token !== undefined) await store.published.remove(token);
}

/** Lets a publication follow a calendar to its new place, or end with it (`calendar` undefined). */
export async function movePublication(
  before: ReadonlyMap<QName, Element>,
  calendar: Collection | undefined,
  { store }: PublishingServices,
): Promise<void> {
  const token = tokenOf(before);
  if (token === undefined) return;
  if (calendar === undefined) await store.published.remove(token);
  else await store.published.set(token, calendar.ref);
}

const tokenOf = (properties: ReadonlyMap<QName, Element>): string | undefined => {
  const stored = properties.get(publishedName);
  return stored === undefined ? undefined : textOf(stored);
};

/** The calendar that a token leads to, if the calendar itself still says so. */
export async function openPublished(
  token: string,
  { store, directory }: PublishingServices,
): Promise<Collection | undefined> {
  const place = await store.published.find(token);
  const owner = place && (await directory.byUid(place.owner));
  if (owner?.calendaring !== true) return undefined;
  const calendar = await store.open({ owner, path: place?.path ?? [] });
  if (calendar?.kind !== "calendar") return undefined;
  return tokenOf(await calendar.properties()) === token ? calendar : undefined;
}
