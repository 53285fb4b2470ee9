import { checkConditions } from "../http/conditions.ts";
import { isoDate } from "../http/dates.ts";
import type { HttpRequest, HttpResponse } from "../http/message.ts";
import { jcalType, toJCal } from "../ical/jcal.ts";
import { leapSeconds, sourceModified, sourceName, sourceRelease } from "../ical/zone-source.ts";
import { zoneDefinition, zoneObservances } from "../ical/zone-writer.ts";
import { type Utc, utc } from "../model/ids.ts";
import {
  calendarOf,
  calendarType,
  latest,
  publisher,
  type ZoneSummary,
  zoneSummaries,
  zoneTag,
} from "./timezones-data.ts";

/** The time zone data distribution service (RFC 7808). `context` is its path without a final slash; the request's path goes
 *  on behind it. Time zone names may be written with "/" or "%2F". Errors are problem details (§4.1.7). */
export function standardAnswer(context: string, request: HttpRequest): HttpResponse {
  const { query, path } = request;
  const [, action, ...rest] = path;
  if (action === "capabilities" && rest.length === 0) return json(capabilities(context));
  if (action === "leapseconds" && rest.length === 0) return json(leapSecondsData());
  if (action !== "zones") return problem(404, "invalid-action", "there is no such action");
  if (rest.length === 0) return query.has("pattern") ? find(query) : list(query);
  const expands = rest.length > 1 && rest.at(-1) === "observances";
  const tzid = (expands ? rest.slice(0, -1) : rest).join("/");
  if (sourceName(tzid) === undefined)
    return problem(404, "tzid-not-found", "Time zone identifier was not found on this server");
  return expands ? expand(tzid, request) : get(tzid, request);
}

const json = (body: unknown, headers: Record<string, string> = {}): HttpResponse => ({
  status: 200,
  headers: { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "max-age=3600", ...headers },
  body: JSON.stringify(body),
});

const problem = (status: number, code: string, title: string): HttpResponse => ({
  status,
  headers: { "Content-Type": "application/problem+json; charset=utf-8", "Content-Language": "en" },
  body: JSON.stringify({ type: `urn:ietf:params:tzdist:error:${code}`, title, status }),
});

/** §6.1 */
function capabilities(context: string): unknown {
  const parameter = (name: string, required: boolean) => ({ name, required, multi: false });
  const range = (required: boolean) => [parameter("start", required), parameter("end", required)];
  const action = (name: string, template: string, parameters: readonly unknown[]) => ({
    name,
    "uri-template": context + template,
    parameters,
  });
  return {
    version: 1,
    info: {
      "primary-source": `${publisher}:${sourceRelease}`,
      formats: ["text/calendar", jcalType],
      truncated: { any: true, untruncated: true },
    },
    actions: [
      action("capabilities", "/capabilities", []),
      action("list", "/zones{?changedsince}", [parameter("changedsince", false)]),
      action("get", "/zones{/tzid}{?start,end}", range(false)),
      action("expand", "/zones{/tzid}/observances{?start,end}", range(true)),
      action("find", "/zones{?pattern}", [parameter("pattern", true)]),
      action("leapseconds", "/leapseconds", []),
    ],
  };
}

const timeZones = (timezones: readonly ZoneSummary[]): HttpResponse => json({ synctoken: sourceRelease, timezones });

/** §5.2: what has changed since another release is not remembered, so everything may have. */
function list(query: URLSearchParams): HttpResponse {
  const [since, ...more] = query.getAll("changedsince");
  if (more.length > 0) return problem(400, "invalid-changedsince", "changedsince is given more than once");
  return timeZones(since === sourceRelease ? [] : zoneSummaries());
}

/** §5.5 */
function find(query: URLSearchParams): HttpResponse {
  const [pattern, ...more] = query.getAll("pattern");
  const matches = pattern === undefined || more.length > 0 ? undefined : patternTest(pattern);
  if (matches === undefined)
    return problem(400, "invalid-pattern", "pattern is given once, with * at its ends only, and \\* or \\\\ for these");
  return timeZones(zoneSummaries().filter(({ tzid, aliases }) => matches(tzid) || aliases.some(matches)));
}

const folded = (name: string): string => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replaceAll("_", " ");

