import { Buffer } from "node:buffer";
import sax from "sax";
import { Lru } from "../base/lru.ts";
import { decodeXml } from "./decode.ts";
import type { Element, QName } from "./element.ts";
import { checkCharacters, checkRaw, XmlError } from "./raw.ts";

export { XmlError } from "./raw.ts";

/** What a document may be. The number of bytes is the caller's to bound, before reading. */
export interface XmlLimits {
  /** Elements inside each other. */
  readonly depth: number;
  readonly elements: number;
  /** Attributes on one element, namespace declarations included. */
  readonly attributes: number;
  /** Characters of a name with its prefix, and of a namespace name. */
  readonly nameLength: number;
  /** "skip" accepts `<!DOCTYPE x PUBLIC "…" "…">` in front of files that always had one (property lists, accounts.xml);
   *  what it names is never fetched. */
  readonly doctype: "refuse" | "skip";
}

const defaults: XmlLimits = { depth: 64, elements: 50_000, attributes: 128, nameLength: 1024, doctype: "refuse" };

/** The root element of an XML document. Text is kept whole (white space between elements too, comments and instructions not);
 *  line ends become \n as XML 1.0 §2.11 says. Throws XmlError for what is not well-formed (also by Namespaces in XML 1.0),
 *  is beyond the limits, or has a document type declaration; Refusal(no-external-entities) if that one names something outside. */
export function readXml(text: string | Uint8Array, limits?: Partial<XmlLimits>): Element {
  return read(text, limits === undefined ? defaults : { ...defaults, ...limits }, undefined);
}

const cachedBytes = 4096;
const cache = new Lru<string, Element>({ maxEntries: 256 });

