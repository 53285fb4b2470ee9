import { daySeconds, packedDate } from "./time.ts";
import type { ClockKind, Era, RuleLine } from "./zone-source.ts";
import { dayIn, erasOf } from "./zone-source.ts";

/** One change of a zone's clock, with what it comes from. */
export interface ZoneChange {
  /** Seconds since 1970 UTC. */
  readonly at: number;
  /** Seconds east of UTC before and from then on. */
  readonly from: number;
  readonly to: number;
  /** The clock is ahead of standard time afterwards. */
  readonly daylight: boolean;
  readonly name: string;
  /** Counts the zone's eras. */
  readonly era: number;
  /** The rule that made it; undefined for the beginning of an era. */
  readonly rule: RuleLine | undefined;
  /** The day number on which the rule puts it; UTC and 24:00 may make it the day before or after. */
  readonly day: number;
  /** The rule goes on for ever, and nothing ends the era. */
  readonly endless: boolean;
}

/** How times are named: as zic(8) does, or as the time zone files of the original server had it, where an era begins with "S"
 *  (or "D") in place of %s, and a format with a slash stands as it is. */
export type Naming = "zic" | "original";

/** The zone's changes in order of time, from the end of local mean time until all its rules have come to those that go on for
 *  ever, and at least until the end of `untilYear`. What rules give after that is the same every year. `name` is one of
 *  `sourceZones`. */
export function zoneChanges(name: string, untilYear: number, naming: Naming): readonly ZoneChange[] {
  const eras = erasOf(name);
  const changes: ZoneChange[] = [];
  let start = Number.NEGATIVE_INFINITY;
  let offset = eras[0]?.offset ?? 0;
  for (const [number, era] of eras.entries()) {
    const walk = new EraWalk(era, number, start, offset, naming, changes);
    walk.run(untilYear);
    offset = walk.offset;
    start = walk.end;
  }
  return changes;
}

/** When a yearly rule applies, by the clock it is written for. */
interface Occurrence {
  readonly rule: RuleLine;
  readonly day: number;
  readonly local: number;
}

class EraWalk {
  /** In force at last. */
  offset: number;
  /** When the era ends. */
  end = Number.POSITIVE_INFINITY;
  readonly #era: Era;
  readonly #number: number;
  readonly #start: number;
  readonly #naming: Naming;
  readonly #changes: ZoneChange[];
  #save = 0;

  constructor(era: Era, number: number, start: number, offset: number, naming: Naming, changes: ZoneChange[]) {
    this.#era = era;
    this.#number = number;
    this.#start = start;
    this.offset = offset;
    this.#naming = naming;
    this.#changes = changes;
  }

  run(untilYear: number): void {
    const { rules } = this.#era;
    if (typeof rules === "number") {
      this.#save = rules;
      this.#begin(undefined);
    } else this.#follow(rules, untilYear);
    this.end = this.#endNow();
  }

  #follow(rules: readonly RuleLine[], untilYear: number): void {
    let isBegun = false;
    let before: RuleLine | undefined;
    const { until } = this.#era;
    const begun = Number.isFinite(this.#start) ? yearOf(this.#start) + 1 : 0;
    const last = until === undefined ? Math.max(untilYear, begun) : yearOf(until.local);
    for (const { rule, day, local } of occurrences(rules, last)) {
      const at = local - this.#shift(rule.clock);
      if (at >= this.#endNow()) break;
      if (at < this.#start) {
        this.#save = rule.save;
        before = rule;
        continue;
      }
      if (!isBegun && at > this.#start) this.#begin(before ?? firstStandard(rules));
      isBegun = true;
      this.#save = rule.save;
      this.#add(at, rule, day, this.#name(rule.letter));
    }
    if (!isBegun) this.#begin(before ?? firstStandard(rules));
  }

  /** What is to be taken from a local time to get UTC. */
  #shift(clock: ClockKind): number {
    if (clock === "u") return 0;
    return clock === "s" ? this.#era.offset : this.#era.offset + this.#save;
  }

  #endNow(): number {
    const { until } = this.#era;
    return until === undefined ? Number.POSITIVE_INFINITY : until.local - this.#shift(until.clock);
  }

  /** The beginning of the era; of the first one, which is local mean time, nothing is told. */
  #begin(rule: RuleLine | undefined): void {
    const letter = this.#naming === "original" ? (this.#save === 0 ? "S" : "D") : (rule?.letter ?? "");
    if (this.#start === Number.NEGATIVE_INFINITY) this.offset = this.#era.offset + this.#save;
    else this.#add(this.#start, undefined, 0, this.#name(letter));
  }

  #add(at: number, rule: RuleLine | undefined, day: number, name: string): void {
    const from = this.offset;
    const to = this.#era.offset + this.#save;
    this.offset = to;
    const endless = rule?.to === Number.POSITIVE_INFINITY && this.#era.until === undefined;
    const change = { at, from, to, daylight: this.#isDaylight(), name, era: this.#number, rule, day, endless };
    // As zic(8): what the clock did not yet show when it changed again is one change (Argentina 1999: standard time goes back
    // an hour at the moment daylight saving begins).
    const before = this.#changes.at(-1);
    if (before !== undefined && at + from <= before.at + before.from) {
      this.#changes.pop();
      this.#changes.push({ ...change, at: before.at, from: before.from });
    } else this.#changes.push(change);
  }

  /** Where winter is written as saving less than nothing (Ireland, Morocco), summer is daylight time all the same. */
  #isDaylight(): boolean {
    const { rules } = this.#era;
    const least = typeof rules === "number" ? 0 : Math.min(0, ...rules.map(({ save }) => save));
    return this.#save > least;
  }

  #name(letter: string): string {
    const { format } = this.#era;
    if (format.includes("%s")) return format.replace("%s", letter);
    if (format === "%z") return numericName(this.#era.offset + this.#save);
    const slash = format.indexOf("/");
    if (slash < 0 || this.#naming === "original") return format;
    return this.#save === 0 ? format.slice(0, slash) : format.slice(slash + 1);
  }
}

/** zic(8) names the time before the first rule by the earliest one for standard time. */
const firstStandard = (rules: readonly RuleLine[]): RuleLine | undefined => rules.find(({ save }) => save === 0);

/** In order of time, one year further than the last rule that has an end or begins. */
function occurrences(rules: readonly RuleLine[], untilYear: number): readonly Occurrence[] {
  const known = rules.flatMap(({ from, to }) => (to === Number.POSITIVE_INFINITY ? [from] : [from, to]));
  const last = Math.max(untilYear, ...known) + 1;
  return rules
    .flatMap((rule) => {
      const found: Occurrence[] = [];
      for (let year = rule.from; year <= Math.min(rule.to, last); year++) {
        const day = dayIn(year, rule.month, rule.day);
        found.push({ rule, day, local: day * daySeconds + rule.at });
      }
      return found;
    })
    .sort((a, b) => a.local - b.local);
}

/** "+0530", "-03" */
function numericName(offset: number): string {
  const size = Math.abs(offset);
  const two = (value: number): string => `${Math.floor(value)}`.padStart(2, "0");
  const rest = [two(size / 3600), two((size / 60) % 60), two(size % 60)];
  while (rest.length > 1 && rest.at(-1) === "00") rest.pop();
  return `${offset < 0 ? "-" : "+"}${rest.join("")}`;
}

/** The year of local seconds. */
export const yearOf = (local: number): number => Math.floor(packedDate(Math.floor(local / daySeconds)) / 10_000);
