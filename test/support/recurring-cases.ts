import { instancesIn } from "../../src/ical/instances.ts";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import { dayNumber, daySeconds, formatDate, formatLocal, formatUtc } from "../../src/ical/time.ts";
import { ianaZone, utcZone, type Zone } from "../../src/ical/zones.ts";
import { type TimeRange, type Utc, utc } from "../../src/model/ids.ts";

/** A calendar object, and a range that is asked of it. */
export interface RecurringCase {
  readonly text: string;
  readonly range: TimeRange;
  /** IANA name of the zone in which floating times and dates are read. */
  readonly floating: string;
  /** The RRULE; undefined without one. */
  readonly rule: string | undefined;
}

/** A small seeded generator (mulberry32): numbers from 0 to below 1. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

// Summer time in both hemispheres, half an hour of it, none, a day left out (Apia 2011), a winter that is the exception
// (Dublin), rules that changed often (Cairo, Casablanca).
const zones = [
  ...["America/New_York", "Europe/Berlin", "Europe/London", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata"],
  ...["Africa/Casablanca", "Pacific/Apia", "America/St_Johns", "Europe/Dublin", "Africa/Cairo", "Asia/Tehran"],
];
const frequencies = [
  ..."DAILY DAILY DAILY WEEKLY WEEKLY WEEKLY MONTHLY MONTHLY MONTHLY YEARLY YEARLY HOURLY MINUTELY SECONDLY".split(" "),
];
const weekdays = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
/** Days in which a rule of the frequency, without BY parts, has ten instances. */
const tenOf: Readonly<Record<string, number>> = {
  YEARLY: 3650,
  MONTHLY: 305,
  WEEKLY: 70,
  DAILY: 10,
  HOURLY: 0.4,
  MINUTELY: 0.007,
  SECONDLY: 0.0002,
};

interface Start {
  readonly local: number;
  readonly form: "date" | "floating" | "utc" | "zoned";
  readonly tzid: string;
}

/** The random choices of one generator. */
class Chooser {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  chance(of: number): boolean {
    return this.#random() < of;
  }

