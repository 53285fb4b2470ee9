import type { HttpRequest } from "../../http/message.ts";
import { encodeSegment } from "../../http/uri.ts";
import type { CalendarObject } from "../../ical/calendar-object.ts";
import type { Href } from "../../model/ids.ts";
import { Refusal } from "../../model/refusal.ts";
import type { MemberChange } from "../../scheduling/member-change.ts";
import { concernsScheduling } from "../../scheduling/plan.ts";
import { setTag } from "../../scheduling/store-object.ts";
import { shareOf } from "../../sharing/shared-collection.ts";
import type { CollectionChange, ObjectEntry } from "../../store/contract.ts";
import { dav, type Element, el, type QName, TWISTED } from "../../xml/element.ts";
import { lookAfterBoxes } from "../attachments/boxes.ts";
import { keepingManaged } from "../attachments/keeping.ts";
import { isReadable } from "../readable.ts";
import type { Context } from "../registry.ts";
import { storeShared } from "../sharing/store-shared.ts";
import { keepingComments } from "./keeping-comments.ts";
import type { Place } from "./members.ts";
import { roomIn } from "./quota.ts";
import { schedulingOf } from "./scheduled.ts";
import { accessCopy, accessOf, type CheckedObject, checkObject, type Upload } from "./upload.ts";

/** A member as it was stored. */
export interface Stored {
  readonly entry: ObjectEntry;
  readonly created: boolean;
  readonly bytes: Buffer;
  /** The stored bytes are the ones that were sent, so their ETag may be told (RFC 4791 §5.3.4). */
  readonly verbatim: boolean;
}

/** Stores what a PUT or POST sent. An object with an ORGANIZER goes by way of who takes part (RFC 6638); undefined: that left
 *  nothing to be stored. What can be checked without the lock is checked first and the file is made durable; under the
 *  lock `recheck` gets the row that cannot move any more, and the limits and the UID are compared with what is there. */
export async function storeMember(
  place: Place,
  upload: Upload,
  context: Context,
  request: HttpRequest,
  recheck: (existing: ObjectEntry | undefined) => void | Promise<void>,
): Promise<Stored | undefined> {
  const { collection } = place;
  const shared = shareOf(collection);
  if (shared !== undefined) return storeShared(shared, place, upload, context, request, recheck, storeMember);
  const isObject = collection.kind === "calendar" || collection.kind === "inbox" || collection.kind === "outbox";
  const checked = isObject ? await checkObject(upload, place, context) : undefined;
  if (checked === undefined) return storeUnscheduled(place, upload, undefined, context, recheck);
  const scheduled =
    collection.kind === "calendar" && (await concernsScheduling(collection, place.existing, checked.object));
  return keepingComments(place, checked, context, recheck, (kept, asked) =>
    keepingManaged(place, kept.object, context, asked, (last) =>
      scheduled
        ? storeScheduled(place, upload, kept, context, request, last)
        : storeUnscheduled(place, upload, kept, context, last),
    ),
  );
}

async function storeUnscheduled(
  place: Place,
  upload: Upload,
  checked: CheckedObject | undefined,
  context: Context,
  recheck: (existing: ObjectEntry | undefined) => void | Promise<void>,
): Promise<Stored> {
  const { collection } = place;
  const bytes = checked?.bytes ?? upload.bytes;
  const properties = await propertiesFor(place, upload, checked?.object);
  const room = await roomIn(place, context);
  const staged = await collection.stage(bytes, properties);
  let stored: Stored;
  try {
    stored = await collection.change(async (change) => {
      const existing = change.entry(place.name);
      await recheck(existing);
      checkMember(change, place, existing, checked?.object, context);
      room(change, staged.size - (existing?.size ?? 0));
      const entry = await change.put(place.name, staged, checked?.object);
      return { entry, created: existing === undefined, bytes, verbatim: checked?.verbatim ?? true };
    });
  } catch (error) {
    await staged.discard();
    throw await asSeen(error, context);
  }
  if (checked !== undefined) await lookAfterBoxes(checked.object, place, context);
  return stored;
}

/** A refusal as the asker may hear it: the other object of the same UID is named to who may read it only. */
export async function asSeen(error: unknown, context: Context): Promise<unknown> {
  if (!(error instanceof Refusal)) return error;
  const { reason } = error;
  if (reason.code !== "no-uid-conflict" && reason.code !== "unique-scheduling-object-resource") return error;
  if (reason.existing === undefined || (await isReadable(reason.existing, context))) return error;
  return new Refusal({ code: reason.code, existing: undefined });
}

