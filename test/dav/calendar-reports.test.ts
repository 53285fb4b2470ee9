import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Exchange, event, givenExchange, hrefsOf, propertyText, refused, task, told } from "./exchange.ts";

const home = "/calendars/users/user01/";
const calendar = `${home}mixed/`;
const data = "{urn:ietf:params:xml:ns:caldav}calendar-data";
const names = `xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"`;
const props = "<D:prop><D:getetag/><C:calendar-data/></D:prop>";
let { send, put, end }: Exchange = {} as Exchange;
before(async () => {
  ({ send, put, end } = await givenExchange());
  await send("MKCALENDAR", calendar);
  await put(`${calendar}lunch.ics`, event("lunch"));
  const weekly = { start: "DTSTART:20260105T120000Z", end: "DTEND:20260105T130000Z" };
  await put(`${calendar}weekly.ics`, event("weekly", { ...weekly, more: ["RRULE:FREQ=WEEKLY;COUNT=10"] }));
  await put(
    `${calendar}floating.ics`,
    event("floating", { start: "DTSTART:20260301T003000", end: "DTEND:20260301T013000" }),
  );
  await put(`${calendar}day.ics`, event("day", { start: "DTSTART;VALUE=DATE:20260401", end: "" }));
  await put(`${calendar}todo.ics`, task("todo", ["DUE:20260110T120000Z"]));
});
after(() => end());

const query = (filter: string, { path = calendar, asked = props, more = "", headers = {} } = {}) =>
  send("REPORT", path, {
    headers,
    body: `<C:calendar-query ${names}>${asked}<C:filter><C:comp-filter name="VCALENDAR">${filter}</C:comp-filter></C:filter>${more}</C:calendar-query>`,
  });
const events = (inside = ""): string => `<C:comp-filter name="VEVENT">${inside}</C:comp-filter>`;
const range = (start: string, end: string): string => events(`<C:time-range start="${start}" end="${end}"/>`);
const found = async (filter: string, options = {}): Promise<readonly string[]> =>
  hrefsOf(await query(filter, options))
    .map((href) => href.slice(home.length))
    .sort();
const multiget = (hrefs: readonly string[], path = calendar, asked = props) =>
  send("REPORT", path, {
    body: `<C:calendar-multiget ${names}>${asked}${hrefs.map((one) => `<D:href>${one}</D:href>`).join("")}</C:calendar-multiget>`,
  });

