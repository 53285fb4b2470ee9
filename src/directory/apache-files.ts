import type { CalendarAddress, PrincipalUid } from "../model/ids.ts";
import type { Principal, RecordType } from "../model/principal.ts";
import type { AccountRecord, MemberName } from "./accounts-file.ts";
import { type AccountsIndex, indexAccounts } from "./accounts-index.ts";
import type { DirectoryBackend } from "./backend.ts";
import { addressesOf, isName } from "./record-parts.ts";
import { uuid5 } from "./uuid5.ts";
import { WatchedFile, type WatchOptions } from "./watched-file.ts";

export interface ApacheFiles {
  /** htpasswd: `name:hash`; htdigest: `name:realm:HA1`. */
  readonly kind: "basic" | "digest";
  /** For htdigest also the realm whose lines count; empty: that of the first line. */
  readonly realm: string;
  readonly userFile: string;
  /** `group: user user, …`; empty: there are no groups. */
  readonly groupFile: string;
}

// The original's constants: GUIDs are made from them, the realm, the type and the name.
const namespaces = {
  basic: "DDF1E45C-CADE-4FCD-8AE6-B4B41D72B325",
  digest: "0C719D1B-0A14-4074-8740-6D96A7D0C787",
} as const;

const maxWarnings = 50;

/** Opens files as Apache keeps them. Both are read again when they change, noticed within a second; a file that is missing or
 *  broken then leaves what was known. Users have no addresses but their GUID's. Throws when a file cannot be read at first. */
export async function openApacheFiles(files: ApacheFiles, options: WatchOptions): Promise<DirectoryBackend> {
  if (files.userFile === "") throw new Error("userFile: must name the file of users");
  const warn = limited(options.warn);
  const readUsersOf = (bytes: Buffer | undefined): Users => {
    if (bytes === undefined) throw new Error("there is no such file of users");
    return readUsers(bytes.toString("utf8"), files, (line, message) =>
      warn(`${files.userFile}: line ${line}: ${message}`),
    );
  };
  const users = await WatchedFile.open(files.userFile, readUsersOf, options);
  const groups =
    files.groupFile === ""
      ? undefined
      : await WatchedFile.open(
          files.groupFile,
          (bytes) => {
            if (bytes === undefined) throw new Error("there is no such file of groups");
            return readGroups(bytes.toString("utf8"), (line, message) =>
              warn(`${files.groupFile}: line ${line}: ${message}`),
            );
          },
          options,
        );
  return new ApacheDirectory(files, users, groups, (message) => warn(`${files.groupFile}: ${message}`));
}

interface Users {
  readonly realm: string;
  /** Stored passwords, as `auth/` reads them, by name. */
  readonly passwords: ReadonlyMap<string, string>;
}
type Groups = ReadonlyMap<string, readonly string[]>;
type Say = (line: number, message: string) => void;

/** Lines that say something, with their numbers from 1. */
const linesOf = (text: string): readonly (readonly [number, string])[] =>
  text
    .split(/\r?\n/)
    .flatMap((line, at) => (line.trim() === "" || line.startsWith("#") ? [] : [[at + 1, line] as const]));

function readUsers(text: string, { kind, realm: wanted }: ApacheFiles, say: Say): Users {
  const passwords = new Map<string, string>();
  let realm = wanted;
  for (const [number, line] of linesOf(text)) {
    const fields = line.split(":");
    const [name = "", second = "", third = ""] = fields;
    if (!isName(name) || fields.length < (kind === "basic" ? 2 : 3)) say(number, "is not a user, left out");
    else if (kind === "digest") {
      if (realm === "") realm = second;
      if (second !== realm) continue;
      if (passwords.has(name)) say(number, `${JSON.stringify(name)} stands there twice; the first counts`);
      else passwords.set(name, `{HA1}${third.trim()}`);
    } else if (passwords.has(name)) say(number, `${JSON.stringify(name)} stands there twice; the first counts`);
    else {
      const stored = storedForm(second.trim());
      if (stored.startsWith("{DES-CRYPT}"))
        say(number, `the password of ${JSON.stringify(name)} is in crypt's old form, which is not read; set it anew`);
      passwords.set(name, stored);
    }
  }
  return { realm, passwords };
}

