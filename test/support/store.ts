import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import type { PrincipalUid } from "../../src/model/ids.ts";
import { utc } from "../../src/model/ids.ts";
import { normaliseAddress, type Principal } from "../../src/model/principal.ts";
import type { Collection } from "../../src/store/contract.ts";
import { FileStore, type StoreOptions } from "../../src/store/store.ts";
import type { Element, QName } from "../../src/xml/element.ts";

export const principal = (name: string): Principal => ({
  uid: `UID-${name}` as PrincipalUid,
  type: "users",
  shortName: name,
  fullName: name,
  firstName: undefined,
  lastName: undefined,
  emailAddresses: [`${name}@example.com`],
  addresses: [normaliseAddress(`mailto:${name}@example.com`)],
  calendaring: true,
  autoSchedule: "none",
});
export const alice = principal("alice");

/** 2026-11-20T12:00:00Z. */
export const now = utc(1_795_176_000);

export const event = (uid: string, more = ""): string =>
  [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//test//EN",
    "BEGIN:VEVENT",
    `UID:${uid}`,
    "DTSTAMP:20261120T120000Z",
    "DTSTART:20261121T100000Z",
    "DTEND:20261121T110000Z",
    `SUMMARY:${uid}`,
    ...(more ? [more] : []),
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ].join("\r\n");

export interface Given {
  readonly root: string;
  readonly store: FileStore;
  readonly warnings: string[];
  /** A second process on the same folder, as far as the store can tell. */
  again(options?: Partial<StoreOptions>): Promise<FileStore>;
  end(): Promise<void>;
}

/** A store in a folder of its own. */
export async function givenStore(options: Partial<StoreOptions> = {}): Promise<Given> {
  const root = options.root ?? (await mkdtemp(join(tmpdir(), "caldavd-store-")));
  const warnings: string[] = [];
  const stores: FileStore[] = [];
  const open = async (more: Partial<StoreOptions> = {}): Promise<FileStore> => {
    const { store } = await FileStore.open({
      root,
      startId: "first",
      quota: undefined,
      now: () => now,
      warn: (message, details) => warnings.push(`${message} ${JSON.stringify(details)}`),
      ...options,
      ...more,
    });
    stores.push(store);
    return store;
  };
  const store = await open();
  return {
    root,
    store,
    warnings,
    again: open,
    end: async () => {
      for (const one of stores) await one.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

export async function calendarOf(store: FileStore, name = "calendar"): Promise<Collection> {
  await store.provision(alice);
  const collection = await store.open({ owner: alice, path: [name] });
  if (!collection) throw new Error(`no calendar ${name}`);
  return collection;
}

export async function put(
  collection: Collection,
  name: string,
  text: string,
  properties: ReadonlyMap<QName, Element> = new Map(),
): Promise<string> {
  const staged = await collection.stage(Buffer.from(text), properties);
  try {
    return (await collection.change((change) => change.put(name, staged, parseCalendarObject(text)))).etag;
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

export async function names(collection: Collection): Promise<string[]> {
  const all: string[] = [];
  for await (const page of collection.entries()) all.push(...page.map(({ name }) => name));
  return all;
}
