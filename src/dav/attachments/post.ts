import { setImmediate } from "node:timers/promises";
import { filenameOf } from "../../http/disposition.ts";
import { contentTypeOf } from "../../http/headers.ts";
import { HttpError, type HttpRequest, type HttpResponse } from "../../http/message.ts";
import { preferencesOf } from "../../http/prefer.ts";
import type { Component, Property } from "../../ical/component.ts";
import { parseCalendarObject } from "../../ical/parse.ts";
import { type Source, writeKept } from "../../ical/write-kept.ts";
import {
  allManaged,
  attachProperty,
  holdsInScope,
  type ManagedId,
  type Scope,
  scopeOf,
  withAttachment,
  withoutAttachment,
  withReplaced,
} from "../../itip/attach.ts";
import { roleOf } from "../../itip/role.ts";
import { seriesOf } from "../../itip/series.ts";
import { Refusal } from "../../model/refusal.ts";
import { People } from "../../scheduling/people.ts";
import { lockGuard } from "../locks/guard.ts";
import { type Place, placeOf, touchedIn } from "../methods/members.ts";
import { checkEntry, checkPreconditions } from "../methods/preconditions.ts";
import { answer } from "../methods/put.ts";
import { roomIn } from "../methods/quota.ts";
import { propertiesFor, type Stored, storeMember } from "../methods/store-member.ts";
import type { Context } from "../registry.ts";
import { calendarUser } from "../resolve.ts";
import type { Shape } from "../resource.ts";
import {
  addressOf,
  findManaged,
  freshId,
  keepManaged,
  type Managed,
  makeManaged,
  openManaged,
  removeManaged,
  storedName,
} from "./managed.ts";
import { attachmentTooLarge, stageUpload } from "./uploads.ts";

type Action = "add" | "update" | "remove";

/** What the query of a POST asks for (RFC 8607 §3.2). */
interface Asked {
  readonly action: Action;
  /** Of an attachment that is to be replaced or removed. */
  readonly id: string;
  readonly rid: string | undefined;
}

/** Attempts while others change the same object. */
const attempts = 5;

class ChangedMeanwhile extends Error {}

/** POST to a calendar object: attaches what is sent, puts it in the place of an attachment, or removes one (RFC 8607 §3.4–3.6). The
 *  bytes are stored first, durable, then the event by way of a PUT, so that who takes part hears of it. Killed in between, an
 *  attachment is left that no event has: nobody can read it, and the sweep removes it. */
export async function postAttachment(
  resource: Shape<"object">,
  context: Context,
  request: HttpRequest,
): Promise<HttpResponse> {
  const { attachments } = context.services.settings;
  if (!attachments.managed || resource.collection.kind !== "calendar" || !request.query.has("action"))
    throw new HttpError(405, `${resource.href} takes no POST but one with an action on its attachments`);
  const asked = askedFor(request.query);
  const place = placeOf(resource);
  await checkPreconditions(resource, context, request);
  const { root } = await current(place);
  await refuseAttendee(root, place, asked.action, context);
  const edit = editFor(asked, root);
  if (asked.action === "remove") {
    const stored = await storeEdited(place, (now) => edit(now, undefined), context, request);
    return answered(stored, place, resource, context, request, 200, {});
  }
  const managed = await keepUpload(place, root, asked, context, request);
  const { owner, id, url, filename, type } = managed;
  const attach = attachProperty({ id, url, filename, type, size: managed.managed.entry.size });
  try {
    const stored = await storeEdited({ ...place, attaching: id }, (now) => edit(now, attach), context, request);
    const status = asked.action === "add" ? 201 : 200;
    return await answered(stored, place, resource, context, request, status, { "Cal-Managed-ID": id, Location: url });
  } catch (error) {
    await removeManaged(managed.managed).catch((reason: unknown) =>
      context.services.warn("an attachment that was refused could not be removed", { owner: owner.shortName, reason }),
    );
    throw error;
  }
}

function askedFor(query: URLSearchParams): Asked {
  const action = /^attachment-(add|update|remove)$/.exec(query.get("action") ?? "")?.[1] as Action | undefined;
  if (action === undefined || query.getAll("action").length > 1)
    throw new Refusal({
      code: "valid-action-parameter",
      problem: "action is one of attachment-add, attachment-update and attachment-remove",
    });
  const id = query.get("managed-id") ?? "";
  if ((action === "add") !== (id === ""))
    throw new Refusal({
      code: "valid-managed-id-parameter",
      problem: `attachment-${action} ${action === "add" ? "takes no" : "needs a"} managed-id`,
    });
  const rid = query.get("rid") ?? undefined;
  if (rid !== undefined && action === "update")
    throw new Refusal({ code: "valid-rid-parameter", problem: "attachment-update is about all instances" });
  return { action, id, rid };
}

/** What is to become of the object. Throws Refusal for an instance or an attachment that it does not have; asked once before anything
 *  is sent, and again of what the object is when it is stored. */
function editFor({ action, id, rid }: Asked, root: Component) {
  const scopeIn = (now: Component): Scope => {
    const scope = rid === undefined ? "all" : scopeOf(rid, now);
    if (action !== "add" && !holdsInScope(now, scope, id))
      throw new Refusal({
        code: "valid-managed-id-parameter",
        problem: `the event has no attachment with the managed-id ${id.slice(0, 80)}`,
      });
    return scope;
  };
  scopeIn(root);
  return (now: Component, attach: Property | undefined): Component => {
    const scope = scopeIn(now);
    if (attach === undefined) return withoutAttachment(now, scope, id);
    return action === "add" ? withAttachment(now, scope, attach) : withReplaced(now, id, attach);
  };
}

