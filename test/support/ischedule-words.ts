import { invitation } from "../scheduling/given.ts";
import type { Client } from "./http-client.ts";
import { until as wait } from "./server.ts";

export const icalendar = { "content-type": "text/calendar; charset=utf-8" };

/** An hour that alice invites to. */
export const event = (
  uid: string,
  attendees: readonly string[],
  more: readonly string[] = ["DTSTART:20270301T100000Z", "DTEND:20270301T110000Z"],
): string =>
  invitation(
    uid,
    "alice",
    ["alice@example.com", ...attendees].map((address) => `ATTENDEE:mailto:${address}`),
    more,
  );

/** A member of somebody's calendar. */
export const place = (user: string, name: string): string => `/calendars/users/${user}/calendar/${name}`;

/** Messages take their time on a busy machine. */
export const until = <T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> =>
  wait(what, look, 30_000);

/** The objects of a collection with that UID, unfolded. */
export async function objects(
  client: Client,
  path: string,
  uid: string,
): Promise<readonly { path: string; text: string }[]> {
  const { text } = await client.ask("PROPFIND", path, { headers: { depth: "1" } });
  const hrefs = [...text.matchAll(/<(?:\w+:)?href>([^<]*\.ics)<\/(?:\w+:)?href>/g)].map((match) => match[1] ?? "");
  const found = [];
  for (const href of hrefs) {
    const got = await client.ask("GET", href);
    const unfolded = got.text.replaceAll("\r\n ", "");
    if (got.status === 200 && unfolded.includes(`UID:${uid}\r\n`)) found.push({ path: href, text: unfolded });
  }
  return found;
}
export const calendarOf = (client: Client, user: string, uid: string) => objects(client, place(user, ""), uid);
export const inboxOf = (client: Client, user: string, uid: string) =>
  objects(client, `/calendars/users/${user}/inbox/`, uid);

/** The SCHEDULE-STATUS of somebody in an object's text. */
export const statusIn = (text: string, address: string): string | undefined =>
  text
    .split("\r\n")
    .find((line) => line.endsWith(`mailto:${address}`))
    ?.match(/SCHEDULE-STATUS="?([\d.]+)/)?.[1];

/** Waits until alice's event has that status for somebody, and answers it. */
export const statusOf = (alice: Client, uid: string, address: string, status: string) =>
  until(`${address} has ${status} in ${uid}`, async () => {
    const [own] = await calendarOf(alice, "alice", uid);
    return own !== undefined && statusIn(own.text, address) === status && own;
  });

/** A question for busy time on one day of March. */
export const question = (attendees: readonly string[]): string =>
  [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//test//EN",
    "METHOD:REQUEST",
    "BEGIN:VFREEBUSY",
    "UID:question",
    "DTSTAMP:20261120T120000Z",
    "DTSTART:20270301T000000Z",
    "DTEND:20270302T000000Z",
    "ORGANIZER:mailto:alice@example.com",
    ...attendees.map((address) => `ATTENDEE:mailto:${address}`),
    "END:VFREEBUSY",
    "END:VCALENDAR",
    "",
  ].join("\r\n");

/** What the answer of an outbox says of somebody. */
export const busyOf = (answer: string, address: string): string =>
  answer.split("<response>").find((part) => part.includes(`mailto:${address}</href>`)) ?? "";
