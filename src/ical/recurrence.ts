import { Lru } from "../base/lru.ts";
import { Refusal } from "../model/refusal.ts";
import { type Scale, scaleNamed } from "./scales.ts";
import { parseDateTimeText } from "./time.ts";

export const frequencies = ["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"] as const;
export type Frequency = (typeof frequencies)[number];

/** One entry of BYDAY: `MO` (ordinal 0) or `-1MO`. */
export interface OrdinalWeekday {
  readonly ordinal: number;
  /** 0 is Monday. */
  readonly weekday: number;
}

/** A recurrence rule (RFC 5545 §3.3.10, RFC 7529). Lists are sorted, without duplicates, and empty when the part is absent. */
export interface Rule {
  readonly frequency: Frequency;
  readonly interval: number;
  /** Instances in all, the first one included. */
  readonly count: number | undefined;
  /** The last possible instance, inclusive. `local` are seconds of its clock as if UTC; `utc` says that the clock is UTC's. */
  readonly until: { readonly local: number; readonly date: boolean; readonly utc: boolean } | undefined;
  readonly bySecond: readonly number[];
  readonly byMinute: readonly number[];
  readonly byHour: readonly number[];
  readonly byDay: readonly OrdinalWeekday[];
  readonly byMonthDay: readonly number[];
  readonly byYearDay: readonly number[];
  readonly byWeekNumber: readonly number[];
  readonly byMonth: readonly number[];
  readonly bySetPosition: readonly number[];
  /** 0 is Monday. */
  readonly weekStart: number;
  /** What becomes of dates that do not exist (RFC 7529 §4.1). */
  readonly skip: "OMIT" | "BACKWARD" | "FORWARD";
  /** The calendar that years, months and their days are those of; undefined for the Gregorian one. Only with YEARLY and MONTHLY:
   *  the others count in days. Then `byMonth` has leap months as halves: 5.5 is 5L. */
  readonly scale: Scale | undefined;
}

const weekdays = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const maxLength = 10_000;

// Rules repeat: most calendars hold a few dozen different texts.
const cache = new Lru<string, Rule>({ maxEntries: 512 });

/** Reads the value of an RRULE or EXRULE; `line` is named in problems. Throws Refusal(valid-calendar-data) that names the part
 *  and its bound, or Refusal(supported-rscale) for a calendar that is not known, or parts that are not counted in it.
 *  With `lenient`, for data already stored, what RFC 5545 forbids but is clear is taken: COUNT together with UNTIL (both
 *  hold), and parts that do not go with the frequency (they limit; ordinals in BYDAY are dropped). */
export function parseRule(text: string, line: number, lenient = false): Rule {
  const key = lenient ? `~${text}` : text;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const rule = readRule(text, line, lenient);
  if (key.length <= 256) cache.set(key, rule);
  return rule;
}

