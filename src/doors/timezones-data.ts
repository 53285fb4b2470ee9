import { createHash } from "node:crypto";
import { isoDate } from "../http/dates.ts";
import type { Component, Property } from "../ical/component.ts";
import { dayNumber, daySeconds } from "../ical/time.ts";
import { writeComponent } from "../ical/write.ts";
import { erasOf, sourceLinks, sourceModified, sourceName, sourceRelease, sourceZones } from "../ical/zone-source.ts";
import { utc } from "../model/ids.ts";

export const calendarType = "text/calendar; charset=utf-8";

const line = (name: string, value: string): Property => ({ name, parameters: [], value, line: 0 });

/** A VCALENDAR with the definition in it, as text. */
export const calendarOf = (definition: Component | undefined): string =>
  writeComponent({
    name: "VCALENDAR",
    properties: [
      line("VERSION", "2.0"),
      line("PRODID", "-//caldavd//time zone service//EN"),
      line("CALSCALE", "GREGORIAN"),
    ],
    components: definition === undefined ? [] : [definition],
    line: 0,
  });

/** Seconds since 1970 before which all times asked for must lie: what comes later is the same every year, and costs more and
 *  more. */
export const latest = dayNumber(2300, 1, 1) * daySeconds;

// To be counted up when definitions are written otherwise.
const writer = 1;
const etags = new Map<string, string>();

/** Entity tag of a zone's whole definition as iCalendar, without quotes: changes when the zone's history does. */
export function zoneTag(zone: string): string {
  let tag = etags.get(zone);
  if (tag === undefined) {
    tag = createHash("md5")
      .update(JSON.stringify([writer, zone, erasOf(zone)], infinite))
      .digest("hex")
      .slice(0, 20);
    etags.set(zone, tag);
  }
  return tag;
}

const infinite = (_key: string, value: unknown): unknown => (value === Number.POSITIVE_INFINITY ? "∞" : value);

/** A member of the answers to "list" and "find" (RFC 7808 §6.2). */
export interface ZoneSummary {
  readonly tzid: string;
  readonly etag: string;
  readonly "last-modified": string;
  readonly publisher: string;
  readonly version: string;
  readonly aliases: readonly string[];
}

export const publisher = "IANA";
let summaries: readonly ZoneSummary[] | undefined;

/** All zones in order of name, with their other names. */
export function zoneSummaries(): readonly ZoneSummary[] {
  if (summaries !== undefined) return summaries;
  const aliases = new Map<string, string[]>();
  for (const link of sourceLinks().keys()) {
    const zone = sourceName(link);
    if (zone === undefined) continue;
    const known = aliases.get(zone) ?? [];
    known.push(link);
    aliases.set(zone, known);
  }
  const modified = isoDate(utc(sourceModified()));
  summaries = sourceZones().map((tzid) => ({
    tzid,
    etag: zoneTag(tzid),
    "last-modified": modified,
    publisher,
    version: sourceRelease,
    aliases: (aliases.get(tzid) ?? []).sort(),
  }));
  return summaries;
}
