import { Buffer } from "node:buffer";
import { type Element, isElement, textOf } from "./element.ts";
import { readXmlLines } from "./read.ts";
import { escapeText, xmlDeclaration } from "./write.ts";

/** A dictionary; made without prototype, so that every key is only a key. */
export interface PlistDict {
  readonly [key: string]: PlistValue;
}
/** What an XML property list can say. Integers and reals are both numbers. */
export type PlistValue = string | number | boolean | Date | Uint8Array | readonly PlistValue[] | PlistDict;

/** The property list is well-formed XML, but not a property list. The message begins with the line and the key path. */
export class PlistError extends Error {
  /** "MultiProcess.ProcessCount", "Aliases[0].path"; "" for the top. */
  readonly keyPath: string;
  /** Counted from 1. */
  readonly line: number;
  constructor(problem: string, keyPath: string, line: number) {
    super(`line ${line}: ${keyPath === "" ? "" : `${keyPath}: `}${problem}`);
    this.name = "PlistError";
    this.keyPath = keyPath;
    this.line = line;
  }
}

/** The value of an XML property list (Apple's PropertyList-1.0.dtd). Refuses what other readers overlook: a key given twice,
 *  a key without value, numbers that are none. Throws PlistError or XmlError. */
export const readPlist = (text: string | Uint8Array): PlistValue => readPlistLines(text).value;

/** As `readPlist`; `lineOf` says on which line (from 1) the value of a key path stands, undefined if there is none. */
export function readPlistLines(text: string | Uint8Array): {
  readonly value: PlistValue;
  lineOf(keyPath: string): number | undefined;
} {
  const { root, lineOf } = readXmlLines(text, { doctype: "skip" });
  const lines = new Map<string, number>();
  const reader = new Reader(lineOf, lines);
  return { value: reader.document(root), lineOf: (keyPath) => lines.get(keyPath) };
}

/** The key path of a member. */
export const memberPath = (keyPath: string, key: string): string => (keyPath === "" ? key : `${keyPath}.${key}`);

const maxInteger = Number.MAX_SAFE_INTEGER;

class Reader {
  readonly #lineOf: (element: Element) => number;
  readonly #lines: Map<string, number>;

  constructor(lineOf: (element: Element) => number, lines: Map<string, number>) {
    this.#lineOf = lineOf;
    this.#lines = lines;
  }

  document(root: Element): PlistValue {
    if (root.name !== "{}plist") throw this.#error(root, "", `the root element must be <plist>, found <${tag(root)}>`);
    const version = root.attributes["version"];
    if (version !== undefined && version !== "1.0")
      throw this.#error(root, "", `the plist version must be 1.0, found "${version}"`);
    const [value, more] = this.#members(root, "");
    if (value === undefined) throw this.#error(root, "", "<plist> has no value");
    if (more !== undefined) throw this.#error(more, "", "<plist> has more than one value");
    return this.#value(value, "");
  }

