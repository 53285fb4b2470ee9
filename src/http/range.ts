import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import type { CurrentState } from "./conditions.ts";
import { parseHttpDate } from "./dates.ts";
import type { Headers } from "./headers.ts";
import type { HttpResponse } from "./message.ts";

/** Bytes of a representation, both ends included, as Content-Range writes them. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

// A reader of calendar files has no use for more; each costs a part header (RFC 9110 §14.2 lets servers ignore such requests).
const maxRanges = 16;

/** What a Range header asks of `size` bytes (RFC 9110 §14.1.2, §14.2). undefined: serve the whole, because the unit is unknown,
 *  the header malformed, or there are too many ranges. "unsatisfiable": 416. Ranges that overlap or touch are joined. */
export function parseRange(value: string, size: number): readonly ByteRange[] | "unsatisfiable" | undefined {
  const match = /^bytes\s*=(.*)$/i.exec(value.trim());
  if (match === null) return undefined;
  const specs = (match[1] ?? "").split(",", maxRanges + 1);
  if (specs.length > maxRanges) return undefined;
  const ranges: { first: number; last: number }[] = [];
  for (const spec of specs) {
    const ends = /^\s*([0-9]{0,15})\s*-\s*([0-9]{0,15})\s*$/.exec(spec);
    if (ends === null) return undefined;
    const [, from = "", to = ""] = ends;
    if (from === "" && to === "") return undefined;
    if (from === "") {
      const suffix = Number(to);
      if (suffix > 0 && size > 0) ranges.push({ first: Math.max(0, size - suffix), last: size - 1 });
      continue;
    }
    const first = Number(from);
    if (to !== "" && Number(to) < first) return undefined;
    if (first < size) ranges.push({ first, last: to === "" ? size - 1 : Math.min(Number(to), size - 1) });
  }
  if (ranges.length === 0) return "unsatisfiable";
  return joinedRanges(ranges);
}

function joinedRanges(ranges: { first: number; last: number }[]): readonly ByteRange[] {
  const touching = (): boolean =>
    ranges.some((a, i) => ranges.some((b, j) => i !== j && a.first <= b.last + 1 && b.first <= a.last + 1));
  // The order the client asked in is kept unless something has to be joined (RFC 9110 §15.3.7.2).
  if (ranges.length < 2 || !touching()) return ranges;
  const sorted = ranges.toSorted((a, b) => a.first - b.first);
  const merged: { first: number; last: number }[] = [];
  for (const range of sorted) {
    const before = merged[merged.length - 1];
    if (before !== undefined && range.first <= before.last + 1) before.last = Math.max(before.last, range.last);
    else merged.push({ ...range });
  }
  return merged;
}

/** Whether If-Range allows a part (RFC 9110 §13.1.5): absent, the current strong tag, or exactly the modification date. */
function rangeIsCurrent(headers: Headers, current: CurrentState): boolean {
  const value = headers["if-range"]?.trim();
  if (value === undefined) return true;
  if (value.startsWith('"')) return value === current.etag;
  const date = parseHttpDate(value);
  return date !== undefined && current.modified !== undefined && date === Math.floor(current.modified);
}

/** A representation that lies in memory, to be answered whole or in part. */
export interface RangedContent extends CurrentState {
  readonly bytes: Uint8Array;
  /** Those of the 200 answer: Content-Type, ETag, Last-Modified … */
  readonly headers: Readonly<Record<string, string>>;
}

/** The answer to a GET: 200 with all bytes, 206 with the parts asked for, or 416. To be called after the conditions of
 *  RFC 9110 §13.2.2 were found to hold; not for HEAD, where Range has no meaning. */
export function rangeResponse(headers: Headers, content: RangedContent): HttpResponse {
  const { bytes } = content;
  const whole: HttpResponse = {
    status: 200,
    headers: { ...content.headers, "Accept-Ranges": "bytes" },
    body: bytes,
  };
  const value = headers["range"];
  if (value === undefined || !rangeIsCurrent(headers, content)) return whole;
  const ranges = parseRange(value, bytes.length);
  if (ranges === undefined) return whole;
  if (ranges === "unsatisfiable")
    return { status: 416, headers: { "Content-Range": `bytes */${bytes.length}`, "Accept-Ranges": "bytes" } };
  const [only, another] = ranges;
  if (only !== undefined && another === undefined) {
    return {
      status: 206,
      headers: { ...whole.headers, "Content-Range": contentRange(only, bytes.length) },
      body: bytes.subarray(only.first, only.last + 1),
    };
  }
  const boundary = `part-${randomUUID()}`;
  const parts: Uint8Array[] = [];
  const type = content.headers["Content-Type"] ?? "application/octet-stream";
  for (const range of ranges) {
    const head = `--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange(range, bytes.length)}\r\n\r\n`;
    parts.push(Buffer.from(head), bytes.subarray(range.first, range.last + 1), Buffer.from("\r\n"));
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`));
  return {
    status: 206,
    headers: { ...whole.headers, "Content-Type": `multipart/byteranges; boundary=${boundary}` },
    body: Buffer.concat(parts),
  };
}

const contentRange = ({ first, last }: ByteRange, size: number): string => `bytes ${first}-${last}/${size}`;

/** A representation that is read as it is sent. */
export interface StreamedContent extends CurrentState {
  readonly size: number;
  /** As in `RangedContent`. */
  readonly headers: Readonly<Record<string, string>>;
  /** From `first` to `last`, both included. To be called once, or `close`. */
  read(first: number, last: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** As `rangeResponse`. Several ranges at once are answered with the whole, as RFC 9110 §14.2 allows. */
export async function streamedResponse(headers: Headers, content: StreamedContent): Promise<HttpResponse> {
  const { size } = content;
  const value = headers["range"];
  const ranges = value === undefined || !rangeIsCurrent(headers, content) ? undefined : parseRange(value, size);
  if (ranges === "unsatisfiable") {
    await content.close();
    return { status: 416, headers: { "Content-Range": `bytes */${size}`, "Accept-Ranges": "bytes" } };
  }
  const only = ranges?.length === 1 ? ranges[0] : undefined;
  const { first, last } = only ?? { first: 0, last: size - 1 };
  const partial: Record<string, string> = only === undefined ? {} : { "Content-Range": contentRange(only, size) };
  return {
    status: only === undefined ? 200 : 206,
    headers: { ...content.headers, ...partial, "Accept-Ranges": "bytes", "Content-Length": `${last - first + 1}` },
    body: content.read(first, last),
  };
}
