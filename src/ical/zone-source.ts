import { readFileSync, statSync } from "node:fs";
import { dataFolder } from "./data-folder.ts";
import { dayNumber, daySeconds, monthLength, weekdayOf } from "./time.ts";

/** How a time of the source is meant: on the clock (w), on the clock without daylight saving (s), or UTC (u). */
export type ClockKind = "w" | "s" | "u";

/** A day of a month: a number, the last weekday, or a weekday on or after (before) a number. 0 is Monday. */
export type DayOfMonth =
  | { readonly form: "day"; readonly day: number }
  | { readonly form: "last"; readonly weekday: number }
  | { readonly form: "after" | "before"; readonly day: number; readonly weekday: number };

/** A Rule line: a yearly change of the daylight saving. */
export interface RuleLine {
  readonly from: number;
  /** Infinity: for ever. */
  readonly to: number;
  readonly month: number;
  readonly day: DayOfMonth;
  /** Seconds after midnight; may be negative or beyond a day. */
  readonly at: number;
  readonly clock: ClockKind;
  /** Seconds added to the standard offset. */
  readonly save: number;
  /** What stands for %s in the era's format. */
  readonly letter: string;
}

/** A Zone line: one stretch of a zone's history. */
export interface Era {
  /** Standard offset, seconds east of UTC. */
  readonly offset: number;
  /** The rules in force, or a fixed daylight saving in seconds. */
  readonly rules: readonly RuleLine[] | number;
  readonly format: string;
  /** Local seconds at which the next era begins; undefined for the last. */
  readonly until: { readonly local: number; readonly clock: ClockKind } | undefined;
}

const dataFile = (name: string): URL => new URL(name, dataFolder("zones", name));

// Read at start, 112 KB, and taken apart when a definition is first asked for: few servers ever write one.
const source = dataFile("tzdata.zi");
const text = readFileSync(source, "latin1");

/** Release of the source, such as "2026b". */
export const sourceRelease: string = /^# version (\S+)/.exec(text)?.[1] ?? "unknown";

interface Index {
  /** The fields of the lines of each zone. */
  readonly zones: ReadonlyMap<string, readonly (readonly string[])[]>;
  readonly rules: ReadonlyMap<string, readonly RuleLine[]>;
  readonly links: ReadonlyMap<string, string>;
}

let index: Index | undefined;

function indexed(): Index {
  if (index !== undefined) return index;
  const zones = new Map<string, (readonly string[])[]>();
  const rules = new Map<string, RuleLine[]>();
  const links = new Map<string, string>();
  let zone: (readonly string[])[] | undefined;
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const fields = line.split(" ");
    const [kind, name = ""] = fields;
    if (kind === "R") {
      const set = rules.get(name) ?? [];
      set.push(ruleOf(fields));
      rules.set(name, set);
    } else if (kind === "L") links.set(fields[2] ?? "", name);
    else if (kind === "Z") {
      zone = [fields.slice(2)];
      zones.set(name, zone);
    } else zone?.push(fields);
  }
  // The zone of a computer on which nobody chose one.
  zones.delete("Factory");
  index = { zones, rules, links };
  return index;
}

/** Names of the zones, without links, in order. */
export const sourceZones = (): readonly string[] => [...indexed().zones.keys()].sort();

const modified = Math.floor(statSync(source).mtimeMs / 1000);
/** When the source was last changed, seconds since 1970. */
export const sourceModified = (): number => modified;

/** Links: other names, each with the zone it means in the end. */
export const sourceLinks = (): ReadonlyMap<string, string> => indexed().links;

/** The zone that a name means, through links; undefined when the source has neither. */
export function sourceName(name: string): string | undefined {
  const { zones, links } = indexed();
  let found: string | undefined = name;
  for (let steps = 0; steps < 5 && found !== undefined; steps++) {
    if (zones.has(found)) return found;
    found = links.get(found);
  }
  return undefined;
}

const loaded = new Map<string, readonly Era[]>();

/** The history of a zone. `name` is one of `sourceZones`. */
export function erasOf(name: string): readonly Era[] {
  let eras = loaded.get(name);
  if (eras === undefined) {
    const { zones, rules } = indexed();
    eras = (zones.get(name) ?? []).map((fields) => eraOf(fields, rules));
    loaded.set(name, eras);
  }
  return eras;
}

