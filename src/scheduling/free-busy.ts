import { Turns } from "../base/stream.ts";
import { type Availability, availabilitiesIn, unavailableIn } from "../ical/availability.ts";
import type { BusyPeriod } from "../ical/busy.ts";
import { mergeBusy } from "../ical/busy.ts";
import type { Instance } from "../ical/calendar-object.ts";
import { instancesIn } from "../ical/instances.ts";
import { parseCalendarObject } from "../ical/parse.ts";
import type { Zone } from "../ical/zones.ts";
import type { TimeRange, Utc } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import type { Collection } from "../store/contract.ts";

/** A calendar whose busy time counts, with the zone its floating times are read in. */
export interface BusyCalendar {
  readonly collection: Collection;
  readonly floatingZone: Zone;
  /** PRIVATE objects (X-CALENDARSERVER-ACCESS) are left out: who asks may not know of them. */
  readonly withoutPrivate?: boolean;
  /** Asked of members with an ACL of their own: whether who asks may know when they are. Absent: all count. */
  readonly counts?: (name: string) => Promise<boolean>;
}

export interface BusyOptions {
  /** Objects left out by name in their collection: what the asker may not even see as busy time. */
  readonly leavesOut?: (collection: Collection, name: string) => boolean;
  /** An object that makes nobody busy: the one being rescheduled. */
  readonly exceptUid?: string;
  /** Instances looked at, over all calendars. Throws Refusal(number-of-matches-within-limits) beyond. */
  readonly limit: number;
}

/** Who is busy when, over all the calendars together: periods clipped to the range, ordered, merged per kind of busy time
 *  (RFC 4791 §7.10), with the time that VAVAILABILITYs in a calendar leave out (RFC 7953 §4). Answered from the indexes; only
 *  objects whose indexed window ends inside the range are read, and VAVAILABILITYs. */
export async function busyTime(
  calendars: AsyncIterable<BusyCalendar> | Iterable<BusyCalendar>,
  range: TimeRange,
  options: BusyOptions,
): Promise<readonly BusyPeriod[]> {
  const periods: Instance[] = [];
  const turns = new Turns();
  for await (const calendar of calendars) {
    const { collection, floatingZone } = calendar;
    const { wide, offset } = askedRange(range, floatingZone);
    const hidden = new Hidden(calendar);
    const availabilities: string[] = [];
    for await (const { rows, uncertain } of collection.busy(wide, offset)) {
      await hidden.learn(rows);
      await hidden.learn(uncertain);
      const leavesOut = (uid: string | undefined, name: string): boolean =>
        (uid !== undefined && uid === options.exceptUid) ||
        hidden.has(name) ||
        options.leavesOut?.(collection, name) === true;
      for (const row of rows) {
        if (leavesOut(row.uid, row.name)) continue;
        if (row.kind === "VAVAILABILITY") availabilities.push(row.name);
        else periods.push(row.floating ? fixed(row, floatingZone) : row);
      }
      for (const { uid, name } of uncertain) {
        if (leavesOut(uid, name)) continue;
        for (const period of await expanded(collection, name, range, floatingZone, options.limit, turns))
          periods.push(period);
        await turns.next();
      }
      refuseBeyond(options.limit, periods);
    }
    if (availabilities.length > 0)
      for (const period of await unavailable(collection, availabilities, range, floatingZone, options.limit))
        periods.push(period);
    refuseBeyond(options.limit, periods);
  }
  return mergeBusy(periods, range);
}

function refuseBeyond(limit: number, periods: readonly Instance[]): void {
  if (periods.length > limit) throw new Refusal({ code: "number-of-matches-within-limits", limit });
}

/** The members of a calendar that who asks may not know of. */
class Hidden {
  readonly #calendar: BusyCalendar;
  readonly #asked = new Set<string>();
  readonly #names = new Set<string>();

