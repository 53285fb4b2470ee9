import { readFile, writeFile } from "node:fs/promises";
import { check, propfind, xmlType } from "./target.mjs";

// A home with 50 calendars whose owner has made 20 groups delegates, each of 1,000 members and inside the next, the last in the first.

const calendars = 50;
const groups = 20;
const members = 1000;
const owner = "crowd0000";
/** Short names of the crowd, from 0 to 1,000. */
export const person = (n) => `crowd${`${n}`.padStart(4, "0")}`;
const guid = (kind, n) => `${kind}0000000-0000-0000-0000-${`${n}`.padStart(12, "0")}`;

/** Writes the accounts of `from` with the crowd added to `to`. */
export async function writeCrowd(from, to) {
  let more = "";
  for (let n = 0; n <= members; n++)
    more += `<user><uid>${person(n)}</uid><guid>${guid(8, n)}</guid><password>${person(n)}</password><name>Crowd ${n}</name><email-address>${person(n)}@example.com</email-address></user>\n`;
  const all = Array.from({ length: members }, (_, n) => `<member type="users">${person(n + 1)}</member>`).join("");
  for (let n = 0; n < groups; n++)
    more += `<group><uid>crowds${n}</uid><guid>${guid(6, n)}</guid><name>Crowds ${n}</name><members><member type="groups">crowds${(n + 1) % groups}</member>${all}</members></group>\n`;
  await writeFile(to, (await readFile(from, "utf8")).replace("</accounts>", `${more}</accounts>`));
}

const asked = `<D:displayname/><D:resourcetype/><D:owner/><D:current-user-privilege-set/><D:acl/><D:sync-token/><S:getctag/>
<D:supported-report-set/><D:quota-available-bytes/><D:quota-used-bytes/><C:supported-calendar-component-set/><C:schedule-calendar-transp/>`;

const calendarsIn = ({ body }) => body.toString().split("<C:calendar/>").length - 1;

/** The home's listing as macOS asks for it, by its owner and by a member of the innermost group in turns. */
export const homeOfMany = {
  what: "PROPFIND Depth 1 of a home of 50 calendars, delegated to 20 nested groups of 1,000",
  against: "http",
  concurrency: 1,
  /** Its people are only on a server that this program starts. */
  needsCrowd: true,
  async prepare(target) {
    check(target.hasCrowd, "the accounts of a crowd are only there on a server that this program starts");
    const home = `/calendars/users/${owner}/`;
    const own = target.connectAs(owner);
    const listed = (connection) => connection.request("PROPFIND", home, `Depth: 1\r\n${xmlType}`, propfind(asked));
    for (let n = calendarsIn(await listed(own)); n < calendars; n++) {
      const answer = await own.request("MKCALENDAR", `${home}calendar${n}/`);
      check(answer.status === 201, "MKCALENDAR", answer);
    }
    const hrefs = Array.from({ length: groups }, (_, n) => `<D:href>/principals/__uids__/${guid(6, n)}/</D:href>`);
    const answer = await own.request(
      "PROPPATCH",
      `/principals/users/${owner}/calendar-proxy-write/`,
      xmlType,
      `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:group-member-set>${hrefs.join("")}</D:group-member-set></D:prop></D:set></D:propertyupdate>`,
    );
    check(answer.status === 207 && answer.body.includes(" 200 "), "PROPPATCH of the delegates", answer);
    const askers = [own, target.connectAs(person(members))];
    let turn = 0;
    return {
      async op() {
        const answer = await listed(askers[turn++ % askers.length]);
        check(calendarsIn(answer) === calendars, `${calendarsIn(answer)} of ${calendars} calendars`, answer);
      },
      finish() {
        for (const connection of askers) connection.close();
      },
    };
  },
};
