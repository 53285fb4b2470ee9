import { httpDate, isoDate } from "../../http/dates.ts";
import { placeOf, shareOf } from "../../sharing/shared-collection.ts";
import { caldav, child, cs, dav, el, elements, href, type QName, type XmlValue } from "../../xml/element.ts";
import { isBox } from "../attachments/boxes.ts";
import { encodeHomeToken, homeToken } from "../home-token.ts";
import { seesSize } from "../privacy.ts";
import { type Context, property, type Registry } from "../registry.ts";
import {
  collectionKinds,
  type Kind,
  memberKinds,
  navigationKinds,
  principalKinds,
  type Resource,
  resourceKinds,
} from "../resource.ts";
import { addMemberName, lastSegment } from "../urls.ts";

// Values are made once: the writer keeps the markup of a value it has seen.
const collection = el(dav("collection"));
const typeOf: Readonly<Record<Exclude<Kind, "proxy-group" | "unmapped">, XmlValue>> = {
  root: collection,
  "principal-root": collection,
  "principal-type": collection,
  // The principal is a collection because its delegate groups lie inside. Thunderbird looks for <principal/> here.
  principal: [collection, el(dav("principal"))],
  "calendar-root": collection,
  "calendar-type": collection,
  home: collection,
  calendar: [collection, el(caldav("calendar"))],
  inbox: [collection, el(caldav("schedule-inbox"))],
  outbox: [collection, el(caldav("schedule-outbox"))],
  dropbox: [collection, el(cs("dropbox-home"))],
  notification: [collection, el(cs("notification"))],
  folder: collection,
  object: [],
  file: [],
};
const boxType = [collection, el(cs("dropbox"))];
const proxyType = {
  read: [collection, el(dav("principal")), el(cs("calendar-proxy-read"))],
  write: [collection, el(dav("principal")), el(cs("calendar-proxy-write"))],
};

/** RFC 4918 §15.9, of calendars: a shared one says so, to its owner or its sharee (caldav-sharing §5.2.1). */
export const calendarResourceType = property({
  name: dav("resourcetype"),
  on: ["calendar"],
  readsStored: true,
  get: (_calendar, _context, _requested, stored) => {
    const marks = stored === undefined ? 0 : elements(stored).length;
    if (stored === undefined || marks <= 2) return typeOf.calendar;
    if (child(stored, sharedMark) !== undefined) return sharedType;
    return child(stored, sharedOwnerMark) === undefined ? typeOf.calendar : sharedOwnerType;
  },
});
const sharedMark = cs("shared");
const sharedOwnerMark = cs("shared-owner");
const sharedType = [collection, el(caldav("calendar")), el(sharedMark)];
const sharedOwnerType = [collection, el(caldav("calendar")), el(sharedOwnerMark)];

/** RFC 4918 §15.9 */
export const resourceType = property({
  name: dav("resourcetype"),
  on: resourceKinds.filter((kind) => kind !== "calendar"),
  get: (resource) =>
    resource.kind === "proxy-group"
      ? proxyType[resource.access]
      : resource.kind === "folder" && isBox(resource.collection.ref)
        ? boxType
        : typeOf[resource.kind],
});

/** RFC 4918 §15.6. A collection's is its state, so that a conditional GET of a listing works. */
export const entityTag = property({
  name: dav("getetag"),
  on: [...memberKinds, ...collectionKinds],
  get: (resource) => ("entry" in resource ? resource.entry.etag : `"${resource.info.syncToken}"`),
});

/** Of places and principals, which show nothing but the directory. */
export const directoryTag = property({
  name: dav("getetag"),
  on: [...navigationKinds, ...principalKinds],
  get: (_resource, { services: { directory } }) => `"${directory.generation()}"`,
});

/** What GET says of a member when the client that stored it said nothing else. */
export const defaultContentType = { object: "text/calendar;charset=utf-8", file: "application/octet-stream" } as const;

/** RFC 4918 §15.5. The Content-Type of the PUT is kept as a stored property where it differs from the default. */
export const contentType = property({
  name: dav("getcontenttype"),
  on: memberKinds,
  readsStored: true,
  get: (resource, _context, _requested, stored) => stored?.children ?? defaultContentType[resource.kind],
});

/** The original's answer for everything that GET lists. */
export const collectionContentType = property({
  name: dav("getcontenttype"),
  on: [...navigationKinds, ...principalKinds, ...collectionKinds],
  get: () => "httpd/unix-directory",
});

/** RFC 4918 §15.4 */
export const contentLength = property({
  name: dav("getcontentlength"),
  on: resourceKinds,
  // In a shared calendar only reading it tells how long it is for its sharee, and so what others see of a CONFIDENTIAL event.
  get: (resource, context) => {
    if (!("entry" in resource)) return "0";
    const { entry, collection, owner } = resource;
    if (shareOf(collection) !== undefined) return undefined;
    const size = `${entry.size}`;
    if (entry.scheduleTag === undefined && entry.access === undefined) return size;
    return seesSize(entry, owner, context).then((sees) => (sees ? size : undefined));
  },
});

