import { deflateSync, inflateSync } from "node:zlib";
import { type Element, localOf, namespaceOf, type QName } from "../xml/element.ts";
import { readXml } from "../xml/read.ts";
import { writeXml } from "../xml/write.ts";
import { unpickleProperty } from "./pickle.ts";

// Darwin's names: prefix + percent-encoded Clark name. Linux allows only names that begin with "user.".
const writtenPrefix = "user.";
// Longest first: the rewritten store of December 2010, then 1.x to 3.0 on Linux, then Mac OS X.
const readPrefixes = ["user.WebDAV:", "user.", "WebDAV:"] as const;

// The file backend of 3.0 shortened six namespaces.
const shortened: Readonly<Record<string, string>> = {
  "CALDAV:": "urn:ietf:params:xml:ns:caldav",
  "CARDDAV:": "urn:ietf:params:xml:ns:carddav",
  "CS:": "http://calendarserver.org/ns/",
  "ME:": "http://me.com/_namespace/",
  "TD:": "http://twistedmatrix.com/xml_namespace/dav/",
  "TDP:": "http://twistedmatrix.com/xml_namespace/dav/private/",
};

/** Name of the extended attribute that holds a property (darwin: letters, digits and `_ . - { } :` stay, all else is %XX). */
export const attributeOf = (name: QName): string =>
  writtenPrefix +
  name.replace(/[^A-Za-z0-9_.\-{}:]/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );

/** The property an attribute holds, in any of the spellings the original servers wrote; undefined for other attributes and
 *  for one user's own values (3.0 put the user's uid before the brace). */
export function propertyOf(attribute: string): QName | undefined {
  const prefix = readPrefixes.find((candidate) => attribute.startsWith(candidate));
  if (prefix === undefined) return undefined;
  const rest = attribute.slice(prefix.length);
  if (rest.startsWith("{")) {
    const text = decode(rest);
    const close = text?.indexOf("}") ?? -1;
    return text !== undefined && close > 0 && close < text.length - 1 ? (text as QName) : undefined;
  }
  const colon = rest.indexOf(":") + 1;
  const namespace = shortened[rest.slice(0, colon)];
  const local = decode(rest.slice(colon));
  return namespace !== undefined && local ? `{${namespace}}${local}` : undefined;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Deflated XML document whose root is the property itself: the original's generations 2 and 4. */
export const encodeValue = (value: Element): Buffer => deflateSync(writeXml(value));

/** Reads all four generations: plain XML, deflated XML, and pickles of 2008, deflated or not. Throws when it is none. */
export function decodeValue(name: QName, bytes: Buffer): Element {
  let plain = bytes;
  // 0x78 begins every zlib stream the originals wrote; anything else is text or a bare pickle.
  if (bytes[0] === 0x78) plain = inflateSync(bytes, { maxOutputLength: 4 << 20 });
  const first = plain.find((byte) => byte > 0x20);
  if (first === 0x3c || first === 0xef) {
    const element = readXml(plain);
    return element.name === name ? element : { ...element, name };
  }
  return unpickleProperty(name, plain);
}

/** For messages. */
export const describeProperty = (name: QName): string => `${localOf(name)} (${namespaceOf(name)})`;
