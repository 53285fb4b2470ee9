import type { TimeRange, Utc } from "../model/ids.ts";
import type { Busy, Instance } from "./calendar-object.ts";
import type { Component, Property } from "./component.ts";
import type { Zone } from "./zone-transitions.ts";
export interface BusyPeriod { readonly start: Utc; readonly end: Utc; readonly busy: Busy }
export function busyOf(_component: Component): Busy { throw new Error("unfinished"); }
export function mergeBusy(_periods: readonly Instance[], _range: TimeRange, _floatingZone?: Zone): readonly BusyPeriod[] { throw new Error("unfinished"); }
export interface FreeBusyHeader { readonly range: TimeRange; readonly stamp: Utc; readonly uid: string | undefined; readonly properties: readonly Property[] }
export function freeBusyComponent(_header: FreeBusyHeader, _periods: readonly BusyPeriod[]): Component { throw new Error("unfinished"); }
