import type { PrincipalUid } from "../model/ids.ts";
import type { Collection, CollectionChange } from "../store/contract.ts";
import { caldav, childrenNamed, cs, dav, type Element, el, elWith, type QName, textOf } from "../xml/element.ts";
import { invitationsName, SHARING } from "./names.ts";

/** What a sharee may do (caldav-sharing §5.5.1). */
export type ShareAccess = "read" | "read-write";
export type ShareStatus = "noresponse" | "accepted" | "declined";

/** One sharee of a calendar, as its owner's calendar records it. */
export interface Invitation {
  /** Names the sharee's link and the notification. */
  readonly uid: string;
  readonly sharee: PrincipalUid;
  readonly access: ShareAccess;
  readonly status: ShareStatus;
  /** What the owner called the calendar for this sharee; "" when nothing was said. */
  readonly summary: string;
}

/** Sharees of one calendar: what the property may grow to, and what a change of it costs. */
export const maxSharees = 500;

const calendarMarks = [el(dav("collection")), el(caldav("calendar"))];
const calendarType = el(dav("resourcetype"), ...calendarMarks);
const sharedOwnerType = el(dav("resourcetype"), ...calendarMarks, el(cs("shared-owner")));
/** DAV:resourcetype of a calendar in its sharee's home (caldav-sharing §5.2.1). */
export const sharedType: Element = el(dav("resourcetype"), ...calendarMarks, el(cs("shared")));

const invitationName: QName = `{${SHARING}}invitation`;
const known = new WeakMap<Element, readonly Invitation[]>();
const none: readonly Invitation[] = [];

/** The invitations among a calendar's properties, in the order in which they were made. What cannot be read is left out. */
export function invitationsIn(properties: ReadonlyMap<QName, Element>): readonly Invitation[] {
  const stored = properties.get(invitationsName);
  if (stored === undefined) return none;
  const before = known.get(stored);
  if (before !== undefined) return before;
  const found = childrenNamed(stored, invitationName).flatMap((element) => read(element) ?? []);
  known.set(stored, found);
  return found;
}

function read(element: Element): Invitation | undefined {
  const { uid, sharee, access, status } = element.attributes;
  if (uid === undefined || sharee === undefined) return undefined;
  return {
    uid,
    sharee: sharee as PrincipalUid,
    access: access === "read-write" ? access : "read",
    status: status === "accepted" || status === "declined" ? status : "noresponse",
    summary: textOf(element),
  };
}

const written = ({ uid, sharee, access, status, summary }: Invitation): Element =>
  elWith(invitationName, { uid, sharee, access, status }, summary);

/** Changes the list under the calendar's lock; `edit` gets it as it stands there and answers what it shall be. */
export function editInvitations(
  calendar: Collection,
  edit: (before: readonly Invitation[]) => readonly Invitation[],
): Promise<void> {
  return calendar.change(async (change: CollectionChange) => {
    const before = invitationsIn(await change.properties());
    const after = edit(before);
    if (after === before || (after.length === 0 && before.length === 0)) return;
    const value = after.length === 0 ? null : el(invitationsName, ...after.map(written));
    // The original's mark; whoever lists calendars sees it without reading the list.
    const type = after.length === 0 ? calendarType : sharedOwnerType;
    await change.setProperties(
      undefined,
      new Map<QName, Element | null>([
        [invitationsName, value],
        [type.name, type],
      ]),
    );
  });
}

/** The sharee's invitation; undefined when there is none. */
export async function invitationOf(calendar: Collection, sharee: PrincipalUid): Promise<Invitation | undefined> {
  return invitationsIn(await calendar.properties()).find((invitation) => invitation.sharee === sharee);
}
