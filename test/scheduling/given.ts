import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { validateForStorage } from "../../src/ical/validate.ts";
import { utcZone } from "../../src/ical/zones.ts";
import type { Href, Utc } from "../../src/model/ids.ts";
import { utc } from "../../src/model/ids.ts";
import { normaliseAddress, type Principal } from "../../src/model/principal.ts";
import type { Channel } from "../../src/scheduling/channels.ts";
import { copyAt } from "../../src/scheduling/copies.ts";
import { FollowUps } from "../../src/scheduling/follow-ups.ts";
import { Scheduling } from "../../src/scheduling/implicit.ts";
import type { Changed } from "../../src/scheduling/member-change.ts";
import type { SchedulingServices } from "../../src/scheduling/services.ts";
import { putObject, removeObject } from "../../src/scheduling/store-object.ts";
import type { Collection } from "../../src/store/contract.ts";
import type { FileStore } from "../../src/store/store.ts";
import { principal } from "../support/store.ts";

/** The scheduling service over a store, for people named as in `mailto:NAME@example.com`; `room…` answer by themselves, `team…`
 *  are groups. */
export interface Desk {
  readonly scheduling: Scheduling;
  readonly warnings: string[];
  /** Members by the names of groups: `team…`. */
  readonly teams: Map<string, readonly string[]>;
  person(name: string): Principal;
  calendar(name: string): Promise<Collection>;
  /** What a PUT does (DELETE: undefined). */
  put(name: string, file: string, text: string | undefined): Promise<Changed<unknown>>;
  /** The text of somebody's only copy of a UID; throws when there are several. */
  copy(name: string, uid: string): Promise<string | undefined>;
  /** Texts of somebody's inbox. */
  inbox(name: string): Promise<readonly string[]>;
}

export function deskOver(
  store: FileStore,
  now: () => Utc = () => utc(Math.floor(Date.now() / 1000)),
  channels: readonly Channel[] = [],
): Desk {
  const warnings: string[] = [];
  const teams = new Map<string, readonly string[]>();
  const person = (name: string): Principal => {
    const one = principal(name);
    if (name.startsWith("team")) return { ...one, type: "groups", calendaring: false };
    return name.startsWith("room") ? { ...one, type: "locations", autoSchedule: "automatic" } : one;
  };
  const services: SchedulingServices = {
    store,
    now,
    warn: (message, details) => void warnings.push(`${message} ${String(details?.["error"])}`),
    calendarUser: async (address) => {
      const name = /^mailto:(\w+)@example\.com$/.exec(normaliseAddress(address))?.[1];
      return name === undefined || name.startsWith("nobody") ? undefined : person(name);
    },
    userByUid: async (uid) => person(uid.replace(/^UID-/, "")),
    calendarAt: async () => undefined,
    kindsOf: async (collection) => (collection.ref.path[0] === "tasks" ? ["VTODO"] : ["VEVENT"]),
    floatingZoneOf: async () => utcZone,
    memberHref: (ref, name) => `/${ref.path.join("/")}/${name}` as Href,
    organizers: ["users"],
    channels,
    groups: {
      members: async (group, atMost) => (teams.get(group.shortName) ?? []).slice(0, atMost).map(person),
      generation: () => 0,
      maxMembers: 60,
      maxAttendees: undefined,
    },
    privateComments: true,
  };
  const scheduling = new Scheduling(services, new FollowUps(services));
  const open = async (name: string, path: string): Promise<Collection> => {
    await store.provision(person(name));
    const found = await store.open({ owner: person(name), path: [path] });
    if (found === undefined) throw new Error(`${name} has no ${path}`);
    return found;
  };
  const calendar = (name: string): Promise<Collection> => open(name, "calendar");
  const textsIn = async (collection: Collection): Promise<readonly { uid: string | undefined; text: string }[]> => {
    const found: { uid: string | undefined; text: string }[] = [];
    for await (const page of collection.entries())
      for (const { name, uid } of page)
        found.push({ uid, text: (await collection.read(name))?.bytes.toString() ?? "" });
    return found;
  };
  return {
    scheduling,
    warnings,
    teams,
    person,
    calendar,
    put: async (name, file, text) => {
      const collection = await calendar(name);
      const sent = text === undefined ? undefined : validateForStorage(text, { maxInstances: 1000 });
      const before = await copyAt(collection, file);
      const uid = sent?.uid ?? before?.object.uid ?? "";
      return scheduling.change(
        {
          owner: person(name),
          collection,
          name: file,
          sent,
          merge: false,
          silent: false,
          may: undefined,
          check: () => undefined,
          maySend: async () => undefined,
          commit: async (object, tag) => {
            const there = await collection.entry(file);
            if (object === undefined) return there && removeObject(collection, there);
            return putObject(collection, file, object, there, tag);
          },
        },
        uid,
      );
    },
    copy: async (name, uid) => {
      if (!(await store.provisioned(person(name)))) return undefined;
      const own = (await textsIn(await calendar(name))).filter((one) => one.uid === uid);
      if (own.length > 1) throw new Error(`${name} has ${own.length} copies of ${uid}`);
      return own[0]?.text.replaceAll("\r\n ", "");
    },
    inbox: async (name) =>
      (await store.provisioned(person(name)))
        ? (await textsIn(await open(name, "inbox"))).map(({ text }) => text.replaceAll("\r\n ", ""))
        : [],
  };
}

/** A way to people of example.org that writes down what was sent, `<id> <address>`, in a file of the store's folder. */
export const outside = (root: string): Channel => ({
  name: "outside",
  batch: 1,
  reaches: async (address) => address.endsWith("@example.org"),
  laneOf: () => "example.org",
  deliver: async ({ id }, to) => {
    await appendFile(join(root, "sent"), to.map((recipient) => `${id} ${recipient}\n`).join(""), { flush: true });
    return to.map((recipient) => ({ recipient, status: "1.2;Scheduling message has been delivered" }));
  },
});

/** An invitation in short. */
export const invitation = (
  uid: string,
  organizer: string,
  attendees: readonly string[],
  more: readonly string[] = [],
): string =>
  [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//test//EN",
    "BEGIN:VEVENT",
    `UID:${uid}`,
    "DTSTAMP:20261120T120000Z",
    ...(more.some((line) => line.startsWith("DTSTART")) ? [] : ["DTSTART:20261121T100000Z", "DTEND:20261121T110000Z"]),
    `SUMMARY:${uid}`,
    `ORGANIZER:mailto:${organizer}@example.com`,
    ...attendees.map((name) => (name.includes(":") ? name : `ATTENDEE:mailto:${name}@example.com`)),
    ...more,
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ].join("\r\n");
