import { randomUUID } from "node:crypto";
import type { Directory } from "../directory/backend.ts";
import { usualKinds } from "../ical/calendar-object.ts";
import { formatUtc } from "../ical/time.ts";
import type { PrincipalUid, Utc } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import type { CalendarStore, Collection, CollectionRef } from "../store/contract.ts";
import { caldav, cs, type Element, el, elWith, href } from "../xml/element.ts";
import { editInvitations, type Invitation, invitationOf, invitationsIn, type ShareAccess } from "./invitations.ts";
import { linkRef, makeLink, moveLink, removeLink } from "./links.ts";
import { deliverNotice, hasNotice, withdrawNotice } from "./notices.ts";
import type { SharedCollection } from "./shared-collection.ts";

/** What sharing asks of the rest of the server. */
export interface SharingServices {
  readonly store: CalendarStore;
  readonly directory: Directory;
  readonly urls: { principal(principal: Principal): string; collection(ref: CollectionRef): string };
  readonly now: () => Utc;
}

/** A change that an owner asks for: an invitation or, with `access` undefined, its end. */
export interface ShareeEdit {
  readonly uid: PrincipalUid;
  /** undefined: no longer in the directory; he can only be removed. */
  readonly sharee: Principal | undefined;
  readonly access: ShareAccess | undefined;
  readonly summary: string;
}

/** Makes the changes to who shares a calendar (caldav-sharing §5.3.2). First the list on the calendar, which decides; then links and
 *  notifications. Killed in between, the same request again brings what is missing. */
export async function editSharees(
  calendar: Collection,
  edits: readonly ShareeEdit[],
  services: SharingServices,
): Promise<void> {
  const told: { readonly sharee: Principal; readonly before: Invitation | undefined; readonly after: Invitation }[] =
    [];
  const ended: { readonly sharee: Principal | undefined; readonly invitation: Invitation }[] = [];
  await editInvitations(calendar, (list) => {
    let changed = list;
    for (const { uid, sharee, access, summary } of edits) {
      const before = changed.find((invitation) => invitation.sharee === uid);
      if (access === undefined || sharee === undefined) {
        if (before === undefined) continue;
        ended.push({ sharee, invitation: before });
        changed = changed.filter((invitation) => invitation !== before);
        continue;
      }
      const after: Invitation = {
        uid: before?.uid ?? randomUUID(),
        sharee: uid,
        access,
        // Who declined is asked again.
        status: before?.status === "accepted" ? "accepted" : "noresponse",
        summary: summary === "" ? (before?.summary ?? "") : summary,
      };
      told.push({ sharee, before, after });
      changed =
        before === undefined
          ? [...changed, after]
          : changed.map((invitation) => (invitation === before ? after : invitation));
    }
    return changed;
  });
  for (const { sharee, invitation } of ended)
    if (sharee !== undefined) await end(calendar.ref, sharee, invitation, services);
  for (const { sharee, before, after } of told) {
    const same = before !== undefined && isSame(before, after);
    if (same && (after.status !== "noresponse" || (await hasNotice(services.store, sharee, after.uid)))) continue;
    await deliverNotice(
      services.store,
      sharee,
      after.uid,
      await inviteNotice(calendar, sharee, after, services),
      stampOf(services),
    );
  }
}

const isSame = (a: Invitation, b: Invitation): boolean =>
  a.access === b.access && a.status === b.status && a.summary === b.summary;

/** Takes an ended share from the sharee's home. Who had it hears of it; an invitation nobody answered is just taken back. */
async function end(
  ref: CollectionRef,
  sharee: Principal,
  invitation: Invitation,
  services: SharingServices,
): Promise<void> {
  const { store } = services;
  await removeLink(store, sharee, invitation.uid);
  if (invitation.status !== "accepted") return withdrawNotice(store, sharee, invitation.uid);
  const notice = notification(ref, sharee, invitation, "invite-deleted", undefined, services);
  await deliverNotice(store, sharee, invitation.uid, notice, stampOf(services));
}

/** The sharees of a calendar that is gone lose it. `invitations` as they were. */
export async function endShares(
  ref: CollectionRef,
  invitations: readonly Invitation[],
  services: SharingServices,
): Promise<void> {
  for (const invitation of invitations) {
    const sharee = await services.directory.byUid(invitation.sharee);
    if (sharee !== undefined) await end(ref, sharee, invitation, services);
  }
}

/** Lets the sharees' links follow a calendar to its new place. */
export async function moveShares(calendar: Collection, { store, directory }: SharingServices): Promise<void> {
  for (const { sharee, uid, status } of invitationsIn(await calendar.properties())) {
    const principal = status === "accepted" ? await directory.byUid(sharee) : undefined;
    if (principal !== undefined) await moveLink(store, principal, uid, calendar.ref);
  }
}

/** Accepts an invitation (caldav-sharing §5.4.1): the link, then the answer on the owner's calendar, which makes it seen.
 *  Answers where the shared calendar lies; undefined when the sharee is not invited. `address` is what the sharee called himself. */
