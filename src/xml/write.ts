import { Lru } from "../base/lru.ts";
import {
  CALDAV,
  CS,
  DAV,
  type Element,
  ICAL,
  localOf,
  namespaceOf,
  type QName,
  XML,
  type XmlValue,
} from "./element.ts";

/** What every document begins with. */
export const xmlDeclaration = '<?xml version="1.0" encoding="utf-8"?>\n';

// Prefixes never change: some clients of the 2000s look for "D:href" with a regular expression.
const prefixes: ReadonlyMap<string, string> = new Map([
  [DAV, "D:"],
  [CALDAV, "C:"],
  [CS, "CS:"],
  [ICAL, "A:"],
]);

const declarationOf = ([uri, prefix]: readonly [string, string]): string => ` xmlns:${prefix.slice(0, -1)}="${uri}"`;

/** The declarations of all fixed prefixes, with a leading blank, for the root of a streamed document:
 *  `<D:multistatus${rootNamespaces}>`. */
export const rootNamespaces: string = [...prefixes].map(declarationOf).join("");

const special = /[&<>\r\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\ud800-\udfff]/;
const specialButReturn = /[&<>\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\ud800-\udfff]/;
const specialInAttribute = /[&<>"\t\n\r\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\ud800-\udfff]/;
// With the u flag a surrogate matches only when it has lost its other half.
const everySpecial = /[&<>\r\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\ud800-\udfff]/gu;
const everySpecialInAttribute = /[&<>"\t\n\r\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\ud800-\udfff]/gu;

const references: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\t": "&#9;",
  "\n": "&#10;",
  "\r": "&#13;",
};
const reference = (character: string): string => references[character] ?? "\ufffd";

/** Text as it stands between tags. CR becomes a reference, or readers would take it for a line end and calendar data would not
 *  keep its bytes (XML 1.0 §2.11); what XML cannot hold at all becomes U+FFFD. */
export function escapeText(text: string): string {
  if (!special.test(text)) return text;
  // Calendar data, nearly always: nothing special but its line ends. Twice as fast.
  if (!specialButReturn.test(text)) return text.replaceAll("\r", "&#13;");
  return text.replace(everySpecial, reference);
}

/** A value as it stands between double quotes; line ends and tabs become references, or readers would make them blanks. */
export const escapeAttribute = (text: string): string =>
  specialInAttribute.test(text) ? text.replace(everySpecialInAttribute, reference) : text;

/** The tags of an element without attributes. */
export interface Tags {
  readonly open: string;
  readonly close: string;
  readonly empty: string;
  /** The default namespace inside. */
  readonly inner: string;
}

// The server's own names fit many times over; names that clients make up must not grow it for ever.
const knownTags = new Lru<QName, Tags>({ maxEntries: 2048 });

/** The tags of an element below `rootNamespaces`; a namespace without fixed prefix is declared on the element, as the default. */
export function tagOf(name: QName): Tags {
  // Not `get`: a use counted for each of thousands of properties would cost more than it is worth.
  const known = knownTags.peek(name);
  if (known !== undefined) return known;
  const tags = tagsIn(name, "");
  knownTags.set(name, tags);
  return tags;
}

function tagsIn(name: QName, around: string): Tags {
  const namespace = namespaceOf(name);
  const prefix = namespace === XML ? "xml:" : prefixes.get(namespace);
  const written = (prefix ?? "") + localOf(name);
  const declared = prefix === undefined && namespace !== around ? ` xmlns="${escapeAttribute(namespace)}"` : "";
  return {
    open: `<${written}${declared}>`,
    close: `</${written}>`,
    empty: `<${written}${declared}/>`,
    inner: prefix === undefined ? namespace : around,
  };
}

/** A property as it stands in `<D:prop>` below `rootNamespaces`. undefined and "" give an empty element. */
export function propertyMarkup(name: QName, value: XmlValue | undefined): string {
  const tags = tagOf(name);
  if (value === undefined) return tags.empty;
  const inside =
    typeof value === "string"
      ? escapeText(value)
      : "name" in value
        ? markup(value, tags.inner)
        : listMarkup(value, tags.inner);
  return inside === "" ? tags.empty : tags.open + inside + tags.close;
}

/** An element or text as it stands below `rootNamespaces`. */
export const serialize = (node: Element | string): string => markup(node, "");

function listMarkup(nodes: readonly (Element | string)[], around: string): string {
  let text = "";
  for (const node of nodes) text += markup(node, around);
  return text;
}

function markup(node: Element | string, around: string): string {
  if (typeof node === "string") return escapeText(node);
  const tags = around === "" ? tagOf(node.name) : tagsIn(node.name, around);
  const attributes = attributeMarkup(node);
  const inside = listMarkup(node.children, tags.inner);
  if (attributes === "") return inside === "" ? tags.empty : tags.open + inside + tags.close;
  if (inside === "") return `${tags.empty.slice(0, -2)}${attributes}/>`;
  return `${tags.open.slice(0, -1)}${attributes}>${inside}${tags.close}`;
}

function attributeMarkup(element: Element): string {
  let text = "";
  let made = 0;
  for (const name in element.attributes) {
    const value = escapeAttribute(element.attributes[name] ?? "");
    if (!name.startsWith("{")) {
      text += ` ${name}="${value}"`;
      continue;
    }
    const namespace = namespaceOf(name as QName);
    const local = localOf(name as QName);
    const prefix = namespace === XML ? "xml:" : namespace === "" ? "" : prefixes.get(namespace);
    if (prefix !== undefined) text += ` ${prefix}${local}="${value}"`;
    else {
      // The default namespace does not hold for attributes, so they need a prefix, made here and valid here only.
      text += ` xmlns:n${made}="${escapeAttribute(namespace)}" n${made}:${local}="${value}"`;
      made += 1;
    }
  }
  return text;
}

function collectNamespaces(element: Element, into: Set<string>): void {
  into.add(namespaceOf(element.name));
  for (const name in element.attributes) if (name.startsWith("{")) into.add(namespaceOf(name as QName));
  for (const node of element.children) if (typeof node !== "string") collectNamespaces(node, into);
}

/** An element that stands alone, without XML declaration: the fixed prefixes it needs are declared on it. */
export function serializeAlone(root: Element): string {
  const used = new Set<string>();
  collectNamespaces(root, used);
  let declarations = "";
  for (const entry of prefixes) if (used.has(entry[0])) declarations += declarationOf(entry);
  const text = markup(root, "");
  const nameEnd = text.search(/[\s/>]/);
  return text.slice(0, nameEnd) + declarations + text.slice(nameEnd);
}

/** A whole document in UTF-8. */
export const writeXml = (root: Element): string => xmlDeclaration + serializeAlone(root);
