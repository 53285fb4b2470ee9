import { HttpError } from "../../http/message.ts";
import { objectKinds, usualKinds } from "../../ical/calendar-object.ts";
import { type Component, componentsNamed, propertyOf } from "../../ical/component.ts";
import { fromJCal, jcalType, toJCal } from "../../ical/jcal.ts";
import { readCalendar } from "../../ical/read.ts";
import { scaleNames } from "../../ical/scales.ts";
import { writeComponent } from "../../ical/write.ts";
import { definitionFor } from "../../ical/zone-writer.ts";
import { ianaZone, type Zone, zoneOfComponent } from "../../ical/zones.ts";
import { Refusal } from "../../model/refusal.ts";
import {
  caldav,
  childrenNamed,
  cs,
  type Element,
  el,
  elements,
  elWith,
  href,
  type QName,
  textOf,
} from "../../xml/element.ts";
import { product } from "../product.ts";
import { property } from "../registry.ts";

const component = (name: string): Element => elWith(caldav("comp"), { name });

const componentSet: QName = caldav("supported-calendar-component-set");

/** The component kinds that a calendar with these stored properties takes. */
export function supportedKinds(stored: ReadonlyMap<QName, Element>): readonly string[] {
  const set = stored.get(componentSet);
  if (set === undefined) return usualKinds;
  return childrenNamed(set, caldav("comp")).map((comp) => (comp.attributes["name"] ?? "").toUpperCase());
}

const anySet = usualKinds.map(component);

/** RFC 4791 §5.2.3. Given when a calendar is made, protected afterwards. */
export const supportedComponentSet = property({
  name: componentSet,
  on: ["calendar"],
  allprop: false,
  readsStored: true,
  get: (_calendar, _context, _requested, stored) => stored?.children ?? anySet,
  atCreation: (value) => {
    const kinds = childrenNamed(value, caldav("comp")).map((comp) => (comp.attributes["name"] ?? "").toUpperCase());
    if (kinds.length === 0) throw new HttpError(400, "supported-calendar-component-set holds no comp element");
    const unknown = kinds.find((kind) => kind !== "VTIMEZONE" && !(objectKinds as readonly string[]).includes(kind));
    if (unknown !== undefined) throw new Refusal({ code: "supported-calendar-component", component: unknown });
    return el(componentSet, ...[...new Set(kinds)].map(component));
  },
});

/** Of inbox and outbox, where anything may pass through. */
export const schedulingComponentSet = property({
  name: componentSet,
  on: ["inbox", "outbox"],
  allprop: false,
  get: () => anySet,
});

const anySets = el(componentSet, ...anySet);
/** Which sets a new calendar may be made with: here any. Apple's clients look at the home for it. */
export const supportedComponentSets = property({
  name: caldav("supported-calendar-component-sets"),
  on: ["home"],
  allprop: false,
  get: () => anySets,
});

const formats = ["text/calendar", jcalType].map((type) =>
  elWith(caldav("calendar-data"), { "content-type": type, version: "2.0" }),
);
/** RFC 4791 §5.2.4 */
export const supportedCalendarData = property({
  name: caldav("supported-calendar-data"),
  on: ["calendar", "inbox", "outbox"],
  allprop: false,
  get: () => formats,
});

const collations = ["i;ascii-casemap", "i;octet", "i;unicode-casemap"].map((name) =>
  el(caldav("supported-collation"), name),
);
/** RFC 4791 §7.5.1 */
export const supportedCollationSet = property({
  name: caldav("supported-collation-set"),
  on: ["home", "calendar", "inbox", "outbox"],
  allprop: false,
  get: () => collations,
});

const scales = scaleNames.map((name) => el(caldav("supported-rscale"), name));
/** RFC 7529 §10.1: the calendars that a rule may count in. */
export const supportedRscaleSet = property({
  name: caldav("supported-rscale-set"),
  on: ["home", "calendar", "inbox", "outbox"],
  allprop: false,
  get: () => scales,
});

const limited = ["home", "calendar", "inbox", "outbox"] as const;
const number = (limit: number | undefined): string | undefined => (limit === undefined ? undefined : `${limit}`);

