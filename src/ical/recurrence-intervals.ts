import type { Rule } from "./recurrence.ts";
import { dayLimit, skipMonths } from "./recurrence-days.ts";
import type { Blocks, Budget, TimeSet } from "./recurrence-times.ts";
import { timeSet } from "./recurrence-times.ts";
import { daySeconds } from "./time.ts";

const units = { SECONDLY: 1, MINUTELY: 60, HOURLY: 3600 };
const lastLocal = 253_402_300_799; // 9999-12-31T23:59:59

const range = (size: number): number[] => Array.from({ length: size }, (_, i) => i);

/** For each number up to `size` the first of `allowed` that is not below it, else `size`. Undefined when all are allowed. */
function nextAllowed(allowed: readonly number[], size: number): readonly number[] | undefined {
  if (allowed.length === 0) return undefined;
  return range(size).map((value) => allowed.find((candidate) => candidate >= value) ?? size);
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));

/** The blocks of HOURLY, MINUTELY and SECONDLY rules: hours, minutes or seconds on the grid of INTERVAL. What BYMONTH, BYDAY,
 *  BYHOUR … exclude is jumped over: a day, an hour or a minute at once. */
export class IntervalBlocks implements Blocks {
  readonly spills = false;
  readonly evenSize: number;
  readonly #rule: Rule;
  readonly #unit: number;
  readonly #step: number;
  /** Where the grid begins: the hour, minute or second of DTSTART. */
  readonly #origin: number;
  readonly #inner: TimeSet;
  readonly #limit: ((day: number) => boolean) | undefined;
  readonly #hours: readonly number[] | undefined;
  readonly #minutes: readonly number[] | undefined;
  readonly #seconds: readonly number[] | undefined;
  readonly #last: number;
  readonly #maxSteps: number;
  readonly #budget: Budget;
  /** Some time of day is both on the grid and allowed. */
  readonly #possible: boolean;
  #now: number;
  #next: number;
  #day = Number.NaN;
  #dayAllowed = false;

  /** Blocks that begin after `last` are not looked at. */
  constructor(rule: Rule, start: number, last: number, maxSteps: number, budget: Budget) {
    const frequency = rule.frequency as keyof typeof units;
    this.#rule = rule;
    this.#last = Math.min(last, lastLocal);
    this.#maxSteps = maxSteps;
    this.#budget = budget;
    this.#unit = units[frequency];
    this.#step = rule.interval * this.#unit;
    this.#origin = Math.floor(start / this.#unit) * this.#unit;
    const second = rule.bySecond.length > 0 ? rule.bySecond : [((start % 60) + 60) % 60];
    const minute = rule.byMinute.length > 0 ? rule.byMinute : [((Math.floor(start / 60) % 60) + 60) % 60];
    this.#inner = timeSet([0], frequency === "HOURLY" ? minute : [0], frequency === "SECONDLY" ? [0] : second);
    this.evenSize = this.#inner.size;
    this.#limit = dayLimit(rule);
    this.#hours = nextAllowed(rule.byHour, 24);
    this.#minutes = frequency === "HOURLY" ? undefined : nextAllowed(rule.byMinute, 60);
    this.#seconds = frequency === "SECONDLY" ? nextAllowed(rule.bySecond, 60) : undefined;
    this.#now = this.#origin;
    this.#next = this.#origin;
    this.#possible = this.#timesOnGrid(commonDivisor(this.#step, daySeconds), 0, daySeconds, true) > 0;
  }

  get size(): number {
    return this.#inner.size;
  }

