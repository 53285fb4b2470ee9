import { type TimeRange, utc } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import { type CalendarObject, type ObjectKind, objectKinds } from "./calendar-object.ts";
import { checkValues } from "./check-values.ts";
import { type Component, parameterOf, propertyOf } from "./component.ts";
import { instancesIn } from "./instances.ts";
import { isObjectKind, uidOf } from "./parse.ts";
import { invalidData, readCalendar, readCalendarInTurns } from "./read.ts";
import { type DateTime, dateTimeOf, durationOf, toUtc, type ZoneLookup } from "./time.ts";
import { utcZone, zonesOf } from "./zones.ts";

/** What a collection takes. Undefined: no bound. */
export interface ObjectLimits {
  /** Octets of UTF-8. */
  readonly maxBytes?: number;
  /** ATTENDEE properties of one component. */
  readonly maxAttendees?: number;
  /** Instances the index keeps of one object. A rule with more is not refused: the index holds a window of it. */
  readonly maxInstances: number;
  /** Component kinds the collection takes (CALDAV:supported-calendar-component-set). */
  readonly kinds?: readonly string[];
  /** Inbox items are iTIP messages: METHOD may stand, DTSTART may lack, an override may be of any instance. */
  readonly allowMethod?: boolean;
}

/** Checks what a client wants to store, in the order of the original server: size, text, values, VERSION, the rules of
 *  RFC 4791 §4.1, what the collection takes. The text is read once. Throws a Refusal whose problem names the line.
 *
 *  Taken although RFC 5545 says otherwise, because clients send it: DTEND before DTSTART, a date beside a date-time, TZID on
 *  a UTC value, several RRULEs, no DTSTAMP or PRODID, overrides without their master or of a master that does not recur,
 *  a rule without instances. A TZID without VTIMEZONE is taken when the zone is known (RFC 7809). */
export function validateForStorage(text: string, limits: ObjectLimits): CalendarObject {
  refuseSize(text, limits);
  return validateRead(text, readCalendar(text), limits);
}

/** As `validateForStorage`; a long text is read in turns, since another request may not wait for all of it. */
export async function validateInTurns(text: string, limits: ObjectLimits): Promise<CalendarObject> {
  if (text.length < longText) return validateForStorage(text, limits);
  refuseSize(text, limits);
  return validateRead(text, await readCalendarInTurns(text), limits);
}

const longText = 100_000;

function refuseSize(text: string, { maxBytes }: ObjectLimits): void {
  if (text === "") throw invalidData(1, "the body is empty");
  if (maxBytes !== undefined && isLarger(text, maxBytes))
    throw new Refusal({ code: "max-resource-size", limit: maxBytes });
}

function validateRead(text: string, root: Component, limits: ObjectLimits): CalendarObject {
  refuseMasses(root);
  const method = methodOf(root);
  for (const component of root.components) {
    if (component.name === "VTIMEZONE") continue;
    checkValues(component);
    requireStart(component, limits.allowMethod === true && method !== undefined);
  }
  if (root.components.length === 0) throw invalidData(root.line, "the VCALENDAR holds no component");
  requireVersion2(root);

  if (method !== undefined && limits.allowMethod !== true)
    throw invalidObject(method.line, "METHOD is for messages, a stored object has none");
  const object = onlyObject(text, root);
  const zones = zonesOf(root);
  for (const component of root.components) if (component.name !== "VTIMEZONE") requireZones(component, zones);
  refuseSecondOverrides(object, zones);

  const { kinds, maxAttendees } = limits;
  if (kinds !== undefined && !kinds.includes(object.kind))
    throw new Refusal({ code: "supported-calendar-component", component: object.kind });
  if (maxAttendees !== undefined) refuseManyAttendees(object, maxAttendees);
  if (limits.allowMethod !== true) refuseStrayOverrides(object, zones);
  return object;
}

/** Beyond these no calendar of a person goes, and reading them would keep others waiting. 20,000 dates are 54 years of days. */
const maxZones = 200;
const maxDates = 20_000;

