import { principalNamed } from "../../directory/access.ts";
import type { HttpRequest } from "../../http/message.ts";
import { encodeSegment } from "../../http/uri.ts";
import { propertyOf } from "../../ical/component.ts";
import { parseCalendarObject } from "../../ical/parse.ts";
import { sharedText, withoutPersonal } from "../../ical/personal.ts";
import { withoutComments } from "../../itip/private-comments.ts";
import type { Href } from "../../model/ids.ts";
import type { Principal } from "../../model/principal.ts";
import { Refusal } from "../../model/refusal.ts";
import type { SharedCollection } from "../../sharing/shared-collection.ts";
import type { Content, ObjectEntry } from "../../store/contract.ts";
import { commentsKept } from "../methods/keeping-comments.ts";
import type { Place } from "../methods/members.ts";
import { roomIn } from "../methods/quota.ts";
import type { Stored, storeMember } from "../methods/store-member.ts";
import { checkObject, type Upload } from "../methods/upload.ts";
import { type Recheck, withCurrent } from "../methods/with-current.ts";
import { seesComments } from "../privacy.ts";
import { demand } from "../privileges.ts";
import type { Context } from "../registry.ts";

/** Stores what a sharee sent. What all see goes into the owner's file, if it has changed, by `store`; what is the sharee's own stays
 *  with him, and he gets back the bytes he sent (caldav-sharing §5.5.4). Who may only read the calendar can still give his events
 *  alarms of his own. */
export async function storeShared(
  shared: SharedCollection,
  place: Place,
  upload: Upload,
  context: Context,
  request: HttpRequest,
  recheck: Recheck,
  store: typeof storeMember,
): Promise<Stored | undefined> {
  // Of an event whose content is hidden from him a sharee does not learn by guessing it.
  if (place.existing?.access !== undefined) await demandWriting(shared, place, place.existing, context);
  const checked = await checkObject(upload, place, context);
  const whole = await seesComments(place.owner, context);
  return withCurrent(
    { collection: shared.base, name: place.name },
    () => {},
    async (current, unmoved) => {
      const check: Check = { recheck, unmoved };
      const before = current?.bytes.toString();
      const object = parseCalendarObject(checked.object.text);
      const sent = whole ? object : commentsKept(object, before);
      const text = sharedText(sent, before);
      const outcome =
        text === undefined && current !== undefined
          ? await unchanged(shared, place, current, check)
          : await changed(shared, place, text ?? sent.text, current, context, request, check, store);
      if (outcome === undefined) return undefined;
      const { entry, created, seen } = outcome;
      // What he does not see is not kept for him either.
      const mine = whole ? checked.object.text : withoutComments(checked.object.text);
      const verbatim = checked.verbatim && mine === checked.object.text;
      const bytes = verbatim ? checked.bytes : Buffer.from(mine);
      const etag = await keepOwn(shared, place.name, bytes, whole ? seen : withoutComments(seen), entry, context);
      return { entry: { ...entry, etag }, created, bytes, verbatim };
    },
  );
}

interface Outcome {
  readonly entry: ObjectEntry;
  readonly created: boolean;
  /** The object as a sharee sees it who has nothing of his own. */
  readonly seen: string;
}

/** What is asked under the lock: the request's conditions about what the sharee sees, and that the owner's file was not changed. */
interface Check {
  readonly recheck: Recheck;
  readonly unmoved: Recheck;
}

async function unchanged(
  shared: SharedCollection,
  { name }: Place,
  current: Content,
  { recheck, unmoved }: Check,
): Promise<Outcome> {
  const [entry, seen] = await Promise.all([shared.base.entry(name), shared.entry(name)]);
  await unmoved(entry);
  await recheck(seen);
  return { entry: entry as ObjectEntry, created: false, seen: withoutPersonal(current.bytes.toString()) };
}

/** undefined: its organizer has given it up, and it is stored nowhere. */
async function changed(
  shared: SharedCollection,
  place: Place,
  text: string,
  current: Content | undefined,
  context: Context,
  request: HttpRequest,
  { recheck, unmoved }: Check,
  store: typeof storeMember,
): Promise<Outcome | undefined> {
  const { name } = place;
  const before = await shared.entry(name);
  if (before !== undefined) await demandWriting(shared, place, before, context);
  await checkOrganizer(text, current?.bytes.toString(), place.owner, context);
  const existing = await shared.base.entry(name);
  const base: Place = { ...place, collection: shared.base, existing, inOwnersName: true };
  const upload = { bytes: Buffer.from(text), type: undefined };
  const stored = await store(base, upload, context, request, async (existing) => {
    await unmoved(existing);
    return recheck(existing && before);
  });
  return stored && { entry: stored.entry, created: stored.created, seen: withoutPersonal(text) };
}

function demandWriting(
  shared: SharedCollection,
  { owner, parentHref, name }: Place,
  entry: ObjectEntry,
  context: Context,
): Promise<void> {
  const href = (parentHref + encodeSegment(name)) as Href;
  return demand(context, { kind: "object", href, owner, collection: shared, entry }, ["write-content"]);
}

/** In a shared calendar nobody invites but its owner; what others have invited him to keeps its organizer (caldav-sharing §5.5.5).
 *  Throws Refusal(valid-organizer). */
async function checkOrganizer(
  text: string,
  before: string | undefined,
  owner: Principal,
  { services }: Context,
): Promise<void> {
  if (!/ORGANIZER/i.test(text)) return;
  const known = new Set(before === undefined ? [] : organizersIn(before));
  for (const address of organizersIn(text)) {
    if (known.has(address) || (await principalNamed(services.directory, address))?.uid === owner.uid) continue;
    throw new Refusal({
      code: "valid-organizer",
      problem: `an event in this calendar is organized by ${owner.shortName}, who owns it, not by ${address.slice(0, 100)}`,
    });
  }
}

function organizersIn(text: string): readonly string[] {
  const { master, overrides } = parseCalendarObject(text);
  return [master, ...overrides].flatMap((component) => {
    const organizer = component && propertyOf(component, "ORGANIZER")?.value.trim();
    return organizer === undefined ? [] : [organizer];
  });
}

/** Keeps the sharee's text where it differs from what he would see without. Answers the ETag that the object has for him. */
async function keepOwn(
  shared: SharedCollection,
  name: string,
  bytes: Buffer,
  seen: string,
  { etag }: ObjectEntry,
  context: Context,
): Promise<ObjectEntry["etag"]> {
  if (bytes.equals(Buffer.from(seen))) {
    if ((await shared.link.entry(name)) !== undefined) await shared.forget(name);
    return etag;
  }
  const room = await roomIn({ owner: shared.sharee, collection: shared.link }, context);
  return shared.keep(name, bytes, etag, room);
}
