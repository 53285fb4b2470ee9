import type { TimeRange, Utc } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import type { Busy, Instance } from "./calendar-object.ts";
import type { Component, Property } from "./component.ts";
import { formatUtc } from "./time.ts";
import type { Zone } from "./zone-transitions.ts";
import { utcZone } from "./zone-transitions.ts";

/** A stretch of time in which someone is busy. */
export interface BusyPeriod {
  readonly start: Utc;
  readonly end: Utc;
  readonly busy: Busy;
}

/** What an instance of the component does to its owner's time: TRANSP and STATUS by the table of RFC 4791 §7.10. Components
 *  other than VEVENT are free; the periods of a VFREEBUSY say it themselves (`busyOfType`). */
export function busyOf(component: Component): Busy {
  if (component.name !== "VEVENT") return "FREE";
  let busy: Busy = "BUSY";
  for (const { name, value } of component.properties) {
    if (name === "TRANSP" && value.trim().toUpperCase() === "TRANSPARENT") return "FREE";
    if (name !== "STATUS") continue;
    const status = value.trim().toUpperCase();
    if (status === "CANCELLED") return "FREE";
    if (status === "TENTATIVE") busy = "BUSY-TENTATIVE";
  }
  return busy;
}

const types: Readonly<Record<string, Busy>> = {
  FREE: "FREE",
  BUSY: "BUSY",
  "BUSY-TENTATIVE": "BUSY-TENTATIVE",
  "BUSY-UNAVAILABLE": "BUSY-UNAVAILABLE",
};

/** An FBTYPE parameter; without one, and for a type nobody knows, BUSY (RFC 5545 §3.2.9). */
export const busyOfType = (type: string | undefined): Busy => types[type?.toUpperCase() ?? "BUSY"] ?? "BUSY";

const order: readonly Busy[] = ["BUSY-UNAVAILABLE", "BUSY", "BUSY-TENTATIVE"];

/** The busy periods cut to the range, in order of start. Periods of one type that touch or overlap become one; those of
 *  different types may overlap, as RFC 4791 §7.10 leaves them. Free, empty and outside periods are dropped. Floating ones are
 *  read in `floatingZone`. */
export function mergeBusy(
  periods: readonly Instance[],
  range: TimeRange,
  floatingZone: Zone = utcZone,
): readonly BusyPeriod[] {
  const merged: { start: Utc; end: Utc; busy: Busy }[] = [];
  for (const busy of order) {
    const cut: { start: Utc; end: Utc }[] = [];
    for (const period of periods) {
      if (period.busy !== busy) continue;
      const start = Math.max(period.floating ? floatingZone.toUtc(period.start) : period.start, range.start);
      const end = Math.min(period.floating ? floatingZone.toUtc(period.end) : period.end, range.end);
      if (start < end) cut.push({ start: utc(start), end: utc(end) });
    }
    cut.sort((a, b) => a.start - b.start);
    let last: { start: Utc; end: Utc; busy: Busy } | undefined;
    for (const { start, end } of cut) {
      if (last !== undefined && start <= last.end) {
        if (end > last.end) last.end = end;
        continue;
      }
      last = { start, end, busy };
      merged.push(last);
    }
  }
  return merged.sort((a, b) => a.start - b.start || order.indexOf(a.busy) - order.indexOf(b.busy));
}

/** The same periods without overlaps: where types overlap, the strongest is left (BUSY-UNAVAILABLE, BUSY, BUSY-TENTATIVE).
 *  For readers that know one state at a time. Takes what `mergeBusy` gives. */
export function strongestBusy(periods: readonly BusyPeriod[]): readonly BusyPeriod[] {
  const taken: { start: Utc; end: Utc; busy: Busy }[] = [];
  for (const busy of order) {
    const free: BusyPeriod[] = [];
    for (const period of periods) {
      if (period.busy !== busy) continue;
      let { start } = period;
      for (const other of taken) {
        if (other.end <= start || other.start >= period.end) continue;
        if (other.start > start) free.push({ start, end: other.start, busy });
        start = other.end;
      }
      if (start < period.end) free.push({ start, end: period.end, busy });
    }
    taken.push(...free);
    taken.sort((a, b) => a.start - b.start);
  }
  return taken;
}

export interface FreeBusyHeader {
  readonly range: TimeRange;
  /** DTSTAMP. */
  readonly stamp: Utc;
  readonly uid: string | undefined;
  /** ORGANIZER, ATTENDEE and whatever else the answer carries. */
  readonly properties: readonly Property[];
}

const property = (name: string, value: string, busy?: Busy): Property => ({
  name,
  parameters: busy === undefined ? [] : [{ name: "FBTYPE", values: [busy] }],
  value,
  line: 0,
});

/** A VFREEBUSY (RFC 5545 §3.6.4) for a range with finite ends: one FREEBUSY property for each type, in UTC. Takes what
 *  `mergeBusy` gives. */
export function freeBusyComponent(header: FreeBusyHeader, periods: readonly BusyPeriod[]): Component {
  const { range, stamp, uid } = header;
  const properties: Property[] = [];
  if (uid !== undefined) properties.push(property("UID", uid));
  properties.push(property("DTSTAMP", formatUtc(stamp)));
  properties.push(property("DTSTART", formatUtc(range.start)), property("DTEND", formatUtc(range.end)));
  properties.push(...header.properties);
  for (const busy of [...order].reverse()) {
    const own = periods.filter((period) => period.busy === busy);
    if (own.length === 0) continue;
    const value = own.map(({ start, end }) => `${formatUtc(start)}/${formatUtc(end)}`).join(",");
    properties.push(property("FREEBUSY", value, busy));
  }
  return { name: "VFREEBUSY", properties, components: [], line: 0 };
}
