import type { Periods } from "./recurrence-days.ts";
import { periodsOf } from "./recurrence-days.ts";
import { IntervalStarts } from "./recurrence-intervals.ts";
import type { TimeSet } from "./recurrence-times.ts";
import { positionsIn, timeSet } from "./recurrence-times.ts";
import type { Rule } from "./recurrence.ts";
import type { DateTime } from "./time.ts";
import { daySeconds } from "./time.ts";

/** The starts of a rule, one after the other: ascending, without duplicates. */
export interface Starts {
  /** Local seconds; undefined after the last, for ever. */
  next(): number | undefined;
}

export interface StartsOptions {
  /** Nothing before this is given. Starting far from DTSTART costs no more than starting at it. Default: everything. */
  readonly from?: number;
  /** Nothing after this is given, inclusive; the rule's own UNTIL is not looked at (see `lastStart`). Default: no bound. */
  readonly last?: number;
  /** Whether DTSTART belongs to the starts even when the rule does not give it. Default true. */
  readonly withStart?: boolean;
  /** How many periods without any start are looked through, one after the other, before the rule is taken to have ended.
   *  Also bounds the starts counted one by one for COUNT. Default `maxSteps`. */
  readonly steps?: number;
}

/** A rule that gives nothing for so many steps gives nothing in any calendar people keep (a rule for Monday 29 February needs
 *  340). Keeps rules that never match below two milliseconds. */
export const maxSteps = 20_000;

/** The starts of `rule` for a DTSTART, in local seconds. RFC 5545 §3.3.10.
 *
 *  DTSTART is always the first start and counts as one for COUNT, also when the rule does not give it: RFC 5545 §3.8.5.3 calls
 *  that set undefined, while §3.3.10 says that DTSTART always counts as the first occurrence, and clients show it. */
export function startsOf(rule: Rule, start: number, dates: boolean, options: StartsOptions = {}): Starts {
  const effective = dates ? forDates(rule) : rule;
  switch (effective.frequency) {
    case "SECONDLY":
    case "MINUTELY":
    case "HOURLY":
      return new IntervalStarts(effective, start, options);
    default:
      return new DayStarts(effective, start, options);
  }
}

const units = { SECONDLY: 1, MINUTELY: 60, HOURLY: 3600 };

/** The rule as it holds for dates: BYHOUR, BYMINUTE and BYSECOND are ignored (RFC 5545 §3.3.10), frequencies below a day are
 *  read as days. */
function forDates(rule: Rule): Rule {
  const { frequency, interval } = rule;
  const short = frequency === "SECONDLY" || frequency === "MINUTELY" || frequency === "HOURLY";
  if (!short && rule.byHour.length + rule.byMinute.length + rule.bySecond.length === 0) return rule;
  return {
    ...rule,
    frequency: short ? "DAILY" : frequency,
    interval: short ? Math.max(1, Math.floor((interval * units[frequency]) / daySeconds)) : interval,
    byHour: [],
    byMinute: [],
    bySecond: [],
  };
}

/** The rule's UNTIL for a DTSTART: the last local second that can be a start, and the last instant when UNTIL is a UTC time
 *  and DTSTART has a zone (then `local` is up to a day too late). A date includes its whole day. */
export function lastStart(rule: Rule, start: DateTime): { readonly local: number; readonly at: number } {
  const { until } = rule;
  if (until === undefined) return { local: Number.POSITIVE_INFINITY, at: Number.POSITIVE_INFINITY };
  if (until.date) return { local: until.local + daySeconds - 1, at: Number.POSITIVE_INFINITY };
  if (!until.utc || start.zone === undefined) return { local: until.local, at: Number.POSITIVE_INFINITY };
  return { local: until.local + daySeconds, at: until.local };
}

/** Rules of days and more: the days of each period times the times of day. */
class DayStarts implements Starts {
  readonly #rule: Rule;
  readonly #start: number;
  readonly #from: number;
  readonly #last: number;
  readonly #maxSteps: number;
  readonly #periods: Periods;
  readonly #times: TimeSet;
  /** With one time of day, which is the rule: that time. */
  readonly #time: number;
  readonly #memo = new Map<number, readonly number[]>();
  /** Starts still to be counted, those before `from` included. */
  #left: number;
  #giveStart: boolean;
  #previous: number;
  #index: number;
  #days: readonly number[] = [];
  #base = 0;
  /** Position in the period, and how many there are. */
  #i = 0;
  #size = 0;
  #positions: readonly number[] | undefined;
  #done = false;

