import type { Component, Property } from "../ical/component.ts";
import { parameterOf, propertyOf } from "../ical/component.ts";
import { recurrenceSetOf } from "../ical/recurrence-set.ts";
import { readPeriod, shapeOf } from "../ical/recurrence-shape.ts";
import { formatDateTime, type ZoneLookup } from "../ical/time.ts";
import { agentOf, type Identify, partstatOf } from "./people.ts";

/** One component as scheduling compares it: what it says, whatever the order, folding or spelling of its lines. Values by the
 *  names of properties; ATTENDEEs by person. */
export interface Snapshot {
  readonly values: ReadonlyMap<string, string>;
  readonly attendees: ReadonlyMap<string, AttendeeSnapshot>;
  /** The property that gives its length. */
  readonly end: "DTEND" | "DUE" | "DURATION" | undefined;
}

export interface AttendeeSnapshot {
  readonly partstat: string;
  /** Whether he is asked to answer: no change by itself, but told with others. */
  readonly rsvp: boolean;
  /** All else that counts: role, type, name, delegation. */
  readonly rest: string;
}

/** What is a person's own or changes without meaning. SEQUENCE follows changes, it is none. */
const insignificant = new Set([
  "CREATED",
  "DTSTAMP",
  "LAST-MODIFIED",
  "SEQUENCE",
  "TRANSP",
  "UID",
  "RECURRENCE-ID",
  "REQUEST-STATUS",
]);

/** X- properties that belong to the event, not to one person's client: messages carry them. */
export const sharedExtensions: ReadonlySet<string> = new Set([
  "X-APPLE-DROPBOX",
  "X-APPLE-STRUCTURED-LOCATION",
  "X-ALT-DESC",
  "X-GOOGLE-CONFERENCE",
  "X-MICROSOFT-SKYPETEAMSMEETINGURL",
]);

const insignificantParameters = new Set(["RSVP", "SCHEDULE-STATUS", "SCHEDULE-FORCE-SEND", "SCHEDULE-AGENT", "EMAIL"]);

/** What a missing property means. */
const fallbacks: Readonly<Record<string, string>> = { CLASS: "PUBLIC", PRIORITY: "0" };

const ends = ["DTEND", "DUE", "DURATION"] as const;
const isTime = new Set(["DTSTART", "DTEND", "DUE", "DURATION"]);
const asSets = new Set(["EXDATE", "RDATE"]);

const snapshots = new WeakMap<Component, { readonly identify: Identify; readonly snapshot: Snapshot }>();

/** Throws Refusal(valid-calendar-data) for times that cannot be read. */
export function snapshotOf(component: Component, zones: ZoneLookup, identify: Identify): Snapshot {
  const known = snapshots.get(component);
  if (known?.identify === identify) return known.snapshot;
  const lists = new Map<string, string[]>();
  const attendees = new Map<string, AttendeeSnapshot>();
  const add = (name: string, text: string): void => {
    const list = lists.get(name);
    if (list === undefined) lists.set(name, [text]);
    else list.push(text);
  };
  for (const property of component.properties) {
    const { name, value } = property;
    if (insignificant.has(name) || isTime.has(name) || asSets.has(name)) continue;
    if (name.startsWith("X-") && !sharedExtensions.has(name)) continue;
    if (name === "ATTENDEE")
      attendees.set(identify(value), {
        partstat: partstatOf(property),
        rsvp: parameterOf(property, "RSVP")?.toUpperCase() === "TRUE",
        // Who sends to somebody is of interest to the others too: RFC 6638 §3.2.1.2 asks for a REQUEST.
        rest: agentOf(property) + parametersText(property, "PARTSTAT"),
      });
    else if (name === "ORGANIZER") add(name, identify(value) + parametersText(property));
    else if (value !== "" && value.trim() !== fallbacks[name])
      add(name, canonical(property) + parametersText(property));
  }
  const values = new Map<string, string>();
  for (const [name, list] of lists) values.set(name, list.length === 1 ? (list[0] as string) : list.sort().join("\n"));
  addTimes(component, zones, values);
  const end = ends.find((name) => propertyOf(component, name) !== undefined);
  const snapshot: Snapshot = { values, attendees, end };
  snapshots.set(component, { identify, snapshot });
  return snapshot;
}

