import { yieldToLoop } from "../base/stream.ts";
import { Refusal } from "../model/refusal.ts";
import type { Component, Parameter, Property } from "./component.ts";

/** Bounds of one stream, against hostile input. A body of the usual 1 MiB cannot reach the first two. */
const maxLines = 1_000_000;
const maxComponents = 100_000;
const maxDepth = 16;
const maxParametersPerLine = 256;
const maxValuesPerLine = 10_000;

/** The refusal every problem of the text ends in: it says the line and what is wrong with it. */
export const invalidData = (line: number, problem: string): Refusal =>
  new Refusal({ code: "valid-calendar-data", problem: `line ${line}: ${problem}` });

/** What a name may consist of: 1 for a character that stays, 2 for a small letter. RFC 5545 §3.1 allows letters, digits
 *  and "-"; "_" and "." are met in names that start with X-. */
const nameCharacters = new Uint8Array(128);
for (const character of "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") nameCharacters[character.charCodeAt(0)] = 1;
for (const character of "abcdefghijklmnopqrstuvwxyz") nameCharacters[character.charCodeAt(0)] = 2;

// Names are shared between all objects in memory, and comparing them with a literal is comparing pointers.
const wellKnown = new Map<string, string>(
  (
    "VCALENDAR VEVENT VTODO VJOURNAL VFREEBUSY VTIMEZONE VALARM VAVAILABILITY AVAILABLE VPOLL STANDARD DAYLIGHT PARTICIPANT " +
    "VLOCATION VRESOURCE CALSCALE METHOD PRODID VERSION ATTACH CATEGORIES CLASS COMMENT DESCRIPTION GEO LOCATION " +
    "PERCENT-COMPLETE PRIORITY RESOURCES STATUS SUMMARY COMPLETED DTEND DUE DTSTART DURATION FREEBUSY TRANSP TZID TZNAME " +
    "TZOFFSETFROM TZOFFSETTO TZURL ATTENDEE CONTACT ORGANIZER RECURRENCE-ID RELATED-TO URL UID EXDATE EXRULE RDATE RRULE " +
    "ACTION REPEAT TRIGGER CREATED DTSTAMP LAST-MODIFIED SEQUENCE REQUEST-STATUS ACKNOWLEDGED BUSYTYPE COLOR IMAGE CONFERENCE " +
    "ALTREP CN CUTYPE DELEGATED-FROM DELEGATED-TO DIR ENCODING FMTTYPE FBTYPE LANGUAGE MEMBER PARTSTAT RANGE RELATED RELTYPE " +
    "ROLE RSVP SENT-BY VALUE EMAIL SCHEDULE-AGENT SCHEDULE-STATUS SCHEDULE-FORCE-SEND FILENAME MANAGED-ID SIZE FEATURE LABEL " +
    "X-WR-CALNAME X-WR-TIMEZONE X-LIC-LOCATION X-WR-ALARMUID X-APPLE-TRAVEL-ADVISORY-BEHAVIOR X-CALENDARSERVER-ACCESS " +
    "X-MOZ-GENERATION X-MOZ-LASTACK X-APPLE-STRUCTURED-LOCATION"
  )
    .split(" ")
    .map((name) => [name, name]),
);

const noParameters: readonly Parameter[] = [];

/** A component whose END has not been read. */
interface Open extends Component {
  readonly properties: Property[];
  readonly components: Component[];
}

/** A stream that is being read: what `advance` goes on from. */
interface Reading {
  readonly text: string;
  readonly stack: Open[];
  top: Open | undefined;
  root: Open | undefined;
  components: number;
  line: number;
  position: number;
}

/** Reads one iCalendar stream with exactly one VCALENDAR (RFC 5545 §3.1-3.4, RFC 6868) in a single pass.
 *  Takes CRLF and LF, a byte order mark, blank lines, names in small letters and white space at the end of BEGIN and END
 *  lines; values are not looked into. Throws Refusal(valid-calendar-data) that names the line. */
export function readCalendar(text: string): Component {
  const reading = begin(text);
  advance(reading, text.length);
  return end(reading);
}

/** Characters read in one turn, some milliseconds. */
const atOnce = 65_536;

