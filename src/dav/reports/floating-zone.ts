import { ianaZone, utcZone, type Zone, zoneOfComponent } from "../../ical/zones.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Collection } from "../../store/contract.ts";
import { caldav, child, type Element, type QName, textOf } from "../../xml/element.ts";
import { timeZoneIn, zoneOf } from "../properties/calendar.ts";

// A collection's stored properties are one map as long as none is changed.
const known = new WeakMap<ReadonlyMap<QName, Element>, Zone>();

/** The zone in which a calendar's floating times and dates are read: its own (RFC 4791 §5.2.2), else UTC. A stored value that
 *  names no zone counts as none. */
export async function floatingZoneOf(collection: Collection): Promise<Zone> {
  const stored = await collection.properties();
  const before = known.get(stored);
  if (before !== undefined) return before;
  const zone = zoneOfStored(stored);
  known.set(stored, zone);
  return zone;
}

function zoneOfStored(stored: ReadonlyMap<QName, Element>): Zone {
  try {
    return zoneOf(stored) ?? utcZone;
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
      throw new Refusal({ code: "valid-timezone", problem: `the time zone "${name.slice(0, 100)}" is not known` });
    return zone;
  }
  const definition = child(root, caldav("timezone"));
  return definition === undefined ? undefined : zoneOfComponent(timeZoneIn(textOf(definition).trim()));
}