/** RFC 4918 §15.7 */
export const lastModified = property({
  name: dav("getlastmodified"),
  on: [...memberKinds, ...collectionKinds],
  get: (resource) => httpDate("entry" in resource ? resource.entry.modified : resource.info.modified),
});

/** RFC 4918 §15.1 */
export const creationDate = property({
  name: dav("creationdate"),
  on: [...memberKinds, ...collectionKinds],
  get: (resource) => isoDate("entry" in resource ? resource.entry.created : resource.info.created),
});

/** RFC 4918 §15.2. Outlook CalDav Synchronizer leaves a calendar out that has none, so there is always one. */
export const displayName = property({
  name: dav("displayname"),
  on: [...collectionKinds, ...memberKinds],
  get: (resource, _context, _requested, stored) =>
    stored ??
    (resource.kind === "home" ? resource.owner.fullName || resource.owner.shortName : lastSegment(resource.href)),
  accept: (value) => value,
});

/** Of places the server itself names. */
export const placeName = property({
  name: dav("displayname"),
  on: navigationKinds,
  get: (resource) => lastSegment(resource.href),
});

const reportSets = new WeakMap<Registry, Map<Kind, XmlValue>>();

/** RFC 3253 §3.1.5 */
export const supportedReportSet = property({
  name: dav("supported-report-set"),
  on: resourceKinds,
  allprop: false,
  get: ({ kind }, { services: { registry } }) => {
    const known = reportSets.get(registry) ?? new Map<Kind, XmlValue>();
    reportSets.set(registry, known);
    const value =
      known.get(kind) ??
      registry.reportsOn(kind).map(({ name }) => el(dav("supported-report"), el(dav("report"), el(name))));
    known.set(kind, value);
    return value;
  },
});

/** The token of RFC 6578 §4 as the URI it has to be. */
export const tokenUri = (token: string): string => `data:,${token}`;
const syncCollection: QName = dav("sync-collection");

/** RFC 6578 §4, wherever the report is answered. A home's token holds those of its collections. */
export const syncToken = property({
  name: dav("sync-token"),
  on: collectionKinds,
  allprop: false,
  get: (resource, context) => {
    if (context.services.registry.report(syncCollection, resource.kind) === undefined) return undefined;
    return resource.kind === "home"
      ? homeToken(resource, context).then(encodeHomeToken)
      : tokenUri(resource.info.syncToken);
  },
});

/** RFC 5995 §3.2.1: where to POST an object whose name the server shall choose. */
export const addMember = property({
  name: dav("add-member"),
  on: ["calendar"],
  allprop: false,
  get: ({ collection }, { services: { urls } }) => href(`${urls.collection(placeOf(collection))}${addMemberName}`),
});

// Several collections of one home are asked in one PROPFIND: the sum is made once per request.
const used = new WeakMap<Context, Map<string, Promise<number>>>();
function usedBytes(resource: Extract<Resource, { owner: unknown }>, context: Context): Promise<number> {
  const known = used.get(context) ?? new Map<string, Promise<number>>();
  used.set(context, known);
  const bytes = known.get(resource.owner.uid) ?? context.services.store.usedBytes(resource.owner);
  known.set(resource.owner.uid, bytes);
  return bytes;
}

/** RFC 4331 §3; of the home, wherever inside it is asked. Without a quota there is none. */
export const quotaAvailable = property({
  name: dav("quota-available-bytes"),
  on: [...collectionKinds, ...memberKinds],
  allprop: false,
  get: async (resource, context) => {
    const { quota } = context.services.store;
    return quota === undefined ? undefined : `${Math.max(0, quota - (await usedBytes(resource, context)))}`;
  },
});

/** RFC 4331 §4 */
export const quotaUsed = property({
  name: dav("quota-used-bytes"),
  on: [...collectionKinds, ...memberKinds],
  allprop: false,
  get: async (resource, context) =>
    context.services.store.quota === undefined ? undefined : `${await usedBytes(resource, context)}`,
});

/** RFC 5842 §3.1, of what has an identifier that survives a move: the principal and its proxy groups have the directory's. */
export const resourceId = property({
  name: dav("resource-id"),
  on: ["principal"],
  allprop: false,
  get: ({ principal: { uid } }) => (isUuid(uid) ? href(`urn:uuid:${uid.toLowerCase()}`) : undefined),
});
const isUuid = (text: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

/** RFC 5397 §3. Clients sign in when they find `unauthenticated`, or with the 401 that most of them get before. */
export const currentUserPrincipal = property({
  name: dav("current-user-principal"),
  on: resourceKinds,
  allprop: false,
  get: (_resource, { user, services: { urls } }) =>
    user === undefined ? el(dav("unauthenticated")) : href(urls.principal(user)),
});

const principalRoot = href("/principals/");
/** RFC 3744 §5.8 */
export const principalCollectionSet = property({
  name: dav("principal-collection-set"),
  on: resourceKinds,
  allprop: false,
  get: () => principalRoot,
});
