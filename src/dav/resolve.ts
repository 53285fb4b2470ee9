import type { Directory } from "../directory/backend.ts";
import type { Href, PrincipalUid } from "../model/ids.ts";
import { normaliseAddress, type Principal, type Sudoer } from "../model/principal.ts";
import { notificationFolder, notificationsOf } from "../sharing/notices.ts";
import { isSafeName } from "../store/layout.ts";
import { collectionResource, type OwnedCollection, placedResource, seenAs } from "./children.ts";
import type { Context, Urls } from "./registry.ts";
import type { Resource, Shape } from "./resource.ts";
import { isRecordType, principalAt, segmentsOf, uidsName } from "./urls.ts";

export { childrenOf, memberResource } from "./children.ts";

/** What a path means. Hrefs follow the path as the client wrote it, with a final "/" for collections and none for members,
 *  whatever the client put there. A calendar home is made when somebody who has signed in first touches it. Nothing is
 *  refused here: what is not there is "unmapped", with its parent when that exists. */
export async function resolve(segments: readonly string[], rawPath: string, context: Context): Promise<Resource> {
  const [place] = segments;
  if (place === undefined) return { kind: "root", href: "/" as Href };
  const at = new Addresses(rawPath);
  if (place === "principals") return principals(segments, at, context);
  if (place === "calendars") return calendars(segments, at, context);
  const root: Resource | undefined = segments.length === 1 ? { kind: "root", href: "/" as Href } : undefined;
  return unmapped(segments, at, root);
}

/** What an href in a request body or header means: a path, or a URL of this server under any of its names.
 *  undefined: not an address. */
export async function resolveHref(href: string, context: Context): Promise<Resource | undefined> {
  const target = segmentsOf(href);
  return target === undefined ? undefined : resolve(target.path, target.rawPath, context);
}

const isUrl = /^\s*(?:\/|https?:)/i;

/** Whom a calendar user address means. Clients of the drafts use a principal's URL as its address. */
export async function calendarUser(address: string, directory: Directory, urls: Urls): Promise<Principal | undefined> {
  const found = await directory.byAddress(normaliseAddress(address));
  return found ?? (isUrl.test(address) ? urls.principalOf(address.trim()) : undefined);
}

/** The parent in the same form of address. undefined for the root, and where even the parent is not there. */
export async function parentOf(
  resource: Resource,
  segments: readonly string[],
  rawPath: string,
  context: Context,
): Promise<Resource | undefined> {
  if (resource.kind === "unmapped") return resource.parent;
  if (resource.kind === "root") return undefined;
  const at = new Addresses(rawPath);
  const href = at.collection(segments.length - 1);
  if (resource.kind === "object" || resource.kind === "file")
    return collectionResource(href, resource.owner, resource.collection);
  const parent = await resolve(segments.slice(0, -1), href, context);
  return parent.kind === "unmapped" ? undefined : parent;
}

/** What exists around a path of which not even the parent does: the home or principal, else what they lie in. */
export async function surroundings(
  path: readonly string[],
  rawPath: string,
  context: Context,
): Promise<Resource | undefined> {
  const [place] = path;
  if (place !== "calendars" && place !== "principals") return { kind: "root", href: "/" as Href };
  const outer = await resolve(path.slice(0, 3), rawPath, context);
  if (outer.kind !== "unmapped") return outer;
  return outer.parent ?? resolve([place], rawPath, context);
}

/** The client's spelling of a path and of everything above it. */
class Addresses {
  readonly #raw: string;

  constructor(rawPath: string) {
    this.#raw = rawPath.includes("//") ? rawPath.replace(/\/{2,}/g, "/") : rawPath;
  }

  get endsInSlash(): boolean {
    return this.#raw.endsWith("/");
  }

  /** The first `depth` segments, with a final slash. */
  collection(depth: number): Href {
    let end = 0;
    for (let at = 0; at < depth; at++) {
      end = this.#raw.indexOf("/", end + 1);
      if (end === -1) return `${this.#raw}/` as Href;
    }
    return this.#raw.slice(0, end + 1) as Href;
  }

