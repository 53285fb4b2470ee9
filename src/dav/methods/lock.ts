import { randomUUID } from "node:crypto";
import { depthOf, timeoutOf } from "../../http/headers.ts";
import { submittedTokens } from "../../http/if-header.ts";
import { HttpError, type HttpRequest, type HttpResponse } from "../../http/message.ts";
import { type Href, type Utc, utc } from "../../model/ids.ts";
import { covering, covers, type Lock, liesBelow } from "../../model/lock.ts";
import { Refusal } from "../../model/refusal.ts";
import type { CollectionRef } from "../../store/contract.ts";
import { CollectionGone } from "../../store/transaction.ts";
import { dav, el, href } from "../../xml/element.ts";
import { writeXml } from "../../xml/write.ts";
import { type LockGuard, lockGuard } from "../locks/guard.ts";
import { ifOf } from "../locks/if-state.ts";
import { seenRoots } from "../locks/inside.ts";
import { activeLock, lockInfoOf } from "../locks/lock-info.ts";
import { hrefBelow, isLockable, type LockPlace, lockableKinds, lockPlaceOf, parentPath } from "../locks/place.ts";
import { multistatus, statusResponse, xmlType } from "../multistatus.ts";
import type { Context, Method } from "../registry.ts";
import { resolve } from "../resolve.ts";
import type { Resource } from "../resource.ts";
import { placeOf } from "./members.ts";
import { storeMember } from "./store-member.ts";
import { xmlBody } from "./xml-body.ts";

/** Seconds. Explorer and Finder ask for more in time; whoever was cut off keeps the others out for an hour at most. */
const longestTimeout = 3600;
/** In one home, of all who may write there. */
const mostLocks = 1000;

/** LOCK (RFC 4918 §9.10): takes a lock, or with an If header and no body gets more time for one. */
export const lockMethod: Method = {
  name: "LOCK",
  on: lockableKinds,
  needs: ({ kind }) => (kind === "unmapped" ? ["parent bind"] : ["write-content"]),
  async handle(resource, context, request) {
    if (context.user === undefined) throw new HttpError(401, "a lock belongs to somebody: sign in first");
    // An address that no file can have is refused before anything is locked.
    if (resource.kind === "unmapped") placeOf(resource);
    const place = lockPlaceOf(resource);
    if (place === undefined || !isLockable(resource))
      throw new HttpError(403, `${resource.href} is the server's own and cannot be locked`);
    const root = await xmlBody(request, context);
    if (root === undefined) return refresh(place, context, request);
    const depth = depthOf(request.headers, "infinity");
    if (depth === "1") throw new HttpError(400, "a lock has Depth 0 or infinity");
    const timeout = timeoutFrom(request) ?? longestTimeout;
    const lock: Lock = {
      token: `urn:uuid:${randomUUID()}`,
      path: place.path,
      root: resource.href,
      deep: depth === "infinity",
      creator: context.user.uid,
      timeout,
      expires: endOf(timeout, context),
      ...lockInfoOf(root),
    };
    return take(lock, resource, place, context, request);
  },
};

async function take(
  lock: Lock,
  resource: Resource,
  { owner }: LockPlace,
  context: Context,
  request: HttpRequest,
): Promise<HttpResponse> {
  const { locks } = context.services.store;
  const guard = lockGuard(request, owner, context);
  try {
    await locks.grant(owner.uid, lock, (held) => {
      refuseConflict(lock, held);
      if (resource.kind === "unmapped") guard.judge(held, [{ path: parentPath(lock.path) }]);
      if (held.length >= mostLocks)
        throw new HttpError(507, `there may be at most ${mostLocks} locks in a calendar home`);
    });
  } catch (error) {
    if (error instanceof Refusal && error.reason.code === "no-conflicting-lock" && error.reason.inside)
      return conflictInside(await seenRoots(error.reason.roots, [resource], context), lock.root);
    throw error;
  }
  try {
    await settle({ owner, path: lock.path.split("/") }, lock.deep, context);
    const created = await occupy(resource, guard, context, request);
    return told(lock, await locks.held(owner.uid), context, created ? 201 : 200, { "lock-token": `<${lock.token}>` });
  } catch (error) {
    await locks.release(owner.uid, lock.token);
    throw error;
  }
}

/** RFC 4918 §9.10.9: what is locked below, and that the collection therefore is not. */
const conflictInside = (roots: readonly Href[], collection: Href): Promise<HttpResponse> =>
  multistatus([
    ...roots.map((inner) => statusResponse(inner, 423, el(dav("no-conflicting-lock"), href(inner)))),
    ...(roots.includes(collection) ? [] : [statusResponse(collection, 424)]),
  ]);

