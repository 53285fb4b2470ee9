import { Lru } from "../base/lru.ts";
import { type Component, propertyOf } from "./component.ts";
import { readCalendar } from "./read.ts";
import { unfolded } from "./slices.ts";
import { writeComponent } from "./write.ts";
import { sourceName } from "./zone-source.ts";
import { definitionFor } from "./zone-writer.ts";

/** What a client asks for with `CalDAV-Timezones` (RFC 7809 §7.1): every definition its data refers to, none of those that the
 *  time zone service gives, or the data as it is stored. */
export type ZonesAsked = "all" | "foreign" | "stored";

/** The text of a calendar with the VTIMEZONEs that are asked for; everything else stays byte for byte (RFC 7809 §3.1.3).
 *  Throws as `readCalendar` for "all". */
export function withZones(text: string, asked: ZonesAsked): string {
  if (asked === "stored") return text;
  return asked === "foreign" ? withoutKnown(text) : withMissing(text);
}

const begin = /(?:^|\n)BEGIN:VTIMEZONE[ \t]*\r?\n/gi;
const end = /\nEND:VTIMEZONE[ \t]*(?:\r?\n|$)/gi;
const tzidLine = /\nTZID(?:;[^:\n]*)?:([^\n]*)/i;

function withoutKnown(text: string): string {
  let kept = "";
  let from = 0;
  begin.lastIndex = 0;
  for (let found = begin.exec(text); found !== null; found = begin.exec(text)) {
    const start = found.index + (text[found.index] === "\n" ? 1 : 0);
    end.lastIndex = start;
    if (end.exec(text) === null) break;
    const stop = end.lastIndex;
    const tzid = tzidLine.exec(unfolded(text.slice(start, stop)))?.[1]?.trim();
    if (tzid !== undefined && sourceName(tzid) !== undefined) {
      kept += text.slice(from, start);
      from = stop;
    }
    // The line end that closes one component stands before the next.
    begin.lastIndex = stop - 1;
  }
  return from === 0 ? text : kept + text.slice(from);
}

function withMissing(text: string): string {
  // Most data refers to no zone, or brings its own.
  if (!/;TZID=/i.test(text)) return text;
  const root = readCalendar(text);
  const named = new Set<string>();
  for (const component of root.components) collect(component, named);
  for (const component of root.components)
    if (component.name === "VTIMEZONE") named.delete(propertyOf(component, "TZID")?.value.trim() ?? "");
  const missing = [...named].map(definitionText).join("");
  if (missing === "") return text;
  const first = /\nBEGIN:/i.exec(text);
  const at = first === null ? text.length : first.index + 1;
  return text.slice(0, at) + missing + text.slice(at);
}

// A definition takes a millisecond to write; a calendar uses a handful.
const written = new Lru<string, string>({ maxEntries: 100 });

/** Empty for a zone that nobody knows. */
function definitionText(tzid: string): string {
  let text = written.get(tzid);
  if (text === undefined) {
    const definition = definitionFor(tzid);
    text = definition === undefined ? "" : writeComponent(definition);
    written.set(tzid, text);
  }
  return text;
}

function collect({ name, properties, components }: Component, named: Set<string>): void {
  if (name === "VTIMEZONE") return;
  for (const { parameters } of properties)
    for (const parameter of parameters) if (parameter.name === "TZID") named.add((parameter.values[0] ?? "").trim());
  for (const component of components) collect(component, named);
}
