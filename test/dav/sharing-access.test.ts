import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Exchange, event, givenExchange } from "./exchange.ts";
import { accept, home, invite, mail, propfind, proppatch, set, shareBody, xml } from "./sharing-words.ts";

/** Who asks, at the address in which sharee's home. */
const askers = {
  "sharee-r": { as: "user02", of: "user02" },
  "sharee-rw": { as: "user03", of: "user03" },
  "reader of rw": { as: "user04", of: "user03" },
  "writer of rw": { as: "user05", of: "user03" },
  "writer of r": { as: "user05", of: "user02" },
  "the owner": { as: "user01", of: "user03" },
  "other sharee": { as: "user02", of: "user03" },
  somebody: { as: "user06", of: "user03" },
} as const;

/** What is answered at the address of the shared calendar, in the order of the askers. */
const table = `
                         sharee-r  sharee-rw  reader of rw  writer of rw  writer of r  the owner  other sharee  somebody
PROPFIND calendar             207        207           207           207          207        403           403       403
GET calendar                  200        200           200           200          200        403           403       403
GET event                     200        200           200           200          200        403           403       403
GET private event             403        403           403           403          403        403           403       403
REPORT query                  207        207           207           207          207        403           403       403
REPORT sync                   207        207           207           207          207        403           403       403
REPORT free-busy              200        200           200           200          200        200           200       200
PUT new event                 403        201           403           201          403        403           403       403
PUT changed event             403        204           403           204          403        403           403       403
PUT own alarm                 204        204           403           204          204        403           403       403
POST add-member               403        201           403           201          403        403           403       403
DELETE event                  403        204           403           204          403        403           403       403
PROPPATCH calendar            207        207           403           207          207        403           403       403
PROPPATCH event               403        207           403           207          403        403           403       403
COPY event out                201        201           201           201          201        403           403       403
MOVE event out                403        403           403           403          403        403           403       403
POST share                    403        403           403           403          403        403           403       403
ACL calendar                  403        403           403           403          403        403           403       403
MKCALENDAR inside             403        403           403           403          403        403           403       403
MOVE calendar                 403        403           403           403          403        403           403       403
DELETE calendar               204        204           403           204          204        403           403       403
`;

const calendar = `${home("user01")}team/`;
const icalendar = { "content-type": "text/calendar" };
const alarm = ["BEGIN:VALARM", "ACTION:AUDIO", "TRIGGER:-PT5M", "END:VALARM"];

