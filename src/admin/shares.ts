import { stat } from "node:fs/promises";
import { join } from "node:path";
import { invitationsIn } from "../sharing/invitations.ts";
import { publishedName } from "../sharing/names.ts";
import { calendarsIn } from "../store/census.ts";
import { findHome } from "../store/provision.ts";
import { textOf } from "../xml/element.ts";
import { type Command, operandsOf } from "./command.ts";
import { demandStore, nameOf, openRecords } from "./place.ts";
import { survey, viewOf } from "./survey.ts";
import { type Cell, tableText } from "./table.ts";

export const sharesCommand: Command = {
  name: "shares",
  operands: ["[--published]"],
  about: "who shares which calendars with whom, and which are published",
  help: `One line for each sharee of each calendar, as the calendar itself records it:
  accepted    the calendar lies in the sharee's home
  noresponse  the sharee has not answered yet
  declined    the sharee did not want it, or has removed it from his home
  no link     accepted, but the link in the sharee's home is missing, as after a
              restore of that home alone; accepting again makes it anew
A published calendar has a line of its own, with the token of its address:
whoever knows it may read /published/TOKEN.ics. To revoke it at once, remove
published/TOKEN below DocumentRoot.

  --published   published calendars only
`,
  options: { published: { type: "boolean" } },
  async run(call) {
    operandsOf(call, 0);
    const config = await call.config();
    await demandStore(config);
    const records = await openRecords(config);
    const view = viewOf(config, call.say);
    const hasLink = async (home: string | undefined, uid: string): Promise<boolean> =>
      home !== undefined && (await stat(join(home, uid)).catch(() => undefined)) !== undefined;
    try {
      const rows: Cell[][] = [];
      for await (const { state, principal, path } of survey(view, records)) {
        if (state !== "used" || principal === undefined) continue;
        for await (const calendar of calendarsIn(path, view.properties)) {
          const properties = await view.properties.readCollection(calendar.path);
          const about = [nameOf(principal), calendar.name];
          const token = properties.get(publishedName);
          if (token !== undefined) rows.push([...about, "everybody", "read", "published", textOf(token)]);
          if (call.flag("published")) continue;
          for (const { uid, sharee, access, status } of invitationsIn(properties)) {
            const other = await records.byUid(sharee);
            const home = other && (await findHome({ ...view, warn: call.say }, other));
            const told = status === "accepted" && !(await hasLink(home, uid)) ? "no link" : status;
            rows.push([...about, other === undefined ? sharee : nameOf(other), access, told, uid]);
          }
        }
      }
      const columns = ["owner", "calendar", "sharee", "access", "state", "id"];
      call.print(tableText({ columns, rows }, call.format));
      return 0;
    } finally {
      await records.close();
    }
  },
};
