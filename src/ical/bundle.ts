import { Refusal } from "../model/refusal.ts";
import { readCalendar } from "./read.ts";
import { escapeText } from "./text.ts";
import { writeComponent } from "./write.ts";

export interface BundleOptions {
  /** PRODID of the stream. */
  readonly product: string;
  /** Shown by clients as the calendar's name (X-WR-CALNAME). */
  readonly name?: string;
}

/** Joins calendar objects into one VCALENDAR stream, piece by piece. The components are slices of the originals, lines ended
 *  by CRLF; of the VTIMEZONEs with one TZID the first is taken, and stands before the first object that uses it. A text that
 *  is no calendar is left out. */
export async function* bundle(
  texts: AsyncIterable<string> | Iterable<string>,
  { product, name }: BundleOptions,
): AsyncGenerator<string> {
  yield `BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:${product}\r\n`;
  if (name !== undefined) yield `X-WR-CALNAME:${escapeText(name)}\r\n`;
  const zones = new Set<string>();
  for await (const text of texts) {
    let piece = "";
    for (const slice of slicesOf(text)) {
      const tzid = tzidOf(slice);
      if (tzid !== undefined) {
        if (zones.has(tzid)) continue;
        zones.add(tzid);
      }
      piece += withLineEnds(slice);
    }
    if (piece !== "") yield piece;
  }
  yield "END:VCALENDAR\r\n";
}

/** The components directly inside the VCALENDAR, as written. */
function slicesOf(text: string): readonly string[] {
  if (!/^\ufeff?\s*BEGIN:VCALENDAR\s*\n/i.test(text)) return rewritten(text);
  // A line begins at the start of the text or after LF. Not the flag m: for it U+2028 begins a line too.
  const bounds = /(?:^\ufeff?|\n)(BEGIN|END)[:;]/gi;
  const slices: string[] = [];
  let depth = 0;
  let start = 0;
  for (let found = bounds.exec(text); found !== null; found = bounds.exec(text)) {
    const at = found.index + (text[found.index] === "\n" ? 1 : 0);
    if (found[1]?.toUpperCase() === "BEGIN") {
      if (depth === 1) start = at;
      depth += 1;
      continue;
    }
    depth -= 1;
    if (depth !== 1) continue;
    const end = endOfLine(text, bounds.lastIndex);
    slices.push(text.slice(start, end));
  }
  return depth === 0 ? slices : rewritten(text);
}

/** The index after the line, its continuations included. */
function endOfLine(text: string, from: number): number {
  let end = from;
  do {
    end = text.indexOf("\n", end) + 1;
    if (end === 0) return text.length;
  } while (text[end] === " " || text[end] === "\t");
  return end;
}

/** For texts whose BEGIN and END lines are folded. */
function rewritten(text: string): readonly string[] {
  try {
    return readCalendar(text).components.map(writeComponent);
  } catch (error) {
    if (error instanceof Refusal) return [];
    throw error;
  }
}

/** The TZID of a VTIMEZONE; undefined for other components. */
function tzidOf(slice: string): string | undefined {
  if (!/^BEGIN[^:]*:\s*VTIMEZONE\s*\n/i.test(unfolded(slice.slice(0, 60)))) return undefined;
  return /\nTZID(?:;[^:\n]*)?:([^\n]*)/i.exec(unfolded(slice))?.[1]?.trim();
}

const unfolded = (text: string): string => text.replace(/\r?\n[ \t]/g, "");

const withLineEnds = (slice: string): string => {
  const ended = slice.endsWith("\n") ? slice : `${slice}\n`;
  return /(?:^|[^\r])\n/.test(ended) ? ended.replace(/\r*\n/g, "\r\n") : ended;
};