export async function acceptShare(
  calendar: Collection,
  sharee: Principal,
  reply: { readonly summary: string; readonly address: string },
  services: SharingServices,
): Promise<CollectionRef | undefined> {
  const invitation = await invitationOf(calendar, sharee.uid);
  if (invitation === undefined) return undefined;
  await makeLink(services.store, calendar, sharee, invitation, reply.summary || invitation.summary);
  if (!(await answer(calendar, sharee.uid, "accepted"))) return undefined;
  if (invitation.status !== "accepted")
    await tellOwner(calendar, sharee, invitation, "invite-accepted", reply, services);
  return linkRef(sharee, invitation.uid);
}

/** Declines an invitation, or leaves an accepted share: the answer, then the link. False when the sharee is not invited. */
export async function declineShare(
  calendar: Collection,
  sharee: Principal,
  reply: { readonly summary: string; readonly address: string },
  services: SharingServices,
): Promise<boolean> {
  const invitation = await invitationOf(calendar, sharee.uid);
  if (invitation === undefined) return false;
  await answer(calendar, sharee.uid, "declined");
  await removeLink(services.store, sharee, invitation.uid);
  if (invitation.status !== "declined")
    await tellOwner(calendar, sharee, invitation, "invite-declined", reply, services);
  return true;
}

/** As `declineShare`, by removing the calendar from one's home (caldav-sharing §5.4.2). */
export async function leaveShare(shared: SharedCollection, services: SharingServices): Promise<void> {
  const { sharee, invitation } = shared;
  const reply = { summary: invitation.summary, address: addressOf(sharee, services) };
  const left = await declineShare(shared.base, sharee, reply, services);
  if (!left) await removeLink(services.store, sharee, invitation.uid);
}

/** False when the invitation was taken back meanwhile. */
async function answer(calendar: Collection, sharee: PrincipalUid, status: "accepted" | "declined"): Promise<boolean> {
  let found = false;
  await editInvitations(calendar, (list) => {
    const before = list.find((invitation) => invitation.sharee === sharee);
    found = before !== undefined;
    if (before === undefined || before.status === status) return list;
    return list.map((invitation) => (invitation === before ? { ...before, status } : invitation));
  });
  return found;
}

async function tellOwner(
  { ref }: Collection,
  sharee: Principal,
  { uid }: Invitation,
  status: "invite-accepted" | "invite-declined",
  { summary, address }: { readonly summary: string; readonly address: string },
  services: SharingServices,
): Promise<void> {
  const notice = elWith(
    cs("invite-reply"),
    { "shared-type": "calendar" },
    href(address),
    el(cs(status)),
    el(cs("hosturl"), href(hostUrl(ref, services))),
    el(cs("in-reply-to"), uid),
    ...(summary === "" ? [] : [el(cs("summary"), summary)]),
    ...nameOf(sharee),
  );
  await deliverNotice(services.store, ref.owner, `${uid}-reply`, notice, stampOf(services));
}

const anyComponent = el(
  caldav("supported-calendar-component-set"),
  ...usualKinds.map((name) => elWith(caldav("comp"), { name })),
);
const componentsName = caldav("supported-calendar-component-set");

async function inviteNotice(
  calendar: Collection,
  sharee: Principal,
  invitation: Invitation,
  services: SharingServices,
): Promise<Element> {
  const components = (await calendar.properties()).get(componentsName) ?? anyComponent;
  return notification(calendar.ref, sharee, invitation, statusName(invitation), components, services);
}

/** As clients know the answer to an invitation. */
export const statusName = ({ status }: Invitation): `invite-${Invitation["status"]}` => `invite-${status}`;

/** caldav-sharing §6.15 */
const notification = (
  ref: CollectionRef,
  sharee: Principal,
  { uid, access, summary }: Invitation,
  status: string,
  components: Element | undefined,
  services: SharingServices,
): Element =>
  elWith(
    cs("invite-notification"),
    { "shared-type": "calendar" },
    el(cs("uid"), uid),
    href(addressOf(sharee, services)),
    el(cs(status)),
    el(cs("access"), el(cs(access))),
    el(cs("hosturl"), href(hostUrl(ref, services))),
    el(cs("organizer"), href(services.urls.principal(ref.owner)), ...nameOf(ref.owner)),
    ...(summary === "" ? [] : [el(cs("summary"), summary)]),
    ...(components === undefined ? [] : [components]),
  );

/** A principal's name where a sharer or sharee is named (caldav-sharing §6.19). */
export const nameOf = ({ fullName, shortName }: Principal): readonly Element[] => [
  el(cs("common-name"), fullName || shortName),
];

/** The address by which a sharee is named: the first of his own, as clients wrote it; the principal's where there is none. */
export const addressOf = (sharee: Principal, { urls }: Pick<SharingServices, "urls">): string =>
  sharee.addresses.find((address) => address.startsWith("mailto:")) ?? sharee.addresses[0] ?? urls.principal(sharee);

/** The original wrote the owner's calendar without a final slash. */
const hostUrl = (ref: CollectionRef, { urls }: SharingServices): string => urls.collection(ref).replace(/\/$/, "");

const stampOf = ({ now }: SharingServices): string => formatUtc(now());
