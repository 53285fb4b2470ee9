import { yieldToLoop } from "../base/stream.ts";
import { HttpError } from "../http/message.ts";
import { encodeSegment } from "../http/uri.ts";
import type { Href, PrincipalUid } from "../model/ids.ts";
import { type Principal, type RecordType, recordTypes, type Sudoer } from "../model/principal.ts";
import { openShare } from "../sharing/links.ts";
import type { Collection, CollectionKind, ObjectEntry } from "../store/contract.ts";
import { aclSettings } from "./acl.ts";
import type { Context, Services } from "./registry.ts";
import type { Resource, Shape } from "./resource.ts";
import { uidsName } from "./urls.ts";

/** A home or a collection inside one. */
export type OwnedCollection = Shape<CollectionKind>;

/** The member of a collection that the index row stands for. */
export const memberResource = (
  { kind, href, owner, collection }: OwnedCollection,
  entry: ObjectEntry,
): Shape<"object" | "file"> => ({
  kind: kind === "calendar" || kind === "inbox" ? "object" : "file",
  href: (href + encodeSegment(entry.name)) as Href,
  owner,
  collection,
  entry,
});

/** An opened collection as a resource. */
export async function collectionResource(
  href: Href,
  owner: Principal,
  collection: Collection,
): Promise<OwnedCollection> {
  return { kind: collection.kind as OwnedCollection["kind"], href, owner, collection, info: await collection.info() };
}

/** As `collectionResource`, of what lies in a home: a link is the calendar it stands for. undefined: a link that is to be hidden. */
export async function placedResource(
  href: Href,
  collection: Collection,
  { services }: Pick<Context, "services">,
): Promise<OwnedCollection | undefined> {
  const placed = await seenAs(collection, services);
  return placed && collectionResource(href, placed.ref.owner, placed);
}

/** What a collection of the store is to those who look at it. */
export const seenAs = async (collection: Collection, services: Services): Promise<Collection | undefined> =>
  collection.kind !== "share"
    ? collection
    : services.settings.sharing.enabled
      ? openShare(collection, services)
      : undefined;

const pageSize = 1000;

/** What lies directly inside, in pages of at most 1,000: collections first, then members, each in order of name; hrefs begin
 *  with the parent's. Empty for members. Throws HttpError(403) for what is not to be listed: `__uids__`, and the principals
 *  when EnablePrincipalListings is off. */
export async function* childrenOf(resource: Resource, context: Context): AsyncGenerator<readonly Resource[]> {
  const below = (name: string): Href => `${resource.href}${encodeSegment(name)}/` as Href;
  switch (resource.kind) {
    case "root":
      yield [
        { kind: "principal-root", href: below("principals") },
        { kind: "calendar-root", href: below("calendars") },
      ];
      return;
    case "principal-root":
      yield [uidsName, ...recordTypes, "sudoers"].map((type) => ({
        kind: "principal-type",
        href: below(type),
        type: type as Shape<"principal-type">["type"],
      }));
      return;
    case "calendar-root":
      yield [uidsName, ...recordTypes].map((type) => ({
        kind: "calendar-type",
        href: below(type),
        type: type as RecordType | "__uids__",
      }));
      return;
    case "principal-type":
      for await (const page of recordsOf(resource, context))
        yield page.map((principal) => ({ kind: "principal", href: below(principal.shortName), principal }));
      return;
    case "calendar-type":
      yield* homes(resource, context);
      return;
    case "principal": {
      const { principal } = resource;
      if (!principal.calendaring || !context.services.settings.proxyPrincipals) return;
      yield (["read", "write"] as const).map((access) => ({
        kind: "proxy-group",
        href: below(`calendar-proxy-${access}`),
        principal,
        access,
      }));
      return;
    }
    case "home":
    case "calendar":
    case "inbox":
    case "outbox":
    case "dropbox":
    case "notification":
    case "folder":
      yield* inside(resource, context);
      return;
    case "proxy-group":
    case "object":
    case "file":
    case "unmapped":
  }
}

