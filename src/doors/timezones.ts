import { bodyOf } from "../http/body.ts";
import { HttpError, type HttpRequest, type HttpResponse } from "../http/message.ts";
import { child, cs, dav, type Element, el, elements, type QName } from "../xml/element.ts";
import { readXml } from "../xml/read.ts";
import { writeXml } from "../xml/write.ts";
import type { Door } from "./door.ts";
import { originalAnswer } from "./timezones-original.ts";
import { standardAnswer } from "./timezones-standard.ts";

const place = "timezones";
const wellKnown = ".well-known";

/** The time zone service: RFC 7808 below `/timezones/`, and on `/timezones` itself the queries of the original server
 *  (`?method=list`, `get` and `expand`). Open to everybody; nothing can be changed through it. */
export const timeZonesDoor: Door = {
  claims: ([first, second]) => first === place || (first === wellKnown && second === "timezone"),
  async handle(request) {
    const { method, path, query } = request;
    // RFC 7808 §4.2.1.3
    if (path[0] === wellKnown)
      return { status: 301, headers: { Location: `/${place}`, "Cache-Control": "max-age=86400" } };
    if (method === "OPTIONS") return { status: 200, headers: { Allow: allow, DAV: "1" } };
    const isRoot = path.length === 1;
    if (method === "PROPFIND" && isRoot) return properties(request);
    if (!readers.has(method)) {
      if (writers.has(method)) throw new HttpError(403, "the time zone service cannot be changed");
      throw new HttpError(405, `the time zone service takes ${allow}`, { Allow: allow });
    }
    const response = !isRoot ? standardAnswer(`/${place}`, request) : query.size === 0 ? page : originalAnswer(query);
    return method === "HEAD" ? withoutBody(response) : response;
  },
};

const allow = "OPTIONS, GET, HEAD, POST, PROPFIND";
const readers = new Set(["GET", "HEAD", "POST"]);
/** What the original refused with 403, and clients may try. */
const writers = new Set(["PUT", "DELETE", "PROPPATCH", "MKCOL", "MKCALENDAR", "COPY", "MOVE", "ACL"]);

const page: HttpResponse = {
  status: 200,
  headers: { "Content-Type": "text/html; charset=utf-8" },
  body: `<!DOCTYPE html>
<html lang="en"><head><title>Time zones</title></head>
<body><h1>Time zones</h1><p>The time zone data distribution service (RFC 7808) is at <a href="/${place}/capabilities">capabilities</a>
and <a href="/${place}/zones">zones</a>.</p></body></html>
`,
};

function withoutBody({ status, headers = {}, body = "" }: HttpResponse): HttpResponse {
  return typeof body === "string" || body instanceof Uint8Array
    ? { status, headers: { ...headers, "Content-Length": `${Buffer.byteLength(body)}` } }
    : { status, headers };
}

const maxBody = 65_536;
const held: readonly Element[] = [
  el(dav("resourcetype"), el(cs("timezones"))),
  el(dav("displayname"), place),
  el(dav("getcontenttype"), "text/html; charset=utf-8"),
];

/** Enough for clients that look before they ask: no more than the resource's type. */
async function properties(request: HttpRequest): Promise<HttpResponse> {
  const body = await bodyOf(request, maxBody);
  const asked = body.length === 0 ? undefined : child(readXml(body), dav("prop"));
  const names = asked === undefined ? held.map(({ name }) => name) : elements(asked).map(({ name }) => name);
  const found = held.filter(({ name }) => names.includes(name));
  const missing = names.filter((name) => !held.some((property) => property.name === name)).map((name) => el(name));
  const response = el(
    dav("response"),
    el(dav("href"), request.rawPath),
    ...[propstat(200, "OK", found), propstat(404, "Not Found", missing)].flat(),
  );
  return {
    status: 207,
    headers: { "Content-Type": "application/xml; charset=utf-8" },
    body: writeXml(el(dav("multistatus"), response)),
  };
}

const propstat = (status: number, phrase: string, found: readonly Element[]): readonly Element[] =>
  found.length === 0
    ? []
    : [el(dav("propstat"), el(prop, ...found), el(dav("status"), `HTTP/1.1 ${status} ${phrase}`))];

const prop: QName = dav("prop");
