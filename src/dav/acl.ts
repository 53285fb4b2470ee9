import { type Ace, ace, parseProxyUid, principal, proxyUid, type Who } from "../acl/ace.ts";
import {
  type AclPlace,
  type AclSettings,
  aclIsFixed,
  defaultAces,
  effectiveAces,
  homePlace,
  ownAces,
} from "../acl/defaults.ts";
import type { Directory } from "../directory/backend.ts";
import type { Href, PrincipalUid } from "../model/ids.ts";
import { type Privilege, privilegeName, privileges } from "../model/privilege.ts";
import type { Collection } from "../store/contract.ts";
import {
  child,
  childrenNamed,
  dav,
  type Element,
  el,
  elements,
  href,
  type QName,
  TWISTED,
  textOf,
} from "../xml/element.ts";
import type { Services } from "./registry.ts";
import type { Resource, Shape } from "./resource.ts";
import { principalAt, principalHref, proxyGroupHref, segmentsOf } from "./urls.ts";

/** Where an ACL lies among a resource's stored properties. */
export const aclName: QName = dav("acl");
const inheritableName: QName = `{${TWISTED}}inheritable`;

const privilegeByName: ReadonlyMap<QName, Privilege> = new Map(
  privileges.map((privilege) => [privilegeName(privilege), privilege]),
);

/** The uid that an href in an ACE stands for: a principal's or a proxy group's, under any of its addresses.
 *  undefined for what the directory does not know under a short name. */
export async function uidAt(address: string, directory: Directory): Promise<PrincipalUid | undefined> {
  const [place, type, name, group, ...deeper] = segmentsOf(address)?.path ?? [];
  if (place !== "principals" || type === undefined || name === undefined || deeper.length > 0) return undefined;
  // An uid need not be known (any more): it stands for itself, and for its proxy group with the ending "#calendar-proxy-…".
  const uid = type === "__uids__" ? (name as PrincipalUid) : (await principalAt(directory, type, name))?.uid;
  if (uid === undefined || group === undefined) return uid;
  if (group === "calendar-proxy-read") return proxyUid(uid, "read");
  return group === "calendar-proxy-write" ? proxyUid(uid, "write") : undefined;
}

/** Reads DAV:acl (RFC 3744 §5.5) as the server or an original one stored it. What it cannot mean is left out: an unknown
 *  principal matches nobody, an unknown privilege grants nothing. */
export async function readAcl(acl: Element, directory: Directory): Promise<readonly Ace[]> {
  const aces: Ace[] = [];
  for (const element of childrenNamed(acl, dav("ace"))) {
    const inverted = child(element, dav("invert"));
    const who = await whoIn(child(inverted ?? element, dav("principal")), directory);
    const grant = child(element, dav("grant"));
    const action = grant ?? child(element, dav("deny"));
    if (who === undefined || action === undefined) continue;
    const named = childrenNamed(action, dav("privilege"))
      .flatMap(elements)
      .map(({ name }) => privilegeByName.get(name));
    aces.push(
      ace(
        who,
        grant !== undefined,
        named.filter((privilege) => privilege !== undefined),
        {
          invert: inverted !== undefined,
          protected: child(element, dav("protected")) !== undefined,
          inheritable: child(element, inheritableName) !== undefined,
        },
      ),
    );
  }
  return aces;
}

async function whoIn(element: Element | undefined, directory: Directory): Promise<Who | undefined> {
  const [inside] = element === undefined ? [] : elements(element);
  switch (inside?.name) {
    case "{DAV:}href": {
      const uid = await uidAt(textOf(inside), directory);
      return uid && principal(uid);
    }
    case "{DAV:}all":
      return { kind: "all" };
    case "{DAV:}authenticated":
      return { kind: "authenticated" };
    case "{DAV:}unauthenticated":
      return { kind: "unauthenticated" };
    case "{DAV:}self":
      return { kind: "self" };
    case "{DAV:}property": {
      const [property] = elements(inside);
      if (property === undefined) return undefined;
      return property.name === dav("owner") ? { kind: "owner" } : { kind: "property", property: property.name };
    }
    default:
      return undefined;
  }
}

function whoElement(who: Who): Element {
  switch (who.kind) {
    case "href": {
      const proxy = parseProxyUid(who.uid);
      return href(proxy === undefined ? principalHref(who.uid) : proxyGroupHref(proxy.owner, proxy.access));
    }
    case "owner":
      return el(dav("property"), el(dav("owner")));
    case "property":
      return el(dav("property"), el(who.property));
    default:
      return el(dav(who.kind));
  }
}

