import assert from "node:assert/strict";
import { child, cs, dav, type Element, elements, textOf } from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";
import type { Answer, Exchange } from "./exchange.ts";

export const home = (user: string): string => `/calendars/users/${user}/`;
export const mail = (user: string): string => `mailto:${user}@example.com`;
export const xml = { "content-type": "application/xml; charset=utf-8" };
const wrapped = (root: string, inside: string): string =>
  `<?xml version="1.0" encoding="utf-8"?><CS:${root} xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/">${inside}</CS:${root}>`;

export const set = (address: string, access: "read" | "read-write", summary = "Shared"): string =>
  `<CS:set><D:href>${address}</D:href><CS:summary>${summary}</CS:summary><CS:${access}/></CS:set>`;
export const remove = (address: string): string => `<CS:remove><D:href>${address}</D:href></CS:remove>`;
export const shareBody = (...edits: readonly string[]): string => wrapped("share", edits.join(""));
export const command = (name: string): string => wrapped(name, "");
export const replyBody = (
  user: string,
  answer: "accepted" | "declined",
  calendar: string,
  uid = "",
  summary = "",
): string =>
  wrapped(
    "invite-reply",
    `<D:href>${mail(user)}</D:href><CS:invite-${answer}/><CS:hosturl><D:href>${calendar}</D:href></CS:hosturl>` +
      `<CS:in-reply-to>${uid}</CS:in-reply-to>${summary === "" ? "" : `<CS:summary>${summary}</CS:summary>`}`,
  );
export const propfind = (...properties: readonly string[]): string =>
  `<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/" xmlns:A="http://apple.com/ns/ical/"><D:prop>${properties.map((name) => `<${name}/>`).join("")}</D:prop></D:propfind>`;
export const proppatch = (inside: string): string =>
  `<D:propertyupdate xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="http://apple.com/ns/ical/"><D:set><D:prop>${inside}</D:prop></D:set></D:propertyupdate>`;

/** Invites, as the owner. */
export const invite = (
  exchange: Exchange,
  calendar: string,
  owner: string,
  ...edits: readonly string[]
): Promise<Answer> => exchange.send("POST", calendar, { as: owner, headers: xml, body: shareBody(...edits) });

/** Answers an invitation and tells where the shared calendar lies, with its slash. */
export async function accept(exchange: Exchange, calendar: string, sharee: string, summary = ""): Promise<string> {
  const body = replyBody(sharee, "accepted", calendar, "", summary);
  const answer = await exchange.send("POST", home(sharee), { as: sharee, headers: xml, body });
  assert.equal(answer.status, 200, answer.text);
  const root = readXml(answer.text);
  assert.equal(root.name, cs("shared-as"));
  return `${textOf(child(root, dav("href")) as Element)}/`;
}

/** Shares user01's calendar with others, who accept. Answers their addresses of it. */
export async function given(
  exchange: Exchange,
  access: "read" | "read-write",
  ...sharees: readonly string[]
): Promise<readonly string[]> {
  const calendar = `${home("user01")}shared/`;
  assert.equal((await exchange.send("MKCALENDAR", calendar)).status, 201);
  const asked = await invite(exchange, calendar, "user01", ...sharees.map((user) => set(mail(user), access)));
  assert.equal(asked.status, 200, asked.text);
  const places: string[] = [];
  for (const user of sharees) places.push(await accept(exchange, calendar, user));
  return places;
}

/** What lies in a calendar user's collection of notifications: the kind of each and its element. */
export async function notices(exchange: Exchange, user: string): Promise<readonly Element[]> {
  const place = `${home(user)}notification/`;
  const list = await exchange.send("PROPFIND", place, {
    as: user,
    headers: { depth: "1" },
    body: propfind("D:getetag"),
  });
  assert.equal(list.status, 207, list.text);
  const found: Element[] = [];
  for (const [, href = ""] of list.text.matchAll(/<D:href>([^<]*\.xml)<\/D:href>/g)) {
    const { text } = await exchange.send("GET", href, { as: user });
    const inside = elements(readXml(text)).find(({ name }) => name !== cs("dtstamp"));
    if (inside !== undefined) found.push(inside);
  }
  return found;
}

/** Local names of the elements directly inside. */
export const names = (element: Element): readonly string[] =>
  elements(element).map(({ name }) => name.replace(/^.*}/, ""));
