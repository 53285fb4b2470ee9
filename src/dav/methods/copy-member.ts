import { parseContentType } from "../../http/headers.ts";
import { HttpError, type HttpRequest } from "../../http/message.ts";
import { encodeSegment } from "../../http/uri.ts";
import type { CalendarObject } from "../../ical/calendar-object.ts";
import { parseCalendarObject } from "../../ical/parse.ts";
import type { Href } from "../../model/ids.ts";
import { lockPath } from "../../model/lock.ts";
import { Refusal } from "../../model/refusal.ts";
import { hasOrganizer, isScheduled } from "../../scheduling/plan.ts";
import { freshTag, newTagEdits, setTag } from "../../scheduling/store-object.ts";
import { shareOf } from "../../sharing/shared-collection.ts";
import type { CollectionChange, ObjectEntry, Staged } from "../../store/contract.ts";
import { dav, type Element, type QName, textOf } from "../../xml/element.ts";
import { fileLimit, fileTooLarge, refuseBeyondTotal } from "../attachments/uploads.ts";
import { lockGuard } from "../locks/guard.ts";
import { isWholeToAsker, seenText, seesEverything } from "../privacy.ts";
import { supportedKinds } from "../properties/calendar.ts";
import type { Context } from "../registry.ts";
import type { Shape } from "../resource.ts";
import { type Place, touchedBy, touchedIn } from "./members.ts";
import { checkEntry } from "./preconditions.ts";
import { roomIn } from "./quota.ts";
import { removeScheduled } from "./scheduled.ts";
import { asSeen, checkMember, storeMember } from "./store-member.ts";
import { checkObject } from "./upload.ts";

type Source = Shape<"object" | "file">;

/** Copies a member with its properties. Its ACL stays behind (RFC 3744 §7.3), its schedule tag is another's. From elsewhere into a
 *  calendar, an object with an ORGANIZER is stored as a PUT would (RFC 6638 §3.2.3.3). Answers the schedule tag, if it has one. */
export async function copyMember(
  source: Source,
  place: Place,
  overwrite: boolean,
  context: Context,
  request: HttpRequest,
): Promise<string | undefined> {
  const { bytes, object, properties } = await contentFor(source, place, context);
  if (bytes !== undefined && shareOf(place.collection) !== undefined) {
    // As if it were sent there: what is the copier's own in it stays his own.
    const locks = lockGuard(request, place.owner, context);
    await storeMember(place, { bytes, type: undefined }, context, request, (existing) => {
      refuseOverwriting(existing, overwrite, request);
      return locks.check(...touchedIn(place, existing));
    });
    return undefined;
  }
  const arrives = await arrival(source, place, object, overwrite, context, request);
  if (arrives !== undefined) return arrives;
  const room = await roomIn(place, context, bytes === undefined ? "file" : "object");
  const kept = new Map(properties);
  kept.delete(dav("acl"));
  setTag(kept, undefined, undefined);
  const guard = lockGuard(request, place.owner, context);
  const staged = bytes === undefined ? await copied(source, place, kept) : await place.collection.stage(bytes, kept);
  try {
    await place.collection.change(async (change) => {
      const existing = change.entry(place.name);
      refuseOverwriting(existing, overwrite, request);
      await guard.check(...touchedIn(place, existing));
      checkMember(change, place, existing, object, context);
      refuseTooLarge(place, staged.size, context);
      room(change, staged.size - (existing?.size ?? 0));
      await change.put(place.name, staged, object);
    });
  } catch (error) {
    await staged.discard();
    throw await asSeen(error, context);
  }
}

/** An object with an ORGANIZER that comes from elsewhere into a calendar is one that a PUT stores (RFC 6638 §3.2.3.3, .4): answers
 *  its tag then. From calendar to calendar there would be two of it: throws Refusal(unique-scheduling-object-resource) for a copy. */
