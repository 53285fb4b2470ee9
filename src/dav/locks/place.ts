import { encodeSegment } from "../../http/uri.ts";
import type { Href } from "../../model/ids.ts";
import { lockPath } from "../../model/lock.ts";
import type { Principal } from "../../model/principal.ts";
import { isOwned, type Kind, memberKinds, type Resource } from "../resource.ts";

/** A resource as locks know it, whatever its address. */
export interface LockPlace {
  readonly owner: Principal;
  /** As in `Lock`; "" for the home. */
  readonly path: string;
}

/** Where in which home a resource is, or would be; undefined outside of homes. */
export function lockPlaceOf(resource: Resource): LockPlace | undefined {
  const place = resource.kind === "unmapped" ? resource.parent : resource;
  if (place === undefined || !isOwned(place)) return undefined;
  const name = resource.kind === "unmapped" ? resource.name : "entry" in resource ? resource.entry.name : undefined;
  return { owner: place.owner, path: lockPath(place.collection.ref.path, name) };
}

/** The path of the collection that a path lies in. */
export const parentPath = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));

/** The address of something below a collection in the form that the client used for the collection. */
export const hrefBelow = (collection: Href, path: string, inner: string): Href => {
  const rest = inner.slice(path === "" ? 0 : path.length + 1);
  return (collection + rest.split("/").map(encodeSegment).join("/")) as Href;
};

/** What a client may lock, or an address where there is nothing yet. A home is everybody's way to its calendars, and in an inbox
 *  and outbox the server itself writes; principals and places are not written at all. */
export const lockableKinds = ["calendar", "folder", ...memberKinds, "unmapped"] as const satisfies readonly Kind[];
const lockable: ReadonlySet<Kind> = new Set<Kind>(lockableKinds);

/** Whether LOCK can be answered on the resource: see `lockableKinds`; members of an inbox or outbox are the server's as well. */
export function isLockable(resource: Resource): boolean {
  if (!lockable.has(resource.kind)) return false;
  const place = resource.kind === "unmapped" ? resource.parent : resource;
  if (place === undefined || !("collection" in place)) return false;
  return place.collection.kind !== "inbox" && place.collection.kind !== "outbox";
}