/** RFC 4791 §5.2.5, in bytes */
export const maxResourceSize = property({
  name: caldav("max-resource-size"),
  on: limited,
  allprop: false,
  get: (_resource, { services: { settings } }) => number(settings.maxResourceSize),
});
/** RFC 4791 §5.2.6, §5.2.7: the years that iCalendar can write. The year 0 is refused. */
export const minDateTime = property({
  name: caldav("min-date-time"),
  on: limited,
  allprop: false,
  get: () => "00010101T000000Z",
});
export const maxDateTime = property({
  name: caldav("max-date-time"),
  on: limited,
  allprop: false,
  get: () => "99991231T235959Z",
});
/** RFC 4791 §5.2.8 */
export const maxInstances = property({
  name: caldav("max-instances"),
  on: limited,
  allprop: false,
  get: (_resource, { services: { settings } }) => number(settings.maxInstances),
});
/** RFC 4791 §5.2.9 */
export const maxAttendees = property({
  name: caldav("max-attendees-per-instance"),
  on: limited,
  allprop: false,
  get: (_resource, { services: { settings } }) => number(settings.maxAttendeesPerInstance),
});

/** RFC 8607 §6.1: the server that has the attachments; empty, since it is the one that has the calendars. */
export const attachmentsServer = property({
  name: caldav("managed-attachments-server-URL"),
  on: ["home"],
  allprop: false,
  get: (_home, { services: { settings } }) => (settings.attachments.managed ? [] : undefined),
});
/** RFC 8607 §6.2, in bytes */
export const maxAttachmentSize = property({
  name: caldav("max-attachment-size"),
  on: ["calendar"],
  allprop: false,
  get: (_calendar, { services: { settings } }) =>
    settings.attachments.managed ? number(settings.attachments.maxSize) : undefined,
});
/** RFC 8607 §6.3 */
export const maxAttachments = property({
  name: caldav("max-attachments-per-resource"),
  on: ["calendar"],
  allprop: false,
  get: (_calendar, { services: { settings } }) =>
    settings.attachments.managed ? number(settings.attachments.maxCount) : undefined,
});

/** RFC 4791 §5.2.1: free text that a client sets, on calendars and on what Apple's clients show like one. */
export const calendarDescription = property({
  name: caldav("calendar-description"),
  on: ["home", "calendar", "inbox", "outbox"],
  allprop: false,
  get: (_resource, _context, _requested, stored) => stored,
  accept: (value) => value,
});

const zoneName: QName = caldav("calendar-timezone");
const zoneIdName: QName = caldav("calendar-timezone-id");

/** The one VTIMEZONE of a calendar-timezone value. Throws Refusal(valid-calendar-data) when it is not just that. */
export function timeZoneIn(text: string): Component {
  const root = readCalendar(text);
  const [zone, ...others] = root.components;
  if (zone?.name !== "VTIMEZONE" || others.length > 0)
    throw new Refusal({
      code: "valid-calendar-data",
      problem: "a time zone is one VTIMEZONE in a VCALENDAR, nothing else",
    });
  // Reading it whole finds offsets and rules that make no zone.
  zoneOfComponent(zone);
  return zone;
}

/** The zone that floating times of a calendar with these stored properties are in (RFC 4791 §5.2.2, RFC 7809 §5.2).
 *  undefined when none was set. */
export function zoneOf(stored: ReadonlyMap<QName, Element>): Zone | undefined {
  const id = stored.get(zoneIdName);
  if (id !== undefined) return ianaZone(textOf(id).trim());
  const definition = stored.get(zoneName);
  return definition === undefined ? undefined : zoneOfComponent(timeZoneIn(textOf(definition)));
}

const jcalTyped = (element: Element): boolean =>
  element.attributes["content-type"]?.toLowerCase().startsWith(jcalType) === true;

/** RFC 4791 §5.2.2; taken and given as jCal too, when `content-type` says so. Where only the id was set, the definition is that
 *  of the IANA data (RFC 7809 §3.1.5). */
export const calendarTimeZone = property({
  name: zoneName,
  on: ["home", "calendar", "inbox"],
  allprop: false,
  replaces: [zoneIdName],
  get: async ({ collection }, _context, requested, stored) => {
    const definition = stored ?? definitionById((await collection.properties()).get(zoneIdName));
    if (definition === undefined || !jcalTyped(requested)) return definition;
    return elWith(zoneName, { "content-type": jcalType, version: "2.0" }, toJCal(textOf(definition).trim()));
  },
  accept: (value) => {
    if (value === null) return value;
    const given = jcalTyped(value) ? el(zoneName, fromJCal(textOf(value))) : value;
    timeZoneIn(textOf(given).trim());
    return given;
  },
});

function definitionById(id: Element | undefined): Element | undefined {
  const zone = id === undefined ? undefined : definitionFor(textOf(id).trim());
  if (zone === undefined) return undefined;
  const line = (name: string, value: string) => ({ name, parameters: [], value, line: 0 });
  const properties = [line("VERSION", "2.0"), line("PRODID", product)];
  return el(zoneName, writeComponent({ name: "VCALENDAR", properties, components: [zone], line: 0 }));
}

