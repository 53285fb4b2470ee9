/** Clark notation: `{DAV:}href`. */
export type QName = `{${string}}${string}`;

/** An XML element with namespaces resolved. Immutable plain data; text children are unescaped strings. */
export interface Element {
  readonly name: QName;
  /** Keys: the plain name for attributes without a namespace, Clark notation otherwise (`{http://www.w3.org/XML/1998/namespace}lang`). */
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (Element | string)[];
}
/** What a property's value may be: text, one element, or a list of both. */
export type XmlValue = string | Element | readonly (Element | string)[];

export const DAV = "DAV:";
export const CALDAV = "urn:ietf:params:xml:ns:caldav";
export const CARDDAV = "urn:ietf:params:xml:ns:carddav";
export const CS = "http://calendarserver.org/ns/";
export const ICAL = "http://apple.com/ns/ical/";
export const TWISTED = "http://twistedmatrix.com/xml_namespace/dav/";
export const TWISTED_PRIVATE = "http://twistedmatrix.com/xml_namespace/dav/private/";
export const XML = "http://www.w3.org/XML/1998/namespace";

export const dav = (local: string): QName => `{${DAV}}${local}`;
export const caldav = (local: string): QName => `{${CALDAV}}${local}`;
export const cs = (local: string): QName => `{${CS}}${local}`;
export const ical = (local: string): QName => `{${ICAL}}${local}`;

export const namespaceOf = (name: QName): string => name.slice(1, name.lastIndexOf("}"));
export const localOf = (name: QName): string => name.slice(name.lastIndexOf("}") + 1);

const none: Readonly<Record<string, string>> = {};

/** An element without attributes. */
export const el = (name: QName, ...children: readonly (Element | string)[]): Element => ({
  name,
  attributes: none,
  children,
});
/** An element with attributes. */
export const elWith = (
  name: QName,
  attributes: Readonly<Record<string, string>>,
  ...children: readonly (Element | string)[]
): Element => ({ name, attributes, children });
/** `<DAV:href>`. */
export const href = (value: string): Element => el("{DAV:}href", value);

export const isElement = (node: Element | string): node is Element => typeof node !== "string";
/** The child elements, text left out. */
export const elements = (parent: Element): readonly Element[] => parent.children.filter(isElement);
/** The first child element of that name. */
export const child = (parent: Element, name: QName): Element | undefined =>
  parent.children.find((node): node is Element => isElement(node) && node.name === name);
/** All child elements of that name. */
export const childrenNamed = (parent: Element, name: QName): readonly Element[] =>
  parent.children.filter((node): node is Element => isElement(node) && node.name === name);
/** All text below the element, concatenated. */
export const textOf = (node: Element | string): string => (isElement(node) ? node.children.map(textOf).join("") : node);
