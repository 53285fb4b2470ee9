import { utc } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import type { Property } from "./component.ts";
import type { Rule } from "./recurrence.ts";
import { parseRule } from "./recurrence.ts";
import type { Shape } from "./recurrence-shape.ts";
import { readPeriod } from "./recurrence-shape.ts";
import type { Starts } from "./recurrence-starts.ts";
import { lastStart, newBudget, startsOf } from "./recurrence-starts.ts";
import type { Budget } from "./recurrence-times.ts";
import type { DateTime, Duration, ZoneLookup } from "./time.ts";
import { dateTimesOf, daySeconds } from "./time.ts";
import type { Zone } from "./zone-transitions.ts";

/** What a start is compared by: the instant for a component with a zone, else local seconds. Two spellings of one time, in
 *  other zones or in UTC, have one key. A date has the key of its midnight. */
export function keyOf(time: DateTime, master: DateTime): number {
  if (master.form === "date") return Math.floor(time.local / daySeconds) * daySeconds;
  if (master.zone === undefined || time.form === "utc") return time.local;
  return (time.zone ?? master.zone).toUtc(time.local);
}

/** A set of starts, given as times or, for a component with times, as whole days. */
export class StartSet {
  readonly keys = new Set<number>();
  #days: Set<number> | undefined;

  /** Adds EXDATE or RECURRENCE-ID values. A date among times means what starts on that day (old Apple clients). */
  add(time: DateTime, master: DateTime): void {
    if (time.form === "date" && master.form !== "date") {
      this.#days ??= new Set();
      this.#days.add(time.local);
    } else this.keys.add(keyOf(time, master));
  }

  get size(): number {
    return this.keys.size + (this.#days?.size ?? 0);
  }

  has(key: number, local: number): boolean {
    if (this.keys.has(key)) return true;
    return this.#days?.has(Math.floor(local / daySeconds) * daySeconds) ?? false;
  }
}

/** One start of a recurrence set. */
export interface SetStart {
  readonly key: number;
  readonly time: DateTime;
  /** Of an RDATE that is a PERIOD; otherwise the component's own. */
  readonly length: Duration | undefined;
}

/** RRULE, RDATE, EXRULE and EXDATE of a component, read once. RFC 5545 §3.8.5 */
export interface RecurrenceSet {
  readonly start: DateTime;
  readonly rules: readonly Rule[];
  readonly exceptionRules: readonly Rule[];
  /** RDATE values and DTSTART, in order of key. */
  readonly dates: readonly SetStart[];
  readonly exceptions: StartSet;
  /** Seconds of the longest RDATE period, at most. */
  readonly longest: number;
}

// More than one rule is "undefined" in RFC 5545, and rare.
const maxRules = 10;

/** Throws Refusal(valid-calendar-data). */
export function recurrenceSetOf(shape: Shape, zones: ZoneLookup): RecurrenceSet {
  const { start } = shape;
  const rulesOf = (properties: readonly Property[]): Rule[] => {
    const [extra] = properties.slice(maxRules);
    if (extra !== undefined)
      throw new Refusal({
        code: "valid-calendar-data",
        problem: `line ${extra.line}: more than ${maxRules} ${extra.name}s`,
      });
    // Some exporters write an empty RRULE for an event that does not recur.
    return properties.filter(({ value }) => value.trim() !== "").map(({ value, line }) => parseRule(value, line, true));
  };
  const exceptions = new StartSet();
  for (const property of shape.exceptionDates)
    for (const time of dateTimesOf(property, zones)) exceptions.add(time, start);

  const dates: SetStart[] = [{ key: keyOf(start, start), time: start, length: undefined }];
  let longest = 0;
  for (const property of shape.dates) {
    if (property.value.trim() === "") continue;
    for (const text of property.value.split(",")) {
      const { start: time, length } = readPeriod(property, text, zones);
      const isPeriod = text.includes("/");
      if (isPeriod) longest = Math.max(longest, length.days * 90_000 + length.seconds);
      dates.push({ key: keyOf(time, start), time, length: isPeriod ? length : undefined });
    }
  }
  // Of two values with one key, the period comes first and is the one taken: it says more.
  dates.sort((a, b) => a.key - b.key || Number(a.length === undefined) - Number(b.length === undefined));
  const rules = rulesOf(shape.rules);
  return { start, rules, exceptionRules: rulesOf(shape.exceptionRules), dates, exceptions, longest };
}

/** One rule, looked at from its next start. */
class RuleSource {
  #starts: Starts;
  readonly #zone: Zone | undefined;
  readonly #lastKey: number;
  readonly #restart: ((from: number) => Starts) | undefined;
  readonly #budget: Budget;
  local = 0;
  /** Infinity after the last. */
  key = 0;