async function arrival(
  { collection, entry, href }: Source,
  place: Place,
  object: CalendarObject | undefined,
  overwrite: boolean,
  context: Context,
  request: HttpRequest,
): Promise<string | undefined> {
  if (place.collection.kind !== "calendar" || object === undefined) return undefined;
  refuseScheduledTarget(place, entry);
  if (collection.kind === "calendar") {
    if (await isScheduled(collection, entry))
      throw new Refusal({ code: "unique-scheduling-object-resource", existing: href });
    return undefined;
  }
  if (!hasOrganizer(object)) return undefined;
  const upload = { bytes: Buffer.from(object.text), type: undefined };
  const guard = lockGuard(request, place.owner, context);
  const stored = await storeMember(place, upload, context, request, (existing) => {
    refuseOverwriting(existing, overwrite, request);
    return guard.check(...touchedIn(place, existing));
  });
  return stored?.entry.scheduleTag;
}

/** A staged copy of a file. */
async function copied(
  { collection, entry, href }: Source,
  place: Place,
  properties: ReadonlyMap<QName, Element>,
): Promise<Staged> {
  const file = await collection.openFile(entry.name);
  if (file === undefined) throw new HttpError(404, `${href} does not exist`);
  try {
    return await place.collection.stageChunks(file.bytes(), properties);
  } finally {
    await file.close();
  }
}

/** Throws for a file that a PUT there would be refused for. */
function refuseTooLarge(place: Place, size: number, context: Context): void {
  const limit = fileLimit(place, context);
  if (place.collection.kind === "folder" && size > limit) throw fileTooLarge(place, limit);
}

/** What others take part in is not overwritten by something else. */
function refuseScheduledTarget({ existing, parentHref, name }: Place, source: ObjectEntry): void {
  if (existing?.scheduleTag === undefined || existing.uid === source.uid) return;
  const href = (parentHref + encodeSegment(name)) as Href;
  throw new Refusal({ code: "unique-scheduling-object-resource", existing: href });
}

/** Moves a member; its locks do not go with it (RFC 4918 §7.6). The conditions of the request are about the source, and are asked again under both locks. Out of the calendars
 *  a scheduling object is removed, into them it is stored as by PUT; from one to another it only gets a new schedule tag, which is
 *  answered (RFC 6638 §3.2.3.4). */
export async function moveMember(
  source: Source,
  place: Place,
  overwrite: boolean,
  context: Context,
  request: HttpRequest,
): Promise<string | undefined> {
  const { object } = await contentFor(source, place, context, true);
  const { name, scheduleTag } = source.entry;
  const guard = lockGuard(request, source.owner, context);
  const path = lockPath(source.collection.ref.path, name);
  const isInside = source.collection.kind === "calendar";
  if (place.collection.kind === "calendar" && object !== undefined) {
    refuseScheduledTarget(place, source.entry);
    if (!isInside) {
      const arrived = await arrival(source, place, object, overwrite, context, request);
      if (arrived !== undefined) {
        await source.collection.change(async (change) => {
          if (change.entry(name) === undefined) return;
          await guard.check(...touchedBy({ collection: source.collection, name }));
          await change.remove(name);
        });
        await guard.removed(path);
        return arrived;
      }
    }
  } else if (await isScheduled(source.collection, source.entry)) {
    await copyMember(source, place, overwrite, context, request);
    await removeScheduled(source, context, request, (existing) => {
      if (existing?.etag !== source.entry.etag) throw new HttpError(409, `${source.href} was changed meanwhile`);
      return guard.check(...touchedBy({ collection: source.collection, name }));
    });
    await guard.removed(path);
    return undefined;
  }
  const samePlace = source.collection.ref.path.join("/") === place.collection.ref.path.join("/");
  const check = async (from: CollectionChange, to: CollectionChange): Promise<void> => {
    const entry = from.entry(name);
    if (entry === undefined) throw new HttpError(404, `${source.href} does not exist`);
    checkEntry(request, entry);
    if (entry.etag !== source.entry.etag) throw new HttpError(409, `${source.href} was changed meanwhile`);
    const existing = to.entry(place.name);
    refuseOverwriting(existing, overwrite, request);
    await guard.check(...touchedBy({ collection: source.collection, name }), ...touchedIn(place, existing));
    checkMember(to, place, existing, object, context, samePlace ? name : undefined);
    if (samePlace) return;
    refuseTooLarge(place, entry.size, context);
    refuseBeyondTotal(place.collection, to.totals().bytes, entry.size - (existing?.size ?? 0), context);
  };
  try {
    await context.services.store.moveMember(source.collection, name, place.collection, place.name, object, check);
  } catch (error) {
    throw await asSeen(error, context);
  }
  await guard.removed(path);
  if (scheduleTag === undefined) return undefined;
  const tag = freshTag();
  await place.collection.change((change) => change.setProperties(place.name, newTagEdits(tag)));
  return tag;
}

