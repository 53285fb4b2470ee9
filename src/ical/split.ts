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
 *  VTIMEZONEs that they name (of several with one TZID the first). Components stay as written, lines ended by CRLF. Where one
 *  instance comes twice, the later revision is taken (RFC 5546 §2.1.5: SEQUENCE, then DTSTAMP). Of the VCALENDAR, VERSION (2.0
 *  where it is missing), PRODID, CALSCALE and X-CALENDARSERVER-ACCESS go with every object; METHOD, and what describes the
 *  calendar as a whole (X-WR-CALNAME …), do not: `calendarLines` has them. Gives no object for a text that is no calendar. */
export function* splitCalendar(text: string): Generator<SplitObject> {
  const zones = new Map<string, string>();
  const groups = new Map<string, Group>();
  for (const slice of slicesOf(text)) {
    const tzid = tzidOf(slice);
    if (tzid !== undefined) {
      if (!zones.has(tzid)) zones.set(tzid, withLineEnds(slice));
      continue;
    }
    const ended = withLineEnds(slice);
    const { uid: found, instance = "", revision } = namesOf(ended);
    const uid = found ?? madeUid(ended);
    const key = `${kindOf(ended)} ${uid}`;
    const group: Group = groups.get(key) ?? { uid, isMade: found === undefined, slices: new Map() };
    const other = group.slices.get(instance);
    if (other === undefined || other.revision <= revision)
      group.slices.set(instance, { revision, slice: found === undefined ? withUid(ended, uid) : ended });
    groups.set(key, group);
  }
  const lines = calendarLines(text).filter((line) => kept.test(line));
  if (!lines.some((line) => /^VERSION[;:]/i.test(line))) lines.unshift("VERSION:2.0");
  const head = lines.map((line) => `${line}\r\n`).join("");
  for (const { uid, isMade, slices } of groups.values()) {
    const body = [...slices.values()].map(({ slice }) => slice).join("");
    const named = new Set([...unfolded(body).matchAll(/;TZID=(?:"([^"]*)"|([^;:\r\n]*))/gi)].map(([, a, b]) => a ?? b));
    let definitions = "";
    for (const tzid of named) definitions += zones.get(tzid?.trim() ?? "") ?? "";
    yield { uid, isMade, text: `BEGIN:VCALENDAR\r\n${head}${definitions}${body}END:VCALENDAR\r\n` };
  }
}

interface Group {
  readonly uid: string;
  readonly isMade: boolean;
  /** By RECURRENCE-ID as written; "" for the component without. */
  readonly slices: Map<string, { readonly revision: string; readonly slice: string }>;
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

/** What tells one component from another. */
interface Names {
  readonly uid: string | undefined;
  readonly instance: string | undefined;
  /** Sorts as SEQUENCE and DTSTAMP do. */
  readonly revision: string;
}

// A line begins at the start of the text or after LF, and may be folded anywhere but in these names.
const nameLines = /(?:^|\n)(BEGIN|END|UID|RECURRENCE-ID|SEQUENCE|DTSTAMP)[;:]/gi;

/** Looks at the component's own lines, not at those of an alarm in it. */
function namesOf(slice: string): Names {
  const values = new Map<string, string>();
  let depth = 0;
  nameLines.lastIndex = 0;
  for (let found = nameLines.exec(slice); found !== null; found = nameLines.exec(slice)) {
    const name = found[1]?.toUpperCase() ?? "";
    if (name === "BEGIN") depth += 1;
    else if (name === "END") depth -= 1;
    else if (depth === 1 && !values.has(name)) values.set(name, valueFrom(slice, nameLines.lastIndex - 1));
  }
  return {
    uid: values.get("UID") || undefined,
    instance: values.get("RECURRENCE-ID") || undefined,
    revision: `${(values.get("SEQUENCE") ?? "").padStart(10, "0")} ${values.get("DTSTAMP") ?? ""}`,
  };
}

/** The value of the line that has ":" or ";" at the index, folds taken out. */
function valueFrom(slice: string, index: number): string {
  let end = slice.indexOf("\n", index);
  while (end !== -1 && (slice[end + 1] === " " || slice[end + 1] === "\t")) end = slice.indexOf("\n", end + 1);
  const rest = unfolded(slice.slice(index, end === -1 ? slice.length : end));
  // Quotes may hide a colon.
  return /^(?:;(?:"[^"]*"|[^":])*)?:(.*)$/s.exec(rest)?.[1]?.trim() ?? "";
}

const madeUid = (slice: string): string => createHash("sha1").update(slice).digest("hex");

/** An empty UID gives way. */
function withUid(slice: string, uid: string): string {
  const end = slice.indexOf("\r\n") + 2;
  return `${slice.slice(0, end)}UID:${uid}\r\n${slice.slice(end).replace(/^UID[^:\r\n]*:[ \t]*\r\n/im, "")}`;
}
