import { readFileSync } from "node:fs";
import { Lru } from "../base/lru.ts";
import type { Component } from "./component.ts";
import { propertyOf } from "./component.ts";
import { dataFolder } from "./data-folder.ts";
import { Latest } from "./latest.ts";
import type { ZoneLookup } from "./time.ts";
import { dayNumber, daySeconds } from "./time.ts";
import { zoneOfComponent } from "./zone-component.ts";
import { eachPosixTransition, parsePosixRule } from "./zone-posix.ts";
import type { Zone } from "./zone-transitions.ts";
import { changingZone, fixedZone, utcZone } from "./zone-transitions.ts";

export { zoneOfComponent } from "./zone-component.ts";
export type { Zone } from "./zone-transitions.ts";
export { utcZone } from "./zone-transitions.ts";

// Read once at start, 180 KB: a request never waits for the file, and a zone is read from its line when first asked for.
const folder = dataFolder("zones", "zones.txt");
const text = readFileSync(new URL("zones.txt", folder), "latin1");
const windows = new Map<string, string>(
  Object.entries(JSON.parse(readFileSync(new URL("windows.json", folder), "utf8")) as Record<string, string>),
);

/** Release of the IANA data that ships with the server, such as "2026b". */
export const zoneRelease: string = /^# IANA time zones (\S+)\./.exec(text)?.[1] ?? "unknown";

/** Where the line of each name begins. */
const lines = new Map<string, number>();
for (let at = 0; at < text.length; at = text.indexOf("\n", at) + 1)
  if (text.charCodeAt(at) !== 0x23) lines.set(text.slice(at, text.indexOf("\t", at)), at);

/** Names in lower case, made when a name is first spelt otherwise. */
let folded: Map<string, string> | undefined;

const loaded = new Map<string, Zone>();
// Names as clients write them, which are many more than there are zones. Absence is remembered too.
const asked = new Lru<string, Zone | false>({ maxEntries: 1_000 });
const maxName = 200;

/** The zone of a name: of IANA (old names too), of Windows (CLDR), in any case, with trailing blanks, or after a vendor's
 *  prefix (`/mozilla.org/20050126_1/Europe/Berlin`). Undefined when no such zone is known. One object per zone. */
export function ianaZone(tzid: string): Zone | undefined {
  const zone = loaded.get(tzid) ?? asked.get(tzid);
  if (zone !== undefined) return zone || undefined;
  if (tzid.length > maxName) return undefined;
  const name = zoneName(tzid);
  const found = name === undefined ? undefined : load(name);
  asked.set(tzid, found ?? false);
  return found;
}

/** Names of all zones, links included, in order. */
export const zoneNames = (): readonly string[] => [...lines.keys()].sort();

function zoneName(tzid: string): string | undefined {
  // Microsoft's clients leave blanks behind.
  const name = tzid.trim();
  folded ??= new Map(
    [...windows, ...[...lines.keys()].map((key) => [key, key] as const)].map(([k, v]) => [k.toLowerCase(), v]),
  );
  for (let at = 0; ; at++) {
    const rest = name.slice(at);
    const found = lines.has(rest) ? rest : folded.get(rest.toLowerCase());
    if (found !== undefined) return found;
    at = name.indexOf("/", at);
    if (at < 0) return undefined;
  }
}

function load(name: string): Zone | undefined {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const at = lines.get(name);
  if (at === undefined) return undefined;
  const [, types = "", transitions = "", rule = ""] = text.slice(at, text.indexOf("\n", at)).split("\t");
  const zone = types === "=" ? load(transitions) : readZone(name, types, transitions, rule);
  if (zone !== undefined) loaded.set(name, zone);
  return zone;
}

/** Reads a line of zones.txt; its head describes the format. */
function readZone(name: string, types: string, transitions: string, ruleText: string): Zone {
  const typeOffsets = types.split(" ").map((type) => Number.parseInt(type, 10));
  const first = typeOffsets[0] ?? 0;
  const at: number[] = [];
  const offsets: number[] = [];
  let last = 0;
  if (transitions !== "")
    for (const token of transitions.split(" ")) {
      last += Number.parseInt(token.slice(1), 36);
      at.push(last);
      offsets.push(typeOffsets[Number.parseInt(token.charAt(0), 36)] ?? first);
    }
  const rule = ruleText === "" ? undefined : parsePosixRule(ruleText);
  if (rule?.daylight === undefined && at.length === 0)
    return (rule?.standard ?? first) === 0 ? utcZone : fixedZone(name, rule?.standard ?? first);
  const listed = at.length > 0 ? last : Number.NEGATIVE_INFINITY;
  let year = at.length > 0 ? yearOf(last) : 1900;
  return changingZone(name, first, (until) => {
    const end = yearOf(until);
    // The lists are grown in place: the zone keeps only what it was given last.
    if (rule !== undefined && year <= end)
      eachPosixTransition(rule, year, end, (instant, offset) => {
        if (instant <= listed) return;
        at.push(instant);
        offsets.push(offset);
      });
    year = Math.max(year, end + 1);
    return { at, offsets };
  });
}

const yearOf = (seconds: number): number => {
  const year = 1970 + Math.floor(seconds / 31_556_952);
  // The mean year drifts by a day at most.
  return seconds >= dayNumber(year + 1, 1, 1) * daySeconds
    ? year + 1
    : seconds < dayNumber(year, 1, 1) * daySeconds
      ? year - 1
      : year;
};

const lookups = new Latest<Component, ZoneLookup>();

/** How the TZIDs of an object are read: its own VTIMEZONE wins, then the names that `ianaZone` knows. A VTIMEZONE that makes no
 *  sense gives way to the IANA zone of its name, and throws its Refusal only if there is none. */
export function zonesOf(root: Component): ZoneLookup {
  let lookup = lookups.get(root);
  if (lookup === undefined) {
    lookup = makeLookup(root);
    lookups.set(root, lookup);
  }
  return lookup;
}

function makeLookup(root: Component): ZoneLookup {
  const found = new Map<string, Zone | undefined>();
  let definitions: ReadonlyMap<string, Component> | undefined;
  return (tzid) => {
    if (found.has(tzid)) return found.get(tzid);
    definitions ??= definitionsIn(root);
    const zone = ownZone(definitions, tzid) ?? ianaZone(tzid);
    found.set(tzid, zone);
    return zone;
  };
}

/** The VTIMEZONEs by TZID, without white space around it; the first of a name counts. */
function definitionsIn(root: Component): ReadonlyMap<string, Component> {
  const definitions = new Map<string, Component>();
  for (const component of root.components) {
    if (component.name !== "VTIMEZONE") continue;
    const name = propertyOf(component, "TZID")?.value.trim();
    if (name !== undefined && !definitions.has(name)) definitions.set(name, component);
  }
  return definitions;
}

function ownZone(definitions: ReadonlyMap<string, Component>, tzid: string): Zone | undefined {
  const component = definitions.get(tzid.trim());
  if (component === undefined) return undefined;
  try {
    return zoneOfComponent(component);
  } catch (problem) {
    const known = ianaZone(tzid);
    if (known === undefined) throw problem;
    return known;
  }
}
