import type { Component, Property } from "../../ical/component.ts";
import { parameterOf, propertyOf } from "../../ical/component.ts";
import { instancesIn } from "../../ical/instances.ts";
import { parseRule } from "../../ical/recurrence.ts";
import { unescapeText } from "../../ical/text.ts";
import { addDuration, type DateTime, dateTimeOf, daySeconds, durationOf, type ZoneLookup } from "../../ical/time.ts";
import { utcZone } from "../../ical/zones.ts";
import type { ItipMessage, MessageSummary } from "../../itip/message.ts";
import { attendeeIn, type Identify, partstatOf } from "../../itip/people.ts";
import { componentAt, componentsOf, deriveInstance, objectOf, type Series, seriesOf } from "../../itip/series.ts";
import { type Utc, utc } from "../../model/ids.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Aspect, Tone } from "./languages.ts";

/** A time as people read it. */
export interface Span {
  readonly start: DateTime | undefined;
  /** Undefined: none, or the start again. Of days: the last one. */
  readonly end: DateTime | undefined;
  /** `end` is when it must be done. */
  readonly isDue: boolean;
}

export interface Repetition {
  readonly frequency: "DAILY" | "WEEKLY" | "MONTHLY" | "YEARLY" | undefined;
  readonly interval: number;
  readonly count: number | undefined;
  readonly until: DateTime | undefined;
}

/** Somebody, as a mail names him. */
export interface Named {
  readonly name: string | undefined;
  readonly address: string;
}

/** What a mail tells of a message. */
export interface Facts {
  readonly says: Tone;
  readonly title: string;
  /** One, or each instance that the message is about. */
  readonly spans: readonly Span[];
  /** Instances beyond those. */
  readonly more: number;
  readonly place: string;
  readonly description: string;
  readonly link: string;
  readonly comment: string;
  readonly repetition: Repetition | undefined;
  readonly organizer: Property | undefined;
  readonly attendees: readonly Property[];
  readonly changed: readonly Aspect[];
  /** What stood there before, where it was another. */
  readonly before: {
    /** One for each of `spans`. */
    readonly spans: readonly (Span | undefined)[];
    /** Undefined: the same, or not known. */
    readonly place: string | undefined;
    readonly title: string | undefined;
  };
}

const maxSpans = 5;
/** Characters of a mail; the attachment has all. */
const maxDescription = 4_000;

