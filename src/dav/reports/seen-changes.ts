import { encodeSegment } from "../../http/uri.ts";
import type { Changes, ObjectEntry } from "../../store/contract.ts";
import type { OwnedCollection } from "../children.ts";
import { seesEverything } from "../privacy.ts";
import type { Context } from "../registry.ts";
import { memberResource } from "../resolve.ts";
import type { Resource } from "../resource.ts";

/** What one who synchronises is told of a collection's changes. */
export interface SeenChanges {
  readonly changed: readonly Resource[];
  /** Hrefs. */
  readonly removed: readonly string[];
}

/** The changes as the asker may see them. A member that the asker may not read (any more) is gone for them, if they may have
 *  known it, and never was there otherwise: no name of what was PRIVATE from its beginning is told. `first`: it is the first
 *  synchronisation, so nothing is known. */
export async function seenChanges(
  parent: OwnedCollection,
  { changed, removed, unheard }: Changes,
  first: boolean,
  context: Context,
): Promise<SeenChanges> {
  const all = await seesEverything(parent.owner, context);
  const known = (name: string): boolean => !first && (all || !unheard.has(name));
  const hrefOf = (name: string): string => parent.href + encodeSegment(name);
  const seen: Resource[] = [];
  const gone = removed.filter(known).map(hrefOf);
  for (const entry of changed) {
    const resource = memberResource(parent, entry);
    if (inherits(entry) || (await context.privileges(resource)).has("read")) seen.push(resource);
    else if (known(entry.name)) gone.push(hrefOf(entry.name));
  }
  return { changed: seen, removed: gone };
}

/** Whether the collection's rights are the member's: whoever may ask for the report may read it. */
const inherits = ({ hasAcl, access }: ObjectEntry): boolean => !hasAcl && access === undefined;
