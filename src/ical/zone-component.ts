import { Lru } from "../base/lru.ts";
import { Refusal } from "../model/refusal.ts";
import type { Component, Property } from "./component.ts";
import { propertyOf } from "./component.ts";
import type { Rule } from "./recurrence.ts";
import { parseRule } from "./recurrence.ts";
import { startsOf } from "./recurrence-starts.ts";
import { dateTimesOf, dayNumber, daySeconds, parseDateTimeText, refuseProperty } from "./time.ts";
import type { Transitions, Zone } from "./zone-transitions.ts";
import { changingZone, fixedZone } from "./zone-transitions.ts";

/** STANDARD or DAYLIGHT (RFC 5545 §3.6.5): from each onset on, `to` is in force. */
interface Observance {
  /** Seconds east of UTC. */
  readonly from: number;
  readonly to: number;
  /** Onsets that are listed, as instants. */
  readonly onsets: readonly number[];
  readonly rules: readonly { readonly rule: Rule; readonly start: number }[];
}

// A definition by yearly rules has 400 onsets from 1900 to 2100, one by lists about as many. What more there is is ignored.
const maxOnsets = 4_000;
const maxObservances = 500;
const maxRules = 4;
// Months from 1900 to 2100.
const maxSteps = 2_400;
const firstOnset = dayNumber(1900, 1, 1) * daySeconds;

// Clients write the definition of a zone into every object, and write the same one again and again.
const cache = new Lru<string, Zone>({ maxEntries: 512, maxWeight: 4_000_000, weigh: (_, key) => key.length });

/** The zone that a VTIMEZONE defines, for the years 1900 to 2100 (outside, the nearest offset holds). Equal definitions give
 *  the same object, evaluated once per process and no further than asked. Throws Refusal(valid-calendar-data) with the line:
 *  no STANDARD or DAYLIGHT, offsets that no clock has, a rule that changes the offset every day. */
export function zoneOfComponent(vtimezone: Component): Zone {
  const key = contentOf(vtimezone);
  const known = cache.get(key);
  if (known !== undefined) return known;
  const zone = readZone(vtimezone);
  cache.set(key, zone);
  return zone;
}

/** Everything that the zone depends on, as one string. */
function contentOf(vtimezone: Component): string {
  let content = "";
  for (const property of vtimezone.properties) if (property.name === "TZID") content += property.value;
  for (const { name, properties } of vtimezone.components) {
    content += `\n${name}`;
    for (const property of properties)
      switch (property.name) {
        case "DTSTART":
        case "RRULE":
        case "RDATE":
        case "TZOFFSETFROM":
        case "TZOFFSETTO":
          content += `\n${property.name}:${property.value}`;
      }
  }
  return content;
}

function readZone(vtimezone: Component): Zone {
  const id = propertyOf(vtimezone, "TZID")?.value ?? "";
  const parts = vtimezone.components.filter(({ name }) => name === "STANDARD" || name === "DAYLIGHT");
  if (parts.length === 0) refuse(vtimezone, `${id}: has neither STANDARD nor DAYLIGHT`);
  if (parts.length > maxObservances)
    refuse(vtimezone, `${id}: has more than ${maxObservances} STANDARD and DAYLIGHT parts`);
  const observances = parts.map(readObservance);
  const [first] = observances;
  if (observances.every(({ from, to }) => from === first!.to && to === first!.to)) return fixedZone(id, first!.to);
  const earliest = observances.reduce((a, b) => (b.onsets[0]! < a.onsets[0]! ? b : a));
  return changingZone(id, earliest.from, (until) => transitionsOf(observances, until));
}

function transitionsOf(observances: readonly Observance[], until: number): Transitions {
  const changes: { readonly at: number; readonly to: number }[] = [];
  for (const { from, to, onsets, rules } of observances) {
    for (const at of onsets) if (at < until) changes.push({ at, to });
    for (const { rule, start } of rules) {
      // UNTIL is a UTC time here (§3.3.10); one in local time is met, and is compared as such.
      const bound =
        rule.until === undefined ? Number.POSITIVE_INFINITY : rule.until.local + (rule.until.utc ? from : 0);
      const last = Math.min(bound, until + from - 1);
      const starts = startsOf(rule, start, false, { from: Math.max(start, firstOnset), last, steps: maxSteps });
      while (changes.length < maxOnsets) {
        const local = starts.next();
        if (local === undefined) break;
        changes.push({ at: local - from, to });
      }
    }
  }
  changes.sort((a, b) => a.at - b.at);
  return { at: changes.map(({ at }) => at), offsets: changes.map(({ to }) => to) };
}

function readObservance(part: Component): Observance {
  const from = offsetOf(part, "TZOFFSETFROM");
  const to = offsetOf(part, "TZOFFSETTO");
  const dtstart = propertyOf(part, "DTSTART") ?? refuse(part, "has no DTSTART");
  const start = localOf(dtstart, dtstart.value);
  const onsets = [start - from];
  const rules: { rule: Rule; start: number }[] = [];
  for (const property of part.properties) {
    if (property.name === "RDATE")
      for (const { local, form } of dateTimesOf(property, () => undefined))
        onsets.push(form === "utc" ? local : local - from);
    if (property.name !== "RRULE") continue;
    const rule = parseRule(property.value, property.line, true);
    if (rule.frequency === "SECONDLY" || rule.frequency === "MINUTELY" || rule.frequency === "HOURLY")
      refuseProperty(property, `a zone does not change its offset ${rule.frequency}`);
    if (rules.length === maxRules) refuseProperty(property, `more than ${maxRules} rules`);
    rules.push({ rule, start });
  }
  return { from, to, onsets: onsets.sort((a, b) => a - b), rules };
}

function localOf(property: Property, text: string): number {
  const read = parseDateTimeText(text.trim());
  return read?.local ?? refuseProperty(property, `${JSON.stringify(text.slice(0, 40))} is not a date or time`);
}

/** A UTC-OFFSET (RFC 5545 §3.3.14) in seconds. */
function offsetOf(part: Component, name: string): number {
  const property = propertyOf(part, name) ?? refuse(part, `has no ${name}`);
  const found = /^([+-])([0-9]{2})([0-9]{2})([0-9]{2})?$/.exec(property.value.trim());
  const hours = Number(found?.[2]);
  const minutes = Number(found?.[3]);
  const seconds = Number(found?.[4] ?? 0);
  if (found === null || hours > 23 || minutes > 59 || seconds > 59)
    refuseProperty(property, `${JSON.stringify(property.value.slice(0, 40))} is not an offset such as +0100`);
  const size = hours * 3600 + minutes * 60 + seconds;
  return found[1] === "-" ? 0 - size : size;
}

function refuse(part: Component, problem: string): never {
  const place = part.line > 0 ? `line ${part.line}: ` : "";
  throw new Refusal({ code: "valid-calendar-data", problem: `${place}${part.name}: ${problem}` });
}