  constructor(rule: Rule, start: number, options: StartsOptions) {
    const { from = Number.NEGATIVE_INFINITY, last = Number.POSITIVE_INFINITY, withStart = true, steps = maxSteps } = options;
    this.#rule = rule;
    this.#start = start;
    this.#from = from;
    this.#last = last;
    this.#maxSteps = steps;
    const day = Math.floor(start / daySeconds);
    const time = start - day * daySeconds;
    this.#periods = periodsOf(rule, day);
    this.#times = timeSet(
      rule.byHour.length > 0 ? rule.byHour : [Math.floor(time / 3600)],
      rule.byMinute.length > 0 ? rule.byMinute : [Math.floor(time / 60) % 60],
      rule.bySecond.length > 0 ? rule.bySecond : [time % 60],
    );
    this.#time = this.#times.at(0);
    this.#left = rule.count ?? Number.POSITIVE_INFINITY;
    this.#giveStart = withStart;
    this.#previous = start - 1;
    // Weeks of the first year may begin in the period before.
    this.#index = this.#periods.spills ? -2 : -1;
    if (from > start) this.#jump(Math.floor(from / daySeconds));
  }

  next(): number | undefined {
    if (this.#giveStart) {
      this.#giveStart = false;
      this.#previous = this.#start;
      this.#left--;
      if (this.#start > this.#last) this.#done = true;
      if (this.#start >= this.#from && !this.#done) return this.#start;
    }
    let steps = 0;
    while (!this.#done && this.#left > 0) {
      if (this.#i >= this.#size) {
        if (steps++ > this.#maxSteps || !this.#load(this.#periods.after(this.#index))) break;
        continue;
      }
      const value = this.#valueAt(this.#i++);
      if (value <= this.#previous) continue;
      if (value > this.#last) break;
      this.#previous = value;
      this.#left--;
      if (value >= this.#from) return value;
      steps++;
    }
    this.#done = true;
    return undefined;
  }

  #valueAt(i: number): number {
    const { size } = this.#times;
    const index = this.#positions === undefined ? i : this.#positions[i]!;
    if (size === 1) return (this.#base + this.#days[index]!) * daySeconds + this.#time;
    const time = index % size;
    return (this.#base + this.#days[(index - time) / size]!) * daySeconds + this.#times.at(time);
  }

  #load(index: number): boolean {
    const days = this.#periods.at(index);
    if (days === undefined) return false;
    this.#index = index;
    this.#days = days;
    this.#base = this.#periods.base;
    this.#i = 0;
    const size = days.length * this.#times.size;
    this.#positions =
      this.#rule.bySetPosition.length === 0 ? undefined : positionsIn(this.#rule.bySetPosition, size, this.#memo);
    this.#size = this.#positions?.length ?? size;
    // A start late in a long period: what lies before it need not be walked through.
    if (this.#base * daySeconds < this.#previous && this.#size > 64) this.#i = this.#countBefore(this.#previous + 1);
    return true;
  }

  /** How many starts of the loaded period lie before a local second. */
  #countBefore(local: number): number {
    if (this.#positions !== undefined) {
      let count = 0;
      while (count < this.#size && this.#valueAt(count) < local) count++;
      return count;
    }
    const day = Math.floor(local / daySeconds) - this.#base;
    let count = 0;
    while (count < this.#days.length && this.#days[count]! < day) count++;
    const whole = count * this.#times.size;
    return this.#days[count] === day ? whole + this.#times.before(local - (this.#base + day) * daySeconds) : whole;
  }

  /** Goes to the period before the one of `day`, having counted what the periods left out hold. */
  #jump(day: number): void {
    const { spills } = this.#periods;
    const target = this.#periods.indexOf(day) - (spills ? 1 : 0);
    if (target < 1) return;
    if (this.#left === Number.POSITIVE_INFINITY) {
      this.#giveStart = false;
      this.#previous = this.#from - 1;
      this.#index = target - 1;
      return;
    }
    // Days that spill over may be those of two periods, and only walking tells which are counted once.
    if (spills) return;
    if (this.#giveStart) {
      this.#giveStart = false;
      this.#previous = this.#start;
      this.#left--;
    }
    let index = 0;
    if (!this.#load(0)) return;
    this.#left -= this.#size - this.#countBefore(this.#previous + 1);
    const { even } = this.#periods;
    if (even !== undefined && this.#load(1)) {
      this.#left -= this.#size * (target - 1);
      index = target - 1;
    } else
      for (let next = this.#periods.after(0); next < target && this.#left > 0; next = this.#periods.after(next)) {
        if (next > this.#maxSteps * 4 || !this.#load(next)) break;
        this.#left -= this.#size;
        index = next;
      }
    this.#previous = Math.max(this.#previous, this.#start);
    this.#index = index;
    this.#i = 0;
    this.#size = 0;
  }
}
