import type { Zone } from "../ical/zones.ts";
import type { Href, Utc } from "../model/ids.ts";
import type { Principal, RecordType } from "../model/principal.ts";
import type { CalendarStore, Collection, CollectionRef } from "../store/contract.ts";
import type { Channel } from "./channels.ts";
import type { CalendarAt } from "./free-busy-set.ts";
import type { GroupDirectory } from "./groups.ts";

/** What invitations are delivered with. */
export interface SchedulingServices {
  readonly store: CalendarStore;
  readonly now: () => Utc;
  readonly warn: (message: string, details?: Readonly<Record<string, unknown>>) => void;
  /** Whom a calendar user address means, in any of its forms; undefined: nobody here. */
  calendarUser(address: string): Promise<Principal | undefined>;
  userByUid(uid: string): Promise<Principal | undefined>;
  readonly calendarAt: CalendarAt;
  /** The component kinds a calendar takes. */
  kindsOf(collection: Collection): Promise<readonly string[]>;
  floatingZoneOf(collection: Collection): Promise<Zone>;
  memberHref(ref: CollectionRef, name: string): Href;
  /** The ways to people who are not of this server, in the order in which they are asked. */
  readonly channels: readonly Channel[];
  /** Who may be an organizer. */
  readonly organizers: readonly RecordType[];
  /** Undefined: a group is invited as itself only. */
  readonly groups: GroupDirectory | undefined;
  /** Clients that do not know private comments leave them as they are. */
  readonly privateComments: boolean;
}

/** A privilege that who sends needs on a recipient's inbox. RFC 6638 §6.1 */
export type DeliverPrivilege = "schedule-deliver-invite" | "schedule-deliver-reply";

/** Whether the sender has it. Undefined: the server itself sends, as for a room. */
export type MayDeliver = ((inbox: Collection, privilege: DeliverPrivilege) => Promise<boolean>) | undefined;
