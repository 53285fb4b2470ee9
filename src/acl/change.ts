import type { PrincipalUid } from "../model/ids.ts";
import type { Privilege } from "../model/privilege.ts";
import { type Ace, principal, sameWho } from "./ace.ts";

/** Why an ACL request is refused (RFC 3744 §8.1.1). */
export type AclConflict =
  | "no-ace-conflict"
  | "no-protected-ace-conflict"
  | "not-supported-privilege"
  | "limited-number-of-aces"
  | "recognized-principal"
  | "allowed-principal";

/** Enough for a calendar shared with everybody one by one, and still read in a moment. */
export const maxAces = 1000;

/** What an ACL request makes of a resource's own ACEs (RFC 3744 §8.1): the requested ones instead of all that were neither
 *  protected nor inherited; the protected ones stay, in front. `current`: the resource's effective ACEs. `owner`: whom DAV:owner
 *  names. `supported`: what the
 *  resource knows. `inheritable`: on collections every new ACE holds for what is inside too.
 *
 *  Conflicts: a requested ACE that calls itself protected or inherited (no-ace-conflict), one about the same principal as a
 *  protected one of the resource or its ancestors (no-protected-ace-conflict). One about the same principal as an inherited
 *  ACE that is not protected overrides it, as RFC 3744 allows. Grants and denials stand in any order: the server declares no
 *  restriction of §5.6, so grant-only, no-invert, deny-before-grant and missing-required-principal are never the reason, nor
 *  is no-abstract: no privilege is abstract. */
export function replaceAcl(
  current: readonly Ace[],
  requested: readonly Ace[],
  owner: PrincipalUid,
  supported: ReadonlySet<Privilege>,
  inheritable: boolean,
): { readonly aces: readonly Ace[] } | { readonly conflict: AclConflict; readonly about: Ace | undefined } {
  if (requested.length > maxAces) return { conflict: "limited-number-of-aces", about: undefined };
  const protectedAces = current.filter((entry) => entry.protected);
  for (const entry of requested) {
    const conflict = conflictOf(entry, protectedAces, owner, supported);
    if (conflict !== undefined) return { conflict, about: entry };
  }
  const kept = protectedAces.filter((entry) => entry.inherited === undefined);
  return { aces: [...kept, ...requested.map((entry) => (inheritable ? { ...entry, inheritable: true } : entry))] };
}

function conflictOf(
  entry: Ace,
  protectedAces: readonly Ace[],
  owner: PrincipalUid,
  supported: ReadonlySet<Privilege>,
): AclConflict | undefined {
  if (entry.protected || entry.inherited !== undefined) return "no-ace-conflict";
  const meant = entry.who.kind === "owner" ? { ...entry, who: principal(owner) } : entry;
  if (protectedAces.some((fixed) => sameWho(fixed, meant))) return "no-protected-ace-conflict";
  if (entry.privileges.some((privilege) => !supported.has(privilege))) return "not-supported-privilege";
  if (entry.who.kind === "unknown") return "recognized-principal";
  // Only principals are anybody's self.
  return entry.who.kind === "self" ? "allowed-principal" : undefined;
}