function addTimes(component: Component, zones: ZoneLookup, values: Map<string, string>): void {
  const shape = shapeOf(component, zones);
  if (shape === undefined) {
    for (const name of isTime) {
      const property = propertyOf(component, name);
      if (property !== undefined) values.set(name, property.value + parametersText(property));
    }
    return;
  }
  const { start, length } = shape;
  values.set("DTSTART", `${formatDateTime(start)} ${start.form === "zoned" ? (start.zone?.id ?? "") : ""}`);
  const end = ends.find((name) => propertyOf(component, name) !== undefined);
  // DTEND and DURATION say the same: clients turn one into the other.
  const seconds = length.days * 86_400 + length.seconds;
  if (seconds !== 0 || end !== undefined) values.set("DTEND", String(seconds));
  if (shape.rules.length + shape.dates.length + shape.exceptionDates.length + shape.exceptionRules.length === 0) return;
  const set = recurrenceSetOf(shape, zones);
  const exceptions = [...set.exceptions.keys].sort((a, b) => a - b);
  if (exceptions.length > 0) values.set("EXDATE", exceptions.join(","));
  const dates: string[] = [];
  for (const property of shape.dates)
    for (const text of property.value.split(",").filter((one) => one.trim() !== "")) {
      const { start: at, length: lasts } = readPeriod(property, text, zones);
      const period = text.includes("/") ? `/${lasts.days * 86_400 + lasts.seconds}` : "";
      dates.push(`${at.zone === undefined ? at.local : at.zone.toUtc(at.local)}${period}`);
    }
  if (dates.length > 0) values.set("RDATE", dates.sort().join(","));
}

function canonical({ name, value }: Property): string {
  if (name === "RRULE" || name === "EXRULE") return value.toUpperCase().split(";").sort().join(";");
  return name === "STATUS" || name === "CLASS" ? value.trim().toUpperCase() : value;
}

function parametersText({ parameters }: Property, except?: string): string {
  if (parameters.length === 0) return "";
  const texts = parameters
    .filter(({ name }) => name !== except && !insignificantParameters.has(name) && !name.startsWith("X-"))
    .map(({ name, values }) => `;${name}=${values.join(",")}`);
  return texts.sort().join("");
}

/** What differs between two components: names of properties, with the names of changed ATTENDEE parameters. */
export interface Difference {
  readonly properties: readonly string[];
  /** Parameters of the start that differ: TZID, VALUE. */
  readonly timeParameters: readonly string[];
  /** Persons that are on one side only. */
  readonly people: readonly string[];
  /** Persons whose PARTSTAT differs. */
  readonly answers: readonly string[];
  /** Persons of whom something else differs. */
  readonly roles: readonly string[];
  /** RSVP of somebody differs. */
  readonly asks: boolean;
}

/** Undefined when the two mean the same. */
export function differenceOf(before: Snapshot, after: Snapshot): Difference | undefined {
  const properties: string[] = [];
  for (const [name, value] of after.values) if (before.values.get(name) !== value) properties.push(name);
  for (const name of before.values.keys()) if (!after.values.has(name)) properties.push(name);
  nameEnd(properties, before, after);
  const people: string[] = [];
  const answers: string[] = [];
  const roles: string[] = [];
  let asks = false;
  for (const [person, now] of after.attendees) {
    const was = before.attendees.get(person);
    if (was === undefined) people.push(person);
    else if (was.rsvp !== now.rsvp) asks = true;
    if (was === undefined) continue;
    if (was.partstat !== now.partstat) answers.push(person);
    else if (was.rest !== now.rest) roles.push(person);
  }
  for (const person of before.attendees.keys()) if (!after.attendees.has(person)) people.push(person);
  if (properties.length + people.length + answers.length + roles.length === 0) return undefined;
  return { properties, timeParameters: timeParameters(before, after), people, answers, roles, asks };
}

/** Whether somebody is asked to answer on one side only: no change by itself, but told with others. */
export function asksDifferently(before: Snapshot, after: Snapshot): boolean {
  for (const [person, { rsvp }] of after.attendees) {
    const was = before.attendees.get(person);
    if (was !== undefined && was.rsvp !== rsvp) return true;
  }
  return false;
}

function timeParameters(before: Snapshot, after: Snapshot): readonly string[] {
  const was = before.values.get("DTSTART") ?? "";
  const now = after.values.get("DTSTART") ?? "";
  const names: string[] = [];
  if (was.split(" ")[1] !== now.split(" ")[1]) names.push("TZID");
  // A date is written without a time.
  if (/^\d{8} /.test(was) !== /^\d{8} /.test(now)) names.push("VALUE");
  return names;
}

/** The end is told by the name of a time, however it is written; it moves with the start. */
function nameEnd(properties: string[], before: Snapshot, after: Snapshot): void {
  const at = properties.indexOf("DTEND");
  const name = (after.end ?? before.end) === "DUE" ? "DUE" : "DTEND";
  if (at !== -1) properties[at] = name;
  else if (properties.includes("DTSTART") && (after.end ?? before.end) !== undefined) properties.push(name);
}

/** Whether the time of a component itself changed (RFC 6638 §3.2.8, DTSTART to DUE). */
export const movesTime = ({ properties }: Difference): boolean => properties.some((name) => isTime.has(name));