  constructor(rule: Rule, start: DateTime, from: number, last: number, budget: Budget, withStart: boolean) {
    const end = lastStart(rule, start);
    const startFrom = (local: number): Starts =>
      startsOf(rule, start.local, start.form === "date", {
        from: local,
        last: Math.min(end.local, last),
        budget,
        withStart,
      });
    this.#zone = start.zone;
    this.#lastKey = end.at;
    this.#budget = budget;
    // Counting for COUNT from DTSTART again and again may cost more than stepping.
    this.#restart = rule.count === undefined ? startFrom : undefined;
    this.#starts = startFrom(from);
    this.advance();
  }

  /** Goes to the first start that is not before a key, whose local time is given too. An EXRULE may have a million starts
   *  between two of the RRULE: they are jumped over or, with a COUNT, walked through while the budget lasts. */
  advanceTo(key: number, local: number): void {
    for (let steps = 0; this.key < key; steps++) {
      if (steps === 16 && this.#restart !== undefined) {
        this.#starts = this.#restart(local);
        // May cost as much as some forty steps.
        this.#budget.left -= 40;
      }
      this.advance();
      if (--this.#budget.left < 0) this.key = Infinity;
    }
  }

  advance(): void {
    const local = this.#starts.next();
    const key = local === undefined ? Infinity : this.#zone === undefined ? local : this.#zone.toUtc(local);
    this.local = local ?? 0;
    this.key = key > this.#lastKey ? Infinity : key;
  }
}

/** Walks a recurrence set in order of key, without duplicates and exceptions. `from` and `last` bound the local time of the
 *  rules' starts (inclusive); RDATE values outside come all the same. */
export class SetWalk {
  readonly #set: RecurrenceSet;
  readonly #sources: readonly RuleSource[];
  readonly #exceptions: readonly RuleSource[];
  readonly #budget: Budget = newBudget();
  #date = 0;
  #last = Number.NEGATIVE_INFINITY;
  /** Keys of starts in a gap of the zone: the same instants may come again by their real local time. */
  #inGap: Set<number> | undefined;

  constructor(set: RecurrenceSet, from: number, last: number) {
    this.#set = set;
    this.#budget.left += set.exceptions.size + set.dates.length;
    const { rules, exceptionRules, start } = set;
    this.#sources = rules.map((rule) => new RuleSource(rule, start, from, last, this.#budget, true));
    this.#exceptions = exceptionRules.map((rule) => new RuleSource(rule, start, from, last, this.#budget, false));
  }

  /** The walk ended because it would have taken too long: what it gave is not all. */
  get exhausted(): boolean {
    return this.#budget.left < 0;
  }

  /** Undefined after the last start, and when the budget is used up. */
  next(): SetStart | undefined {
    const { dates, exceptions, start } = this.#set;
    // Also those passed over are steps: a rule whose every start is excluded has no end.
    while (--this.#budget.left >= 0) {
      let source: RuleSource | undefined;
      for (const candidate of this.#sources) if (candidate.key < (source?.key ?? Infinity)) source = candidate;
      const date = dates[this.#date];
      // An RDATE wins over the same start of a rule if it brings its own length; else the rule's clock is the component's.
      const ahead = date === undefined || source === undefined ? -1 : date.key - source.key;
      const useDate = date !== undefined && (ahead < 0 || (ahead === 0 && date.length !== undefined));
      if (!useDate && source === undefined) return undefined;
      const key = useDate ? date.key : source!.key;
      const local = useDate ? date.time.local : source!.local;
      if (useDate) this.#date++;
      else source!.advance();
      if (this.#isKnown(key, local)) continue;
      if (exceptions.has(key, local) || this.#isExcepted(key)) continue;
      this.#budget.left++;
      return useDate ? date : { key, time: { local, form: start.form, zone: start.zone }, length: undefined };
    }
    return undefined;
  }

  /** Whether the instant came before. */
  #isKnown(key: number, local: number): boolean {
    if (key === this.#last) return true;
    const known = key < this.#last && (this.#inGap?.has(key) || this.#isPassedDate(key));
    if (key > this.#last) this.#last = key;
    const { zone } = this.#set.start;
    if (zone !== undefined && !zone.fixed && zone.offsetAt(utc(key)) !== local - key) {
      // A gap is an hour or two: what is older can be forgotten.
      if (this.#inGap === undefined || this.#inGap.size > 10_000) this.#inGap = new Set();
      this.#inGap.add(key);
    }
    return known;
  }

  // After a gap a rule's instants go back by its length, and an RDATE may have been one of those.
  #isPassedDate(key: number): boolean {
    const { dates } = this.#set;
    for (let [low, high] = [0, this.#date]; low < high; ) {
      const middle = (low + high) >> 1;
      const found = dates[middle]?.key ?? 0;
      if (found === key) return true;
      if (found < key) low = middle + 1;
      else high = middle;
    }
    return false;
  }

  #isExcepted(key: number): boolean {
    if (this.#exceptions.length === 0) return false;
    const local = key + (this.#set.start.zone?.offsetAt(utc(key)) ?? 0);
    for (const source of this.#exceptions) {
      source.advanceTo(key, local);
      if (source.key === key) return true;
    }
    return false;
  }
}
