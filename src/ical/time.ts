import type { Utc } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import type { Property } from "./component.ts";
import { parameterOf } from "./component.ts";
import type { Zone } from "./zone-transitions.ts";
import { utcZone } from "./zone-transitions.ts";

export const daySeconds = 86_400;

/** A DATE or DATE-TIME (RFC 5545 §3.3.4, §3.3.5). */
export interface DateTime {
  /** Seconds of the wall clock, as if UTC. */
  readonly local: number;
  readonly form: "date" | "floating" | "utc" | "zoned";
  /** Of the forms "utc" and "zoned". A zoned value of unknown zone has none and is read as floating. */
  readonly zone: Zone | undefined;
}

/** Finds a zone by TZID. */
export type ZoneLookup = (tzid: string) => Zone | undefined;

/** A DURATION (RFC 5545 §3.3.6): nominal days (weeks are seven), whose length in seconds depends on the calendar, then exact
 *  seconds. Both have the same sign. */
export interface Duration {
  readonly days: number;
  readonly seconds: number;
}

// ---------------------------------------------------------------------------------------------------------- the calendar

/** Days since 1970-01-01 of a proleptic Gregorian date. The month may be any integer: 13 is January of the next year. */
export function dayNumber(year: number, month: number, day: number): number {
  const months = year * 12 + month - 3; // years counted from March, so that the leap day is last
  const y = Math.floor(months / 12);
  const m = months - y * 12;
  const leaps = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return y * 365 + leaps + Math.floor((153 * m + 2) / 5) + day - 719_469;
}

/** The date of a day number, packed as year * 10000 + month * 100 + day: no allocation in the recurrence engine's loops. */
export function packedDate(day: number): number {
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const m = Math.floor((5 * ofYear + 2) / 153);
  const month = m < 10 ? m + 3 : m - 9;
  const year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
  return year * 10_000 + month * 100 + ofYear - Math.floor((153 * m + 2) / 5) + 1;
}

export const isLeapYear = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

const lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Month from 1 to 12. */
export const monthLength = (year: number, month: number): number =>
  month === 2 && isLeapYear(year) ? 29 : lengths[month - 1]!;

/** 0 is Monday. */
export const weekdayOf = (day: number): number => (((day + 3) % 7) + 7) % 7;

// ------------------------------------------------------------------------------------------------------------------ text

/** The number in `text[from, to)`, or -1 when a character is no digit. */
function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Reads `YYYYMMDD`, `YYYYMMDDTHHMMSS` or `YYYYMMDDTHHMMSSZ`; anything else, and days that no calendar has, is undefined.
 *  Second 60 becomes 59 (RFC 5545 §3.3.5). */
export function parseDateTimeText(text: string): { local: number; date: boolean; utc: boolean } | undefined {
  const { length } = text;
  if (length !== 8 && length !== 15 && length !== 16) return undefined;
  const year = digits(text, 0, 4);
  const month = digits(text, 4, 6);
  const day = digits(text, 6, 8);
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > monthLength(year, month)) return undefined;
  const midnight = dayNumber(year, month, day) * daySeconds;
  if (length === 8) return { local: midnight, date: true, utc: false };
  if (text.charCodeAt(8) !== 0x54 || (length === 16 && text.charCodeAt(15) !== 0x5a)) return undefined;
  const hour = digits(text, 9, 11);
  const minute = digits(text, 11, 13);
  const second = digits(text, 13, 15);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return undefined;
  return { local: midnight + hour * 3600 + minute * 60 + Math.min(second, 59), date: false, utc: length === 16 };
}

const durationGrammar =
  /^([+-])?P(?!T?$)(?:([0-9]{1,7})W)?(?:([0-9]{1,7})D)?(?:T(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,10})S)?)?$/;

/** Reads a DURATION; undefined if it is none. Beyond the RFC's grammar, weeks together with days and `PT1H30S` are taken, as
 *  ISO 8601 allows them and clients write them; and `P1DT`, which old versions of iCal wrote. */
export function parseDuration(text: string): Duration | undefined {
  const found = durationGrammar.exec(text);
  if (found === null) return undefined;
  const sign = found[1] === "-" ? -1 : 1;
  const part = (index: number) => Number(found[index] ?? 0);
  const days = part(2) * 7 + part(3);
  const seconds = part(4) * 3600 + part(5) * 60 + part(6);
  return { days: days === 0 ? 0 : sign * days, seconds: seconds === 0 ? 0 : sign * seconds };
}

const two = (value: number): string => (value < 10 ? `0${value}` : `${value}`);

const earliest = dayNumber(1, 1, 1) * daySeconds;
const latest = dayNumber(10_000, 1, 1) * daySeconds - 1;

/** Local seconds as `YYYYMMDD`. What lies outside the years 1 to 9999, infinities too, is written as the nearest inside. */
export function formatDate(local: number): string {
  const packed = packedDate(Math.floor(Math.min(Math.max(local, earliest), latest) / daySeconds));
  return `${packed}`.padStart(8, "0");
}

