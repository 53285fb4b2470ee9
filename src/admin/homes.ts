import { diskUsage } from "../store/census.ts";
import { type Command, operandsOf } from "./command.ts";
import { demandStore, nameOf, openRecords } from "./place.ts";
import { sizeAs, sizeHelp, sizeOptions } from "./sizes.ts";
import { survey, viewOf } from "./survey.ts";
import { type Cell, tableText } from "./table.ts";

export const homesCommand: Command = {
  name: "homes",
  operands: ["[--orphans] [--size]"],
  about: "the calendar homes of the store, and whose they are",
  help: `Every home with its owner, its place below DocumentRoot and its state:
  used      the server serves it
  disabled  its owner's record has no calendars (any more)
  orphan    the directory does not know its owner: nobody can reach it. Who got the
            owner's name since then has a home of their own
  unused    its owner has another home, which is served instead
Nothing is ever removed by the server itself; see caladmin help purge.

  --orphans   only orphans; the status is 1 if there are any
  --size      also what each takes on the disk
${sizeHelp}`,
  options: { orphans: { type: "boolean" }, size: { type: "boolean" }, ...sizeOptions },
  async run(call) {
    operandsOf(call, 0);
    const config = await call.config();
    await demandStore(config);
    const records = await openRecords(config);
    const sized = call.flag("size");
    const size = sizeAs(call);
    try {
      const rows: Cell[][] = [];
      let orphans = 0;
      for await (const { state, principal, owner, place, path, note } of survey(viewOf(config, call.say), records)) {
        if (state === "orphan") orphans++;
        else if (call.flag("orphans")) continue;
        const bytes = sized ? [size(await diskUsage(path))] : [];
        rows.push([state, principal && nameOf(principal), place, owner, ...bytes, note]);
      }
      const columns = ["state", "owner", "place", "ownerGUID", ...(sized ? ["diskUsage"] : []), "note"];
      call.print(tableText({ columns, rows }, call.format));
      return call.flag("orphans") && orphans > 0 ? 1 : 0;
    } finally {
      await records.close();
    }
  },
};
