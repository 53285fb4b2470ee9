import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Exchange, event, givenExchange, hrefsOf, refused, told } from "./exchange.ts";

const home = "/calendars/users/user01/";
const calendar = `${home}calendar/`;
let { send, put, end }: Exchange = {} as Exchange;
before(async () => ({ send, put, end } = await givenExchange()));
after(() => end());

describe("GET of an object", () => {
  test("is 304 for its ETag and for the time it was changed", async () => {
    const etag = await put(`${calendar}1.ics`, event("1"));
    const { headers } = await send("GET", `${calendar}1.ics`);
    const conditional = (name: string, value = "") => send("GET", `${calendar}1.ics`, { headers: { [name]: value } });
    const unchanged = await conditional("if-none-match", etag);
    assert.equal(unchanged.status, 304);
    assert.equal(unchanged.text, "");
    assert.equal(unchanged.headers["etag"], etag);
    assert.equal((await conditional("if-modified-since", headers["last-modified"])).status, 304);
    assert.equal((await conditional("if-none-match", '"0"')).status, 200);
    assert.equal((await conditional("if-match", '"0"')).status, 412);
  });

  test("gives a range of its bytes", async () => {
    await put(`${calendar}2.ics`, event("2"));
    const part = await send("GET", `${calendar}2.ics`, { headers: { range: "bytes=0-14" } });
    assert.equal(part.status, 206);
    assert.equal(part.text, "BEGIN:VCALENDAR");
  });

  test("by HEAD has the same headers, a length, and no body", async () => {
    await put(`${calendar}3.ics`, event("3"));
    const got = await send("GET", `${calendar}3.ics`);
    const head = await send("HEAD", `${calendar}3.ics`);
    assert.equal(head.text, "");
    assert.equal(head.headers["content-length"], `${Buffer.byteLength(got.text)}`);
    assert.equal(head.headers["etag"], got.headers["etag"]);
  });

  test("of nothing is 404", async () => assert.equal((await send("GET", `${calendar}none.ics`)).status, 404));
});

describe("GET of a calendar", () => {
  const zoned = (uid: string): string =>
    event(uid, { start: "DTSTART;TZID=Here:20260105T090000", end: "DTEND;TZID=Here:20260105T100000" }).replace(
      "BEGIN:VEVENT",
      "BEGIN:VTIMEZONE\r\nTZID:Here\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT",
    );

  test("is one stream with each zone once", async () => {
    await send("MKCALENDAR", `${home}whole/`);
    for (const uid of ["a", "b", "c"]) await put(`${home}whole/${uid}.ics`, zoned(uid));
    const { text, headers } = await send("GET", `${home}whole/`);
    assert.equal(headers["content-type"], "text/calendar; charset=utf-8");
    assert.deepEqual(text.match(/UID:.*/g), ["UID:a", "UID:b", "UID:c"]);
    assert.equal(text.match(/BEGIN:VTIMEZONE/g)?.length, 1);
    assert.equal(text.match(/BEGIN:VCALENDAR/g)?.length, 1);
  });

  test("is 304 until a member changes", async () => {
    const { headers } = await send("GET", `${home}whole/`);
    const again = () => send("GET", `${home}whole/`, { headers: { "if-none-match": headers["etag"] ?? "" } });
    assert.equal((await again()).status, 304);
    await put(`${home}whole/d.ics`, zoned("d"));
    assert.equal((await again()).status, 200);
  });

  test("is a page for a browser, and when EnableMonolithicCalendars is off", async () => {
    const browser = { "user-agent": "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko)" };
    assert.match((await send("GET", calendar, { headers: browser })).headers["content-type"] ?? "", /^text\/html/);
    const plain = await givenExchange({ monolithicCalendars: false });
    try {
      assert.match((await plain.send("GET", calendar)).headers["content-type"] ?? "", /^text\/html/);
    } finally {
      await plain.end();
    }
  });
});

