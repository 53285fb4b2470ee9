import type { Href, PrincipalUid } from "../../model/ids.ts";
import { type Invitation, invitationsIn } from "../../sharing/invitations.ts";
import { notificationFolder } from "../../sharing/notices.ts";
import { addressOf, nameOf, statusName } from "../../sharing/share.ts";
import { shareOf } from "../../sharing/shared-collection.ts";
import { cs, type Element, el, href, textOf } from "../../xml/element.ts";
import { type Context, property } from "../registry.ts";
import { absoluteUrl, publishedHref, publishedPlace } from "../sharing/published.ts";

/** caldav-sharing §5.2.2: who shares the calendar, to its owner and to its sharees. */
export const invite = property({
  name: cs("invite"),
  on: ["calendar"],
  allprop: false,
  // What is stored says whether there is anything to tell; most calendars have nothing.
  readsStored: true,
  get: async ({ owner, collection }, context, _requested, stored) => {
    if (stored === undefined || !context.services.settings.sharing.enabled) return undefined;
    const { principal } = context.services.urls;
    const invitations = invitationsIn(await collection.properties());
    const users = await Promise.all(invitations.map((invitation) => userElement(invitation, context)));
    return [el(cs("organizer"), href(principal(owner)), ...nameOf(owner)), ...users];
  },
});

async function userElement(invitation: Invitation, { services }: Context): Promise<Element> {
  const { sharee, access, summary } = invitation;
  const principal = await services.directory.byUid(sharee);
  const invited =
    principal === undefined
      ? [href(unknownAddress(sharee)), el(cs("invite-invalid"))]
      : [href(addressOf(principal, services)), ...nameOf(principal), el(cs(statusName(invitation)))];
  return el(
    cs("user"),
    ...invited,
    el(cs("access"), el(cs(access))),
    ...(summary === "" ? [] : [el(cs("summary"), summary)]),
  );
}

const unknownAddress = (uid: PrincipalUid): string => `urn:uuid:${uid}`;

const canBeShared = el(cs("can-be-shared"));
const canBePublished = el(cs("can-be-published"));

/** caldav-sharing §5.2.3. The original told no more than that a calendar can be shared; that it can be published is told where
 *  Sharing/Publishing/Announced says so. */
export const allowedSharingModes = property({
  name: cs("allowed-sharing-modes"),
  on: ["calendar"],
  allprop: false,
  get: ({ collection }, { services: { settings } }) => {
    const { enabled, publishing, announcePublishing } = settings.sharing;
    if (shareOf(collection) !== undefined) return undefined;
    const modes = [...(enabled ? [canBeShared] : []), ...(publishing && announcePublishing ? [canBePublished] : [])];
    return modes.length === 0 ? undefined : modes;
  },
});

/** caldav-sharing §5.2.4 */
export const sharedUrl = property({
  name: cs("shared-url"),
  on: ["calendar"],
  allprop: false,
  get: ({ collection }, { services: { urls } }) =>
    shareOf(collection) === undefined ? undefined : href(urls.collection(collection.ref)),
});

/** caldav-sharing §4.1.1 */
export const notificationUrl = property({
  name: cs("notification-URL"),
  on: ["principal"],
  allprop: false,
  get: ({ principal }, { services: { urls, settings } }) =>
    principal.calendaring && settings.sharing.enabled
      ? href(urls.collection({ owner: principal, path: [notificationFolder] }))
      : undefined,
});

/** caldav-sharing §4.2.1 */
export const notificationType = property({
  name: cs("notificationtype"),
  on: ["file"],
  allprop: false,
  readsStored: true,
  get: (_file, _context, _requested, stored) => stored,
});

/** Where a published calendar is read without a password; what is stored is the token. Told to who could publish it. */
export const publishUrl = property({
  name: cs("publish-url"),
  on: ["calendar"],
  allprop: false,
  readsStored: true,
  get: async (calendar, context, _requested, stored) => {
    const { settings } = context.services;
    if (stored === undefined || !settings.sharing.publishing) return undefined;
    if (!(await context.privileges(calendar)).has("write-acl")) return undefined;
    return href(absoluteUrl(publishedHref(textOf(stored)), settings));
  },
});

/** Where calendars are published; under what name, nobody knows before. */
export const prePublishUrl = property({
  name: cs("pre-publish-url"),
  on: ["calendar"],
  allprop: false,
  get: ({ collection }, { services: { settings } }) =>
    settings.sharing.publishing && shareOf(collection) === undefined
      ? href(absoluteUrl(`/${publishedPlace}/` as Href, settings))
      : undefined,
});
