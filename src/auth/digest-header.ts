import { Buffer, isUtf8 } from "node:buffer";

/** Gives the parameters of an Authorization header's Digest credentials to `take`, names in lower case, quotes and escapes
 *  undone, until that says false. True: all were taken; false also when they are malformed, or there are more than 32. Linear in
 *  the text's length. */
export function readParameters(text: string, take: (name: string, value: string) => boolean): boolean {
  let taken = 0;
  let at = skipCommas(text, 0);
  /** Where the next one stands; -1: there is none any more, -2: not looked for yet. */
  let backslash = -2;
  while (at < text.length) {
    const nameEnd = skipToken(text, at, true);
    const name = text.slice(at, nameEnd).toLowerCase();
    at = skipSpace(text, nameEnd);
    if (name === "" || text.charCodeAt(at) !== 0x3d || taken >= 32) return false;
    at = skipSpace(text, at + 1);
    let value = "";
    if (text.charCodeAt(at) === quote) {
      at += 1;
      // Searched for by the engine, which is several times as fast as a look at each letter here.
      let end = text.indexOf('"', at);
      if (end < 0) return false;
      if (backslash === -2 || (backslash >= 0 && backslash < at)) backslash = text.indexOf("\\", at);
      while (backslash >= 0 && backslash < end) {
        value += text.slice(at, backslash) + text.charAt(backslash + 1);
        at = backslash + 2;
        end = text.indexOf('"', at);
        if (end < 0) return false;
        backslash = text.indexOf("\\", at);
      }
      value += text.slice(at, end);
      at = end + 1;
    } else {
      const end = skipToken(text, at, false);
      value = text.slice(at, end);
      if (value === "") return false;
      at = end;
    }
    taken += 1;
    if (!take(name, value)) return false;
    at = skipSpace(text, at);
    if (at < text.length && text.charCodeAt(at) !== 0x2c) return false;
    at = skipCommas(text, at);
  }
  return true;
}

/** A header's text as it was meant: Node gives bytes as Latin-1, clients send UTF-8. */
export function decodeHeader(text: string): string {
  if (!/[\u0080-\u00ff]/.test(text)) return text;
  const bytes = Buffer.from(text, "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : text;
}

/** `UTF-8''J%C3%A4s%C3%B8n` (RFC 8187). Undefined for other encodings and malformed text. */
export function decodeExtended(value: string): string | undefined {
  const encoded = /^utf-8'[A-Za-z0-9-]*'(.*)$/is.exec(value)?.[1];
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

const quote = 0x22;

const isSpace = (code: number): boolean => code === 0x20 || code === 0x09;

function skipSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at += 1;
  return at;
}

function skipCommas(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at)) || text.charCodeAt(at) === 0x2c) at += 1;
  return at;
}

/** Past everything that is no separator. Wider than RFC 9110's token: clients leave quotes off values that need them. */
function skipToken(text: string, from: number, stopAtEquals: boolean): number {
  let at = from;
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (isSpace(code) || code === 0x2c || code === 0x22 || (stopAtEquals && code === 0x3d)) break;
  }
  return at;
}