/** An ACE as clients see it: whether it is inheritable is the server's own affair. */
export function aceElement(entry: Ace): Element {
  const who = el(dav("principal"), whoElement(entry.who));
  const named = entry.privileges.map((privilege) => el(dav("privilege"), el(privilegeName(privilege))));
  return el(
    dav("ace"),
    entry.invert ? el(dav("invert"), who) : who,
    el(dav(entry.grant ? "grant" : "deny"), ...named),
    ...(entry.protected ? [el(dav("protected"))] : []),
    ...(entry.inherited === undefined ? [] : [el(dav("inherited"), href(entry.inherited))]),
  );
}

/** An ACE as it is stored. */
export function storedAce(entry: Ace): Element {
  const shown = aceElement({ ...entry, inherited: undefined });
  return entry.inheritable ? { ...shown, children: [...shown.children, el(inheritableName)] } : shown;
}

const settingsOf = new WeakMap<Services, { readonly generation: number; readonly settings: Promise<AclSettings> }>();

/** The settings that default ACLs depend on, with the principals of the configuration looked up in the directory. */
export function aclSettings(services: Services): Promise<AclSettings> {
  const generation = services.directory.generation();
  const known = settingsOf.get(services);
  if (known?.generation === generation) return known.settings;
  const settings = readSettings(services);
  settingsOf.set(services, { generation, settings });
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

interface Level {
  readonly href: Href;
  readonly aces: readonly Ace[];
}

/** All ACEs that hold on a resource, in the order in which they decide: its own, then what each place above hands down.
 *  Nothing is looked up for what has no ACL of its own. */
export async function effectiveAcl(resource: Resource, services: Services): Promise<readonly Ace[]> {
  const settings = await aclSettings(services);
  const defaults = (place: AclPlace, owner?: PrincipalUid): readonly Ace[] => defaultAces(place, settings, owner);
  const root: Level = { href: "/" as Href, aces: defaults("root") };
  switch (resource.kind) {
    case "root":
      return root.aces;
    case "principal-root":
    case "principal-type":
    case "principal":
      return effectiveAces(defaults("principals"), [root]);
    case "proxy-group":
      // Delegates of a group are its administrators' affair: no single member speaks for it.
      return effectiveAces(
        defaults("proxy-group", resource.principal.type === "groups" ? undefined : resource.principal.uid),
        [root],
      );
    case "calendar-root":
    case "calendar-type":
      return effectiveAces(defaults("navigation"), [root]);
    case "unmapped":
      return resource.parent === undefined ? [] : effectiveAcl(resource.parent, services);
    case "object":
    case "file": {
      const { collection, entry } = resource;
      const own = entry.hasAcl ? await storedAcl(collection, entry.name, services) : undefined;
      const { hasAcl } = await collection.info();
      return effectiveAces(own ?? [], [...(await levels(collection, hasAcl, settings, services)), root]);
    }
    default: {
      const [own, ...above] = await levels(resource.collection, resource.info.hasAcl, settings, services);
      return effectiveAces(own?.aces ?? [], [...above, root]);
    }
  }
}

async function storedAcl(
  collection: Collection,
  name: string | undefined,
  { directory }: Services,
): Promise<readonly Ace[] | undefined> {
  if (aclIsFixed(collection.ref.owner)) return undefined;
  const stored = (await collection.properties(name)).get(aclName);
  return stored && readAcl(stored, directory);
}

/** The own ACEs of a collection and of each above it up to its home. A home's are computed, whatever was stored there: 2.4
 *  answered so, and 1.2 let everybody read every home. */
async function levels(
  collection: Collection,
  hasAcl: boolean,
  settings: AclSettings,
  services: Services,
): Promise<readonly Level[]> {
  const { ref, kind } = collection;
  const { owner, path } = ref;
  const home: Level = {
    href: services.urls.home(owner),
    aces: defaultAces(homePlace(owner), settings, owner.uid),
  };
  if (path.length === 0) return [home];
  const place: AclPlace = kind === "inbox" || kind === "outbox" ? kind : "inside";
  const stored = hasAcl ? await storedAcl(collection, undefined, services) : undefined;
  const own: Level = {
    href: services.urls.collection(ref),
    aces: ownAces(defaultAces(place, settings, owner.uid), stored),
  };
  if (path.length === 1) return [own, home];
  const above = await services.store.open({ owner, path: path.slice(0, -1) });
  if (above === undefined) return [own, home];
  return [own, ...(await levels(above, (await above.info()).hasAcl, settings, services))];
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
