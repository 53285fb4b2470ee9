import assert from "node:assert/strict";
import { after, test } from "node:test";
import { readCalendar } from "../../src/ical/read.ts";
import { conditionIn, event, givenExchange, propertyText } from "./exchange.ts";

const calendar = "/calendars/users/user01/calendar/";
const caldav = "{urn:ietf:params:xml:ns:caldav}";
const exchange = await givenExchange();
after(() => exchange.end());

const xml = { "content-type": "application/xml" };
const propfind = async (...properties: string[]) =>
  exchange.send("PROPFIND", calendar, {
    headers: { ...xml, depth: "0" },
    body: `<propfind xmlns="DAV:"><prop xmlns:C="urn:ietf:params:xml:ns:caldav">${properties.join("")}</prop></propfind>`,
  });
const set = async (property: string) => {
  const answer = await exchange.send("PROPPATCH", calendar, {
    headers: xml,
    body: `<propertyupdate xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop>${property}</prop></set></propertyupdate>`,
  });
  assert.equal(answer.status, 207);
  return answer.text;
};
const zoneText = async (): Promise<string | undefined> =>
  propertyText(await propfind("<C:calendar-timezone/>"), calendar, `${caldav}calendar-timezone`);
const zoneId = async (): Promise<string | undefined> =>
  propertyText(await propfind("<C:calendar-timezone-id/>"), calendar, `${caldav}calendar-timezone-id`);

const kolkata = `BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VTIMEZONE
TZID:Asia/Kolkata
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0530
TZOFFSETTO:+0530
END:STANDARD
END:VTIMEZONE
END:VCALENDAR
`;

test("calendar-timezone and calendar-timezone-id each tell what the other was set to (RFC 7809 §3.1.5)", async () => {
  assert.match(await set("<C:calendar-timezone-id>America/New_York</C:calendar-timezone-id>"), /200 OK/);
  assert.equal(readCalendar((await zoneText()) ?? "").components[0]?.properties[0]?.value, "America/New_York");
  assert.match(await set(`<C:calendar-timezone>${kolkata}</C:calendar-timezone>`), /200 OK/);
  assert.equal(await zoneId(), "Asia/Kolkata");
  assert.match(await set("<C:calendar-timezone-id>Eastern Standard Time</C:calendar-timezone-id>"), /200 OK/);
  assert.match((await zoneText()) ?? "", /TZID:Eastern Standard Time\r\n/);
});

test("a zone id that nobody knows is refused with valid-timezone", async () => {
  assert.match(await set("<C:calendar-timezone-id>Mars/Olympus</C:calendar-timezone-id>"), /valid-timezone/);
});

test("a calendar's zone is taken and given as jCal", async () => {
  const jcal = JSON.stringify([
    "vcalendar",
    [["version", {}, "text", "2.0"]],
    [
      [
        "vtimezone",
        [["tzid", {}, "text", "Asia/Kolkata"]],
        [
          [
            "standard",
            [
              ["dtstart", {}, "date-time", "1970-01-01T00:00:00"],
              ["tzoffsetfrom", {}, "utc-offset", "+05:30"],
              ["tzoffsetto", {}, "utc-offset", "+05:30"],
            ],
            [],
          ],
        ],
      ],
    ],
  ]).replaceAll('"', "&quot;");
  assert.match(
    await set(
      `<C:calendar-timezone content-type="application/calendar+json" version="2.0">${jcal}</C:calendar-timezone>`,
    ),
    /200 OK/,
  );
  assert.match((await zoneText()) ?? "", /^BEGIN:VCALENDAR\r\n/);
  const asked = await propfind('<C:calendar-timezone content-type="application/calendar+json" version="2.0"/>');
  const value = propertyText(asked, calendar, `${caldav}calendar-timezone`) ?? "";
  assert.equal((JSON.parse(value) as unknown[])[0], "vcalendar");
});

