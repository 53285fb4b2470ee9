import type { Component, Property } from "../ical/component.ts";
import { parameterOf, propertyOf } from "../ical/component.ts";
import { made, mapProperties, withComponents, withoutParameters, withParameter, withProperties } from "../ical/edit.ts";
import { formatUtc } from "../ical/time.ts";
import type { Utc } from "../model/ids.ts";
import { attendeeIn, type Identify, partstatOf } from "./people.ts";
import { type Key, type Series, withException } from "./series.ts";
import { sharedExtensions } from "./snapshot.ts";

/** RFC 5546 §1.4. */
export const methods = [
  "PUBLISH",
  "REQUEST",
  "REPLY",
  "ADD",
  "CANCEL",
  "REFRESH",
  "COUNTER",
  "DECLINECOUNTER",
] as const;
export type Method = (typeof methods)[number];

/** One message for one or several recipients that get the same. */
export interface ItipMessage {
  readonly method: Method;
  /** The address of who sends, as the object has it. */
  readonly originator: string;
  /** The addresses of the recipients, as the object has them. */
  readonly recipients: readonly string[];
  /** The VCALENDAR, METHOD included. */
  readonly root: Component;
  /** What it says, for CS:schedule-changes; undefined: all is new. */
  readonly says: MessageSummary | undefined;
  /** Its author wants it sent, whatever it says (SCHEDULE-FORCE-SEND). */
  readonly isForced?: boolean | undefined;
}

/** Which components a message is about and which of their properties changed. */
export interface MessageSummary {
  /** Only repeats the answers of others: nothing to be shown to the recipient. */
  readonly isRefresh?: boolean;
  /** The recipient asked for it (REFRESH). */
  readonly isAsked?: boolean;
  readonly instances: readonly {
    readonly key: Key;
    /** As RECURRENCE-ID, in UTC. Undefined for the master. */
    readonly id: string | undefined;
    /** Names, each with the parameters that changed: "DTSTART;TZID". */
    readonly properties: readonly string[];
    /** Whether ATTENDEEs changed, and whether only their PARTSTAT did. */
    readonly attendees: "none" | "partstat" | "list";
    /** Times, place and title as they were, when one of them changed; undefined too for what was not there. */
    readonly was?: readonly Property[] | undefined;
    /** Persons that came or left. */
    readonly people?: readonly string[] | undefined;
  }[];
}

export const product = "-//caldavd//NONSGML caldavd//EN";

/** Parameters that stay with who stored them. RFC 6638 §7 */
const privateParameters = new Set(["SCHEDULE-AGENT", "SCHEDULE-STATUS", "SCHEDULE-FORCE-SEND"]);
const sharedParameters = new Set(["X-NUM-GUESTS"]);
const isPrivateParameter = (name: string): boolean =>
  privateParameters.has(name) || (name.startsWith("X-CALENDARSERVER-") && !sharedParameters.has(name));

/** A component as others see it: without alarms, what a client keeps for itself (X-…), and delivery notes. */
export function shared(component: Component, stamp: Property): Component {
  let hasStamp = false;
  const edited = mapProperties(component, (property) => {
    const { name } = property;
    if (name === "DTSTAMP") {
      hasStamp = true;
      return stamp;
    }
    if (name.startsWith("X-") && !sharedExtensions.has(name)) return undefined;
    if (name === "REQUEST-STATUS") return undefined;
    if (name !== "ATTENDEE" && name !== "ORGANIZER") return property;
    return withoutParameters(property, isPrivateParameter);
  });
  const inner = edited.components.filter(({ name }) => name !== "VALARM");
  const stamped = hasStamp ? edited : withProperties(edited, "DTSTAMP", [stamp]);
  return withComponents(stamped, inner);
}

export const stampAt = (now: Utc): Property => made("DTSTAMP", formatUtc(now));

/** The VCALENDAR of a message: the definitions of the zones its components use, and these. */
export function messageRoot(method: Method, source: Component, components: readonly Component[]): Component {
  const zones = new Set<string>();
  for (const component of components)
    for (const property of component.properties) {
      if (property.parameters.length === 0) continue;
      const tzid = parameterOf(property, "TZID");
      if (tzid !== undefined) zones.add(tzid.trim());
    }
  const definitions = source.components.filter(
    (component) => component.name === "VTIMEZONE" && zones.has(propertyOf(component, "TZID")?.value.trim() ?? ""),
  );
  return {
    name: "VCALENDAR",
    properties: [
      made("VERSION", "2.0"),
      made("PRODID", product),
      ...source.properties.filter(({ name }) => name === "CALSCALE"),
      made("METHOD", method),
    ],
    components: [...definitions, ...components],
    line: 0,
  };
}

/** What one attendee is to know of a series (RFC 6638 §3.2.6): the components that name him; instances that leave him out are
 *  taken out of the master. Empty when he is on none. `keys`: only these, and no exceptions then. */
