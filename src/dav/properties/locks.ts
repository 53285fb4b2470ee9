import type { PrincipalUid } from "../../model/ids.ts";
import { covering, type Lock } from "../../model/lock.ts";
import { dav, type XmlValue } from "../../xml/element.ts";
import { activeLock, lockEntries } from "../locks/lock-info.ts";
import { isLockable, lockPlaceOf } from "../locks/place.ts";
import { type Context, property } from "../registry.ts";
import { isOwned, type Resource, resourceKinds } from "../resource.ts";

const none: XmlValue = [];
const asked = new WeakMap<Context, Map<PrincipalUid, readonly Lock[] | Promise<readonly Lock[]>>>();

/** The locks of a home as of the first time that this request asks, for a listing has a thousand members. */
function locksOf(owner: PrincipalUid, context: Context): readonly Lock[] | Promise<readonly Lock[]> {
  const known = asked.get(context) ?? new Map<PrincipalUid, readonly Lock[] | Promise<readonly Lock[]>>();
  asked.set(context, known);
  const held = known.get(owner) ?? context.services.store.locks.held(owner);
  known.set(owner, held);
  return held;
}

/** RFC 4918 §15.8 */
export const lockDiscovery = property({
  name: dav("lockdiscovery"),
  on: resourceKinds,
  get: (resource, context) => {
    if (!isOwned(resource)) return none;
    const held = locksOf(resource.owner.uid, context);
    if (!(held instanceof Promise)) return held.length === 0 ? none : discovered(resource, held, context);
    return held.then((known) => discovered(resource, known, context));
  },
});

async function discovered(resource: Resource, held: readonly Lock[], context: Context): Promise<XmlValue> {
  const over = covering(held, lockPlaceOf(resource)?.path ?? "");
  if (over.length === 0) return none;
  const granted = await context.privileges(resource);
  return over.map((lock) => activeLock(lock, context.services.now(), granted.has("write-content")));
}

/** RFC 4918 §15.10 */
export const supportedLock = property({
  name: dav("supportedlock"),
  on: resourceKinds,
  get: (resource) => (isLockable(resource) ? lockEntries : none),
});
