import type { PrincipalUid } from "../model/ids.ts";
import { normaliseAddress, type Principal, recordTypes } from "../model/principal.ts";
import type { Directory } from "./backend.ts";

/** What AdminPrincipals and ReadPrincipals give: everything everywhere, or reading everywhere. */
export type Role = "admin" | "reader" | "none";

export interface Roles {
  /** The principal's own, or that of a group it is in, directly or not. The stronger one. */
  of(principal: Principal): Promise<Role>;
}

export interface RoleSettings {
  /** Principals as `principalNamed` reads them. */
  readonly adminPrincipals: readonly string[];
  readonly readPrincipals: readonly string[];
  readonly warn: (message: string) => void;
}

/** Reads the two lists of the configuration against the directory, again whenever records change. An entry that is nobody is
 *  warned of once and waits until it is somebody. */
export function createRoles(directory: Directory, { adminPrincipals, readPrincipals, warn }: RoleSettings): Roles {
  const warned = new Set<string>();
  const isAmong = async (
    identities: ReadonlySet<PrincipalUid>,
    names: readonly string[],
    key: string,
  ): Promise<boolean> => {
    let found = false;
    for (const name of names) {
      const principal = await principalNamed(directory, name);
      if (principal === undefined && !warned.has(name)) {
        warned.add(name);
        warn(`${key}: there is no principal ${JSON.stringify(name)}`);
      }
      if (principal !== undefined && identities.has(principal.uid)) found = true;
    }
    return found;
  };
  // The directory gives the same set as long as its records stay: so do the answers, and they need no check of their own.
  const roles = new WeakMap<ReadonlySet<PrincipalUid>, Role>();
  return {
    async of(principal) {
      if (adminPrincipals.length + readPrincipals.length === 0) return "none";
      const identities = await directory.identities(principal);
      const known = roles.get(identities);
      if (known !== undefined) return known;
      const role = (await isAmong(identities, adminPrincipals, "AdminPrincipals"))
        ? "admin"
        : (await isAmong(identities, readPrincipals, "ReadPrincipals"))
          ? "reader"
          : "none";
      roles.set(identities, role);
      return role;
    },
  };
}

/** The principal that a text in the configuration or on a command line means: `/principals/__uids__/<GUID>/`,
 *  `/principals/<type>/<name>/` (also as a whole URL, percent-encoded or not, with or without the last slash),
 *  `<type>:<name>`, a GUID, or a calendar user address. */
export async function principalNamed(directory: Directory, text: string): Promise<Principal | undefined> {
  const path = /^(?:https?:\/\/[^/]+)?\/principals\/([^/]+)\/([^/]+)\/?$/i.exec(text.trim());
  const [, kind, name] = path ?? /^([a-z]+):([^/]+)$/.exec(text.trim()) ?? [];
  if (kind !== undefined && name !== undefined) {
    const decoded = path === null ? name : decoded1(name);
    if (kind === "__uids__") return directory.byUid(decoded as PrincipalUid);
    const type = recordTypes.find((known) => known === kind);
    if (type !== undefined) return directory.byShortName(type, decoded);
    if (path !== null) return undefined;
  }
  return (await directory.byUid(text.trim() as PrincipalUid)) ?? directory.byAddress(normaliseAddress(text));
}

function decoded1(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
