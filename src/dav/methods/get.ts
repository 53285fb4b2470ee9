import { joined } from "../../base/stream.ts";
import { type CurrentState, checkConditions } from "../../http/conditions.ts";
import { httpDate } from "../../http/dates.ts";
import { attachmentNamed } from "../../http/disposition.ts";
import { HttpError, type HttpRequest, type HttpResponse } from "../../http/message.ts";
import { rangeResponse, streamedResponse } from "../../http/range.ts";
import { splitList } from "../../http/tokens.ts";
import { bundle } from "../../ical/bundle.ts";
import { jcalType, toJCal } from "../../ical/jcal.ts";
import { withZones, type ZonesAsked } from "../../ical/zones-by-reference.ts";
import type { Content, ObjectEntry, OpenContent } from "../../store/contract.ts";
import { dav, textOf } from "../../xml/element.ts";
import { dropboxFolder, isManagedPlace } from "../attachments/boxes.ts";
import { filenameIn } from "../attachments/managed.ts";
import { listing } from "../listing.ts";
import { isWholeToAsker, seenText } from "../privacy.ts";
import { product } from "../product.ts";
import { withPrivilege } from "../readable.ts";
import type { Context, Method } from "../registry.ts";
import { membersOf } from "../reports/members.ts";
import { type Resource, resourceKinds, type Shape } from "../resource.ts";
import { zonesAsked } from "../zones-asked.ts";
import { stateOf } from "./preconditions.ts";

/** GET (RFC 9110 §9.3.1): a member as it is stored, a whole calendar as one stream, anything else as a page for people. */
export const getMethod: Method = {
  name: "GET",
  on: resourceKinds,
  needs: () => ["read"],
  handle: (resource, context, request) =>
    !("entry" in resource)
      ? collection(resource, context, request)
      : resource.kind === "file"
        ? fileAnswer(resource, request)
        : member(resource, context, request),
};

/** HEAD (RFC 9110 §9.3.2): the headers of GET. A length is told where it is known without writing the answer. */
export const headMethod: Method = {
  ...getMethod,
  name: "HEAD",
  async handle(resource, context, request) {
    const { status, headers, body } = await getMethod.handle(resource, context, request);
    if (body === undefined || (typeof body !== "string" && !(body instanceof Uint8Array))) {
      await body?.[Symbol.asyncIterator]().return?.();
      return { status, headers: headers ?? {} };
    }
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    return { status, headers: { ...headers, "Content-Length": `${length}` } };
  },
};

type Member = Shape<"object" | "file">;

async function member(resource: Member, context: Context, request: HttpRequest): Promise<HttpResponse> {
  const content = await resource.collection.read(resource.entry.name);
  if (content === undefined) throw new HttpError(404, `${resource.href} does not exist`);
  if (checkConditions(request.headers, content, "GET")) return notModified(content, resource.entry);
  return representation(resource, content, context, request);
}

const notModified = (
  { etag, modified }: Pick<Content, "etag" | "modified">,
  { scheduleTag }: ObjectEntry,
): HttpResponse => ({
  status: 304,
  headers: {
    ETag: etag,
    "Last-Modified": httpDate(modified),
    ...(scheduleTag === undefined ? {} : { "Schedule-Tag": scheduleTag }),
  },
});

/** Anybody's upload: a browser must not run it with the reader's rights on this server. */
const guarded = { "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'" };

/** A file, read while it is sent when it is large. What lies in the drop box is to be saved under its name, not shown. */
export async function fileAnswer(resource: Shape<"file">, request: HttpRequest): Promise<HttpResponse> {
  const { collection, entry, href } = resource;
  const file = await collection.openFile(entry.name);
  if (file === undefined) throw new HttpError(404, `${href} does not exist`);
  try {
    const { etag, modified, size } = file;
    if (checkConditions(request.headers, file, "GET")) {
      await file.close();
      return notModified(file, entry);
    }
    const headers: Record<string, string> = {
      "Content-Type": entry.hasProperties ? await typeOf(resource) : defaultTypes.file,
      ETag: etag,
      "Last-Modified": httpDate(modified),
      ...guarded,
    };
    const { ref } = collection;
    if (ref.path[0] === dropboxFolder)
      headers["Content-Disposition"] = attachmentNamed(isManagedPlace(ref) ? filenameIn(entry.name) : entry.name);
    const content = { etag, modified, size, headers };
    if (size > heldInMemory)
      return await streamedResponse(request.headers, {
        ...content,
        read: (first, last) => closing(file, first, last),
        close: () => file.close(),
      });
    const pieces: Uint8Array[] = [];
    for await (const piece of file.bytes()) pieces.push(piece);
    await file.close();
    return rangeResponse(request.headers, { ...content, bytes: Buffer.concat(pieces) });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Bytes of a file up to which it is answered from memory. */
const heldInMemory = 256 << 10;

/** The bytes of a file that is closed behind the last of them, or when nobody wants more; also when nobody ever wanted any. */
function closing(file: OpenContent, first: number, last: number): AsyncIterable<Uint8Array> {
  const pieces = file.bytes(first, last)[Symbol.asyncIterator]();
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        try {
          const next = await pieces.next();
          if (next.done === true) await file.close();
          return next;
        } catch (error) {
          await file.close();
          throw error;
        }
      },
      return: async () => {
        await file.close();
        return { done: true, value: undefined };
      },
    }),
  };
}

