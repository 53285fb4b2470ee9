import { Refusal } from "../model/refusal.ts";
import { readCalendar } from "./read.ts";
import { writeComponent } from "./write.ts";

/** The components directly inside the first VCALENDAR of a text, as written; none when it is no calendar. */
export function slicesOf(text: string): readonly string[] {
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
export function tzidOf(slice: string): string | undefined {
  if (!/^BEGIN[^:]*:\s*VTIMEZONE\s*\n/i.test(unfolded(slice.slice(0, 60)))) return undefined;
  return /\nTZID(?:;[^:\n]*)?:([^\n]*)/i.exec(unfolded(slice))?.[1]?.trim();
}

/** Folded lines made whole. */
export const unfolded = (text: string): string => text.replace(/\r?\n[ \t]/g, "");

/** The slice with every line ended by CRLF. */
export const withLineEnds = (slice: string): string => {
  const ended = slice.endsWith("\n") ? slice : `${slice}\n`;
  return /(?:^|[^\r])\n/.test(ended) ? ended.replace(/\r*\n/g, "\r\n") : ended;
};
