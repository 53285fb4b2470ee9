import type { Utc } from "../model/ids.ts";
import type { Component } from "./component.ts";

/** The component kinds that make a calendar object resource. */
export const objectKinds = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY", "VPOLL"] as const;
/** What a calendar takes when nothing was said at its creation. VTIMEZONE is in no set: it is never an object of its own. */
export const usualKinds: readonly string[] = objectKinds.filter((kind) => kind !== "VPOLL");
export type ObjectKind = (typeof objectKinds)[number];

/** One calendar object resource (RFC 4791 §4.1): one UID, one kind, its overrides. Immutable. */
export interface CalendarObject {
  /** The bytes the client sent, decoded. */
  readonly text: string;
  /** The VCALENDAR. */
  readonly root: Component;
  readonly uid: string;
  readonly kind: ObjectKind;
  /** The component without RECURRENCE-ID. Undefined for an object of overrides only. */
  readonly master: Component | undefined;
  readonly overrides: readonly Component[];
}

/** Whether an instance makes its owner busy: TRANSP and STATUS, or FBTYPE (RFC 4791 §7.10). */
export type Busy = "FREE" | "BUSY" | "BUSY-TENTATIVE" | "BUSY-UNAVAILABLE";

/** One instance in time. Floating and all-day instances carry local seconds (as if local time were UTC) and `floating`. */
export interface Instance {
  readonly start: Utc;
  readonly end: Utc;
  readonly floating: boolean;
  readonly busy: Busy;
}

/** What the index stores of an object's times. */
export interface Occurrences {
  /** Ordered by start. At most the limit asked for. */
  readonly instances: readonly Instance[];
  /** `instances` holds every instance that starts in [from, until). -Infinity and Infinity when nothing lies outside. */
  readonly from: Utc;
  readonly until: Utc;
}