  advance(): boolean {
    if (!this.#possible) return false;
    let at = this.#next;
    for (let steps = 0; steps < this.#maxSteps && at <= this.#last; steps++) {
      const next = this.#nextCandidate(at);
      if (next === at) {
        this.#now = at;
        this.#next = at + this.#step;
        return true;
      }
      if (--this.#budget.left < 0) break;
      at = this.#onGrid(next);
    }
    this.#next = Number.POSITIVE_INFINITY;
    return false;
  }

  at(index: number): number {
    return this.#now + this.#inner.at(index);
  }

  before(local: number): number {
    const time = local - this.#now;
    return time <= 0 ? 0 : time >= this.#unit ? this.size : this.#inner.before(time);
  }

  seek(local: number): void {
    const block = Math.floor(local / this.#unit) * this.#unit;
    if (block > this.#next) this.#next = this.#onGrid(block);
  }

  skipTo(local: number): number | undefined {
    const from = this.#next;
    const to = this.#onGrid(Math.floor(local / this.#unit) * this.#unit);
    if (to <= from) return 0;
    if (!this.#possible) return 0;
    const bare = this.#limit === undefined && this.#hours === undefined;
    if (bare && this.#minutes === undefined && this.#seconds === undefined) {
      this.#next = to;
      return (to - from) / this.#step;
    }
    // Every day has the same times when the grid divides the day: those of one day times the days allowed.
    const first = Math.floor(from / daySeconds);
    const last = Math.floor(to / daySeconds);
    if (daySeconds % this.#step !== 0 || last - first > this.#budget.left) return undefined;
    this.#budget.left -= last - first;
    const times = (low: number, high: number): number => this.#timesOnGrid(this.#step, low, high, false);
    const low = from - first * daySeconds;
    const high = to - last * daySeconds;
    this.#next = to;
    if (first === last) return this.#allowed(first) ? times(low, high) : 0;
    let count = (this.#allowed(first) ? times(low, daySeconds) : 0) + (this.#allowed(last) ? times(0, high) : 0);
    const daily = times(0, daySeconds);
    for (let day = first + 1; day < last; day++) if (this.#allowed(day)) count += daily;
    return count;
  }

  #onGrid(at: number): number {
    return this.#origin + Math.ceil((at - this.#origin) / this.#step) * this.#step;
  }

  #allowed(day: number): boolean {
    if (this.#limit === undefined) return true;
    if (day !== this.#day) {
      this.#day = day;
      this.#dayAllowed = this.#limit(day);
    }
    return this.#dayAllowed;
  }

  /** `at` itself when it is allowed, else the first later second that might be. */
  #nextCandidate(at: number): number {
    const day = Math.floor(at / daySeconds);
    if (!this.#allowed(day)) return skipMonths(this.#rule, day + 1) * daySeconds;
    const time = at - day * daySeconds;
    const hour = Math.floor(time / 3600);
    const nextHour = this.#hours === undefined ? hour : this.#hours[hour]!;
    if (nextHour !== hour) return day * daySeconds + nextHour * 3600;
    const minute = Math.floor(time / 60) % 60;
    const nextMinute = this.#minutes === undefined ? minute : this.#minutes[minute]!;
    if (nextMinute !== minute) return at - (time % 3600) + nextMinute * 60;
    const second = time % 60;
    const nextSecond = this.#seconds === undefined ? second : this.#seconds[second]!;
    return nextSecond === second ? at : at - second + nextSecond;
  }

  /** How many allowed times of day in [low, high) are on the grid of `step`; with `any`, at most one is counted. */
  #timesOnGrid(step: number, low: number, high: number, any: boolean): number {
    const { byHour, byMinute, bySecond } = this.#rule;
    const hours = byHour.length > 0 ? byHour : range(24);
    const minutes = this.#unit === 3600 ? [0] : byMinute.length > 0 ? byMinute : range(60);
    const seconds = this.#unit !== 1 ? [0] : bySecond.length > 0 ? bySecond : range(60);
    const phase = ((this.#origin % step) + step) % step;
    let count = 0;
    for (const hour of hours)
      for (const minute of minutes)
        for (const second of seconds) {
          const time = hour * 3600 + minute * 60 + second;
          if (time < low || time >= high || time % step !== phase) continue;
          if (any) return 1;
          count++;
        }
    return count;
  }
}