describe("calendar-query", () => {
  test("finds a kind", async () => {
    const all = ["mixed/day.ics", "mixed/floating.ics", "mixed/lunch.ics", "mixed/weekly.ics"];
    assert.deepEqual(await found(events()), all);
    assert.deepEqual(await found(`<C:comp-filter name="VTODO"/>`), ["mixed/todo.ics"]);
  });

  test("gives the stored text as it is", async () => {
    const answer = await query(range("20260105T090000Z", "20260105T093000Z"));
    assert.deepEqual(hrefsOf(answer), [`${calendar}lunch.ics`]);
    assert.equal(propertyText(answer, `${calendar}lunch.ics`, data), event("lunch"));
  });

  test("finds an instance of a rule, and not between two", async () => {
    assert.deepEqual(await found(range("20260119T123000Z", "20260119T124000Z")), ["mixed/weekly.ics"]);
    assert.deepEqual(await found(range("20260120T000000Z", "20260121T000000Z")), []);
  });

  test("reads floating times in the query's zone, else in the calendar's, else in UTC", async () => {
    const early = range("20260228T233000Z", "20260228T234000Z");
    assert.deepEqual(await found(early), []);
    assert.deepEqual(await found(early, { more: "<C:timezone-id>Europe/Berlin</C:timezone-id>" }), [
      "mixed/floating.ics",
    ]);
    const zone = `<D:propertyupdate ${names}><D:set><D:prop><C:calendar-timezone-id>Europe/Berlin</C:calendar-timezone-id></D:prop></D:set></D:propertyupdate>`;
    await send("PROPPATCH", calendar, { body: zone });
    assert.deepEqual(await found(early), ["mixed/floating.ics"]);
    await send("PROPPATCH", calendar, { body: zone.replaceAll("D:set", "D:remove") });
  });

  test("asks the text where the index cannot know", async () => {
    const summary = `<C:prop-filter name="SUMMARY"><C:text-match>LUN</C:text-match></C:prop-filter>`;
    assert.deepEqual(await found(events(summary)), ["mixed/lunch.ics"]);
    const exactly = summary.replace("text-match>", `text-match collation="i;octet">`);
    assert.deepEqual(await found(events(exactly)), []);
  });

  test("looks up a UID", async () => {
    const uid = `<C:prop-filter name="UID"><C:text-match collation="i;octet">weekly</C:text-match></C:prop-filter>`;
    assert.deepEqual(await found(events(uid), { asked: "<D:prop><D:getetag/></D:prop>" }), ["mixed/weekly.ics"]);
  });

  test("expands", async () => {
    const expand = `<C:expand start="20260110T000000Z" end="20260125T000000Z"/>`;
    const asked = `<D:prop><C:calendar-data>${expand}</C:calendar-data></D:prop>`;
    const answer = await query(range("20260110T000000Z", "20260125T000000Z"), { asked });
    const text = propertyText(answer, `${calendar}weekly.ics`, data) ?? "";
    assert.deepEqual(text.match(/RECURRENCE-ID:.*/g), [
      "RECURRENCE-ID:20260112T120000Z",
      "RECURRENCE-ID:20260119T120000Z",
    ]);
    assert.doesNotMatch(text, /RRULE/);
  });

  test("selects properties", async () => {
    const comp = `<C:comp name="VCALENDAR"><C:prop name="VERSION"/><C:comp name="VEVENT"><C:prop name="UID"/></C:comp></C:comp>`;
    const asked = `<D:prop><C:calendar-data>${comp}</C:calendar-data></D:prop>`;
    const answer = await query(range("20260105T090000Z", "20260105T093000Z"), { asked });
    const lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:lunch", "END:VEVENT", "END:VCALENDAR", ""];
    assert.equal(propertyText(answer, `${calendar}lunch.ics`, data), lines.join("\r\n"));
  });

  test("with Prefer: return=minimal keeps silent about what is not there", async () => {
    const asked = "<D:prop><D:getetag/><D:nothing/></D:prop>";
    const full = told(await query(events(), { asked }))[0];
    assert.deepEqual([...(full?.properties.keys() ?? [])], [200, 404]);
    const brief = told(await query(events(), { asked, headers: { prefer: "return=minimal" } }))[0];
    assert.deepEqual([...(brief?.properties.keys() ?? [])], [200]);
  });

  test("goes by Depth on a home: 0 nothing, 1 its calendars, infinity those in folders too", async () => {
    await send("MKCOL", `${home}folder/`);
    const inner = (await send("MKCALENDAR", `${home}folder/inner/`)).status === 201;
    if (inner) await put(`${home}folder/inner/deep.ics`, event("deep"));
    const at = (depth: string) =>
      found(range("20260105T090000Z", "20260105T093000Z"), { path: home, headers: { depth } });
    assert.deepEqual(await at("0"), []);
    assert.deepEqual(await at("1"), ["mixed/lunch.ics"]);
    assert.deepEqual(await at("infinity"), ["folder/inner/deep.ics", "mixed/lunch.ics"]);
  });

  test("on a member asks whether it matches", async () => {
    assert.deepEqual(await found(events(), { path: `${calendar}lunch.ics` }), ["mixed/lunch.ics"]);
    assert.deepEqual(await found(`<C:comp-filter name="VTODO"/>`, { path: `${calendar}lunch.ics` }), []);
  });

  test("beyond the limit is refused with number-of-matches-within-limits", async () => {
    const small = await givenExchange({ maxQueryResults: 2 });
    try {
      await small.send("MKCALENDAR", calendar);
      for (const uid of ["1", "2", "3"]) await small.put(`${calendar}${uid}.ics`, event(uid));
      const body = (filter: string): string =>
        `<C:calendar-query ${names}>${props}<C:filter><C:comp-filter name="VCALENDAR">${filter}</C:comp-filter></C:filter></C:calendar-query>`;
      refused(await small.send("REPORT", calendar, { body: body(events()) }), "number-of-matches-within-limits");
      const two = `<C:prop-filter name="SUMMARY"><C:text-match negate-condition="yes">3</C:text-match></C:prop-filter>`;
      assert.equal(hrefsOf(await small.send("REPORT", calendar, { body: body(events(two)) })).length, 2);
    } finally {
      await small.end();
    }
  });

  test("is refused for what it asks wrongly", async () => {
    refused(await query(`<C:comp-filter name="VALARM"/>`), "valid-filter");
    const asked = `<D:prop><C:calendar-data content-type="text/vcalendar"/></D:prop>`;
    refused(await query(events(), { asked }), "supported-calendar-data");
    refused(await query(events(), { more: "<C:timezone-id>Mars/Olympus</C:timezone-id>" }), "valid-timezone");
    refused(await query(events(), { more: "<C:timezone>nonsense</C:timezone>" }), "valid-calendar-data");
    refused(await query(range("00000101T000000Z", "20260101T000000Z")), "min-date-time");
    assert.equal(
      (await send("REPORT", calendar, { body: `<C:calendar-query ${names}>${props}</C:calendar-query>` })).status,
      400,
    );
  });
});

