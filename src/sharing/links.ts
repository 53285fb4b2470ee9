import { Lru } from "../base/lru.ts";
import type { Directory } from "../directory/backend.ts";
import type { PrincipalUid } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";
import type { CalendarStore, Collection, CollectionRef } from "../store/contract.ts";
import { caldav, childrenNamed, dav, type Element, el, elWith, type QName, textOf } from "../xml/element.ts";
import { type Invitation, invitationsIn } from "./invitations.ts";
import { linkName, SHARING } from "./names.ts";
import { SharedCollection } from "./shared-collection.ts";

const segmentName: QName = `{${SHARING}}collection`;

/** What a link says: whose calendar, where in that home, by which invitation. */
interface Link {
  readonly owner: PrincipalUid;
  readonly path: readonly string[];
  readonly uid: string;
}

const linkElement = ({ owner, path }: CollectionRef, uid: string): Element =>
  elWith(linkName, { owner: owner.uid, invitation: uid }, ...path.map((name) => el(segmentName, name)));

function linkIn(properties: ReadonlyMap<QName, Element>): Link | undefined {
  const element = properties.get(linkName);
  const { owner, invitation } = element?.attributes ?? {};
  if (element === undefined || owner === undefined || invitation === undefined) return undefined;
  return {
    owner: owner as PrincipalUid,
    path: childrenNamed(element, segmentName).map(textOf),
    uid: invitation,
  };
}

/** Where the link of an invitation lies in the sharee's home. Named by the invitation, so that accepting twice makes one. */
export const linkRef = (sharee: Principal, uid: string): CollectionRef => ({ owner: sharee, path: [uid] });

/** The calendar that a link stands for, as its sharee sees it; undefined where the calendar or the accepted invitation is not there
 *  (any more): such a link is hidden and does no harm. */
export async function openShare(
  link: Collection,
  { store, directory }: { readonly store: CalendarStore; readonly directory: Directory },
): Promise<SharedCollection | undefined> {
  const found = linkIn(await link.properties());
  if (found === undefined) return undefined;
  const owner = await directory.byUid(found.owner);
  if (owner?.calendaring !== true) return undefined;
  const place =
    (await calendarOf(found.uid, { owner, path: found.path }, store)) ?? (await moved(link, found, owner, store));
  if (place === undefined) return undefined;
  const { calendar, invitation } = place;
  if (invitation.status !== "accepted" || invitation.sharee !== link.ref.owner.uid) return undefined;
  return new SharedCollection(calendar, link, invitation);
}

interface Invited {
  readonly calendar: Collection;
  readonly invitation: Invitation;
}

async function calendarOf(uid: string, ref: CollectionRef, store: CalendarStore): Promise<Invited | undefined> {
  const calendar = await store.open(ref);
  if (calendar?.kind !== "calendar") return undefined;
  const invitation = invitationsIn(await calendar.properties()).find((one) => one.uid === uid);
  return invitation && { calendar, invitation };
}

/** Invitations that were looked for in vain, and when that may be done again, in milliseconds of `performance.now`. */
const vain = new Lru<string, number>({ maxEntries: 10_000 });
const patience = 60_000;

/** Looks through the owner's home for a calendar that was moved by hand, or by a process that was killed before the link followed. */
async function moved(
  link: Collection,
  { uid }: Link,
  owner: Principal,
  store: CalendarStore,
): Promise<Invited | undefined> {
  const key = `${link.ref.owner.uid}/${uid}`;
  if ((vain.get(key) ?? 0) > performance.now()) return undefined;
  const found = await below({ owner, path: [] }, uid, store);
  if (found === undefined) vain.set(key, performance.now() + patience);
  else
    await link.change((change) =>
      change.setProperties(undefined, new Map([[linkName, linkElement(found.calendar.ref, uid)]])),
    );
  return found;
}

async function below(ref: CollectionRef, uid: string, store: CalendarStore): Promise<Invited | undefined> {
  for (const { name, kind } of await store.children(ref)) {
    const inner = { owner: ref.owner, path: [...ref.path, name] };
    const found =
      kind === "calendar"
        ? await calendarOf(uid, inner, store)
        : kind === "folder"
          ? await below(inner, uid, store)
          : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

const transparencyName = caldav("schedule-calendar-transp");

/** Makes the sharee's link if it is not there. A new one does not make its sharee busy until he says so (caldav-sharing §5.5.5). */
export async function makeLink(
  store: CalendarStore,
  calendar: Collection,
  sharee: Principal,
  { uid }: Invitation,
  summary: string,
): Promise<CollectionRef> {
  await store.provision(sharee);
  const ref = linkRef(sharee, uid);
  const name = dav("displayname");
  const properties = new Map<QName, Element>([
    [linkName, linkElement(calendar.ref, uid)],
    [transparencyName, el(transparencyName, el(caldav("transparent")))],
  ]);
  if (summary !== "") properties.set(name, el(name, summary));
  const before = await store.open(ref);
  if (before !== undefined) {
    // Left by an acceptance that did not come to its end, or accepted again: what the sharee has made of it stays.
    const edits = new Map([[linkName, linkElement(calendar.ref, uid)]]);
    await before.change((change) => change.setProperties(undefined, edits));
    return ref;
  }
  try {
    await store.create(ref, "share", properties);
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason.code !== "resource-must-be-null") throw error;
  }
  return ref;
}

/** Removes the sharee's link with all that is his own in it. */
export const removeLink = async (store: CalendarStore, sharee: Principal, uid: string): Promise<void> => {
  const link = await store.open(linkRef(sharee, uid));
  if (link?.kind === "share") await store.remove(link.ref);
};

/** Lets the link follow a calendar that was moved. */
export async function moveLink(store: CalendarStore, sharee: Principal, uid: string, to: CollectionRef): Promise<void> {
  const link = await store.open(linkRef(sharee, uid));
  if (link?.kind !== "share") return;
  await link.change((change) => change.setProperties(undefined, new Map([[linkName, linkElement(to, uid)]])));
}
