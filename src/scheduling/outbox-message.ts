import type { ObjectKind } from "../ical/calendar-object.ts";
import { type Component, type Property, propertiesOf, propertyOf } from "../ical/component.ts";
import { dateTimeOf, toUtc } from "../ical/time.ts";
import { validateForStorage } from "../ical/validate.ts";
import { utcZone, zonesOf } from "../ical/zones.ts";
import type { TimeRange, Utc } from "../model/ids.ts";
import { normaliseAddress } from "../model/principal.ts";
import { Refusal } from "../model/refusal.ts";

const organizerMethods = ["PUBLISH", "REQUEST", "ADD", "CANCEL", "DECLINECOUNTER"] as const;
const attendeeMethods = ["REPLY", "REFRESH", "COUNTER"] as const;

/** RFC 5546 §1.4. */
export type Method = (typeof organizerMethods)[number] | (typeof attendeeMethods)[number];

/** Who may send a method: the organizer, or one attendee. */
export const isOrganizerMethod = (method: Method): boolean => (organizerMethods as readonly string[]).includes(method);

/** An iTIP message that a client sends (RFC 5546 §3). */
export interface Message {
  /** The VCALENDAR. */
  readonly root: Component;
  readonly method: Method;
  readonly kind: ObjectKind;
  readonly uid: string;
  readonly organizer: Property;
  /** Each address once, as it is written first. At least one. */
  readonly attendees: readonly Property[];
  /** What is asked for when the message is a REQUEST of one VFREEBUSY. */
  readonly busyTime: BusyTimeRequest | undefined;
}

/** RFC 5546 §3.3.2. */
export interface BusyTimeRequest {
  /** Both ends finite. */
  readonly range: TimeRange;
  /** X-CALENDARSERVER-MASK-UID: the event that is to be moved. */
  readonly maskUid: string | undefined;
}

const methods: ReadonlyMap<string, Method> = new Map(
  [...organizerMethods, ...attendeeMethods].map((method) => [method, method]),
);

/** Reads what a client posts to its outbox. Throws Refusal: valid-calendar-data for what is no calendar object,
 *  max-attendees-per-instance, no-access-restrictions, valid-organizer when there is no ORGANIZER, and valid-scheduling-message for what
 *  RFC 5546 §3 does not allow. */
export function readMessage(text: string): Message {
  const { root, kind, uid, master, overrides } = readObject(text);
  const name = propertyOf(root, "METHOD")?.value.trim().toUpperCase();
  const method = methods.get(name ?? "");
  if (method === undefined)
    throw invalid(`METHOD must be one of ${[...methods.keys()].join(", ")}, found ${name ?? "none"}`);
  const isBusyTime = method === "REQUEST" && kind === "VFREEBUSY";
  if (isBusyTime && (master === undefined || overrides.length > 0))
    throw invalid("a request for busy time has one VFREEBUSY");
  const components = master === undefined ? overrides : [master, ...overrides];
  if ([root, ...components].some((component) => propertyOf(component, "X-CALENDARSERVER-ACCESS") !== undefined))
    throw new Refusal({
      code: "no-access-restrictions",
      problem: "a scheduling message has no X-CALENDARSERVER-ACCESS",
    });
  const [organizer] = components.flatMap((component) => propertiesOf(component, "ORGANIZER"));
  if (organizer === undefined) throw new Refusal({ code: "valid-organizer", problem: "the message has no ORGANIZER" });
  const attendees = distinct(components.flatMap((component) => propertiesOf(component, "ATTENDEE")));
  if (attendees.length === 0) throw invalid("the message has no ATTENDEE");
  const busyTime = isBusyTime && master !== undefined ? busyTimeRequest(master, root) : undefined;
  return { root, method, kind, uid, organizer, attendees, busyTime };
}

const invalid = (problem: string): Refusal => new Refusal({ code: "valid-scheduling-message", problem });

/** Attendees of a message. Whom nobody can be asked for in one request any more. */
const maxAttendees = 1_000;

function readObject(text: string): ReturnType<typeof validateForStorage> {
  try {
    return validateForStorage(text, { allowMethod: true, maxInstances: 1, maxAttendees });
  } catch (error) {
    // RFC 6638 §5.2 has the one precondition for both.
    if (error instanceof Refusal && error.reason.code === "valid-calendar-object-resource")
      throw new Refusal({ code: "valid-calendar-data", problem: error.reason.problem }, { cause: error });
    throw error;
  }
}

function distinct(attendees: readonly Property[]): readonly Property[] {
  const byAddress = new Map<string, Property>();
  for (const attendee of attendees) {
    const address = normaliseAddress(attendee.value);
    if (!byAddress.has(address)) byAddress.set(address, attendee);
  }
  return [...byAddress.values()];
}

function busyTimeRequest(component: Component, root: Component): BusyTimeRequest {
  const start = instantOf("DTSTART", component, root);
  const end = instantOf("DTEND", component, root);
  if (end <= start)
    throw new Refusal({ code: "valid-calendar-data", problem: "DTEND of the VFREEBUSY is not after its DTSTART" });
  const maskUid = propertyOf(component, "X-CALENDARSERVER-MASK-UID")?.value.trim() || undefined;
  return { range: { start, end }, maskUid };
}

/** RFC 5545 §3.6.4 wants UTC; a time with a zone says the same. */
function instantOf(name: string, component: Component, root: Component): Utc {
  const property = propertyOf(component, name);
  if (property === undefined) throw invalid(`the VFREEBUSY has no ${name}`);
  const time = dateTimeOf(property, zonesOf(root));
  if (time.zone === undefined)
    throw new Refusal({
      code: "valid-calendar-data",
      problem: `line ${property.line}: ${name} of a VFREEBUSY is a time in UTC, found ${property.value.slice(0, 40)}`,
    });
  return toUtc(time, utcZone);
}
