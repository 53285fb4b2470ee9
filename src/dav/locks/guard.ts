import type { HttpRequest } from "../../http/message.ts";
import { HttpError } from "../../http/message.ts";
import type { Href, PrincipalUid } from "../../model/ids.ts";
import { covering, type Lock, liesBelow } from "../../model/lock.ts";
import type { Principal } from "../../model/principal.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Context } from "../registry.ts";
import type { Resource } from "../resource.ts";
import { submittedBy } from "./if-state.ts";
import { hrefBelow, lockPlaceOf } from "./place.ts";

/** What a request changes: the resource at a path of a home (`model/lock.ts`). To add or remove a member is to change its
 *  collection too (RFC 4918 §7.4). */
export interface Touched {
  readonly path: string;
  /** Given: everything below as well (§9.6.1); the address in the client's words, with a final slash. */
  readonly below?: Href;
}

/** Asks for one request whether locks allow what it does to a home. */
export interface LockGuard {
  /** Throws Refusal(lock-token-submitted) where something is locked and no token of it came from who took it. At once when
   *  nothing is locked in the home, which costs a `stat`. Those that hold shared locks need one of them (§6.2).
   *
   *  To be asked with the write lock of the collection held in which the change is made, for changes of the tree of
   *  collections the home's (`inTree`): a LOCK is made known first and answered when everybody who had these locks before it
   *  is done. So a change either sees the lock, or was finished before its holder heard of it. */
  check(...touched: readonly Touched[]): void | Promise<void>;
  /** The same question about locks that were read already. */
  judge(held: readonly Lock[], touched: readonly Touched[]): void;
  /** After a removal: its locks end (§9.6). `below`: those on the resource itself stay, since another takes its place. Where they
   *  cannot be ended they run out by themselves: what was removed is removed. */
  removed(path: string, below?: boolean): Promise<void>;
}

/** The guard of a request for one home. */
export function lockGuard(request: HttpRequest, owner: Principal, { user, services }: Context): LockGuard {
  const { locks } = services.store;
  const judge: LockGuard["judge"] = (held, touched) => {
    if (held.length > 0) refuseUnsubmitted(held, touched, submittedBy(request), user?.uid);
  };
  return {
    judge,
    check: (...touched) => {
      const held = locks.held(owner.uid);
      if (held instanceof Promise) return held.then((known) => judge(known, touched));
      judge(held, touched);
    },
    removed: (path, below) =>
      locks
        .releaseAt(owner.uid, path, below)
        .catch((error: unknown) => services.warn("locks of what was removed stay until they run out", { path, error })),
  };
}

/** The question about the resource itself, for a method that changes nothing else. To be asked as `LockGuard.check`. */
export function resourceGuard(resource: Resource, context: Context, request: HttpRequest): () => void | Promise<void> {
  const place = lockPlaceOf(resource);
  if (place === undefined) return () => undefined;
  const guard = lockGuard(request, place.owner, context);
  return () => guard.check({ path: place.path });
}

function refuseUnsubmitted(
  held: readonly Lock[],
  touched: readonly Touched[],
  submitted: ReadonlySet<string>,
  user: PrincipalUid | undefined,
): void {
  const isOpen = (over: readonly Lock[]): boolean =>
    over.length === 0 || over.some(({ token, creator }) => creator === user && submitted.has(token));
  for (const { path } of touched) {
    const over = covering(held, path);
    if (!isOpen(over))
      throw new Refusal({ code: "lock-token-submitted", roots: over.map(({ root }) => root), inside: false });
  }
  for (const { path, below } of touched) {
    if (below === undefined) continue;
    const closed = new Set<string>();
    for (const lock of held)
      if (liesBelow(lock, path) && !closed.has(lock.path) && !isOpen(covering(held, lock.path))) closed.add(lock.path);
    if (closed.size > 0)
      throw new Refusal({
        code: "lock-token-submitted",
        roots: [...closed].map((inner) => hrefBelow(below, path, inner)),
        inside: true,
      });
  }
}

/** Makes, moves or removes collections with the home's write lock held, when the locks allow it. `work` must not ask the home
 *  anything. */
export async function inTree<T>(
  guard: LockGuard,
  owner: Principal,
  touched: readonly Touched[],
  { services: { store } }: Context,
  work: () => Promise<T>,
): Promise<T> {
  const home = await store.open({ owner, path: [] });
  if (home === undefined) throw new HttpError(404, `${owner.shortName} has no calendar home any more`);
  return home.change(async () => {
    await guard.check(...touched);
    return work();
  });
}
