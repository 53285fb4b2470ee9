import type { Element, QName } from "../xml/element.ts";

/** A property that a server of 2008 stored as a Python pickle. */
export function unpickleProperty(name: QName, bytes: Buffer): Element {
  throw new Error(`${name}: neither XML nor deflated XML (${bytes.length} bytes)`);
}
