import { type PrivilegeNode, privilegeTree, type TreeOptions, visiblePrivileges } from "../../acl/privileges.ts";
import { type Privilege, privilegeName } from "../../model/privilege.ts";
import { dav, type Element, el, elWith, href, type XmlValue } from "../../xml/element.ts";
import { effectiveAcl } from "../acl.ts";
import { aceElement } from "../acl-xml.ts";
import { property } from "../registry.ts";
import { collectionKinds, memberKinds, type Resource, resourceKinds } from "../resource.ts";

const plain: TreeOptions = { freeBusy: false, scheduling: "none" };
const busy: TreeOptions = { freeBusy: true, scheduling: "none" };

/** Which privileges the resource knows (darwin/3 §8.5). */
export function treeOf({ kind }: Resource): PrivilegeNode {
  if (kind === "inbox" || kind === "outbox") return privilegeTree({ freeBusy: false, scheduling: kind });
  return privilegeTree(kind === "home" || kind === "calendar" || kind === "object" ? busy : plain);
}

/** RFC 3744 §5.1: the calendar user's principal, whoever made the resource. */
export const owner = property({
  name: dav("owner"),
  on: [...collectionKinds, ...memberKinds],
  allprop: false,
  get: (resource, { services: { urls } }) => href(urls.principal(resource.owner)),
});

const privilegeElement = (privilege: Privilege): Element => el(dav("privilege"), el(privilegeName(privilege)));

const supported = ({ privilege, description, children }: PrivilegeNode): Element =>
  el(
    dav("supported-privilege"),
    privilegeElement(privilege),
    elWith(dav("description"), { "{http://www.w3.org/XML/1998/namespace}lang": "en" }, description),
    ...children.map(supported),
  );

const sets = new Map<PrivilegeNode, Element>();

/** RFC 3744 §5.3 */
export const supportedPrivilegeSet = property({
  name: dav("supported-privilege-set"),
  on: resourceKinds,
  allprop: false,
  get: (resource) => {
    const tree = treeOf(resource);
    const set = sets.get(tree) ?? supported(tree);
    sets.set(tree, set);
    return set;
  },
});

// The outcomes of an evaluation are shared sets, so what is told of them can be kept.
const told = new WeakMap<ReadonlySet<Privilege>, Map<PrivilegeNode, XmlValue>>();

/** RFC 3744 §5.4. Aggregates and their parts alike: Thunderbird, DAVx5 and Evolution look for write or write-content and take a
 *  calendar for read-only without. */
export const currentUserPrivilegeSet = property({
  name: dav("current-user-privilege-set"),
  on: resourceKinds,
  allprop: false,
  needs: "read-current-user-privilege-set",
  get: async (resource, context) => {
    const held = await context.privileges(resource);
    const tree = treeOf(resource);
    const known = told.get(held) ?? new Map<PrivilegeNode, XmlValue>();
    told.set(held, known);
    const value = known.get(tree) ?? visiblePrivileges(held, tree).map(privilegeElement);
    known.set(tree, value);
    return value;
  },
});

/** RFC 3744 §5.5 */
export const acl = property({
  name: dav("acl"),
  on: resourceKinds,
  allprop: false,
  needs: "read-acl",
  get: async (resource, { services }) => (await effectiveAcl(resource, services)).map(aceElement),
});

/** RFC 3744 §5.6, empty: grants and denials in any order, for any principal. */
export const aclRestrictions = property({
  name: dav("acl-restrictions"),
  on: resourceKinds,
  allprop: false,
  get: () => [],
});

/** RFC 3744 §5.7, empty as in the original: what is inherited says from where in the ACE itself. */
export const inheritedAclSet = property({
  name: dav("inherited-acl-set"),
  on: resourceKinds,
  allprop: false,
  get: () => [],
});