/** Throws Refusal(no-conflicting-lock) for what RFC 4918 §9.10.5 does not allow beside each other: anything but shared locks. */
function refuseConflict(lock: Lock, held: readonly Lock[]): void {
  const conflicting = held.filter((other) => !(other.shared && lock.shared));
  const over = covering(conflicting, lock.path);
  if (over.length > 0)
    throw new Refusal({ code: "no-conflicting-lock", roots: over.map(({ root }) => root), inside: false });
  const below = lock.deep ? conflicting.filter((other) => liesBelow(other, lock.path)) : [];
  if (below.length === 0) return;
  const collection = (lock.root.endsWith("/") ? lock.root : `${lock.root}/`) as typeof lock.root;
  const roots = [...new Set(below.map(({ path }) => path))].map((path) => hrefBelow(collection, lock.path, path));
  throw new Refusal({ code: "no-conflicting-lock", roots, inside: true });
}

/** Waits for everybody who took a write lock before the WebDAV lock was known, and so did not see it: the home's, under which
 *  collections come and go, that of the collection itself or of the member's, and with `deep` all below. */
async function settle({ owner, path }: CollectionRef, deep: boolean, context: Context): Promise<void> {
  const { store } = context.services;
  const pass = async (at: readonly string[]): Promise<void> => {
    try {
      const collection = await store.open({ owner, path: at });
      await collection?.change(() => undefined);
    } catch (error) {
      if (!(error instanceof CollectionGone)) throw error;
    }
  };
  const below = async (at: readonly string[]): Promise<void> => {
    for (const { name } of await store.children({ owner, path: at })) {
      await pass([...at, name]);
      await below([...at, name]);
    }
  };
  await pass([]);
  if (path.length > 1) await pass(path.slice(0, -1));
  await pass(path);
  if (deep) await below(path);
}

/** Makes sure that something is at the locked address. Where nothing was, an empty file (RFC 4918 §9.10.4): answers true. In a
 *  calendar an empty file cannot stand (RFC 4791 §4.1); there the name is kept free for who holds the lock, as RFC 2518 §7.4
 *  had it, and is nobody's member before the PUT. */
async function occupy(resource: Resource, guard: LockGuard, context: Context, request: HttpRequest): Promise<boolean> {
  // Looked at again: it may have come or gone before the lock was known.
  const now = await resolve(request.path, request.rawPath, context);
  if (now.kind !== "unmapped") return false;
  if (resource.kind !== "unmapped") throw new HttpError(404, `${resource.href} was removed meanwhile`);
  const place = placeOf(now);
  if (place.collection.kind === "calendar") return false;
  const above = parentPath(lockPlaceOf(now)?.path ?? "");
  const empty = { bytes: Buffer.alloc(0), type: undefined };
  const there = new HttpError(409, `${resource.href} was made meanwhile`);
  try {
    await storeMember(place, empty, context, request, (existing) => {
      if (existing !== undefined) throw there;
      return guard.check({ path: above });
    });
  } catch (error) {
    // By somebody with a shared lock, who came at the same moment.
    if (error === there) return false;
    throw error;
  }
  return true;
}

async function refresh({ owner, path }: LockPlace, context: Context, request: HttpRequest): Promise<HttpResponse> {
  const header = ifOf(request);
  if (header === undefined)
    throw new HttpError(400, "a LOCK without body names the lock that it refreshes in an If header");
  const { locks } = context.services.store;
  const submitted = submittedTokens(header);
  const named = (await locks.held(owner.uid)).filter((lock) => submitted.has(lock.token) && covers(lock, path));
  const [lock] = named;
  if (lock === undefined) throw new Refusal({ code: "lock-token-matches-request-uri", refresh: true });
  if (named.length > 1) throw new HttpError(400, "one lock is refreshed at a time");
  if (lock.creator !== context.user?.uid) throw new HttpError(403, "a lock is refreshed by who took it");
  const timeout = timeoutFrom(request) ?? lock.timeout;
  const refreshed = await locks.refresh(owner.uid, lock.token, timeout, endOf(timeout, context));
  if (refreshed === undefined) throw new Refusal({ code: "lock-token-matches-request-uri", refresh: true });
  return told(refreshed, await locks.held(owner.uid), context, 200, {});
}

/** DAV:lockdiscovery of the resource, the lock in question first. */
function told(
  lock: Lock,
  held: readonly Lock[],
  { services }: Context,
  status: number,
  headers: Readonly<Record<string, string>>,
): HttpResponse {
  const others = covering(held, lock.path).filter(({ token }) => token !== lock.token);
  const active = [lock, ...others].map((one) => activeLock(one, services.now(), true));
  const body = writeXml(el(dav("prop"), el(dav("lockdiscovery"), ...active)));
  return { status, headers: { ...headers, "content-type": xmlType, "cache-control": "no-cache" }, body };
}

/** The clock counts whole seconds; a lock lasts no shorter than its holder was told. */
const endOf = (timeout: number, { services }: Context): Utc => utc(services.now() + timeout + 1);

/** Seconds, of the times a client would take the one it names first; undefined when it names none. */
function timeoutFrom({ headers }: HttpRequest): number | undefined {
  const [first] = timeoutOf(headers);
  if (first === undefined) return undefined;
  return first === "infinite" ? longestTimeout : Math.min(Math.max(first, 1), longestTimeout);
}
