import type { CalendarAddress, PrincipalUid } from "./ids.ts";

/** The types of directory records, named as in URLs: `/principals/users/…`. */
export const recordTypes = ["users", "groups", "locations", "resources"] as const;
export type RecordType = (typeof recordTypes)[number];

/** How a room or resource answers invitations by itself (caldav auto-schedule-mode of the original server). */
export const autoScheduleModes = [
  "none",
  "accept-always",
  "decline-always",
  "accept-if-free",
  "decline-if-busy",
  "automatic",
] as const;
export type AutoSchedule = (typeof autoScheduleModes)[number];

/** A record of the directory, as the rest of the server sees it. Carries no password. */
export interface Principal {
  readonly uid: PrincipalUid;
  readonly type: RecordType;
  /** Login name; the first of the record's short names. */
  readonly shortName: string;
  readonly fullName: string;
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  /** Lower-cased, the primary one first. */
  readonly emailAddresses: readonly string[];
  /** All addresses that mean this principal: `mailto:` first (primary first), then the record's others, then `urn:uuid:<uid>`. */
  readonly addresses: readonly CalendarAddress[];
  /** "Enable Calendaring" of the record, and not on another server: the principal may have a calendar home here. */
  readonly calendaring: boolean;
  readonly autoSchedule: AutoSchedule;
  /** Where the principal's calendars are. Left out: here, in the one store. */
  readonly hosting?: Hosting;
}

/** An administrator of the sudoers file, who acts in others' names: a principal that is in no directory and has no calendars. */
export interface Sudoer extends Omit<Principal, "type" | "calendaring"> {
  readonly type: "sudoers";
  readonly calendaring: false;
}

/** Where calendars are that need not be on this server. */
export interface Hosting {
  /** False: the directory knows the principal, but another server has the calendars. */
  readonly local: boolean;
  /** "Enable Calendaring" of the record, whichever server has the calendars. */
  readonly enabled: boolean;
  /** The name of that server, where the record gives it. */
  readonly server?: string;
  /** What the local user attribute says: the name of the store (Calendar Server 7's davStore). */
  readonly store?: string;
}

const userTypes: Readonly<Record<RecordType, string>> = {
  users: "INDIVIDUAL",
  groups: "GROUP",
  locations: "ROOM",
  resources: "RESOURCE",
};

/** The CUTYPE parameter value (RFC 5545 §3.2.3) of a principal's type. A sudoer is no calendar user. */
export const calendarUserType = (type: RecordType | Sudoer["type"]): string =>
  type === "sudoers" ? "UNKNOWN" : userTypes[type];

/** Normalises a calendar user address so that two spellings of one address compare equal: `mailto:` and `urn:uuid:`
 *  schemes in lower case, mail addresses in lower case, paths and http URLs without a final "/". */
export function normaliseAddress(address: string): CalendarAddress {
  const text = address.trim();
  const scheme = text.slice(0, text.indexOf(":") + 1).toLowerCase();
  if (scheme === "mailto:") return text.toLowerCase() as CalendarAddress;
  if (scheme === "urn:") return (/^urn:uuid:/i.test(text) ? `urn:uuid:${text.slice(9)}` : text) as CalendarAddress;
  if (text.startsWith("/") || scheme === "http:" || scheme === "https:")
    return text.replace(/\/+$/, "") as CalendarAddress;
  return text as CalendarAddress;
}
