import type { Privilege } from "../model/privilege.ts";

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

const node = (privilege: Privilege, description: string, ...children: readonly PrivilegeNode[]): PrivilegeNode => ({
  privilege,
  description,
  children,
});

const writing = node(
  "write",
  "write any object",
  node("write-properties", "write properties"),
  node("write-content", "write resource content"),
  node("bind", "add members to the collection"),
  node("unbind", "remove members from the collection"),
);

const others: readonly PrivilegeNode[] = [
  node("unlock", "unlock the resource without owning the lock"),
  node("read-acl", "read the access control list"),
  node("write-acl", "write the access control list"),
  node("read-current-user-privilege-set", "read the privileges of the current user"),
];

const schedule = node("schedule", "schedule with the calendar user");

const scheduling: Readonly<Record<TreeOptions["scheduling"], readonly PrivilegeNode[]>> = {
  none: [],
  inbox: [
    node(
      "schedule-deliver",
      "deliver scheduling messages to the calendar user",
      node("schedule-deliver-invite", "deliver messages of an organizer"),
      node("schedule-deliver-reply", "deliver replies of an attendee"),
      node("schedule-query-freebusy", "ask for the calendar user's busy time"),
    ),
    schedule,
  ],
  outbox: [
    node(
      "schedule-send",
      "send scheduling messages for the calendar user",
      node("schedule-send-invite", "send messages as organizer"),
      node("schedule-send-reply", "send replies as attendee"),
      node("schedule-send-freebusy", "ask for busy time"),
    ),
    schedule,
  ],
};

const trees = new Map<string, PrivilegeNode>();

/** The privileges a resource supports, DAV:all at the top. The same object for the same options. */
export function privilegeTree(options: TreeOptions): PrivilegeNode {
  const key = `${options.freeBusy} ${options.scheduling}`;
  const known = trees.get(key);
  if (known !== undefined) return known;
  const reading = options.freeBusy
    ? node("read", "read any object", node("read-free-busy", "read busy time"))
    : node("read", "read any object");
  const tree = node("all", "any operation", reading, writing, ...others, ...scheduling[options.scheduling]);
  trees.set(key, tree);
  supported.set(tree, new Set(flatten(tree)));
  return tree;
}

const flatten = (tree: PrivilegeNode): readonly Privilege[] => [tree.privilege, ...tree.children.flatMap(flatten)];

const supported = new WeakMap<PrivilegeNode, ReadonlySet<Privilege>>();

/** Every privilege of a tree: what an ACE may name (else DAV:not-supported-privilege, RFC 3744 §8.1.1). */
export const supportedPrivileges = (tree: PrivilegeNode): ReadonlySet<Privilege> =>
  supported.get(tree) ?? new Set(flatten(tree));

/** The privileges held on a resource that the resource also supports, in the order of the tree: the value of
 *  DAV:current-user-privilege-set (RFC 3744 §5.4), aggregates and their parts alike, because clients look for either. */
export const visiblePrivileges = (held: ReadonlySet<Privilege>, tree: PrivilegeNode): readonly Privilege[] =>
  [...supportedPrivileges(tree)].filter((privilege) => held.has(privilege));

// What an aggregate consists of. A privilege that is not here, and DAV:read, can be held by itself.
const parts: { readonly [P in Privilege]?: readonly Privilege[] } = {
  read: ["read-free-busy"],
  write: ["write-properties", "write-content", "bind", "unbind"],
  "schedule-deliver": ["schedule-deliver-invite", "schedule-deliver-reply", "schedule-query-freebusy"],
  "schedule-send": ["schedule-send-invite", "schedule-send-reply", "schedule-send-freebusy"],
};

const single: readonly Privilege[] = [
  "read",
  "read-free-busy",
  "write-properties",
  "write-content",
  "bind",
  "unbind",
  "unlock",
  "read-acl",
  "write-acl",
  "read-current-user-privilege-set",
  "schedule-deliver-invite",
  "schedule-deliver-reply",
  "schedule-query-freebusy",
  "schedule-send-invite",
  "schedule-send-reply",
  "schedule-send-freebusy",
  "schedule",
];

const bits = new Map<Privilege, number>(single.map((privilege, at) => [privilege, 1 << at]));

/** One bit for every privilege that can be held by itself. */
export const everyBit: number = (1 << single.length) - 1;

/** The bits that granting or denying a privilege decides: its own and those of its parts (RFC 3744 §3). */
export function bitsOf(privilege: Privilege): number {
  if (privilege === "all") return everyBit;
  let mask = bits.get(privilege) ?? 0;
  for (const part of parts[privilege] ?? []) mask |= bitsOf(part);
  return mask;
}

const required: ReadonlyMap<Privilege, number> = new Map(
  (["all", "write", "schedule-deliver", "schedule-send", ...single] as const).map((privilege) => [
    privilege,
    // DAV:read without read-free-busy is still reading: nobody denies the lesser to take the greater.
    bits.get(privilege) ?? bitsOf(privilege),
  ]),
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
