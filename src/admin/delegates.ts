import { readFile, writeFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { principalNamed } from "../directory/access.ts";
import type { DelegateEdit, DelegateList } from "../directory/backend.ts";
import { delegatesPath, openDelegates, restoreDelegates } from "../directory/delegates.ts";
import type { PrincipalUid } from "../model/ids.ts";
import { type Principal, recordTypes } from "../model/principal.ts";
import { type Call, type Command, operandsOf, Problems, UsageError } from "./command.ts";
import { jsonDelegates, type NamedDelegate, plainDelegates, plistDelegates, readDelegates } from "./delegate-text.ts";
import { actAsServer, demandStore, nameOf, namer, openRecords, type Place, withPlace } from "./place.ts";
import { type Cell, tableText } from "./table.ts";

type Access = "read" | "write";

export const delegatesCommand: Command = {
  name: "delegates",
  operands: [
    "list [PRINCIPAL]",
    "add OWNER read|write DELEGATE…",
    "remove OWNER read|write|all DELEGATE…",
    "export [FILE]",
    "import [--dry-run] [--keep-unknown] [--replace | --new] FILE",
  ],
  about: "who may see and edit whose calendars: list, change, save, restore",
  help: `A delegate (proxy) of a user, a room or a resource may read its calendars, or
read and write them. Users set their own with their calendar program; those of
rooms and resources are set here, or by an administrator's PROPPATCH. All of
this works on a running server, which goes by it at once.

PRINCIPAL, OWNER and DELEGATE are written users:alice, locations:mercury,
/principals/users/alice/, mailto:alice@example.com or as a GUID. A group may be
a delegate: all its members are then, those of groups in it too.

list    all delegates; with PRINCIPAL its delegates, and those whose delegate it
        is, also as a member of a group. SOURCE: database, or record for those
        written in the directory, which only the directory can change.
add     adds to the list. write includes reading.
remove  removes from the list; a GUID that the directory does not know as well.
export  writes the database to FILE or standard output: lines of text (plain),
        json or plist (-f).
import  reads what export wrote, in any format, or a daily copy of the server
        (delegates-DATE.json beside the database), from FILE or - for standard
        input. Lists that stand in FILE are replaced, others stay. Everything is
        taken or, when anything is wrong, nothing: every problem is named then.
  --dry-run       only look for problems
  --keep-unknown  also take GUIDs that the directory does not know (now)
  --replace       also empty the lists that do not stand in FILE
  --new           make the database anew, when it is lost or broken; what is left
                  of it is kept beside it. Implies --keep-unknown

Examples:
  caladmin delegates add locations:mercury write users:alice groups:reception
  caladmin -f json delegates export > delegates.json
  caladmin delegates import --new /srv/Documents/principals/delegates-2026-11-20.json
`,
  options: {
    "dry-run": { type: "boolean" },
    "keep-unknown": { type: "boolean" },
    replace: { type: "boolean" },
    new: { type: "boolean" },
  },
  async run(call) {
    const [action, ...operands] = operandsOf(call, 1, 1000);
    const rest: Call = { ...call, operands };
    switch (action) {
      case "list":
        operandsOf(rest, 0, 1);
        return withPlace(call, (place) => list(rest, place));
      case "add":
        operandsOf(rest, 3, 1000);
        return withPlace(call, (place) => add(rest, place));
      case "remove":
        operandsOf(rest, 3, 1000);
        return withPlace(call, (place) => remove(rest, place));
      case "export":
        operandsOf(rest, 0, 1);
        return withPlace(call, (place) => exportLists(rest, place));
      case "import":
        operandsOf(rest, 1);
        return importLists(rest);
      default:
        throw new UsageError(`delegates cannot ${action}`);
    }
  },
};

async function list(call: Call, { directory, records, delegates }: Place): Promise<number> {
  const [asked] = call.operands;
  const only = asked === undefined ? undefined : await directory.identities(await named(asked, { directory }));
  const name = namer(records);
  const rows: Cell[][] = [];
  const add = async (owner: PrincipalUid, access: Access, member: PrincipalUid, source: string): Promise<void> => {
    if (only?.has(owner) === false && !only.has(member)) return;
    rows.push([(await name(owner)) ?? "unknown", access, (await name(member)) ?? "unknown", source, owner, member]);
  };
  for (const { owner, access, members } of await delegates.lists())
    for (const member of members) await add(owner, access, member, "database");
  for (const type of recordTypes)
    for await (const { uid } of records.list(type)) {
      const inRecord = await records.delegatesOf(uid);
      for (const access of ["read", "write"] as const)
        for (const member of inRecord[access]) await add(uid, access, member, "record");
    }
  rows.sort((a, b) => (String(a) < String(b) ? -1 : 1));
  const columns = ["owner", "access", "delegate", "source", "ownerGUID", "delegateGUID"];
  call.print(tableText({ columns, rows }, call.format));
  return 0;
}

async function named(text: string, { directory }: Pick<Place, "directory">): Promise<Principal> {
  const principal = await principalNamed(directory, text);
  if (principal === undefined) throw new Problems([`there is no principal ${text}`]);
  return principal;
}

/** All names, or one Problems with every one that is nobody. */
async function allNamed(texts: readonly string[], place: Place): Promise<readonly Principal[]> {
  const found = await Promise.all(texts.map((text) => principalNamed(place.directory, text)));
  const nobody = texts.filter((_, at) => found[at] === undefined);
  if (nobody.length > 0) throw new Problems(nobody.map((text) => `there is no principal ${text}`));
  return found.filter((principal) => principal !== undefined);
}

function accessOf(word: string | undefined, all: boolean): readonly Access[] {
  if (word === "read" || word === "write") return [word];
  if (all && word === "all") return ["read", "write"];
  throw new UsageError(`the access must be read${all ? ", write or all" : " or write"}, found ${word}`);
}

function demandCalendars(owner: Principal): void {
  if (!owner.calendaring)
    throw new Problems([`${nameOf(owner)} has no calendars: they are not switched on in its record`]);
}

async function add(call: Call, place: Place): Promise<number> {
  const [ownerText = "", word, ...members] = call.operands;
  const [access = "read"] = accessOf(word, false);
  const owner = await named(ownerText, place);
  demandCalendars(owner);
  const uids = (await allNamed(members, place)).map(({ uid }) => uid);
  if (uids.includes(owner.uid)) throw new Problems([`${nameOf(owner)} needs no delegate rights to its own calendars`]);
  await place.delegates.change([{ owner: owner.uid, access, edit: (before) => [...new Set([...before, ...uids])] }]);
  return 0;
}

async function remove(call: Call, place: Place): Promise<number> {
  const [ownerText = "", word, ...members] = call.operands;
  const accesses = accessOf(word, true);
  const { directory, delegates, records } = place;
  // An uid that the directory does not know stands for itself.
  const uidOf = async (text: string) => (await principalNamed(directory, text))?.uid ?? (text.trim() as PrincipalUid);
  const owner = await uidOf(ownerText);
  const uids = new Set(await Promise.all(members.map(uidOf)));
  const missing = new Set(uids);
  const inRecord = await records.delegatesOf(owner);
  const edits = accesses.map((access): DelegateEdit => {
    for (const uid of inRecord[access])
      if (uids.has(uid))
        throw new Problems([`${uid} is a delegate by the directory's record of ${ownerText}; change that`]);
    return {
      owner,
      access,
      edit(before) {
        for (const uid of before) missing.delete(uid);
        return before.filter((uid) => !uids.has(uid));
      },
    };
  });
  await delegates.change(edits);
  for (const uid of missing) call.say(`problem: ${uid} is no delegate of ${ownerText}`);
  return missing.size === 0 ? 0 : 1;
}

async function exportLists(call: Call, { delegates, records }: Place): Promise<number> {
  const lists = await delegates.lists();
  if (call.format === "csv") throw new UsageError("export writes plain, json or plist");
  const text =
    call.format === "plain"
      ? await plainDelegates(lists, namer(records))
      : call.format === "json"
        ? jsonDelegates(lists)
        : plistDelegates(lists);
  const [file] = call.operands;
  if (file === undefined) call.print(text);
  else await writeFile(file, text, { mode: 0o640 });
  return 0;
}

/** The lists that a file names, principals looked up. Throws Problems with everything that is wrong. */
async function listsOf(
  text: string,
  keepUnknown: boolean,
  directory: Place["records"] | Place["directory"],
): Promise<DelegateList[]> {
  const { delegates, problems: unreadable } = readDelegates(text);
  const problems = [...unreadable];
  const lists = new Map<string, DelegateList & { readonly members: PrincipalUid[] }>();
  const known = new Map<string, Promise<Principal | undefined>>();
  const look = (name: string): Promise<Principal | undefined> => {
    const found = known.get(name) ?? principalNamed(directory, name);
    known.set(name, found);
    return found;
  };
  // Without a colon or a slash it can only be meant as a GUID.
  const uidOf = async (name: string, { where }: NamedDelegate): Promise<PrincipalUid | undefined> => {
    const principal = await look(name);
    if (principal !== undefined) return principal.uid;
    if (keepUnknown && !/[:/]/.test(name)) return name as PrincipalUid;
    problems.push(`${where}: there is no principal ${name}`);
    return undefined;
  };
  for (const entry of delegates) {
    const owner = await uidOf(entry.owner, entry);
    const delegate = await uidOf(entry.delegate, entry);
    if (owner === undefined || delegate === undefined) continue;
    if ((await look(entry.owner))?.calendaring === false && !keepUnknown)
      problems.push(`${entry.where}: ${entry.owner} has no calendars: they are not switched on in its record`);
    const key = `${owner}#${entry.access}`;
    const list = lists.get(key) ?? { owner, access: entry.access, members: [] };
    lists.set(key, list);
    if (!list.members.includes(delegate)) list.members.push(delegate);
  }
  if (problems.length > 0) throw new Problems([...new Set(problems), "nothing was imported"]);
  return [...lists.values()];
}

async function importLists(call: Call): Promise<number> {
  const [file = "-"] = call.operands;
  const anew = call.flag("new");
  if (anew && call.flag("replace")) throw new UsageError("--new makes a new database; there is nothing to --replace");
  const text = file === "-" ? await readAll(process.stdin) : await readFile(file, "utf8");
  const keepUnknown = anew || call.flag("keep-unknown");
  const done = (lists: readonly DelegateList[], more = ""): number => {
    const members = lists.reduce((sum, list) => sum + list.members.length, 0);
    const verb = call.flag("dry-run") ? "would import" : "imported";
    call.print(`${verb} ${members} delegates in ${lists.length} lists${more}\n`);
    return 0;
  };
  if (anew) return importAnew(call, text, done);
  return withPlace(call, async (place) => {
    const lists = await listsOf(text, keepUnknown, place.directory);
    const edits = lists.map(({ owner, access, members }): DelegateEdit => ({ owner, access, edit: () => members }));
    if (!call.flag("dry-run")) await place.delegates.change(edits, call.flag("replace") ? "removed" : "kept");
    return done(lists);
  });
}

async function importAnew(
  call: Call,
  text: string,
  done: (lists: readonly DelegateList[], more?: string) => number,
): Promise<number> {
  const config = await call.config();
  await demandStore(config);
  await actAsServer(config);
  const roots = { documentRoot: config.DocumentRoot, dataRoot: config.DataRoot };
  const usable = await openDelegates({ ...roots, storeIsUsed: true, warn: () => undefined }).then(
    (delegates) => {
      delegates.close();
      return true;
    },
    () => false,
  );
  if (usable) throw new Problems(["the delegate database is there and whole: import into it without --new"]);
  const records = await openRecords(config);
  try {
    const lists = await listsOf(text, true, records);
    if (call.flag("dry-run")) return done(lists);
    const path = await delegatesPath(roots);
    const aside = await restoreDelegates(path, lists);
    return done(lists, ` into a new database ${path}${aside === undefined ? "" : `; the old one is ${aside}`}`);
  } finally {
    await records.close();
  }
}
