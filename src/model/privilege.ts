/** Privileges of RFC 3744 §3, RFC 4791 §6.1 and RFC 6638 §6, by their local names. */
export type Privilege =
  | "all"
  | "read"
  | "read-free-busy"
  | "write"
  | "write-properties"
  | "write-content"
  | "bind"
  | "unbind"
  | "unlock"
  | "read-acl"
  | "write-acl"
  | "read-current-user-privilege-set"
  | "schedule-deliver"
  | "schedule-deliver-invite"
  | "schedule-deliver-reply"
  | "schedule-query-freebusy"
  | "schedule-send"
  | "schedule-send-invite"
  | "schedule-send-reply"
  | "schedule-send-freebusy"
  | "schedule";

/** What is known of a privilege. */
export interface PrivilegeFacts {
  readonly namespace: "DAV:" | "urn:ietf:params:xml:ns:caldav";
  /** For people, in English (RFC 3744 §5.3). */
  readonly description: string;
  /** What it contains. */
  readonly parts: readonly Privilege[];
  /** It is no more than its parts: whoever holds those holds it, and nobody holds it without them. */
  readonly aggregate: boolean;
}

const CALDAV = "urn:ietf:params:xml:ns:caldav";
const webdav = (description: string, ...parts: readonly Privilege[]): PrivilegeFacts => ({
  namespace: "DAV:",
  description,
  parts,
  aggregate: false,
});
const calendar = (description: string, ...parts: readonly Privilege[]): PrivilegeFacts => ({
  ...webdav(description, ...parts),
  namespace: CALDAV,
});
const aggregate = (facts: PrivilegeFacts): PrivilegeFacts => ({ ...facts, aggregate: true });

/** Every privilege there is: the one place that says which contains which (darwin: write-acl and scheduling are no part of
 *  DAV:write). DAV:read contains CALDAV:read-free-busy (RFC 4791 §6.1.1) and can be held without it. */
export const privilegeTable: Readonly<Record<Privilege, PrivilegeFacts>> = {
  all: aggregate(
    webdav(
      "any operation",
      "read",
      "write",
      "unlock",
      "read-acl",
      "write-acl",
      "read-current-user-privilege-set",
      "schedule-deliver",
      "schedule-send",
      "schedule",
    ),
  ),
  read: webdav("read any object", "read-free-busy"),
  "read-free-busy": calendar("read busy time"),
  write: aggregate(webdav("write any object", "write-properties", "write-content", "bind", "unbind")),
  "write-properties": webdav("write properties"),
  "write-content": webdav("write resource content"),
  bind: webdav("add members to the collection"),
  unbind: webdav("remove members from the collection"),
  unlock: webdav("unlock the resource without owning the lock"),
  "read-acl": webdav("read the access control list"),
  "write-acl": webdav("write the access control list"),
  "read-current-user-privilege-set": webdav("read the privileges of the current user"),
  "schedule-deliver": aggregate(
    calendar(
      "deliver scheduling messages to the calendar user",
      "schedule-deliver-invite",
      "schedule-deliver-reply",
      "schedule-query-freebusy",
    ),
  ),
  "schedule-deliver-invite": calendar("deliver messages of an organizer"),
  "schedule-deliver-reply": calendar("deliver replies of an attendee"),
  "schedule-query-freebusy": calendar("ask for the calendar user's busy time"),
  "schedule-send": aggregate(
    calendar(
      "send scheduling messages for the calendar user",
      "schedule-send-invite",
      "schedule-send-reply",
      "schedule-send-freebusy",
    ),
  ),
  "schedule-send-invite": calendar("send messages as organizer"),
  "schedule-send-reply": calendar("send replies as attendee"),
  "schedule-send-freebusy": calendar("ask for busy time"),
  // Of the drafts of RFC 6638; iCal 3 looks for it.
  schedule: calendar("schedule with the calendar user"),
};

export const privileges = Object.keys(privilegeTable) as readonly Privilege[];

/** Clark name of the privilege element. */
export const privilegeName = (privilege: Privilege): `{${string}}${string}` =>
  `{${privilegeTable[privilege].namespace}}${privilege}`;
