import { CALDAV, caldav, cs, dav, ical, type QName } from "../xml/element.ts";

/** What the server itself keeps of shares; never told to clients nor set by them. */
export const SHARING = "urn:caldavd:sharing";

const own = (local: string): QName => `{${SHARING}}${local}`;

/** On the owner's calendar: who is invited. The name under which clients are told of it; what is stored is our own list. */
export const invitationsName = cs("invite");
/** On a sharee's link: whose calendar it stands for. */
export const linkName = own("link");
/** On a sharee's own text of an event: the ETag of the owner's file it was made from. */
export const baseName = own("base");
/** On the owner's calendar: the token of its public address, under the name of the address. */
export const publishedName = cs("publish-url");

/** On a notification (caldav-sharing §4.2.1). */
export const notificationTypeName = cs("notificationtype");

/** Properties of a calendar that each sharee begins without, whatever the owner has: how it looks, where it stands, whether it
 *  makes busy, what alarms it gives by default. Others show the owner's value until the sharee sets one (caldav-sharing §5.5.3). */
export const personalProperties: ReadonlySet<QName> = new Set([
  ical("calendar-color"),
  ical("calendar-order"),
  `{${CALDAV}}schedule-calendar-transp`,
  ...["vevent-datetime", "vevent-date", "vtodo-datetime", "vtodo-date"].map((kind) => caldav(`default-alarm-${kind}`)),
]);

/** Properties of a link that are about the link. */
export const linkProperties: ReadonlySet<QName> = new Set([linkName, dav("resourcetype")]);
