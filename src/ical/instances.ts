import type { TimeRange, Utc } from "../model/ids.ts";
import type { CalendarObject, Instance, Occurrences } from "./calendar-object.ts";
import type { Component } from "./component.ts";
import type { DateTime } from "./time.ts";
import type { Zone } from "./zone-transitions.ts";

export interface ObjectInstance extends Instance {
  readonly component: Component;
  readonly recurrenceId: DateTime | undefined;
  readonly startTime: DateTime;
}
export interface Expansion { readonly instances: readonly ObjectInstance[]; readonly complete: boolean }
export function instancesIn(_object: CalendarObject, _range: TimeRange, _floatingZone: Zone, _limit: number): Expansion { throw new Error("unfinished"); }
export function occurrences(_object: CalendarObject, _now: Utc, _limit: number): Occurrences { throw new Error("unfinished"); }
export function countInstances(_object: CalendarObject, _limit: number): number { throw new Error("unfinished"); }
