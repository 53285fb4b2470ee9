import type { PrincipalUid } from "../model/ids.ts";
import { normaliseAddress, type Principal, recordTypes } from "../model/principal.ts";
import type { Directory } from "./backend.ts";
import { DirectoryUnavailable } from "./unavailable.ts";

/** Reads a list of the configuration (AdminPrincipals, ReadPrincipals) against the directory: call the result again whenever
 *  records may have changed. Entries are what `principalNamed` reads; one that is nobody is left out until it is somebody,
 *  and `warn` hears of it once. So is one that cannot be asked for at the moment. `key` names the list in that message. */
export function principalList(
  directory: Directory,
  key: string,
  entries: readonly string[],
  warn: (message: string) => void,
): () => Promise<readonly PrincipalUid[]> {
  const warned = new Set<string>();
  return async () => {
    const uids = new Set<PrincipalUid>();
    for (const entry of entries) {
      const principal = await principalNamed(directory, entry).catch((error) => {
        // Nobody can do without this list. The directory's generation changes when it can be asked again.
        if (error instanceof DirectoryUnavailable) return "unavailable" as const;
        throw error;
      });
      if (principal === "unavailable") continue;
      if (principal !== undefined) uids.add(principal.uid);
      else if (!warned.has(entry)) {
        warned.add(entry);
        warn(`${key}: there is no principal ${JSON.stringify(entry)}`);
      }
    }
    return [...uids];
  };
}

/** The principal that a text in the configuration or on a command line means: `/principals/__uids__/<GUID>/`,
 *  `/principals/<type>/<name>/` (also as a whole URL, percent-encoded or not, with or without the last slash),
 *  `<type>:<name>`, a GUID, or a calendar user address. */
export async function principalNamed(directory: Directory, text: string): Promise<Principal | undefined> {
  const path = /^(?:https?:\/\/[^/]+)?\/principals\/([^/]+)\/([^/]+)\/?$/i.exec(text.trim());
  const [, kind, name] = path ?? /^([a-z]+):([^/]+)$/.exec(text.trim()) ?? [];
  if (kind !== undefined && name !== undefined) {
    const decoded = path === null ? name : decodedSegment(name);
    if (kind === "__uids__") return directory.byUid(decoded as PrincipalUid);
    const type = recordTypes.find((known) => known === kind);
    if (type !== undefined) return directory.byShortName(type, decoded);
    if (path !== null) return undefined;
  }
  return (await directory.byUid(text.trim() as PrincipalUid)) ?? directory.byAddress(normaliseAddress(text));
}

function decodedSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
