import { findHome } from "../store/provision.ts";
import { type Command, operandsOf } from "./command.ts";
import { demandStore, nameOf, openRecords } from "./place.ts";
import { viewOf } from "./survey.ts";
import { type Cell, tableText } from "./table.ts";

export const checkLocalUsersCommand: Command = {
  name: "check-local-users",
  operands: [""],
  about: "who has calendars here although the directory says elsewhere",
  help: `With localUserAttribute, or where records name a server, the directory says whose
calendars are on this server. Lists the users, locations and resources for which
that does not agree with the store: those with a home here whose record says that
their calendars are elsewhere. They cannot reach them, and invitations for them
go to the other server. Either the attribute is missing in the record, or the
home was left behind when the calendars were moved.

Exits with 1 when there are any.
`,
  async run(call) {
    operandsOf(call, 0, 0);
    const config = await call.config();
    await demandStore(config);
    const records = await openRecords(config);
    try {
      const view = viewOf(config, call.say);
      const rows: Cell[][] = [];
      for (const type of ["users", "locations", "resources"] as const)
        for await (const principal of records.list(type)) {
          const { hosting } = principal;
          if (hosting?.local !== false) continue;
          const home = await findHome({ ...view, warn: () => undefined }, principal);
          if (home === undefined) continue;
          rows.push([nameOf(principal), principal.uid, hosting.server, home.slice(view.layout.root.length + 1)]);
        }
      if (rows.length > 0 || call.format !== "plain")
        call.print(tableText({ columns: ["principal", "GUID", "server", "home"], rows }, call.format));
      return rows.length === 0 ? 0 : 1;
    } finally {
      await records.close();
    }
  },
};
