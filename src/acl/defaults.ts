import type { Href, PrincipalUid } from "../model/ids.ts";
import type { RecordType } from "../model/principal.ts";
import type { Privilege } from "../model/privilege.ts";
import { type Ace, ace, principal, proxyUid, sameWho, type Who } from "./ace.ts";

/** The places that have ACEs without anybody having set them. What lies in a home beside inbox and outbox has none of its
 *  own and inherits. */
export type AclPlace =
  | "root"
  /** `/principals/` and everything below except proxy groups. */
  | "principals"
  | "proxy-group"
  /** `/calendars/`, `/calendars/<type>/`, `/calendars/__uids__/`. */
  | "navigation"
  | "home"
  /** The home of a group: its members, nested ones too, may do everything there but set rights. */
  | "group-home"
  | "inbox"
  | "outbox"
  | "inside";

/** From the configuration. */
export interface AclSettings {
  /** AdminPrincipals: may do everything everywhere. */
  readonly admins: readonly PrincipalUid[];
  /** ReadPrincipals: may read every home. */
  readonly readers: readonly PrincipalUid[];
  readonly anonymousReadRoot: boolean;
  readonly anonymousReadNav: boolean;
  /** EnableProxyPrincipals. */
  readonly proxies: boolean;
}

/** Whether the rights in an owner's home come from the directory record alone, whichever client is used (the guide on group
 *  calendars): an ACL that was stored there does not count, and the ACL method is to be refused, to administrators as well. */
export const aclIsFixed = (owner: { readonly type: RecordType }): boolean => owner.type === "groups";

/** The place that an owner's home is. */
export const homePlace = (owner: { readonly type: RecordType }): AclPlace =>
  owner.type === "groups" ? "group-home" : "home";

const everybody: Who = { kind: "all" };
const authenticated: Who = { kind: "authenticated" };

const all: readonly Privilege[] = ["all"];
const read: readonly Privilege[] = ["read", "read-current-user-privilege-set"];
const readWrite: readonly Privilege[] = ["read", "read-current-user-privilege-set", "write"];
const share: readonly Privilege[] = [...readWrite, "schedule-send", "schedule"];
const readAcl: readonly Privilege[] = ["read", "read-acl", "read-current-user-privilege-set"];
const freeBusy: readonly Privilege[] = ["read-free-busy"];
const writeProperties: readonly Privilege[] = ["write-properties"];
const deliver: readonly Privilege[] = ["schedule-deliver", "schedule"];
const send: readonly Privilege[] = ["schedule-send", "schedule"];

const fixed = { protected: true } as const;
const handed = { protected: true, inheritable: true } as const;

/** `own`: what the owner has there; a group's members are the group. */
const homeAces = (
  { admins, readers, proxies }: AclSettings,
  owner: PrincipalUid | undefined,
  own: readonly Privilege[],
): readonly Ace[] => [
  ...(owner === undefined ? [] : [ace(principal(owner), true, own, handed)]),
  ace(authenticated, true, freeBusy, { inheritable: true }),
  ...readers.map((uid) => ace(principal(uid), true, read, handed)),
  ...admins.map((uid) => ace(principal(uid), true, all, handed)),
  ...(owner === undefined || !proxies
    ? []
    : [
        ace(principal(proxyUid(owner, "read")), true, read, handed),
        ace(principal(proxyUid(owner, "write")), true, readWrite, handed),
      ]),
];

type Defaults = (settings: AclSettings, owner: PrincipalUid | undefined) => readonly Ace[];

const places: Readonly<Record<AclPlace, Defaults>> = {
  root: ({ admins, anonymousReadRoot }) => [
    ace(anonymousReadRoot ? everybody : authenticated, true, read, fixed),
    ...admins.map((uid) => ace(principal(uid), true, all, handed)),
  ],
  // The original left out read-current-user-privilege-set here, and so told no client what it may do with a principal.
  principals: () => [ace(authenticated, true, read, fixed)],
  "proxy-group": ({ admins }, owner) => [
    ace(authenticated, true, read, fixed),
    ...(owner === undefined ? [] : [ace(principal(owner), true, writeProperties, fixed)]),
    ...admins.map((uid) => ace(principal(uid), true, all, fixed)),
  ],
  navigation: ({ admins, anonymousReadNav }) => [
    ace(anonymousReadNav ? everybody : authenticated, true, read, fixed),
    ...admins.map((uid) => ace(principal(uid), true, readAcl, fixed)),
  ],
  home: (settings, owner) => homeAces(settings, owner, all),
  "group-home": (settings, owner) => homeAces(settings, owner, share),
  inbox: () => [ace(authenticated, true, deliver)],
  outbox: ({ proxies }, owner) =>
    owner === undefined || !proxies ? [] : [ace(principal(proxyUid(owner, "write")), true, send, fixed)],
  inside: () => [],
};

/** The ACEs that a place has by itself, those of Calendar Server 2.4. `owner`: whose home or proxy group it is. */
export const defaultAces = (place: AclPlace, settings: AclSettings, owner?: PrincipalUid): readonly Ace[] =>
  places[place](settings, owner);

/** A resource's own ACEs: the protected defaults stay whatever was stored; the others hold until somebody sets an ACL. With an ACL
 *  the original stored the protected ACEs of that day too; the ones of today count. */
export function withStored(defaults: readonly Ace[], stored: readonly Ace[] | undefined): readonly Ace[] {
  if (stored === undefined) return defaults;
  const fixed = defaults.filter((entry) => entry.protected);
  const told = stored.filter((entry) => !entry.protected || !fixed.some((one) => sameWho(one, entry)));
  return fixed.length === 0 && told.length === stored.length ? stored : [...fixed, ...told];
}

/** What the descendants of a resource at `from` inherit of its ACEs: the inheritable ones, marked with where they come from. */
export const handedDown = (aces: readonly Ace[], from: Href): readonly Ace[] =>
  aces.filter((entry) => entry.inheritable).map((entry) => ({ ...entry, inherited: entry.inherited ?? from }));

/** Own ACEs, then what the ancestors hand down, the nearest first: the order in which `evaluate` wants them. `ancestors` carry their own
 *  ACEs only. */
export const effectiveAces = (
  own: readonly Ace[],
  ancestors: readonly { readonly href: Href; readonly aces: readonly Ace[] }[],
): readonly Ace[] => [...own, ...ancestors.flatMap(({ href, aces }) => handedDown(aces, href))];
