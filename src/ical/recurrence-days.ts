import type { OrdinalWeekday, Rule } from "./recurrence.ts";
import { dayNumber, isLeapYear, monthLength, packedDate, weekdayOf } from "./time.ts";

/** The periods of a rule (its years, months, weeks or days, every INTERVAL-th) and the days that the BY parts choose in each.
 *  Days are day numbers since 1970-01-01. */
export interface Periods {
  /** The day that the offsets of the last `at` count from. */
  base: number;
  /** Days of the period, as ascending offsets from `base`. Period 0 is the one of DTSTART. Undefined after the year 9999. */
  at(index: number): readonly number[] | undefined;
  /** The period that a day is in, or the one before if it is in none; negative before DTSTART. */
  indexOf(day: number): number;
  /** The next period that may have days. */
  after(index: number): number;
  /** How many days each period has, when all have the same number. */
  readonly even: number | undefined;
  /** Days of a period may lie a few days outside it, or be those of its neighbour too. */
  readonly spills: boolean;
}

/** The periods of a rule of days or more; of a shorter frequency, the days that have its instances. */
export function periodsOf(rule: Rule, firstDay: number): Periods {
  switch (rule.frequency) {
    case "YEARLY":
      return yearly(rule, firstDay);
    case "MONTHLY":
      return monthly(rule, firstDay);
    case "WEEKLY":
      return weekly(rule, firstDay);
    default:
      return daily(rule, firstDay);
  }
}

const lastYear = 9999;
const lastDay = dayNumber(lastYear, 12, 31);
const none: readonly number[] = [];
const today: readonly number[] = [0];

/** Without duplicates. */
export const ascending = (days: number[]): number[] => [...new Set(days)].sort((a, b) => a - b);

/** Whether a day is one of the numbers, counted from 1 at the start or from -1 at the end of `length` days. */
const listed = (numbers: readonly number[], number: number, length: number): boolean =>
  numbers.includes(number) || numbers.includes(number - length - 1);

/** The test that BYMONTH, BYMONTHDAY, BYYEARDAY and the weekdays of BYDAY make where they limit; undefined without any.
 *  RFC 5545 forbids some of them with some frequencies: in old data they limit all the same. */
export function dayLimit(rule: Rule): ((day: number) => boolean) | undefined {
  const { byMonth, byMonthDay, byYearDay } = rule;
  const weekdays = rule.frequency === "WEEKLY" ? 0 : weekdayBits(rule.byDay);
  if (byMonth.length + byMonthDay.length + byYearDay.length === 0 && weekdays === 0) return undefined;
  return (day) => {
    if (weekdays !== 0 && (weekdays & (1 << weekdayOf(day))) === 0) return false;
    if (byMonth.length + byMonthDay.length + byYearDay.length === 0) return true;
    const packed = packedDate(day);
    const year = Math.floor(packed / 10_000);
    const month = Math.floor(packed / 100) % 100;
    if (byMonth.length > 0 && !byMonth.includes(month)) return false;
    if (byMonthDay.length > 0 && !listed(byMonthDay, packed % 100, monthLength(year, month))) return false;
    if (byYearDay.length === 0) return true;
    return listed(byYearDay, day - dayNumber(year, 1, 1) + 1, isLeapYear(year) ? 366 : 365);
  };
}

/** BYDAY's weekdays as a set: bit 0 is Monday. */
export const weekdayBits = (days: readonly OrdinalWeekday[]): number =>
  days.reduce((bits, { weekday }) => bits | (1 << weekday), 0);

/** The first day from `day` on whose month is in BYMONTH: what lies between need not be walked through. */
export function skipMonths(rule: Rule, day: number): number {
  const { byMonth } = rule;
  if (byMonth.length === 0) return day;
  const packed = packedDate(day);
  const year = Math.floor(packed / 10_000);
  const month = Math.floor(packed / 100) % 100;
  if (byMonth.includes(month)) return day;
  const next = byMonth.find((candidate) => candidate > month);
  return next === undefined ? dayNumber(year + 1, byMonth[0]!, 1) : dayNumber(year, next, 1);
}

