import type { Rule } from "./recurrence.ts";
import type { Periods } from "./recurrence-days.ts";
import { periodsOf } from "./recurrence-days.ts";
import { IntervalBlocks } from "./recurrence-intervals.ts";
import { scalePeriods } from "./recurrence-scales.ts";
import type { Blocks, Budget, TimeSet } from "./recurrence-times.ts";
import { timeSet } from "./recurrence-times.ts";
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
   *  Default `maxSteps`. */
  readonly steps?: number;
  /** What all walks that share it may look through together. Default: one of its own. */
  readonly budget?: Budget;
}

/** A rule that gives nothing for so many steps gives nothing in any calendar people keep: Monday 29 February comes every 28
 *  years, after 28 steps. It is what keeps rules that never match below two milliseconds. */
export const maxSteps = 20_000;

/** A budget of 40,000 steps: a century of days, some five milliseconds. A walk that used it up ends early. */
export const newBudget = (): Budget => ({ left: 40_000 });

/** The starts of `rule` for a DTSTART, in local seconds; `dates` says that DTSTART is a DATE. RFC 5545 §3.3.10.
 *
 *  DTSTART is always the first start and counts as one for COUNT, also when the rule does not give it: RFC 5545 §3.8.5.3 calls
 *  that set undefined, while §3.3.10 says that DTSTART always counts as the first occurrence, and clients show it. */
export function startsOf(rule: Rule, start: number, dates: boolean, options: StartsOptions = {}): Starts {
  const effective = dates ? forDates(rule) : rule;
  const budget = options.budget ?? newBudget();
  const last = options.last ?? Number.POSITIVE_INFINITY;
  const blocks =
    effective.frequency in units
      ? new IntervalBlocks(effective, start, last, options.steps ?? maxSteps, budget)
      : new DayBlocks(effective, start, last);
  return new RuleStarts(effective, start, blocks, budget, options);
}

/** The rule's UNTIL for a DTSTART: the last local second that can be a start, and the last instant when UNTIL is a UTC time
 *  and DTSTART has a zone (then `local` may be up to a day too late). A date includes its whole day. */
export function lastStart(rule: Rule, start: DateTime): { readonly local: number; readonly at: number } {
  const { until } = rule;
  if (until === undefined) return endless;
  if (until.date) return { local: until.local + daySeconds - 1, at: Number.POSITIVE_INFINITY };
  if (!until.utc || start.zone === undefined) return { local: until.local, at: Number.POSITIVE_INFINITY };
  return { local: until.local + daySeconds, at: until.local };
}

const endless = { local: Number.POSITIVE_INFINITY, at: Number.POSITIVE_INFINITY };

const units: Readonly<Record<string, number>> = { SECONDLY: 1, MINUTELY: 60, HOURLY: 3600 };

/** The rule as it holds for dates: BYHOUR, BYMINUTE and BYSECOND are ignored (RFC 5545 §3.3.10), frequencies below a day are
 *  read as days. */
function forDates(rule: Rule): Rule {
  const unit = units[rule.frequency];
  if (unit === undefined && rule.byHour.length + rule.byMinute.length + rule.bySecond.length === 0) return rule;
  const times = { byHour: [], byMinute: [], bySecond: [] };
  if (unit === undefined) return { ...rule, ...times };
  const interval = Math.max(1, Math.floor((rule.interval * unit) / daySeconds));
  return { ...rule, ...times, frequency: "DAILY", interval };
}

/** The blocks of rules of days and more: the days of a period times the times of day. */
class DayBlocks implements Blocks {
  readonly spills: boolean;
  readonly evenSize: number;
  readonly #periods: Periods;
  readonly #times: TimeSet;
  readonly #time: number;
  /** Periods that begin after this day are not looked at. */
  readonly #lastDay: number;
  #days: readonly number[] = [];
  #base = 0;
  #index = -1;

  constructor(rule: Rule, start: number, last: number) {
    // The days of a period may begin a week before it.
    this.#lastDay = Math.floor(last / daySeconds) + 7;
    const day = Math.floor(start / daySeconds);
    const time = start - day * daySeconds;
    this.#periods = rule.scale === undefined ? periodsOf(rule, day) : scalePeriods(rule, rule.scale, day);
    this.#times = timeSet(
      rule.byHour.length > 0 ? rule.byHour : [Math.floor(time / 3600)],
      rule.byMinute.length > 0 ? rule.byMinute : [Math.floor(time / 60) % 60],
      rule.bySecond.length > 0 ? rule.bySecond : [time % 60],
    );
    this.#time = this.#times.at(0);
    this.spills = this.#periods.spills;
    this.evenSize = (this.#periods.even ?? 0) * this.#times.size;
  }

  get size(): number {
    return this.#days.length * this.#times.size;
  }

