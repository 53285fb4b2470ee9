import type { CalendarObject } from "../ical/calendar-object.ts";
import type { Component, Property } from "../ical/component.ts";
import { parameterOf, propertiesOf, propertyOf } from "../ical/component.ts";
import { made, replaceChild, withComponents, withProperties } from "../ical/edit.ts";
import { instancesIn } from "../ical/instances.ts";
import { isObjectKind, uidOf } from "../ical/parse.ts";
import { keyOf } from "../ical/recurrence-set.ts";
import {
  atInstant,
  type DateTime,
  dateTimeOf,
  dateTimesOf,
  daySeconds,
  formatDateTime,
  readDateTime,
  toUtc,
  type ZoneLookup,
} from "../ical/time.ts";
import { writeComponent } from "../ical/write.ts";
import { utcZone, zonesOf } from "../ical/zones.ts";
import { utc } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";

/** Which component is meant: the master, or the instance that starts there by the master's rule. Instances are told apart by
 *  instant (local time where the master has no zone), so that a RECURRENCE-ID in another zone or in UTC is the same one. */
export type Key = "master" | number;

/** A calendar object as scheduling looks at it. */
export interface Series {
  /** The VCALENDAR. */
  readonly root: Component;
  readonly kind: string;
  readonly uid: string;
  readonly master: Component | undefined;
  readonly overrides: ReadonlyMap<number, Component>;
  /** Instances that EXDATE takes out. */
  readonly exceptions: ReadonlySet<number>;
  /** The master's start, or due time when it has no start. */
  readonly start: DateTime | undefined;
  readonly zones: ZoneLookup;
}

const known = new WeakMap<Component, Series>();

/** Reads a VCALENDAR of one object. Throws Refusal(valid-calendar-object-resource) when it holds none, and
 *  Refusal(valid-calendar-data) for times that cannot be read. */
export function seriesOf(root: Component): Series {
  const found = known.get(root);
  if (found !== undefined) return found;
  const zones = zonesOf(root);
  const own = root.components.filter((component) => isObjectKind(component.name) && uidOf(component) !== undefined);
  const [first] = own;
  const uid = first && uidOf(first);
  if (first === undefined || uid === undefined)
    throw new Refusal({ code: "valid-calendar-object-resource", problem: "there is no component with a UID" });
  const members = own.filter((component) => component.name === first.name && uidOf(component) === uid);
  const master = members.find((component) => propertyOf(component, "RECURRENCE-ID") === undefined);
  const startProperty = master && startOf(master);
  const start = startProperty && dateTimeOf(startProperty, zones);
  const overrides = new Map<number, Component>();
  for (const component of members) {
    const id = propertyOf(component, "RECURRENCE-ID");
    if (id !== undefined) overrides.set(keyIn(dateTimeOf(id, zones), start), component);
  }
  const exceptions = new Set<number>();
  if (master !== undefined)
    for (const property of propertiesOf(master, "EXDATE"))
      for (const time of dateTimesOf(property, zones)) exceptions.add(keyIn(time, start));
  const series = { root, kind: first.name, uid, master, overrides, exceptions, start, zones };
  known.set(root, series);
  return series;
}

const startOf = (component: Component): Property | undefined =>
  propertyOf(component, "DTSTART") ?? (component.name === "VTODO" ? propertyOf(component, "DUE") : undefined);

function keyIn(time: DateTime, start: DateTime | undefined): number {
  if (start === undefined) return time.form === "date" ? time.local : toUtc(time, utcZone);
  // Old Apple clients name the instance of a day by its date.
  if (time.form === "date" && start.form !== "date")
    return keyOf({ ...start, local: time.local + (((start.local % daySeconds) + daySeconds) % daySeconds) }, start);
  return keyOf(time, start);
}

/** The key of a component of the series, or of one that a message has for it. */
export function keyOfComponent(component: Component, zones: ZoneLookup, series: Series): Key {
  const id = propertyOf(component, "RECURRENCE-ID");
  return id === undefined ? "master" : keyIn(dateTimeOf(id, zones), series.start);
}

/** Master first, then overrides in order of their text. */
export const componentsOf = ({ master, overrides }: Series): readonly Component[] =>
  master === undefined ? [...overrides.values()] : [master, ...overrides.values()];

/** All components with their keys, master first. */
export function* membersOf({ master, overrides }: Series): Iterable<readonly [Key, Component]> {
  if (master !== undefined) yield ["master", master];
  yield* overrides;
}

export const componentAt = ({ master, overrides }: Series, key: Key): Component | undefined =>
  key === "master" ? master : overrides.get(key);

export const isRecurring = ({ master }: Series): boolean =>
  master?.properties.some(({ name }) => name === "RRULE" || name === "RDATE") ?? false;

/** The series as the rest of the server takes it; its text is written when somebody asks for it. */
export function objectOf(root: Component): CalendarObject {
  const { uid, kind, master, overrides } = seriesOf(root);
  if (!isObjectKind(kind)) throw new Error(`${kind} makes no calendar object`);
  let text: string | undefined;
  return {
    root,
    uid,
    kind,
    master,
    overrides: [...overrides.values()],
    get text() {
      text ??= writeComponent(root);
      return text;
    },
  };
}

const withoutLength = new Set(["DTEND", "DURATION", "DUE", "EXDATE", "EXRULE"]);