  constructor(calendar: BusyCalendar) {
    this.#calendar = calendar;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  async learn(
    members: readonly { readonly name: string; readonly access: string | undefined; readonly hasAcl: boolean }[],
  ): Promise<void> {
    const { withoutPrivate, counts } = this.#calendar;
    for (const { name, access, hasAcl } of members) {
      if ((!hasAcl && access === undefined) || this.#asked.has(name)) continue;
      this.#asked.add(name);
      if (withoutPrivate === true && access === "PRIVATE") this.#names.add(name);
      else if (hasAcl && counts !== undefined && !(await counts(name))) this.#names.add(name);
    }
  }
}

/** RFC 7953 §5.2.2, §4 */
async function unavailable(
  collection: Collection,
  names: readonly string[],
  range: TimeRange,
  zone: Zone,
  limit: number,
): Promise<readonly Instance[]> {
  const found: Availability[] = [];
  for (const name of names) {
    const content = await collection.read(name);
    if (content !== undefined) found.push(...readable(() => availabilitiesIn(content.bytes.toString())));
  }
  return readable(() => unavailableIn(found, range, zone, limit));
}

/** Data that cannot be read, put there by hand, makes nobody busy: the rest of the calendar still does. */
function readable<T>(read: () => readonly T[]): readonly T[] {
  try {
    return read();
  } catch (error) {
    if (error instanceof Refusal && error.reason.code !== "number-of-matches-within-limits") return [];
    throw error;
  }
}

const day = 86_400;

/** The index compares floating times with one offset. Where the zone's offset differs between the ends of the range, the
 *  range is widened by the difference; `mergeBusy` cuts it back. */
function askedRange(range: TimeRange, zone: Zone): { readonly wide: TimeRange; readonly offset: number } {
  if (zone.fixed) return { wide: range, offset: -zone.offsetAt(range.start) };
  const offsets = [range.start - day, range.start, range.start + day, range.end - day, range.end, range.end + day].map(
    (at) => zone.offsetAt(utc(at)),
  );
  const slack = Math.max(...offsets) - Math.min(...offsets);
  const wide = slack === 0 ? range : { start: utc(range.start - slack), end: utc(range.end + slack) };
  return { wide, offset: -zone.offsetAt(range.start) };
}

const fixed = (row: Instance, zone: Zone): Instance => ({
  start: zone.toUtc(row.start),
  end: zone.toUtc(row.end),
  floating: false,
  busy: row.busy,
});

/** Instances of one object found in one go: a few milliseconds. */
const atOnce = 2_500;
/** Goes in which an object is expanded: enough for every hour of six years, not for every minute of two months. */
const mostGoes = 24;

/** The busy instances of an object in the range. Where there are many, they are found in several goes; an instance in two
 *  of them comes twice, which is the same to those who merge.
 *  Throws Refusal(number-of-matches-within-limits) beyond `limit`, or when finding them would take too long. */
async function expanded(
  collection: Collection,
  name: string,
  range: TimeRange,
  zone: Zone,
  limit: number,
  turns: Turns,
): Promise<readonly Instance[]> {
  const content = await collection.read(name);
  if (content === undefined) return [];
  const [object] = readable(() => [parseCalendarObject(content.bytes.toString())]);
  if (object === undefined) return [];
  const found: Instance[] = [];
  const parts: TimeRange[] = [range];
  for (let goes = 1; ; goes++) {
    const part = parts.pop();
    if (part === undefined) return found;
    const [expansion] = readable(() => [instancesIn(object, part, zone, Math.min(limit, atOnce))]);
    if (expansion === undefined) return [];
    const { instances, complete } = expansion;
    const last = complete ? undefined : reachedIn(part, instances, zone);
    // A rule alone gives its instances in order, so these are all up to the last of them; but not where clocks go forward.
    const isPrefix =
      last !== undefined &&
      object.kind === "VEVENT" &&
      object.overrides.length === 0 &&
      isCalm(instances.at(-1)?.startTime.zone ?? zone, last);
    if (complete || isPrefix)
      for (const one of instances) if (one.busy !== "FREE") found.push(one.floating ? fixed(one, zone) : one);
    if (!complete) {
      const cut = last ?? utc(Math.floor((part.start + part.end) / 2));
      if (cut <= part.start || goes >= mostGoes) throw new Refusal({ code: "number-of-matches-within-limits", limit });
      parts.push({ start: cut, end: part.end });
      if (!isPrefix) parts.push({ start: part.start, end: cut });
    }
    refuseBeyond(limit, found);
    await turns.next();
  }
}

/** Where the last of the instances that were found begins, if that is inside the range. */
function reachedIn({ start, end }: TimeRange, found: readonly Instance[], zone: Zone): Utc | undefined {
  const last = found.at(-1);
  if (last === undefined) return undefined;
  const begins = last.floating ? zone.toUtc(last.start) : last.start;
  return begins > start && begins < end ? begins : undefined;
}

/** Whether no clock changes within a day. */
const isCalm = (zone: Zone, at: Utc): boolean => zone.offsetAt(utc(at - day)) === zone.offsetAt(utc(at + day));
