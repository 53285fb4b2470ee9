import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type Exchange, event, givenExchange, hrefsOf, propertyText, refused } from "./exchange.ts";
import { given, home, propfind, proppatch } from "./sharing-words.ts";

const calendar = `${home("user01")}shared/`;
const alarm = (minutes: number): readonly string[] => [
  "BEGIN:VALARM",
  "ACTION:DISPLAY",
  "DESCRIPTION:soon",
  `TRIGGER:-PT${minutes}M`,
  "END:VALARM",
];
const lunch = (words: Parameters<typeof event>[1] = {}): string => event("lunch", words);

let exchange: Exchange;
let shared = "";
let other = "";
beforeEach(async () => {
  exchange = await givenExchange();
  [shared = "", other = ""] = await given(exchange, "read-write", "user02", "user03");
});
afterEach(() => exchange.end());

const get = (href: string, as: string) => exchange.send("GET", href, { as });
const textOf = async (href: string, as: string): Promise<string> => (await get(href, as)).text;
const listedTag = async (collection: string, as: string): Promise<string | undefined> => {
  const answer = await exchange.send("PROPFIND", collection, {
    as,
    headers: { depth: "1" },
    body: propfind("D:getetag"),
  });
  const href = hrefsOf(answer).find((one) => one.endsWith("lunch.ics"));
  return href === undefined ? undefined : propertyText(answer, href, "{DAV:}getetag");
};

