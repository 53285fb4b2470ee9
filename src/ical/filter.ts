import type { TimeRange } from "../model/ids.ts";
import { triggersIn } from "./alarms.ts";
import type { CalendarObject } from "./calendar-object.ts";
import { type Component, type Property, propertyOf } from "./component.ts";
import { instancesIn } from "./instances.ts";
import { unescapedItems, unescapeText } from "./text.ts";
import { matchesText, type TextMatch } from "./text-match.ts";
import { addDuration, type DateTime, dateTimeOf, dateTimesOf, durationOf, toUtc, type ZoneLookup } from "./time.ts";
import { type Zone, zonesOf } from "./zones.ts";

export type { TextMatch } from "./text-match.ts";

/** CALDAV:param-filter (RFC 4791 §9.7.3). Name in upper case. */
export interface ParamFilter {
  readonly name: string;
  readonly test: "defined" | "not-defined" | TextMatch;
}

/** CALDAV:prop-filter (RFC 4791 §9.7.2). Name in upper case. Without tests: the property exists. */
export interface PropFilter {
  readonly name: string;
  readonly isNotDefined: boolean;
  readonly timeRange: TimeRange | undefined;
  readonly textMatch: TextMatch | undefined;
  readonly params: readonly ParamFilter[];
  /** test="anyof" of calendar-query-extended: one of the tests suffices. */
  readonly anyOf: boolean;
}

/** CALDAV:comp-filter (RFC 4791 §9.7.1). Name in upper case, or "*" for any component (calendar-query-extended). The
 *  outermost one is VCALENDAR. Without tests: the component exists. */
export interface CompFilter {
  readonly name: string;
  readonly isNotDefined: boolean;
  readonly timeRange: TimeRange | undefined;
  readonly props: readonly PropFilter[];
  readonly comps: readonly CompFilter[];
  /** test="anyof" of calendar-query-extended: one of the tests suffices. */
  readonly anyOf: boolean;
}

/** Whether the object passes the filter of a calendar-query (RFC 4791 §9.7, §9.9; test and match-type of
 *  calendar-query-extended). All tests of one comp-filter must hold for one component: the master, or an override, with its
 *  own instances. Floating times and dates are read in `floatingZone`. Throws Refusal(valid-calendar-data) when a stored
 *  value that must be read cannot be. */
export function matches(filter: CompFilter, object: CalendarObject, floatingZone: Zone): boolean {
  const named = isNamed(filter.name, "VCALENDAR");
  if (filter.isNotDefined) return !named;
  return named && new Matcher(object, floatingZone).passes(filter, object.root, undefined);
}

const isNamed = (wanted: string, name: string): boolean => wanted === name || wanted === "*";

/** One object being asked; keeps what several tests need. */
class Matcher {
  readonly #object: CalendarObject;
  readonly #floatingZone: Zone;
  #zones: ZoneLookup | undefined;

  constructor(object: CalendarObject, floatingZone: Zone) {
    this.#object = object;
    this.#floatingZone = floatingZone;
  }

