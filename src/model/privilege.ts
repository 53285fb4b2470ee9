/** Privileges of RFC 3744 §3, RFC 4791 §6.1 and RFC 6638 §6, by their local names. */
export const privileges = [
  "all",
  "read",
  "read-free-busy",
  "write",
  "write-properties",
  "write-content",
  "bind",
  "unbind",
  "unlock",
  "read-acl",
  "write-acl",
  "read-current-user-privilege-set",
  "schedule-deliver",
  "schedule-deliver-invite",
  "schedule-deliver-reply",
  "schedule-query-freebusy",
  "schedule-send",
  "schedule-send-invite",
  "schedule-send-reply",
  "schedule-send-freebusy",
  "schedule",
] as const;
export type Privilege = (typeof privileges)[number];

const caldav = new Set<Privilege>(privileges.filter((p) => p.startsWith("schedule") || p === "read-free-busy"));

/** Clark name of the privilege element. */
export const privilegeName = (privilege: Privilege): `{${string}}${string}` =>
  caldav.has(privilege) ? `{urn:ietf:params:xml:ns:caldav}${privilege}` : `{DAV:}${privilege}`;
