import assert from "node:assert/strict";
import type { Answer, Exchange } from "./exchange.ts";

export const mail = (user: string): string => `mailto:${user}@example.com`;
export const home = (user: string): string =>
  `/calendars/__uids__/10000000-0000-0000-0000-0000000000${user.slice(-2)}/`;

/** Sends a file to be attached to an event. */
export const attach = (
  exchange: Exchange,
  event: string,
  body: string,
  options: {
    readonly query?: string;
    readonly as?: string;
    readonly name?: string;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Promise<Answer> =>
  exchange.send("POST", `${event}?${options.query ?? "action=attachment-add"}`, {
    as: options.as ?? "user01",
    headers: {
      "content-type": "text/plain",
      "content-disposition": `attachment; filename="${options.name ?? "notes.txt"}"`,
      ...options.headers,
    },
    body,
  });

/** An attachment that was taken. */
export interface Taken {
  readonly id: string;
  /** Without scheme and host. */
  readonly path: string;
}

export function taken(answer: Answer, status = 201): Taken {
  assert.equal(answer.status, status, answer.text);
  const { "cal-managed-id": id = "", location = "" } = answer.headers;
  assert.match(id, /^[0-9a-f]{32}$/);
  return { id, path: new URL(location).pathname };
}

/** The ATTACH lines of an event, unfolded. */
export async function attachIn(exchange: Exchange, event: string, as = "user01"): Promise<readonly string[]> {
  const { status, text } = await exchange.send("GET", event, { as });
  assert.equal(status, 200, text);
  return unfolded(text)
    .split("\r\n")
    .filter((line) => line.startsWith("ATTACH"));
}

export const unfolded = (text: string): string => text.replace(/\r?\n[ \t]/g, "");

/** An invitation by user01. */
export const meeting = (uid: string, guests: readonly string[], more: readonly string[] = []): string =>
  [
    ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", `UID:${uid}`],
    ...["DTSTAMP:20260101T000000Z", "DTSTART:20261205T100000Z", "DTEND:20261205T110000Z", `SUMMARY:${uid}`],
    ...[`ORGANIZER:${mail("user01")}`, `ATTENDEE;PARTSTAT=ACCEPTED:${mail("user01")}`],
    ...guests.map((guest) => `ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:${mail(guest)}`),
    ...[...more, "END:VEVENT", "END:VCALENDAR", ""],
  ].join("\r\n");

/** The address of somebody's copy of an event. */
export async function copyOf({ tree }: Exchange, user: string, uid: string): Promise<string> {
  const calendar = await tree.store.open({ owner: await tree.user(user), path: ["calendar"] });
  const name = await calendar?.nameOf(uid);
  assert.ok(name, `${user} has no ${uid}`);
  return `${home(user)}calendar/${name}`;
}

/** Names of the files that a home has for managed attachments. */
export async function filesOf({ tree }: Exchange, user = "user01"): Promise<readonly string[]> {
  const folder = await tree.store.open({ owner: await tree.user(user), path: ["dropbox", "managed"] });
  const names: string[] = [];
  for await (const page of folder?.entries() ?? []) names.push(...page.map(({ name }) => name));
  return names;
}
