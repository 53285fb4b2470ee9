import type { CalendarObject } from "../../src/ical/calendar-object.ts";
import type { Expansion } from "../../src/ical/instances.ts";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import { formatDateTime, formatLocal, parseDateTimeText } from "../../src/ical/time.ts";
import type { TimeRange, Utc } from "../../src/model/ids.ts";
import { utc } from "../../src/model/ids.ts";

/** A component's text without BEGIN and END, one line per line; indented as the test likes. */
export interface Part {
  readonly kind: string;
  readonly lines: string;
}

const linesOf = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

/** A VCALENDAR of these components, all of one UID. */
export function calendarText(...parts: readonly Part[]): string {
  const components = parts.flatMap(({ kind, lines }) => {
    const own = kind === "VTIMEZONE" ? [] : ["UID:one", "DTSTAMP:20260101T000000Z"];
    return [`BEGIN:${kind}`, ...own, ...linesOf(lines), `END:${kind}`];
  });
  return `${["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", ...components, "END:VCALENDAR"].join("\r\n")}\r\n`;
}

export const object = (...parts: readonly Part[]): CalendarObject => parseCalendarObject(calendarText(...parts));

/** An object of VEVENTs: the first is the master. */
export const events = (...texts: readonly string[]): CalendarObject =>
  object(...texts.map((lines) => ({ kind: "VEVENT", lines })));

export const todo = (lines: string): CalendarObject => object({ kind: "VTODO", lines });

export function at(text: string): Utc {
  const read = parseDateTimeText(text);
  if (read === undefined) throw new RangeError(`${text} is no time`);
  return utc(read.local);
}

export const range = (start: string, end: string): TimeRange => ({ start: at(start), end: at(end) });
export const always: TimeRange = { start: utc(Number.NEGATIVE_INFINITY), end: utc(Number.POSITIVE_INFINITY) };

/** Instances by the clock of their own zone. */
export const localStarts = ({ instances }: Expansion): string[] =>
  instances.map(({ startTime }) => formatDateTime(startTime));

/** Instances as "start/end", in UTC or, if floating, in local time. */
export const spans = ({ instances }: { readonly instances: Expansion["instances"] | readonly Span[] }): string[] =>
  instances.map(({ start, end, floating }) => {
    const mark = floating ? "" : "Z";
    return `${formatLocal(start)}${mark}/${formatLocal(end)}${mark}`;
  });

interface Span {
  readonly start: Utc;
  readonly end: Utc;
  readonly floating: boolean;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Dates as RFC 5545 §3.8.5.3 writes them: `1997 Sep 2-11 Oct 2,12; 1998 Jan 1`. */
export function dates(text: string, time = ""): string[] {
  return text.split(";").flatMap((year) => {
    const [number = "", ...words] = year.trim().split(/\s+/);
    const found: string[] = [];
    for (let i = 0; i < words.length; i += 2) {
      const month = months.indexOf(words[i]!) + 1;
      if (month === 0) throw new RangeError(`${words[i]} is no month`);
      for (const item of words[i + 1]!.split(",")) {
        const [from = 0, to = from] = item.split("-").map(Number);
        for (let day = from; day <= to; day++)
          found.push(`${number}${`${month}`.padStart(2, "0")}${`${day}`.padStart(2, "0")}${time}`);
      }
    }
    return found;
  });
}
