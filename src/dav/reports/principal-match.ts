import { HttpError } from "../../http/message.ts";
import type { Href } from "../../model/ids.ts";
import type { Principal } from "../../model/principal.ts";
import { Refusal } from "../../model/refusal.ts";
import {
  child,
  childrenNamed,
  dav,
  type Element,
  el,
  elements,
  isElement,
  type QName,
  textOf,
  type XmlValue,
} from "../../xml/element.ts";
import { effectiveAcl, uidAt } from "../acl.ts";
import { isMinimal, multistatus, type PropRequest, parsePropRequest, responsesFor } from "../multistatus.ts";
import { type Context, report } from "../registry.ts";
import { childrenOf, resolveHref } from "../resolve.ts";
import { isCollection, principalKinds, type Resource, resourceKinds } from "../resource.ts";
import { requireDepth0 } from "./principal-search.ts";

interface Match {
  readonly asked: PropRequest;
  /** undefined: the principals themselves are meant (DAV:self). */
  readonly property: QName | undefined;
}

/** Resources looked at or listed by one report. */
const maxMatches = 500;
const tooMany = (): Refusal => new Refusal({ code: "number-of-matches-within-limits", limit: maxMatches });

/** DAV:principal-match (RFC 3744 §9.3): the principals at or below the resource that mean the user, or the resources there whose
 *  property names the user. */
export const principalMatch = report({
  name: dav("principal-match"),
  on: resourceKinds,
  needs: "read",
  parse(root): Match {
    if (childrenNamed(root, dav("prop")).length > 1) throw new HttpError(400, "a principal-match holds one DAV:prop");
    const asked = parsePropRequest(root);
    if (child(root, dav("self")) !== undefined) return { asked, property: undefined };
    const named = child(root, dav("principal-property"));
    const property = named && elements(named)[0];
    if (property === undefined)
      throw new HttpError(400, "a principal-match holds DAV:self or a DAV:principal-property");
    return { asked, property: property.name };
  },
  async run({ asked, property }, resource, context, request) {
    requireDepth0(request);
    const { user } = context;
    if (user === undefined) return multistatus([]);
    const matching =
      property === undefined
        ? await ownPrincipals(user, resource, context)
        : await naming(user, property, resource, context);
    request.log.items.push(`responses=${matching.length}`);
    return multistatus(responsesFor(asked, [matching], context, { minimal: isMinimal(request) }));
  },
});

/** The user, the groups that hold it, and the proxy groups that it is in as a delegate, where they lie at or below the place. */
async function ownPrincipals(user: Principal, place: Resource, context: Context): Promise<readonly Resource[]> {
  const { directory, settings } = context.services;
  const matching: Resource[] = [];
  for (const principal of [user, ...(await directory.expandedMemberships(user))]) {
    const href = hrefBelow(place, principal, context);
    if (href !== undefined) matching.push({ kind: "principal", href, principal });
  }
  if (!settings.proxyPrincipals) return matching;
  for (const access of ["read", "write"] as const)
    for (const principal of await directory.delegatedBy(user, access)) {
      const owner = hrefBelow(place, principal, context);
      if (owner !== undefined && principal.calendaring)
        matching.push({ kind: "proxy-group", href: `${owner}calendar-proxy-${access}/` as Href, principal, access });
      else if (place.kind === "proxy-group" && place.principal.uid === principal.uid && place.access === access)
        matching.push(place);
    }
  return matching;
}

/** A principal's address if it lies at or below the place: below `/principals/users/` as it is found there, else the canonical
 *  one. */
function hrefBelow(place: Resource, principal: Principal, { services: { urls } }: Context): Href | undefined {
  switch (place.kind) {
    case "root":
    case "principal-root":
      return urls.principal(principal);
    case "principal-type":
      if (place.type === "__uids__") return urls.principal(principal);
      return place.type === principal.type ? (urls.aliases(principal)[1] ?? urls.principal(principal)) : undefined;
    case "principal":
      return place.principal.uid === principal.uid ? place.href : undefined;
    default:
      return undefined;
  }
}

/** The resources inside the place whose property holds an href of the user or of a group that holds it. */
async function naming(
  user: Principal,
  property: QName,
  place: Resource,
  context: Context,
): Promise<readonly Resource[]> {
  const identities = await context.services.directory.identities(user);
  const matching: Resource[] = [];
  let looked = 0;
  for await (const page of childrenOf(place, context)) {
    for (const inside of page) {
      if (!isCollection(inside)) continue;
      looked += 1;
      if (looked > maxMatches) throw tooMany();
      const value = await propertyValue(property, inside, context);
      for (const href of value === undefined ? [] : hrefsIn(value)) {
        const uid = await uidAt(href, context.services.directory);
        if (uid === undefined || !identities.has(uid)) continue;
        matching.push(inside);
        break;
      }
    }
  }
  return matching;
}

async function propertyValue(name: QName, resource: Resource, context: Context): Promise<XmlValue | undefined> {
  const live = context.services.registry.property(name, resource.kind);
  const stored = "collection" in resource ? (await resource.collection.properties()).get(name) : undefined;
  return live === undefined ? stored : live.get(resource, context, el(name), stored);
}

function hrefsIn(value: XmlValue): readonly string[] {
  if (typeof value === "string") return [];
  const within = (node: Element): readonly string[] =>
    node.name === dav("href") ? [textOf(node).trim()] : node.children.filter(isElement).flatMap(within);
  return ("name" in value ? [value] : value.filter(isElement)).flatMap(within);
}

/** DAV:acl-principal-prop-set (RFC 3744 §9.2): the principals that the resource's ACL names. */
export const aclPrincipalPropSet = report({
  name: dav("acl-principal-prop-set"),
  on: resourceKinds,
  needs: "read-acl",
  parse(root): PropRequest {
    if (child(root, dav("prop")) === undefined) throw new HttpError(400, "an acl-principal-prop-set holds a DAV:prop");
    return parsePropRequest(root);
  },
  async run(asked, resource, context, request) {
    requireDepth0(request);
    const { services } = context;
    const named = new Map<string, Resource>();
    for (const { who } of await effectiveAcl(resource, services)) {
      if (who.kind !== "href" && who.kind !== "owner") continue;
      const uid = who.kind === "href" ? who.uid : "owner" in resource ? resource.owner.uid : undefined;
      if (uid === undefined || named.has(uid)) continue;
      const found = await resolveHref(`/principals/__uids__/${encodeURIComponent(uid)}/`, context);
      if (found !== undefined && (principalKinds as readonly string[]).includes(found.kind)) named.set(uid, found);
      if (named.size > maxMatches) throw tooMany();
    }
    request.log.items.push(`responses=${named.size}`);
    return multistatus(responsesFor(asked, [[...named.values()]], context, { minimal: isMinimal(request) }));
  },
});
