import type { Component, Property } from "../ical/component.ts";
import { parameterOf } from "../ical/component.ts";
import { mapProperties, withComponents, withParameter } from "../ical/edit.ts";
import { isForced } from "./force-send.ts";
import type { OrganizerChange } from "./organizer.ts";
import { agentOf, attendeeIn, partstatOf } from "./people.ts";
import { deriveInstance, hasInstance, mapMembers, type Series, seriesOf } from "./series.ts";
import { differenceOf, movesTime, snapshotOf } from "./snapshot.ts";

/** The organizer's new state with what the server knows better about the attendees: their answers, and delivery notes.
 *
 *  A client that named the schedule tag gets all of it (RFC 6638 §3.2.10.1), and the instances that attendees' answers made.
 *  Any other client is believed, since it may mean to set an answer (by telephone), with one exception: an answer that an
 *  attendee gave is not overwritten by another answer, only by asking again (NEEDS-ACTION). */
export function mergedByOrganizer(was: Series, now: Series, change: OrganizerChange): Component {
  const merged = mapMembers(now, (component, key) => {
    const old =
      key === "master" ? was.master : (was.overrides.get(key) ?? (change.merge ? deriveInstance(was, key) : undefined));
    if (old === undefined) return component;
    const moved = isMoved(was, old, now, component, change);
    return mapProperties(component, (property) => {
      if (property.name !== "ATTENDEE" || agentOf(property) !== "SERVER") return property;
      const person = change.identify(property.value);
      const stored = person === change.owner ? undefined : attendeeIn(old, person, change.identify);
      if (stored === undefined || moved) return property;
      if (isForced(property, "REQUEST")) return property;
      return change.merge ? withStored(property, stored) : withAnswer(property, stored);
    });
  });
  return change.merge ? withAnsweredInstances(was, seriesOf(merged)) : merged;
}

function isMoved(
  was: Series,
  old: Component,
  now: Series,
  component: Component,
  { identify }: OrganizerChange,
): boolean {
  const difference = differenceOf(snapshotOf(old, was.zones, identify), snapshotOf(component, now.zones, identify));
  return (
    difference !== undefined && (movesTime(difference) || difference.properties.some((name) => ofSeries.has(name)))
  );
}

const ofSeries = new Set(["RRULE", "RDATE", "EXDATE"]);

function withStored(property: Property, stored: Property): Property {
  let edited = property;
  for (const name of ["PARTSTAT", "RSVP", "SCHEDULE-STATUS", "X-CALENDARSERVER-DTSTAMP"])
    edited = withParameter(edited, name, parameterOf(stored, name));
  return edited;
}

function withAnswer(property: Property, stored: Property): Property {
  const answer = partstatOf(stored);
  const claimed = partstatOf(property);
  if (answer === "NEEDS-ACTION" || claimed === "NEEDS-ACTION" || answer === claimed) return property;
  return withParameter(property, "PARTSTAT", answer);
}

/** Instances that exist because somebody answered differently for them: a client that had not heard of them leaves them out. */
function withAnsweredInstances(was: Series, now: Series): Component {
  const added: Component[] = [];
  for (const [key, override] of was.overrides) {
    if (now.overrides.has(key) || now.exceptions.has(key) || !hasInstance(now, key)) continue;
    const derived = deriveInstance(now, key);
    if (derived === undefined) continue;
    const answers = new Map(
      override.properties.filter(({ name }) => name === "ATTENDEE").map((one) => [one.value, one] as const),
    );
    added.push(
      mapProperties(derived, (property) => {
        const stored = property.name === "ATTENDEE" ? answers.get(property.value) : undefined;
        return stored === undefined ? property : withStored(property, stored);
      }),
    );
  }
  return added.length === 0 ? now.root : withComponents(now.root, [...now.root.components, ...added]);
}
