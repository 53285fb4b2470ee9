import { componentsNamed } from "../../ical/component.ts";
import { readCalendar } from "../../ical/read.ts";
import { ianaZone, utcZone, type Zone, zoneOfComponent } from "../../ical/zones.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Collection } from "../../store/contract.ts";
import { caldav, child, type Element, textOf } from "../../xml/element.ts";

const timezone = caldav("calendar-timezone");
const timezoneId = caldav("calendar-timezone-id");

// A stored property is the same element as long as it is not changed.
const known = new WeakMap<Element, Zone>();

/** The zone in which a calendar's floating times and dates are read: its calendar-timezone (RFC 4791 §5.2.2), else its
 *  calendar-timezone-id (RFC 7809 §5.2), else UTC. A stored value that names no zone counts as none. */
export async function floatingZoneOf(collection: Collection): Promise<Zone> {
  const properties = await collection.properties();
  const stored = properties.get(timezone) ?? properties.get(timezoneId);
  if (stored === undefined) return utcZone;
  const before = known.get(stored);
  if (before !== undefined) return before;
  const zone = zoneOfStored(stored);
  known.set(stored, zone);
  return zone;
}

function zoneOfStored(stored: Element): Zone {
  try {
    return stored.name === timezone ? zoneOfText(textOf(stored)) : (ianaZone(textOf(stored).trim()) ?? utcZone);
  } catch (error) {
    // Written by a server that checked less.
    if (error instanceof Refusal) return utcZone;
    throw error;
  }
}

/** The zone that a report itself names: CALDAV:timezone (RFC 4791 §9.8) or CALDAV:timezone-id (RFC 7809 §4.3); undefined when it
 *  names none. Throws Refusal(valid-calendar-data) or Refusal(valid-timezone). */
export function zoneOfQuery(root: Element): Zone | undefined {
  const id = child(root, caldav("timezone-id"));
  if (id !== undefined) {
    const name = textOf(id).trim();
    const zone = ianaZone(name);
    if (zone === undefined)
      throw new Refusal({ code: "valid-timezone", problem: `CALDAV:timezone-id "${name}" is not a known time zone` });
    return zone;
  }
  const text = child(root, caldav("timezone"));
  return text === undefined ? undefined : zoneOfText(textOf(text));
}

/** The zone of an iCalendar text with exactly one VTIMEZONE and nothing else. Throws Refusal(valid-calendar-data). */
export function zoneOfText(text: string): Zone {
  const root = readCalendar(text.trimStart());
  const [zone, ...more] = componentsNamed(root, "VTIMEZONE");
  if (zone === undefined || more.length > 0 || root.components.length > 1)
    throw new Refusal({
      code: "valid-calendar-data",
      problem: "a time zone is given as one VCALENDAR with exactly one VTIMEZONE",
    });
  return zoneOfComponent(zone);
}
