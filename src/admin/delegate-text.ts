import type { DelegateList } from "../directory/backend.ts";
import { delegatesJson } from "../directory/delegate-dumps.ts";
import type { PrincipalUid } from "../model/ids.ts";
import { readPlist, writePlist } from "../xml/plist.ts";

/** One delegate as a file names it; `where` is the place in the file, for messages. */
export interface NamedDelegate {
  readonly owner: string;
  readonly access: "read" | "write";
  readonly delegate: string;
  readonly where: string;
}

/** What was read, and every place that makes no sense. */
export interface ReadDelegates {
  readonly delegates: readonly NamedDelegate[];
  readonly problems: readonly string[];
}

/** Lines `GUID write GUID`, tabs between, with the names behind them for people. */
export async function plainDelegates(
  lists: readonly DelegateList[],
  name: (uid: PrincipalUid) => Promise<string | undefined>,
): Promise<string> {
  let text = "# owner\taccess\tdelegate\towner's name\tdelegate's name\n";
  for (const { owner, access, members } of lists)
    for (const member of members)
      text += `${[owner, access, member, (await name(owner)) ?? "unknown", (await name(member)) ?? "unknown"].join("\t")}\n`;
  return text;
}

export const jsonDelegates = delegatesJson;

export function plistDelegates(lists: readonly DelegateList[]): string {
  const owners = new Map<string, { owner: string; read?: readonly string[]; write?: readonly string[] }>();
  for (const { owner, access, members } of lists)
    owners.set(owner, { ...(owners.get(owner) ?? { owner }), [access]: members });
  return writePlist({ delegates: [...owners.values()] });
}

/** Reads what `caladmin delegates export` writes in any of its formats, and the server's daily copies. Principals may be written in
 *  every way that the commands take. Throws for what is neither JSON nor a property list although it begins so. */
export function readDelegates(text: string): ReadDelegates {
  const start = text.trimStart();
  if (start.startsWith("{")) return readLists(JSON.parse(text));
  if (start.startsWith("<")) return readLists(readPlist(text));
  return readLines(text);
}

const isAccess = (word: unknown): word is "read" | "write" => word === "read" || word === "write";

function readLines(text: string): ReadDelegates {
  const delegates: NamedDelegate[] = [];
  const problems: string[] = [];
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const where = `line ${at + 1}`;
    const [owner = "", access, delegate = ""] = line.includes("\t") ? line.split("\t") : line.trim().split(/ +/);
    if (owner.trim() === "" || delegate.trim() === "" || !isAccess(access))
      problems.push(`${where}: must be an owner, read or write, and a delegate, with tabs between`);
    else delegates.push({ owner: owner.trim(), access, delegate: delegate.trim(), where });
  }
  return { delegates, problems };
}

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;

function readLists(document: unknown): ReadDelegates {
  const delegates: NamedDelegate[] = [];
  const problems: string[] = [];
  const lists = member(document, "delegates");
  if (!Array.isArray(lists)) return { delegates, problems: ['must be a dictionary with a list "delegates"'] };
  for (const [at, list] of lists.entries()) {
    const where = `delegates[${at}]`;
    const owner = member(list, "owner");
    if (typeof owner !== "string" || owner.trim() === "") {
      problems.push(`${where}: has no owner`);
      continue;
    }
    for (const access of ["read", "write"] as const) {
      const members = member(list, access) ?? [];
      if (!Array.isArray(members)) problems.push(`${where}.${access}: must be a list`);
      else
        for (const [n, delegate] of members.entries())
          if (typeof delegate === "string" && delegate.trim() !== "")
            delegates.push({
              owner: owner.trim(),
              access,
              delegate: delegate.trim(),
              where: `${where}.${access}[${n}]`,
            });
          else problems.push(`${where}.${access}[${n}]: must be the name or GUID of a principal`);
    }
  }
  return { delegates, problems };
}
