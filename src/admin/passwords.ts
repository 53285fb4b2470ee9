import { text as readAll } from "node:stream/consumers";
import { AppPasswords } from "../auth/app-passwords.ts";
import { hashOf } from "../auth/make-hash.ts";
import { principalNamed } from "../directory/access.ts";
import type { DirectoryBackend } from "../directory/backend.ts";
import type { Principal } from "../model/principal.ts";
import { type Call, type Command, operandsOf, Problems, UsageError } from "./command.ts";
import { actAsServer, demandStore, namer, openRecords } from "./place.ts";
import { tableText } from "./table.ts";

export const passwordsCommand: Command = {
  name: "passwords",
  operands: ["add USER NAME [--read-only] [--expires DATE] [--digest]", "list [USER]", "revoke ID…", "hash"],
  about: "app passwords: one for each device or program, revocable; hashes for accounts.xml",
  help: `An app password signs a user in beside the account's own password. It is for
one device or program, and can be taken away again without touching the others.
It is shown once, when it is made; what is stored is a hash. Works on a running
server, which goes by it within a second. The account's own password is changed
where it stands: in accounts.xml or in the directory.

add     makes one for USER (alice, users:alice, mailto:…), called NAME, and
        prints it.
  --read-only     what signs in with it can change nothing
  --expires DATE  the last day it is good for, such as 2027-12-31 (UTC)
  --digest        Digest takes it too. For that, what is stored suffices to sign
                  in with Digest: mind who can read the store and its backups.
list    all app passwords, or those of USER
revoke  takes them away, by their ID
hash    reads a password from standard input and prints a hash (argon2id) for
        <password> in accounts.xml. Such accounts sign in with Basic.

Examples:
  caladmin passwords add alice "Alice's telephone"
  caladmin passwords add alice "wall display" --read-only --expires 2027-12-31
  caladmin -f json passwords list
`,
  options: {
    "read-only": { type: "boolean" },
    digest: { type: "boolean" },
    expires: { type: "string" },
  },
  async run(call) {
    const [action, ...operands] = operandsOf(call, 1, 1000);
    const rest: Call = { ...call, operands };
    if (action !== "add" && (call.flag("read-only") || call.flag("digest") || call.value("expires") !== undefined))
      throw new UsageError(`passwords ${action} takes no options`);
    switch (action) {
      case "add":
        operandsOf(rest, 2);
        return withPasswords(rest, add);
      case "list":
        operandsOf(rest, 0, 1);
        return withPasswords(rest, list);
      case "revoke":
        operandsOf(rest, 1, 1000);
        return withPasswords(rest, revoke);
      case "hash":
        operandsOf(rest, 0);
        return hash(rest);
      default:
        throw new UsageError(`passwords cannot ${action}`);
    }
  },
};

type Work = (call: Call, passwords: AppPasswords, records: DirectoryBackend) => Promise<number>;

async function withPasswords(call: Call, work: Work): Promise<number> {
  const config = await call.config();
  await demandStore(config);
  await actAsServer(config);
  const records = await openRecords(config);
  try {
    return await work(call, new AppPasswords(config.DocumentRoot), records);
  } finally {
    await records.close();
  }
}

/** By login name, as people type it here, or as principals are written elsewhere. */
async function userNamed(text: string, records: DirectoryBackend): Promise<Principal> {
  const user = (await records.byShortName("users", text)) ?? (await principalNamed(records, text));
  if (user === undefined) throw new Problems([`there is no user ${text}`]);
  if (user.type !== "users") throw new Problems([`${text} is no user, and cannot sign in`]);
  return user;
}

async function add(call: Call, passwords: AppPasswords, records: DirectoryBackend): Promise<number> {
  const [userText = "", name = ""] = call.operands;
  if (name.trim() === "" || name.length > 100 || /[\u0000-\u001f\u007f]/.test(name))
    throw new UsageError("NAME must have 1 to 100 characters, on one line");
  const expires = lastSecondOf(call.value("expires"));
  const user = await userNamed(userText, records);
  const digest = call.flag("digest") ? { user: user.shortName, realm: records.realm } : undefined;
  let made: { readonly id: string; readonly password: string };
  try {
    made = await passwords.add({ uid: user.uid, name, readOnly: call.flag("read-only"), expires, digest });
  } catch (error) {
    if (error instanceof Error && /^there (?:is|are) /.test(error.message))
      throw new Problems([`${user.shortName}: ${error.message}`]);
    throw error;
  }
  const row = [made.id, user.shortName, name, made.password];
  if (call.format === "plain") call.print(`${made.password}\n`);
  else call.print(tableText({ columns: ["id", "user", "name", "password"], rows: [row] }, call.format));
  return 0;
}

/** Seconds since 1970 of the end of that day; undefined: no day is given. */
function lastSecondOf(date: string | undefined): number | undefined {
  if (date === undefined) return undefined;
  const begin = /^\d{4}-\d\d-\d\d$/.test(date) ? Date.parse(`${date}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(begin) || new Date(begin).toISOString().slice(0, 10) !== date)
    throw new UsageError(`--expires must be a date such as 2027-12-31, found ${date}`);
  const end = begin / 1000 + 86_400;
  if (end * 1000 <= Date.now()) throw new UsageError(`--expires: ${date} is over`);
  return end;
}

const dayOf = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 10);

async function list(call: Call, passwords: AppPasswords, records: DirectoryBackend): Promise<number> {
  const [asked] = call.operands;
  const only = asked === undefined ? undefined : (await userNamed(asked, records)).uid;
  const name = namer(records);
  const rows = await Promise.all(
    (await passwords.list(only)).map(async (one) => [
      one.id,
      (await name(one.uid))?.replace(/^users:/, "") ?? "unknown",
      one.name,
      one.readOnly ? "read" : "write",
      one.digest ? "Basic, Digest" : "Basic",
      dayOf(one.created),
      one.expires === undefined ? undefined : dayOf(one.expires - 1),
      one.uid,
    ]),
  );
  rows.sort((a, b) => (String(a[1]) < String(b[1]) ? -1 : 1));
  const columns = ["id", "user", "name", "access", "methods", "created", "expires", "GUID"];
  call.print(tableText({ columns, rows }, call.format));
  return 0;
}

async function revoke(call: Call, passwords: AppPasswords): Promise<number> {
  const known = new Set((await passwords.list()).map(({ id }) => id));
  const unknown = call.operands.filter((id) => !known.has(id));
  if (unknown.length > 0) throw new Problems(unknown.map((id) => `there is no app password ${id}`));
  for (const id of call.operands) await passwords.revoke(id);
  return 0;
}

async function hash(call: Call): Promise<number> {
  const password = (await readAll(process.stdin)).replace(/\r?\n$/, "");
  if (password === "") throw new Problems(["standard input has no password"]);
  call.print(`${await hashOf(password)}\n`);
  return 0;
}
