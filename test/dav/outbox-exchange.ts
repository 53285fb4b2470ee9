import assert from "node:assert/strict";
import type { DavSettings } from "../../src/dav/registry.ts";
import {
  CALDAV,
  caldav,
  child,
  childrenNamed,
  DAV,
  dav,
  type Element,
  el,
  elements,
  type QName,
  textOf,
} from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";
import { type Answer, type Exchange, givenExchange } from "./exchange.ts";
import { settings } from "./tree.ts";

export const outbox = "/calendars/users/user01/outbox/";
export const mail = (user: string): string => `mailto:${user}@example.com`;

/** Settings as in the tests, but these of Scheduling/…. */
export const scheduling = (changed: Partial<DavSettings["scheduling"]>): Partial<DavSettings> => ({
  scheduling: { ...settings.scheduling, ...changed },
});

/** What Monday 2026-01-05 looks like at these addresses, asked by the organizer. */
export function asking(
  attendees: readonly string[],
  { organizer = mail("user01"), more = [] as readonly string[] } = {},
): string {
  return [
    ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "METHOD:REQUEST", "BEGIN:VFREEBUSY", "UID:asked"],
    ...["DTSTAMP:20260101T000000Z", "DTSTART:20260105T000000Z", "DTEND:20260106T000000Z", `ORGANIZER:${organizer}`],
    ...attendees.map((address) => `ATTENDEE:${address}`),
    ...[...more, "END:VFREEBUSY", "END:VCALENDAR", ""],
  ].join("\r\n");
}

export interface Options {
  readonly as?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}
/** What one recipient was told. */
export interface Told {
  readonly recipient: string;
  readonly status: string;
  readonly error: string | undefined;
  /** Lines of the VFREEBUSY, unfolded. */
  readonly data: readonly string[];
}

/** The responses of a schedule-response. */
export function told(answer: Answer): readonly Told[] {
  assert.equal(answer.status, 200, answer.text);
  const root = readXml(answer.text);
  assert.equal(root.name, caldav("schedule-response"));
  const part = (response: Element, name: QName): string => textOf(child(response, name) ?? "");
  return childrenNamed(root, caldav("response")).map((response) => {
    const error = child(response, dav("error"));
    return {
      recipient: part(child(response, caldav("recipient")) ?? response, dav("href")),
      status: part(response, caldav("request-status")),
      error: error && elements(error)[0]?.name.replace(`{${CALDAV}}`, ""),
      data: part(response, caldav("calendar-data"))
        .replace(/\r?\n /g, "")
        .split(/\r?\n/)
        .slice(0, -1),
    };
  });
}

/** An exchange with what tests of outboxes do. */
export interface OutboxExchange extends Exchange {
  post(body: string, options?: Options): Promise<Answer>;
  /** The FREEBUSY lines of the one recipient asked. */
  busy(attendee: string, options?: Parameters<typeof asking>[1] & Options): Promise<readonly string[]>;
  proppatch(path: string, as: string, properties: string): Promise<void>;
  /** Stores an ACL with these ACEs on a collection of a user. */
  storeAcl(owner: string, path: readonly string[], ...aces: readonly Element[]): Promise<void>;
}

export async function givenOutbox(changed: Partial<DavSettings> = {}): Promise<OutboxExchange> {
  const exchange = await givenExchange(changed);
  const { send, tree } = exchange;
  const post: OutboxExchange["post"] = (body, { as = "user01", path = outbox, headers = {} } = {}) =>
    send("POST", path, { as, headers: { "content-type": "text/calendar", ...headers }, body });
  return {
    ...exchange,
    post,
    busy: async (attendee, options = {}) => {
      const [only, ...others] = told(await post(asking([attendee], options), options));
      assert.ok(only !== undefined && others.length === 0);
      assert.equal(only.status, "2.0;Success");
      return only.data.flatMap((line) => /^FREEBUSY;FBTYPE=(.*)/.exec(line)?.[1] ?? []);
    },
    proppatch: async (path, as, properties) => {
      const body = `<D:propertyupdate xmlns:D="${DAV}" xmlns:C="${CALDAV}"><D:set><D:prop>${properties}</D:prop></D:set></D:propertyupdate>`;
      assert.match((await send("PROPPATCH", path, { as, body })).text, /200 OK/);
    },
    storeAcl: async (owner, path, ...aces) => {
      const collection = await tree.store.open({ owner: await tree.user(owner), path });
      assert.ok(collection);
      const acl = el(dav("acl"), ...aces);
      await collection.change((change) => change.setProperties(undefined, new Map([[dav("acl"), acl]])));
    },
  };
}
