import { HttpError, type HttpRequest, type HttpResponse } from "../http/message.ts";
import type { Property } from "../ical/component.ts";
import { formatUtc, parseDateTimeText, parseDuration } from "../ical/time.ts";
import { writeComponent } from "../ical/write.ts";
import { type CalendarAddress, type TimeRange, type Utc, utc } from "../model/ids.ts";
import { freeBusyOf } from "../scheduling/outbox.ts";
import { cs, el, type QName } from "../xml/element.ts";
import { errorBody } from "./error-body.ts";
import { asStranger, outboxServices } from "./methods/outbox-post.ts";
import { xmlType } from "./multistatus.ts";
import { product } from "./product.ts";
import type { Context } from "./registry.ts";
import { isRecordType, principalAt, uidsName } from "./urls.ts";

const names: ReadonlySet<string> = new Set(["freebusy", "freebusy.ifb"]);
const allow = "OPTIONS, GET, HEAD, POST";
const day = 86_400;
/** The longest range that is answered: five years, s. */
const longest = 5 * 366 * day;

/** The busy time of a home's owner at `<home>/freebusy` (FreeBusyURL of the plist; CalConnect's "Freebusy Read URL"), also as
 *  `freebusy.ifb`. Undefined: the request is for something else. Who may ask for the owner's busy time in an outbox may read it here,
 *  and sees the same. `start`, `end` (UTC date-times) or `period` or `duration`; without them from today, for TimePeriod days. */
export async function freeBusyUrl(request: HttpRequest, context: Context): Promise<HttpResponse | undefined> {
  const { freeBusyUrl: settings } = context.services.settings;
  const { method, path, query } = request;
  const [place, type = "", name = "", last = "", ...more] = path;
  if (settings === undefined || place !== "calendars" || more.length > 0 || !names.has(last)) return undefined;
  if (!isRecordType(type) && type !== uidsName) return undefined;
  const { directory, store, now } = context.services;
  const owner = await principalAt(directory, type, name);
  // A calendar that somebody has made under this name goes before it.
  const isOurs = owner?.calendaring === true && (await store.open({ owner, path: [last] })) === undefined;
  if (!isOurs) return undefined;
  if (method === "OPTIONS") return undefined;
  if (context.user === undefined && !settings.anonymous) throw new HttpError(401, "sign in first");
  if (method !== "GET" && method !== "HEAD" && method !== "POST")
    throw new HttpError(405, `a free-busy URL takes ${allow}`, { Allow: allow });
  const asked = askedOf(query, now(), settings.days);
  if ("refused" in asked) return asked.refused;
  const asking = context.user === undefined ? asStranger(context.services) : context;
  const address = owner.addresses[0] ?? (`urn:uuid:${owner.uid}` as CalendarAddress);
  const found = await freeBusyOf(owner, line("ATTENDEE", address), asked.range, outboxServices(asking));
  if (found === undefined) throw new HttpError(403, `the busy time of ${owner.shortName} may not be asked for`);
  const text = writeComponent({
    name: "VCALENDAR",
    properties: [line("VERSION", "2.0"), line("PRODID", product), line("METHOD", "REPLY")],
    components: [found],
    line: 0,
  });
  const headers = { "Content-Type": `${asked.format}; charset=utf-8`, "Cache-Control": "no-cache" };
  return method === "HEAD"
    ? { status: 200, headers: { ...headers, "Content-Length": `${Buffer.byteLength(text)}` } }
    : { status: 200, headers, body: text };
}

const line = (name: string, value: string): Property => ({ name, parameters: [], value, line: 0 });

type Asked = { readonly range: TimeRange; readonly format: string } | { readonly refused: HttpResponse };

const refused = (status: number, condition: QName, problem: string): Asked => ({
  refused: { status, headers: { "content-type": xmlType }, body: errorBody(el(condition), problem) },
});

/** The parameters, with the answers of the original to wrong ones. */
function askedOf(query: URLSearchParams, now: Utc, days: number): Asked {
  for (const name of ["token", "user"])
    if (query.has(name))
      return refused(406, cs("supported-query-parameter"), `the parameter ${name} is not supported here`);
  const format = query.get("format")?.split(";")[0]?.trim().toLowerCase() ?? "text/calendar";
  if (format !== "text/calendar" && format !== "text/plain")
    return refused(406, cs("supported-format"), "formats are text/calendar and text/plain");
  const wrong = (problem: string): Asked => refused(400, cs("valid-query-parameters"), problem);
  for (const name of new Set(query.keys()))
    if (query.getAll(name).length > 1) return wrong(`${name.slice(0, 40)} is there more than once`);
  const lasts = query.get("period") ?? query.get("duration");
  const until = query.get("end");
  if (lasts !== null && until !== null)
    return refused(406, cs("valid-query-parameters"), "a range has an end or a duration");
  const from = query.get("start");
  const start = from === null ? utc(now - (now % day)) : utcOf(from);
  if (start === undefined) return wrong("start is a date-time in UTC, as in 20261120T000000Z");
  const end = until !== null ? utcOf(until) : utc(start + (lasts === null ? days * day : lengthOf(lasts)));
  if (end === undefined) return wrong("end is a date-time in UTC, as in 20261120T000000Z");
  if (Number.isNaN(end)) return wrong("the duration is written as in P14D or PT8H");
  if (end <= start) return wrong("the range ends before it begins");
  if (end - start > longest) return wrong(`the range ${formatUtc(start)}/… is longer than five years`);
  return { range: { start, end }, format };
}

function utcOf(text: string): Utc | undefined {
  const found = parseDateTimeText(text);
  return found?.utc === true && !found.date ? utc(found.local) : undefined;
}

/** Seconds; NaN for what is no duration of some length. */
function lengthOf(text: string): number {
  const found = parseDuration(text);
  const length = found === undefined ? 0 : found.days * day + found.seconds;
  return length > 0 ? length : Number.NaN;
}