/** As `readXml`. Remembers documents of up to 4 KB: a client sends the same PROPFIND body for ever. */
export function readXmlCached(text: string | Uint8Array): Element {
  if (text.length > cachedBytes) return readXml(text);
  // Bytes are looked up as Latin-1, one character a byte; the mark keeps them apart from texts.
  const key =
    typeof text === "string"
      ? text
      : `\0${Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString("latin1")}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const root = readXml(text);
  cache.set(key, root);
  return root;
}

/** As `readXml`, for files that people write: also says on which line (from 1) an element's start tag ends. */
export function readXmlLines(
  text: string | Uint8Array,
  limits?: Partial<XmlLimits>,
): { readonly root: Element; lineOf(element: Element): number } {
  const lines = new Map<Element, number>();
  const root = read(text, { ...defaults, ...limits }, lines);
  return { root, lineOf: (element) => lines.get(element) ?? 0 };
}

function read(source: string | Uint8Array, limits: XmlLimits, lines: Map<Element, number> | undefined): Element {
  let text = typeof source === "string" ? source : decodeXml(source);
  if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
  if (text.includes("\r")) text = text.replace(/\r\n?/g, "\n");
  checkCharacters(text, typeof source !== "string");
  checkRaw(text, limits);
  return new TreeBuilder(limits, lines).build(text);
}

/** Namespace declarations of one element and those around it. */
interface Scope {
  /** Prefix ("" for the default) to namespace; undefined: nothing declared here. */
  readonly declared: ReadonlyMap<string, string>;
  readonly outer: Scope | undefined;
  /** Element names as written, resolved in this scope. */
  readonly known: Map<string, QName>;
}

interface OpenElement {
  readonly name: QName;
  readonly attributes: Record<string, string>;
  readonly children: (Element | string)[];
}

const xmlNamespace = "http://www.w3.org/XML/1998/namespace";
const xmlnsNamespace = "http://www.w3.org/2000/xmlns/";
const outermost: Scope = {
  declared: new Map([
    ["xml", xmlNamespace],
    ["", ""],
  ]),
  outer: undefined,
  known: new Map(),
};
const noAttributes: Record<string, string> = Object.freeze({});

// sax drops a repeated attribute without a word, and an attribute called hasOwnProperty breaks it. So it is given a place to
// put attributes that forgets them, and the attribute events, which come first, are collected here.
const forgetful: Record<string, string> = new Proxy(
  {},
  { get: (_, name) => (name === "hasOwnProperty" ? () => false : undefined), set: () => true },
);

const lineEnds = /[\t\n]/;
const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** An attribute's value as XML 1.0 §3.3.3 wants it, whose closing quote is the last character before `end`: tabs and line ends
 *  are blanks unless written as references. sax does not tell the two apart. */
function normalisedValue(text: string, end: number): string {
  const quote = text[end - 1] ?? '"';
  const raw = text.slice(text.lastIndexOf(quote, end - 2) + 1, end - 1);
  return raw
    .replace(/[\t\n]/g, " ")
    .replace(/&(?:#([0-9]+)|#x([0-9a-fA-F]+)|([a-z]+));/g, (_, decimal?: string, hex?: string, name = "") =>
      decimal !== undefined
        ? String.fromCodePoint(Number(decimal))
        : hex !== undefined
          ? String.fromCodePoint(Number.parseInt(hex, 16))
          : (named[name] ?? ""),
    );
}

/** A fault found while sax has the floor; the position is added outside. */
class Malformed extends Error {}

class TreeBuilder {
  readonly #limits: XmlLimits;
  readonly #lines: Map<Element, number> | undefined;
  readonly #open: OpenElement[] = [];
  readonly #scopes: Scope[] = [];
  #scope: Scope = outermost;
  #root: Element | undefined;
  #count = 0;
  /** Name, value, name, value … of the start tag being read. */
  #attributes: string[] = [];

  constructor(limits: XmlLimits, lines: Map<Element, number> | undefined) {
    this.#limits = limits;
    this.#lines = lines;
  }

  build(text: string): Element {
    const parser = new sax.SAXParser(true, { xmlns: false, position: true });
    parser.onerror = (error) => {
      throw new Malformed(saxProblem(error));
    };
    parser.onopentagstart = (tag) => {
      tag.attributes = forgetful;
    };
    parser.onattribute = ({ name, value }) =>
      this.#attribute(name, lineEnds.test(value) ? normalisedValue(text, parser.position) : value);
    parser.onopentag = (tag) => this.#start(tag.name, parser);
    parser.onclosetag = () => this.#end();
    parser.ontext = (run) => this.#text(run);
    parser.oncdata = (run) => this.#text(run);
    try {
      parser.write(text);
      const { line, column } = parser;
      parser.onerror = (error) => {
        throw new XmlError(saxProblem(error), line + 1, column + 1);
      };
      parser.close();
      if (this.#root === undefined) throw new XmlError("there is no root element", line + 1, column + 1);
    } catch (error) {
      if (error instanceof Malformed) throw new XmlError(error.message, parser.line + 1, Math.max(1, parser.column));
      throw error;
    }
    return this.#root;
  }

  #attribute(name: string, value: string): void {
    this.#attributes.push(name, value);
    if (this.#attributes.length > 2 * this.#limits.attributes)
      throw new Malformed(`an element may have ${this.#limits.attributes} attributes, not more`);
  }

  #start(written: string, parser: sax.SAXParser): void {
    if (this.#open.length === 0 && this.#root !== undefined) throw new Malformed("there is a second root element");
    if (this.#open.length >= this.#limits.depth)
      throw new Malformed(`elements may be nested ${this.#limits.depth} deep, not deeper`);
    this.#count += 1;
    if (this.#count > this.#limits.elements)
      throw new Malformed(`a document may have ${this.#limits.elements} elements, not more`);
    this.#scopes.push(this.#scope);
    let attributes = noAttributes;
    if (this.#attributes.length > 0) {
      const pairs = this.#attributes;
      this.#attributes = [];
      this.#declare(pairs);
      attributes = this.#resolveAttributes(pairs);
    }
    const element: OpenElement = { name: this.#elementName(written), attributes, children: [] };
    const parent = this.#open[this.#open.length - 1];
    if (parent === undefined) this.#root = element;
    else parent.children.push(element);
    this.#open.push(element);
    this.#lines?.set(element, parser.line + 1);
  }

  #end(): void {
    this.#open.pop();
    this.#scope = this.#scopes.pop() ?? outermost;
  }

  #text(run: string): void {
    const parent = this.#open[this.#open.length - 1];
    if (parent === undefined) {
      if (run.trim() !== "") throw new Malformed("there is text outside the root element");
      return;
    }
    // A comment, a CDATA section or a reference does not make two texts out of one.
    const last = parent.children.length - 1;
    const before = parent.children[last];
    if (typeof before === "string") parent.children[last] = before + run;
    else parent.children.push(run);
  }

  /** Takes the namespace declarations of a start tag into a new scope (Namespaces in XML 1.0 §3). */
  #declare(pairs: readonly string[]): void {
    let declared: Map<string, string> | undefined;
    for (let at = 0; at < pairs.length; at += 2) {
      const name = pairs[at] ?? "";
      if (!name.startsWith("xmlns")) continue;
      if (name.length > 5 && name[5] !== ":") continue;
      const prefix = name.slice(6);
      const uri = pairs[at + 1] ?? "";
      if (name === "xmlns:" || prefix.includes(":")) throw new Malformed(`"${shown(name)}" is not a name`);
      if (prefix === "xmlns" || uri === xmlnsNamespace || (prefix === "xml") !== (uri === xmlNamespace))
        throw new Malformed("the prefixes xml and xmlns and their namespaces cannot be declared otherwise");
      if (uri === "" && prefix !== "")
        throw new Malformed(`the prefix "${shown(prefix)}" is declared for no namespace`);
      if (uri.length > this.#limits.nameLength)
        throw new Malformed(`a namespace name may have ${this.#limits.nameLength} characters, not more`);
      declared ??= new Map();
      if (declared.has(prefix)) throw new Malformed(`the attribute "${shown(name)}" is there twice`);
      declared.set(prefix, uri);
    }
    if (declared !== undefined) this.#scope = { declared, outer: this.#scope, known: new Map() };
  }

  #resolveAttributes(pairs: readonly string[]): Record<string, string> {
    let attributes: Record<string, string> | undefined;
    for (let at = 0; at < pairs.length; at += 2) {
      const written = pairs[at] ?? "";
      if (written === "xmlns" || written.startsWith("xmlns:")) continue;
      // Attributes without a prefix are in no namespace, whatever the default (Namespaces in XML 1.0 §6.2).
      const name = written.includes(":") ? this.#resolve(written) : this.#bounded(written);
      attributes ??= {};
      if (Object.hasOwn(attributes, name)) throw new Malformed(`the attribute "${shown(written)}" is there twice`);
      const value = pairs[at + 1] ?? "";
      if (name === "__proto__")
        Object.defineProperty(attributes, name, { value, enumerable: true, writable: true, configurable: true });
      else attributes[name] = value;
    }
    return attributes ?? noAttributes;
  }

  #elementName(written: string): QName {
    const known = this.#scope.known.get(written);
    if (known !== undefined) return known;
    const name = this.#resolve(written);
    // The outermost scope outlives the document.
    if (this.#scope !== outermost) this.#scope.known.set(written, name);
    return name;
  }

  #resolve(written: string): QName {
    this.#bounded(written);
    const colon = written.indexOf(":");
    const prefix = colon === -1 ? "" : written.slice(0, colon);
    const local = written.slice(colon + 1);
    if (colon === 0 || !startsName(local) || local.includes(":"))
      throw new Malformed(`"${shown(written)}" is not a name`);
    for (let scope: Scope | undefined = this.#scope; scope !== undefined; scope = scope.outer) {
      const uri = scope.declared.get(prefix);
      if (uri !== undefined) return `{${uri}}${local}`;
    }
    throw new Malformed(`the prefix "${shown(prefix)}" is not declared`);
  }

  #bounded(name: string): string {
    if (name.length <= this.#limits.nameLength) return name;
    throw new Malformed(`a name may have ${this.#limits.nameLength} characters, not more`);
  }
}

const shown = (name: string): string => (name.length > 60 ? `${name.slice(0, 60)}…` : name);

/** Whether a local part begins as a name may: sax has checked every character as a part of a name, but the first one only of
 *  what stands before a colon. */
function startsName(local: string): boolean {
  const code = local.charCodeAt(0);
  const digit = code >= 0x30 && code <= 0x39;
  const joiner = (code >= 0x300 && code <= 0x36f) || code === 0x203f || code === 0x2040 || code === 0xb7;
  return local !== "" && !digit && !joiner && code !== 0x2d && code !== 0x2e;
}

/** The first line of sax's message, without its own position. */
function saxProblem(error: Error): string {
  const line = error.message.split("\n", 1)[0] ?? "malformed";
  return line.charAt(0).toLowerCase() + line.slice(1).replace(/\.$/, "");
}