  advance(): boolean {
    const index = this.#periods.after(this.#index);
    const days = this.#periods.at(index);
    if (days === undefined || this.#periods.base > this.#lastDay) return false;
    this.#index = index;
    this.#days = days;
    this.#base = this.#periods.base;
    return true;
  }

  at(index: number): number {
    const { size } = this.#times;
    if (size === 1) return (this.#base + this.#days[index]!) * daySeconds + this.#time;
    const time = index % size;
    return (this.#base + this.#days[(index - time) / size]!) * daySeconds + this.#times.at(time);
  }

  before(local: number): number {
    const day = Math.floor(local / daySeconds) - this.#base;
    let count = 0;
    while (count < this.#days.length && this.#days[count]! < day) count++;
    const whole = count * this.#times.size;
    return this.#days[count] === day ? whole + this.#times.before(local - (this.#base + day) * daySeconds) : whole;
  }

  seek(local: number): void {
    const index = this.#periods.indexOf(Math.floor(local / daySeconds)) - (this.spills ? 2 : 1);
    if (index > this.#index) this.#index = index;
  }

  skipTo(local: number): number | undefined {
    if (this.#periods.even === undefined) return undefined;
    const before = this.#index;
    this.seek(local);
    return this.#index - before;
  }
}

class RuleStarts implements Starts {
  readonly #blocks: Blocks;
  readonly #start: number;
  readonly #from: number;
  readonly #last: number;
  readonly #maxSteps: number;
  readonly #setPositions: readonly number[];
  /** BYSETPOS by size of the block. */
  readonly #memo = new Map<number, readonly number[]>();
  #giveStart = false;
  /** Starts that COUNT still allows, those before `from` included. */
  #left: number;
  /** The last start given or counted; nothing up to it comes again. */
  #previous: number;
  #i = 0;
  #size = 0;
  #positions: readonly number[] | undefined;
  /** Blocks without a start since the last one that had some. */
  #fruitless = 0;
  readonly #budget: Budget;

  constructor(rule: Rule, start: number, blocks: Blocks, budget: Budget, options: StartsOptions) {
    this.#budget = budget;
    this.#blocks = blocks;
    this.#start = start;
    this.#from = options.from ?? Number.NEGATIVE_INFINITY;
    this.#last = options.last ?? Number.POSITIVE_INFINITY;
    this.#maxSteps = options.steps ?? maxSteps;
    this.#setPositions = rule.bySetPosition;
    this.#left = rule.count ?? Number.POSITIVE_INFINITY;
    this.#previous = start - 1;
    if (options.withStart !== false) {
      this.#giveStart = start >= this.#from;
      this.#left--;
      this.#previous = start;
    }
    if (this.#from > start) this.#jump();
  }

  next(): number | undefined {
    if (this.#giveStart) {
      this.#giveStart = false;
      if (this.#start <= this.#last) return this.#start;
      this.#left = 0;
    }
    while (this.#left > 0) {
      if (this.#i >= this.#size) {
        if (++this.#fruitless > this.#maxSteps || --this.#budget.left < 0 || !this.#load()) break;
        continue;
      }
      const value = this.#valueAt(this.#i++);
      if (value <= this.#previous) continue;
      if (value > this.#last) break;
      this.#previous = value;
      this.#left--;
      if (value < this.#from) {
        if (--this.#budget.left < 0) break;
        continue;
      }
      this.#fruitless = 0;
      return value;
    }
    this.#left = 0;
    return undefined;
  }

  /** Starts near `from`, having counted what is left out if the rule has a COUNT. */
  #jump(): void {
    if (this.#left === Number.POSITIVE_INFINITY) {
      this.#previous = this.#from - 1;
      this.#blocks.seek(this.#from);
      return;
    }
    // Instances that spill over may be those of two blocks, and only walking tells which are counted once.
    if (this.#blocks.spills || !this.#load()) return;
    const skipped = this.#blocks.skipTo(this.#from);
    if (skipped !== undefined) this.#left -= skipped * this.#chosen(this.#blocks.evenSize);
  }

  #valueAt(i: number): number {
    return this.#blocks.at(this.#positions === undefined ? i : this.#positions[i]!);
  }

  #load(): boolean {
    const blocks = this.#blocks;
    if (!blocks.advance()) return false;
    const size = blocks.size;
    this.#positions = this.#setPositions.length === 0 ? undefined : this.#positionsIn(size);
    this.#size = this.#positions === undefined ? size : this.#positions.length;
    this.#i = 0;
    if (this.#size === 0) return true;
    if (this.#valueAt(0) <= this.#previous) this.#i = this.#before(this.#previous + 1);
    if (this.#from <= this.#previous + 1 || blocks.spills) return true;
    // Counted, not given: COUNT began before `from`.
    const counted = this.#before(this.#from) - this.#i;
    if (counted > 0) {
      this.#left -= counted;
      this.#i += counted;
      this.#fruitless = 0;
    }
    return true;
  }

  #before(local: number): number {
    if (this.#positions === undefined) return this.#blocks.before(local);
    let count = 0;
    while (count < this.#size && this.#valueAt(count) < local) count++;
    return count;
  }

  #chosen(size: number): number {
    return this.#setPositions.length === 0 ? size : this.#positionsIn(size).length;
  }

  #positionsIn(size: number): readonly number[] {
    let positions = this.#memo.get(size);
    if (positions !== undefined) return positions;
    const chosen = new Set<number>();
    for (const number of this.#setPositions) {
      const index = number > 0 ? number - 1 : size + number;
      if (index >= 0 && index < size) chosen.add(index);
    }
    positions = [...chosen].sort((a, b) => a - b);
    this.#memo.set(size, positions);
    return positions;
  }
}
