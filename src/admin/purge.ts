import { relative, resolve } from "node:path";
import type { DelegateEdit } from "../directory/backend.ts";
import { diskUsage } from "../store/census.ts";
import { removeTree } from "../store/purge.ts";
import { type Call, type Command, Problems, UsageError } from "./command.ts";
import { actAsServer, demandStore, openRecords, withPlace } from "./place.ts";
import { type SurveyedHome, survey, viewOf } from "./survey.ts";
import { type Cell, tableText } from "./table.ts";

export const purgeCommand: Command = {
  name: "purge",
  operands: ["--orphans [--yes] [--shred] [--all] [HOME…]", "--delegates [--yes]"],
  about: "remove what belongs to nobody: homes, delegates",
  help: `Without --yes only says what would be removed. The server may run.

  --orphans    homes whose owner the directory does not know; with HOME (a place
               below DocumentRoot, a path or the owner's GUID) only those
  --delegates  delegates that the directory does not know, and those of such owners
  --yes        remove
  --all        also if then no home at all would be left: perhaps it is the
               directory that is wrong
  --shred      overwrite the files before they are removed. This is of no use on
               file systems that do not write in place (Btrfs, ZFS, snapshots), on
               SSDs, which keep old blocks, and for backups

Removing a home by hand (rm -r) is just as good while the server runs.
`,
  options: {
    orphans: { type: "boolean" },
    delegates: { type: "boolean" },
    yes: { type: "boolean" },
    all: { type: "boolean" },
    shred: { type: "boolean" },
  },
  run(call) {
    const homes = call.flag("orphans");
    if (homes === call.flag("delegates")) throw new UsageError("purge needs --orphans or --delegates");
    if (homes) return purgeHomes(call);
    if (call.operands.length > 0 || call.flag("shred") || call.flag("all"))
      throw new UsageError("--delegates goes with --yes only");
    return purgeDelegates(call);
  },
};

const only = (call: Call): string => (call.flag("yes") ? "" : "; --yes removes");

async function purgeHomes(call: Call): Promise<number> {
  const config = await call.config();
  await demandStore(config);
  await actAsServer(config);
  const view = viewOf(config, call.say);
  const records = await openRecords(config);
  const orphans: SurveyedHome[] = [];
  let others = 0;
  try {
    for await (const home of survey(view, records))
      if (home.state === "orphan") orphans.push(home);
      else others++;
  } finally {
    await records.close();
  }
  const wanted = chosen(call, config.DocumentRoot, orphans);
  if (others === 0 && wanted.length > 0 && !call.flag("all"))
    throw new Problems([
      "the directory knows the owner of no home at all: perhaps it is not the right one. --all removes the homes even so",
    ]);
  const rows: Cell[][] = [];
  for (const { place, owner, path } of wanted) rows.push([place, owner, await diskUsage(path)]);
  call.print(tableText({ columns: ["place", "ownerGUID", "diskUsage"], rows }, call.format));
  if (call.flag("yes")) for (const { path } of wanted) await removeTree(view.layout, path, call.flag("shred"));
  call.say(`${wanted.length} homes${call.flag("yes") ? " removed" : ""}${only(call)}`);
  return 0;
}

/** The orphans that the operands name; all without operands. Throws for one that is no orphan. */
function chosen(call: Call, root: string, orphans: readonly SurveyedHome[]): readonly SurveyedHome[] {
  if (call.operands.length === 0) return orphans;
  const problems: string[] = [];
  const found = call.operands.flatMap((operand) => {
    const place = relative(root, resolve(root, operand));
    const named = orphans.filter((home) => home.place === place || home.owner === operand);
    if (named.length === 0) problems.push(`${operand}: there is no orphaned home of that place or owner`);
    return named;
  });
  if (problems.length > 0) throw new Problems([...problems, "nothing was removed"]);
  return [...new Set(found)];
}

function purgeDelegates(call: Call): Promise<number> {
  return withPlace(call, async ({ delegates, records }) => {
    const unknown = async (uid: Parameters<typeof records.byUid>[0]): Promise<boolean> =>
      (await records.byUid(uid)) === undefined;
    const rows: Cell[][] = [];
    const edits: DelegateEdit[] = [];
    let known = 0;
    for (const { owner, access, members } of await delegates.lists()) {
      const gone = new Set(members);
      if (!(await unknown(owner))) for (const member of members) if (!(await unknown(member))) gone.delete(member);
      known += members.length - gone.size;
      for (const member of gone) rows.push([owner, access, member]);
      if (gone.size > 0) edits.push({ owner, access, edit: (before) => before.filter((member) => !gone.has(member)) });
    }
    if (known === 0 && rows.length > 0)
      throw new Problems([
        "the directory knows none of the delegates: perhaps it is not the right one; nothing was removed",
      ]);
    call.print(tableText({ columns: ["ownerGUID", "access", "delegateGUID"], rows }, call.format));
    if (call.flag("yes")) await delegates.change(edits);
    call.say(`${rows.length} delegates${call.flag("yes") ? " removed" : ""}${only(call)}`);
    return 0;
  });
}