function refuseOverwriting(existing: ObjectEntry | undefined, overwrite: boolean, request: HttpRequest): void {
  if (existing !== undefined && !overwrite)
    throw new HttpError(412, `the destination of the ${request.method} exists, and Overwrite is F`);
}

interface MemberContent {
  /** undefined for a file that goes where files are: its bytes are taken as they lie. */
  readonly bytes: Buffer | undefined;
  /** undefined where the destination holds plain files. */
  readonly object: CalendarObject | undefined;
  readonly properties: ReadonlyMap<QName, Element>;
}

/** What is copied or moved, as the destination takes it. Between calendars the object was checked when it was stored; whatever
 *  comes from elsewhere is checked as if it were sent now. */
async function contentFor(source: Source, place: Place, context: Context, isMove = false): Promise<MemberContent> {
  const { entry, collection, owner } = source;
  // The copy would be as readable as the place it goes to.
  if (entry.access !== undefined && !(await seesEverything(owner, context)))
    throw new HttpError(403, `${source.href} is ${entry.access}; only its owner copies or moves it`);
  const properties = entry.hasProperties ? await collection.properties(entry.name) : new Map<QName, Element>();
  const into = place.collection.kind;
  const filed = into === "home" || into === "folder";
  if (filed && source.kind === "file") return { bytes: undefined, object: undefined, properties };
  const content = await collection.read(entry.name);
  if (content === undefined) throw new HttpError(404, `${source.href} does not exist`);
  const bytes = await seenBytes(content.bytes, source, context);
  if (bytes !== content.bytes && isMove && !staysWith(owner, place))
    throw new HttpError(403, `${source.href} holds what only its owner may see, and stays in his calendars`);
  if (filed) return { bytes, object: undefined, properties };
  if (into !== "calendar") throw new HttpError(403, `nothing is copied or moved into ${place.parentHref}`);
  if (collection.kind !== "calendar") {
    const stored = properties.get(dav("getcontenttype"));
    const type = stored && parseContentType(textOf(stored));
    const { object } = await checkObject({ bytes, type }, place, context);
    return { bytes, object, properties };
  }
  const object = parseCalendarObject(bytes.toString());
  if (!supportedKinds(await place.collection.properties()).includes(object.kind))
    throw new Refusal({ code: "supported-calendar-component", component: object.kind });
  return { bytes, object, properties };
}

/** What of a calendar object a copy may hold: what its maker sees. */
async function seenBytes(bytes: Buffer, { kind, entry, owner }: Source, context: Context): Promise<Buffer> {
  if (kind !== "object" || isWholeToAsker(entry, owner, context)) return bytes;
  const stored = bytes.toString();
  const text = await seenText(stored, entry, owner, context);
  return text === undefined || text === stored ? bytes : Buffer.from(text);
}

/** Where the same people see the same of it. */
const staysWith = (owner: Source["owner"], place: Place): boolean =>
  place.owner.uid === owner.uid && place.collection.kind === "calendar";
