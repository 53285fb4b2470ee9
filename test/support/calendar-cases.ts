import { instancesIn } from "../../src/ical/instances.ts";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import { daySeconds, formatDate, formatLocal, formatUtc } from "../../src/ical/time.ts";
import { ianaZone, utcZone } from "../../src/ical/zones.ts";
import { type TimeRange, utc } from "../../src/model/ids.ts";
import { randomCase } from "./recurring-cases.ts";

/** Zones with summer time in both hemispheres, half an hour of it, a winter that is the exception, and the ends of the day. */
export const caseZones = [
  ...["Etc/UTC", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe", "Europe/Dublin", "Asia/Tehran"],
  ...["Africa/Casablanca", "Pacific/Kiritimati", "Pacific/Pago_Pago"],
];
const zoned = caseZones.slice(1);
const year = 365 * daySeconds;
const forms = ["date", "floating", "utc", "zoned", "zoned"] as const;
type Form = (typeof forms)[number];

const instant = (...parts: readonly [year: number, month: number, day: number]): number =>
  Date.UTC(parts[0], parts[1] - 1, parts[2]) / 1000;
/** Where clocks change, days are left out, and dates are far away. */
const delicate = [
  ...[instant(2019, 4, 21), instant(2011, 12, 30), instant(2026, 3, 8), instant(2026, 10, 25)],
  ...[instant(1950, 2, 1), instant(2090, 2, 1)],
];

/** Random calendar objects of all kinds, and ranges to ask for, around a moment from which the index looks a year each way. */
export class CalendarCases {
  readonly #random: () => number;
  readonly #now: number;
  /** Ranges of the objects that were made. */
  readonly #known: TimeRange[] = [];

  constructor(random: () => number, now: number) {
    this.#random = random;
    this.#now = now;
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

  object(uid: string): string {
    const kind = this.#random();
    if (kind < 0.35) return this.#windowed(uid);
    if (kind < 0.7) return this.#single(uid);
    const { text, range } = randomCase(this.#random);
    this.#known.push(range);
    return text.replaceAll("UID:case", `UID:${uid}`);
  }

  /** From a second to fifty years, inside, outside and at the border of what is indexed; some open at one end. */
  range(): TimeRange {
    const now = this.#now;
    const border = [now, now + year, now - year, now + year + 8 * daySeconds, now - year - 8 * daySeconds];
    const far = [now + 3 * year, now - 10 * year, now + 14 * year, now + 50 * year, now - 40 * year];
    const base =
      this.chance(0.3) && this.#known.length > 0
        ? this.one(this.#known).start
        : this.one([...border, ...far, ...delicate]);
    const off = this.one([
      0,
      this.whole(-daySeconds, daySeconds),
      this.whole(-20, 20) * daySeconds,
      this.whole(-4, 4) * 900,
    ]);
    const start = Math.floor(base + off);
    const lengths = [1, 1, 3600, daySeconds, daySeconds, 7 * daySeconds, 31 * daySeconds, 800 * daySeconds, 50 * year];
    const end = start + this.one([...lengths, this.whole(1, 10 * daySeconds)]);
    const open = this.#random();
    return {
      start: utc(open < 0.06 ? Number.NEGATIVE_INFINITY : start),
      end: utc(open > 0.94 ? Number.POSITIVE_INFINITY : end),
    };
  }

  #border(): number {
    const now = this.#now;
    return this.one([now - year, now + year, now, now - year - 8 * daySeconds, now + year + 8 * daySeconds]);
  }

  #busy(): readonly string[] {
    return [
      ...(this.chance(0.2) ? [`TRANSP:${this.one(["TRANSPARENT", "OPAQUE"])}`] : []),
      ...(this.chance(0.3) ? [`STATUS:${this.one(["TENTATIVE", "CANCELLED", "CONFIRMED"])}`] : []),
    ];
  }

  /** A series of more instances than the index holds, with exceptions at the borders of what it holds. */
  #windowed(uid: string): string {
    const form = this.one(forms);
    const tzid = this.one(zoned);
    const isDate = form === "date";
    const start = instant(this.whole(1985, 2022), this.whole(1, 12), this.whole(1, 28)) + this.whole(0, 95) * 900;
    const until = this.#border() + this.whole(-3, 3) * daySeconds;
    const untilText = isDate ? formatDate(until) : form === "floating" ? formatLocal(until) : formatUtc(utc(until));
    const rule = this.one([
      ...["FREQ=DAILY", "FREQ=DAILY;INTERVAL=2", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "FREQ=DAILY;COUNT=6000"],
      ...["FREQ=WEEKLY;BYDAY=MO,WE,FR;INTERVAL=2", "FREQ=DAILY;BYMONTH=3,10", `FREQ=DAILY;UNTIL=${untilText}`],
      ...(isDate ? [] : ["FREQ=DAILY;BYHOUR=1,9,17"]),
    ]);
    const lengths = isDate
      ? ["DURATION:P1D", "DURATION:P12D", ""]
      : ["DURATION:PT1H", "DURATION:PT30M", "DURATION:P10D", "DURATION:P1D", "DURATION:PT0S", ""];
    const head = [`UID:${uid}`, "DTSTAMP:20260101T000000Z"];
    const master = [
      ...head,
      written("DTSTART", form, tzid, start),
      this.one(lengths),
      `RRULE:${rule}`,
      ...this.#busy(),
    ];
    const bare = parseCalendarObject(calendar(component("VEVENT", master)));
    const zone = (form === "zoned" ? ianaZone(tzid) : undefined) ?? utcZone;
    const someInstance = (): number | undefined => {
      const at = this.#border() + this.whole(-10, 10) * daySeconds;
      const { instances } = instancesIn(bare, { start: utc(at), end: utc(at + 5 * daySeconds) }, zone, 50);
      return instances.length === 0 ? undefined : this.one(instances).startTime.local;
    };

    const overrides: string[] = [];
    const used = new Set<number>();
    const moves = this.chance(0.6) ? this.whole(1, 3) : 0;
    for (let at = 0; at < moves; at++) {
      const local = someInstance();
      if (local === undefined || used.has(local)) continue;
      used.add(local);
      const future = this.chance(0.15);
      const moved = this.one([
        local + this.whole(-20, 20) * (daySeconds / 2),
        this.#border() + this.whole(-2, 2) * daySeconds,
        local + this.whole(-800, 800) * daySeconds,
      ]);
      const ownForm = isDate || future ? form : this.one([form, "utc", "floating"] as const);
      const length = this.one(isDate ? ["P1D", "P20D"] : ["PT1H", "P20D", "PT0S"]);
      const id = written(`RECURRENCE-ID${future ? ";RANGE=THISANDFUTURE" : ""}`, form, tzid, local);
      const lines = [...head, id, written("DTSTART", ownForm, tzid, moved), `DURATION:${length}`, ...this.#busy()];
      overrides.push(...component("VEVENT", lines));
      if (future) break;
    }
    const exceptions = Array.from({ length: this.chance(0.4) ? this.whole(1, 20) : 0 }, () => {
      const local = someInstance();
      return local === undefined ? "" : written("EXDATE", form, tzid, local);
    });
    const dates = Array.from({ length: this.chance(0.3) ? this.whole(1, 3) : 0 }, () => {
      const at = this.#border() + this.whole(-10, 10) * daySeconds + this.whole(0, 23) * 3600;
      if (isDate || this.chance(0.5)) return written("RDATE", form, tzid, at);
      return `RDATE;VALUE=PERIOD:${form === "floating" ? formatLocal(at) : formatUtc(utc(at))}/P15D`;
    });
    return calendar([...component("VEVENT", [...master, ...exceptions, ...dates]), ...overrides]);
  }

  /** An object that does not recur, or not for long, with or without each of the properties that say when it is. */
  #single(uid: string): string {
    const kind = this.one([..."VEVENT VEVENT VTODO VTODO VTODO VJOURNAL VFREEBUSY VAVAILABILITY".split(" ")]);
    const form = this.one(forms);
    const tzid = this.one(zoned);
    const near = [this.#now, this.#now + year, this.#now - year, ...delicate];
    const at = Math.floor(this.one(near) + this.whole(-40, 40) * (daySeconds / 8));
    const stamp = (name: string, local: number): string => `${name}:${formatUtc(utc(local))}`;
    const recurs = this.chance(0.3) ? [`RRULE:FREQ=DAILY;COUNT=${this.whole(1, 30)}`] : [];
    const lines = (): readonly string[] => {
      switch (kind) {
        case "VEVENT":
          return [written("DTSTART", form, tzid, at), this.#end("DTEND", form, tzid, at), ...this.#busy(), ...recurs];
        case "VTODO":
          return this.#task(form, tzid, at, stamp, recurs);
        case "VJOURNAL":
          return this.chance(0.8) ? [written("DTSTART", form, tzid, at), ...recurs] : [];
        case "VFREEBUSY":
          return this.#freeBusy(at, stamp);
        default:
          return this.#availability(uid, form === "date" ? "utc" : form, tzid, at);
      }
    };
    const alarm = (kind === "VEVENT" || kind === "VTODO") && this.chance(0.5) ? this.#alarm(at) : [];
    return calendar(component(kind, [`UID:${uid}`, "DTSTAMP:20260101T000000Z", ...lines(), ...alarm]));
  }

  #end(name: string, form: Form, tzid: string, at: number): string {
    const days = [0, 0, 1, 8, 9, 400].map((count) => count * daySeconds);
    const seconds = this.one(form === "date" ? days : [...days, 1, 3600, 8 * daySeconds + 1]);
    switch (this.whole(0, 2)) {
      case 0:
        return "";
      case 1:
        return form === "date" ? `DURATION:P${seconds / daySeconds + 1}D` : `DURATION:PT${seconds}S`;
      default: {
        // An end on another clock: a flight.
        const other = form === "date" || this.chance(0.8);
        return written(
          name,
          other ? form : this.one(["utc", "floating", "zoned"] as const),
          other ? tzid : this.one(zoned),
          at + seconds,
        );
      }
    }
  }

  #task(
    form: Form,
    tzid: string,
    at: number,
    stamp: (name: string, local: number) => string,
    recurs: readonly string[],
  ): readonly string[] {
    const completed = this.chance(0.3) ? [stamp("COMPLETED", at + daySeconds)] : [];
    switch (this.whole(0, 6)) {
      case 0:
        return [written("DUE", form, tzid, at), ...recurs, ...completed];
      case 1:
        return [stamp("COMPLETED", at), stamp("CREATED", at + this.one([0, -daySeconds, daySeconds]))];
      case 2:
        return [stamp(this.one(["COMPLETED", "CREATED"]), at)];
      case 3:
        return [];
      default:
        return [written("DTSTART", form, tzid, at), this.#end("DUE", form, tzid, at), ...recurs, ...completed];
    }
  }

  #freeBusy(at: number, stamp: (name: string, local: number) => string): readonly string[] {
    const types = ["", "FREE", "BUSY-TENTATIVE", "BUSY-UNAVAILABLE", "BUSY", "X-FOO"];
    const periods = Array.from({ length: this.whole(0, 3) }, () => {
      const type = this.one(types);
      const start = at + this.whole(-5, 5) * 7200;
      const end = this.chance(0.5) ? "PT2H" : formatUtc(utc(start + 9 * daySeconds));
      return `FREEBUSY${type === "" ? "" : `;FBTYPE=${type}`}:${formatUtc(utc(start))}/${end}`;
    });
    const bounds = [stamp("DTSTART", at), stamp("DTEND", at + this.one([0, 3600, daySeconds, 20 * daySeconds]))];
    return [...(this.chance(0.6) ? bounds : []), ...periods];
  }

  #availability(uid: string, form: Form, tzid: string, at: number): readonly string[] {
    const start = this.chance(0.7) ? [written("DTSTART", form, tzid, at)] : [];
    const end = this.chance(0.5) ? [written("DTEND", form, tzid, at + 20 * daySeconds)] : [];
    const length = end.length === 0 && start.length > 0 && this.chance(0.5) ? ["DURATION:P20D"] : [];
    const priority = this.chance(0.4) ? [`PRIORITY:${this.whole(0, 9)}`] : [];
    const type = this.chance(0.4) ? [`BUSYTYPE:${this.one(["BUSY", "BUSY-TENTATIVE", "BUSY-UNAVAILABLE"])}`] : [];
    const available = Array.from({ length: this.whole(0, 2) }, (_, number) =>
      component("AVAILABLE", [
        ...[`UID:${uid}-${number}`, "DTSTAMP:20260101T000000Z"],
        written("DTSTART", form, tzid, at + this.whole(0, 3) * 3600),
        `DURATION:PT${this.whole(1, 30)}H`,
        this.one(["", "RRULE:FREQ=DAILY", "RRULE:FREQ=DAILY;COUNT=9"]),
      ]),
    );
    return [...start, ...end, ...length, ...priority, ...type, ...available.flat()];
  }

  #alarm(at: number): readonly string[] {
    const trigger = this.one([
      ...["TRIGGER:-PT15M", "TRIGGER;RELATED=END:PT0S", "TRIGGER:-P7D", "TRIGGER:PT3H", "TRIGGER:-P1DT1H"],
      `TRIGGER;VALUE=DATE-TIME:${formatUtc(utc(at - 3600))}`,
    ]);
    const again = this.chance(0.3) ? ["REPEAT:3", "DURATION:PT1H"] : [];
    return component("VALARM", ["ACTION:DISPLAY", "DESCRIPTION:x", trigger, ...again]);
  }
}

const component = (name: string, lines: readonly string[]): readonly string[] => [
  `BEGIN:${name}`,
  ...lines.filter((line) => line !== ""),
  `END:${name}`,
];

const calendar = (lines: readonly string[]): string =>
  ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//cases//EN", ...lines, "END:VCALENDAR", ""].join("\r\n");

function written(name: string, form: Form, tzid: string, local: number): string {
  if (form === "date") return `${name};VALUE=DATE:${formatDate(local)}`;
  if (form === "utc") return `${name}:${formatLocal(local)}Z`;
  return form === "floating" ? `${name}:${formatLocal(local)}` : `${name};TZID=${tzid}:${formatLocal(local)}`;
}
