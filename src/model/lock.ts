import type { Href, PrincipalUid, Utc } from "./ids.ts";

/** A write lock (RFC 4918 §6, §7): on whatever a path of a home names now, not on the file that is there. So a lock stays when
 *  a MOVE takes the resource away or puts another in its place, until it is released with the removal. */
export interface Lock {
  /** `urn:uuid:…`, never given out twice. */
  readonly token: string;
  /** Of the locked resource below its home: names joined by "/". Never "", a home is not locked. */
  readonly path: string;
  /** The resource's address as the creator wrote it: DAV:lockroot. */
  readonly root: Href;
  /** Depth infinity: everything below is locked too, also what is put there later. */
  readonly deep: boolean;
  readonly shared: boolean;
  readonly creator: PrincipalUid;
  /** DAV:owner as the creator sent it, an XML document of its own; "" when there was none. */
  readonly owner: string;
  /** What was granted, in seconds. A refresh that asks for no other time gets it again. */
  readonly timeout: number;
  readonly expires: Utc;
}

const isInside = (path: string, place: string): boolean =>
  path.length > place.length && (place === "" || (path.startsWith(place) && path[place.length] === "/"));

/** Whether the lock is on the resource at the path, directly or from above. */
export const covers = (lock: Lock, path: string): boolean =>
  lock.path === path || (lock.deep && isInside(path, lock.path));

const none: readonly Lock[] = [];
/** The locks that the resource at the path is under. */
export const covering = (held: readonly Lock[], path: string): readonly Lock[] =>
  held.length === 0 ? none : held.filter((lock) => covers(lock, path));

/** Whether what is locked lies somewhere below the path. */
export const liesBelow = (lock: Lock, path: string): boolean => isInside(lock.path, path);

/** A path of a home in the form of `Lock.path`. */
export const lockPath = (path: readonly string[], name?: string): string =>
  name === undefined ? path.join("/") : path.length === 0 ? name : `${path.join("/")}/${name}`;