/** Undefined for a pattern that is none. */
function patternTest(pattern: string): ((name: string) => boolean) | undefined {
  const [, before, inner = "", after] = /^(\*?)((?:[^*\\]|\\[*\\])*)(\*?)$/.exec(pattern) ?? [];
  if (before === undefined || pattern.length > 200) return undefined;
  const wanted = folded(inner.replace(/\\(.)/g, "$1"));
  if (wanted === "" && pattern !== "*" && pattern !== "**") return undefined;
  if (before !== "" && after !== "") return (name) => folded(name).includes(wanted);
  if (before !== "") return (name) => folded(name).endsWith(wanted);
  if (after !== "") return (name) => folded(name).startsWith(wanted);
  return (name) => folded(name) === wanted;
}

interface Range {
  readonly start: Utc | undefined;
  readonly end: Utc | undefined;
}

/** The parameters start and end; an answer where one of them is no UTC date-time of RFC 3339 before 2300, comes twice, or
 *  the range is empty. */
function rangeOf(query: URLSearchParams, required: boolean): Range | HttpResponse {
  const [start, end] = ["start", "end"].map((name) => {
    const values = query.getAll(name);
    if (values.length === 0) return required ? null : undefined;
    return values.length === 1 ? instantOf(values[0] ?? "") : null;
  });
  if (start === null) return problem(400, "invalid-start", "start is one UTC date-time such as 2026-01-01T00:00:00Z");
  if (end === null || (end !== undefined && start !== undefined && end <= start))
    return problem(400, "invalid-end", "end is one UTC date-time after the start, such as 2027-01-01T00:00:00Z");
  return { start, end };
}

function instantOf(text: string): Utc | null {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/.test(text)) return null;
  const at = Date.parse(text) / 1000;
  return Number.isFinite(at) && at < latest && !text.startsWith("0000") ? utc(at) : null;
}

/** §5.3 */
function get(tzid: string, { headers, query }: HttpRequest): HttpResponse {
  const format = formatFor(headers["accept"]);
  if (format === undefined)
    return problem(406, "invalid-format", `time zones are given as text/calendar and ${jcalType}`);
  const range = rangeOf(query, false);
  if ("status" in range) return range;
  const etag = tagOf(tzid, range, format);
  const modified = utc(sourceModified());
  if (checkConditions(headers, { etag, modified }, "GET")) return { status: 304, headers: { ETag: etag } };
  const { start, end } = range;
  const text = calendarOf(
    zoneDefinition(tzid, { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) }),
  );
  const type = format === "json" ? `${jcalType}; charset=utf-8` : calendarType;
  return {
    status: 200,
    headers: { "Content-Type": type, ETag: etag, Vary: "Accept", "Cache-Control": "max-age=3600" },
    body: format === "json" ? toJCal(text) : text,
  };
}

/** The tag of the whole definition as iCalendar is the one that "list" tells. */
function tagOf(tzid: string, { start, end }: Range, format: "text" | "json"): string {
  const cut = start === undefined && end === undefined ? "" : `-${start ?? ""}.${end ?? ""}`;
  return `"${zoneTag(sourceName(tzid) ?? tzid)}${cut}${format === "json" ? "-j" : ""}"`;
}

/** §4.1.2. Undefined when Accept takes neither format. */
function formatFor(accept: string | undefined): "text" | "json" | undefined {
  if (accept === undefined || accept.trim() === "") return "text";
  let best: { readonly format: "text" | "json"; readonly quality: number } | undefined;
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const format = ["text/calendar", "text/*", "*/*"].includes(type)
      ? "text"
      : [jcalType, "application/*"].includes(type)
        ? "json"
        : undefined;
    const given = parameters.find((parameter) => parameter.startsWith("q="));
    const quality = given === undefined ? 1 : Number(given.slice(2));
    if (format !== undefined && quality > (best?.quality ?? 0)) best = { format, quality };
  }
  return best?.format;
}

/** §5.4 */
function expand(tzid: string, { query }: HttpRequest): HttpResponse {
  const range = rangeOf(query, true);
  if ("status" in range) return range;
  const { start = utc(0), end = utc(0) } = range;
  const observances = (zoneObservances(tzid, start, end) ?? []).map(({ onset, from, to, name }) => ({
    name,
    onset: isoDate(onset),
    "utc-offset-from": from,
    "utc-offset-to": to,
  }));
  return json({ tzid, observances }, { ETag: `"${zoneTag(sourceName(tzid) ?? tzid)}-o${start}.${end}"` });
}

/** §5.6 */
const leapSecondsData = (): unknown => ({
  expires: leapSeconds.expires,
  publisher,
  version: sourceRelease,
  leapseconds: leapSeconds.changes.map(({ onset, offset }) => ({ "utc-offset": offset, onset })),
});
