import type { Privilege } from "../model/privilege.ts";
import { type Ace, sameWho } from "./ace.ts";

/** Why an ACL request is refused (RFC 3744 §8.1.1); recognized-principal is the caller's to find, who knows the principals. */
export type AclConflict =
  | "no-ace-conflict"
  | "no-protected-ace-conflict"
  | "not-supported-privilege"
  | "limited-number-of-aces";

/** Enough for a calendar shared with everybody one by one, and still read in a moment. */
export const maxAces = 1000;

/** What an ACL request makes of a resource's own ACEs (RFC 3744 §8.1): the requested ones instead of all that were neither
 *  protected nor inherited; the protected ones stay, in front. `current`: the resource's effective ACEs. `supported`: what the
 *  resource knows. `inheritable`: on calendars, inboxes, outboxes and drop boxes every new ACE holds for the members too.
 *
 *  Conflicts: a requested ACE that calls itself protected or inherited (no-ace-conflict), one about the same principal as a
 *  protected one of the resource or its ancestors (no-protected-ace-conflict). The order of grants and denials is free: the
 *  server declares no deny-before-grant restriction (§5.6.3). */
export function replaceAcl(
  current: readonly Ace[],
  requested: readonly Ace[],
  supported: ReadonlySet<Privilege>,
  inheritable: boolean,
): { readonly aces: readonly Ace[] } | { readonly conflict: AclConflict } {
  if (requested.length > maxAces) return { conflict: "limited-number-of-aces" };
  const protectedAces = current.filter((entry) => entry.protected);
  for (const entry of requested) {
    if (entry.protected || entry.inherited !== undefined) return { conflict: "no-ace-conflict" };
    if (protectedAces.some((fixed) => sameWho(fixed, entry))) return { conflict: "no-protected-ace-conflict" };
    if (entry.privileges.some((privilege) => !supported.has(privilege))) return { conflict: "not-supported-privilege" };
  }
  const kept = protectedAces.filter((entry) => entry.inherited === undefined);
  return { aces: [...kept, ...requested.map((entry) => (inheritable ? { ...entry, inheritable: true } : entry))] };
}
