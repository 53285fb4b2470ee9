import type { Component } from "../ical/component.ts";
import { instancesIn } from "../ical/instances.ts";
import { utcZone } from "../ical/zones.ts";
import type { TimeRange } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import type { Identify } from "./people.ts";
import { deriveInstance, isRecurring, objectOf, type Series } from "./series.ts";
import { asksDifferently, type Difference, differenceOf, movesTime, snapshotOf } from "./snapshot.ts";

/** What happened to one instance that has a component of its own before or after. */
export interface InstanceChange {
  /** "reverted": its override is gone and the master's rule has the instance again. "gone": neither has. */
  readonly kind: "changed" | "reverted" | "gone";
  /** Against the instance as the master would have it, where there was no override. */
  readonly difference: Difference | undefined;
}

/** What changed between two states of one series, instance by instance. RFC 6638 §3.2.1.2 */
export interface SeriesChange {
  /** Of the master's own; undefined when it means the same. A master that came or went is a change of all. */
  readonly master: Difference | undefined;
  readonly instances: ReadonlyMap<number, InstanceChange>;
  /** Times of the series were moved or its rule was changed, so instances cannot be matched by their old starts. */
  /** Instances in which nothing differs but who is asked to answer. */
  readonly asked: readonly number[];
  readonly isRescheduled: boolean;
}

const everything: Difference = {
  properties: ["DTSTART"],
  timeParameters: [],
  people: [],
  answers: [],
  roles: [],
  asks: false,
};

/** Undefined when both mean the same: no line's order, folding or spelling is a change. */
export function changeOf(before: Series, after: Series, identify: Identify): SeriesChange | undefined {
  if (before.root === after.root) return undefined;
  const master = masterDifference(before, after, identify);
  const isRescheduled =
    master?.properties.some((name) => name === "RRULE" || (name === "DTSTART" && isRecurring(before))) ?? false;
  const instances = new Map<number, InstanceChange>();
  const asked: number[] = [];
  for (const [key, override] of after.overrides) {
    const was = before.overrides.get(key) ?? (isRescheduled ? undefined : deriveInstance(before, key));
    const difference =
      was === undefined || (before.exceptions.has(key) && !before.overrides.has(key))
        ? everything
        : differenceOf(snapshotOf(was, before.zones, identify), snapshotOf(override, after.zones, identify));
    if (difference !== undefined) instances.set(key, { kind: "changed", difference });
    else if (
      was !== undefined &&
      asksDifferently(snapshotOf(was, before.zones, identify), snapshotOf(override, after.zones, identify))
    )
      asked.push(key);
  }
  for (const [key, override] of before.overrides) {
    if (after.overrides.has(key)) continue;
    const now = after.exceptions.has(key) ? undefined : deriveInstance(after, key);
    if (now === undefined) {
      instances.set(key, { kind: "gone", difference: undefined });
      continue;
    }
    const difference = differenceOf(
      snapshotOf(override, before.zones, identify),
      snapshotOf(now, after.zones, identify),
    );
    // An override that said nothing of its own may go.
    if (difference !== undefined) instances.set(key, { kind: "reverted", difference });
  }
  if (master === undefined && instances.size === 0) return undefined;
  return { master, instances, asked, isRescheduled };
}

function masterDifference(before: Series, after: Series, identify: Identify): Difference | undefined {
  if (before.master === undefined && after.master === undefined) return undefined;
  if (before.master === undefined || after.master === undefined) return everything;
  return differenceOf(
    snapshotOf(before.master, before.zones, identify),
    snapshotOf(after.master, after.zones, identify),
  );
}

/** Instances compared one by one to tell a shortened rule from one that adds instances. */
const compared = 500;
const everywhere: TimeRange = { start: utc(Number.NEGATIVE_INFINITY), end: utc(Number.POSITIVE_INFINITY) };
const fourYears = 4 * 366 * 86_400;

/** Whether a change of the master's times leads to instances that were not there: only then are attendees asked again
 *  (RFC 6638 §3.2.8). Rules without end are compared for four years from the earlier start. */
export function reschedulesMaster(before: Series, after: Series, difference: Difference): boolean {
  if (movesTime(difference)) return true;
  if (!difference.properties.some((name) => name === "RRULE" || name === "RDATE" || name === "EXDATE")) return false;
  const was = startsOf(before);
  return [...startsOf(after).starts].some((start) => start < was.until && !was.starts.has(start));
}

function startsOf({ root, master, start }: Series): { readonly starts: ReadonlySet<number>; readonly until: number } {
  if (master === undefined || start === undefined) return { starts: new Set(), until: Number.POSITIVE_INFINITY };
  const object = { ...objectOf(root), overrides: [] as readonly Component[] };
  let found = instancesIn(object, everywhere, utcZone, compared);
  let until = Number.POSITIVE_INFINITY;
  if (!found.complete) {
    const from = start.zone === undefined ? start.local : start.zone.toUtc(start.local);
    until = from + fourYears;
    found = instancesIn(object, { start: utc(from - 86_400), end: utc(until) }, utcZone, 4 * compared);
  }
  return { starts: new Set(found.instances.map((instance) => instance.start as number)), until };
}
