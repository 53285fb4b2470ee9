import { type Availability, availabilitiesIn, unavailableIn } from "../ical/availability.ts";
import type { Instance } from "../ical/calendar-object.ts";
import type { Zone } from "../ical/zones.ts";
import type { TimeRange } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import type { Collection } from "../store/contract.ts";
import { caldav, cs, type Element, textOf } from "../xml/element.ts";

// A collection's stored properties are one object as long as none is changed.
const known = new WeakMap<Element, readonly Availability[]>();

/** The time in which a calendar user is not to be asked for: all time inside the VAVAILABILITY on the inbox that none of its AVAILABLE
 *  covers (RFC 7953 §4). Empty without one. Floating times are read in `floatingZone`.
 *  Throws Refusal(number-of-matches-within-limits) when the range holds more than `limit` instances of AVAILABLE. */
export async function unavailableTime(
  inbox: Collection,
  range: TimeRange,
  floatingZone: Zone,
  limit: number,
): Promise<readonly Instance[]> {
  const stored = await inbox.properties();
  const property = stored.get(caldav("calendar-availability")) ?? stored.get(cs("calendar-availability"));
  if (property === undefined) return [];
  try {
    let availabilities = known.get(property);
    if (availabilities === undefined) {
      availabilities = availabilitiesIn(textOf(property));
      known.set(property, availabilities);
    }
    return unavailableIn(availabilities, range, floatingZone, limit);
  } catch (error) {
    // Times and rules are not looked at when the property is set: what cannot be read says nothing.
    if (error instanceof Refusal && error.reason.code !== "number-of-matches-within-limits") return [];
    throw error;
  }
}
