import { Buffer, isUtf8 } from "node:buffer";
import { XmlError } from "./raw.ts";

// What clients of the 2000s declared. The labels mean windows-1252 to every browser, and so they do here.
const latin = new Set(["iso-8859-1", "iso8859-1", "latin1", "windows-1252", "us-ascii", "ascii"]);

const declared = /^<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,40})["']/;

/** The text of an XML entity, without byte order mark (XML 1.0 §4.3.3): UTF-16 when it has that mark, Latin-1 when it says so,
 *  else UTF-8. A declared "utf-16" on bytes that are not is overlooked: some Windows clients write it before UTF-8.
 *  Throws XmlError for bytes that are not text in that encoding, and for other encodings. */
export function decodeXml(bytes: Uint8Array): string {
  const first = bytes[0];
  const second = bytes[1];
  if (first === 0xff && second === 0xfe) return decodeAs("utf-16le", bytes);
  if (first === 0xfe && second === 0xff) return decodeAs("utf-16be", bytes);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (first === 0xef && second === 0xbb && bytes[2] === 0xbf) return decodeUtf8(buffer.subarray(3));
  // Without `<?` there is no declaration to look at.
  if (first !== 0x3c || second !== 0x3f) return decodeUtf8(buffer);
  const label = declared.exec(buffer.toString("latin1", 0, 256))?.[1]?.toLowerCase();
  if (label === undefined || label === "utf-8" || label === "utf8" || label === "utf-16") return decodeUtf8(buffer);
  if (latin.has(label)) return decodeAs("windows-1252", bytes);
  throw new XmlError(`the encoding "${label}" is not supported, only utf-8, utf-16 and iso-8859-1`, 1, 1);
}

function decodeUtf8(buffer: Buffer): string {
  if (!isUtf8(buffer)) throw new XmlError("the bytes are not UTF-8", 1, 1);
  return buffer.toString("utf8");
}

function decodeAs(encoding: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw new XmlError(`the bytes are not ${encoding}`, 1, 1);
    throw error;
  }
}