/** Local seconds as `YYYYMMDDTHHMMSS`, bounded as `formatDate`. */
export function formatLocal(local: number): string {
  const bounded = Math.min(Math.max(local, earliest), latest);
  const second = bounded - Math.floor(bounded / daySeconds) * daySeconds;
  const time = `${two(Math.floor(second / 3600))}${two(Math.floor(second / 60) % 60)}${two(Math.floor(second % 60))}`;
  return `${formatDate(bounded)}T${time}`;
}

/** As `YYYYMMDDTHHMMSSZ`, bounded as `formatDate`. */
export const formatUtc = (at: Utc): string => `${formatLocal(at)}Z`;

/** A value in its own form: `20260105`, `20260105T090000` or with `Z`. Says nothing of its zone. */
export const formatDateTime = ({ form, local }: DateTime): string =>
  form === "date" ? formatDate(local) : form === "utc" ? formatUtc(utc(local)) : formatLocal(local);

// ------------------------------------------------------------------------------------------------------------ properties

/** Refuses a property's value: "line 12: DTSTART: …". */
export function refuseProperty(property: Property, problem: string): never {
  const text = `${property.name}: ${problem}`;
  throw new Refusal({
    code: "valid-calendar-data",
    problem: property.line > 0 ? `line ${property.line}: ${text}` : text,
  });
}

const shown = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);

/** Reads one value of a property with these parameters. A date without VALUE=DATE is taken for what it is (old clients write
 *  so), and a TZID on a date or on a UTC time says nothing. */
export function readDateTime(property: Property, text: string, zones: ZoneLookup): DateTime {
  // Google writes RDATE:20131210Z beside a DTSTART that is a date.
  const read = parseDateTimeText(text.length === 9 && text.endsWith("Z") ? text.slice(0, 8) : text);
  if (read === undefined) refuseProperty(property, `${shown(text)} is not a date or time`);
  if (read.date) return { local: read.local, form: "date", zone: undefined };
  if (property.parameters.length > 0 && parameterOf(property, "VALUE")?.toUpperCase() === "DATE")
    refuseProperty(property, `VALUE=DATE, but ${shown(text)} is a date with a time`);
  if (read.utc) return { local: read.local, form: "utc", zone: utcZone };
  const tzid = property.parameters.length > 0 ? parameterOf(property, "TZID") : undefined;
  if (tzid === undefined) return { local: read.local, form: "floating", zone: undefined };
  return { local: read.local, form: "zoned", zone: zones(tzid) };
}

/** The property's single DATE or DATE-TIME. Throws Refusal(valid-calendar-data) with the line. */
export const dateTimeOf = (property: Property, zones: ZoneLookup): DateTime =>
  readDateTime(property, property.value, zones);

/** The values of a list (EXDATE, RDATE); of a PERIOD its start. Throws Refusal(valid-calendar-data) with the line. */
export function dateTimesOf(property: Property, zones: ZoneLookup): readonly DateTime[] {
  // What some editors leave of EXDATE when its last entry goes.
  if (property.value === "") return [];
  if (property.value.length <= 16) return [readDateTime(property, property.value, zones)];
  return property.value.split(",").map((text) => {
    const slash = text.indexOf("/");
    return readDateTime(property, slash < 0 ? text : text.slice(0, slash), zones);
  });
}

/** The property's DURATION. Throws Refusal(valid-calendar-data) with the line. */
export function durationOf(property: Property): Duration {
  return parseDuration(property.value) ?? refuseProperty(property, `${shown(property.value)} is not a duration`);
}

// ------------------------------------------------------------------------------------------------------------ arithmetic

/** Whether a value names no instant by itself: dates, floating times, and times of an unknown zone. */
export const isFloating = (value: DateTime): boolean => value.zone === undefined;

/** The instant, floating values read in `floatingZone`. */
export const toUtc = (value: DateTime, floatingZone: Zone): Utc =>
  value.form === "utc" ? utc(value.local) : (value.zone ?? floatingZone).toUtc(value.local);

/** Adds a duration as RFC 5545 §3.3.6 wants it: days on the calendar first, then exact seconds. The result has the form and
 *  zone of `value`; a date given seconds becomes a floating time unless they are whole days. */
export function addDuration(value: DateTime, duration: Duration): DateTime {
  const moved = value.local + duration.days * daySeconds;
  if (duration.seconds === 0) return { ...value, local: moved };
  if (value.form === "date")
    return duration.seconds % daySeconds === 0
      ? { ...value, local: moved + duration.seconds }
      : { local: moved + duration.seconds, form: "floating", zone: undefined };
  if (value.zone === undefined || value.zone.fixed) return { ...value, local: moved + duration.seconds };
  return atInstant(utc(value.zone.toUtc(moved) + duration.seconds), value.zone);
}

/** An instant on the clock of a zone. */
export const atInstant = (at: Utc, zone: Zone): DateTime =>
  zone === utcZone ? { local: at, form: "utc", zone } : { local: at + zone.offsetAt(at), form: "zoned", zone };
