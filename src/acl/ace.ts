import type { Href, PrincipalUid } from "../model/ids.ts";
import type { Privilege } from "../model/privilege.ts";
import type { QName } from "../xml/element.ts";

/** Whom an ACE is about (RFC 3744 §5.5.1). */
export type Who =
  /** A principal by its uid; a proxy group by `proxyUid`. Groups mean their members, nested ones too. */
  | { readonly kind: "href"; readonly uid: PrincipalUid }
  /** Everybody; who signed in; who did not. */
  | { readonly kind: "all" | "authenticated" | "unauthenticated" }
  /** On a principal resource: that principal, or a member of that group. */
  | { readonly kind: "self" }
  /** The principal that the resource's DAV:owner names. */
  | { readonly kind: "owner" }
  /** The principal that another property of the resource names. */
  | { readonly kind: "property"; readonly property: QName }
  /** An href that is (no longer) a principal's: nobody. */
  | { readonly kind: "unknown"; readonly href: string };

/** An access control entry (RFC 3744 §5.5). */
export interface Ace {
  readonly who: Who;
  /** About everybody else. */
  readonly invert: boolean;
  /** false: deny. */
  readonly grant: boolean;
  readonly privileges: readonly Privilege[];
  /** The resource it is inherited from; undefined: the resource's own. */
  readonly inherited: Href | undefined;
  /** Cannot be changed by ACL. */
  readonly protected: boolean;
  /** Holds for everything below too. Never shown to clients; stored as an attribute-like child of the ACE by the original. */
  readonly inheritable: boolean;
}

/** What an ACE has beside who, what and grant or deny; all false unless said. */
export interface AceFlags {
  readonly invert?: boolean;
  readonly protected?: boolean;
  readonly inheritable?: boolean;
  readonly inherited?: Href;
}

/** An ACE. */
export const ace = (who: Who, grant: boolean, privileges: readonly Privilege[], flags: AceFlags = {}): Ace => ({
  who,
  invert: flags.invert ?? false,
  grant,
  privileges,
  inherited: flags.inherited,
  protected: flags.protected ?? false,
  inheritable: flags.inheritable ?? false,
});

/** A principal by uid. */
export const principal = (uid: PrincipalUid): Who => ({ kind: "href", uid });

/** The uid that stands for a proxy group, in ACEs and among the identities of those in it: as in the original's
 *  `/principals/__uids__/<UID>%23calendar-proxy-read/`. */
export const proxyUid = (owner: PrincipalUid, access: "read" | "write"): PrincipalUid =>
  `${owner}#calendar-proxy-${access}` as PrincipalUid;

const proxySuffixes = ["#calendar-proxy-read", "#calendar-proxy-write"] as const;

/** The owner and access of a proxy group's uid; undefined for any other. */
export function parseProxyUid(
  uid: PrincipalUid,
): { readonly owner: PrincipalUid; readonly access: "read" | "write" } | undefined {
  for (const suffix of proxySuffixes)
    if (uid.length > suffix.length && uid.endsWith(suffix))
      return {
        owner: uid.slice(0, -suffix.length) as PrincipalUid,
        access: suffix === proxySuffixes[1] ? "write" : "read",
      };
  return undefined;
}

/** Whether two ACEs are about the same principals. */
export const sameWho = (a: Ace, b: Ace): boolean =>
  a.invert === b.invert &&
  a.who.kind === b.who.kind &&
  (a.who.kind !== "href" || b.who.kind !== "href" || a.who.uid === b.who.uid) &&
  (a.who.kind !== "property" || b.who.kind !== "property" || a.who.property === b.who.property) &&
  (a.who.kind !== "unknown" || b.who.kind !== "unknown" || a.who.href === b.who.href);
