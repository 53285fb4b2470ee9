import { Refusal } from "../model/refusal.ts";
import { type Component, type Property, parameterOf } from "./component.ts";
import { invalidData } from "./read.ts";
import { parseRule } from "./recurrence.ts";
import { dateTimeOf, dateTimesOf, durationOf, parseDateTimeText, parseDuration, refuseProperty } from "./time.ts";

/** Throws Refusal(valid-calendar-data) when the value is none. */
type Check = (property: Property) => void;

const isDateTime = (text: string): boolean => parseDateTimeText(text) !== undefined;

// Only the form matters here; whether a TZID is known is asked in validate.ts.
const noZone = (): undefined => undefined;

/** The year 0 is the one thing that the form of a date allows and no calendar here reaches (RFC 4791 §5.2.6). */
function refuseYear0(property: Property): void {
  if (!/(?:^|[,/])0000\d{4}(?:T\d{6}Z?)?(?=$|[,/])/.test(property.value)) return;
  throw new Refusal({
    code: "min-date-time",
    problem: `line ${property.line}: ${property.name}: the earliest date is 00010101T000000Z, found ${shown(property.value)}`,
  });
}

const dateTime: Check = (property) => {
  refuseYear0(property);
  dateTimeOf(property, noZone);
};

const dateTimes: Check = (property) => {
  refuseYear0(property);
  dateTimesOf(property, noZone);
};

/** When the object was made, changed, done. Google writes CREATED:00001231T000000Z. */
const stamp: Check = (property) => {
  if (!/^0000[01]\d{3}T\d{6}Z$/.test(property.value)) dateTime(property);
};

function isPeriod(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash === -1 || !isDateTime(text.slice(0, slash))) return false;
  const end = text.slice(slash + 1);
  return isDateTime(end) || parseDuration(end) !== undefined;
}

const periods: Check = (property) => {
  if (property.value === "") return;
  refuseYear0(property);
  const bad = property.value.split(",").find((text) => !isPeriod(text));
  if (bad !== undefined) refuseProperty(property, `${shown(bad)} is not a period`);
};

const recurrenceDates: Check = (property) => (property.value.includes("/") ? periods(property) : dateTimes(property));

const duration: Check = (property) => {
  durationOf(property);
};

const trigger: Check = (property) => {
  if (parseDuration(property.value) === undefined && !isDateTime(property.value))
    refuseProperty(property, `${shown(property.value)} is neither a duration nor a date-time`);
};

const integer: Check = (property) => {
  if (!/^[+-]?\d{1,10}$/.test(property.value)) refuseProperty(property, `${shown(property.value)} is not an integer`);
};

const rule: Check = (property) => {
  if (property.value.trim() !== "") parseRule(property.value, property.line);
};

/** RFC 5545 §3.3.11 knows \\ \; \, \n and \N. Lightning and others escape ":" too, and
 *  Thunderbird quotes in a text that has an ALTREP; anything else lost its meaning. */
const text: Check = (property) => {
  const { value } = property;
  for (let at = value.indexOf("\\"); at !== -1; at = value.indexOf("\\", at + 2)) {
    const escaped = value[at + 1];
    if (escaped === undefined || legalAfterBackslash.has(escaped)) continue;
    if (escaped === '"' && parameterOf(property, "ALTREP") !== undefined) continue;
    if ((parameterOf(property, "VALUE") ?? "TEXT").toUpperCase() !== "TEXT") return;
    refuseProperty(property, `${shown(value.slice(at, at + 2))} is not an escape sequence`);
  }
};
const legalAfterBackslash = new Set(["\\", ";", ",", "n", "N", ":"]);

const checks = new Map<string, Check>([
  ["DTSTART", dateTime],
  ["DTEND", dateTime],
  ["DUE", dateTime],
  ["RECURRENCE-ID", dateTime],
  ["EXDATE", dateTimes],
  ["RDATE", recurrenceDates],
  ["FREEBUSY", periods],
  ["CREATED", stamp],
  ["DTSTAMP", stamp],
  ["LAST-MODIFIED", stamp],
  ["COMPLETED", stamp],
  ["DURATION", duration],
  ["TRIGGER", trigger],
  ["SEQUENCE", integer],
  ["REPEAT", integer],
  ["RRULE", rule],
  ["EXRULE", rule],
  ["SUMMARY", text],
  ["DESCRIPTION", text],
  ["LOCATION", text],
  ["COMMENT", text],
  ["CATEGORIES", text],
  ["CONTACT", text],
  ["RESOURCES", text],
]);

/** Properties whose second occurrence would make the object mean two things (RFC 5545 §3.6: MUST NOT occur more than once). */
const once = new Set(["UID", "DTSTART", "DTEND", "DUE", "DURATION", "RECURRENCE-ID", "SEQUENCE", "TRIGGER"]);

const shown = (value: string): string => JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);

/** Checks the values of a component and all inside it that decide when something happens, and the escapes of its texts.
 *  Throws Refusal(valid-calendar-data) or, from a rule, Refusal(supported-rscale), naming the line.
 *  VTIMEZONEs are checked by being read (zones.ts). */
export function checkValues(component: Component): void {
  let seen: string[] | undefined;
  for (const property of component.properties) {
    const { name } = property;
    checks.get(name)?.(property);
    if (once.has(name)) {
      if (seen === undefined) seen = [name];
      else if (seen.includes(name)) throw invalidData(property.line, `a second ${name} in one ${component.name}`);
      else seen.push(name);
    }
  }
  for (const child of component.components) checkValues(child);
}
