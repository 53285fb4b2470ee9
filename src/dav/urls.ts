import type { Directory } from "../directory/backend.ts";
import { HttpError } from "../http/message.ts";
import { decodePath, encodeSegment, parseReference } from "../http/uri.ts";
import type { Href, PrincipalUid } from "../model/ids.ts";
import { type Principal, type RecordType, recordTypes } from "../model/principal.ts";
import type { CollectionRef } from "../store/contract.ts";
import type { Urls } from "./registry.ts";

/** Last segment of a calendar's add-member URL (RFC 5995); no object may have this name. */
export const addMemberName = ";add-member";

/** The segment below /principals/ and /calendars/ that holds everybody by uid. */
export const uidsName = "__uids__";

export const isRecordType = (name: string): name is RecordType => (recordTypes as readonly string[]).includes(name);

/** The name that an href ends in, decoded; "" for "/". */
export function lastSegment(href: Href): string {
  const end = href.endsWith("/") ? href.length - 1 : href.length;
  const segment = href.slice(href.lastIndexOf("/", end - 1) + 1, end);
  return segment.includes("%") ? decodeURIComponent(segment) : segment;
}

/** The principal that the segments below /principals/ name, by uid or by short name. */
export async function principalAt(directory: Directory, type: string, name: string): Promise<Principal | undefined> {
  if (type === uidsName) return directory.byUid(name as PrincipalUid);
  return isRecordType(type) ? directory.byShortName(type, name) : undefined;
}

/** The segments of an href that is a path, or a URL whatever its host: behind a proxy the name a client uses is not known
 *  here. undefined for what is no address at all. */
export function segmentsOf(href: string): { readonly rawPath: string; readonly path: readonly string[] } | undefined {
  const reference = parseReference(href);
  if (reference === undefined) return undefined;
  try {
    return { rawPath: reference.rawPath, path: decodePath(reference.rawPath) };
  } catch (error) {
    if (error instanceof HttpError) return undefined;
    throw error;
  }
}

/** A principal's canonical address. */
export const principalHref = (uid: PrincipalUid): Href => `/principals/${uidsName}/${encodeSegment(uid)}/` as Href;
export const proxyGroupHref = (owner: PrincipalUid, access: "read" | "write"): Href =>
  `${principalHref(owner)}calendar-proxy-${access}/` as Href;

/** The canonical addresses of a server in the Darwin layout. */
export function makeUrls(directory: Directory): Urls {
  const principal = ({ uid }: Pick<Principal, "uid">): Href => principalHref(uid);
  const collection = ({ owner, path }: CollectionRef): Href => {
    let href = `/calendars/${uidsName}/${encodeSegment(owner.uid)}/`;
    for (const name of path) href += `${encodeSegment(name)}/`;
    return href as Href;
  };
  return {
    principal,
    proxyGroup: (owner, access) => proxyGroupHref(owner.uid, access),
    aliases: (of) => [principal(of), `/principals/${of.type}/${encodeSegment(of.shortName)}/` as Href],
    home: (owner) => collection({ owner, path: [] }),
    collection,
    member: (ref, name) => (collection(ref) + encodeSegment(name)) as Href,
    principalOf: async (href) => {
      const [place, type, name, ...below] = segmentsOf(href)?.path ?? [];
      if (place !== "principals" || type === undefined || name === undefined || below.length > 0) return undefined;
      return principalAt(directory, type, name);
    },
  };
}
