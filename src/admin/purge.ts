import { relative, resolve } from "node:path";
import type { DelegateEdit } from "../directory/backend.ts";
import { diskUsage } from "../store/census.ts";
import { removeTree } from "../store/purge.ts";
import { type Call, type Command, operandsOf, Problems, UsageError } from "./command.ts";
import { actAsServer, demandStore, openRecords, withPlace } from "./place.ts";
import { purgeAttachments } from "./purge-attachments.ts";
import { purgeEvents } from "./purge-events.ts";
import { attachmentsKept, moveAside, removeHome, someHaveAttachments } from "./purge-homes.ts";
import { referencesIn } from "./references.ts";
import { type SurveyedHome, survey, viewOf } from "./survey.ts";
import { type Cell, tableText } from "./table.ts";

export const purgeCommand: Command = {
  name: "purge",
  operands: [
    "--orphans [--yes] [--aside FOLDER | --shred] [--referred] [--all] [HOME…]",
    "--delegates [--yes]",
    "--attachments [--yes]",
    "--older-than DAYS [--yes] [PRINCIPAL…]",
  ],
  about: "remove what belongs to nobody (homes, delegates, attachments), and old events",
  help: `Without --yes, or with --dry-run, only says what would be removed. The server may run.
Nothing is removed while the directory cannot be asked.

  --orphans      homes whose owner the directory does not know; with HOME (a place
                 below DocumentRoot, a path or the owner's GUID) only those. What lies
                 in their drop boxes and others' events refer to stays
  --delegates    delegates that the directory does not know, and those of such owners
  --attachments  attachments that no event of anybody refers to: managed ones older
                 than ten minutes, and drop boxes a week after they last changed. The
                 server does this by itself every night for its own
  --older-than   events of which nothing took place in the last DAYS days, and tasks
                 finished before; of those PRINCIPALs only, if any. Nobody is told.
                 Their attachments go with the server's next look, or --attachments

  --yes          remove
  --dry-run      only say, whatever else is given
  --aside        move homes into FOLDER, on the volume of DocumentRoot, instead: each
                 under its place, with all its properties. Moved back they are as before
  --referred     also what others' events refer to
  --all          also if then no home at all would be left: perhaps it is the
                 directory that is wrong
  --shred        overwrite the files before they are removed. This is of no use on
                 file systems that do not write in place (Btrfs, ZFS, snapshots), on
                 SSDs, which keep old blocks, and for backups

Removing a home by hand (rm -r) is just as good while the server runs.
`,
  options: {
    orphans: { type: "boolean" },
    delegates: { type: "boolean" },
    attachments: { type: "boolean" },
    "older-than": { type: "string" },
    yes: { type: "boolean" },
    "dry-run": { type: "boolean" },
    aside: { type: "string" },
    referred: { type: "boolean" },
    all: { type: "boolean" },
    shred: { type: "boolean" },
  },
  run(given) {
    const call: Call = given.flag("dry-run") ? { ...given, flag: (name) => name !== "yes" && given.flag(name) } : given;
    const asked = ways.filter((name) => call.flag(name) || call.value(name) !== undefined);
    const [way, another] = asked;
    if (way === undefined || another !== undefined)
      throw new UsageError(`purge needs one of ${ways.map((name) => `--${name}`).join(", ")}`);
    if (way !== "orphans")
      for (const name of ["all", "shred", "referred", "aside"])
        if (call.flag(name) || call.value(name) !== undefined)
          throw new UsageError(`--${name} goes with --orphans only`);
    if (way === "orphans") return purgeHomes(call);
    if (way === "older-than") return purgeEvents(call);
    operandsOf(call, 0);
    return way === "attachments" ? purgeAttachments(call) : purgeDelegates(call);
  },
};

const ways = ["orphans", "delegates", "attachments", "older-than"];

const only = (call: Call): string => (call.flag("yes") ? "" : "; --yes removes");

async function purgeHomes(call: Call): Promise<number> {
  const aside = call.value("aside");
  const shred = call.flag("shred");
  if (aside !== undefined && shred) throw new UsageError("--aside and --shred exclude each other");
  const config = await call.config();
  await demandStore(config);
  await actAsServer(config);
  const view = viewOf(config, call.say);
  const records = await openRecords(config);
  const homes: SurveyedHome[] = [];
  try {
    for await (const home of survey(view, records)) homes.push(home);
  } finally {
    await records.close();
  }
  const orphans = homes.filter(({ state }) => state === "orphan");
  const wanted = chosen(call, config.DocumentRoot, orphans);
  if (orphans.length === homes.length && wanted.length > 0 && !call.flag("all"))
    throw new Problems([
      "the directory knows the owner of no home at all: perhaps it is not the right one. --all removes the homes even so",
    ]);
  const others = homes.filter((home) => !wanted.includes(home)).map(({ path }) => path);
  // Nobody's attachments are asked for where there are none.
  const referred =
    call.flag("referred") || !(await someHaveAttachments(wanted))
      ? new Set<string>()
      : await referencesIn(others, view.properties);
  const rows: Cell[][] = [];
  let kept = 0;
  for (const home of wanted) {
    const keeps = await attachmentsKept(home, referred);
    kept += keeps.length;
    rows.push([home.place, home.owner, await diskUsage(home.path), keeps.length]);
    if (!call.flag("yes")) continue;
    if (aside !== undefined) await moveAside(home, keeps, resolve(aside));
    else await removeHome(home, keeps, (path) => removeTree(view.layout, path, shred));
  }
  call.print(tableText({ columns: ["place", "ownerGUID", "diskUsage", "attachmentsKept"], rows }, call.format));
  if (kept > 0) call.say(`${kept} attachments stay: events of others refer to them (--referred removes them too)`);
  const done = aside === undefined ? "removed" : `moved to ${resolve(aside)}`;
  call.say(`${wanted.length} homes${call.flag("yes") ? ` ${done}` : ""}${only(call)}`);
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