function refuseMasses(root: Component): void {
  let zones = 0;
  let dates = 0;
  for (const component of root.components) {
    if (component.name === "VTIMEZONE" && ++zones > maxZones)
      throw invalidData(component.line, `more than ${maxZones} VTIMEZONEs in one object`);
    for (const { name, value, line } of component.properties) {
      if (name !== "RDATE" && name !== "EXDATE") continue;
      dates += value.length < 18 ? 1 : countOf(value, ",") + 1;
      if (dates > maxDates) throw invalidData(line, `more than ${maxDates} RDATE and EXDATE values in one object`);
    }
  }
}

function countOf(text: string, character: string): number {
  let count = 0;
  for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) count++;
  return count;
}

const invalidObject = (line: number, problem: string): Refusal =>
  new Refusal({ code: "valid-calendar-object-resource", problem: `line ${line}: ${problem}` });

/** Counts octets only where the number of UTF-16 units leaves a doubt. */
const isLarger = (text: string, octets: number): boolean =>
  text.length > octets || (text.length * 3 > octets && Buffer.byteLength(text) > octets);

/** "No METHOD anywhere": some clients left it in the component. */
const methodOf = (root: Component) =>
  propertyOf(root, "METHOD") ??
  root.components.map((component) => propertyOf(component, "METHOD")).find((method) => method !== undefined);

/** VERSION 2.0 is asked of every stream. Throws Refusal(valid-calendar-data). RFC 5545 §3.7.4 */
export function requireVersion2(root: Component): void {
  const version = propertyOf(root, "VERSION");
  if (version === undefined) throw invalidData(root.line, "the VCALENDAR has no VERSION");
  if (version.value.trim() !== "2.0")
    throw invalidData(version.line, `VERSION must be 2.0, found ${JSON.stringify(version.value)}`);
}

function requireStart(component: Component, isMessage: boolean): void {
  if (component.name !== "VEVENT") return;
  if (!isMessage && propertyOf(component, "DTSTART") === undefined)
    throw invalidData(component.line, "the VEVENT has no DTSTART");
  const duration = propertyOf(component, "DURATION");
  if (duration === undefined || propertyOf(component, "DTEND") === undefined) return;
  // Thunderbird leaves a DURATION:PT0S beside the DTEND of an instance it moved.
  const { days, seconds } = durationOf(duration);
  if (days !== 0 || seconds !== 0) throw invalidData(duration.line, "the VEVENT has both DTEND and DURATION");
}

/** RFC 4791 §4.1: one kind beside VTIMEZONE, one UID, one component without RECURRENCE-ID. */
function onlyObject(text: string, root: Component): CalendarObject {
  let kind: ObjectKind | undefined;
  let uid: string | undefined;
  let master: Component | undefined;
  const overrides: Component[] = [];
  for (const component of root.components) {
    const { name, line } = component;
    if (name === "VTIMEZONE" || name.startsWith("X-")) continue;
    if (!isObjectKind(name)) throw invalidObject(line, `${name} is none of ${objectKinds.join(", ")}`);
    if (kind !== undefined && kind !== name) throw invalidObject(line, `${name} beside ${kind} in one object`);
    const own = uidOf(component);
    if (own === undefined) throw invalidObject(line, `the ${name} has no UID`);
    if (uid !== undefined && own !== uid)
      throw invalidObject(line, `the UID ${JSON.stringify(own)} beside ${JSON.stringify(uid)} in one object`);
    kind = name;
    uid = own;
    if (propertyOf(component, "RECURRENCE-ID") !== undefined) overrides.push(component);
    else if (master === undefined) master = component;
    else throw invalidObject(line, `a second ${name} without RECURRENCE-ID; the first is in line ${master.line}`);
  }
  if (kind === undefined || uid === undefined) throw invalidObject(root.line, "there is nothing but VTIMEZONE");
  return { text, root, uid, kind, master, overrides };
}