function daily(rule: Rule, firstDay: number): Periods {
  const { interval } = rule;
  const limit = dayLimit(rule);
  return {
    base: firstDay,
    even: limit === undefined ? 1 : undefined,
    spills: false,
    at(index) {
      this.base = firstDay + index * interval;
      if (this.base > lastDay) return undefined;
      return limit === undefined || limit(this.base) ? today : none;
    },
    indexOf: (day) => Math.floor((day - firstDay) / interval),
    after(index) {
      const next = firstDay + (index + 1) * interval;
      if (rule.byMonth.length === 0 || next > lastDay) return index + 1;
      return Math.ceil((skipMonths(rule, next) - firstDay) / interval);
    },
  };
}

function weekly(rule: Rule, firstDay: number): Periods {
  const { interval, weekStart } = rule;
  const first = firstDay - ((weekdayOf(firstDay) - weekStart + 7) % 7);
  const weekdays = rule.byDay.length > 0 ? rule.byDay.map(({ weekday }) => weekday) : [weekdayOf(firstDay)];
  const all = ascending(weekdays.map((weekday) => (weekday - weekStart + 7) % 7));
  const limit = dayLimit(rule);
  return {
    base: first,
    even: limit === undefined ? all.length : undefined,
    spills: false,
    at(index) {
      const base = first + index * 7 * interval;
      this.base = base;
      if (base + 6 > lastDay) return undefined;
      return limit === undefined ? all : all.filter((offset) => limit(base + offset));
    },
    indexOf: (day) => Math.floor((day - first) / (7 * interval)),
    after: (index) => index + 1,
  };
}

/** BYMONTHDAY of one month as offsets from its first day; `skip` decides on the days it does not have. */
export function monthDays(rule: Rule, numbers: readonly number[], length: number): number[] {
  const days: number[] = [];
  for (const number of numbers) {
    const offset = number > 0 ? number - 1 : length + number;
    if (offset >= 0 && offset < length) days.push(offset);
    // RFC 7529 §4.1: to the next or the previous day that exists, be it in the next or previous month.
    else if (rule.skip === "FORWARD") days.push(offset < 0 ? 0 : length);
    else if (rule.skip === "BACKWARD") days.push(offset < 0 ? -1 : length - 1);
  }
  return days;
}

/** BYDAY within a stretch of days (a month or a year), as offsets from its first day. */
export function weekdaysIn(days: readonly OrdinalWeekday[], firstWeekday: number, length: number): number[] {
  const found: number[] = [];
  for (const { ordinal, weekday } of days) {
    const first = (weekday - firstWeekday + 7) % 7;
    const count = Math.ceil((length - first) / 7);
    if (ordinal === 0) for (let offset = first; offset < length; offset += 7) found.push(offset);
    else if (ordinal > 0 && ordinal <= count) found.push(first + (ordinal - 1) * 7);
    else if (ordinal < 0 && -ordinal <= count) found.push(first + (count + ordinal) * 7);
  }
  return found;
}

