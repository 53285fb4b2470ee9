import { type Availability, availabilitiesIn, unavailableIn } from "../ical/availability.ts";
import type { BusyPeriod } from "../ical/busy.ts";
import { mergeBusy } from "../ical/busy.ts";
import type { Instance } from "../ical/calendar-object.ts";
import { instancesIn } from "../ical/instances.ts";
import { parseCalendarObject } from "../ical/parse.ts";
import type { Zone } from "../ical/zones.ts";
import type { TimeRange } from "../model/ids.ts";
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
  for await (const calendar of calendars) {
    const { collection, floatingZone } = calendar;
    const { wide, offset } = askedRange(range, floatingZone);
    const { rows, uncertain } = await collection.busy(wide, offset);
    const hidden = await hiddenOf(calendar, [...rows, ...uncertain]);
    const availabilities: string[] = [];
    for (const row of rows) {
      if (row.busy === "FREE" || row.uid === options.exceptUid || hidden.has(row.name)) continue;
      if (options.leavesOut?.(collection, row.name)) continue;
      if (row.kind === "VAVAILABILITY") availabilities.push(row.name);
      else periods.push(row.floating ? fixed(row, floatingZone) : row);
    }
    for (const entry of uncertain) {
      if (entry.uid === options.exceptUid || hidden.has(entry.name) || options.leavesOut?.(collection, entry.name))
        continue;
      for (const period of await expanded(collection, entry.name, range, floatingZone, options.limit))
        periods.push(period);
    }
    if (availabilities.length > 0)
      for (const period of await unavailable(collection, availabilities, range, floatingZone, options.limit))
        periods.push(period);
    if (periods.length > options.limit)
      throw new Refusal({ code: "number-of-matches-within-limits", limit: options.limit });
  }
  return mergeBusy(periods, range);
}

const nothing: ReadonlySet<string> = new Set();

/** The members that who asks may not know of, by name. */
async function hiddenOf(
  { withoutPrivate, counts }: BusyCalendar,
  members: readonly { readonly name: string; readonly access: string | undefined; readonly hasAcl: boolean }[],
): Promise<ReadonlySet<string>> {
  if (!members.some(({ access, hasAcl }) => hasAcl || access !== undefined)) return nothing;
  const hidden = new Set<string>();
  const asked = new Set<string>();
  for (const { name, access, hasAcl } of members) {
    if (asked.has(name)) continue;
    asked.add(name);
    if (withoutPrivate === true && access === "PRIVATE") hidden.add(name);
    else if (hasAcl && counts !== undefined && !(await counts(name))) hidden.add(name);
  }
  return hidden;
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

async function expanded(
  collection: Collection,
  name: string,
  range: TimeRange,
  zone: Zone,
  limit: number,
): Promise<readonly Instance[]> {
  const content = await collection.read(name);
  if (content === undefined) return [];
  return readable(() => {
    const { instances, complete } = instancesIn(parseCalendarObject(content.bytes.toString()), range, zone, limit);
    if (!complete) throw new Refusal({ code: "number-of-matches-within-limits", limit });
    return instances.filter(({ busy }) => busy !== "FREE").map((one) => (one.floating ? fixed(one, zone) : one));
  });
}
