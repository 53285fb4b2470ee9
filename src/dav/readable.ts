import type { Href } from "../model/ids.ts";
import type { Privilege } from "../model/privilege.ts";
import type { ObjectEntry } from "../store/contract.ts";
import { memberResource, type OwnedCollection } from "./children.ts";
import type { Context } from "./registry.ts";
import { resolveHref } from "./resolve.ts";

/** Whether the asker may read what an href means; where nothing is, what it would lie in. */
export async function isReadable(address: Href, context: Context): Promise<boolean> {
  const found = await resolveHref(address, context);
  return found !== undefined && (await context.privileges(found)).has("read");
}

/** The rows of a page that the asker holds the privilege on, where the collection's own has been asked. Members without an ACL and
 *  without an access restriction have one answer, so a page of them costs one question. */
export async function withPrivilege(
  parent: OwnedCollection,
  page: readonly ObjectEntry[],
  privilege: Privilege,
  context: Context,
): Promise<readonly ObjectEntry[]> {
  const holds = async (entry: ObjectEntry): Promise<boolean> =>
    (await context.privileges(memberResource(parent, entry))).has(privilege);
  const special = (entry: ObjectEntry): boolean => entry.hasAcl || entry.access !== undefined;
  const plain = page.find((entry) => !special(entry));
  const plainOnes = plain === undefined || (await holds(plain));
  if (!page.some(special)) return plainOnes ? page : [];
  const kept: ObjectEntry[] = [];
  for (const entry of page) if (special(entry) ? await holds(entry) : plainOnes) kept.push(entry);
  return kept;
}
