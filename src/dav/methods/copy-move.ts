import { type Destination, depthOf, destinationOf, overwriteOf } from "../../http/headers.ts";
import { HttpError, type HttpRequest, type HttpResponse } from "../../http/message.ts";
import { lockPath } from "../../model/lock.ts";
import { type SharedCollection, shareOf } from "../../sharing/shared-collection.ts";
import type { CollectionRef } from "../../store/contract.ts";
import { isManagedPlace } from "../attachments/boxes.ts";
import { hidden } from "../hidden.ts";
import { inTree, type LockGuard, lockGuard } from "../locks/guard.ts";
import { tellingInside } from "../locks/inside.ts";
import { parentPath } from "../locks/place.ts";
import { demand, mayLook } from "../privileges.ts";
import type { Context, Method } from "../registry.ts";
import { parentOf, resolve } from "../resolve.ts";
import { collectionKinds, memberKinds, type Resource, type Shape } from "../resource.ts";
import { afterRemoval, followTo } from "../sharing/follow.ts";
import { copyFolder, refuseCalendarsInside, refuseCopyBeyondLimits } from "./copy-folder.ts";
import { copyMember, moveMember } from "./copy-member.ts";
import { refuseDefaultCalendar } from "./default-calendar.ts";
import { arrival, checkName, type Place, placeOf, touchedBy } from "./members.ts";
import { checkPreconditions } from "./preconditions.ts";

/** Where a COPY or MOVE goes, what the client may do there established. */
interface Target {
  readonly resource: Resource;
  readonly parent: Resource;
  /** Whether something that is there may be replaced. */
  readonly overwrite: boolean;
}

type Source = Shape<"object" | "file" | (typeof collectionKinds)[number]>;
type Movable = Shape<"calendar" | "folder">;

/** COPY (RFC 4918 §9.8): members, and plain collections with what is in them. */
export const copyMethod: Method = {
  name: "COPY",
  on: [...collectionKinds, ...memberKinds],
  needs: () => ["read"],
  async handle(resource, context, request) {
    const source = resource as Source;
    await checkPreconditions(source, context, request);
    const target = await targetOf(source, "COPY", context, request);
    const guard = lockGuard(request, source.owner, context);
    if ("entry" in source)
      return tellingInside([source, target.resource], context, async () => {
        const place = placeIn(target);
        if (target.resource.kind === "folder") await clear(target.resource, guard, context);
        return answer(target, await copyMember(source, place, target.overwrite, context, request));
      });
    const depth = depthOf(request.headers, "infinity");
    if (depth === "1") throw new HttpError(400, "a collection is copied with Depth 0 or infinity");
    if (source.kind === "calendar") throw new HttpError(403, "a calendar cannot be copied, only its members");
    const to = collectionTarget(source, target);
    await refuseCalendarsInside(source.collection, context);
    const replaced = "info" in target.resource ? target.resource.collection.ref : undefined;
    await refuseCopyBeyondLimits(source.collection.ref, to, replaced, depth === "infinity", context);
    return tellingInside([source, target.resource], context, async () => {
      await clear(target.resource, guard, context);
      await copyFolder(source.collection, to, depth === "infinity", guard, context);
      return answer(target);
    });
  },
};

/** MOVE (RFC 4918 §9.9): one rename, of a member or of a collection. */
export const moveMethod: Method = {
  name: "MOVE",
  on: [...collectionKinds, ...memberKinds],
  needs: () => ["parent unbind"],
  async handle(resource, context, request) {
    const source = resource as Source;
    await checkPreconditions(source, context, request);
    const target = await targetOf(source, "MOVE", context, request);
    const guard = lockGuard(request, source.owner, context);
    if ("entry" in source)
      return tellingInside([source, target.resource], context, async () => {
        const place = placeIn(target);
        if (target.resource.kind === "folder") await clear(target.resource, guard, context);
        return answer(target, await moveMember(source, place, target.overwrite, context, request));
      });
    if (depthOf(request.headers, "infinity") !== "infinity")
      throw new HttpError(400, "a collection is moved with Depth infinity or without Depth");
    const to = collectionTarget(source, target);
    const { ref } = source.collection;
    const path = lockPath(ref.path);
    const leaves = [{ path, below: source.href }, { path: parentPath(path) }];
    return tellingInside([source, target.resource], context, async () => {
      // Before what is there is cleared away for it.
      await guard.check(...leaves);
      await clear(target.resource, guard, context);
      await inTree(guard, source.owner, [...leaves, ...arrival(to)], context, () =>
        context.services.store.move(ref, to),
      );
      await guard.removed(path);
      await followTo(to, context);
      return answer(target);
    });
  },
};

