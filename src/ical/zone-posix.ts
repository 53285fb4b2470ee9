import { dayNumber, daySeconds, isLeapYear, monthLength, weekdayOf } from "./time.ts";

/** The day and wall clock time of one yearly change. */
interface Change {
  /** "M": `week` (5 is the last) and `weekday` (0 is Sunday) of `month`; "J": day 1 to 365 without leap days; "N": day 0 to 365. */
  readonly form: "M" | "J" | "N";
  readonly month: number;
  readonly week: number;
  readonly day: number;
  /** Seconds after midnight; may be negative or beyond a day. */
  readonly time: number;
}

/** The rule a zone follows after its last listed transition: the TZ string of POSIX 8.3, as TZif files end with (RFC 8536
 *  §3.3). Offsets in seconds east of UTC. */
export interface PosixRule {
  readonly standard: number;
  /** Undefined when the offset never changes again. */
  readonly daylight: { readonly offset: number; readonly start: Change; readonly end: Change } | undefined;
}

const clock = "([+-]?)(\\d{1,3})(?::(\\d{2}))?(?::(\\d{2}))?";
const grammar = new RegExp(
  `^(?:<[^>]+>|[A-Za-z]+)${clock}(?:(?:<[^>]+>|[A-Za-z]+)(?:${clock})?,([^,/]+)(?:/${clock})?,([^,/]+)(?:/${clock})?)?$`,
);

/** Reads a POSIX TZ string. Throws RangeError: the strings come from the data the server ships with. */
export function parsePosixRule(text: string): PosixRule {
  const found = grammar.exec(text);
  if (found === null) throw new RangeError(`zone rule ${text}: not understood`);
  const seconds = (from: number, fallback: number): number => {
    if (found[from + 1] === undefined) return fallback;
    const value = Number(found[from + 1]) * 3600 + Number(found[from + 2] ?? 0) * 60 + Number(found[from + 3] ?? 0);
    return found[from] === "-" ? 0 - value : value;
  };
  // POSIX counts offsets west of Greenwich.
  const standard = 0 - seconds(1, 0);
  if (found[9] === undefined) return { standard, daylight: undefined };
  const offset = 0 - seconds(5, -standard - 3600);
  const start = parseChange(found[9], seconds(10, 7200));
  const end = parseChange(found[14]!, seconds(15, 7200));
  return { standard, daylight: { offset, start, end } };
}

function parseChange(text: string, time: number): Change {
  const numbers = text.replace(/^[MJ]/, "").split(".").map(Number);
  if (text.startsWith("M")) return { form: "M", month: numbers[0]!, week: numbers[1]!, day: numbers[2]!, time };
  return { form: text.startsWith("J") ? "J" : "N", month: 1, week: 0, day: numbers[0]!, time };
}

/** Local seconds of a change in a year. */
function changeIn(year: number, change: Change): number {
  const { form, month, week, day, time } = change;
  if (form === "N") return (dayNumber(year, 1, 1) + day) * daySeconds + time;
  if (form === "J")
    return (dayNumber(year, 1, 1) + day - 1 + (isLeapYear(year) && day > 59 ? 1 : 0)) * daySeconds + time;
  const first = dayNumber(year, month, 1);
  let ofMonth = 1 + ((((day + 6) % 7) - weekdayOf(first) + 7) % 7) + (week - 1) * 7;
  if (ofMonth > monthLength(year, month)) ofMonth -= 7;
  return (first + ofMonth - 1) * daySeconds + time;
}

/** Calls `add` with each transition of the rule that begins in the years from `fromYear` to `toYear`, in order of time. */
export function eachPosixTransition(
  rule: PosixRule,
  fromYear: number,
  toYear: number,
  add: (at: number, offset: number) => void,
): void {
  const { standard, daylight } = rule;
  if (daylight === undefined) return;
  for (let year = fromYear; year <= toYear; year++) {
    const start = changeIn(year, daylight.start) - standard;
    const end = changeIn(year, daylight.end) - daylight.offset;
    if (start <= end) {
      add(start, daylight.offset);
      add(end, standard);
    } else {
      add(end, standard);
      add(start, daylight.offset);
    }
  }
}