/** Throws Refusal(valid-calendar-data) for times that cannot be read. */
export function factsOf(message: ItipMessage, person: string, identify: Identify): Facts {
  const series = seriesOf(message.root);
  const said = saidTo(message, series, person);
  const meant = [...said.keys()];
  // Instances only, as a CANCEL of two dates has them; of a series what the message is about.
  const all = series.master === undefined ? componentsOf(series) : [series.master];
  const shown = series.master !== undefined && meant.length > 0 ? meant : all;
  const [first] = shown;
  const text = (name: string): string => textOf(first?.properties ?? [], name);
  const link = first === undefined ? "" : (propertyOf(first, "URL")?.value.trim() ?? "");
  const listed = shown.slice(0, maxSpans);
  const spans = listed.map((component) => spanOf(component, series.zones));
  const [title, place] = [titleIn(first?.properties ?? []), placeIn(first?.properties ?? [])];
  const was = first && said.get(first)?.was;
  const before = {
    spans: listed.map((component, index) => spanBefore(said.get(component)?.was, spans[index], series.zones)),
    place: was === undefined || placeIn(was) === place ? undefined : placeIn(was),
    title: was === undefined || titleIn(was) === title ? undefined : titleIn(was),
  };
  return {
    says: toneOf(message, shown, identify),
    title,
    spans,
    more: Math.max(0, shown.length - maxSpans),
    place,
    description: text("DESCRIPTION"),
    link: /^https?:\/\/[^\s"<>]{1,1000}$/i.test(link) ? link : "",
    comment: message.method === "REQUEST" || message.method === "CANCEL" ? "" : text("COMMENT"),
    repetition: first === series.master && first !== undefined ? repetitionOf(first, series.zones) : undefined,
    organizer: first && propertyOf(first, "ORGANIZER"),
    attendees: (first?.properties ?? []).filter(({ name, value }) => name === "ATTENDEE" && identify(value) !== person),
    changed: aspectsOf([...said.values()], before),
    before,
  };
}

type Said = MessageSummary["instances"][number];

/** What a message says of the components that its recipient sees, by them. An instance that follows the rule again is worked out;
 *  nothing is said of what somebody has not known before. */
function saidTo({ method, says }: ItipMessage, series: Series, person: string): ReadonlyMap<Component, Said> {
  const found = new Map<Component, Said>();
  if (method !== "REQUEST") return found;
  for (const said of says?.instances ?? []) {
    const { key, people } = said;
    const isHidden = key === "master" || series.exceptions.has(key);
    const component = componentAt(series, key) ?? (isHidden ? undefined : deriveInstance(series, key));
    if (component === undefined) continue;
    const isNew = people?.includes(person) === true;
    found.set(component, isNew ? { ...said, properties: [], was: undefined, people: undefined } : said);
  }
  return found;
}

function textOf(properties: readonly Property[], name: string): string {
  const value = properties.find((property) => property.name === name)?.value;
  return value === undefined ? "" : unescapeText(value).trim().slice(0, maxDescription);
}
const titleIn = (properties: readonly Property[]): string =>
  textOf(properties, "SUMMARY").replace(/\s+/g, " ").slice(0, 200);
const placeIn = (properties: readonly Property[]): string => textOf(properties, "LOCATION").slice(0, 500);

/** When it was before; undefined when it is the same, or cannot be told any more. */
function spanBefore(was: readonly Property[] | undefined, now: Span | undefined, zones: ZoneLookup): Span | undefined {
  if (was === undefined || now === undefined) return undefined;
  try {
    const span = spanOf({ name: "VEVENT", properties: was, components: [], line: 0 }, zones);
    return spanKey(span) === spanKey(now) ? undefined : span;
  } catch (error) {
    // In a zone whose definition has gone with the change.
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

const spanKey = ({ start, end, isDue }: Span): string =>
  [start, end].map((at) => (at === undefined ? "" : `${at.form} ${at.local} ${at.zone?.id ?? ""}`)).join() + isDue;

function toneOf(
  { method, says, originator, isForced }: ItipMessage,
  shown: readonly Component[],
  identify: Identify,
): Facts["says"] {
  if (method === "CANCEL") return "cancelled";
  if (method === "REPLY") {
    const sender = identify(originator);
    const answers = new Set(
      shown.map((component) => {
        const own = attendeeIn(component, sender, identify);
        return own === undefined ? "" : partstatOf(own);
      }),
    );
    const [answer] = answers.size === 1 ? answers : [""];
    if (answer === "ACCEPTED" || answer === "COMPLETED" || answer === "IN-PROCESS") return "accepted";
    return answer === "DECLINED" ? "declined" : answer === "TENTATIVE" ? "tentative" : "answered";
  }
  if (method === "COUNTER") return "proposal";
  if (method === "DECLINECOUNTER") return "proposalDeclined";
  if (method === "REFRESH") return "question";
  if (method === "ADD") return "update";
  if (says?.isAsked === true) return "current";
  const changed = says?.instances.some(({ properties, people }) => properties.length > 0 || people !== undefined);
  // Somebody wants it sent once more.
  return says === undefined || (isForced === true && changed !== true) ? "invitation" : "update";
}

const aspects: Readonly<Record<string, Aspect>> = {
  DTSTART: "time",
  DTEND: "time",
  DUE: "time",
  DURATION: "time",
  LOCATION: "place",
  SUMMARY: "title",
  DESCRIPTION: "description",
  RRULE: "repetition",
  RDATE: "repetition",
  EXDATE: "repetition",
  STATUS: "status",
};

/** What an update says to have changed: times, place and title only when people see another one. */
function aspectsOf(said: readonly Said[], before: Facts["before"]): readonly Aspect[] {
  const found = new Set<Aspect>();
  for (const { properties, people } of said) {
    for (const property of properties) {
      const name = property.split(";")[0] ?? "";
      if (name !== "ATTENDEE") found.add(aspects[name] ?? "other");
    }
    if (people !== undefined) found.add("people");
  }
  const isShown: Partial<Record<Aspect, boolean>> = {
    time: before.spans.some((span) => span !== undefined),
    place: before.place !== undefined,
    title: before.title !== undefined,
  };
  const isKnown = said.some(({ was }) => was !== undefined);
  for (const [aspect, is] of Object.entries(isShown) as [Aspect, boolean][])
    if (!is && found.delete(aspect) && isKnown) found.add("other");
  // "Details" says nothing beside something that does.
  if (found.size > 1) found.delete("other");
  return [...found];
}

function spanOf(component: Component, zones: ZoneLookup): Span {
  const startProperty = propertyOf(component, "DTSTART");
  const endProperty = propertyOf(component, "DTEND") ?? propertyOf(component, "DUE");
  const start = startProperty && dateTimeOf(startProperty, zones);
  const length = propertyOf(component, "DURATION");
  const isDue = endProperty?.name === "DUE";
  if (endProperty !== undefined) {
    const end = dateTimeOf(endProperty, zones);
    // DTEND is the day after the last.
    const last = end.form === "date" && !isDue ? { ...end, local: end.local - daySeconds } : end;
    return { start, end: start !== undefined && last.local <= start.local ? undefined : last, isDue };
  }
  if (start === undefined || length === undefined) return { start, end: undefined, isDue };
  const end = addDuration(start, durationOf(length));
  const last = start.form === "date" ? { ...end, local: end.local - daySeconds } : end;
  return { start, end: last.local <= start.local ? undefined : last, isDue };
}

function repetitionOf(master: Component, zones: ZoneLookup): Repetition | undefined {
  const rule = propertyOf(master, "RRULE");
  const irregular = { frequency: undefined, interval: 1, count: undefined, until: undefined };
  if (rule === undefined) return propertyOf(master, "RDATE") === undefined ? undefined : irregular;
  // What a rule of days, months and positions means takes more than a line; the program that opens the attachment shows it.
  const frequency = /(?:^|;)FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(?:;|$)/i.exec(rule.value)?.[1]?.toUpperCase();
  if (frequency === undefined || /(?:^|;)RSCALE=(?!GREGORIAN)/i.test(rule.value)) return irregular;
  const { interval, count } = parseRule(rule.value, rule.line, true);
  const until = /(?:^|;)UNTIL=([^;]+)/i.exec(rule.value)?.[1];
  return {
    frequency: frequency as NonNullable<Repetition["frequency"]>,
    interval,
    count,
    until: until === undefined ? undefined : untilOf(until, master, zones),
  };
}

/** In the zone of the start, where UTC is written. */
function untilOf(text: string, master: Component, zones: ZoneLookup): DateTime | undefined {
  const property = propertyOf(master, "DTSTART");
  const match = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?$/.exec(text.trim());
  if (property === undefined || match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0));
  const at = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second) / 1000;
  const { zone } = dateTimeOf(property, zones);
  const local = match[7] === "Z" && zone !== undefined ? at + zone.offsetAt(utc(at)) : at;
  return { local, form: "date", zone: undefined };
}

/** When all of a message is over, ms since 1970: the end of its last instance; Infinity when it has none, when they do not end, or when
 *  there are too many to look at. Floating times are read twelve hours late, so that nothing is over too early. */
export function endOfAll(message: ItipMessage, now: Utc): number {
  const object = objectOf(message.root);
  const forever = { start: now, end: utc(Number.POSITIVE_INFINITY) };
  const { zones } = seriesOf(message.root);
  const components = object.master === undefined ? object.overrides : [object.master, ...object.overrides];
  if (components.some((component) => isEndless(component, zones))) return Number.POSITIVE_INFINITY;
  const slack = 12 * 3_600;
  const { instances, complete } = instancesIn(object, { ...forever, start: utc(now - slack) }, utcZone, 400);
  if (!complete) return Number.POSITIVE_INFINITY;
  if (instances.length === 0) return Number.NEGATIVE_INFINITY;
  return Math.max(...instances.map(({ end, floating }) => (end + (floating ? slack : 0)) * 1000));
}

/** Tasks without a date, and rules without an end. */
function isEndless(component: Component, zones: ZoneLookup): boolean {
  const { start, end } = spanOf(component, zones);
  if (start === undefined && end === undefined) return true;
  // A task is there until it is done.
  if (component.name === "VTODO") return true;
  const rule = propertyOf(component, "RRULE")?.value;
  return rule !== undefined && !/(?:^|;)(?:UNTIL|COUNT)=/i.test(rule);
}

/** The name to show for an ORGANIZER or ATTENDEE, one line. */
export const nameIn = (property: Property | undefined): string | undefined => {
  const name = property && parameterOf(property, "CN")?.trim();
  return name === undefined || name === "" ? undefined : name;
};
