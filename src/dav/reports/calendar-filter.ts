import { HttpError } from "../../http/message.ts";
import type { CompFilter, ParamFilter, PropFilter } from "../../ical/filter.ts";
import type { Collation, TextMatch } from "../../ical/text-match.ts";
import { collations } from "../../ical/text-match.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Element } from "../../xml/element.ts";
import { caldav, elements, localOf, textOf } from "../../xml/element.ts";
import { invalidFilter, timeRangeOf } from "./time-range.ts";

const names = {
  compFilter: caldav("comp-filter"),
  propFilter: caldav("prop-filter"),
  paramFilter: caldav("param-filter"),
  textMatch: caldav("text-match"),
  timeRange: caldav("time-range"),
  isDefined: caldav("is-defined"),
  isNotDefined: caldav("is-not-defined"),
} as const;

// What may stand directly inside each component (RFC 5545 §3.6, RFC 7953 §3.1). A name missing here holds no others.
const inside: Readonly<Record<string, readonly string[]>> = {
  VCALENDAR: ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE", "VAVAILABILITY", "VPOLL"],
  VEVENT: ["VALARM"],
  VTODO: ["VALARM"],
  VAVAILABILITY: ["AVAILABLE"],
  VTIMEZONE: ["STANDARD", "DAYLIGHT"],
  VPOLL: ["VVOTER", "VALARM", "VEVENT", "VTODO", "VJOURNAL"],
  VVOTER: ["VOTE"],
};
const known = new Set(Object.values(inside).flat().concat("VCALENDAR"));
const timed = new Set(["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VALARM", "VAVAILABILITY", "AVAILABLE", "*"]);
// RFC 4791 §9.9: a time-range of a property asks for its date; these hold one. X- properties may.
const datedProperties = new Set([
  "DTSTART",
  "DTEND",
  "DUE",
  "DTSTAMP",
  "CREATED",
  "LAST-MODIFIED",
  "COMPLETED",
  "RECURRENCE-ID",
  "EXDATE",
  "RDATE",
  "ACKNOWLEDGED",
]);

/** Reads CALDAV:filter (RFC 4791 §9.7), with the anyof tests and match types of calendar-query-extended and the
 *  `caseless` attribute and `is-defined` of clients older than the RFC.
 *  Throws Refusal(valid-filter), Refusal(supported-collation), or HttpError(400) for a filter that is not one. */
export function parseFilter(filter: Element): CompFilter {
  const [outermost, ...more] = elements(filter);
  if (outermost === undefined || outermost.name !== names.compFilter || more.length > 0)
    throw invalidFilter("CALDAV:filter holds exactly one CALDAV:comp-filter");
  if (nameOf(outermost) !== "VCALENDAR")
    throw invalidFilter(
      `the outermost CALDAV:comp-filter must name VCALENDAR, found "${outermost.attributes["name"]}"`,
    );
  return compFilter(outermost, undefined);
}

function compFilter(element: Element, parent: string | undefined): CompFilter {
  const name = nameOf(element);
  if (parent !== undefined && known.has(parent) && known.has(name) && !inside[parent]?.includes(name))
    throw invalidFilter(`a ${name} cannot stand in a ${parent}`);
  const found = { isNotDefined: false, timeRange: undefined as CompFilter["timeRange"] };
  const props: PropFilter[] = [];
  const comps: CompFilter[] = [];
  for (const child of elements(element)) {
    switch (child.name) {
      case names.isNotDefined:
        found.isNotDefined = true;
        break;
      case names.isDefined:
        break;
      case names.timeRange:
        if (known.has(name) && !timed.has(name)) throw invalidFilter(`a time-range cannot be asked of ${name}`);
        if (found.timeRange !== undefined) throw invalidFilter(`the comp-filter for ${name} holds two time-ranges`);
        found.timeRange = timeRangeOf(child, true, invalidFilter);
        break;
      case names.propFilter:
        props.push(propFilter(child));
        break;
      case names.compFilter:
        comps.push(compFilter(child, name));
        break;
      default:
        throw unknown(child, element);
    }
  }
  if (found.isNotDefined && (found.timeRange !== undefined || props.length + comps.length > 0))
    throw invalidFilter(`is-not-defined of ${name} leaves nothing else to test`);
  return { name, ...found, props, comps, anyOf: anyOf(element) };
}