function monthly(rule: Rule, firstDay: number): Periods {
  const { interval, byDay, byMonth } = rule;
  const packed = packedDate(firstDay);
  const firstMonth = Math.floor(packed / 10_000) * 12 + (Math.floor(packed / 100) % 100) - 1;
  const numbers = rule.byMonthDay.length > 0 ? rule.byMonthDay : byDay.length > 0 ? [] : [packed % 100];
  // A month is one of 28: four lengths, seven weekdays it may begin with.
  const kinds: (readonly number[] | undefined)[] = [];
  const daysOf = (length: number, weekday: number): readonly number[] => {
    if (numbers.length === 0) return ascending(weekdaysIn(byDay, weekday, length));
    const days = ascending(monthDays(rule, numbers, length));
    if (byDay.length === 0) return days;
    const ordinals = byDay.some(({ ordinal }) => ordinal !== 0);
    const limit = new Set(weekdaysIn(byDay, weekday, length));
    const plain = weekdayBits(byDay);
    return days.filter((day) => (ordinals ? limit.has(day) : (plain & (1 << ((weekday + day + 7) % 7))) !== 0));
  };
  const even =
    byMonth.length === 0 && byDay.length === 0 && rule.byYearDay.length === 0 && numbers.every((n) => Math.abs(n) <= 28)
      ? monthDays(rule, numbers, 28).length
      : undefined;
  const yearLimit = rule.byYearDay.length === 0 ? undefined : dayLimit({ ...rule, byDay: [], byMonthDay: [] });
  return {
    base: firstDay,
    // -28 and 1 may be the same day of February, so both signs together are counted month by month.
    even: even !== undefined && (numbers[0]! > 0 || numbers.at(-1)! < 0) ? even : undefined,
    spills: rule.skip !== "OMIT",
    at(index) {
      const months = firstMonth + index * interval;
      const year = Math.floor(months / 12);
      const month = (months % 12) + 1;
      if (year > lastYear) return undefined;
      this.base = dayNumber(year, month, 1);
      if (byMonth.length > 0 && !byMonth.includes(month)) return none;
      const length = monthLength(year, month);
      const weekday = weekdayOf(this.base);
      const kind = (length - 28) * 7 + weekday;
      let days = kinds[kind];
      if (days === undefined) {
        days = daysOf(length, weekday);
        kinds[kind] = days;
      }
      const { base } = this;
      return yearLimit === undefined ? days : days.filter((day) => yearLimit(base + day));
    },
    indexOf(day) {
      const date = packedDate(day);
      return Math.floor((Math.floor(date / 10_000) * 12 + (Math.floor(date / 100) % 100) - 1 - firstMonth) / interval);
    },
    after: (index) => index + 1,
  };
}

/** Day 0 of week 1 (RFC 5545 §3.3.10, ISO 8601) as an offset from 1 January: -3 to 3. */
const firstWeek = (weekday: number, weekStart: number): number => {
  const before = (weekday - weekStart + 7) % 7;
  return before <= 3 ? -before : 7 - before;
};

/** The year whose weeks a day belongs to. */
function weekYear(day: number, weekStart: number): number {
  const year = Math.floor(packedDate(day) / 10_000);
  const starts = (of: number): number => {
    const first = dayNumber(of, 1, 1);
    return first + firstWeek(weekdayOf(first), weekStart);
  };
  return day < starts(year) ? year - 1 : day >= starts(year + 1) ? year + 1 : year;
}

function yearly(rule: Rule, firstDay: number): Periods {
  const { interval } = rule;
  const byWeek = rule.byWeekNumber.length > 0;
  const firstYear = byWeek ? weekYear(firstDay, rule.weekStart) : Math.floor(packedDate(firstDay) / 10_000);
  const choose = byWeek ? weeksDays(rule, firstDay) : yearDays(rule, firstDay);
  // Years repeat: leap or not, and the weekday they begin with. Weeks reach into the years beside.
  const kinds: (readonly number[] | undefined)[] = [];
  return {
    base: firstDay,
    even: undefined,
    spills: byWeek || rule.skip !== "OMIT",
    at(index) {
      const year = firstYear + index * interval;
      if (year > lastYear) return undefined;
      this.base = dayNumber(year, 1, 1);
      const beside = byWeek ? (isLeapYear(year - 1) ? 2 : 0) + (isLeapYear(year + 1) ? 1 : 0) : 0;
      const kind = (beside * 2 + (isLeapYear(year) ? 1 : 0)) * 7 + weekdayOf(this.base);
      let days = kinds[kind];
      if (days === undefined) {
        days = choose(year, this.base);
        kinds[kind] = days;
      }
      return days;
    },
    indexOf: (day) => Math.floor((Math.floor(packedDate(day) / 10_000) - firstYear) / interval),
    after: (index) => index + 1,
  };
}

