import { Refusal } from "../model/refusal.ts";

/** The text is not well-formed XML, or is outside the limits. The message begins with line and column. */
export class XmlError extends Error {
  /** The sentence without the position. */
  readonly problem: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in UTF-16 code units. */
  readonly column: number;
  constructor(problem: string, line: number, column: number) {
    super(`line ${line}, column ${column}: ${problem}`);
    this.name = "XmlError";
    this.problem = problem;
    this.line = line;
    this.column = column;
  }
}

/** An XmlError for the character at `offset` of `text`. */
export function errorAt(text: string, offset: number, problem: string): XmlError {
  const before = text.slice(0, Math.max(0, offset));
  const lineStart = before.lastIndexOf("\n") + 1;
  let line = 1;
  for (let at = before.indexOf("\n"); at !== -1; at = before.indexOf("\n", at + 1)) line += 1;
  return new XmlError(problem, line, before.length - lineStart + 1);
}

const controls = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;
const anySurrogate = /[\ud800-\udfff]/;
const loneSurrogate = /[\ud800-\udfff]/u;

/** Refuses characters that XML 1.0 §2.2 does not have; `decoded`: the text came from bytes and has no lone surrogates. */
export function checkCharacters(text: string, decoded: boolean): void {
  const control = text.search(controls);
  if (control !== -1) {
    const code = text.charCodeAt(control).toString(16).toUpperCase().padStart(4, "0");
    throw errorAt(text, control, `the character U+${code} is not allowed in XML`);
  }
  if (!decoded && anySurrogate.test(text)) {
    const lone = text.search(loneSurrogate);
    if (lone !== -1) throw errorAt(text, lone, "half of a surrogate pair is not a character");
  }
}

const quoted = (pattern: string): string => `(?:"${pattern}"|'${pattern}')`;
const declaration = new RegExp(
  `^<\\?xml\\s+version\\s*=\\s*${quoted("1\\.[0-9]+")}` +
    `(?:\\s+encoding\\s*=\\s*${quoted("[A-Za-z][A-Za-z0-9._-]*")})?` +
    `(?:\\s+standalone\\s*=\\s*${quoted("(?:yes|no)")})?\\s*$`,
);
const maxDeclaration = 256;

const space = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d;

/** Refuses what sax (strict) accepts although XML 1.0 does not, as far as only the raw text shows it: `]]>` in text, `<` in
 *  attribute values, an XML declaration that is late or malformed, white space after `<`, and every document type declaration
 *  (`doctype: "skip"` lets one without internal subset pass; nobody fetches what it names). One pass, linear.
 *  Throws XmlError, or Refusal(no-external-entities) for a declaration that names something outside (RFC 4918 §16). */
export function checkRaw(text: string, doctype: "refuse" | "skip"): void {
  let at = 0;
  let less = text.indexOf("<");
  let bracket = text.indexOf("]]>");
  while (less !== -1) {
    if (bracket !== -1) {
      if (bracket < at) bracket = text.indexOf("]]>", at);
      if (bracket !== -1 && bracket < less) throw errorAt(text, bracket, "]]> is not allowed in text");
    }
    const next = text.charCodeAt(less + 1);
    if (next === 0x21) at = afterBang(text, less, doctype);
    else if (next === 0x3f) at = afterInstruction(text, less);
    else {
      const named = next === 0x2f ? less + 2 : less + 1;
      if (space(text.charCodeAt(named))) throw errorAt(text, less, "white space is not allowed before a tag's name");
      at = afterTag(text, named);
    }
    if (at === -1) return; // Unfinished: sax says so.
    less = text.indexOf("<", at);
  }
  if (bracket !== -1 && bracket < at) bracket = text.indexOf("]]>", at);
  if (bracket !== -1) throw errorAt(text, bracket, "]]> is not allowed in text");
}

/** Past the `>` of a tag whose name begins at `from`, or -1. */
function afterTag(text: string, from: number): number {
  let less = -1;
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x3e) return at + 1;
    if (code === 0x3c) throw errorAt(text, at, "< is not allowed inside a tag");
    if (code !== 0x22 && code !== 0x27) continue;
    const end = text.indexOf(code === 0x22 ? '"' : "'", at + 1);
    if (end === -1) return -1;
    // Looked for once per tag, not once per value: a tag of many values stays linear.
    if (less < at) less = text.indexOf("<", at + 1);
    if (less === -1) less = text.length;
    if (less < end) throw errorAt(text, less, "< is not allowed in an attribute value");
    at = end;
  }
  return -1;
}

function afterInstruction(text: string, less: number): number {
  const end = text.indexOf("?>", less + 2);
  if (end === -1) return -1;
  const target = text.slice(less + 2, Math.min(end, less + 6));
  if (/^xml(?:\s|$)/i.test(target)) {
    if (less !== 0) throw errorAt(text, less, "an XML declaration is allowed at the very start only");
    if (end > maxDeclaration || !declaration.test(text.slice(0, end)))
      throw errorAt(text, less, "the XML declaration is malformed");
  }
  return end + 2;
}

function afterBang(text: string, less: number, doctype: "refuse" | "skip"): number {
  if (text.startsWith("--", less + 2)) {
    const end = text.indexOf("-->", less + 4);
    return end === -1 ? -1 : end + 3;
  }
  if (text.startsWith("[CDATA[", less + 2)) {
    const end = text.indexOf("]]>", less + 9);
    return end === -1 ? -1 : end + 3;
  }
  const head = text.slice(less, less + 4096);
  if (!/^<!DOCTYPE\s/i.test(head)) throw errorAt(text, less, "<! must begin a comment or a CDATA section");
  const plain =
    /^<!DOCTYPE\s+[^\s"'[\]<>]+(?:\s+(?:SYSTEM|PUBLIC\s+(?:"[^"]*"|'[^']*'))\s+(?:"[^"]*"|'[^']*'))?\s*>/.exec(head);
  if (doctype === "skip") {
    if (plain === null)
      throw errorAt(text, less, "a document type declaration with declarations of its own is not accepted");
    return less + plain[0].length;
  }
  if (/\b(?:SYSTEM|PUBLIC)\s*["']/.test(head)) throw new Refusal({ code: "no-external-entities" });
  throw errorAt(text, less, "a document type declaration is not accepted");
}
