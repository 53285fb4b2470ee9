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
const equals = "[ \\t\\n]*=[ \\t\\n]*";
// Not \s, which also means blanks that are none in XML. Line ends are LF by now.
const declaration = new RegExp(
  `^<\\?xml[ \\t\\n]+version${equals}${quoted("1\\.[0-9]+")}` +
    `(?:[ \\t\\n]+encoding${equals}${quoted("[A-Za-z][A-Za-z0-9._-]*")})?` +
    `(?:[ \\t\\n]+standalone${equals}${quoted("(?:yes|no)")})?[ \\t\\n]*$`,
);
const maxDeclaration = 256;

const space = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d;

// What a person or a client writes is far below; sax reads these character by character.
const maxMarkup = 65_536;

/** What `checkRaw` is told of a reader's limits. */
export interface RawLimits {
  /** Characters of a name. */
  readonly nameLength: number;
  readonly doctype: "refuse" | "skip";
}

/** Refuses what sax (strict) accepts although XML 1.0 does not, as far as only the raw text shows it: `]]>` in text, `<` in
 *  attribute values, an XML declaration that is late or malformed, white space after `<`, references that are none, and every
 *  document type declaration (`doctype: "skip"` lets one without internal subset pass; nobody fetches what it names). Also
 *  what is not closed, and names, attribute values and comments of absurd length. One pass, linear.
 *  Throws XmlError, or Refusal(no-external-entities) for a declaration that names something outside (RFC 4918 §16). */
export function checkRaw(text: string, limits: RawLimits): void {
  const next = (stop: RegExp | string, from: number): number => {
    if (typeof stop === "string") return text.indexOf(stop, from);
    stop.lastIndex = from;
    return stop.exec(text)?.index ?? -1;
  };
  let at = 0;
  let bracket = next("]]>", 0);
  let ampersand = next(strayAmpersand, 0);
  const checkText = (end: number): void => {
    if (bracket !== -1 && bracket < at) bracket = next("]]>", at);
    if (bracket !== -1 && bracket < end) throw errorAt(text, bracket, "]]> is not allowed in text");
    if (ampersand !== -1 && ampersand < at) ampersand = next(strayAmpersand, at);
    if (ampersand !== -1 && ampersand < end) throw strayReference(text, ampersand);
  };
  for (let less = text.indexOf("<"); less !== -1; less = text.indexOf("<", at)) {
    checkText(less);
    const code = text.charCodeAt(less + 1);
    if (code === 0x21) at = afterBang(text, less, limits.doctype);
    else if (code === 0x3f) at = afterInstruction(text, less);
    else {
      const named = code === 0x2f ? less + 2 : less + 1;
      if (space(text.charCodeAt(named))) throw errorAt(text, less, "white space is not allowed before a tag's name");
      at = afterTag(text, named, limits.nameLength);
      if (ampersand !== -1 && ampersand < at) throw strayReference(text, ampersand);
    }
  }
  checkText(text.length);
}

// sax would also take &AMP; and &#X41; for references, and collect those without end for as long as the text goes on.
const strayAmpersand = /&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,8}|#x[0-9a-fA-F]{1,8});)/g;

const strayReference = (text: string, at: number): XmlError => {
  const written = /^&[^\s;<]{0,20};?/.exec(text.slice(at, at + 24))?.[0] ?? "&";
  return errorAt(text, at, `"${written}" is not a reference that is defined`);
};

/** Past the `>` of a tag whose name begins at `from`. */
function afterTag(text: string, from: number, nameLength: number): number {
  let nameStart = from;
  let less = -1;
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x3e) return at + 1;
    if (code === 0x3c) throw errorAt(text, at, "< is not allowed inside a tag");
    if (code === 0x22 || code === 0x27) {
      const end = text.indexOf(code === 0x22 ? '"' : "'", at + 1);
      if (end === -1) throw errorAt(text, at, "the attribute value is not closed");
      // Looked for once per tag, not once per value: a tag of many values stays linear.
      if (less < at) less = text.indexOf("<", at + 1);
      if (less === -1) less = text.length;
      if (less < end) throw errorAt(text, less, "< is not allowed in an attribute value");
      if (end - at > maxMarkup)
        throw errorAt(text, at, `an attribute value may have ${maxMarkup} characters, not more`);
      at = end;
      nameStart = end;
    } else if (code <= 0x20 || code === 0x3d) nameStart = at;
    else if (at - nameStart > nameLength) throw errorAt(text, at, `a name may have ${nameLength} characters, not more`);
  }
  throw errorAt(text, from, "the tag is not closed");
}

/** Past `closing`, which is looked for from `from`. */
function afterClosing(text: string, less: number, from: number, closing: string, what: string): number {
  const end = text.indexOf(closing, from);
  if (end === -1) throw errorAt(text, less, `the ${what} is not closed`);
  return end + closing.length;
}

// Namespaces in XML 1.0 §7 keeps colons out of it.
const target = /^[A-Za-z_\u0080-\uffff][A-Za-z0-9._\u0080-\uffff-]*(?:[ \t\n]|\?$)/;

function afterInstruction(text: string, less: number): number {
  const after = afterClosing(text, less, less + 2, "?>", "processing instruction");
  if (after - less > maxMarkup)
    throw errorAt(text, less, `a processing instruction may have ${maxMarkup} characters, not more`);
  if (!target.test(text.slice(less + 2, after - 1)))
    throw errorAt(text, less, "<? must be followed by a name, and that by a blank or ?>");
  if (/^xml(?:\s|\?)/i.test(text.slice(less + 2, less + 6))) {
    if (less !== 0) throw errorAt(text, less, "an XML declaration is allowed at the very start only");
    if (after > maxDeclaration || !declaration.test(text.slice(0, after - 2)))
      throw errorAt(text, less, "the XML declaration is malformed");
  }
  return after;
}

function afterBang(text: string, less: number, doctype: "refuse" | "skip"): number {
  if (text.startsWith("--", less + 2)) {
    const after = afterClosing(text, less, less + 4, "-->", "comment");
    if (after - less > maxMarkup) throw errorAt(text, less, `a comment may have ${maxMarkup} characters, not more`);
    return after;
  }
  if (text.startsWith("[CDATA[", less + 2)) return afterClosing(text, less, less + 9, "]]>", "CDATA section");
  const head = text.slice(less, less + 4096);
  if (!/^<!DOCTYPE[ \t\n]/i.test(head)) throw errorAt(text, less, "<! must begin a comment or a CDATA section");
  if (doctype === "skip") {
    const plain = plainDoctype.exec(head);
    if (plain !== null) return less + plain[0].length;
    throw errorAt(text, less, "a document type declaration with declarations of its own is not accepted");
  }
  if (/\b(?:SYSTEM|PUBLIC)\s*["']/.test(head)) throw new Refusal({ code: "no-external-entities" });
  throw errorAt(text, less, "a document type declaration is not accepted");
}

const plainDoctype =
  /^<!DOCTYPE\s+[^\s"'[\]<>]+(?:\s+(?:SYSTEM|PUBLIC\s+(?:"[^"]*"|'[^']*'))\s+(?:"[^"]*"|'[^']*'))?\s*>/;
