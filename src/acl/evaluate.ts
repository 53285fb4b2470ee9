import { Lru } from "../base/lru.ts";
import type { PrincipalUid } from "../model/ids.ts";
import type { Privilege } from "../model/privilege.ts";
import type { QName } from "../xml/element.ts";
import type { Ace, Who } from "./ace.ts";
import { bitsOf, everyBit, heldWith } from "./privileges.ts";

/** Who asks, as seen from one resource. */
export interface Asker {
  /** The user's uid, those of all groups that hold it, and of the proxy groups (`proxyUid`) it is in. Empty: not signed in. */
  readonly identities: ReadonlySet<PrincipalUid>;
  /** The resource's DAV:owner is the user. */
  readonly owner: boolean;
  /** The resource is the user's principal, or that of a group that holds the user. */
  readonly self: boolean;
  /** Other properties of the resource that name the user. */
  readonly properties?: ReadonlySet<QName>;
}

// Thousands of resources have a few dozen outcomes.
const outcomes = new Lru<number, ReadonlySet<Privilege>>({ maxEntries: 1024 });

const aceBits = new WeakMap<readonly Privilege[], number>();

function bitsOfAll(privileges: readonly Privilege[]): number {
  let mask = aceBits.get(privileges);
  if (mask === undefined) {
    mask = 0;
    for (const privilege of privileges) mask |= bitsOf(privilege);
    aceBits.set(privileges, mask);
  }
  return mask;
}

/** What the asker may do, by a resource's ACEs in order: own ones first, then inherited ones (`effectiveAces`). For each privilege the first
 *  ACE that is about the asker and names it, or an aggregate that contains it, decides; none means denied. Aggregates are in
 *  the answer when all their parts are. Pure; the answer is shared between callers. RFC 3744 §6 */
export function evaluate(aces: readonly Ace[], asker: Asker): ReadonlySet<Privilege> {
  let open = everyBit;
  let granted = 0;
  for (const entry of aces) {
    const decides = bitsOfAll(entry.privileges) & open;
    if (decides === 0 || isAbout(entry.who, asker) === entry.invert) continue;
    if (entry.grant) granted |= decides;
    open &= ~decides;
    if (open === 0) break;
  }
  let held = outcomes.peek(granted);
  if (held === undefined) {
    held = heldWith(granted);
    outcomes.set(granted, held);
  }
  return held;
}

function isAbout(who: Who, asker: Asker): boolean {
  switch (who.kind) {
    case "href":
      return asker.identities.has(who.uid);
    case "all":
      return true;
    case "authenticated":
      return asker.identities.size > 0;
    case "unauthenticated":
      return asker.identities.size === 0;
    case "self":
      return asker.self;
    case "owner":
      return asker.owner;
    case "property":
      return asker.properties?.has(who.property) ?? false;
    case "unknown":
      return false;
  }
}
