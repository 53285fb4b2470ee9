import { HttpError } from "../../http/message.ts";
import { jcalType, toJCal } from "../../ical/jcal.ts";
import { parseCalendarObject } from "../../ical/parse.ts";
import type { CompSelection, DataSelection, PropSelection } from "../../ical/partial.ts";
import { selectData } from "../../ical/partial.ts";
import { utcZone, type Zone } from "../../ical/zones.ts";
import { withZones, type ZonesAsked } from "../../ical/zones-by-reference.ts";
import { Refusal } from "../../model/refusal.ts";
import { caldav, child, childrenNamed, type Element, elements, elWith, type XmlValue } from "../../xml/element.ts";
import type { PropRequest } from "../multistatus.ts";
import { badRequest, timeRangeOf } from "./time-range.ts";

export const calendarData = caldav("calendar-data");

/** What a report wants of CALDAV:calendar-data (RFC 4791 §9.6). */
export interface DataRequest {
  /** jCal instead of iCalendar (RFC 7265 §7). */
  readonly json: boolean;
  /** undefined: the stored text, untouched and unparsed. */
  readonly selection: DataSelection | undefined;
}

/** The calendar-data that a report's properties ask for; undefined when they do not.
 *  Throws Refusal(supported-calendar-data) for other formats, HttpError(400) for a selection that is none. */
export function dataRequestOf(asked: PropRequest): DataRequest | undefined {
  const properties = asked.kind === "prop" ? asked.properties : asked.kind === "allprop" ? asked.include : [];
  const element = properties.find(({ name }) => name === calendarData);
  return element === undefined ? undefined : parse(element);
}

function parse(element: Element): DataRequest {
  const { "content-type": type = "text/calendar", version = "2.0" } = element.attributes;
  const json = type.toLowerCase() === jcalType;
  if ((!json && type.toLowerCase() !== "text/calendar") || version !== "2.0")
    throw new Refusal({
      code: "supported-calendar-data",
      problem: `calendar data is given as text/calendar or ${jcalType}, version 2.0; asked was ${type}, version ${version}`,
    });
  const comp = child(element, caldav("comp"));
  const range = (name: string) => {
    const found = child(element, caldav(name));
    return found === undefined ? undefined : timeRangeOf(found, false, badRequest);
  };
  const expand = range("expand");
  const limitRecurrenceSet = range("limit-recurrence-set");
  const limitFreeBusySet = range("limit-freebusy-set");
  if (expand !== undefined && limitRecurrenceSet !== undefined)
    throw new HttpError(400, "CALDAV:expand and CALDAV:limit-recurrence-set exclude each other");
  if (comp !== undefined && nameOf(comp) !== "VCALENDAR")
    throw new HttpError(400, `the outermost CALDAV:comp must name VCALENDAR, found "${comp.attributes["name"]}"`);
  const selection: DataSelection = {
    ...(comp === undefined ? {} : { comp: compSelection(comp) }),
    ...(expand === undefined ? {} : { expand }),
    ...(limitRecurrenceSet === undefined ? {} : { limitRecurrenceSet }),
    ...(limitFreeBusySet === undefined ? {} : { limitFreeBusySet }),
  };
  return { json, selection: Object.keys(selection).length === 0 ? undefined : selection };
}

function compSelection(element: Element): CompSelection {
  const has = (name: string): boolean => child(element, caldav(name)) !== undefined;
  const props = childrenNamed(element, caldav("prop")).map(propSelection);
  const comps = childrenNamed(element, caldav("comp")).map(compSelection);
  const nothing = elements(element).length === 0;
  return {
    name: nameOf(element),
    props: nothing || has("allprop") ? "all" : props,
    comps: nothing || has("allcomp") ? "all" : comps,
  };
}

function propSelection(element: Element): PropSelection {
  const { novalue } = element.attributes;
  if (novalue !== undefined && novalue !== "yes" && novalue !== "no")
    throw new HttpError(400, `novalue must be "yes" or "no", found "${novalue}"`);
  return { name: nameOf(element), noValue: novalue === "yes" };
}

function nameOf(element: Element): string {
  const name = element.attributes["name"];
  if (name === undefined || name === "") throw new HttpError(400, "a CALDAV:comp or CALDAV:prop has no name");
  return name.toUpperCase();
}

/** The value of CALDAV:calendar-data for an object's text. `floatingZone` is looked at only where there is a selection; undefined
 *  means UTC. Throws Refusal(number-of-recurrences-within-limits) when an expansion has more than `limit` instances. */
export function dataOf(
  text: string,
  { json, selection }: DataRequest,
  zones: ZonesAsked,
  floatingZone: Zone | undefined,
  limit: number,
): XmlValue {
  const chosen =
    selection === undefined ? text : selectData(parseCalendarObject(text), selection, floatingZone ?? utcZone, limit);
  const selected = withZones(chosen, zones);
  return json ? elWith(calendarData, { "content-type": jcalType, version: "2.0" }, toJCal(selected)) : selected;
}