function readRule(text: string, line: number, lenient: boolean): Rule {
  const place = line > 0 ? `line ${line}: ` : "";
  const refuse = (problem: string): never => {
    throw new Refusal({ code: "valid-calendar-data", problem: `${place}recurrence rule: ${problem}` });
  };
  if (text.length > maxLength) refuse(`longer than ${maxLength} characters`);
  const parts = readParts(text, refuse);

  const scaleName = parts.get("RSCALE")?.toUpperCase();
  const refuseScale = (problem: string): never => {
    throw new Refusal({ code: "supported-rscale", problem: `${place}RSCALE=${scaleName}: ${problem}` });
  };
  const named = scaleName === undefined ? "gregorian" : scaleNamed(scaleName);
  const calendar = named ?? refuseScale(`is not known; see CALDAV:supported-rscale-set`);

  const oneOf = <T extends string>(name: string, options: readonly T[], fallback: T): T => {
    const value = parts.get(name)?.toUpperCase();
    if (value === undefined) return fallback;
    return (
      options.find((option) => option === value) ??
      refuse(`${name} must be one of ${options.join(", ")}, found ${value}`)
    );
  };
  const numbers = (name: string, low: number, high: number, signed: boolean): number[] => {
    const value = parts.get(name);
    if (value === undefined) return [];
    const bound = signed ? `from ${low} to ${high} or from -${high} to -${low}` : `from ${low} to ${high}`;
    const list = value.split(",").map((item) => {
      const size = /^[+-]?[0-9]{1,3}$/.test(item) && (signed || !/^[+-]/.test(item)) ? Math.abs(Number(item)) : -1;
      return size >= low && size <= high
        ? Number(item)
        : refuse(`${name} must be ${bound}, found ${JSON.stringify(item)}`);
    });
    return [...new Set(list)].sort((a, b) => a - b);
  };
  const whole = (name: string): number | undefined => {
    const value = parts.get(name);
    if (value === undefined) return undefined;
    const number = /^[0-9]{1,10}$/.test(value) ? Number(value) : 0;
    return number >= 1 && number <= 2_147_483_647
      ? number
      : refuse(`${name} must be from 1 to 2147483647, found ${JSON.stringify(value)}`);
  };

  if (!parts.has("FREQ")) refuse("FREQ is missing");
  const until = parts.get("UNTIL");
  const rule: Rule = {
    frequency: oneOf("FREQ", frequencies, "YEARLY"),
    interval: whole("INTERVAL") ?? 1,
    count: whole("COUNT"),
    until:
      until === undefined
        ? undefined
        : (parseDateTimeText(until) ??
          refuse(`UNTIL must be a date or a time that exists, found ${JSON.stringify(until)}`)),
    // There are no leap seconds here: second 60 is 59 (RFC 5545 §3.3.5).
    bySecond: [...new Set(numbers("BYSECOND", 0, 60, false).map((second) => Math.min(second, 59)))],
    byMinute: numbers("BYMINUTE", 0, 59, false),
    byHour: numbers("BYHOUR", 0, 23, false),
    byDay: readWeekdays(parts.get("BYDAY"), refuse),
    byMonthDay: numbers("BYMONTHDAY", 1, 31, true),
    byYearDay: numbers("BYYEARDAY", 1, calendar === "gregorian" ? 366 : 385, true),
    byWeekNumber: numbers("BYWEEKNO", 1, 53, true),
    byMonth: calendar === "gregorian" ? numbers("BYMONTH", 1, 12, false) : readMonths(parts.get("BYMONTH"), refuse),
    bySetPosition: numbers("BYSETPOS", 1, 366, true),
    weekStart: weekdays.indexOf(oneOf("WKST", weekdays, "MO")),
    skip: oneOf("SKIP", ["OMIT", "BACKWARD", "FORWARD"], "OMIT"),
    scale: undefined,
  };
  const scaled = calendar === "gregorian" ? rule : countedIn(calendar, rule, refuseScale);
  if (lenient) return scaled;
  if (parts.has("SKIP") && scaleName === undefined) refuse("SKIP needs RSCALE");
  checkParts(rule, refuse);
  return scaled;
}

/** The rule in a calendar other than the Gregorian. Days and weeks are the same in all of them. */
function countedIn(scale: Scale, rule: Rule, refuseScale: Refuse): Rule {
  const { frequency } = rule;
  if (rule.byWeekNumber.length > 0) refuseScale("weeks are numbered in GREGORIAN only");
  if (frequency === "YEARLY" || frequency === "MONTHLY") return { ...rule, scale };
  if (rule.byMonth.length + rule.byMonthDay.length + rule.byYearDay.length > 0)
    refuseScale(`BYMONTH, BYMONTHDAY and BYYEARDAY are counted with FREQ=YEARLY and FREQ=MONTHLY only`);
  return rule;
}