  #value(element: Element, keyPath: string): PlistValue {
    this.#lines.set(keyPath, this.#lineOf(element));
    switch (element.name) {
      case "{}dict":
        return this.#dict(element, keyPath);
      case "{}array":
        return this.#members(element, keyPath).map((member, at) => this.#value(member, `${keyPath}[${at}]`));
      case "{}string":
        return this.#text(element, keyPath);
      case "{}integer":
        return this.#integer(element, keyPath);
      case "{}real":
        return this.#real(element, keyPath);
      case "{}true":
      case "{}false":
        if (element.children.length > 0) throw this.#error(element, keyPath, `<${tag(element)}/> must be empty`);
        return element.name === "{}true";
      case "{}date":
        return this.#date(element, keyPath);
      case "{}data":
        return this.#data(element, keyPath);
      default:
        throw this.#error(element, keyPath, `<${tag(element)}> is no element of a property list`);
    }
  }

  #dict(element: Element, keyPath: string): PlistDict {
    const dict = Object.create(null) as Record<string, PlistValue>;
    let key: string | undefined;
    let keyElement = element;
    for (const member of this.#members(element, keyPath)) {
      if (member.name === "{}key") {
        if (key !== undefined) throw this.#error(keyElement, keyPath, `the key "${key}" has no value`);
        key = this.#text(member, keyPath);
        keyElement = member;
        if (Object.hasOwn(dict, key)) throw this.#error(member, memberPath(keyPath, key), "the key is there twice");
      } else {
        if (key === undefined) throw this.#error(member, keyPath, `<${tag(member)}> has no key before it`);
        dict[key] = this.#value(member, memberPath(keyPath, key));
        key = undefined;
      }
    }
    if (key !== undefined) throw this.#error(keyElement, keyPath, `the key "${key}" has no value`);
    return dict;
  }

  #integer(element: Element, keyPath: string): number {
    const text = this.#text(element, keyPath).trim();
    const value = /^[+-]?[0-9]{1,20}$/.test(text) || /^0x[0-9a-fA-F]{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value)) throw this.#error(element, keyPath, `must be a whole number, found ${quoted(text)}`);
    if (Math.abs(value) > maxInteger)
      throw this.#error(element, keyPath, `must be from -${maxInteger} to ${maxInteger}, found ${quoted(text)}`);
    return value;
  }

  #real(element: Element, keyPath: string): number {
    const text = this.#text(element, keyPath).trim();
    const value = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isFinite(value)) throw this.#error(element, keyPath, `must be a number, found ${quoted(text)}`);
    return value;
  }

  #date(element: Element, keyPath: string): Date {
    const text = this.#text(element, keyPath).trim();
    const date = new Date(/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/.test(text) ? text : Number.NaN);
    // A day that a month does not have moves on to the next one and so does not come back the same.
    if (Number.isNaN(date.getTime()) || date.toISOString().slice(0, 19) !== text.slice(0, 19))
      throw this.#error(element, keyPath, `must be a date such as 2026-01-31T12:00:00Z, found ${quoted(text)}`);
    return date;
  }

  #data(element: Element, keyPath: string): Uint8Array {
    const text = this.#text(element, keyPath).replace(/[ \t\r\n]/g, "");
    if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
      throw this.#error(element, keyPath, "must be base64 data");
    return new Uint8Array(Buffer.from(text, "base64"));
  }

  /** The child elements; text between them is refused. */
  #members(element: Element, keyPath: string): readonly Element[] {
    const members: Element[] = [];
    for (const node of element.children) {
      if (isElement(node)) members.push(node);
      else if (node.trim() !== "")
        throw this.#error(element, keyPath, `<${tag(element)}> holds the text ${quoted(node.trim())}`);
    }
    return members;
  }

  #text(element: Element, keyPath: string): string {
    const inner = element.children.find(isElement);
    if (inner !== undefined) throw this.#error(inner, keyPath, `<${tag(element)}> holds the element <${tag(inner)}>`);
    return textOf(element);
  }

  #error(element: Element, keyPath: string, problem: string): PlistError {
    return new PlistError(problem, keyPath, this.#lineOf(element));
  }
}

const tag = (element: Element): string => element.name.replace(/^\{\}/, "");
const quoted = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);

const doctype =
  '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n';

/** An XML property list as Apple's tools write it, indented with tabs. Whole numbers become integers, others reals;
 *  throws RangeError for a number that is not finite or a date that is none. */
export const writePlist = (value: PlistValue): string =>
  `${xmlDeclaration}${doctype}<plist version="1.0">\n${valueMarkup(value, "")}</plist>\n`;

/** One value's elements, each line behind `indent`, ending in a newline. */
export function valueMarkup(value: PlistValue, indent: string): string {
  if (typeof value === "string") return `${indent}<string>${escapeText(value)}</string>\n`;
  if (typeof value === "boolean") return `${indent}<${value}/>\n`;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new RangeError(`a property list cannot hold the number ${value}`);
    // Number's own notation of 1e21 and more is not that of an integer.
    const kind = Number.isSafeInteger(value) ? "integer" : "real";
    return `${indent}<${kind}>${value}</${kind}>\n`;
  }
  if (value instanceof Date) return `${indent}<date>${value.toISOString().slice(0, 19)}Z</date>\n`;
  if (value instanceof Uint8Array) return `${indent}<data>${Buffer.from(value).toString("base64")}</data>\n`;
  if (isList(value)) {
    if (value.length === 0) return `${indent}<array/>\n`;
    return `${indent}<array>\n${value.map((member) => valueMarkup(member, `${indent}\t`)).join("")}${indent}</array>\n`;
  }
  const keys = Object.keys(value);
  if (keys.length === 0) return `${indent}<dict/>\n`;
  let text = `${indent}<dict>\n`;
  for (const key of keys) {
    const member = value[key];
    if (member === undefined) continue;
    text += `${indent}\t<key>${escapeText(key)}</key>\n${valueMarkup(member, `${indent}\t`)}`;
  }
  return `${text}${indent}</dict>\n`;
}

/** Array.isArray does not narrow readonly arrays. */
const isList = (value: PlistValue): value is readonly PlistValue[] => Array.isArray(value);