/** A member's content as the asker may see it, in the form asked for by Accept, whole or in the ranges asked for. */
export async function representation(
  resource: Member,
  content: Content,
  context: Context,
  request: HttpRequest,
): Promise<HttpResponse> {
  const { entry, kind } = resource;
  const headers: Record<string, string> = {
    "Content-Type": entry.hasProperties ? await typeOf(resource) : defaultTypes[kind],
    ETag: content.etag,
    "Last-Modified": httpDate(content.modified),
  };
  if (entry.scheduleTag !== undefined) headers["Schedule-Tag"] = entry.scheduleTag;
  let { bytes } = content;
  if (kind === "file") {
    Object.assign(headers, guarded);
  } else {
    if (!isWholeToAsker(entry, resource.owner, context)) {
      const stored = bytes.toString();
      const text = await seenText(stored, entry, resource.owner, context);
      if (text === undefined) throw new HttpError(404, `${resource.href} does not exist`);
      if (text !== stored) bytes = Buffer.from(text);
    }
    const zones = zonesAsked(request, context);
    if (zones !== "stored") {
      headers["Vary"] = "CalDAV-Timezones";
      bytes = Buffer.from(withZones(bytes.toString(), zones));
    }
    if (prefersJCal(request)) {
      headers["Content-Type"] = `${jcalType}; charset=utf-8`;
      headers["Vary"] = "Accept";
      bytes = Buffer.from(toJCal(bytes.toString()));
    }
  }
  return rangeResponse(request.headers, { bytes, etag: content.etag, modified: content.modified, headers });
}

const calendarType = "text/calendar; charset=utf-8";
const defaultTypes = { object: calendarType, file: "application/octet-stream" } as const;

async function typeOf({ collection, entry, kind }: Member): Promise<string> {
  const stored = (await collection.properties(entry.name)).get(dav("getcontenttype"));
  return stored === undefined ? defaultTypes[kind] : textOf(stored);
}

/** Whether Accept likes jCal better than iCalendar, or a PUT that names no preference sent it (RFC 7265 §7). */
export function prefersJCal({ headers }: HttpRequest): boolean {
  const { accept } = headers;
  if (accept === undefined) return headers["content-type"]?.startsWith(jcalType) === true;
  if (!accept.includes(jcalType)) return false;
  const quality = (type: string): number => {
    const part = splitList(accept).find((one) => one.toLowerCase().startsWith(type));
    const q = part === undefined ? undefined : /;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)/i.exec(part)?.[1];
    return part === undefined ? 0 : Number(q ?? 1);
  };
  return quality(jcalType) > 0 && quality(jcalType) >= quality("text/calendar");
}

const bundled: ReadonlySet<string> = new Set(["calendar", "inbox"]);

async function collection(resource: Resource, context: Context, request: HttpRequest): Promise<HttpResponse> {
  const state = pageState(resource);
  const headers = headersOf(state);
  if (checkConditions(request.headers, state, "GET")) return { status: 304, headers };
  const asStream = context.services.settings.monolithicCalendars && !isBrowser(request);
  if (asStream && bundled.has(resource.kind))
    return wholeCalendar(resource as Shape<"calendar" | "inbox">, headers, zonesAsked(request, context), context);
  const page = await listing(resource, context);
  return { ...page, headers: { ...headers, ...page.headers } };
}

/** The state of what is shown. A listing also changes when a collection inside comes or goes, which is no change of a member:
 *  the directory's time tells. */
function pageState(resource: Resource): CurrentState | undefined {
  if (resource.kind !== "home" && resource.kind !== "folder") return stateOf(resource);
  const { syncToken, modified } = resource.info;
  return { etag: `"${syncToken}-${modified}"`, modified };
}

function headersOf(state: CurrentState | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  if (state?.etag !== undefined) headers["ETag"] = state.etag;
  if (state?.modified !== undefined) headers["Last-Modified"] = httpDate(state.modified);
  return headers;
}

/** As the original told browsers from calendar programs that subscribe. */
function isBrowser({ headers }: HttpRequest): boolean {
  const agent = headers["user-agent"];
  return agent?.startsWith("Mozilla/") === true && agent.includes("Gecko");
}

async function wholeCalendar(
  calendar: Shape<"calendar" | "inbox">,
  headers: Record<string, string>,
  zones: ZonesAsked,
  context: Context,
): Promise<HttpResponse> {
  const name = (await calendar.collection.properties()).get(dav("displayname"));
  const stream = bundle(textsOf(calendar, zones, context), {
    product,
    ...(name === undefined ? {} : { name: textOf(name) }),
  });
  return { status: 200, headers: { ...headers, "Content-Type": calendarType }, body: joined(stream) };
}

/** The texts of a calendar's members as far as the asker may see them. */
export async function* textsOf(
  calendar: Shape<"calendar" | "inbox">,
  zones: ZonesAsked,
  context: Context,
): AsyncGenerator<string> {
  for await (const page of membersOf(calendar, readable(calendar, context), context))
    for (const { text } of page) yield withZones(text, zones);
}

/** The rows of members that the asker may read. */
async function* readable(
  calendar: Shape<"calendar" | "inbox">,
  context: Context,
): AsyncGenerator<readonly ObjectEntry[]> {
  for await (const page of calendar.collection.entries()) yield withPrivilege(calendar, page, "read", context);
}