describe("who may do what with a shared calendar, at its address in a sharee's home", () => {
  let exchange: Exchange;
  before(async () => {
    exchange = await givenExchange();
    await exchange.send("MKCALENDAR", calendar);
    const { directory } = exchange.tree.services;
    const user = exchange.tree.user;
    await directory.setDelegates(await user("user03"), "read", [await user("user04")]);
    for (const sharee of ["user02", "user03"])
      await directory.setDelegates(await user(sharee), "write", [await user("user05")]);
  });
  after(() => exchange.end());

  /** Everything as at the beginning: invitations accepted, two events. Answers the address in that sharee's home. */
  async function anew(sharee: string): Promise<string> {
    await invite(exchange, calendar, "user01", set(mail("user02"), "read"), set(mail("user03"), "read-write"));
    let place = "";
    for (const user of ["user02", "user03"]) {
      const made = await accept(exchange, calendar, user);
      if (user === sharee) place = made;
    }
    await exchange.put(`${calendar}a.ics`, event("a"));
    await exchange.put(`${calendar}p.ics`, event("p", { around: ["X-CALENDARSERVER-ACCESS:PRIVATE"] }));
    for (const name of ["new.ics"]) await exchange.send("DELETE", `${calendar}${name}`);
    return place;
  }

  const report = (inside: string): string => `<${inside} xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">`;
  const acts: Readonly<Record<string, (place: string, as: string) => ReturnType<Exchange["send"]>>> = {
    "PROPFIND calendar": (place, as) =>
      exchange.send("PROPFIND", place, { as, headers: { depth: "1" }, body: propfind("D:getetag") }),
    "GET calendar": (place, as) => exchange.send("GET", place, { as }),
    "GET event": (place, as) => exchange.send("GET", `${place}a.ics`, { as }),
    "GET private event": (place, as) => exchange.send("GET", `${place}p.ics`, { as }),
    "REPORT query": (place, as) =>
      exchange.send("REPORT", place, {
        as,
        headers: { depth: "1" },
        body: `${report("C:calendar-query")}<prop><getetag/></prop><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>`,
      }),
    "REPORT sync": (place, as) =>
      exchange.send("REPORT", place, {
        as,
        body: `${report("sync-collection")}<sync-token/><sync-level>1</sync-level><prop/></sync-collection>`,
      }),
    "REPORT free-busy": (place, as) =>
      exchange.send("REPORT", place, {
        as,
        body: `${report("C:free-busy-query")}<C:time-range start="20260101T000000Z" end="20260201T000000Z"/></C:free-busy-query>`,
      }),
    "PUT new event": (place, as) =>
      exchange.send("PUT", `${place}new.ics`, { as, headers: icalendar, body: event("new") }),
    "PUT changed event": (place, as) =>
      exchange.send("PUT", `${place}a.ics`, { as, headers: icalendar, body: event("a", { summary: "changed" }) }),
    "PUT own alarm": (place, as) =>
      exchange.send("PUT", `${place}a.ics`, { as, headers: icalendar, body: event("a", { more: alarm }) }),
    "POST add-member": (place, as) =>
      exchange.send("POST", `${place};add-member`, { as, headers: icalendar, body: event(`added-${Math.random()}`) }),
    "DELETE event": (place, as) => exchange.send("DELETE", `${place}a.ics`, { as }),
    "PROPPATCH calendar": (place, as) =>
      exchange.send("PROPPATCH", place, { as, body: proppatch("<D:displayname>mine</D:displayname>") }),
    "PROPPATCH event": (place, as) =>
      exchange.send("PROPPATCH", `${place}a.ics`, { as, body: proppatch("<D:displayname>mine</D:displayname>") }),
    "COPY event out": async (place, as) => {
      const destination = `${home(as)}calendar/copied.ics`;
      const answer = await exchange.send("COPY", `${place}a.ics`, { as, headers: { destination } });
      await exchange.send("DELETE", destination, { as });
      return answer;
    },
    "MOVE event out": (place, as) =>
      exchange.send("MOVE", `${place}a.ics`, { as, headers: { destination: `${home(as)}calendar/moved.ics` } }),
    "POST share": (place, as) =>
      exchange.send("POST", place, { as, headers: xml, body: shareBody(set(mail("user06"), "read")) }),
    "ACL calendar": (place, as) => exchange.send("ACL", place, { as, body: `<D:acl xmlns:D="DAV:"/>` }),
    "MKCALENDAR inside": (place, as) => exchange.send("MKCALENDAR", `${place}inside/`, { as }),
    "MOVE calendar": (place, as) =>
      exchange.send("MOVE", place, { as, headers: { destination: `${home("user03")}elsewhere/` } }),
    "DELETE calendar": (place, as) => exchange.send("DELETE", place, { as }),
  };

  const rows = table
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => [line.slice(0, 24).trim(), line.slice(24).trim().split(/\s+/).map(Number)] as const);
  test("every act has its row", () =>
    assert.deepEqual(
      rows.map(([act]) => act),
      Object.keys(acts),
    ));
  for (const [act, expected] of rows)
    test(act, async () => {
      const found: Record<string, number> = {};
      for (const [asker, { as, of }] of Object.entries(askers)) {
        const place = await anew(of);
        found[asker] = (await acts[act]?.(place, as))?.status ?? 0;
      }
      assert.deepEqual(found, Object.fromEntries(Object.keys(askers).map((asker, at) => [asker, expected[at]])));
    });
});