async function current({ collection, name }: Place): Promise<Source & { readonly etag: string }> {
  const content = await collection.read(name);
  if (content === undefined) throw new HttpError(404, `${name} does not exist`);
  const text = content.bytes.toString();
  return { text, root: parseCalendarObject(text).root, etag: content.etag };
}

/** What is attached to an event is its organizer's business (RFC 8607 §3.10). */
async function refuseAttendee(root: Component, { owner }: Place, action: Action, { services }: Context): Promise<void> {
  const people = new People((address) => calendarUser(address, services.directory, services.urls));
  await people.learn(root);
  if (roleOf(seriesOf(root), owner.uid, people.identify) === "attendee")
    throw new Refusal({
      code: `valid-attachment-${action}`,
      problem: "what is attached to this event is for its organizer to say",
    });
}

interface Kept {
  readonly owner: Place["owner"];
  readonly managed: Managed;
  readonly id: ManagedId;
  readonly url: string;
  readonly filename: string;
  readonly type: string;
}

/** Stores the bytes that were sent, in the home of the calendar's owner. */
async function keepUpload(
  { owner }: Place,
  root: Component,
  asked: Asked,
  context: Context,
  request: HttpRequest,
): Promise<Kept> {
  const { services } = context;
  const { maxSize, maxTotal, maxCount } = services.settings.attachments;
  const others = [...allManaged(root).keys()].filter((id) => id !== asked.id);
  if (maxCount !== undefined && others.length + 1 > maxCount)
    throw new Refusal({ code: "max-attachments-per-resource", limit: maxCount });
  const left = maxTotal === undefined ? Number.POSITIVE_INFINITY : maxTotal - (await bytesOf(others, owner, context));
  const limit = maxSize ?? Number.POSITIVE_INFINITY;
  const tooLarge = (): Refusal =>
    left < limit && maxTotal !== undefined
      ? attachmentTooLarge(maxTotal, "all attachments of an event together")
      : attachmentTooLarge(limit);
  if (left < 0) throw tooLarge();
  const collection = await makeManaged(owner, services.store);
  const room = await roomIn({ owner, collection }, context, "file");
  const id = freshId();
  const type = contentTypeOf(request.headers);
  const filename = filenameOf(request.headers) ?? "attachment";
  const name = storedName(id, filename);
  const properties = await propertiesFor(
    { owner, collection, parentHref: services.urls.collection(collection.ref), name, existing: undefined },
    { type },
    undefined,
  );
  const bounds = { limit: Math.min(limit, left), replaced: 0, room, tooLarge };
  const staged = await stageUpload(request, collection, bounds, properties);
  const holder = { home: owner.uid, uid: seriesOf(root).uid };
  const managed = await keepManaged(collection, id, name, staged, holder, room);
  const url = addressOf(owner, name, services);
  return { owner, managed, id, url, filename, type: type?.type ?? "application/octet-stream" };
}

async function bytesOf(ids: readonly string[], owner: Place["owner"], { services }: Context): Promise<number> {
  const collection = await openManaged(owner, services.store);
  if (collection === undefined) return 0;
  let bytes = 0;
  for (const id of ids) bytes += (await findManaged(collection, id))?.entry.size ?? 0;
  return bytes;
}

/** Stores the object as the edit leaves it, anew when somebody else was faster; with an If-Match the client decides about that. */
async function storeEdited(
  place: Place,
  edit: (root: Component) => Component,
  context: Context,
  request: HttpRequest,
): Promise<Stored> {
  const { collection, name } = place;
  const guard = lockGuard(request, place.owner, context);
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const before = await current(place);
    const existing = await collection.entry(name);
    const text = writeKept(edit(before.root), [before]);
    const upload = { bytes: Buffer.from(text), type: undefined };
    try {
      const stored = await storeMember({ ...place, existing }, upload, context, request, (now) => {
        if (now === undefined) throw new HttpError(404, `${name} does not exist`);
        checkEntry(request, now);
        if (now.etag !== before.etag && now.etag !== existing?.etag) throw new ChangedMeanwhile();
        return guard.check(...touchedIn(place, now));
      });
      if (stored !== undefined) return stored;
      throw new HttpError(404, `${name} does not exist`);
    } catch (error) {
      if (!(error instanceof ChangedMeanwhile)) throw error;
      await setImmediate();
    }
  }
  throw new HttpError(503, `${name} is being changed by others`, { "retry-after": "1" });
}

/** With `Prefer: return=representation` the event as it is now; else its ETag is not told, since the client does not have its text. */
async function answered(
  stored: Stored,
  place: Place,
  { href }: Shape<"object">,
  context: Context,
  request: HttpRequest,
  status: number,
  more: Readonly<Record<string, string>>,
): Promise<HttpResponse> {
  const entry = (await place.collection.entry(place.name)) ?? stored.entry;
  if (!preferencesOf(request.headers).representation) {
    const tag: Record<string, string> = entry.scheduleTag === undefined ? {} : { "Schedule-Tag": entry.scheduleTag };
    return { status: status === 201 ? 201 : 204, headers: { ...tag, ...more } };
  }
  const told = await answer({ ...stored, created: false, verbatim: true }, place, href, context, request);
  return { ...told, status, headers: { ...told.headers, ...more } };
}
