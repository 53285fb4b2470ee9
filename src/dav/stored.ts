import { SHARING } from "../sharing/names.ts";
import { namespaceOf, type QName, TWISTED, TWISTED_PRIVATE } from "../xml/element.ts";

/** What the original kept beside a resource for itself, and what this server keeps of shares, is nobody's to see or set. */
export function isHidden(name: QName): boolean {
  const namespace = namespaceOf(name);
  return namespace === TWISTED || namespace === TWISTED_PRIVATE || namespace === SHARING;
}
