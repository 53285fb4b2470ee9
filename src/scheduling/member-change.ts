import type { CalendarObject } from "../ical/calendar-object.ts";
import type { Principal } from "../model/principal.ts";
import type { Collection, ObjectEntry } from "../store/contract.ts";
import type { MayDeliver } from "./services.ts";

/** What a client does to a member of a calendar. */
export interface MemberChange<T> {
  readonly owner: Principal;
  readonly collection: Collection;
  readonly name: string;
  /** What it sends; undefined: it removes the member. */
  readonly sent: CalendarObject | undefined;
  /** If-Schedule-Tag-Match was there, so what attendees answered meanwhile is merged in. RFC 6638 §3.2.10.1 */
  readonly merge: boolean;
  /** Schedule-Reply: F */
  readonly silent: boolean;
  readonly may: MayDeliver;
  /** The conditions of the request, asked before anything is sent. Throws. */
  check(existing: ObjectEntry | undefined): void | Promise<void>;
  /** Throws unless who asks may send in the owner's name. RFC 6638 §6.2 */
  maySend(privilege: "schedule-send-invite" | "schedule-send-reply"): Promise<void>;
  /** Stores (or, undefined, removes) under the collection's lock, with a schedule tag for a scheduling object. */
  commit(object: CalendarObject | undefined, tag: string | undefined): Promise<T>;
}

export interface Changed<T> {
  readonly value: T | undefined;
  /** "gone": what was sent means nothing any more, and neither does what was stored: there is no member now. */
  readonly result: "stored" | "removed" | "gone";
  readonly messages: number;
}