describe("an alarm in a shared calendar", () => {
  test("of the owner reaches no sharee, and costs the file no byte", async () => {
    const owners = lunch({ more: alarm(5) });
    const etag = await exchange.put(`${calendar}lunch.ics`, owners);
    assert.equal(await textOf(`${shared}lunch.ics`, "user02"), lunch());
    assert.equal(await textOf(`${calendar}lunch.ics`, "user01"), owners);
    assert.equal((await get(`${calendar}lunch.ics`, "user01")).headers["etag"], etag);
  });
  test("of a sharee is his alone; the owner's file keeps its bytes, ETag and revision", async () => {
    const owners = lunch({ more: alarm(5) });
    await exchange.put(`${calendar}lunch.ics`, owners);
    const state = async (): Promise<string> =>
      (
        await exchange.send("PROPFIND", calendar, {
          headers: { depth: "1" },
          body: propfind("D:getetag", "CS:getctag", "D:sync-token"),
        })
      ).text;
    const before = await state();
    const his = lunch({ more: alarm(30) });
    await exchange.put(`${shared}lunch.ics`, his, "user02");
    assert.equal(await textOf(`${shared}lunch.ics`, "user02"), his);
    assert.equal(await textOf(`${calendar}lunch.ics`, "user01"), owners);
    assert.equal(await textOf(`${other}lunch.ics`, "user03"), lunch());
    assert.equal(await state(), before);
  });
  test("is set by who may only read, whose other changes are refused", async () => {
    const readable = "/calendars/users/user01/readable/";
    await exchange.send("MKCALENDAR", readable);
    const { invite, accept, set, mail } = await import("./sharing-words.ts");
    await invite(exchange, readable, "user01", set(mail("user04"), "read"));
    const place = await accept(exchange, readable, "user04");
    await exchange.put(`${readable}lunch.ics`, lunch());
    await exchange.put(`${place}lunch.ics`, lunch({ more: alarm(30) }), "user04");
    assert.equal(await textOf(`${place}lunch.ics`, "user04"), lunch({ more: alarm(30) }));
    const answer = await exchange.send("PUT", `${place}lunch.ics`, {
      as: "user04",
      headers: { "content-type": "text/calendar" },
      body: lunch({ summary: "mine", more: alarm(30) }),
    });
    refused(answer, "need-privileges");
    assert.equal(await textOf(`${readable}lunch.ics`, "user01"), lunch());
  });
  test("gives the sharee an ETag of his own: the one of PUT, GET, PROPFIND and If-Match", async () => {
    const ofOwner = await exchange.put(`${calendar}lunch.ics`, lunch());
    const etag = await exchange.put(`${shared}lunch.ics`, lunch({ more: alarm(30) }), "user02");
    assert.notEqual(etag, ofOwner);
    assert.equal((await get(`${shared}lunch.ics`, "user02")).headers["etag"], etag);
    assert.equal(await listedTag(shared, "user02"), etag);
    assert.equal(await listedTag(other, "user03"), ofOwner);
    const put = (tag: string, minutes: number) =>
      exchange.send("PUT", `${shared}lunch.ics`, {
        as: "user02",
        headers: { "content-type": "text/calendar", "if-match": tag },
        body: lunch({ more: alarm(minutes) }),
      });
    assert.equal((await put(ofOwner, 10)).status, 412);
    assert.equal((await put(etag, 10)).status, 204);
    assert.equal((await put(etag, 20)).status, 412);
  });
  test("stays when the owner changes the event, whose new text the sharee sees", async () => {
    await exchange.put(`${calendar}lunch.ics`, lunch());
    const etag = await exchange.put(`${shared}lunch.ics`, lunch({ more: alarm(30) }), "user02");
    await exchange.put(`${calendar}lunch.ics`, lunch({ summary: "Canteen", more: alarm(5) }));
    const { text, headers } = await get(`${shared}lunch.ics`, "user02");
    assert.notEqual(headers["etag"], etag);
    assert.match(text, /SUMMARY:Canteen/);
    assert.match(text, /TRIGGER:-PT30M/);
    assert.doesNotMatch(text, /TRIGGER:-PT5M/);
    assert.equal(await listedTag(shared, "user02"), headers["etag"]);
  });
  test("stays the owner's when a sharee changes the event", async () => {
    await exchange.put(`${calendar}lunch.ics`, lunch({ more: ["TRANSP:TRANSPARENT", ...alarm(5)] }));
    await exchange.put(
      `${shared}lunch.ics`,
      lunch({ summary: "Canteen", more: ["TRANSP:OPAQUE", ...alarm(30)] }),
      "user02",
    );
    const owners = await textOf(`${calendar}lunch.ics`, "user01");
    assert.match(owners, /SUMMARY:Canteen/);
    assert.match(owners, /TRIGGER:-PT5M/);
    assert.match(owners, /TRANSP:TRANSPARENT/);
    assert.doesNotMatch(owners, /PT30M/);
  });
  test("of a sharee changes his sync token and nobody else's", async () => {
    await exchange.put(`${calendar}lunch.ics`, lunch());
    const sync = async (href: string, as: string, token: string) => {
      const body = `<D:sync-collection xmlns:D="DAV:"><D:sync-token>${token}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>`;
      const answer = await exchange.send("REPORT", href, { as, body });
      return { hrefs: hrefsOf(answer), token: /<D:sync-token>([^<]*)/.exec(answer.text)?.[1] ?? "" };
    };
    const mine = await sync(shared, "user02", "");
    const theirs = await sync(other, "user03", "");
    await exchange.put(`${shared}lunch.ics`, lunch({ more: alarm(30) }), "user02");
    const after = await sync(shared, "user02", mine.token);
    assert.deepEqual(after.hrefs, [`${shared}lunch.ics`]);
    assert.deepEqual((await sync(shared, "user02", after.token)).hrefs, []);
    assert.deepEqual((await sync(other, "user03", theirs.token)).hrefs, []);
    await exchange.send("DELETE", `${calendar}lunch.ics`);
    assert.deepEqual((await sync(shared, "user02", after.token)).hrefs, [`${shared}lunch.ics 404`]);
    await exchange.put(`${calendar}lunch.ics`, lunch({ summary: "again" }));
    assert.doesNotMatch(await textOf(`${shared}lunch.ics`, "user02"), /VALARM/);
  });
  test("taken back by the sharee leaves nothing in his home", async () => {
    await exchange.put(`${calendar}lunch.ics`, lunch());
    const sharee = await exchange.tree.user("user02");
    const before = await exchange.tree.store.usedBytes(sharee);
    await exchange.put(`${shared}lunch.ics`, lunch({ more: alarm(30) }), "user02");
    assert.ok((await exchange.tree.store.usedBytes(sharee)) > before);
    await exchange.put(`${shared}lunch.ics`, lunch(), "user02");
    assert.equal(await exchange.tree.store.usedBytes(sharee), before);
  });
  test("of a new event stays with the sharee who made it", async () => {
    const his = lunch({ more: alarm(30) });
    const etag = await exchange.put(`${shared}lunch.ics`, his, "user02");
    assert.equal(await textOf(`${calendar}lunch.ics`, "user01"), lunch());
    assert.equal(await textOf(`${shared}lunch.ics`, "user02"), his);
    assert.equal((await get(`${shared}lunch.ics`, "user02")).headers["etag"], etag);
  });
  test("is found by reports on the sharee's calendar as he has it", async () => {
    await exchange.put(`${calendar}lunch.ics`, lunch({ more: alarm(5) }));
    await exchange.put(`${shared}lunch.ics`, lunch({ more: alarm(30) }), "user02");
    const multiget = (href: string, as: string) =>
      exchange.send("REPORT", href, {
        as,
        body: `<C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data/></D:prop><D:href>${href}lunch.ics</D:href></C:calendar-multiget>`,
      });
    assert.match((await multiget(shared, "user02")).text, /PT30M/);
    assert.doesNotMatch((await multiget(other, "user03")).text, /VALARM/);
    const withAlarm = `<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:comp-filter name="VALARM"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`;
    const query = async (href: string, as: string) =>
      hrefsOf(await exchange.send("REPORT", href, { as, headers: { depth: "1" }, body: withAlarm }));
    assert.deepEqual(await query(shared, "user02"), [`${shared}lunch.ics`]);
    assert.deepEqual(await query(other, "user03"), []);
    assert.deepEqual(await query(calendar, "user01"), [`${calendar}lunch.ics`]);
  });
});