export function viewFor(
  series: Series,
  person: string,
  identify: Identify,
  keys: ReadonlySet<Key> | "all",
): readonly Component[] {
  const view: Component[] = [];
  let { master } = series;
  const isOnMaster = master !== undefined && attendeeIn(master, person, identify) !== undefined;
  const others: Component[] = [];
  for (const [key, override] of series.overrides) {
    if (keys !== "all" && !keys.has(key)) continue;
    if (attendeeIn(override, person, identify) !== undefined) others.push(override);
    else if (isOnMaster && keys === "all" && master !== undefined) {
      // `withException` looks at the exceptions that were there; keys of overrides are distinct.
      master = withException(master, series, key);
    }
  }
  if (isOnMaster && master !== undefined && (keys === "all" || keys.has("master"))) view.push(master);
  view.push(...others);
  return view;
}

/** A REQUEST with these components. */
export const requestRoot = (series: Series, components: readonly Component[], now: Utc): Component => {
  const stamp = stampAt(now);
  return messageRoot(
    "REQUEST",
    series.root,
    components.map((component) => shared(component, stamp)),
  );
};

const inCancel = new Set(["UID", "ORGANIZER", "SUMMARY", "DTSTART", "DTEND", "DURATION", "DUE", "RECURRENCE-ID"]);
const ofSeries = new Set(["RRULE", "RDATE", "EXDATE"]);

/** A component of a CANCEL for one attendee. RFC 5546 §3.2.5 */
export function cancelled(
  component: Component,
  person: string,
  identify: Identify,
  sequence: number,
  now: Utc,
): Component {
  const isInstance = propertyOf(component, "RECURRENCE-ID") !== undefined;
  const properties: Property[] = [stampAt(now)];
  for (const property of component.properties) {
    if (inCancel.has(property.name) || (!isInstance && ofSeries.has(property.name)))
      properties.push(property.name === "ORGANIZER" ? withoutParameters(property, isPrivateParameter) : property);
    else if (property.name === "ATTENDEE" && identify(property.value) === person)
      properties.push(withoutParameters(property, isPrivateParameter));
  }
  properties.push(made("SEQUENCE", String(sequence)), made("STATUS", "CANCELLED"));
  return { name: component.name, properties, components: [], line: 0 };
}

const inReply = new Set([
  "UID",
  "RECURRENCE-ID",
  "SEQUENCE",
  "STATUS",
  "DTSTART",
  "DTEND",
  "DUE",
  "DURATION",
  "RRULE",
  "RDATE",
  "EXDATE",
  "SUMMARY",
  "COMMENT",
  "PERCENT-COMPLETE",
  "COMPLETED",
  "X-CALENDARSERVER-PRIVATE-COMMENT",
]);

/** A component of a REPLY: what it answers, the answer, and nothing of others. RFC 5546 §3.2.3, §3.4.3 */
export function replied(
  component: Component,
  person: string,
  identify: Identify,
  now: Utc,
  options: { readonly partstat?: string; readonly status?: string } = {},
): Component {
  const properties: Property[] = [stampAt(now)];
  for (const property of component.properties) {
    if (inReply.has(property.name)) {
      // What the organizer says of a task's or event's state is not the attendee's to repeat; of his own work it is.
      if (property.name === "STATUS" && component.name !== "VTODO") continue;
      properties.push(property);
    } else if (property.name === "ORGANIZER") properties.push(withoutParameters(property, isPrivateParameter));
    else if (property.name === "ATTENDEE" && identify(property.value) === person) {
      const own = withoutParameters(property, (name) => isPrivateParameter(name) || name === "RSVP");
      properties.push(options.partstat === undefined ? own : withParameter(own, "PARTSTAT", options.partstat));
    }
  }
  properties.push(made("REQUEST-STATUS", options.status ?? "2.0;Success"));
  return { name: component.name, properties, components: [], line: 0 };
}

/** A REFRESH: an attendee asks for the latest state. RFC 5546 §3.2.6 */
export const refreshRoot = (series: Series, person: string, identify: Identify, now: Utc): Component => {
  const wanted = new Set(["UID", "ORGANIZER", "RECURRENCE-ID"]);
  const [first] = series.master === undefined ? series.overrides.values() : [series.master];
  const properties = (first?.properties ?? []).filter(
    ({ name, value }) => wanted.has(name) || (name === "ATTENDEE" && identify(value) === person),
  );
  const component = { name: series.kind, properties: [stampAt(now), ...properties], components: [], line: 0 };
  return messageRoot("REFRESH", series.root, [component]);
};

/** Attendees that have not answered are asked to (RFC 6638 §3.2.8). */
export const askedToReply = (attendee: Property): Property =>
  partstatOf(attendee) === "NEEDS-ACTION" ? withParameter(attendee, "RSVP", "TRUE") : attendee;