describe("calendar-multiget", () => {
  test("answers with the members, and 404 for what is not there", async () => {
    const hrefs = ["weekly", "none", "lunch"].map((name) => `${calendar}${name}.ics`);
    const answer = await multiget(hrefs);
    assert.deepEqual(hrefsOf(answer), [hrefs[0], hrefs[2], `${hrefs[1]} 404`]);
    assert.equal(propertyText(answer, `${calendar}lunch.ics`, data), event("lunch"));
    assert.deepEqual(answer.log, ["CalDAV:calendar-multiget", "rcount=3"]);
  });

  test("understands other addresses of the same calendar and answers under the one asked", async () => {
    const alias = "/calendars/__uids__/10000000-0000-0000-0000-000000000001/mixed/lunch.ics";
    assert.deepEqual(hrefsOf(await multiget([alias, `http://localhost:8008${calendar}weekly.ics`])), [
      alias,
      `${calendar}weekly.ics`,
    ]);
    assert.deepEqual(hrefsOf(await multiget([`${calendar}l%75nch.ics`])), [`${calendar}l%75nch.ics`]);
  });

  test("of members elsewhere answers 404", async () => {
    const hrefs = [
      `${home}inbox/x.ics`,
      "/calendars/users/user02/calendar/lunch.ics",
      "mailto:x",
      `${calendar}a/b.ics`,
    ];
    assert.deepEqual(
      hrefsOf(await multiget(hrefs)),
      hrefs.map((href) => `${href} 404`),
    );
  });

  test("on a home reaches every calendar, on a member only itself", async () => {
    const hrefs = [`${calendar}lunch.ics`, `${calendar}weekly.ics`];
    assert.deepEqual(hrefsOf(await multiget(hrefs, home)), hrefs);
    assert.deepEqual(hrefsOf(await multiget(hrefs, `${calendar}lunch.ics`)), [hrefs[0], `${hrefs[1]} 404`]);
  });

  test("with more hrefs than the limit is refused", async () => {
    const answer = await multiget(Array.from({ length: 5001 }, (_, at) => `${calendar}${at}.ics`));
    refused(answer, "number-of-matches-within-limits");
  });

  test("of a hundred thousand hrefs is refused before it is parsed", async () => {
    const began = performance.now();
    const answer = await multiget(Array.from({ length: 30_000 }, () => "/a"));
    assert.equal(answer.status, 413);
    assert.ok(performance.now() - began < 500);
  });

  test("of nothing is 400, and on a plain file no report", async () => {
    assert.equal((await multiget([])).status, 400);
    await send("PUT", `${home}file`, { body: "x" });
    refused(await multiget([`${home}file`], `${home}file`), "supported-report");
  });
});