test("the home says where definitions of zones are, and OPTIONS that they can be left out", async () => {
  const home = "/calendars/users/user01/";
  const answer = await exchange.send("PROPFIND", home, {
    headers: { ...xml, depth: "0" },
    body: '<propfind xmlns="DAV:"><prop><C:timezone-service-set xmlns:C="urn:ietf:params:xml:ns:caldav"/></prop></propfind>',
  });
  assert.equal(propertyText(answer, home, `${caldav}timezone-service-set`), "/timezones");
  assert.match((await exchange.send("OPTIONS", home)).headers["dav"] ?? "", /calendar-no-timezone/);
});

const referring = event("refers", { start: "DTSTART;TZID=Europe/Berlin:20260105T100000", end: "DURATION:PT1H" });
const carrying = event("carries", {
  start: "DTSTART;TZID=Asia/Kolkata:20260105T100000",
  end: "DURATION:PT1H",
  around: kolkata.split("\n").slice(3, -2),
});
const ownZone = event("own", {
  start: "DTSTART;TZID=Our Office:20260105T100000",
  end: "DURATION:PT1H",
  around: kolkata.replace("Asia/Kolkata", "Our Office").split("\n").slice(3, -2),
});

test("CalDAV-Timezones adds every definition or leaves out the known ones, in GET, reports and whole calendars", async () => {
  await exchange.put(`${calendar}refers.ics`, referring);
  await exchange.put(`${calendar}carries.ics`, carrying);
  await exchange.put(`${calendar}own.ics`, ownZone);
  const zonesIn = (text: string) => [...text.matchAll(/^TZID:([^\r&\n]*)/gm)].map(([, tzid]) => tzid);
  const expected = { T: ["Europe/Berlin", "Asia/Kolkata", "Our Office"], F: ["Our Office"] };
  const names = ["refers", "carries", "own"];
  for (const asked of ["T", "F"] as const) {
    const headers = { "caldav-timezones": asked };
    const got = await Promise.all(names.map((name) => exchange.send("GET", `${calendar}${name}.ics`, { headers })));
    assert.deepEqual(
      got.flatMap(({ text }) => zonesIn(text)),
      expected[asked],
      `GET ${asked}`,
    );
    const multiget = await exchange.send("REPORT", calendar, {
      headers: { ...xml, ...headers },
      body: `<C:calendar-multiget xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><C:calendar-data/></prop>${names.map((name) => `<href>${calendar}${name}.ics</href>`).join("")}</C:calendar-multiget>`,
    });
    assert.deepEqual(zonesIn(multiget.text), expected[asked], `multiget ${asked}`);
    const query = await exchange.send("REPORT", calendar, {
      headers: { ...xml, ...headers, depth: "1" },
      body: '<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><C:calendar-data/></prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter></C:calendar-query>',
    });
    assert.deepEqual(zonesIn(query.text).sort(), [...expected[asked]].sort(), `query ${asked}`);
    const whole = await exchange.send("GET", calendar, { headers });
    assert.deepEqual(zonesIn(whole.text).sort(), [...expected[asked]].sort(), `calendar ${asked}`);
  }
  assert.equal((await exchange.send("GET", `${calendar}carries.ics`)).text, carrying);
});

test("a date in the year 0 is refused with min-date-time; one of CREATED, which Google writes, is taken", async () => {
  const put = async (text: string) =>
    exchange.send("PUT", `${calendar}zero.ics`, { headers: { "content-type": "text/calendar" }, body: text });
  const zero = await put(event("zero", { start: "DTSTART:00000101T000000Z" }));
  assert.equal(zero.status, 403);
  assert.equal(conditionIn(zero), `${caldav}min-date-time`);
  assert.equal((await put(event("zero", { more: ["CREATED:00001231T000000Z"] }))).status, 201);
  const bounds = await propfind("<C:min-date-time/>", "<C:max-date-time/>", "<C:supported-rscale-set/>");
  assert.match(
    bounds.text,
    /<C:supported-rscale-set><C:supported-rscale>GREGORIAN<\/C:supported-rscale><C:supported-rscale>CHINESE</,
  );
  assert.equal(propertyText(bounds, calendar, `${caldav}min-date-time`), "00010101T000000Z");
  assert.equal(propertyText(bounds, calendar, `${caldav}max-date-time`), "99991231T235959Z");
});
