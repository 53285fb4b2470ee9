import type { Rule } from "./recurrence.ts";
import { ascending, monthDays, type Periods, weekdayBits, weekdaysIn } from "./recurrence-days.ts";
import type { Scale, ScaleMonth, ScaleYear } from "./scales.ts";
import { weekdayOf } from "./time.ts";

/** The years or months of a rule that counts in another calendar (RFC 7529 §4). Past the calendar's last year it has ended. */
export const scalePeriods = (rule: Rule, scale: Scale, firstDay: number): Periods =>
  rule.frequency === "YEARLY" ? yearly(rule, scale, firstDay) : monthly(rule, scale, firstDay);

const none: readonly number[] = [];

const monthAt = (scale: Scale, day: number): ScaleMonth | undefined =>
  scale.years[scale.indexOf(day)]?.months.find(({ first, length }) => day >= first && day < first + length);

/** The months of a year that have these numbers. A leap month that the year does not have is the next or the previous month, as
 *  SKIP says (§4.1). */
function monthsOf(rule: Rule, scale: Scale, index: number, numbers: readonly number[]): readonly ScaleMonth[] {
  const { months } = scale.years[index] as ScaleYear;
  return numbers.flatMap((number) => {
    const own = months.find((month) => month.number === number);
    if (own !== undefined) return own;
    if (rule.skip === "BACKWARD") return months.findLast((month) => month.number < number) ?? [];
    if (rule.skip !== "FORWARD") return [];
    return months.find((month) => month.number > number) ?? scale.years[index + 1]?.months[0] ?? [];
  });
}

/** BYDAY where days are chosen already: weekdays, or numbered ones among those of each stretch. */
function limitDays(rule: Rule, days: readonly number[], stretches: readonly { first: number; length: number }[]) {
  const { byDay } = rule;
  if (byDay.length === 0) return days;
  if (byDay.every(({ ordinal }) => ordinal === 0)) {
    const bits = weekdayBits(byDay);
    return days.filter((day) => (bits & (1 << weekdayOf(day))) !== 0);
  }
  const chosen = new Set(weekdays(rule, stretches));
  return days.filter((day) => chosen.has(day));
}

const weekdays = ({ byDay }: Rule, stretches: readonly { first: number; length: number }[]): readonly number[] =>
  stretches.flatMap(({ first, length }) => weekdaysIn(byDay, weekdayOf(first), length).map((offset) => first + offset));

function yearly(rule: Rule, scale: Scale, firstDay: number): Periods {
  const { interval, byDay, byMonth, byMonthDay, byYearDay } = rule;
  const firstYear = scale.indexOf(firstDay);
  const start = monthAt(scale, firstDay);
  const named = byDay.length + byMonthDay.length + byYearDay.length > 0;
  const numbers = named || start === undefined ? byMonthDay : [firstDay - start.first + 1];

  const daysOf = (index: number, year: ScaleYear): readonly number[] => {
    const months =
      byMonth.length > 0
        ? monthsOf(rule, scale, index, byMonth)
        : named || start === undefined
          ? year.months
          : monthsOf(rule, scale, index, [start.number]);
    const stretches = byMonth.length > 0 ? months : [year];
    const ofMonths = (): readonly number[] =>
      months.flatMap(({ first, length }) => monthDays(rule, numbers, length).map((offset) => first + offset));
    if (byYearDay.length > 0) {
      const isInMonths = (day: number): boolean =>
        months.some(({ first, length }) => day >= first && day < first + length);
      const days = monthDays(rule, byYearDay, year.length).map((offset) => year.first + offset);
      const wanted = byMonthDay.length === 0 ? undefined : new Set(ofMonths());
      const left = days.filter((day) => (byMonth.length === 0 || isInMonths(day)) && wanted?.has(day) !== false);
      return limitDays(rule, left, stretches);
    }
    return numbers.length > 0 ? limitDays(rule, ofMonths(), stretches) : weekdays(rule, stretches);
  };
  return {
    base: firstDay,
    even: undefined,
    spills: rule.skip !== "OMIT",
    at(index) {
      const at = firstYear + index * interval;
      const year = scale.years[at];
      if (year === undefined || start === undefined) return undefined;
      this.base = year.first;
      return ascending(daysOf(at, year).map((day) => day - year.first));
    },
    indexOf: (day) => Math.floor((scale.indexOf(day) - firstYear) / interval),
    after: (index) => index + 1,
  };
}

const listed = new WeakMap<Scale, readonly { readonly month: ScaleMonth; readonly year: number }[]>();

/** All months of a calendar in a row. */
function allMonths(scale: Scale): readonly { readonly month: ScaleMonth; readonly year: number }[] {
  let all = listed.get(scale);
  if (all === undefined) {
    all = scale.years.flatMap(({ months }, year) => months.map((month) => ({ month, year })));
    listed.set(scale, all);
  }
  return all;
}

function monthly(rule: Rule, scale: Scale, firstDay: number): Periods {
  const { interval, byDay, byMonth, byMonthDay } = rule;
  const all = allMonths(scale);
  const indexOf = (day: number): number => {
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (all[middle]!.month.first <= day) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  };
  const firstMonth = indexOf(firstDay);
  const start = all[firstMonth]?.month;
  const own = start === undefined ? none : [firstDay - start.first + 1];
  const numbers = byMonthDay.length > 0 ? byMonthDay : byDay.length > 0 ? none : own;
  return {
    base: firstDay,
    even: undefined,
    spills: rule.skip !== "OMIT",
    at(index) {
      const found = all[firstMonth + index * interval];
      if (found === undefined || start === undefined) return undefined;
      const { month, year } = found;
      this.base = month.first;
      if (byMonth.length > 0 && !monthsOf(rule, scale, year, byMonth).includes(month)) return none;
      const days = monthDays(rule, numbers, month.length).map((offset) => month.first + offset);
      const chosen = numbers.length > 0 ? limitDays(rule, days, [month]) : weekdays(rule, [month]);
      return ascending(chosen.map((day) => day - month.first));
    },
    indexOf: (day) => Math.floor((indexOf(day) - firstMonth) / interval),
    after: (index) => index + 1,
  };
}