  /** The whole, without a final slash. */
  get member(): Href {
    return (this.endsInSlash ? this.#raw.slice(0, -1) : this.#raw) as Href;
  }

  get whole(): Href {
    return this.#raw as Href;
  }
}

const unmapped = (segments: readonly string[], at: Addresses, parent: Resource | undefined): Shape<"unmapped"> => ({
  kind: "unmapped",
  href: at.whole,
  parent: parent?.kind === "unmapped" ? undefined : parent,
  name: segments[segments.length - 1] ?? "",
});

// A UID may hold "#" itself, but not these endings.
const proxyEnding = /^(.*)#calendar-proxy-(read|write)$/s;

async function principals(segments: readonly string[], at: Addresses, context: Context): Promise<Resource> {
  const { directory, settings } = context.services;
  const [, type, name, below, ...deeper] = segments;
  const root: Resource = { kind: "principal-root", href: at.collection(1) };
  if (type === undefined) return root;
  if (!isRecordType(type) && type !== uidsName && type !== "sudoers")
    return unmapped(segments, at, name === undefined ? root : undefined);
  const place: Resource = { kind: "principal-type", href: at.collection(2), type };
  if (name === undefined) return place;
  const found =
    (await principalAt(directory, type, name)) ??
    (type === uidsName || type === "sudoers" ? await sudoerAt(type, name, context) : undefined);
  if (found === undefined) {
    const [, uid, access] = (type === uidsName && settings.proxyPrincipals && proxyEnding.exec(name)) || [];
    const owner = uid === undefined ? undefined : await directory.byUid(uid as PrincipalUid);
    if (owner?.calendaring === true && below === undefined)
      return { kind: "proxy-group", href: at.collection(3), principal: owner, access: access as "read" | "write" };
    return unmapped(segments, at, below === undefined ? place : undefined);
  }
  const principal: Resource = { kind: "principal", href: at.collection(3), principal: found };
  if (below === undefined) return principal;
  const access = below === "calendar-proxy-read" ? "read" : below === "calendar-proxy-write" ? "write" : undefined;
  if (access === undefined || !found.calendaring || !settings.proxyPrincipals)
    return unmapped(segments, at, deeper.length === 0 ? principal : undefined);
  const group: Resource = { kind: "proxy-group", href: at.collection(4), principal: found, access };
  if (deeper.length === 0) return group;
  return unmapped(segments, at, deeper.length === 1 ? group : undefined);
}

/** Of the few of the sudoers file. */
const sudoerAt = async (type: string, name: string, { services }: Context): Promise<Sudoer | undefined> =>
  (await services.sudoers.principals()).find((sudoer) => (type === uidsName ? sudoer.uid : sudoer.shortName) === name);

async function calendars(segments: readonly string[], at: Addresses, context: Context): Promise<Resource> {
  const [, type, name, ...path] = segments;
  const root: Resource = { kind: "calendar-root", href: at.collection(1) };
  if (type === undefined) return root;
  if (!isRecordType(type) && type !== uidsName) return unmapped(segments, at, name === undefined ? root : undefined);
  const place: Resource = { kind: "calendar-type", href: at.collection(2), type };
  if (name === undefined) return place;
  const owner = await principalAt(context.services.directory, type, name);
  if (owner?.calendaring !== true) return unmapped(segments, at, path.length === 0 ? place : undefined);
  const { store } = context.services;
  const met = store.met(owner);
  const found = await inHome(segments, path, owner, at, context);
  if (found.kind === "unmapped" && path.length === 1 && path[0] === notificationFolder && context.user !== undefined)
    return notifications(found, owner, at, context);
  // A home that was not known before may have been made since it was looked for.
  if (found.kind !== "unmapped" || (met && (await store.provisioned(owner)))) return found;
  // A stranger must not make homes, and gets the same answer whether there is one.
  if (context.user === undefined) return found;
  await store.provision(owner);
  return inHome(segments, path, owner, at, context);
}

/** The collection of notifications, which is made when it is first looked for. */
async function notifications(
  unmapped: Resource,
  owner: Principal,
  at: Addresses,
  { services: { store, settings } }: Context,
): Promise<Resource> {
  if (!settings.sharing.enabled) return unmapped;
  return collectionResource(at.collection(4), owner, await notificationsOf(store, owner));
}

/** What lies at a path in a home that exists; "unmapped" without parent when the home does not. */
async function inHome(
  segments: readonly string[],
  path: readonly string[],
  owner: Principal,
  at: Addresses,
  context: Context,
): Promise<Resource> {
  const { store } = context.services;
  if (!path.slice(0, -1).every(isSafeName)) return unmapped(segments, at, undefined);
  const open = async (depth: number): Promise<OwnedCollection | undefined> => {
    const collection = await store.open({ owner, path: path.slice(0, depth) });
    return collection && placedResource(at.collection(depth + 3), collection, context);
  };
  const { length } = path;
  const name = path[length - 1];
  if (name === undefined) return (await open(0)) ?? unmapped(segments, at, undefined);
  if (!isSafeName(name)) return unmapped(segments, at, await open(length - 1));
  const member = async (): Promise<Resource | undefined> => {
    const parent = await store.open({ owner, path: path.slice(0, -1) });
    const collection = parent && (await seenAs(parent, context.services));
    const entry = await collection?.entry(name);
    if (collection === undefined || entry === undefined) return undefined;
    const kind = collection.kind === "calendar" || collection.kind === "inbox" ? "object" : "file";
    return { kind, href: at.member, owner: collection.ref.owner, collection, entry };
  };
  // The likelier one first: clients write collections with a slash, and members are seldom right in the home.
  const found =
    at.endsInSlash || length === 1
      ? ((await open(length)) ?? (await member()))
      : ((await member()) ?? (await open(length)));
  return found ?? unmapped(segments, at, await open(length - 1));
}