async function targetOf(
  source: Source,
  method: "COPY" | "MOVE",
  context: Context,
  request: HttpRequest,
): Promise<Target> {
  const destination = destinationOf(request.headers, (authority) => isOurs(authority, request, context));
  const overwrite = overwriteOf(request.headers);
  const resource = await resolve(destination.path, destination.rawPath, context);
  const parent = await parentOf(resource, destination.path, destination.rawPath, context);
  if (isSame(source, resource)) throw new HttpError(403, "the source and the destination are the same resource");
  await demandTarget(resource, parent, method, destination, context, request);
  if (parent === undefined)
    throw new HttpError(409, `the collection that would hold ${destination.rawPath.slice(0, 200)} does not exist`);
  // Elsewhere other rights are handed down: what the asker may not read here he might there.
  if (method === "MOVE" && "collection" in parent && !isIn(source, parent.collection.ref))
    await demand(context, source, ["read"]);
  if (resource.kind !== "unmapped" && !overwrite)
    throw new HttpError(412, `${resource.href} exists, and Overwrite is F`);
  const between = [source, resource, parent].map(sharedIn);
  if (between.some((shared) => shared !== undefined)) refuseShared(source, resource, method);
  else if ("owner" in parent && parent.owner.uid !== source.owner.uid)
    throw new HttpError(403, "between the calendars of two users nothing is copied or moved");
  return { resource, parent, overwrite };
}

const sharedIn = (resource: Resource): SharedCollection | undefined =>
  "collection" in resource ? shareOf(resource.collection) : undefined;

/** From a shared calendar, and into one, events are copied: what of them is the sharee's own stays with him. They are not moved
 *  (caldav-sharing §5.5.5), and the calendar itself stays where its sharee's clients know it. */
function refuseShared(source: Source, target: Resource, method: "COPY" | "MOVE"): void {
  if (method === "MOVE") throw new HttpError(403, "nothing is moved out of a shared calendar or into one");
  if (!("entry" in source)) throw new HttpError(403, "a shared calendar cannot be copied, only its members");
  if (target.kind === "calendar" || target.kind === "folder")
    throw new HttpError(403, `${target.href} cannot be replaced by a copy of an event`);
}

/** Throws Refusal(need-privileges) unless something may be put there; who may not look there hears no more of it. */
async function demandTarget(
  resource: Resource,
  parent: Resource | undefined,
  method: "COPY" | "MOVE",
  { path, rawPath }: Destination,
  context: Context,
  request: HttpRequest,
): Promise<void> {
  try {
    if (resource.kind === "unmapped" && parent !== undefined) return await demand(context, parent, ["bind"]);
    if ("entry" in resource && method === "COPY")
      return await demand(context, resource, ["write-content", "write-properties"]);
    if (parent !== undefined) return await demand(context, parent, ["bind", "unbind"]);
  } catch (error) {
    if (await mayLook(resource, path, rawPath, context)) throw error;
  }
  if (!(await mayLook(resource, path, rawPath, context))) throw await hidden(request, rawPath);
}

/** By the name the client used, or the server's own; ports do not matter, a proxy has others. */
function isOurs(authority: string, { headers }: HttpRequest, { services: { settings } }: Context): boolean {
  const host = (name: string | undefined): string | undefined => name?.toLowerCase().replace(/:\d+$/, "");
  const asked = host(authority);
  return [headers["host"], headers["x-forwarded-host"], settings.serverHostName].some((name) => host(name) === asked);
}

