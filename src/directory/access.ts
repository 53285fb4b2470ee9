import type { PrincipalUid } from "../model/ids.ts";
import { normaliseAddress, type Principal, recordTypes } from "../model/principal.ts";
import type { Directory, DirectoryBackend } from "./backend.ts";
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

/** The groups that are access lists of Mac OS X Server: that for all services counts where it exists, else that for this one. */
const accessGroups = ["com.apple.access_all_services", "com.apple.access_calendar"] as const;

/** Who may use the service at all (EnableSACLs): the members, nested ones too, of the group that is its access list; everybody
 *  where neither group exists. A change of the directory counts at once. */
export interface ServiceAccess {
  /** Whether there is a list: then nobody may ask without signing in. */
  limited(): Promise<boolean>;
  allows(user: Principal): Promise<boolean>;
}

/** Reads the list in the directory. `records` says when it may have changed; the delegate database has nothing to do with it. */
export function serviceAccess(
  records: Pick<DirectoryBackend, "byShortName" | "generation">,
  directory: Pick<Directory, "identities">,
): ServiceAccess {
  let generation = -1;
  let list: Promise<Principal | undefined> = Promise.resolve(undefined);
  const find = async (): Promise<Principal | undefined> => {
    for (const name of accessGroups) {
      const group = await records.byShortName("groups", name);
      if (group !== undefined) return group;
    }
    return undefined;
  };
  const current = (): Promise<Principal | undefined> => {
    const now = records.generation();
    if (now !== generation) {
      generation = now;
      list = find();
      list.catch(() => {
        generation = -1;
      });
    }
    return list;
  };
  return {
    limited: async () => (await current()) !== undefined,
    allows: async (user) => {
      const group = await current();
      return group === undefined || (await directory.identities(user)).has(group.uid);
    },
  };
}

/** The principal that a text in the configuration or on a command line means: `/principals/__uids__/<GUID>/`,
 *  `/principals/<type>/<name>/` (also as a whole URL, percent-encoded or not, with or without the last slash),
 *  `<type>:<name>`, a GUID, or a calendar user address. */
export async function principalNamed(
  directory: Pick<Directory, "byUid" | "byShortName" | "byAddress">,
  text: string,
): Promise<Principal | undefined> {
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