async function storeScheduled(
  place: Place,
  upload: Upload,
  checked: CheckedObject,
  context: Context,
  request: HttpRequest,
  recheck: (existing: ObjectEntry | undefined) => void | Promise<void>,
): Promise<Stored | undefined> {
  const { owner, collection, name } = place;
  const { object: sent } = checked;
  const room = await roomIn(place, context);
  const conflict = await collection.nameOf(sent.uid);
  if (conflict !== undefined && conflict !== name) throw await asSeen(uidConflict(place, conflict), context);
  const change: MemberChange<Stored> = {
    ...schedulingOf(request, place, context),
    owner,
    collection,
    name,
    sent,
    check: recheck,
    commit: async (object = sent, tag) => {
      const same = object.text === sent.text;
      const bytes = same ? checked.bytes : Buffer.from(object.text);
      const properties = new Map(await propertiesFor(place, upload, object));
      setTag(properties, tag, undefined);
      const staged = await collection.stage(bytes, properties);
      try {
        return await collection.change(async (open) => {
          const existing = open.entry(name);
          await recheck(existing);
          checkMember(open, place, existing, object, context);
          room(open, staged.size - (existing?.size ?? 0));
          const entry = await open.put(name, staged, object);
          return { entry, created: existing === undefined, bytes, verbatim: same && checked.verbatim };
        });
      } catch (error) {
        await staged.discard();
        throw error;
      }
    },
  };
  const { value, messages } = await context.services.scheduling.change(change, sent.uid).catch(async (error) => {
    throw await asSeen(error, context);
  });
  if (messages > 0) request.log.items.push(`itip.requests=${messages}`);
  await lookAfterBoxes(sent, place, context);
  return value;
}

const uidConflict = ({ parentHref }: Place, name: string): Refusal =>
  new Refusal({ code: "no-uid-conflict", existing: (parentHref + encodeSegment(name)) as Href });

/** What must hold of a collection for a member to be put into it: its size limit, and one name per UID in a calendar. A name
 *  keeps its UID, or sync clients would take one event for another. `leaving` is a name that the object gives up in the same
 *  change. Throws Refusal. */
export function checkMember(
  change: CollectionChange,
  place: Place,
  existing: ObjectEntry | undefined,
  object: CalendarObject | undefined,
  { services: { settings } }: Context,
  leaving?: string,
): void {
  const { collection, name } = place;
  const limit = settings.maxResourcesPerCollection;
  if (existing === undefined && limit !== undefined && change.totals().objects >= limit)
    throw new Refusal({ code: "max-resources", limit });
  if (collection.kind !== "calendar" || object === undefined) return;
  const holder = change.nameOf(object.uid);
  const conflicting =
    holder !== undefined && holder !== name && holder !== leaving
      ? holder
      : existing?.uid !== undefined && existing.uid !== object.uid
        ? name
        : undefined;
  if (conflicting !== undefined) throw uidConflict(place, conflicting);
}

const contentType = dav("getcontenttype");
// Describe the old bytes.
const ofTheBytes: ReadonlySet<QName> = new Set([`{${TWISTED}}getcontentmd5`, contentType, accessCopy]);

/** The dead properties of the file to be: those of the one it replaces, and what the new bytes alone do not say. */
export async function propertiesFor(
  { collection, name, existing }: Place,
  { type }: Pick<Upload, "type">,
  object: CalendarObject | undefined,
): Promise<ReadonlyMap<QName, Element>> {
  const kept = existing?.hasProperties ? await collection.properties(name) : none;
  const restriction = object && accessOf(object);
  if (kept.size === 0 && restriction === undefined && (object !== undefined || type === undefined)) return none;
  const properties = new Map([...kept].filter(([property]) => !ofTheBytes.has(property)));
  if (object === undefined && type !== undefined) properties.set(contentType, el(contentType, written(type)));
  if (restriction !== undefined) properties.set(accessCopy, el(accessCopy, restriction));
  return properties;
}

const none: ReadonlyMap<QName, Element> = new Map();

/** As the original wrote a type: `text/calendar;charset=utf-8`. */
const written = ({ type, parameters }: NonNullable<Upload["type"]>): string =>
  [type, ...Object.entries(parameters).map(([name, value]) => `${name}=${quoted(value)}`)].join(";");

const quoted = (value: string): string =>
  /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