describe("free-busy-query", () => {
  const busy = async (start: string, end: string, path = calendar, headers = {}): Promise<readonly string[]> => {
    const body = `<C:free-busy-query ${names}><C:time-range start="${start}" end="${end}"/></C:free-busy-query>`;
    const answer = await send("REPORT", path, { headers, body });
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.headers["content-type"] ?? "", /^text\/calendar/);
    return (
      answer.text
        .replace(/\r\n[ ]/g, "")
        .match(/FREEBUSY[^\r]*/g)
        ?.filter((line) => line.includes(":2")) ?? []
    );
  };

  test("gives busy time, clipped to the range", async () => {
    const lines = await busy("20260105T093000Z", "20260106T000000Z");
    assert.deepEqual(
      lines.flatMap((line) => line.replace(/^[^:]*:/, "").split(",")),
      ["20260105T093000Z/20260105T100000Z", "20260105T120000Z/20260105T130000Z"],
    );
  });

  test("reads floating times in the calendar's zone", async () => {
    const lines = await busy("20260301T000000Z", "20260302T000000Z");
    assert.ok(lines.join().includes("20260301T003000Z/20260301T013000Z"));
  });

  test("may be asked by anybody, of calendars that nobody else may read", async () => {
    const body = `<C:free-busy-query ${names}><C:time-range start="20260105T000000Z" end="20260106T000000Z"/></C:free-busy-query>`;
    assert.equal((await send("REPORT", calendar, { as: "user02", body })).status, 200);
    assert.equal((await send("GET", `${calendar}lunch.ics`, { as: "user02" })).status, 403);
  });

  test("looks past what is indexed of a rule without end", async () => {
    await send("MKCALENDAR", `${home}forever/`);
    const start = { start: "DTSTART:20200106T080000Z", end: "DTEND:20200106T090000Z" };
    await put(`${home}forever/1.ics`, event("forever", { ...start, more: ["RRULE:FREQ=DAILY"] }));
    const lines = await busy("20390307T000000Z", "20390308T000000Z", `${home}forever/`);
    assert.ok(lines.join().includes("20390307T080000Z/20390307T090000Z"), lines.join());
  });

  test("reads floating times on both sides of a change of the clock", async () => {
    await send("MKCALENDAR", `${home}berlin/`);
    const body = `<D:propertyupdate ${names}><D:set><D:prop><C:calendar-timezone-id>Europe/Berlin</C:calendar-timezone-id></D:prop></D:set></D:propertyupdate>`;
    await send("PROPPATCH", `${home}berlin/`, { body });
    const start = { start: "DTSTART:20260328T003000", end: "DTEND:20260328T010000" };
    await put(`${home}berlin/1.ics`, event("berlin", { ...start, more: ["RRULE:FREQ=DAILY;COUNT=3"] }));
    const lines = await busy("20260327T233000Z", "20260329T223000Z", `${home}berlin/`);
    assert.deepEqual(
      lines.flatMap((line) => line.replace(/^[^:]*:/, "").split(",")),
      ["20260327T233000Z/20260328T000000Z", "20260328T233000Z/20260329T000000Z"],
    );
  });

  test("over a rule of seconds is one period where its instances touch, and refused beyond the limit", async () => {
    await send("MKCALENDAR", `${home}seconds/`);
    const every = { start: "DTSTART:20260105T000000Z", end: "DURATION:PT1S", more: ["RRULE:FREQ=SECONDLY"] };
    await put(`${home}seconds/tick.ics`, event("tick", every));
    const ask = (end: string) =>
      send("REPORT", `${home}seconds/`, {
        body: `<C:free-busy-query ${names}><C:time-range start="20360105T000000Z" end="${end}"/></C:free-busy-query>`,
      });
    const two = await ask("20360105T020000Z");
    assert.match(two.text, /^FREEBUSY;FBTYPE=BUSY:20360105T000000Z\/20360105T020000Z\r$/m);
    refused(await ask("20360205T000000Z"), "number-of-matches-within-limits");
  });

  test("without a whole range is 400", async () => {
    const body = (range: string): string => `<C:free-busy-query ${names}>${range}</C:free-busy-query>`;
    assert.equal((await send("REPORT", calendar, { body: body("") })).status, 400);
    assert.equal(
      (await send("REPORT", calendar, { body: body(`<C:time-range start="20260105T000000Z"/>`) })).status,
      400,
    );
  });
});

test("a report that is none of this resource is refused with supported-report", async () => {
  refused(await send("REPORT", calendar, { body: `<x:report xmlns:x="urn:x"/>` }), "supported-report");
  assert.equal((await send("REPORT", calendar)).status, 400);
});
