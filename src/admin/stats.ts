import type { DirectoryBackend } from "../directory/backend.ts";
import { type RecordType, recordTypes } from "../model/principal.ts";
import { type Census, censusOf, diskUsage, nothing, together } from "../store/census.ts";
import { type Command, operandsOf } from "./command.ts";
import { demandStore, openRecords } from "./place.ts";
import { sizeAs, sizeHelp, sizeOptions } from "./sizes.ts";
import { survey, viewOf } from "./survey.ts";
import { factsText } from "./table.ts";

export const statsCommand: Command = {
  name: "stats",
  operands: ["[-k | -m | -g | --human]"],
  about: "disk usage, accounts, calendars, events, to-dos",
  help: `The numbers of the service, counted now: from the indexes where they agree with
the files, else from the files. Nothing is written; the server may run.

  diskUsage          what DocumentRoot takes on the disk, as du counts it
  accounts           users in the directory; groups, locations and resources likewise
  userCalendars      calendars in the homes of users; those of groups, locations and
                     resources likewise
  events, todos      objects in calendars; a series is one
  todoLists          calendars that take to-dos only
  homes              homes that are served
  orphanedHomes      homes whose owner the directory does not know; what is in them
                     is not counted otherwise
${sizeHelp}`,
  options: sizeOptions,
  async run(call) {
    operandsOf(call, 0);
    const config = await call.config();
    await demandStore(config);
    const view = viewOf(config, call.say);
    const records = await openRecords(config);
    const size = sizeAs(call);
    try {
      const accounts = await countRecords(records);
      const inside: Record<RecordType, Census> = {
        users: nothing,
        groups: nothing,
        locations: nothing,
        resources: nothing,
      };
      let homes = 0;
      let orphans = 0;
      for await (const { principal, path, state } of survey(view, records)) {
        if (principal === undefined) orphans++;
        else inside[principal.type] = together(inside[principal.type], await censusOf(path, view.properties));
        if (state === "used") homes++;
      }
      const all = recordTypes.map((type) => inside[type]).reduce(together);
      const facts = [
        ["diskUsage", size(await diskUsage(config.DocumentRoot))],
        ["accounts", accounts.users],
        ["groups", accounts.groups],
        ["locations", accounts.locations],
        ["resources", accounts.resources],
        ["userCalendars", inside.users.calendars],
        ["groupCalendars", inside.groups.calendars],
        ["locationCalendars", inside.locations.calendars],
        ["resourceCalendars", inside.resources.calendars],
        ["calendars", all.calendars],
        ["events", all.events],
        ["todos", all.todos],
        ["todoLists", all.todoLists],
        ["homes", homes],
        ["orphanedHomes", orphans],
      ] as const;
      call.print(factsText(facts, call.format));
      return 0;
    } finally {
      await records.close();
    }
  },
};

async function countRecords(records: DirectoryBackend): Promise<Record<RecordType, number>> {
  const counts = { users: 0, groups: 0, locations: 0, resources: 0 };
  for (const type of recordTypes) for await (const _ of records.list(type)) counts[type]++;
  return counts;
}
