import type { Ace } from "../acl/ace.ts";
import { type AclSettings, aclIsFixed, defaultAces, effectiveAces, homePlace, withStored } from "../acl/defaults.ts";
import type { Href } from "../model/ids.ts";
import type { Collection } from "../store/contract.ts";
import type { Element } from "../xml/element.ts";
import { aclName, readAcl } from "./acl-xml.ts";
import type { Services } from "./registry.ts";
import type { Resource, Shape } from "./resource.ts";

const settingsOf = new WeakMap<Services, { readonly generation: number; readonly settings: Promise<AclSettings> }>();

/** The settings that default ACLs depend on, with the principals of the configuration looked up in the directory. */
export function aclSettings(services: Services): Promise<AclSettings> {
  const generation = services.directory.generation();
  const known = settingsOf.get(services);
  if (known?.generation === generation) return known.settings;
  const settings = readSettings(services);
  settingsOf.set(services, { generation, settings });
  // A directory that fails now may answer the next request.
  settings.catch(() => settingsOf.delete(services));
  return settings;
}

async function readSettings({ administrators, readers, settings }: Services): Promise<AclSettings> {
  return {
    admins: await administrators(),
    readers: await readers(),
    anonymousReadRoot: settings.anonymousReadRoot,
    anonymousReadNav: settings.anonymousReadNav,
    proxies: settings.proxyPrincipals,
  };
}

/** All ACEs that hold on a resource, in the order in which they decide: its own, then what each place above hands down. */
export async function effectiveAcl(resource: Resource, services: Services): Promise<readonly Ace[]> {
  if (resource.kind === "unmapped") return resource.parent === undefined ? [] : effectiveAcl(resource.parent, services);
  return [...(await ownAces(resource, services)), ...(await inheritedAces(resource, services))];
}

/** A resource's own ACEs: those of its place, and those that were set. Nothing is looked up for what has no ACL of its own. */
export async function ownAces(resource: Existing, services: Services): Promise<readonly Ace[]> {
  const settings = await aclSettings(services);
  switch (resource.kind) {
    case "root":
      return defaultAces("root", settings);
    case "principal-root":
    case "principal-type":
    case "principal":
      return defaultAces("principals", settings);
    case "proxy-group":
      // Delegates of a group are its administrators' affair: no single member speaks for it.
      return defaultAces(
        "proxy-group",
        settings,
        resource.principal.type === "groups" ? undefined : resource.principal.uid,
      );
    case "calendar-root":
    case "calendar-type":
      return defaultAces("navigation", settings);
    case "object":
    case "file": {
      const { collection, entry } = resource;
      return (entry.hasAcl ? await storedAcl(collection, entry.name, services) : undefined) ?? [];
    }
    default:
      return collectionAces(resource.collection, settings, services);
  }
}

/** What a resource inherits, the nearest place first. */
export async function inheritedAces(resource: Existing, services: Services): Promise<readonly Ace[]> {
  if (resource.kind === "root") return [];
  const settings = await aclSettings(services);
  const levels: Level[] = [];
  if ("owner" in resource) {
    const { collection } = resource;
    const { owner, path } = collection.ref;
    if ("entry" in resource) levels.push(await levelOf(collection, settings, services));
    for (let depth = path.length - 1; depth > 0; depth--) {
      const above = await services.store.open({ owner, path: path.slice(0, depth) });
      if (above !== undefined) levels.push(await levelOf(above, settings, services));
    }
    if (path.length > 0)
      levels.push({ href: services.urls.home(owner), aces: defaultAces(homePlace(owner), settings, owner.uid) });
  }
  return effectiveAces([], [...levels, { href: "/" as Href, aces: defaultAces("root", settings) }]);
}

type Existing = Exclude<Resource, { kind: "unmapped" }>;

interface Level {
  readonly href: Href;
  readonly aces: readonly Ace[];
}

const levelOf = async (collection: Collection, settings: AclSettings, services: Services): Promise<Level> => ({
  href: services.urls.collection(collection.ref),
  aces: await collectionAces(collection, settings, services),
});

// A calendar's properties are kept while they stay the same, and so is what their ACL means while nobody's name changes.
const read = new WeakMap<Element, { readonly generation: number; readonly aces: Promise<readonly Ace[]> }>();

async function storedAcl(
  collection: Collection,
  name: string | undefined,
  { directory }: Services,
): Promise<readonly Ace[] | undefined> {
  if (aclIsFixed(collection.ref.owner)) return undefined;
  const stored = (await collection.properties(name)).get(aclName);
  if (stored === undefined) return undefined;
  const generation = directory.generation();
  const known = read.get(stored);
  if (known?.generation === generation) return known.aces;
  const aces = readAcl(stored, directory);
  read.set(stored, { generation, aces });
  aces.catch(() => read.delete(stored));
  return aces;
}

/** The collection's own ACEs, from wherever they come: the protected ones of its place, and those that were set. */
async function collectionAces(
  collection: Collection,
  settings: AclSettings,
  services: Services,
): Promise<readonly Ace[]> {
  const { ref, kind } = collection;
  // A home's are computed, whatever was stored there: 2.4 did so, and 1.2 let everybody read every home.
  if (kind === "home") return defaultAces(homePlace(ref.owner), settings, ref.owner.uid);
  const defaults = defaultAces(kind === "inbox" || kind === "outbox" ? kind : "inside", settings, ref.owner.uid);
  const { hasAcl } = await collection.info();
  return withStored(defaults, hasAcl ? await storedAcl(collection, undefined, services) : undefined);
}

/** Whether nobody has set an ACL on the collection or on anything between it and its home. */
export async function isUntouched(resource: Shape<Collection["kind"]>, { store }: Services): Promise<boolean> {
  if (resource.kind === "home") return true;
  if (resource.info.hasAcl) return false;
  const { owner, path } = resource.collection.ref;
  for (let depth = path.length - 1; depth > 0; depth--) {
    const above = await store.open({ owner, path: path.slice(0, depth) });
    if ((await above?.info())?.hasAcl === true) return false;
  }
  return true;
}
