import { isUtf8 } from "node:buffer";
import type { CalendarAddress, PrincipalUid } from "../model/ids.ts";
import type { Sudoer } from "../model/principal.ts";
import { readPlist } from "../xml/plist.ts";
import { uuid5 } from "./uuid5.ts";
import { WatchedFile, type WatchOptions } from "./watched-file.ts";

/** Users of sudoers.plist: not in the directory, without calendars, allowed to act as any user (X-Authorize-As). */
export interface Sudoers {
  has(name: string): Promise<boolean>;
  /** As written; undefined for an unknown name and for one that cannot sign in. */
  storedPassword(name: string): Promise<string | undefined>;
  /** All of them as principals, in the order of the file. */
  principals(): Promise<readonly Sudoer[]>;
  /** Changes when the file did. */
  generation(): number;
  close(): Promise<void>;
}

/** Opens `{ users: [ { username, password } ] }`. An empty path or a missing file means that nobody may. The file is read again
 *  when it changes, noticed within a second; if it is broken then, the users known so far stay. The original's sample names
 *  more keys (authorize-as, authorize-from) but never looked at them; neither does this.
 *  Throws when the file is broken the first time. */
export async function openSudoers(path: string, options: WatchOptions): Promise<Sudoers> {
  if (path === "") return nobody;
  const parse = (bytes: Buffer | undefined): ReadonlyMap<string, string | undefined> =>
    bytes === undefined ? new Map() : readSudoers(bytes, (message) => options.warn(`${path}: ${message}`));
  const file = await WatchedFile.open(path, parse, options);
  return {
    has: async (name) => (await file.current()).has(name),
    storedPassword: async (name) => (await file.current()).get(name),
    principals: async () => [...(await file.current()).keys()].map(principalOf),
    generation: () => file.generation(),
    close: () => file.close(),
  };
}

/** The original's service of sudoers, whose records have GUIDs made of their names. */
const service = "1EE00E46-1885-4DBC-A001-590AFA76A8E3";

function principalOf(name: string): Sudoer {
  const uid = uuid5(service, `sudoers:${name}`) as PrincipalUid;
  return {
    uid,
    type: "sudoers",
    shortName: name,
    fullName: name,
    firstName: undefined,
    lastName: undefined,
    emailAddresses: [],
    addresses: [`urn:uuid:${uid}` as CalendarAddress],
    calendaring: false,
    autoSchedule: "none",
  };
}

const nobody: Sudoers = {
  has: async () => false,
  storedPassword: async () => undefined,
  principals: async () => [],
  generation: () => 0,
  close: async () => {},
};

/** Passwords by name. */
function readSudoers(bytes: Buffer, warn: (message: string) => void): ReadonlyMap<string, string | undefined> {
  const plist = readPlist(isUtf8(bytes) ? bytes.toString("utf8") : bytes);
  const users = member(plist, "users");
  if (!Array.isArray(users)) throw new Error('must be a dictionary with a list "users"');
  const passwords = new Map<string, string | undefined>();
  for (const [at, user] of users.entries()) {
    const name = member(user, "username");
    const password = member(user, "password");
    if (typeof name !== "string" || name === "") warn(`users[${at}] has no username, left out`);
    else if (passwords.has(name)) warn(`users[${at}]: ${JSON.stringify(name)} stands there twice, left out`);
    else {
      if (typeof password !== "string" || password === "")
        warn(`users[${at}] (${name}) has no password and cannot sign in`);
      passwords.set(name, typeof password === "string" ? password : undefined);
    }
  }
  return passwords;
}

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