  passes(filter: CompFilter, component: Component, parent: Component | undefined): boolean {
    const { timeRange, props, comps, anyOf } = filter;
    if (timeRange === undefined && props.length === 0 && comps.length === 0) return true;
    // Cheap tests first: time-range may expand a recurrence.
    for (const prop of props) if (this.#hasProperty(prop, component) === anyOf) return anyOf;
    for (const comp of comps) if (this.#hasComponent(comp, component) === anyOf) return anyOf;
    if (timeRange !== undefined && this.#overlaps(component, parent, timeRange) === anyOf) return anyOf;
    return !anyOf;
  }

  #hasComponent(filter: CompFilter, parent: Component): boolean {
    const named = parent.components.filter(({ name }) => isNamed(filter.name, name));
    if (filter.isNotDefined) return named.length === 0;
    return named.some((component) => this.passes(filter, component, parent));
  }

  #overlaps(component: Component, parent: Component | undefined, range: TimeRange): boolean {
    const object = this.#object;
    if (parent === undefined) return this.#hasInstance(object, range);
    if (component.name === "VALARM") return this.#alarmRings(component, parent, range);
    if (component === object.master) {
      if (object.overrides.length === 0) return this.#hasInstance(object, range);
      // Overrides take instances away from the master; at most this many before one of its own turns up.
      const limit = Math.max(object.overrides.length + 1, 1000);
      return instancesIn(object, range, this.#floatingZone, limit).instances.some((it) => it.component === component);
    }
    if (!object.overrides.includes(component)) return false;
    if (object.master === undefined && object.overrides.length === 1) return this.#hasInstance(object, range);
    if (rangeOf(component) !== undefined)
      return instancesIn(object, range, this.#floatingZone, 1000).instances.some((it) => it.component === component);
    return this.#hasInstance({ ...object, master: undefined, overrides: [component] }, range);
  }

  #hasInstance(object: CalendarObject, range: TimeRange): boolean {
    return instancesIn(object, range, this.#floatingZone, 1).instances.length > 0;
  }

  #alarmRings(alarm: Component, owner: Component, range: TimeRange): boolean {
    const object = this.#object;
    if (owner !== object.master && !object.overrides.includes(owner)) return false;
    return triggersIn(alarm, owner, object, range, this.#floatingZone);
  }

  #hasProperty(filter: PropFilter, component: Component): boolean {
    let found = false;
    for (const property of component.properties) {
      if (property.name !== filter.name) continue;
      if (filter.isNotDefined) return false;
      found = true;
      if (this.#passesProperty(filter, property)) return true;
    }
    if (filter.isNotDefined) return true;
    // RFC 4791 §9.9: DTSTART plus DURATION stands for a DTEND or DUE that is not there.
    return !found && filter.timeRange !== undefined && this.#passesEffectiveEnd(filter, component, filter.timeRange);
  }

  #passesProperty(filter: PropFilter, property: Property): boolean {
    const { timeRange, textMatch, params, anyOf } = filter;
    if (timeRange === undefined && textMatch === undefined && params.length === 0) return true;
    if (textMatch !== undefined && passesText(textsOf(property, textMatch), textMatch) === anyOf) return anyOf;
    for (const param of params) if (passesParameter(param, property) === anyOf) return anyOf;
    if (timeRange !== undefined && this.#dateIn(property, timeRange) === anyOf) return anyOf;
    return !anyOf;
  }

  #dateIn(property: Property, range: TimeRange): boolean {
    const zones = this.#zonesOfObject();
    if (singleTimes.has(property.name)) return this.#isIn(dateTimeOf(property, zones), range);
    if (!listsOfTimes.has(property.name)) return false;
    return dateTimesOf(property, zones).some((time) => this.#isIn(time, range));
  }

  #passesEffectiveEnd(filter: PropFilter, component: Component, range: TimeRange): boolean {
    const ends = component.name === "VEVENT" ? "DTEND" : component.name === "VTODO" ? "DUE" : undefined;
    if (filter.name !== ends || filter.textMatch !== undefined || filter.params.length > 0) return false;
    const start = propertyOf(component, "DTSTART");
    const duration = propertyOf(component, "DURATION");
    if (start === undefined || duration === undefined) return false;
    return this.#isIn(addDuration(dateTimeOf(start, this.#zonesOfObject()), durationOf(duration)), range);
  }

  #isIn(time: DateTime, range: TimeRange): boolean {
    const at = toUtc(time, this.#floatingZone);
    return range.start <= at && at < range.end;
  }

  #zonesOfObject(): ZoneLookup {
    this.#zones ??= zonesOf(this.#object.root);
    return this.#zones;
  }
}

/** The properties whose time-range RFC 4791 §9.9 defines, and RECURRENCE-ID. */
const singleTimes = new Set([
  "COMPLETED",
  "CREATED",
  "DTEND",
  "DTSTAMP",
  "DTSTART",
  "DUE",
  "LAST-MODIFIED",
  "RECURRENCE-ID",
]);
const listsOfTimes = new Set(["EXDATE", "RDATE"]);

const rangeOf = (component: Component): string | undefined =>
  propertyOf(component, "RECURRENCE-ID")?.parameters.find(({ name }) => name === "RANGE")?.values[0];

/** A list property is matched as a whole and item by item. */
function textsOf(property: Property, match: TextMatch): readonly string[] {
  const whole = unescapeText(property.value);
  const isList = property.name === "CATEGORIES" || property.name === "RESOURCES";
  return isList && match.type !== "contains" && property.value.includes(",")
    ? [whole, ...unescapedItems(property.value)]
    : [whole];
}

const passesText = (texts: readonly string[], match: TextMatch): boolean =>
  match.negate ? texts.every((text) => matchesText(text, match)) : texts.some((text) => matchesText(text, match));

function passesParameter({ name, test }: ParamFilter, property: Property): boolean {
  const parameter = property.parameters.find((candidate) => candidate.name === name);
  if (test === "not-defined") return parameter === undefined;
  if (parameter === undefined) return false;
  return test === "defined" || passesText(parameter.values, test);
}