/** BYMONTH of another calendar: `5L` is the leap month after 5, 5.5 here (RFC 7529 §4.2). */
function readMonths(text: string | undefined, refuse: Refuse): readonly number[] {
  if (text === undefined) return [];
  const months = text.split(",").map((item) => {
    const [, number, leap] = /^([0-9]{1,2})(L?)$/i.exec(item) ?? [];
    const month = Number(number ?? 0);
    if (month < 1 || month > 13) refuse(`BYMONTH must list months such as 5 or 5L, found ${JSON.stringify(item)}`);
    return leap === undefined || leap === "" ? month : month + 0.5;
  });
  return [...new Set(months)].sort((a, b) => a - b);
}

type Refuse = (problem: string) => never;

const names = new Set(
  "FREQ,UNTIL,COUNT,INTERVAL,BYSECOND,BYMINUTE,BYHOUR,BYDAY,BYMONTHDAY,BYYEARDAY,BYWEEKNO,BYMONTH,BYSETPOS,WKST,RSCALE,SKIP".split(
    ",",
  ),
);

function readParts(text: string, refuse: Refuse): Map<string, string> {
  const parts = new Map<string, string>();
  const written = text.trim().split(";");
  // Some clients end the list with a semicolon.
  if (written.at(-1) === "") written.pop();
  for (const part of written) {
    const equals = part.indexOf("=");
    const name = part.slice(0, Math.max(equals, 0)).trim().toUpperCase();
    const value = part.slice(equals + 1).trim();
    if (equals < 0 || value === "") refuse(`${JSON.stringify(part.slice(0, 40))} is not NAME=VALUE`);
    // RFC 2445 allowed X- parts; they change no instance that others could see.
    if (name.startsWith("X-")) continue;
    if (!names.has(name)) refuse(`${name.slice(0, 40)} is not a part of a rule`);
    if (parts.has(name)) refuse(`${name} stands there twice`);
    parts.set(name, value);
  }
  return parts;
}

function readWeekdays(text: string | undefined, refuse: Refuse): OrdinalWeekday[] {
  if (text === undefined) return [];
  const found = new Map<number, OrdinalWeekday>();
  for (const item of text.toUpperCase().split(",")) {
    const [, number, name] = /^([+-]?[0-9]{1,2})?([A-Z]{2})$/.exec(item.trim()) ?? [];
    const weekday = weekdays.indexOf(name ?? "");
    const ordinal = Number(number ?? 0);
    if (weekday < 0 || (number !== undefined && ordinal === 0) || Math.abs(ordinal) > 53)
      refuse(`BYDAY must list weekdays such as MO or -1MO with numbers from 1 to 53, found ${JSON.stringify(item)}`);
    found.set(ordinal * 7 + weekday, { ordinal, weekday });
  }
  return [...found.values()].sort((a, b) => a.weekday - b.weekday || a.ordinal - b.ordinal);
}

/** What RFC 5545 §3.3.10 says MUST NOT stand together. */
function checkParts(rule: Rule, refuse: Refuse): void {
  const { frequency } = rule;
  if (rule.count !== undefined && rule.until !== undefined) refuse("COUNT and UNTIL must not stand together");
  if (rule.byWeekNumber.length > 0 && frequency !== "YEARLY")
    refuse(`BYWEEKNO goes with FREQ=YEARLY only, found ${frequency}`);
  if (rule.byMonthDay.length > 0 && frequency === "WEEKLY") refuse("BYMONTHDAY does not go with FREQ=WEEKLY");
  if (rule.byYearDay.length > 0 && ["DAILY", "WEEKLY", "MONTHLY"].includes(frequency))
    refuse(`BYYEARDAY does not go with FREQ=${frequency}`);
  if (rule.byDay.some(({ ordinal }) => ordinal !== 0)) {
    if (frequency !== "MONTHLY" && frequency !== "YEARLY")
      refuse(`BYDAY takes numbers with FREQ=MONTHLY and FREQ=YEARLY only, found ${frequency}`);
    if (rule.byWeekNumber.length > 0) refuse("BYDAY takes no numbers beside BYWEEKNO");
  }
}
