import { createHash } from "node:crypto";
import { slicesOf, tzidOf, unfolded, withLineEnds } from "./slices.ts";

/** What one calendar object resource is to hold (RFC 4791 §4.1). */
export interface SplitObject {
  readonly uid: string;
  /** The UID was made from the component's text: there was none. The same text gets the same one again. */
  readonly isMade: boolean;
  /** A VCALENDAR of its own. Not validated. */
  readonly text: string;
}

/** Takes a stream of one or more VCALENDARs apart into objects: components of one kind with one UID belong together, with the
 *  VTIMEZONEs that they name (of several with one TZID the first). Components stay as written, lines ended by CRLF; a component
 *  that comes twice, word for word, is taken once. Of the VCALENDAR, VERSION, PRODID, CALSCALE and X-CALENDARSERVER-ACCESS go
 *  with every object; METHOD, and what describes the calendar as a whole (X-WR-CALNAME …), do not: `calendarLines` has them.
 *  Gives no object for a text that is no calendar. */
export function* splitCalendar(text: string): Generator<SplitObject> {
  const zones = new Map<string, string>();
  const groups = new Map<string, { readonly uid: string; readonly isMade: boolean; readonly slices: Set<string> }>();
  for (const slice of slicesOf(text)) {
    const tzid = tzidOf(slice);
    if (tzid !== undefined) {
      if (!zones.has(tzid)) zones.set(tzid, withLineEnds(slice));
      continue;
    }
    const ended = withLineEnds(slice);
    const found = uidOf(ended);
    const uid = found ?? madeUid(ended);
    const key = `${kindOf(ended)} ${uid}`;
    const group = groups.get(key) ?? { uid, isMade: found === undefined, slices: new Set<string>() };
    group.slices.add(found === undefined ? withUid(ended, uid) : ended);
    groups.set(key, group);
  }
  const head = calendarLines(text)
    .filter((line) => kept.test(line))
    .map((line) => `${line}\r\n`)
    .join("");
  for (const { uid, isMade, slices } of groups.values()) {
    const body = [...slices].join("");
    const named = new Set([...unfolded(body).matchAll(/;TZID=(?:"([^"]*)"|([^;:\r\n]*))/gi)].map(([, a, b]) => a ?? b));
    let definitions = "";
    for (const tzid of named) definitions += zones.get(tzid?.trim() ?? "") ?? "";
    yield { uid, isMade, text: `BEGIN:VCALENDAR\r\n${head}${definitions}${body}END:VCALENDAR\r\n` };
  }
}

const kept = /^(?:VERSION|PRODID|CALSCALE|X-CALENDARSERVER-ACCESS)[;:]/i;

/** The property lines of the (first) VCALENDAR itself, unfolded. */
export function calendarLines(text: string): readonly string[] {
  const lines: string[] = [];
  const inner = /\n\s*BEGIN[;:]/i.exec(text)?.index ?? text.length;
  // Properties may also stand behind the components; nobody writes them there.
  for (const line of unfolded(text.slice(0, inner)).split(/\r*\n/)) {
    const trimmed = line.trim();
    if (trimmed !== "" && !/^\ufeff?(?:BEGIN|END)[;:]/i.test(trimmed)) lines.push(trimmed);
  }
  return lines;
}

const kindOf = (slice: string): string => /^BEGIN[^:]*:\s*([^\s]*)/i.exec(slice)?.[1]?.toUpperCase() ?? "";

/** The component's own UID, not that of an alarm in it. */
function uidOf(slice: string): string | undefined {
  let depth = 0;
  for (const line of unfolded(slice).split("\r\n")) {
    if (/^BEGIN[;:]/i.test(line)) depth += 1;
    else if (/^END[;:]/i.test(line)) depth -= 1;
    else if (depth === 1 && /^UID[;:]/i.test(line)) return line.slice(line.indexOf(":") + 1).trim() || undefined;
  }
  return undefined;
}

const madeUid = (slice: string): string => createHash("sha1").update(slice).digest("hex");

/** An empty UID gives way. */
function withUid(slice: string, uid: string): string {
  const end = slice.indexOf("\r\n") + 2;
  return `${slice.slice(0, end)}UID:${uid}\r\n${slice.slice(end).replace(/^UID[^:\r\n]*:[ \t]*\r\n/im, "")}`;
}