/** A change of the difference between TAI and UTC, at midnight UTC. */
export interface LeapSecond {
  /** "1972-01-01" */
  readonly onset: string;
  readonly offset: number;
}

const leapText = readFileSync(dataFile("leap-seconds.txt"), "latin1");

/** The leap seconds, and the date until which no more are known to come. */
export const leapSeconds: { readonly expires: string; readonly changes: readonly LeapSecond[] } = {
  expires: /^expires (\S+)/m.exec(leapText)?.[1] ?? "",
  changes: [...leapText.matchAll(/^(\d{4}-\d\d-\d\d) (\d+)$/gm)].map(([, onset = "", offset]) => ({
    onset,
    offset: Number(offset),
  })),
};

// -------------------------------------------------------------------------------------------- the lines of zic(8)'s input

const months = ["january", "february", "march", "april", "may", "june"].concat([
  "july",
  "august",
  "september",
  "october",
  "november",
  "december",
]);
const weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/** Words are written as short as they are unique. */
function wordIn(words: readonly string[], start: string): number {
  const found = words.findIndex((word) => word.startsWith(start.toLowerCase()));
  if (found < 0) throw new RangeError(`tzdata.zi: ${start} is none of ${words.join(", ")}`);
  return found;
}

/** `R NAME FROM TO - IN ON AT SAVE LETTER` */
function ruleOf(fields: readonly string[]): RuleLine {
  const [, , from = "", to = "", , month = "", on = "", at = "", save = "", letter = ""] = fields;
  const first = Number(from);
  return {
    from: first,
    to: "only".startsWith(to) ? first : "maximum".startsWith(to) ? Number.POSITIVE_INFINITY : Number(to),
    month: wordIn(months, month) + 1,
    day: dayOf(on),
    at: secondsOf(at),
    clock: clockOf(at),
    save: secondsOf(save),
    letter: letter === "-" ? "" : letter,
  };
}

/** `OFFSET RULES FORMAT [YEAR [MONTH [DAY [TIME]]]]` */
function eraOf(fields: readonly string[], sets: Index["rules"]): Era {
  const [offset = "", rules = "", format = "", year, month = "Jan", day = "1", time = "0"] = fields;
  const own = sets.get(rules);
  return {
    offset: secondsOf(offset),
    rules: own ?? (rules === "-" ? 0 : secondsOf(rules)),
    format,
    until:
      year === undefined
        ? undefined
        : {
            local: dayIn(Number(year), wordIn(months, month) + 1, dayOf(day)) * daySeconds + secondsOf(time),
            clock: clockOf(time),
          },
  };
}

function dayOf(text: string): DayOfMonth {
  const [, name = "", sign, number = ""] = /^([A-Za-z]*)([<>]=)?(\d*)$/.exec(text) ?? [];
  if (name === "") return { form: "day", day: Number(number) };
  if (sign === undefined) return { form: "last", weekday: wordIn(weekdays, name.slice("last".length)) };
  return { form: sign === ">=" ? "after" : "before", day: Number(number), weekday: wordIn(weekdays, name) };
}

/** `[-]h[:mm[:ss]]` with the letter of the clock behind it. */
function secondsOf(text: string): number {
  const [, sign, hours = "0", minutes = "0", seconds = "0"] = /^(-?)(\d+)(?::(\d+))?(?::(\d+))?/.exec(text) ?? [];
  const size = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return sign === "-" ? 0 - size : size;
}

function clockOf(text: string): ClockKind {
  const letter = text.at(-1) ?? "";
  return letter === "s" ? "s" : letter === "u" || letter === "g" || letter === "z" ? "u" : "w";
}

/** The day number of a day in a month; a weekday may lie beyond the month's end. */
export function dayIn(year: number, month: number, day: DayOfMonth): number {
  const first = dayNumber(year, month, 1);
  if (day.form === "day") return first + day.day - 1;
  if (day.form === "last") {
    const last = first + monthLength(year, month) - 1;
    return last - ((weekdayOf(last) - day.weekday + 7) % 7);
  }
  const near = first + day.day - 1;
  return day.form === "after"
    ? near + ((day.weekday - weekdayOf(near) + 7) % 7)
    : near - ((weekdayOf(near) - day.weekday + 7) % 7);
}
