import { HttpError } from "../../http/message.ts";
import type { Href } from "../../model/ids.ts";
import { lockPath } from "../../model/lock.ts";
import type { Principal } from "../../model/principal.ts";
import type { Collection, CollectionKind, CollectionRef, ObjectEntry } from "../../store/contract.ts";
import { isHidden, isSafeName } from "../../store/layout.ts";
import type { Touched } from "../locks/guard.ts";
import type { Resource } from "../resource.ts";
import { addMemberName } from "../urls.ts";

/** Where a member is stored, or would be. */
export interface Place {
  readonly owner: Principal;
  readonly collection: Collection;
  /** The collection's address in the form the client used. */
  readonly parentHref: Href;
  readonly name: string;
  /** As resolved; to be asked again under the collection's lock. */
  readonly existing: ObjectEntry | undefined;
  /** A sharee writes, who may: what follows is done in the owner's name (caldav-sharing §5.5.5). */
  readonly inOwnersName?: boolean;
  /** The managed attachment that this very write adds: no event has it yet. */
  readonly attaching?: string;
}

const holdsMembers: ReadonlySet<string> = new Set<CollectionKind>(["home", "calendar", "inbox", "outbox", "folder"]);

/** The place that a PUT, or the Destination of a COPY or MOVE, means by a resource that is no collection. Throws HttpError: 409
 *  where the parent is missing, 403 where the server keeps the place to itself or the name is no name for a file. */
export function placeOf(resource: Resource): Place {
  if ("entry" in resource) {
    const { owner, collection, entry, href } = resource;
    const parentHref = href.slice(0, href.lastIndexOf("/") + 1) as Href;
    return { owner, collection, parentHref, name: entry.name, existing: entry };
  }
  if (resource.kind !== "unmapped")
    throw new HttpError(403, `${resource.href} is a collection; its members are stored`);
  const { parent, name } = resource;
  if (parent === undefined) throw new HttpError(409, `the collection that would hold ${resource.href} does not exist`);
  if (!("info" in parent) || !holdsMembers.has(parent.kind))
    throw new HttpError(403, `${parent.href} takes no members`);
  if (resource.href.endsWith("/")) throw new HttpError(409, `there is no collection ${resource.href}`);
  checkName(name, parent.kind);
  return { owner: parent.owner, collection: parent.collection, parentHref: parent.href, name, existing: undefined };
}

/** What a write to the place changes: the member, and its collection when it is new there. */
export function touchedIn(
  { collection: { ref }, name }: Pick<Place, "collection" | "name">,
  existing: ObjectEntry | undefined,
): readonly Touched[] {
  const member = { path: lockPath(ref.path, name) };
  return existing === undefined ? [member, { path: lockPath(ref.path) }] : [member];
}

/** What the removal of a member changes. */
export const touchedBy = ({ collection: { ref }, name }: Pick<Place, "collection" | "name">): readonly Touched[] => [
  { path: lockPath(ref.path, name) },
  { path: lockPath(ref.path) },
];

/** What changes when a collection appears at a place. */
export const arrival = ({ path }: CollectionRef): readonly Touched[] => [
  { path: lockPath(path) },
  { path: lockPath(path.slice(0, -1)) },
];

/** Throws HttpError(403) for a name that no collection may have, or with `into` no file in a collection of that kind. */
export function checkName(name: string, into?: CollectionKind): void {
  if (into === undefined ? name.startsWith(".") : isHidden(name, into))
    throw new HttpError(403, `the name "${name}" begins with a dot, which is the server's own`);
  if (name === addMemberName || !isSafeName(name))
    throw new HttpError(403, `"${name.slice(0, 80)}" cannot be the name of a resource; a name has at most 255 bytes`);
}