/** The records of one type, for a listing. Throws HttpError(403) as `childrenOf`. */
export async function* recordsOf(
  resource: Shape<"principal-type" | "calendar-type">,
  { services: { directory, settings, sudoers } }: Context,
): AsyncGenerator<readonly (Principal | Sudoer)[]> {
  if (resource.type === uidsName || !settings.principalListings)
    throw new HttpError(403, `${resource.href} is not to be listed`);
  if (resource.type === "sudoers") {
    yield await sudoers.principals();
    return;
  }
  let page: Principal[] = [];
  for await (const principal of directory.list(resource.type)) {
    if (resource.kind === "calendar-type" && !principal.calendaring) continue;
    page.push(principal);
    if (page.length < pageSize) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** Homes that exist already and that the user may read. Opening everybody's index for one listing would take the server's
 *  time from all others, so those that only the directory knows are left out, and what a stranger may not read is not opened. */
async function* homes(resource: Shape<"calendar-type">, context: Context): AsyncGenerator<readonly Resource[]> {
  const { user, services } = context;
  let looked = 0;
  for await (const page of recordsOf(resource, context)) {
    if (user === undefined) return;
    const concerned = (await readsAll(user, context)) ? undefined : await ownersFor(user, context);
    for (const owner of page) {
      if (++looked % pause === 0) await yieldToLoop();
      if (!owner.calendaring || concerned?.has(owner.uid) === false) continue;
      const collection = await services.store.open({ owner, path: [] });
      if (collection === undefined) continue;
      yield [await collectionResource(`${resource.href}${encodeSegment(owner.shortName)}/` as Href, owner, collection)];
    }
  }
}

/** Others get their turn after so many homes. */
const pause = 64;

/** Whether the user is one of AdminPrincipals or ReadPrincipals. */
async function readsAll(user: Principal, { services }: Context): Promise<boolean> {
  const { admins, readers } = await aclSettings(services);
  if (admins.length + readers.length === 0) return false;
  const identities = await services.directory.identities(user);
  return [...admins, ...readers].some((uid) => identities.has(uid));
}

/** Whose homes the user may read else: the own, those of the groups it is in, and those of whoever made it a delegate. */
async function ownersFor(user: Principal, { services: { directory } }: Context): Promise<ReadonlySet<PrincipalUid>> {
  const trusting = await Promise.all([directory.delegatedBy(user, "read"), directory.delegatedBy(user, "write")]);
  return new Set([...(await directory.identities(user)), ...trusting.flat().map(({ uid }) => uid)]);
}

async function* inside(parent: OwnedCollection, context: Context): AsyncGenerator<readonly Resource[]> {
  // Calendars hold objects only (RFC 4791 §4.2); the original made no collections in them, nor in an inbox or outbox.
  if (parent.kind === "home" || parent.kind === "folder" || parent.kind === "dropbox") {
    const found = await collectionsIn(parent, context);
    for (let from = 0; from < found.length; from += pageSize) yield found.slice(from, from + pageSize);
  }
  for await (const entries of parent.collection.entries()) yield entries.map((entry) => memberResource(parent, entry));
}

const opened = new WeakMap<Context, Map<string, Promise<readonly OwnedCollection[]>>>();

/** The collections directly inside, as of the first time that this request asks: a PROPFIND with Depth 1 on a home needs them
 *  for the home's sync token and for itself. */
export function collectionsIn(parent: OwnedCollection, context: Context): Promise<readonly OwnedCollection[]> {
  const known = opened.get(context) ?? new Map<string, Promise<readonly OwnedCollection[]>>();
  opened.set(context, known);
  const found = known.get(parent.href) ?? openCollections(parent, context);
  known.set(parent.href, found);
  return found;
}

async function openCollections(
  { href, owner, collection: { ref } }: OwnedCollection,
  context: Context,
): Promise<readonly OwnedCollection[]> {
  const { store } = context.services;
  const names = await store.children(ref);
  const found = await Promise.all(
    names.map(async ({ name }) => {
      const child = await store.open({ owner, path: [...ref.path, name] });
      // undefined: gone since its name was read.
      return child && placedResource(`${href}${encodeSegment(name)}/` as Href, child, context);
    }),
  );
  return found.filter((child) => child !== undefined);
}
