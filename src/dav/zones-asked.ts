import type { HttpRequest } from "../http/message.ts";
import type { ZonesAsked } from "../ical/zones-by-reference.ts";
import type { Context } from "./registry.ts";

/** Which time zone definitions the client wants in calendar data (RFC 7809 §7.1). Definitions are left out only where the time
 *  zone service can be asked for them instead; without the header data comes as it is stored. */
export function zonesAsked({ headers }: HttpRequest, { services: { settings } }: Context): ZonesAsked {
  const asked = headers["caldav-timezones"]?.trim().toUpperCase();
  if (asked === "T") return "all";
  return asked === "F" && settings.timeZoneService ? "foreign" : "stored";
}