/** As Apache means it: what bears no mark is crypt(3) of old, never clear text. `*` and the like are locked accounts. */
const storedForm = (hash: string): string =>
  /^(?:\$|\{)/.test(hash) ? hash : hash.length === 13 ? `{DES-CRYPT}${hash}` : "";

function readGroups(text: string, say: Say): Groups {
  const groups = new Map<string, readonly string[]>();
  for (const [number, line] of linesOf(text)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0)).trim();
    if (!isName(name)) say(number, "is not a group, left out");
    else {
      const members = line
        .slice(colon + 1)
        .split(/[\s,]+/)
        .filter((member) => member !== "");
      // Apache joins the lines of one group.
      groups.set(name, [...(groups.get(name) ?? []), ...members]);
    }
  }
  return groups;
}

class ApacheDirectory implements DirectoryBackend {
  readonly #files: ApacheFiles;
  readonly #users: WatchedFile<Users>;
  readonly #groups: WatchedFile<Groups> | undefined;
  readonly #warn: (message: string) => void;
  #made: { readonly generation: number; readonly index: AccountsIndex } | undefined;

  constructor(
    files: ApacheFiles,
    users: WatchedFile<Users>,
    groups: WatchedFile<Groups> | undefined,
    warn: (message: string) => void,
  ) {
    this.#files = files;
    this.#users = users;
    this.#groups = groups;
    this.#warn = warn;
  }

  get realm(): string {
    return this.#users.value.realm;
  }

  async #index(): Promise<AccountsIndex> {
    await this.#users.current();
    await this.#groups?.current();
    const generation = this.generation();
    if (this.#made?.generation !== generation) {
      const records = recordsOf(this.#files.kind, this.#users.value, this.#groups?.value ?? new Map());
      this.#made = {
        generation,
        index: indexAccounts({ realm: this.realm, records }, (_, message) => this.#warn(message)),
      };
    }
    return this.#made.index;
  }

  async *list(type: RecordType): AsyncIterable<Principal> {
    yield* (await this.#index()).principals[type];
  }

  async byUid(uid: PrincipalUid): Promise<Principal | undefined> {
    return (await this.#index()).byUid(uid)?.principal;
  }

  async byShortName(type: RecordType, name: string): Promise<Principal | undefined> {
    return (await this.#index()).byShortName(type, name)?.principal;
  }

  async byAddress(address: CalendarAddress): Promise<Principal | undefined> {
    return (await this.#index()).byAddress(address)?.principal;
  }

  async memberUids(group: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return (await this.#index()).members(group);
  }

  async groupUids(member: PrincipalUid): Promise<readonly PrincipalUid[]> {
    return (await this.#index()).groups(member);
  }

  async storedPasswords(user: Principal): Promise<readonly string[]> {
    return (await this.#index()).byUid(user.uid)?.passwords ?? [];
  }

  async delegatesOf(): Promise<{ readonly read: readonly PrincipalUid[]; readonly write: readonly PrincipalUid[] }> {
    return { read: [], write: [] };
  }

  async ownersTrusting(): Promise<readonly PrincipalUid[]> {
    return [];
  }

  generation(): number {
    return this.#users.generation() + (this.#groups?.generation() ?? 0);
  }

  async close(): Promise<void> {
    await Promise.all([this.#users.close(), this.#groups?.close()]);
  }
}

function recordsOf(kind: ApacheFiles["kind"], { realm, passwords }: Users, groups: Groups): readonly AccountRecord[] {
  const service = uuid5(namespaces[kind], realm);
  const record = (
    type: RecordType,
    name: string,
    stored: readonly string[],
    members: readonly MemberName[],
  ): AccountRecord => {
    const uid = uuid5(service, `${type}:${name}`) as PrincipalUid;
    return {
      principal: {
        uid,
        type,
        shortName: name,
        fullName: name,
        firstName: undefined,
        lastName: undefined,
        ...addressesOf(uid, [], []),
        calendaring: type === "users",
        autoSchedule: "none",
      },
      shortNames: [name],
      passwords: stored,
      authIds: [],
      members,
      writeProxies: [],
      readProxies: [],
      line: 0,
    };
  };
  return [
    ...[...passwords].map(([name, stored]) => record("users", name, stored === "" ? [] : [stored], [])),
    ...[...groups].map(([name, members]) =>
      record(
        "groups",
        name,
        [],
        members.map((member) => ({ type: "users" as const, name: member })),
      ),
    ),
  ];
}

/** Not more lines than somebody reads. */
function limited(warn: (message: string) => void): (message: string) => void {
  let said = 0;
  return (message) => {
    if (said++ < maxWarnings) warn(message);
  };
}