/** As `readCalendar`, with turns for others in between: for texts of a megabyte. */
export async function readCalendarInTurns(text: string): Promise<Component> {
  const reading = begin(text);
  while (reading.position < text.length) {
    advance(reading, reading.position + atOnce);
    await yieldToLoop();
  }
  return end(reading);
}

function begin(text: string): Reading {
  const nul = text.indexOf("\0");
  if (nul !== -1) throw invalidData(text.slice(0, nul).split("\n").length, "a NUL character");
  const position = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  return { text, stack: [], top: undefined, root: undefined, components: 0, line: 0, position };
}

/** Reads lines up to the first that begins at or behind `until`. */
function advance(reading: Reading, until: number): void {
  const { text, stack } = reading;
  const { length } = text;
  let { top, root, components, line, position } = reading;
  while (position < length && position < until) {
    line += 1;
    const first = line;
    let source = text;
    let start = position;
    let lineEnd = text.indexOf("\n", position);
    if (lineEnd === -1) lineEnd = length;
    position = lineEnd + 1;
    let stop = withoutReturn(text, start, lineEnd);
    if (isFold(text.charCodeAt(position))) {
      const pieces = [text.slice(start, stop)];
      do {
        line += 1;
        lineEnd = text.indexOf("\n", position);
        if (lineEnd === -1) lineEnd = length;
        pieces.push(text.slice(position + 1, withoutReturn(text, position + 1, lineEnd)));
        position = lineEnd + 1;
      } while (isFold(text.charCodeAt(position)));
      source = pieces.join("");
      start = 0;
      stop = source.length;
    }
    if (start === stop) continue;
    if (line > maxLines) throw invalidData(line, `more than ${maxLines} lines`);

    let nameEnd = start;
    let kind = 1;
    let small = false;
    let code = 0;
    for (; nameEnd < stop; nameEnd++) {
      code = source.charCodeAt(nameEnd);
      if (code === colon || code === semicolon) break;
      kind = code < 128 ? nameCharacters[code]! : 0;
      if (kind !== 1) {
        if (kind === 0) break;
        small = true;
      }
    }
    if (nameEnd === stop || nameEnd === start || kind === 0) {
      const found = source.slice(start, stop);
      if (found.trim() === "") continue;
      throw invalidData(first, `${quoted(found)} is not a content line: a name with ":" or ";" after it is expected`);
    }
    const name = nameOf(source, start, nameEnd, small);

    if (name === "BEGIN") {
      const opened = componentName(source, nameEnd, stop, first);
      if (root !== undefined) throw invalidData(first, `BEGIN:${opened} after END:VCALENDAR`);
      if (top === undefined ? opened !== "VCALENDAR" : opened === "VCALENDAR")
        throw invalidData(
          first,
          top === undefined
            ? `BEGIN:VCALENDAR is expected, found BEGIN:${opened}`
            : `BEGIN:VCALENDAR inside ${top.name}`,
        );
      components += 1;
      if (components > maxComponents) throw invalidData(first, `more than ${maxComponents} components`);
      if (stack.length === maxDepth) throw invalidData(first, `components nested deeper than ${maxDepth}`);
      const component: Open = { name: opened, properties: [], components: [], line: first };
      top?.components.push(component);
      stack.push(component);
      top = component;
    } else if (name === "END") {
      const closed = componentName(source, nameEnd, stop, first);
      if (top === undefined) throw invalidData(first, `END:${closed} without BEGIN`);
      if (closed !== top.name) throw invalidData(first, `END:${closed} closes ${top.name}, begun in line ${top.line}`);
      stack.pop();
      if (stack.length === 0) root = top;
      top = stack[stack.length - 1];
    } else {
      if (top === undefined)
        throw invalidData(
          first,
          root === undefined ? `BEGIN:VCALENDAR is expected, found ${name}` : `${name} after END:VCALENDAR`,
        );
      top.properties.push(
        code === colon
          ? { name, parameters: noParameters, value: source.slice(nameEnd + 1, stop), line: first }
          : readParameters(name, source, nameEnd, stop, first),
      );
    }
  }
  reading.top = top;
  reading.root = root;
  reading.components = components;
  reading.line = line;
  reading.position = position;
}