/** Whether the master's rules give this instance; EXDATEs are not looked at. */
export function hasInstance({ root, master, start, kind, uid }: Series, key: number): boolean {
  if (master === undefined || start === undefined || !isObjectKind(kind)) return false;
  if (key === keyOf(start, start)) return true;
  if (!master.properties.some(({ name }) => name === "RRULE" || name === "RDATE")) return false;
  const byDue = propertyOf(master, "DTSTART") === undefined;
  const properties = master.properties.filter(({ name }) => byDue || !withoutLength.has(name));
  const bare: Component = { ...master, components: [], properties };
  const object: CalendarObject = { root, master: bare, overrides: [], kind, uid, text: "" };
  const range = { start: utc(key), end: utc(key + 1) };
  const { instances } = instancesIn(object, range, utcZone, 10);
  return instances.some(
    (instance) => instance.recurrenceId !== undefined && keyOf(instance.recurrenceId, start) === key,
  );
}

/** Whether somebody who is on the master takes part in this instance by it. */
export const isPlainInstance = (series: Series, key: number): boolean =>
  !series.exceptions.has(key) && !series.overrides.has(key) && hasInstance(series, key);

const ofRecurrence = new Set(["RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"]);

const timeAt = (start: DateTime, key: number): DateTime =>
  start.zone === undefined || start.form === "utc" ? { ...start, local: key } : atInstant(utc(key), start.zone);

/** The property with another time of the same form and zone. */
const retimed = (property: Property, time: DateTime): Property => ({
  ...property,
  line: 0,
  value: formatDateTime(time),
});

/** A component for one instance, made from the master (or from the last THISANDFUTURE override before it) with all it has.
 *  Undefined where the master has no such instance. EXDATEs are not looked at. */
export function deriveInstance(series: Series, key: number): Component | undefined {
  const { master, start, zones } = series;
  if (master === undefined || start === undefined || !hasInstance(series, key)) return undefined;
  const startProperty = startOf(master);
  if (startProperty === undefined) return undefined;
  const { base, moved } = baseFor(series, key, master);
  const id = timeAt(start, key);
  const idProperty = retimed({ ...startProperty, name: "RECURRENCE-ID" }, id);
  const baseStart = startOf(base);
  const from = baseStart && dateTimeOf(baseStart, zones);
  const properties: Property[] = [];
  for (const property of base.properties) {
    if (ofRecurrence.has(property.name)) continue;
    if (property === baseStart && from !== undefined) {
      properties.push(retimed(property, { ...from, local: id.local + moved }), idProperty);
      continue;
    }
    if ((property.name === "DTEND" || property.name === "DUE") && from !== undefined) {
      const end = dateTimeOf(property, zones);
      properties.push(retimed(property, { ...end, local: end.local + id.local + moved - from.local }));
      continue;
    }
    properties.push(property);
  }
  return { ...base, properties };
}

/** What a later instance looks like: the master, or the THISANDFUTURE override before it with the seconds it moved its own. */
function baseFor(
  { overrides, zones }: Series,
  key: number,
  master: Component,
): { readonly base: Component; readonly moved: number } {
  let base = master;
  let moved = 0;
  let latest = Number.NEGATIVE_INFINITY;
  for (const [at, override] of overrides) {
    const id = propertyOf(override, "RECURRENCE-ID");
    const start = propertyOf(override, "DTSTART");
    if (id === undefined || start === undefined || at > key || at < latest) continue;
    if (parameterOf(id, "RANGE")?.toUpperCase() !== "THISANDFUTURE") continue;
    latest = at;
    base = override;
    moved = dateTimeOf(start, zones).local - dateTimeOf(id, zones).local;
  }
  return { base, moved };
}

/** The master with this instance taken out. */
export function withException(master: Component, series: Series, key: number): Component {
  const start = startOf(master);
  if (series.start === undefined || start === undefined || series.exceptions.has(key)) return master;
  const property = retimed({ ...start, name: "EXDATE" }, timeAt(series.start, key));
  return withProperties(master, "EXDATE", [...propertiesOf(master, "EXDATE"), property]);
}

/** The master with these instances no longer taken out; EXDATE values of others stay as they are. */
export function withoutExceptions(master: Component, series: Series, keys: ReadonlySet<number>): Component {
  if (![...keys].some((key) => series.exceptions.has(key))) return master;
  const kept: Property[] = [];
  for (const property of propertiesOf(master, "EXDATE")) {
    const values = property.value.split(",");
    const left = values.filter((text) => !keys.has(keyIn(readDateTime(property, text, series.zones), series.start)));
    if (left.length === values.length) kept.push(property);
    else if (left.length > 0) kept.push(made("EXDATE", left.join(","), property.parameters));
  }
  return withProperties(master, "EXDATE", kept);
}

/** The object with a component put in place of what it has at that key (undefined: removed). New ones come last. */
export function withMember(series: Series, key: Key, component: Component | undefined): Component {
  const old = componentAt(series, key);
  if (old !== undefined) return replaceChild(series.root, old, component);
  if (component === undefined) return series.root;
  return withComponents(series.root, [...series.root.components, component]);
}

/** The object with each of its own components replaced by what `edit` gives (undefined: removed). */
export function mapMembers(series: Series, edit: (component: Component, key: Key) => Component | undefined): Component {
  const keys = new Map<Component, Key>();
  for (const [key, component] of membersOf(series)) keys.set(component, key);
  return withComponents(
    series.root,
    series.root.components.flatMap((component) => {
      const key = keys.get(component);
      if (key === undefined) return [component];
      const edited = edit(component, key);
      return edited === undefined ? [] : [edited];
    }),
  );
}