/** BYWEEKNO: the weeks of a year, which may begin in the year before and end in the one after. Other parts limit; a rule that
 *  names no day takes the weekday of DTSTART. */
function weeksDays(rule: Rule, firstDay: number): (year: number, base: number) => readonly number[] {
  const named = rule.byDay.length + rule.byMonthDay.length + rule.byYearDay.length > 0;
  const weekdays = rule.byDay.length > 0 ? weekdayBits(rule.byDay) : named ? 127 : 1 << weekdayOf(firstDay);
  const limit = dayLimit({ ...rule, byDay: [] });
  return (year, base) => {
    const first = firstWeek(weekdayOf(base), rule.weekStart);
    const next = dayNumber(year + 1, 1, 1);
    const weeks = (next + firstWeek(weekdayOf(next), rule.weekStart) - base - first) / 7;
    const days: number[] = [];
    for (const number of rule.byWeekNumber) {
      const week = number > 0 ? number : weeks + number + 1;
      if (week < 1 || week > weeks) continue;
      for (let offset = first + (week - 1) * 7, end = offset + 7; offset < end; offset++)
        if ((weekdays & (1 << weekdayOf(base + offset))) !== 0 && (limit === undefined || limit(base + offset)))
          days.push(offset);
    }
    return ascending(days);
  };
}

/** The other parts of a YEARLY rule; with none of them, the month and day of DTSTART. */
function yearDays(rule: Rule, firstDay: number): (year: number, base: number) => readonly number[] {
  const { byDay, byMonth, byYearDay } = rule;
  const packed = packedDate(firstDay);
  const named = byDay.length + rule.byMonthDay.length + byYearDay.length > 0;
  const numbers = named ? rule.byMonthDay : [packed % 100];
  const every = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
  const months = byMonth.length > 0 ? byMonth : named ? every : [Math.floor(packed / 100) % 100];

  /** BYDAY counts within the month when BYMONTH is there, else within the year. */
  const weekdays = (year: number, base: number): number[] =>
    byMonth.length === 0
      ? weekdaysIn(byDay, weekdayOf(base), isLeapYear(year) ? 366 : 365)
      : byMonth.flatMap((month) => {
          const first = dayNumber(year, month, 1);
          return weekdaysIn(byDay, weekdayOf(first), monthLength(year, month)).map((offset) => first - base + offset);
        });
  const limitWeekdays = (days: number[], year: number, base: number): number[] => {
    if (byDay.length === 0) return days;
    if (byDay.some(({ ordinal }) => ordinal !== 0)) {
      const chosen = new Set(weekdays(year, base));
      return days.filter((day) => chosen.has(day));
    }
    const bits = weekdayBits(byDay);
    return days.filter((day) => (bits & (1 << weekdayOf(base + day))) !== 0);
  };

  if (byYearDay.length > 0) {
    const limit = dayLimit({ ...rule, byDay: [], byYearDay: [] });
    return (year, base) => {
      // The days of a year are skipped to their neighbours in the same way as those of a month.
      const days = monthDays(rule, byYearDay, isLeapYear(year) ? 366 : 365);
      const limited = limit === undefined ? days : days.filter((day) => limit(base + day));
      return ascending(limitWeekdays(limited, year, base));
    };
  }
  if (numbers.length > 0)
    return (year, base) => {
      const days = months.flatMap((month) => {
        const first = dayNumber(year, month, 1) - base;
        return monthDays(rule, numbers, monthLength(year, month)).map((offset) => first + offset);
      });
      return ascending(limitWeekdays(days, year, base));
    };
  return (year, base) => ascending(weekdays(year, base));
}
