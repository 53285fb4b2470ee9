import type { Who } from "../../acl/ace.ts";
import { yieldToLoop } from "../../base/stream.ts";
import { HttpError } from "../../http/message.ts";
import type { Href, PrincipalUid } from "../../model/ids.ts";
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
import { effectiveAcl } from "../acl.ts";
import { uidAt } from "../acl-xml.ts";
import { isMinimal, multistatus, type PropRequest, parsePropRequest, responsesFor } from "../multistatus.ts";
import { propertyValue } from "../property-value.ts";
import { type Context, report } from "../registry.ts";
import { childrenOf, resolveHref } from "../resolve.ts";
import { isCollection, isOwned, principalKinds, type Resource, resourceKinds } from "../resource.ts";
import { uidsName } from "../urls.ts";
import { requireDepth0 } from "./principal-search.ts";

interface Match {
  readonly asked: PropRequest;
  /** undefined: the principals themselves are meant (DAV:self). */
  readonly property: QName | undefined;
}

/** Resources listed by one report, as the original. */
const maxMatches = 500;
/** Resources looked at; a home with 100,000 events is answered, slowly, and no more. */
const maxLooked = 200_000;
/** Others get their turn after so many. */
const pause = 256;
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

/** The user, the groups that hold it and the proxy groups it is in, where they lie at or below the place. */
async function ownPrincipals(user: Principal, place: Resource, context: Context): Promise<readonly Resource[]> {
  const { directory, settings } = context.services;
  const matching: Resource[] = [];
  for (const principal of [user, ...(await directory.expandedMemberships(user))]) {
    const at = hrefBelow(place, principal, context);
    if (at !== undefined) matching.push({ kind: "principal", href: at, principal });
  }
  if (settings.proxyPrincipals)
    for (const access of ["read", "write"] as const)
      for (const principal of await directory.delegatedBy(user, access)) {
        const itself = place.kind === "proxy-group" && place.principal.uid === principal.uid && place.access === access;
        const above = hrefBelow(place, principal, context);
        const href = itself ? place.href : above && (`${above}calendar-proxy-${access}/` as Href);
        if (href !== undefined) matching.push({ kind: "proxy-group", href, principal, access });
      }
  if (matching.length > maxMatches) throw tooMany();
  return matching;
}

/** A principal's address at or below the place; undefined when it does not lie there. Below /principals/users/ they are named as
 *  they are listed there, else by their canonical address. */
function hrefBelow(place: Resource, principal: Principal, { services: { urls } }: Context): Href | undefined {
  switch (place.kind) {
    case "root":
    case "principal-root":
      return urls.principal(principal);
    case "principal-type":
      if (place.type === uidsName) return urls.principal(principal);
      return place.type === principal.type ? (urls.aliases(principal)[1] ?? urls.principal(principal)) : undefined;
    case "principal":
      return place.principal.uid === principal.uid ? place.href : undefined;
    default:
      return undefined;
  }
}

/** The resources inside the place, at any depth, whose property holds an href of the user or of a group that holds it. */
async function naming(
  user: Principal,
  property: QName,
  place: Resource,
  context: Context,
): Promise<readonly Resource[]> {
  const identities = await context.services.directory.identities(user);
  const asked = el(property);
  const matching: Resource[] = [];
  let looked = 0;
  const look = async (inside: Resource): Promise<void> => {
    looked += 1;
    if (looked > maxLooked) throw tooMany();
    if (looked % pause === 0) await yieldToLoop();
    if (!(await context.privileges(inside)).has("read")) return;
    const { value } = await propertyValue(asked, inside, context);
    for (const href of value === undefined ? [] : hrefsIn(value)) {
      const uid = await uidAt(href, context.services.directory);
      if (uid === undefined || !identities.has(uid)) continue;
      matching.push(inside);
      if (matching.length > maxMatches) throw tooMany();
      return;
    }
  };
  const walk = async (outer: Resource): Promise<void> => {
    for await (const page of childrenOf(outer, context))
      for (const inside of page) {
        await look(inside);
        // The directory is not walked through: what is in it is said by DAV:self.
        if (isOwned(inside) && isCollection(inside)) await walk(inside);
      }
  };
  await walk(place);
  return matching;
}

function hrefsIn(value: XmlValue): readonly string[] {
  if (typeof value === "string") return [];
  const within = (node: Element): readonly string[] =>
    node.name === dav("href") ? [textOf(node).trim()] : node.children.filter(isElement).flatMap(within);
  return ("name" in value ? [value] : value.filter(isElement)).flatMap(within);
}

/** DAV:acl-principal-prop-set (RFC 3744 §9.2): the principals that the resource's ACL names by an href or by a property. */
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
      const uid = await uidOf(who, resource, context);
      if (uid === undefined || named.has(uid)) continue;
      const found = await resolveHref(`/principals/${uidsName}/${encodeURIComponent(uid)}/`, context);
      if (found !== undefined && (principalKinds as readonly string[]).includes(found.kind)) named.set(uid, found);
      if (named.size > maxMatches) throw tooMany();
    }
    request.log.items.push(`responses=${named.size}`);
    return multistatus(responsesFor(asked, [[...named.values()]], context, { minimal: isMinimal(request) }));
  },
});

/** The one principal that an ACE names; undefined where it means whole kinds of users. */
async function uidOf(who: Who, resource: Resource, context: Context): Promise<PrincipalUid | undefined> {
  if (who.kind === "href") return who.uid;
  if (who.kind === "owner") return "owner" in resource ? resource.owner.uid : undefined;
  if (who.kind !== "property") return undefined;
  const { value } = await propertyValue(el(who.property), resource, context);
  const [href, ...others] = value === undefined ? [] : hrefsIn(value);
  return href === undefined || others.length > 0 ? undefined : uidAt(href, context.services.directory);
}
