import { type Ace, ace, parseProxyUid, principal, proxyUid, type Who } from "../acl/ace.ts";
import type { Directory } from "../directory/backend.ts";
import type { PrincipalUid } from "../model/ids.ts";
import { type Privilege, privilegeName, privileges } from "../model/privilege.ts";
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
import { principalAt, principalHref, proxyGroupHref, segmentsOf } from "./urls.ts";

/** Where an ACL lies among a resource's stored properties. */
export const aclName: QName = dav("acl");
const inheritableName: QName = `{${TWISTED}}inheritable`;

const privilegeByName: ReadonlyMap<QName, Privilege> = new Map(
  privileges.map((privilege) => [privilegeName(privilege), privilege]),
);

/** The privilege that an element names; undefined for one that this server does not know. */
export const privilegeNamed = (name: QName): Privilege | undefined => privilegeByName.get(name);

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

/** The parts of a DAV:ace; undefined where it lacks one. */
export interface AceParts {
  readonly invert: boolean;
  /** What stands in DAV:principal. */
  readonly principal: Element;
  readonly grant: boolean;
  /** What stands in the DAV:privilege elements. */
  readonly privileges: readonly Element[];
  readonly protected: boolean;
  readonly inherited: Element | undefined;
  readonly inheritable: boolean;
}

/** Takes a DAV:ace apart (RFC 3744 §5.5). undefined when it does not name just one principal and either grants or denies. */
export function partsOf(element: Element): AceParts | undefined {
  const inverted = child(element, dav("invert"));
  const holder = inverted ?? element;
  const [who, ...others] = childrenNamed(holder, dav("principal")).flatMap(elements);
  const actions = elements(element).filter(({ name }) => name === dav("grant") || name === dav("deny"));
  const [action] = actions;
  if (who === undefined || others.length > 0 || action === undefined || actions.length > 1) return undefined;
  return {
    invert: inverted !== undefined,
    principal: who,
    grant: action.name === dav("grant"),
    privileges: childrenNamed(action, dav("privilege")).flatMap(elements),
    protected: child(element, dav("protected")) !== undefined,
    inherited: child(element, dav("inherited")),
    inheritable: child(element, inheritableName) !== undefined,
  };
}

/** Reads DAV:acl (RFC 3744 §5.5) as the server or an original one stored it. What it cannot mean takes no effect: an unknown
 *  principal matches nobody (and inverted everybody), an unknown privilege is none. */
export async function readAcl(acl: Element, directory: Directory): Promise<readonly Ace[]> {
  const aces: Ace[] = [];
  for (const element of childrenNamed(acl, aceName)) {
    const parts = partsOf(element);
    const who = parts && (await whoIn(parts.principal, directory));
    if (parts === undefined || who === undefined) continue;
    const named = parts.privileges.map(({ name }) => privilegeNamed(name));
    const { invert, inheritable } = parts;
    aces.push(
      ace(
        who,
        parts.grant,
        named.filter((privilege) => privilege !== undefined),
        { invert, protected: parts.protected, inheritable },
      ),
    );
  }
  return aces;
}

export const aceName: QName = dav("ace");

async function whoIn(inside: Element, directory: Directory): Promise<Who | undefined> {
  if (inside.name === "{DAV:}href") {
    const address = textOf(inside).trim();
    const uid = await uidAt(address, directory);
    return uid === undefined ? { kind: "unknown", href: address } : principal(uid);
  }
  return whoNamed(inside);
}

/** Whom a DAV:principal means that names nobody by an href; undefined for what RFC 3744 does not know. */
export function whoNamed(inside: Element): Who | undefined {
  switch (inside.name) {
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
    case "unknown":
      return href(who.href);
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
    aceName,
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