function isSame(source: Source, target: Resource): boolean {
  if (!("collection" in target) || target.owner.uid !== source.owner.uid) return false;
  const name = (resource: Source): string | undefined => ("entry" in resource ? resource.entry.name : undefined);
  return samePath(source.collection.ref, target.collection.ref) && name(source) === name(target);
}

/** Whether it lies directly in the collection. */
const isIn = (source: Source, { owner, path }: CollectionRef): boolean => {
  const { ref } = source.collection;
  const above = "entry" in source ? ref.path : ref.path.slice(0, -1);
  return ref.owner.uid === owner.uid && samePath({ owner, path: above }, { owner, path });
};

const samePath = (a: CollectionRef, b: CollectionRef): boolean => a.path.join("/") === b.path.join("/");

/** The place for a member; where it replaces a plain collection, that one's (RFC 4918 §9.8.4). */
function placeIn({ resource, parent }: Target): Place {
  const name = resource.kind === "folder" ? resource.collection.ref.path.at(-1) : undefined;
  if (name === undefined || (parent.kind !== "home" && parent.kind !== "folder")) return placeOf(resource);
  const { owner, collection, href } = parent;
  return { owner, collection, parentHref: href, name, existing: undefined };
}

/** Where a collection goes. Throws HttpError(403) for what is no place for it. */
function collectionTarget(source: Source, { resource }: Target): CollectionRef {
  const { owner, collection } = source;
  if (!isMovable(source))
    throw new HttpError(403, `${source.href} is a collection that every home has; it stays where it is`);
  const path =
    resource.kind === "unmapped" ? pathBelow(resource) : "collection" in resource ? pathOf(resource) : undefined;
  if (path === undefined) throw new HttpError(403, `${resource.href} is no place for a collection`);
  const from = collection.ref.path;
  if (from.every((segment, at) => segment === path[at]))
    throw new HttpError(403, `${source.href} cannot be put into itself`);
  // What would be replaced must not hold what replaces it.
  if (path.every((segment, at) => segment === from[at]))
    throw new HttpError(403, `${resource.href} holds ${source.href} and cannot be replaced by it`);
  return { owner, path };
}

function pathBelow({ parent, name }: Shape<"unmapped">): readonly string[] | undefined {
  if (parent?.kind !== "home" && parent?.kind !== "folder") return undefined;
  checkName(name);
  return [...parent.collection.ref.path, name];
}

function pathOf(resource: Source): readonly string[] | undefined {
  const { path } = resource.collection.ref;
  if ("entry" in resource) return resource.kind === "file" ? [...path, resource.entry.name] : undefined;
  return isMovable(resource) ? path : undefined;
}

const isMovable = (resource: Resource): resource is Movable =>
  (resource.kind === "calendar" || resource.kind === "folder") && !isManagedPlace(resource.collection.ref);

/** Removes what a collection replaces (RFC 4918 §9.8.4: as if by DELETE). A lock on it is one on what takes its place. */
async function clear(resource: Resource, guard: LockGuard, context: Context): Promise<void> {
  if (resource.kind === "calendar") await refuseDefaultCalendar(resource, context);
  if (isMovable(resource)) {
    const { owner, collection, href } = resource;
    const after = await afterRemoval(collection.ref, context);
    const path = lockPath(collection.ref.path);
    const touched = [{ path, below: href }, { path: parentPath(path) }];
    await inTree(guard, owner, touched, context, () => context.services.store.remove(collection.ref));
    await guard.removed(path, true);
    await after();
  } else if (resource.kind === "file") {
    const { collection, entry } = resource;
    await collection.change(async (change) => {
      await guard.check(...touchedBy({ collection, name: entry.name }));
      if (change.entry(entry.name) !== undefined) await change.remove(entry.name);
    });
  }
}

function answer({ resource }: Target, scheduleTag?: string): HttpResponse {
  const headers = scheduleTag === undefined ? {} : { "Schedule-Tag": scheduleTag };
  return resource.kind === "unmapped"
    ? { status: 201, headers: { ...headers, Location: resource.href } }
    : { status: 204, headers };
}