describe("whether an event makes busy", () => {
  const busy = async (href: string, as: string): Promise<boolean> => {
    const body = `<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav"><C:time-range start="20260105T000000Z" end="20260106T000000Z"/></C:free-busy-query>`;
    const answer = await exchange.send("REPORT", href, { as, headers: { depth: "1" }, body });
    assert.equal(answer.status, 200, answer.text);
    return /FREEBUSY[;:]/.test(answer.text);
  };
  test("each says for himself; until then the owner's word holds", async () => {
    await exchange.put(`${calendar}lunch.ics`, lunch());
    await exchange.put(`${shared}lunch.ics`, lunch({ more: ["TRANSP:TRANSPARENT"] }), "user02");
    assert.deepEqual(await Promise.all([busy(calendar, "user01"), busy(shared, "user02"), busy(other, "user03")]), [
      true,
      false,
      true,
    ]);
    await exchange.put(`${calendar}lunch.ics`, lunch({ more: ["TRANSP:TRANSPARENT"] }));
    await exchange.put(`${shared}lunch.ics`, lunch({ more: ["TRANSP:OPAQUE"] }), "user02");
    assert.deepEqual(await Promise.all([busy(calendar, "user01"), busy(shared, "user02"), busy(other, "user03")]), [
      false,
      true,
      false,
    ]);
  });
});

describe("a shared calendar and its sharee's busy time", () => {
  /** What user04 hears of user02 through an outbox. */
  const asked = async (): Promise<boolean> => {
    const lines = [
      "BEGIN:VCALENDAR",
      "VERSION:2.0",
      "PRODID:-//test//EN",
      "METHOD:REQUEST",
      "BEGIN:VFREEBUSY",
      "UID:ask",
      "DTSTAMP:20260101T000000Z",
      "DTSTART:20260105T000000Z",
      "DTEND:20260106T000000Z",
      "ORGANIZER:mailto:user04@example.com",
      "ATTENDEE:mailto:user02@example.com",
      "END:VFREEBUSY",
      "END:VCALENDAR",
      "",
    ];
    const answer = await exchange.send("POST", `${home("user04")}outbox/`, {
      as: "user04",
      headers: { "content-type": "text/calendar" },
      body: lines.join("\r\n"),
    });
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.text, /2\.0;Success/);
    return /FREEBUSY;/.test(answer.text);
  };
  test("are strangers until he makes it opaque; then it counts as he has it, less what he does not see", async () => {
    await exchange.put(`${calendar}lunch.ics`, lunch());
    assert.equal(await asked(), false);
    const opaque = proppatch("<C:schedule-calendar-transp><C:opaque/></C:schedule-calendar-transp>");
    assert.equal((await exchange.send("PROPPATCH", shared, { as: "user02", body: opaque })).status, 207);
    assert.equal(await asked(), true);
    await exchange.put(`${shared}lunch.ics`, lunch({ more: ["TRANSP:TRANSPARENT"] }), "user02");
    assert.equal(await asked(), false);
    await exchange.put(`${calendar}secret.ics`, event("secret", { around: ["X-CALENDARSERVER-ACCESS:PRIVATE"] }));
    assert.equal(await asked(), false);
    await exchange.put(`${calendar}open.ics`, event("open"));
    assert.equal(await asked(), true);
  });
});

describe("a default alarm and a description", () => {
  test("are the sharee's when he sets them; of the owner's he sees the description only", async () => {
    const text =
      "BEGIN:VALARM&#13;&#10;ACTION:DISPLAY&#13;&#10;DESCRIPTION:x&#13;&#10;TRIGGER:-PT5M&#13;&#10;END:VALARM";
    const body = proppatch(
      `<C:default-alarm-vevent-datetime>${text}</C:default-alarm-vevent-datetime><C:calendar-description>of user01</C:calendar-description>`,
    );
    assert.equal((await exchange.send("PROPPATCH", calendar, { body })).status, 207);
    const seen = await exchange.send("PROPFIND", shared, {
      as: "user02",
      headers: { depth: "0" },
      body: propfind("C:default-alarm-vevent-datetime", "C:calendar-description"),
    });
    assert.match(seen.text, /of user01/);
    assert.doesNotMatch(seen.text, /TRIGGER/);
  });
});