/** Every TZID used must have its VTIMEZONE in the object, or be the name of a known zone. */
function requireZones(component: Component, zones: ZoneLookup): void {
  for (const property of component.properties) {
    if (property.parameters.length === 0 || property.name.startsWith("X-")) continue;
    const tzid = parameterOf(property, "TZID");
    // Exchange puts a TZID on UTC values and on dates as well, where it means nothing.
    if (tzid === undefined || !isLocal(property.value)) continue;
    if (zones(tzid) === undefined)
      throw invalidObject(
        property.line,
        `TZID=${tzid} of ${property.name} is neither defined by a VTIMEZONE of the object nor a known time zone`,
      );
  }
  for (const child of component.components) requireZones(child, zones);
}

const isLocal = (value: string): boolean => value.includes("T") && !value.trimEnd().endsWith("Z");

const overriddenTime = (override: Component, zones: ZoneLookup): DateTime | undefined => {
  const property = propertyOf(override, "RECURRENCE-ID");
  return property === undefined ? undefined : dateTimeOf(property, zones);
};

function refuseSecondOverrides({ overrides }: CalendarObject, zones: ZoneLookup): void {
  if (overrides.length < 2) return;
  const seen = new Set<number>();
  for (const override of overrides) {
    const time = overriddenTime(override, zones);
    if (time === undefined) continue;
    const at = toUtc(time, utcZone);
    if (seen.has(at)) throw invalidObject(override.line, "a second component with the same RECURRENCE-ID");
    seen.add(at);
  }
}

function refuseManyAttendees({ master, overrides }: CalendarObject, limit: number): void {
  for (const component of master === undefined ? overrides : [master, ...overrides]) {
    let attendees = 0;
    for (const property of component.properties) if (property.name === "ATTENDEE") attendees += 1;
    if (attendees > limit) throw new Refusal({ code: "max-attendees-per-instance", limit });
  }
}

/** Instances looked at to tell whether an override's instance exists. Beyond it, the override is believed. */
const strayBudget = 5000;

/** An override of an instance that its recurring master does not have makes clients disagree about what is shown. Instances
 *  taken out by EXDATE count as there (Exchange sends both), and so does everything when RECURRENCE-ID and DTSTART differ in
 *  form. */
function refuseStrayOverrides(object: CalendarObject, zones: ZoneLookup): void {
  const { master, overrides } = object;
  if (master === undefined || overrides.length === 0) return;
  if (!master.properties.some(({ name }) => name === "RRULE" || name === "RDATE")) return;
  const start = propertyOf(master, "DTSTART");
  if (start === undefined) return;
  const { form } = dateTimeOf(start, zones);
  const asked: { readonly override: Component; readonly at: number }[] = [];
  for (const override of overrides) {
    const time = overriddenTime(override, zones);
    if (time !== undefined && isDate(time.form) === isDate(form)) asked.push({ override, at: toUtc(time, utcZone) });
  }
  if (asked.length === 0) return;
  const times = asked.map(({ at }) => at);
  const range: TimeRange = { start: utc(Math.min(...times)), end: utc(Math.max(...times) + 1) };
  const bare: Component = { ...master, properties: master.properties.filter(({ name }) => !irrelevant.has(name)) };
  const { instances, complete } = instancesIn({ ...object, master: bare, overrides: [] }, range, utcZone, strayBudget);
  if (!complete) return;
  const starts = new Set<number>(instances.map((instance) => instance.start));
  for (const { override, at } of asked)
    if (!starts.has(at))
      throw invalidData(
        propertyOf(override, "RECURRENCE-ID")?.line ?? override.line,
        "the RECURRENCE-ID is no instance of the recurring component",
      );
}

const isDate = (form: DateTime["form"]): boolean => form === "date";

/** Without length and exceptions, instances are points that start where the rule says. */
const irrelevant = new Set(["EXDATE", "EXRULE", "DTEND", "DURATION", "DUE"]);
