import { HttpError } from "../../http/message.ts";
import type { Utc } from "../../model/ids.ts";
import type { Lock } from "../../model/lock.ts";
import { child, dav, type Element, el, elements, href } from "../../xml/element.ts";
import { readXmlCached } from "../../xml/read.ts";
import { writeXml } from "../../xml/write.ts";

/** What a LOCK asks for. */
export interface LockInfo {
  readonly shared: boolean;
  /** As in `Lock`. */
  readonly owner: string;
}

/** It is kept with the lock and told with every listing of properties. Clients send a name or an address. */
const longestOwner = 4096;

/** Reads DAV:lockinfo (RFC 4918 §14.11). Throws HttpError: 400 for what it does not describe, 413 for a DAV:owner that is too long. */
export function lockInfoOf(root: Element): LockInfo {
  if (root.name !== dav("lockinfo"))
    throw new HttpError(400, `the body of a LOCK must be a DAV:lockinfo, found ${root.name}`);
  const inside = (name: "lockscope" | "locktype"): string | undefined => {
    const element = child(root, dav(name));
    return element && elements(element)[0]?.name;
  };
  if (inside("locktype") !== dav("write")) throw new HttpError(400, "the DAV:locktype of a lock is DAV:write");
  const scope = inside("lockscope");
  if (scope !== dav("exclusive") && scope !== dav("shared"))
    throw new HttpError(400, "the DAV:lockscope of a lock is DAV:exclusive or DAV:shared");
  const element = child(root, dav("owner"));
  const owner = element === undefined ? "" : writeXml(element);
  const length = Buffer.byteLength(owner);
  if (length > longestOwner)
    throw new HttpError(413, `the DAV:owner of a lock may have at most ${longestOwner} bytes, found ${length}`);
  return { shared: scope === dav("shared"), owner };
}

const exclusive = el(dav("exclusive"));
const shared = el(dav("shared"));
const write = el(dav("locktype"), el(dav("write")));
const scopeOf = (isShared: boolean): Element => el(dav("lockscope"), isShared ? shared : exclusive);

/** The two kinds of locks there are (RFC 4918 §14.10). */
export const lockEntries: readonly Element[] = [exclusive, shared].map((scope) =>
  el(dav("lockentry"), el(dav("lockscope"), scope), write),
);

/** A lock as DAV:lockdiscovery tells it (RFC 4918 §14.1). Who may not write learns that it is locked and for how long, not by
 *  whom (§15.8). */
export function activeLock(lock: Lock, now: Utc, full: boolean): Element {
  const children: Element[] = [scopeOf(lock.shared), write, el(dav("depth"), lock.deep ? "infinity" : "0")];
  if (full && lock.owner !== "") children.push(readXmlCached(lock.owner));
  children.push(el(dav("timeout"), `Second-${Math.min(lock.timeout, Math.max(0, lock.expires - now))}`));
  if (full) children.push(el(dav("locktoken"), href(lock.token)));
  children.push(el(dav("lockroot"), href(lock.root)));
  return el(dav("activelock"), ...children);
}
