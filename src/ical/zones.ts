import type { Component } from "./component.ts";
import type { ZoneLookup } from "./time.ts";
import type { Zone } from "./zone-transitions.ts";

export type { Zone } from "./zone-transitions.ts";
export { utcZone } from "./zone-transitions.ts";

export function ianaZone(_tzid: string): Zone | undefined { throw new Error("unfinished"); }
export function zoneOfComponent(_vtimezone: Component): Zone { throw new Error("unfinished"); }
export function zonesOf(_root: Component): ZoneLookup { throw new Error("unfinished"); }
