import { principalNamed } from "../directory/access.ts";
import type { DirectoryBackend } from "../directory/backend.ts";
import { type Principal, type RecordType, recordTypes } from "../model/principal.ts";
import { censusOf, diskUsage, memberBytes } from "../store/census.ts";
import { findHome } from "../store/provision.ts";
import { type Call, type Command, Problems } from "./command.ts";
import { demandStore, nameOf, openRecords } from "./place.ts";
import { sizeAs, sizeHelp, sizeOptions } from "./sizes.ts";
import { viewOf } from "./survey.ts";
import { type Cell, tableText } from "./table.ts";

const isType = (word: string): word is RecordType => (recordTypes as readonly string[]).includes(word);

export const principalsCommand: Command = {
  name: "principals",
  operands: ["[--list] [--disabled] [users | groups | locations | resources | PRINCIPAL]…"],
  about: "users, groups, locations, resources: homes, calendars, events, quota",
  help: `For each principal of the directory, or of the types and principals named: its
full name, its GUID, whether calendars are switched on in its record, the place of
its home below DocumentRoot if there is one, and what is in it: calendars, events,
to-dos, the bytes that count for the quota, the quota, what is left, what it takes
on the disk.

  -1, --list      names only
  --disabled      only those whose calendars are switched off
${sizeHelp}`,
  options: { list: { type: "boolean", short: "1" }, disabled: { type: "boolean" }, ...sizeOptions },
  async run(call) {
    const config = await call.config();
    const records = await openRecords(config);
    try {
      if (!call.flag("list")) await demandStore(config);
      const rows: Cell[][] = [];
      const view = viewOf(config, call.say);
      const size = sizeAs(call);
      const quota = config.UserQuota === 0 ? undefined : config.UserQuota;
      for await (const principal of asked(call, records)) {
        if (call.flag("disabled") && principal.calendaring) continue;
        const name = nameOf(principal);
        if (call.flag("list")) {
          rows.push([name]);
          continue;
        }
        const home = await findHome({ ...view, warn: () => undefined }, principal);
        const facts: Cell[] = [name, principal.fullName, principal.uid, principal.calendaring];
        if (home === undefined) rows.push([...facts, ...new Array<Cell>(8).fill(undefined)]);
        else {
          const { calendars, events, todos } = await censusOf(home, view.properties);
          const used = await memberBytes(home);
          rows.push([
            ...facts,
            home.slice(view.layout.root.length + 1),
            ...[calendars, events, todos, size(used)],
            quota && size(quota),
            quota && size(Math.max(0, quota - used)),
            size(await diskUsage(home)),
          ]);
        }
      }
      const columns = call.flag("list") ? ["principal"] : allColumns;
      call.print(tableText({ columns, rows }, call.format));
      return 0;
    } finally {
      await records.close();
    }
  },
};

const allColumns = [
  ...["principal", "fullName", "GUID", "calendaring", "home", "calendars", "events", "todos"],
  ...["quotaUsed", "quota", "quotaAvailable", "diskUsage"],
];

async function* asked({ operands }: Call, records: DirectoryBackend): AsyncGenerator<Principal> {
  const named: Principal[] = [];
  const problems: string[] = [];
  for (const operand of operands.filter((word) => !isType(word))) {
    const principal = await principalNamed(records, operand);
    if (principal === undefined) problems.push(`there is no principal ${operand}`);
    else named.push(principal);
  }
  if (problems.length > 0) throw new Problems(problems);
  const types = operands.filter(isType);
  for (const type of operands.length === 0 ? recordTypes : types) yield* records.list(type);
  yield* named;
}