  /** From low to high, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  one<T>(of: readonly T[]): T {
    return of[this.whole(0, of.length - 1)] as T;
  }

  list(size: number, item: () => number | string): string {
    return [...new Set(Array.from({ length: this.whole(1, size) }, item))].join();
  }

  signed(high: number): number {
    return this.chance(0.25) ? -this.whole(1, high) : this.whole(1, high);
  }
}

/** A case, the same for the same state of the generator. */
export function randomCase(random: () => number): RecurringCase {
  const choose = new Chooser(random);
  const start = randomStart(choose);
  const task = choose.chance(0.06);
  const frequency = choose.chance(0.92) ? choose.one(frequencies) : undefined;
  const rule = frequency === undefined ? undefined : randomRule(choose, frequency, start);
  // Far in the future, where no clock ticks too often for others to walk there.
  const far = rule !== undefined && !/HOURLY|MINUTELY|SECONDLY/.test(rule) && choose.chance(0.04);
  const ten = (tenOf[frequency ?? "DAILY"] ?? 10) * daySeconds;
  const lines = [
    ...(task ? ["BEGIN:VTODO"] : ["BEGIN:VEVENT"]),
    "UID:case",
    "DTSTAMP:20260101T000000Z",
    written("DTSTART", start, start.local),
    ...lengthLines(choose, start, task),
    ...(rule === undefined ? [] : [`RRULE:${rule}`]),
    ...dateLines(choose, start, ten),
  ];
  const floating = choose.one(zones);
  const zone = ianaZone(floating) ?? utcZone;
  const kind = task ? "VTODO" : "VEVENT";
  const bare = object([...lines, `END:${kind}`]);
  const at = (start.form === "zoned" ? (ianaZone(start.tzid) ?? zone) : start.form === "utc" ? utcZone : zone).toUtc(
    start.local,
  );
  const known = instancesAround(bare, at, ten, zone);
  const exceptions = exceptionLines(choose, start, known);
  const overrides = choose.chance(0.3) ? overrideLines(choose, start, known, kind, rule) : [];
  const begin = Math.floor(at + (far ? choose.whole(8, 30) * 365 * daySeconds : (random() * 1.6 - 0.3) * ten));
  const length = Math.max(1, Math.floor(choose.one([0.02, 0.1, 0.4, 1]) * ten * (far ? 0.3 : 1)));
  return {
    text: object([...lines, ...exceptions, `END:${kind}`, ...overrides]),
    range: { start: utc(begin), end: utc(begin + length) },
    floating,
    rule,
  };
}

const object = (lines: readonly string[]): string =>
  ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//cases//EN", ...lines, "END:VCALENDAR", ""].join("\r\n");

function randomStart(choose: Chooser): Start {
  const form = choose.one(["date", "floating", "utc", "zoned", "zoned", "zoned", "zoned"] as const);
  const tzid = choose.one(zones);
  const day = dayNumber(choose.whole(1997, 2032), choose.whole(1, 12), choose.whole(1, 31)) * daySeconds;
  if (form === "date") return { local: day, form, tzid };
  // Many clocks change at night.
  const time = choose.chance(0.5)
    ? choose.one([0, 1800, 3600, 5400, 7200, 9000, 9060, 10_800, 86_340])
    : choose.whole(0, 287) * 300;
  const local = day + time;
  return { local: choose.chance(0.15) ? nearChange(choose, local, tzid) : local, form, tzid };
}

/** A wall clock reading within a day of the zone's next change of offset. */
function nearChange(choose: Chooser, local: number, tzid: string): number {
  const zone = ianaZone(tzid) ?? utcZone;
  for (let at = local; at < local + 400 * daySeconds; at += daySeconds)
    if (zone.offsetAt(utc(at)) !== zone.offsetAt(utc(at + daySeconds)))
      return Math.floor(at / daySeconds) * daySeconds + choose.whole(0, 96) * 900;
  return local;
}

function written(name: string, { form, tzid }: Pick<Start, "form" | "tzid">, local: number): string {
  if (form === "date") return `${name};VALUE=DATE:${formatDate(local)}`;
  if (form === "utc") return `${name}:${formatLocal(local)}Z`;
  return form === "floating" ? `${name}:${formatLocal(local)}` : `${name};TZID=${tzid}:${formatLocal(local)}`;
}

function lengthLines(choose: Chooser, start: Start, task: boolean): readonly string[] {
  const end = task ? "DUE" : "DTEND";
  if (start.form === "date") {
    if (choose.chance(0.3)) return task ? [`DURATION:P${choose.whole(1, 3)}D`] : [];
    return choose.chance(0.5)
      ? [`DURATION:P${choose.whole(1, 9)}D`]
      : [written(end, start, start.local + choose.whole(1, 9) * daySeconds)];
  }
  const seconds = choose.one([900, 3600, 5400, 86_400, 2 * 86_400 + 3600, 10 * 86_400]);
  switch (choose.whole(0, 5)) {
    case 0:
      return task ? ["DURATION:PT1H"] : [];
    case 1:
      return [`DURATION:PT${seconds}S`];
    case 2:
      return [choose.one(["DURATION:P1D", "DURATION:P1W", "DURATION:P1DT2H30M", "DURATION:PT25H"])];
    case 3: {
      // An end on another clock: a flight.
      if (start.form !== "zoned") return [written(end, start, start.local + seconds)];
      const tzid = choose.one(zones);
      const zone = ianaZone(tzid) ?? utcZone;
      const at = utc((ianaZone(start.tzid) ?? utcZone).toUtc(start.local) + seconds);
      return [written(end, { form: "zoned", tzid }, at + zone.offsetAt(at))];
    }
    default:
      return [written(end, start, start.local + seconds)];
  }
}

function randomRule(choose: Chooser, frequency: string, start: Start): string {
  const parts = [`FREQ=${frequency}`];
  const isDate = start.form === "date";
  const short = ["HOURLY", "MINUTELY", "SECONDLY"].includes(frequency);
  if (isDate && short) return "FREQ=DAILY;COUNT=5";
  const monthly = frequency === "MONTHLY" || frequency === "YEARLY";
  if (choose.chance(0.35)) parts.push(`INTERVAL=${choose.whole(1, frequency === "YEARLY" ? 3 : 5)}`);
  let sets = false;
  const often = frequency === "MINUTELY" || frequency === "SECONDLY";
  if (!often && choose.chance(short ? 0.05 : 0.2)) {
    parts.push(`BYMONTH=${choose.list(4, () => choose.whole(1, 12))}`);
    sets = true;
  }
  if (!often && choose.chance(0.4)) {
    sets = true;
    const ordinal = () => (choose.chance(0.5) ? `${choose.signed(frequency === "YEARLY" ? 20 : 5)}` : "");
    const day = () => `${monthly ? ordinal() : ""}${choose.one(weekdays)}`;
    if (frequency === "YEARLY" && choose.chance(0.15))
      parts.push(
        `BYWEEKNO=${choose.list(3, () => choose.signed(53))}`,
        `BYDAY=${choose.list(3, () => choose.one(weekdays))}`,
      );
    else if (frequency === "YEARLY" && choose.chance(0.2))
      parts.push(`BYYEARDAY=${choose.list(4, () => choose.signed(366))}`);
    else if (monthly && choose.chance(0.4)) parts.push(`BYMONTHDAY=${choose.list(4, () => choose.signed(31))}`);
    else if (frequency === "DAILY" && choose.chance(0.3))
      parts.push(`BYMONTHDAY=${choose.list(6, () => choose.signed(31))}`);
    else parts.push(`BYDAY=${choose.list(4, day)}`);
  }
  if (!isDate && frequency !== "SECONDLY" && choose.chance(0.12)) {
    sets = true;
    parts.push(`BYMINUTE=${choose.list(2, () => choose.whole(0, 59))}`);
    if (!short && choose.chance(0.7)) parts.push(`BYHOUR=${choose.list(3, () => choose.whole(0, 23))}`);
  }
  if (sets && choose.chance(0.15)) parts.push(`BYSETPOS=${choose.list(2, () => choose.signed(4))}`);
  if (choose.chance(0.15)) parts.push(`WKST=${choose.one(weekdays)}`);
  if (choose.chance(0.3)) parts.push(`COUNT=${choose.whole(1, 40)}`);
  else if (choose.chance(0.5)) parts.push(`UNTIL=${untilOf(choose, frequency, start)}`);
  return parts.join(";");
}

function untilOf(choose: Chooser, frequency: string, start: Start): string {
  const local = start.local + choose.whole(1, 1000) * Math.ceil(((tenOf[frequency] ?? 10) * daySeconds) / 500);
  if (start.form === "date") return formatDate(local);
  if (start.form === "floating") return formatLocal(local);
  const zone = start.form === "utc" ? utcZone : (ianaZone(start.tzid) ?? utcZone);
  return formatUtc(zone.toUtc(local));
}

function dateLines(choose: Chooser, start: Start, ten: number): readonly string[] {
  if (!choose.chance(0.15)) return [];
  const step = start.form === "date" ? daySeconds : 900;
  const local = (): number => start.local + choose.whole(-10, 100) * Math.max(step, Math.floor(ten / 50 / step) * step);
  return Array.from({ length: choose.whole(1, 3) }, () => {
    if (start.form === "date" || choose.chance(0.6)) return written("RDATE", start, local());
    if (start.form === "floating") return `RDATE;VALUE=PERIOD:${formatLocal(local())}/PT2H`;
    if (choose.chance(0.5)) return `RDATE:${formatUtc(utc(local()))}`;
    const from = utc(local());
    return `RDATE;VALUE=PERIOD:${formatUtc(from)}/${choose.chance(0.5) ? "PT90M" : formatUtc(utc(from + 7200))}`;
  });
}

/** Instances by the server's own reading, for exceptions to name; the judges decide whether they are right. */
function instancesAround(text: string, at: Utc, ten: number, zone: Zone): readonly { start: number; local: number }[] {
  const range = { start: utc(at - 86_400), end: utc(at + ten * 1.3) };
  return instancesIn(parseCalendarObject(text), range, zone, 200).instances.map(({ start, startTime }) => ({
    start,
    local: startTime.local,
  }));
}

type Known = ReturnType<typeof instancesAround>;

/** A time that exists in the series, as DTSTART is written or in another way that means the same. */
function naming(choose: Chooser, name: string, start: Start, { start: at, local }: Known[number]): string {
  const own = start.form === "zoned" ? ianaZone(start.tzid) : undefined;
  if (own === undefined || choose.chance(0.6)) return written(name, start, local);
  if (choose.chance(0.5)) return `${name}:${formatUtc(utc(at))}`;
  const tzid = choose.one(zones);
  const other = at + (ianaZone(tzid) ?? utcZone).offsetAt(utc(at));
  // A time that comes twice would name the first of the two.
  return ianaZone(tzid)?.toUtc(other) === at
    ? written(name, { form: "zoned", tzid }, other)
    : written(name, start, local);
}

function exceptionLines(choose: Chooser, start: Start, known: Known): readonly string[] {
  if (known.length === 0 || !choose.chance(0.3)) return [];
  return Array.from({ length: choose.whole(1, 3) }, () => {
    const one = choose.one(known);
    if (start.form !== "date" && choose.chance(0.08)) return `EXDATE;VALUE=DATE:${formatDate(one.local)}`;
    return naming(choose, "EXDATE", start, one);
  });
}

function overrideLines(
  choose: Chooser,
  start: Start,
  known: Known,
  kind: string,
  rule: string | undefined,
): readonly string[] {
  const chosen = [...new Set(Array.from({ length: choose.whole(1, 2) }, () => choose.one(known)))];
  // Moving all later instances of a rule of seconds by days is more walking than the server does for one object.
  const future = choose.chance(0.2) && !/MINUTELY|SECONDLY/.test(rule ?? "");
  return chosen.flatMap((one) => {
    if (one === undefined) return [];
    const id = naming(choose, "RECURRENCE-ID", start, one);
    const step = start.form === "date" ? daySeconds : 1800;
    const moved = one.local + choose.one([0, 0, 1, 2, -1, 48, -48, 96]) * step * (start.form === "date" ? 0.25 : 1);
    const local = Math.round(moved / step) * step;
    return [
      `BEGIN:${kind}`,
      "UID:case",
      "DTSTAMP:20260101T000000Z",
      future ? id.replace("RECURRENCE-ID", "RECURRENCE-ID;RANGE=THISANDFUTURE") : id,
      written("DTSTART", start, local),
      ...(start.form === "date"
        ? [`DURATION:P${choose.whole(1, 2)}D`]
        : [choose.one(["DURATION:PT30M", "DURATION:PT3H"])]),
      `END:${kind}`,
    ];
  });
}
