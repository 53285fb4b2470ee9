import type { Component, Property } from "../ical/component.ts";
import { parameterOf, propertyOf } from "../ical/component.ts";
import { mapProperties, withParameter } from "../ical/edit.ts";

/** Tells one calendar user from another: two addresses of one person (mailto:, urn:uuid:, a path) give one id. An address that
 *  nobody here has is its own id, normalised. */
export type Identify = (address: string) => string;

/** Who sends messages to a calendar user (RFC 6638 §7.1). Unknown words count as NONE. */
export type ScheduleAgent = "SERVER" | "CLIENT" | "NONE";

export function agentOf(property: Property): ScheduleAgent {
  const agent = parameterOf(property, "SCHEDULE-AGENT")?.toUpperCase() ?? "SERVER";
  return agent === "SERVER" || agent === "CLIENT" ? agent : "NONE";
}

/** In upper case; NEEDS-ACTION where it is not said (RFC 5545 §3.2.12). */
export const partstatOf = (attendee: Property): string =>
  parameterOf(attendee, "PARTSTAT")?.toUpperCase() ?? "NEEDS-ACTION";

/** The ATTENDEE that is this person. */
export const attendeeIn = (component: Component, id: string, identify: Identify): Property | undefined =>
  component.properties.find(({ name, value }) => name === "ATTENDEE" && identify(value) === id);

/** The component with the ATTENDEEs of this person edited (undefined: removed). */
export const editAttendee = (
  component: Component,
  id: string,
  identify: Identify,
  edit: (attendee: Property) => Property | undefined,
): Component =>
  mapProperties(component, (property) =>
    property.name === "ATTENDEE" && identify(property.value) === id ? edit(property) : property,
  );

/** The first ORGANIZER of the components. */
export function organizerOf(components: readonly Component[]): Property | undefined {
  for (const component of components) {
    const organizer = propertyOf(component, "ORGANIZER");
    if (organizer !== undefined) return organizer;
  }
  return undefined;
}

/** The component with SCHEDULE-STATUS on its ORGANIZER. RFC 6638 §7.3 */
export const withOrganizerStatus = (component: Component, code: string): Component =>
  mapProperties(component, (property) =>
    property.name === "ORGANIZER" ? withParameter(property, "SCHEDULE-STATUS", code) : property,
  );

/** The SEQUENCE; 0 where it is missing or no number. */
export function sequenceOf(component: Component): number {
  const value = Number(propertyOf(component, "SEQUENCE")?.value ?? 0);
  return Number.isInteger(value) && value > 0 ? value : 0;
}

export const isCancelled = (component: Component): boolean =>
  propertyOf(component, "STATUS")?.value.trim().toUpperCase() === "CANCELLED";