function end({ top, root, line }: Reading): Component {
  if (top !== undefined) throw invalidData(line, `the text ends inside ${top.name}, begun in line ${top.line}`);
  if (root === undefined) throw invalidData(1, "BEGIN:VCALENDAR is expected, found nothing");
  return root;
}

const colon = 58;
const semicolon = 59;
const comma = 44;
const quote = 34;
const backslash = 92;

const isFold = (code: number): boolean => code === 32 || code === 9;

function withoutReturn(text: string, start: number, end: number): number {
  let stop = end;
  // "\r\r\n" comes from files sent through a text-mode conversion twice.
  while (stop > start && text.charCodeAt(stop - 1) === 13) stop -= 1;
  return stop;
}

const quoted = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);

function nameOf(source: string, start: number, end: number, small: boolean): string {
  const written = source.slice(start, end);
  const name = small ? written.toUpperCase() : written;
  return wellKnown.get(name) ?? name;
}

function componentName(source: string, nameEnd: number, stop: number, line: number): string {
  const name = source
    .slice(nameEnd + 1, stop)
    .trim()
    .toUpperCase();
  const known = wellKnown.get(name);
  if (known !== undefined) return known;
  if (!/^[A-Z0-9_.-]+$/.test(name)) throw invalidData(line, `${quoted(name)} is not a component name`);
  return name;
}

/** Reads the line from the first ";" on. RFC 5545 §3.2, RFC 6868. */
function readParameters(name: string, source: string, from: number, stop: number, line: number): Property {
  const parameters: Parameter[] = [];
  let total = 0;
  let index = from;
  while (index < stop && source.charCodeAt(index) === semicolon) {
    const start = index + 1;
    let small = false;
    for (index = start; index < stop; index++) {
      const code = source.charCodeAt(index);
      const kind = code < 128 ? nameCharacters[code]! : 0;
      if (kind === 0) break;
      if (kind === 2) small = true;
    }
    if (index === start || index >= stop || source[index] !== "=")
      throw invalidData(
        line,
        `a parameter of ${name} is not of the form NAME=value: ${quoted(source.slice(start, stop))}`,
      );
    if (parameters.length === maxParametersPerLine)
      throw invalidData(line, `${name} has more than ${maxParametersPerLine} parameters`);
    const parameter = nameOf(source, start, index, small);
    const values: string[] = [];
    do {
      if (++total > maxValuesPerLine)
        throw invalidData(line, `${name} has more than ${maxValuesPerLine} parameter values`);
      const valueStart = index + 1;
      let value: string;
      if (source.charCodeAt(valueStart) === quote) {
        const close = source.indexOf('"', valueStart + 1);
        if (close === -1 || close >= stop) throw invalidData(line, `${parameter} of ${name}: the quote is not closed`);
        value = source.slice(valueStart + 1, close);
        index = close + 1;
      } else {
        index = endOfPlainValue(source, valueStart, stop);
        value = source.slice(valueStart, index);
      }
      values.push(value.includes("^") ? withoutCarets(value) : value);
    } while (index < stop && source.charCodeAt(index) === comma);
    parameters.push({ name: parameter, values });
    if (index < stop && source.charCodeAt(index) !== semicolon && source.charCodeAt(index) !== colon)
      throw invalidData(line, `${parameter} of ${name}: text after the closing quote`);
  }
  if (index >= stop) throw invalidData(line, `${name} has no ":" before its value`);
  return { name, parameters, value: source.slice(index + 1, stop), line };
}

/** Values without quotes end at "," ";" or ":". A backslash takes these along: macOS Calendar sends X-APPLE-ABUID=ab\://Work. */
function endOfPlainValue(source: string, start: number, stop: number): number {
  let index = start;
  for (; index < stop; index++) {
    const code = source.charCodeAt(index);
    if (code === semicolon || code === colon || code === comma) break;
    if (code === backslash && index + 1 < stop) {
      const next = source.charCodeAt(index + 1);
      if (next === semicolon || next === colon || next === comma) index += 1;
    }
  }
  return index;
}

/** RFC 6868 §3: ^n, ^^ and ^'; any other caret stays. */
const withoutCarets = (value: string): string =>
  value.replace(/\^[n^']/g, (pair) => (pair === "^n" ? "\n" : pair === "^^" ? "^" : '"'));
