import { principalNamed } from "../../directory/access.ts";
import type { PrincipalUid } from "../../model/ids.ts";
import type { Principal } from "../../model/principal.ts";
import type { Services } from "../registry.ts";

/** Whom an address in a CS:share means. */
export interface ShareeFound {
  /** What the address itself says when the directory knows nobody (any more). */
  readonly uid: PrincipalUid;
  readonly principal: Principal | undefined;
  /** Why nobody can be invited there. */
  readonly problem: string | undefined;
}

/** Reads a calendar user address, a mail address or a principal's URL (caldav-sharing §5.3.2). */
export async function shareeAt(address: string, owner: Principal, { directory }: Services): Promise<ShareeFound> {
  const mail = /^[^\s:/@]+@[^\s:/@]+$/.test(address) ? `mailto:${address}` : address;
  const principal = await principalNamed(directory, mail);
  if (principal === undefined) {
    const uid = /^urn:uuid:(.+)$/i.exec(address)?.[1] ?? address;
    return { uid: uid as PrincipalUid, principal, problem: "is no calendar user of this server" };
  }
  const problem = !principal.calendaring
    ? "has no calendars"
    : principal.uid === owner.uid
      ? "owns the calendar"
      : undefined;
  return { uid: principal.uid, principal, problem };
}