/** RFC 7809 §5.1: where the definitions of zones can be had. */
export const timeZoneServices = property({
  name: caldav("timezone-service-set"),
  on: ["home"],
  allprop: false,
  get: (_home, { services: { settings } }) => (settings.timeZoneService ? href("/timezones") : undefined),
});

/** RFC 7809 §5.2. Of the two forms of a calendar's zone the one set last is kept; the id is read from the other. */
export const calendarTimeZoneId = property({
  name: zoneIdName,
  on: ["home", "calendar", "inbox"],
  allprop: false,
  replaces: [zoneName],
  get: async ({ collection }, _context, _requested, stored) => {
    if (stored !== undefined) return stored;
    const definition = (await collection.properties()).get(zoneName);
    if (definition === undefined) return undefined;
    return propertyOf(timeZoneIn(textOf(definition)), "TZID")?.value;
  },
  accept: (value) => {
    const id = value === null ? undefined : textOf(value).trim();
    if (id !== undefined && ianaZone(id) === undefined)
      throw new Refusal({ code: "valid-timezone", problem: `the time zone "${id.slice(0, 100)}" is not known` });
    return value;
  },
});

const opaque = el(caldav("opaque"));
/** RFC 6638 §9.1: whether the calendar counts for free-busy; opaque when nothing was said. */
export const scheduleTransparency = property({
  name: caldav("schedule-calendar-transp"),
  on: ["calendar"],
  allprop: false,
  get: (_calendar, _context, _requested, stored) => stored ?? opaque,
  accept: (value) => {
    if (value === null) return null;
    const [choice, ...others] = elements(value);
    if (others.length > 0 || (choice?.name !== caldav("opaque") && choice?.name !== caldav("transparent")))
      throw new HttpError(400, "schedule-calendar-transp holds either opaque or transparent");
    return value;
  },
});

/** RFC 6638 §3.2.10 */
export const scheduleTag = property({
  name: caldav("schedule-tag"),
  on: ["object"],
  allprop: false,
  get: ({ entry }) => entry.scheduleTag,
});

/** Throws Refusal(valid-calendar-data) unless the text is one VAVAILABILITY, with the VTIMEZONEs it uses (RFC 7953 §7.2.4). */
function checkAvailability(text: string): void {
  const root = readCalendar(text);
  const zones = componentsNamed(root, "VTIMEZONE").length;
  if (componentsNamed(root, "VAVAILABILITY").length !== 1 || root.components.length !== zones + 1)
    throw new Refusal({
      code: "valid-calendar-data",
      problem: "an availability is one VAVAILABILITY in a VCALENDAR, with its VTIMEZONEs",
    });
}

const availability = (name: QName, other: QName) =>
  property({
    name,
    on: ["inbox"],
    allprop: false,
    replaces: [other],
    get: async ({ collection }, _context, _requested, stored) => {
      if (stored !== undefined) return stored;
      return (await collection.properties()).get(other)?.children;
    },
    accept: (value) => {
      if (value !== null) checkAvailability(textOf(value));
      return value;
    },
  });
/** RFC 7953 §7.2.4, and the name it had at calendarserver.org: one value under two names. */
export const calendarAvailability = availability(caldav("calendar-availability"), cs("calendar-availability"));
export const oldCalendarAvailability = availability(cs("calendar-availability"), caldav("calendar-availability"));

const alarm = (local: string) =>
  property({
    name: caldav(local),
    on: ["home", "calendar"],
    allprop: false,
    get: (_resource, _context, _requested, stored) => stored,
    accept: (value) => {
      // Empty text means: no alarm by default.
      if (value !== null && textOf(value).trim() !== "") checkAlarm(textOf(value));
      return value;
    },
  });

/** A default alarm is the text of a VALARM without anything around it (draft-daboo-valarm-extensions). */
function checkAlarm(text: string): void {
  const root = readCalendar(`BEGIN:VCALENDAR\r\n${text.trim()}\r\nEND:VCALENDAR\r\n`);
  if (root.components.length !== 1 || root.components[0]?.name !== "VALARM" || root.properties.length > 0)
    throw new Refusal({ code: "valid-calendar-data", problem: "a default alarm is one VALARM" });
}

export const defaultEventAlarm = alarm("default-alarm-vevent-datetime");
export const defaultDayAlarm = alarm("default-alarm-vevent-date");
export const defaultTaskAlarm = alarm("default-alarm-vtodo-datetime");
export const defaultTaskDayAlarm = alarm("default-alarm-vtodo-date");