describe("PROPFIND", () => {
  const body = `<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/></D:prop></D:propfind>`;
  const at = (path: string, headers: Readonly<Record<string, string>>) => send("PROPFIND", path, { headers, body });

  test("of Depth 1 lists a calendar with its members, of infinity a home with everything in it", async () => {
    await send("MKCALENDAR", `${home}listed/`);
    await put(`${home}listed/1.ics`, event("1"));
    assert.deepEqual(hrefsOf(await at(`${home}listed/`, { depth: "1" })), [`${home}listed/`, `${home}listed/1.ics`]);
    const all = hrefsOf(await at(home, { depth: "infinity" }));
    for (const href of [home, calendar, `${home}listed/`, `${home}listed/1.ics`]) assert.ok(all.includes(href), href);
    assert.equal(new Set(all).size, all.length);
  });

  test("with Prefer: depth-noroot leaves the collection itself out", async () => {
    const answer = await at(`${home}listed/`, { depth: "1", prefer: "depth-noroot" });
    assert.deepEqual(hrefsOf(answer), [`${home}listed/1.ics`]);
  });

  test("of Depth infinity above the homes is refused with propfind-finite-depth", async () => {
    for (const path of ["/", "/calendars/", "/calendars/users/", "/principals/"])
      refused(await at(path, { depth: "infinity" }), "propfind-finite-depth");
  });

  test("of nothing is 404, with an unknown Depth 400, with another root 400", async () => {
    assert.equal((await at(`${home}none/`, { depth: "0" })).status, 404);
    assert.equal((await at(calendar, { depth: "2" })).status, 400);
    assert.equal(
      (await send("PROPFIND", calendar, { headers: { depth: "0" }, body: `<D:x xmlns:D="DAV:"/>` })).status,
      400,
    );
  });

  test("without a body asks for all properties, and writes its responses to the access log", async () => {
    const answer = await send("PROPFIND", `${home}listed/`, { headers: { depth: "1" } });
    assert.ok(told(answer)[0]?.properties.get(200)?.has("{DAV:}resourcetype"));
    assert.deepEqual(answer.log, ["responses=2"]);
  });
});

describe("X-CALENDARSERVER-ACCESS hides from others", () => {
  const secret = (access: string): string =>
    event(access.toLowerCase(), {
      summary: "Secret",
      more: ["LOCATION:Hidden", "DESCRIPTION:Private"],
      around: [`X-CALENDARSERVER-ACCESS:${access}`],
    });
  before(async () => {
    await put(`${calendar}private.ics`, secret("PRIVATE"));
    await put(`${calendar}confidential.ics`, secret("CONFIDENTIAL"));
    await put(`${calendar}restricted.ics`, secret("RESTRICTED"));
  });

  test("nothing from the owner", async () => {
    for (const name of ["private", "confidential", "restricted"])
      assert.match((await send("GET", `${calendar}${name}.ics`)).text, /DESCRIPTION:Private/);
  });

  test("everything but the time, or the title and place too", async () => {
    const { tree, ...other } = await givenExchange();
    try {
      const owner = await tree.user("user01");
      const reader = await tree.user("user02");
      await tree.services.directory.setDelegates(owner, "read", [reader]);
      for (const access of ["PRIVATE", "CONFIDENTIAL", "RESTRICTED"])
        await other.put(`${calendar}${access}.ics`, secret(access));
      const as = "user02";
      const read = async (name: string): Promise<string> =>
        (await other.send("GET", `${calendar}${name}.ics`, { as })).text;
      assert.equal((await other.send("GET", `${calendar}PRIVATE.ics`, { as })).status, 403);
      assert.doesNotMatch(await read("CONFIDENTIAL"), /SUMMARY|LOCATION|DESCRIPTION/);
      assert.match(await read("CONFIDENTIAL"), /DTSTART:20260105T090000Z/);
      assert.match(await read("RESTRICTED"), /SUMMARY:Secret\r\n/);
      assert.doesNotMatch(await read("RESTRICTED"), /DESCRIPTION/);
      const whole = (await other.send("GET", calendar, { as })).text;
      assert.deepEqual(whole.match(/UID:.*/g), ["UID:confidential", "UID:restricted"]);
      assert.doesNotMatch(whole, /DESCRIPTION/);
      const query = `<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter></C:calendar-query>`;
      const found = await other.send("REPORT", calendar, { as, body: query });
      assert.deepEqual(hrefsOf(found), [`${calendar}CONFIDENTIAL.ics`, `${calendar}RESTRICTED.ics`]);
      assert.doesNotMatch(found.text, /DESCRIPTION/);
      const summary = query.replace(
        `<C:comp-filter name="VEVENT"/>`,
        `<C:comp-filter name="VEVENT"><C:prop-filter name="SUMMARY"><C:text-match>secret</C:text-match></C:prop-filter></C:comp-filter>`,
      );
      assert.deepEqual(hrefsOf(await other.send("REPORT", calendar, { as, body: summary })), [
        `${calendar}RESTRICTED.ics`,
      ]);
    } finally {
      await other.end();
    }
  });
});
