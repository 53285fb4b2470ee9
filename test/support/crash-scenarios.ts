import { parseCalendarObject } from "../../src/ical/parse.ts";
import { type Href, utc } from "../../src/model/ids.ts";
import type { Lock } from "../../src/model/lock.ts";
import type { FileStore } from "../../src/store/store.ts";
import { type Element, el, type QName } from "../../src/xml/element.ts";
import { alice, calendarOf, event, now, principal, put } from "./store.ts";

export const bob = principal("bob");
export const oldText = event("a");
export const newText = event("a", "COMMENT:new");

export const properties = (value: string): ReadonlyMap<QName, Element> =>
  new Map([
    ["{DAV:}displayname", el("{DAV:}displayname", value)],
    ["{urn:x}one", el("{urn:x}one", value)],
    // Too large for an inode's attributes: half goes to a sidecar.
    ["{urn:x}large", el("{urn:x}large", value + Array.from({ length: 3000 }, (_, at) => (at * 7919) % 9973).join("-"))],
  ] as const);

const lock = (token: string, path: string): Lock => ({
  token: `urn:uuid:${token}`,
  path,
  root: `/${path}` as Href,
  deep: false,
  shared: false,
  creator: alice.uid,
  owner: "",
  timeout: 600,
  expires: utc(now + 600),
});

/** What stands before every scenario: two calendars, one event with properties, one lock. */
export async function prepare(store: FileStore): Promise<void> {
  const calendar = await calendarOf(store);
  await put(calendar, "a.ics", oldText);
  await calendar.change((change) => change.setProperties("a.ics", properties("old")));
  await calendar.change((change) => change.setProperties(undefined, properties("old")));
  await store.create({ owner: alice, path: ["other"] }, "calendar", new Map());
  await store.create({ owner: alice, path: ["files"] }, "folder", new Map());
  await putFile(store, "old");
  await store.locks.grant(alice.uid, lock("first", "calendar/a.ics"), () => undefined);
}

/** Stores a file that comes in pieces. */
async function putFile(store: FileStore, word: string): Promise<void> {
  const folder = await calendarOf(store, "files");
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < 3; at++) yield Buffer.from(`${word} ${at}\n`.repeat(1000));
  };
  const staged = await folder.stageChunks(pieces(), properties(word));
  try {
    await folder.change((change) => change.put("film.mp4", staged, undefined));
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/** The writes that a crash may interrupt, by name. */
export const scenarios: Readonly<Record<string, (store: FileStore) => Promise<unknown>>> = {
  "PUT new": async (store) => put(await calendarOf(store), "b.ics", event("b")),
  "PUT over": async (store) => {
    const calendar = await calendarOf(store);
    await put(calendar, "a.ics", newText, await calendar.properties("a.ics"));
  },
  "PUT of a file in pieces": (store) => putFile(store, "new"),
  DELETE: async (store) => (await calendarOf(store)).change((change) => change.remove("a.ics")),
  MOVE: async (store) => {
    const other = await calendarOf(store, "other");
    await store.moveMember(
      await calendarOf(store),
      "a.ics",
      other,
      "moved.ics",
      parseCalendarObject(oldText),
      () => undefined,
    );
  },
  MKCALENDAR: (store) => store.create({ owner: alice, path: ["made"] }, "calendar", properties("new")),
  "PROPPATCH collection": async (store) =>
    (await calendarOf(store)).change((change) => change.setProperties(undefined, properties("new"))),
  "PROPPATCH member": async (store) =>
    (await calendarOf(store)).change((change) => change.setProperties("a.ics", properties("new"))),
  "DELETE calendar": (store) => store.remove({ owner: alice, path: ["calendar"] }),
  "first access": (store) => store.provision(bob),
  LOCK: (store) => store.locks.grant(alice.uid, lock("second", "calendar/b.ics"), () => undefined),
  "LOCK in a home without": (store) => store.locks.grant(bob.uid, lock("bob's", "calendar/b.ics"), () => undefined),
  "LOCK again": (store) => store.locks.refresh(alice.uid, "urn:uuid:first", 900, utc(now + 900)),
  UNLOCK: (store) => store.locks.release(alice.uid, "urn:uuid:first"),
};
