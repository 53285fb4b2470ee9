import type { Component, Property } from "../ical/component.ts";
import { withoutParameters } from "../ical/edit.ts";
import { formatUtc } from "../ical/time.ts";
import { utc } from "../model/ids.ts";
import { decided } from "./decisions.ts";
import type { SeriesChange } from "./diff.ts";
import { cancelled, type ItipMessage, type MessageSummary, messageRoot, requestRoot, viewFor } from "./message.ts";
import type { OrganizerChange } from "./organizer.ts";
import { agentOf, attendeeIn, type Identify, organizerOf, sequenceOf } from "./people.ts";
import { componentAt, componentsOf, deriveInstance, type Key, membersOf, type Series } from "./series.ts";

/** Attendees that the server sends to, each once, in order. */
export function recipientsOf(series: Series, { owner, identify }: OrganizerChange): ReadonlyMap<string, Property> {
  const recipients = new Map<string, Property>();
  for (const component of componentsOf(series))
    for (const property of component.properties) {
      if (property.name !== "ATTENDEE") continue;
      const person = identify(property.value);
      if (agentOf(property) !== "SERVER") {
        decided("request.not-served", person);
        continue;
      }
      if (person !== owner && !recipients.has(person)) recipients.set(person, property);
    }
  return recipients;
}

const organizerAddress = (series: Series): string => organizerOf(componentsOf(series))?.value ?? "";

export const keysOf = (series: Series, person: string, identify: Identify): Set<Key> => {
  const keys = new Set<Key>();
  for (const [key, component] of membersOf(series))
    if (attendeeIn(component, person, identify) !== undefined) keys.add(key);
  return keys;
};

export const lastSequence = (series: Series): number => Math.max(0, ...componentsOf(series).map(sequenceOf));

export function cancelMessage(
  was: Series,
  attendee: Property,
  keys: ReadonlySet<Key> | "all",
  sequence: number,
  { identify, now }: OrganizerChange,
): ItipMessage {
  const person = identify(attendee.value);
  const components: Component[] = [];
  if (keys === "all") {
    if (was.master !== undefined) components.push(was.master);
  } else
    for (const key of keys) {
      const component = componentAt(was, key) ?? (key === "master" ? undefined : deriveInstance(was, key));
      if (component !== undefined) components.push(component);
    }
  const root = messageRoot(
    "CANCEL",
    was.root,
    components.map((component) =>
      withAttendee(cancelled(component, person, identify, sequence, now), attendee, person, identify),
    ),
  );
  const says: MessageSummary | undefined =
    keys === "all" ? undefined : { instances: [...keys].map((key) => instanceSummary(key, was, [], "none")) };
  return { method: "CANCEL", originator: organizerAddress(was), recipients: [attendee.value], root, says };
}

/** An instance made from the master need not name who is told that it is cancelled for him. */
const withAttendee = (component: Component, attendee: Property, person: string, identify: Identify): Component =>
  attendeeIn(component, person, identify) !== undefined
    ? component
    : {
        ...component,
        properties: [...component.properties, withoutParameters(attendee, (name) => name.startsWith("SCHEDULE-"))],
      };

const instanceSummary = (
  key: Key,
  series: Series,
  properties: readonly string[],
  attendees: "none" | "partstat" | "list",
): MessageSummary["instances"][number] => ({ key, id: idText(key, series), properties, attendees });

const shownAsWas = new Set(["DTSTART", "DTEND", "DUE", "DURATION", "LOCATION", "SUMMARY"]);

/** What a component said before, where people want to see it beside what it says now. */
function wasOf(key: Key, was: Series, changed: readonly string[]): readonly Property[] | undefined {
  if (!changed.some((name) => shownAsWas.has(name))) return undefined;
  const component = componentAt(was, key) ?? (key === "master" ? undefined : deriveInstance(was, key));
  return component?.properties.filter(({ name }) => shownAsWas.has(name));
}

/** The instance's RECURRENCE-ID, in UTC where it has an instant. */
function idText(key: Key, { start }: Series): string | undefined {
  if (key === "master") return undefined;
  const text = formatUtc(utc(key));
  if (start === undefined || start.zone !== undefined) return text;
  return start.form === "date" ? text.slice(0, 8) : text.slice(0, -1);
}

/** REQUESTs, one for all recipients that are to see the same. */
export class Requests {
  readonly #series: Series;
  readonly #change: OrganizerChange;
  readonly #groups = new Map<
    string,
    { view: readonly Component[]; recipients: string[]; says: MessageSummary | undefined; isForced: boolean }
  >();

  constructor(series: Series, change: OrganizerChange) {
    this.#series = series;
    this.#change = change;
  }

  add(attendee: Property, keys: ReadonlySet<Key> | "all", says: MessageSummary | undefined, isForced: boolean): void {
    const { identify } = this.#change;
    const person = identify(attendee.value);
    const seen = [...membersOf(this.#series)].flatMap(([key, component]) =>
      attendeeIn(component, person, identify) === undefined ? [] : [String(key)],
    );
    const group = `${isForced} ${seen.join(",")}|${keys === "all" ? "all" : [...keys].join(",")}`;
    const known = this.#groups.get(group);
    if (known !== undefined) {
      known.recipients.push(attendee.value);
      return;
    }
    const view = viewFor(this.#series, person, identify, keys);
    if (view.length > 0) this.#groups.set(group, { view, recipients: [attendee.value], says, isForced });
  }

  messages(): readonly ItipMessage[] {
    const originator = organizerAddress(this.#series);
    return [...this.#groups.values()].map(({ view, recipients, says, isForced }) => ({
      ...(isForced ? { isForced } : {}),
      method: "REQUEST",
      originator,
      recipients,
      root: requestRoot(this.#series, view, this.#change.now),
      says,
    }));
  }
}

const times = new Set(["DTSTART", "DTEND", "DUE"]);

export function summaryOf(was: Series, difference: SeriesChange | undefined): MessageSummary {
  const instances: MessageSummary["instances"][number][] = [];
  const add = (
    key: Key,
    { properties, timeParameters, people, answers, roles, asks }: NonNullable<SeriesChange["master"]>,
  ): void => {
    const attendees =
      people.length + roles.length > 0 ? "list" : answers.length > 0 ? "partstat" : asks ? "list" : "none";
    const named = properties.map((name) => (times.has(name) ? [name, ...timeParameters].join(";") : name));
    instances.push({
      ...instanceSummary(key, was, named, attendees),
      was: wasOf(key, was, properties),
      people: people.length === 0 ? undefined : people,
    });
  };
  if (difference?.master !== undefined) add("master", difference.master);
  for (const [key, { difference: own }] of difference?.instances ?? []) if (own !== undefined) add(key, own);
  for (const key of difference?.asked ?? []) instances.push(instanceSummary(key, was, [], "list"));
  return { instances };
}
