import { isUtf8 } from "node:buffer";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { principalNamed } from "../directory/access.ts";
import { parseCalendarObject } from "../ical/parse.ts";
import { validateForStorage } from "../ical/validate.ts";
import { Refusal } from "../model/refusal.ts";
import { calendarsIn } from "../store/census.ts";
import { homesIn } from "../store/homes.ts";
import { findHome } from "../store/provision.ts";
import { type Call, type Command, Problems } from "./command.ts";
import { demandStore, openRecords } from "./place.ts";
import { type StoreView, viewOf } from "./survey.ts";
import { tableText } from "./table.ts";

export const verifyCommand: Command = {
  name: "verify",
  operands: ["[PRINCIPAL]…"],
  about: "read every .ics file of the store, or of some homes, and report",
  help: `Reads every file in calendars and inboxes as the server would, and prints one line
for each that is not in order; the status is 1 then. Nothing is changed, no lock is
held, the server may run. Plain lines come as they are found.

  broken     cannot be read as a calendar object: clients get it by GET only
  duplicate  has the UID of another file in the same calendar
  invalid    is served, but no client could store it so again
  stray      is no .ics file, such as what an original server left behind (.rollback)

A broken file may be mended with an editor or removed; the server notices.
`,
  async run(call) {
    const config = await call.config();
    await demandStore(config);
    const view = viewOf(config, call.say);
    const findings: Finding[] = [];
    let files = 0;
    const report = (finding: Finding): void => {
      findings.push(finding);
      if (call.format === "plain") call.print(`${finding.place}: ${finding.kind}: ${finding.problem}\n`);
    };
    for (const home of await homesAsked(call, view)) files += await verifyHome(home, view, report);
    const columns = ["place", "kind", "problem"];
    const rows = findings.map(({ place, kind, problem }) => [place, kind, problem]);
    if (call.format !== "plain") call.print(tableText({ columns, rows }, call.format));
    call.say(`${files} files, ${findings.length} not in order`);
    return findings.length === 0 ? 0 : 1;
  },
};

interface Finding {
  /** Below DocumentRoot. */
  readonly place: string;
  readonly kind: "broken" | "duplicate" | "invalid" | "stray";
  readonly problem: string;
}

async function homesAsked(call: Call, view: StoreView): Promise<readonly string[]> {
  const homes: string[] = [];
  if (call.operands.length === 0) {
    for await (const { path } of homesIn(view.layout, view.properties)) homes.push(path);
    return homes;
  }
  const records = await openRecords(await call.config());
  try {
    const problems: string[] = [];
    for (const operand of call.operands) {
      const principal = await principalNamed(records, operand);
      const home = principal && (await findHome({ ...view, warn: call.say }, principal));
      if (principal === undefined) problems.push(`there is no principal ${operand}`);
      else if (home === undefined) problems.push(`${operand} has no home yet`);
      else homes.push(home);
    }
    if (problems.length > 0) throw new Problems(problems);
    return homes;
  } finally {
    await records.close();
  }
}

async function verifyHome(home: string, view: StoreView, report: (finding: Finding) => void): Promise<number> {
  let files = 0;
  for await (const { path } of calendarsIn(home, view.properties))
    files += await verifyFolder(path, view, false, report);
  return files + (await verifyFolder(join(home, "inbox"), view, true, report));
}

async function verifyFolder(
  folder: string,
  { layout }: StoreView,
  inbox: boolean,
  report: (finding: Finding) => void,
): Promise<number> {
  const found = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = found.filter((item) => item.isFile() && !item.name.startsWith(".")).map(({ name }) => name);
  const uids = new Map<string, string>();
  for (const name of names.sort()) {
    const path = join(folder, name);
    const finding = (kind: Finding["kind"], problem: string): void =>
      report({ place: path.slice(layout.root.length + 1), kind, problem });
    const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => error);
    if (bytes instanceof Error) {
      // Gone since its name was read: somebody deleted it.
      if (bytes.code !== "ENOENT") finding("broken", bytes.message);
      continue;
    }
    try {
      if (!isUtf8(bytes)) throw new Error("is not UTF-8");
      const text = bytes.toString("utf8");
      const { uid } = parseCalendarObject(text);
      const other = uids.get(uid);
      if (!inbox && other !== undefined) finding("duplicate", `has the UID of ${other}: ${uid}`);
      else if (/\.rollback$/.test(name)) finding("stray", "was left behind by a write of an original server");
      else validateForStorage(text, { maxInstances: 400, allowMethod: inbox });
      uids.set(uid, name);
    } catch (error) {
      const problem = error instanceof Refusal && "problem" in error.reason ? error.reason.problem : messageOf(error);
      if (!/\.ics$/i.test(name)) finding("stray", problem);
      else finding(readable(bytes) ? "invalid" : "broken", problem);
    }
  }
  return names.length;
}

function readable(bytes: Buffer): boolean {
  try {
    return isUtf8(bytes) && parseCalendarObject(bytes.toString("utf8")).uid !== "";
  } catch {
    return false;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
