import { yieldToLoop } from "../base/stream.ts";
import { dropboxFolder, managedFolder } from "../dav/attachments/boxes.ts";
import { unfolded } from "../ical/slices.ts";
import { isManagedId } from "../itip/attach.ts";
import type { Principal } from "../model/principal.ts";
import { calendarsIn, filesOf } from "../store/census.ts";
import type { StoredHome } from "../store/homes.ts";
import type { PropertyStore } from "../store/properties.ts";

/** What events refer to in drop boxes, whoever's: `users/alice/<box>` and `users/alice/managed/<id>`, as the addresses say it. */
export type References = ReadonlySet<string>;

/** An attachment's address from the kind of principal on. */
const address =
  /\/calendars\/([^/\s"]{1,100})\/([^/\s"]{1,300})\/dropbox\/([^/\s";,]{1,300})(?:\/([^/\s";,]{1,300}))?/g;

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
};

/** What the events in the calendars of these homes refer to. Every file is read; an inbox keeps nothing alive. */
export async function referencesIn(homes: Iterable<string>, properties: PropertyStore): Promise<References> {
  const found = new Set<string>();
  for (const home of homes)
    for await (const { path } of calendarsIn(home, properties))
      for await (const { text } of filesOf(path)) {
        await yieldToLoop();
        const whole = text === undefined ? "" : unfolded(text);
        if (!whole.includes(`/${dropboxFolder}/`)) continue;
        for (const [, type = "", name = "", box = "", file = ""] of whole.matchAll(address))
          found.add(keyOf(decoded(type), decoded(name), decoded(box), decoded(file)));
      }
  return found;
}

const keyOf = (type: string, name: string, box: string, file: string): string =>
  `${type}/${name}/${box === managedFolder ? `${box}/${file.slice(0, 32)}` : box}`;

/** Whether there is a reference to a box of a home, or to the file of a managed attachment or its note. Every name counts by which its
 *  owner is called or was: a reference is rather taken to mean him than not. */
export function isReferredTo(
  { owner, named }: Pick<StoredHome, "owner" | "named">,
  principal: Principal | undefined,
  [box, file = ""]: readonly [box: string, file?: string],
  references: References,
): boolean {
  const names: (readonly [string, string])[] = [];
  if (owner !== undefined) names.push(["__uids__", owner]);
  if (named !== undefined) names.push([named.type, named.name]);
  if (principal !== undefined) names.push(["__uids__", principal.uid], [principal.type, principal.shortName]);
  return names.some(([type, name]) => references.has(keyOf(type, name, box, file)));
}

/** Whether a file of the folder of managed attachments is one, or the note of one. */
export const isManagedFile = (name: string): boolean => isManagedId(name.slice(0, 32));