function propFilter(element: Element): PropFilter {
  const name = nameOf(element);
  const params: ParamFilter[] = [];
  const found = {
    isNotDefined: false,
    timeRange: undefined as PropFilter["timeRange"],
    textMatch: undefined as PropFilter["textMatch"],
  };
  for (const child of elements(element)) {
    switch (child.name) {
      case names.isNotDefined:
        found.isNotDefined = true;
        break;
      case names.isDefined:
        break;
      case names.timeRange:
        if (!datedProperties.has(name) && !name.startsWith("X-"))
          throw invalidFilter(`a time-range cannot be asked of ${name}, which holds no date`);
        found.timeRange = timeRangeOf(child, true, invalidFilter);
        break;
      case names.textMatch:
        if (found.textMatch !== undefined) throw invalidFilter(`the prop-filter for ${name} holds two text-matches`);
        found.textMatch = textMatch(child);
        break;
      case names.paramFilter:
        params.push(paramFilter(child));
        break;
      default:
        throw unknown(child, element);
    }
  }
  if (found.timeRange !== undefined && found.textMatch !== undefined)
    throw invalidFilter(`the prop-filter for ${name} holds a time-range and a text-match`);
  if (found.isNotDefined && (found.timeRange !== undefined || found.textMatch !== undefined || params.length > 0))
    throw invalidFilter(`is-not-defined of ${name} leaves nothing else to test`);
  return { name, ...found, params, anyOf: anyOf(element) };
}

function paramFilter(element: Element): ParamFilter {
  const name = nameOf(element);
  const [test, ...more] = elements(element);
  if (more.length > 0) throw invalidFilter(`the param-filter for ${name} holds more than one test`);
  if (test === undefined || test.name === names.isDefined) return { name, test: "defined" };
  if (test.name === names.isNotDefined) return { name, test: "not-defined" };
  if (test.name === names.textMatch) return { name, test: textMatch(test) };
  throw unknown(test, element);
}

const matchTypes = ["contains", "equals", "starts-with", "ends-with"] as const;

/** Reads CALDAV:text-match (RFC 4791 §9.7.5). */
function textMatch(element: Element): TextMatch {
  const { attributes } = element;
  const type = attributes["match-type"] ?? "contains";
  if (!matchTypes.includes(type as TextMatch["type"]))
    throw invalidFilter(`match-type must be one of ${matchTypes.join(", ")}, found "${type}"`);
  return {
    text: textOf(element),
    collation: collationOf(attributes["collation"], attributes["caseless"]),
    negate: yesNo(attributes["negate-condition"], "negate-condition") ?? false,
    type: type as TextMatch["type"],
  };
}

function collationOf(collation: string | undefined, caseless: string | undefined): Collation {
  if (collation === undefined) return yesNo(caseless, "caseless") === false ? "i;octet" : "i;ascii-casemap";
  // RFC 4790 §3.1: the default collation of this protocol.
  if (collation === "default") return "i;ascii-casemap";
  const found = collations.find((one) => one === collation);
  if (found === undefined) throw new Refusal({ code: "supported-collation", collation });
  return found;
}

function yesNo(text: string | undefined, name: string): boolean | undefined {
  if (text === undefined) return undefined;
  if (text === "yes") return true;
  if (text === "no") return false;
  throw invalidFilter(`${name} must be "yes" or "no", found "${text}"`);
}

function anyOf(element: Element): boolean {
  const test = element.attributes["test"];
  if (test === undefined || test === "allof") return false;
  if (test === "anyof") return true;
  throw invalidFilter(`test must be "allof" or "anyof", found "${test}"`);
}

function nameOf(element: Element): string {
  const name = element.attributes["name"];
  if (name === undefined || name === "") throw new HttpError(400, `CALDAV:${localOf(element.name)} has no name`);
  return name.toUpperCase();
}

const unknown = (child: Element, parent: Element): Refusal =>
  invalidFilter(`CALDAV:${localOf(parent.name)} cannot hold ${child.name}`);
