import { Buffer, isUtf8 } from "node:buffer";
import type { Headers } from "./headers.ts";
import { parameters, splitList } from "./tokens.ts";

/** Bytes of a file name that are taken. */
const longest = 180;

/** The file name of a Content-Disposition header (RFC 6266), without any folders; `filename*` before `filename`, in which clients
 *  also write UTF-8. Undefined when there is none. */
export function filenameOf(headers: Headers): string | undefined {
  const value = headers["content-disposition"];
  if (value === undefined) return undefined;
  const found = parameters(splitList(value, ";").slice(1));
  const name = extended(found["filename*"]) ?? utf8(found["filename"] ?? "");
  const clean = shortened(
    name
      .slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1)
      .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffd]/g, "")
      .trim(),
  );
  return clean === "" || clean === "." || clean === ".." ? undefined : clean;
}

/** RFC 8187. Undefined for what cannot be read. */
function extended(value: string | undefined): string | undefined {
  const encoded = value === undefined ? null : /^utf-8'[^']*'(.*)$/is.exec(value);
  if (encoded?.[1] === undefined) return undefined;
  try {
    return decodeURIComponent(encoded[1]);
  } catch {
    return undefined;
  }
}

/** Header values come as Latin-1. */
function utf8(text: string): string {
  if (!/[\u0080-\u00ff]/.test(text) || /[^\u0000-\u00ff]/.test(text)) return text;
  const bytes = Buffer.from(text, "latin1");
  return isUtf8(bytes) ? bytes.toString() : text;
}

/** The name with its ending, of a length that every file system takes. */
function shortened(name: string): string {
  if (Buffer.byteLength(name) <= longest) return name;
  const dot = name.lastIndexOf(".");
  const ending = dot > 0 && name.length - dot <= 12 ? name.slice(dot) : "";
  let stem = "";
  let room = longest - Buffer.byteLength(ending);
  for (const character of name.slice(0, name.length - ending.length)) {
    room -= Buffer.byteLength(character);
    if (room < 0) break;
    stem += character;
  }
  return stem + ending;
}

/** `attachment` with a file name, for who knows RFC 8187 and who does not. */
export function attachmentNamed(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return plain === name
    ? `attachment; filename="${plain}"`
    : `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
