import assert from "node:assert/strict";
import { dispatch } from "../../src/dav/dispatch.ts";
import { errorResponse } from "../../src/dav/error-body.ts";
import type { DavSettings } from "../../src/dav/registry.ts";
import type { HttpResponse } from "../../src/http/message.ts";
import { methods, reports } from "../../src/server.ts";
import type { StoreOptions } from "../../src/store/store.ts";
import { child, childrenNamed, dav, type Element, elements, textOf } from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";
import { givenTree, requestOf, type Tree, textOfBody } from "./tree.ts";

/** What came back. */
export interface Answer {
  readonly status: number;
  /** By lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** `key=value` items of the access log, the report's name first. */
  readonly log: readonly string[];
}

export interface Exchange {
  readonly tree: Tree;
  send(
    method: string,
    path: string,
    options?: {
      /** null: somebody who has not signed in. */
      readonly as?: string | null;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    },
  ): Promise<Answer>;
  /** Stores an object and expects that it is taken. Answers its ETag. */
  put(path: string, text: string, as?: string): Promise<string>;
  end(): Promise<void>;
}

/** The whole DAV floor on an empty store, spoken to as user01 unless said otherwise. */
export async function givenExchange(
  changed: Partial<DavSettings> = {},
  accounts?: string,
  options: Partial<StoreOptions> = {},
): Promise<Exchange> {
  const tree = await givenTree({ methods, reports }, changed, accounts, options);
  const send: Exchange["send"] = async (method, path, { as = "user01", headers = {}, body = "" } = {}) => {
    const context = await tree.context(as ?? undefined);
    const request = requestOf(method, path, headers, body);
    let response: HttpResponse;
    try {
      response = await dispatch(request, context);
    } catch (error) {
      response = errorResponse(error, request, context, () => ({}));
    }
    const text = await textOfBody(response);
    const named = Object.entries(response.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]);
    const { report, items } = request.log;
    return {
      status: response.status,
      headers: Object.fromEntries(named) as Record<string, string>,
      text,
      log: report === undefined ? items : [report, ...items],
    };
  };
  return {
    tree,
    send,
    put: async (path, text, as = "user01") => {
      const answer = await send("PUT", path, { as, headers: { "content-type": "text/calendar" }, body: text });
      assert.ok(answer.status === 201 || answer.status === 204, `PUT ${path}: ${answer.status} ${answer.text}`);
      return answer.headers["etag"] ?? "";
    },
    end: () => tree.end(),
  };
}

/** One DAV:response of a multistatus: its href, its own status if it has one, and its properties by status. */
export interface Told {
  readonly href: string;
  readonly status: number | undefined;
  readonly error: string | undefined;
  readonly properties: ReadonlyMap<number, ReadonlyMap<string, Element>>;
}

const statusIn = (element: Element): number | undefined => {
  const status = child(element, dav("status"));
  return status === undefined ? undefined : Number(textOf(status).split(" ")[1]);
};
const errorIn = (element: Element): string | undefined => {
  const error = child(element, dav("error"));
  return error && elements(error)[0]?.name;
};

/** The responses of a multistatus. */
export function told(answer: Answer): readonly Told[] {
  assert.equal(answer.status, 207, answer.text);
  const root = readXml(answer.text);
  assert.equal(root.name, dav("multistatus"));
  return childrenNamed(root, dav("response")).map((response) => ({
    href: textOf(child(response, dav("href")) ?? response),
    status: statusIn(response),
    error: errorIn(response),
    properties: new Map(
      childrenNamed(response, dav("propstat")).map((propstat) => [
        statusIn(propstat) ?? 0,
        new Map(elements(child(propstat, dav("prop")) ?? propstat).map((property) => [property.name, property])),
      ]),
    ),
  }));
}

/** The hrefs of a multistatus, those with a status of their own as `href 404`. */
export const hrefsOf = (answer: Answer): readonly string[] =>
  told(answer).map(({ href, status }) => (status === undefined ? href : `${href} ${status}`));

/** The text of a property that was found. */
export function propertyText(answer: Answer, href: string, name: string): string | undefined {
  const property = told(answer)
    .find((one) => one.href === href)
    ?.properties.get(200)
    ?.get(name);
  return property && textOf(property);
}

/** The precondition element inside DAV:error of a refusal. */
export function conditionIn(answer: Answer): string | undefined {
  const root = readXml(answer.text);
  assert.equal(root.name, dav("error"), answer.text);
  return elements(root)[0]?.name;
}

/** Expects a refusal with that precondition, by its local name. */
export function refused(answer: Answer, condition: string, status = 403): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(conditionIn(answer)?.replace(/^.*}/, ""), condition);
}

export interface EventWords {
  readonly summary?: string;
  /** Default one hour on 2026-01-05 from 09:00 UTC. */
  readonly start?: string;
  readonly end?: string;
  /** More lines in the VEVENT. */
  readonly more?: readonly string[];
  /** More lines in the VCALENDAR. */
  readonly around?: readonly string[];
}

/** An event as text. */
export function event(uid: string, { summary = uid, start, end, more = [], around = [] }: EventWords = {}): string {
  return [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//test//EN",
    ...around,
    "BEGIN:VEVENT",
    `UID:${uid}`,
    "DTSTAMP:20260101T000000Z",
    start ?? "DTSTART:20260105T090000Z",
    ...(end === "" ? [] : [end ?? "DTEND:20260105T100000Z"]),
    `SUMMARY:${summary}`,
    ...more,
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ].join("\r\n");
}

/** A task as text. */
export const task = (uid: string, more: readonly string[] = []): string =>
  [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//test//EN",
    "BEGIN:VTODO",
    `UID:${uid}`,
    "DTSTAMP:20260101T000000Z",
    `SUMMARY:${uid}`,
    ...more,
    "END:VTODO",
    "END:VCALENDAR",
    "",
  ].join("\r\n");
