import { Lru } from "../base/lru.ts";
import { checkConditions } from "../http/conditions.ts";
import { httpDate } from "../http/dates.ts";
import { type Body, HttpError, type HttpRequest, type HttpResponse } from "../http/message.ts";
import type { ETag, Utc } from "../model/ids.ts";
import type { Door } from "./door.ts";

/** A published calendar as of one moment. */
export interface PublishedCalendar {
  /** Changes with anything that is shown. */
  readonly etag: ETag;
  readonly modified: Utc;
  /** The whole as one iCalendar stream. */
  stream(): AsyncIterable<string>;
}

/** Finds what a token leads to; undefined for one that leads nowhere (any more). */
export type FindPublished = (token: string) => Promise<PublishedCalendar | undefined>;

const place = "published";
const allow = "OPTIONS, GET, HEAD";
const contentType = "text/calendar; charset=utf-8";

/** Texts that were read whole lately, so that many subscribers cost one reading: bytes of each and of all. */
const keptText = 1 << 20;
const keptTexts = 8 << 20;
/** Answers of one calendar that are being made at once, in one worker. */
const atOnce = 4;

/** Published calendars at `/published/<token>.ics`, for everybody who knows the token: GET and HEAD of the whole, with ETags, as a
 *  stranger sees it. Nobody signs in, nothing can be changed, and an unknown token is not told from a revoked one. */
export function publishedDoor(find: FindPublished): Door {
  const texts = new Lru<string, { readonly etag: ETag; readonly text: string }>({
    maxWeight: keptTexts,
    weigh: ({ text }) => text.length,
  });
  const running = new Map<string, number>();

  async function* streamed(token: string, { etag, stream }: PublishedCalendar): AsyncGenerator<string> {
    running.set(token, (running.get(token) ?? 0) + 1);
    try {
      let text: string | undefined = "";
      for await (const part of stream()) {
        text = text === undefined || text.length + part.length > keptText ? undefined : text + part;
        yield part;
      }
      if (text !== undefined) texts.set(token, { etag, text });
    } finally {
      const left = (running.get(token) ?? 1) - 1;
      if (left === 0) running.delete(token);
      else running.set(token, left);
    }
  }

  function bodyOf(token: string, calendar: PublishedCalendar): Body {
    const kept = texts.get(token);
    if (kept?.etag === calendar.etag) return kept.text;
    if ((running.get(token) ?? 0) >= atOnce)
      throw new HttpError(503, "this calendar is being read by many; try again", { "Retry-After": "2" });
    return streamed(token, calendar);
  }

  return {
    claims: ([first]) => first === place,
    async handle(request: HttpRequest): Promise<HttpResponse> {
      const { method, path } = request;
      if (method === "OPTIONS") return { status: 200, headers: { Allow: allow } };
      if (method !== "GET" && method !== "HEAD")
        throw new HttpError(405, `a published calendar takes ${allow}`, { Allow: allow });
      const [, name = "", ...more] = path;
      const token = name.endsWith(".ics") ? name.slice(0, -4) : name;
      const calendar = more.length > 0 ? undefined : await find(token);
      if (calendar === undefined) throw new HttpError(404, "there is no such published calendar");
      const headers = {
        ETag: calendar.etag,
        "Last-Modified": httpDate(calendar.modified),
        // Whoever has the address may read it; caches between are to ask whether it still holds.
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
      };
      if (checkConditions(request.headers, calendar, "GET")) return { status: 304, headers };
      const full = { ...headers, "Content-Type": contentType };
      return method === "HEAD"
        ? { status: 200, headers: full }
        : { status: 200, headers: full, body: bodyOf(token, calendar) };
    },
  };
}
