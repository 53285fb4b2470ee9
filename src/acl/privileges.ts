import { type Privilege, privileges, privilegeTable } from "../model/privilege.ts";

/** A node of DAV:supported-privilege-set (RFC 3744 §5.3). No privilege of this server is abstract. */
export interface PrivilegeNode {
  readonly privilege: Privilege;
  /** For people, in English. */
  readonly description: string;
  readonly children: readonly PrivilegeNode[];
}

/** What a resource supports beside the privileges of RFC 3744. */
export interface TreeOptions {
  /** CALDAV:read-free-busy: calendars, homes, and the objects in calendars. */
  readonly freeBusy: boolean;
  /** The scheduling privileges of RFC 6638 §6, with CALDAV:schedule of its drafts, which iCal 3 looks for. */
  readonly scheduling: "none" | "inbox" | "outbox";
}

const missing: Readonly<Record<TreeOptions["scheduling"], ReadonlySet<Privilege>>> = {
  none: new Set<Privilege>(["schedule-deliver", "schedule-send", "schedule"]),
  inbox: new Set<Privilege>(["schedule-send"]),
  outbox: new Set<Privilege>(["schedule-deliver"]),
};

const trees = new Map<string, PrivilegeNode>();
const supported = new WeakMap<PrivilegeNode, ReadonlySet<Privilege>>();

/** The privileges a resource supports, DAV:all at the top. The same object for the same options. */
export function privilegeTree({ freeBusy, scheduling }: TreeOptions): PrivilegeNode {
  const key = `${freeBusy} ${scheduling}`;
  const known = trees.get(key);
  if (known !== undefined) return known;
  const supports = (privilege: Privilege): boolean =>
    !missing[scheduling].has(privilege) && (freeBusy || privilege !== "read-free-busy");
  const node = (privilege: Privilege): PrivilegeNode => {
    const { description, parts } = privilegeTable[privilege];
    return { privilege, description, children: parts.filter(supports).map(node) };
  };
  const tree = node("all");
  trees.set(key, tree);
  supported.set(tree, new Set(flatten(tree)));
  return tree;
}

const flatten = (tree: PrivilegeNode): readonly Privilege[] => [tree.privilege, ...tree.children.flatMap(flatten)];

/** Every privilege of a tree: what an ACE may name (else DAV:not-supported-privilege, RFC 3744 §8.1.1). */
export const supportedPrivileges = (tree: PrivilegeNode): ReadonlySet<Privilege> =>
  supported.get(tree) ?? new Set(flatten(tree));

/** The privileges held on a resource that the resource also supports, in the order of the tree: the value of
 *  DAV:current-user-privilege-set (RFC 3744 §5.4), aggregates and their parts alike, because clients look for either. */
export const visiblePrivileges = (held: ReadonlySet<Privilege>, tree: PrivilegeNode): readonly Privilege[] =>
  [...supportedPrivileges(tree)].filter((privilege) => held.has(privilege));

// What can be held by itself.
const single = privileges.filter((privilege) => !privilegeTable[privilege].aggregate);

const bits = new Map<Privilege, number>(single.map((privilege, at) => [privilege, 1 << at]));

/** One bit for every privilege that can be held by itself. */
export const everyBit: number = (1 << single.length) - 1;

/** The bits that granting or denying a privilege decides: its own and those of its parts (RFC 3744 §3). */
export function bitsOf(privilege: Privilege): number {
  let mask = bits.get(privilege) ?? 0;
  for (const part of privilegeTable[privilege].parts) mask |= bitsOf(part);
  return mask;
}

const required: ReadonlyMap<Privilege, number> = new Map(
  // DAV:read without read-free-busy is still reading: nobody denies the lesser to take the greater.
  privileges.map((privilege) => [privilege, bits.get(privilege) ?? bitsOf(privilege)]),
);

/** The privileges that hold when these bits are granted: an aggregate does when all its parts do. */
export const heldWith = (granted: number): ReadonlySet<Privilege> => {
  const held = new Set<Privilege>();
  for (const [privilege, mask] of required) if ((granted & mask) === mask) held.add(privilege);
  return held;
};

/** A privilege with everything it contains. */
export const expand = (privilege: Privilege): ReadonlySet<Privilege> => {
  const mask = bitsOf(privilege);
  const contained = new Set<Privilege>([privilege]);
  for (const [other, bits] of required) if ((mask & bits) === bits) contained.add(other);
  return contained;
};
