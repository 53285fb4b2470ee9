import type { HttpResponse } from "../http/message.ts";
import { formatLocal, parseDateTimeText } from "../ical/time.ts";
import { sourceLinks, sourceName, sourceZones } from "../ical/zone-source.ts";
import { formatOffset, zoneDefinition, zoneObservances } from "../ical/zone-writer.ts";
import { ianaZone } from "../ical/zones.ts";
import { type Utc, utc } from "../model/ids.ts";
import { cs, dav, type Element, el, TWISTED } from "../xml/element.ts";
import { writeXml } from "../xml/write.ts";
import { calendarOf, calendarType, latest } from "./timezones-data.ts";

/** The queries of the original server's time zone service: `method=list`, `method=get&tzid=…` and
 *  `method=expand&tzid=…&start=…&end=…`, answered in XML and iCalendar as it did. Bad parameters are 400, an unknown zone 404. */
export function originalAnswer(query: URLSearchParams): HttpResponse {
  const [method, ...more] = query.getAll("method");
  if (more.length > 0) return refused(400, "valid-method", "method is given more than once");
  if (method === "list") return list();
  if (method !== "get" && method !== "expand")
    return refused(400, "supported-method", "method must be list, get or expand");
  const tzid = only(query, "tzid");
  if (tzid === undefined) return refused(400, "valid-timezone", "tzid must be given once");
  if (sourceName(tzid) === undefined) return refused(404, "timezone-available", "there is no such time zone");
  return method === "get" ? get(tzid) : expand(tzid, query);
}

const only = (query: URLSearchParams, name: string): string | undefined => {
  const values = query.getAll(name);
  return values.length === 1 ? values[0] : undefined;
};

const xml = (status: number, root: Element): HttpResponse => ({
  status,
  headers: { "Content-Type": "application/xml; charset=utf-8" },
  body: writeXml(root),
});

const refused = (status: number, condition: string, problem: string): HttpResponse =>
  xml(status, el(dav("error"), el(cs(condition)), el(`{${TWISTED}}error-description`, problem)));

const list = (): HttpResponse =>
  xml(200, el(cs("tzids"), ...[...sourceZones(), ...sourceLinks().keys()].sort().map((name) => el(cs("tzid"), name))));

function get(tzid: string): HttpResponse {
  const definition = zoneDefinition(tzid, { naming: "original" });
  return { status: 200, headers: { "Content-Type": calendarType }, body: calendarOf(definition) };
}

function expand(tzid: string, query: URLSearchParams): HttpResponse {
  const start = instantIn(tzid, only(query, "start"));
  if (start === undefined) return refused(400, "valid-start-date", "start must be one date or date-time");
  const end = instantIn(tzid, only(query, "end"));
  if (end === undefined || end <= start)
    return refused(400, "valid-end-date", "end must be one date or date-time after the start");
  const observances = (zoneObservances(tzid, start, utc(Math.min(end, latest))) ?? []).map(({ onset, from, to }) =>
    el(cs("observance"), el(cs("onset"), formatLocal(onset + from)), el(cs("utc-offset"), formatOffset(to))),
  );
  return xml(200, el(cs("tzdata"), ...observances));
}

/** Dates and times are on the zone's own clock, unless they end in Z. */
function instantIn(tzid: string, text: string | undefined): Utc | undefined {
  const read = text === undefined ? undefined : parseDateTimeText(text);
  if (read === undefined || read.local >= latest) return undefined;
  return read.utc ? utc(read.local) : ianaZone(tzid)?.toUtc(read.local);
}
