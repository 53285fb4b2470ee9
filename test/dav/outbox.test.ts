import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import type { DavSettings } from "../../src/dav/registry.ts";
import { caldav, child, childrenNamed, textOf } from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";
import { event, task } from "./exchange.ts";
import { asking, givenOutbox, mail, type Options, type OutboxExchange, scheduling, told } from "./outbox-exchange.ts";

let exchange: OutboxExchange;
let { send, put, post, busy, proppatch }: OutboxExchange = {} as OutboxExchange;
async function start(changed: Partial<DavSettings> = {}): Promise<void> {
  exchange = await givenOutbox(changed);
  ({ send, put, post, busy, proppatch } = exchange);
}

describe("POST to an outbox: busy time", () => {
  beforeEach(() => start());
  const calendar = "/calendars/users/user02/calendar/";
  const nineToTen = "BUSY:20260105T090000Z/PT1H";
  const two = mail("user02");
  test("is answered for each attendee, in order", async (t) => {
    t.after(() => exchange.end());
    await put(`${calendar}1.ics`, event("1"), "user02");
    const answer = await post(asking([mail("user03"), two]));
    assert.equal(answer.headers["content-type"], "text/xml; charset=utf-8");
    assert.deepEqual(answer.log, ["recipients=2"]);
    const [free, taken] = told(answer);
    assert.equal(free?.recipient, mail("user03"));
    assert.equal(free?.status, "2.0;Success");
    assert.deepEqual(taken?.data, [
      ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//caldavd//NONSGML caldavd//EN", "METHOD:REPLY"],
      ...["BEGIN:VFREEBUSY", "UID:asked", "DTSTAMP:20261120T120000Z"],
      ...["DTSTART:20260105T000000Z", "DTEND:20260106T000000Z"],
      ...["ORGANIZER:mailto:user01@example.com", "ATTENDEE:mailto:user02@example.com"],
      ...["FREEBUSY;FBTYPE=BUSY:20260105T090000Z/PT1H", "END:VFREEBUSY", "END:VCALENDAR"],
    ]);
  });

  test("asking makes nobody a home", async (t) => {
    t.after(() => exchange.end());
    assert.deepEqual(await busy(mail("user05")), []);
    assert.equal(await exchange.tree.store.provisioned(await exchange.tree.user("user05")), false);
  });

  test("periods are joined and told by type; transparent, cancelled and other days are not", async (t) => {
    t.after(() => exchange.end());
    const at = (start: string, end: string, ...more: readonly string[]) =>
      ({ start: `DTSTART:20260105T${start}Z`, end: `DTEND:20260105T${end}Z`, more }) as const;
    await put(`${calendar}1.ics`, event("1"), "user02");
    await put(`${calendar}2.ics`, event("2", at("093000", "103000")), "user02");
    await put(`${calendar}3.ics`, event("3", at("120000", "133030", "STATUS:TENTATIVE")), "user02");
    await put(`${calendar}4.ics`, event("4", at("140000", "150000", "TRANSP:TRANSPARENT")), "user02");
    await put(`${calendar}5.ics`, event("5", at("150000", "160000", "STATUS:CANCELLED")), "user02");
    await put(
      `${calendar}6.ics`,
      event("6", { start: "DTSTART:20260104T230000Z", end: "DTEND:20260105T000100Z" }),
      "user02",
    );
    await put(`${calendar}7.ics`, event("7", at("230000", "230007", "RRULE:FREQ=DAILY")), "user02");
    await put("/calendars/users/user02/tasks/8.ics", task("8", ["DUE:20260105T200000Z"]), "user02");
    assert.deepEqual(await busy(two), [
      "BUSY-TENTATIVE:20260105T120000Z/PT1H30M30S",
      "BUSY:20260105T000000Z/PT1M,20260105T090000Z/PT1H30M,20260105T230000Z/PT7S",
    ]);
  });

  test("counts the calendars that are not transparent", async (t) => {
    t.after(() => exchange.end());
    const other = "/calendars/users/user02/other/";
    await send("MKCALENDAR", other, { as: "user02" });
    await put(`${other}1.ics`, event("1"), "user02");
    assert.deepEqual(await busy(two), [nineToTen]);
    await proppatch(other, "user02", "<C:schedule-calendar-transp><C:transparent/></C:schedule-calendar-transp>");
    assert.deepEqual(await busy(two), []);
  });

  test("counts the calendars of the inbox's free-busy set, and others that say they are opaque", async (t) => {
    t.after(() => exchange.end());
    const other = "/calendars/users/user02/other/";
    await send("MKCALENDAR", other, { as: "user02" });
    await put(`${other}1.ics`, event("1"), "user02");
    const inbox = "/calendars/users/user02/inbox/";
    const set = (inside: string): Promise<void> =>
      proppatch(inbox, "user02", `<C:calendar-free-busy-set>${inside}</C:calendar-free-busy-set>`);
    await set(`<D:href>${calendar}</D:href>`);
    assert.deepEqual(await busy(two), []);
    await set(`<D:href>${other}</D:href>`);
    assert.deepEqual(await busy(two), [nineToTen]);
    const shared = "/calendars/users/user03/calendar/";
    await put(
      `${shared}1.ics`,
      event("1", { start: "DTSTART:20260105T200000Z", end: "DTEND:20260105T210000Z" }),
      "user03",
    );
    await set(`<D:href>${shared}</D:href>`);
    assert.deepEqual(await busy(two), ["BUSY:20260105T200000Z/PT1H"]);
    await set("");
    assert.deepEqual(await busy(two), []);
    await proppatch(other, "user02", "<C:schedule-calendar-transp><C:opaque/></C:schedule-calendar-transp>");
    assert.deepEqual(await busy(two), [nineToTen]);
  });

  test("reads floating times in the calendar's zone", async (t) => {
    t.after(() => exchange.end());
    const lines = { start: "DTSTART:20260105T090000", end: "DTEND:20260105T100000" };
    await put(`${calendar}1.ics`, event("1", lines), "user02");
    await proppatch(calendar, "user02", "<C:calendar-timezone-id>Europe/Berlin</C:calendar-timezone-id>");
    assert.deepEqual(await busy(two), ["BUSY:20260105T080000Z/PT1H"]);
  });

  test("is unavailable outside the inbox's availability", async (t) => {
    t.after(() => exchange.end());
    const text = [
      ...["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VAVAILABILITY", "UID:a", "BEGIN:AVAILABLE", "UID:b"],
      ...["DTSTART:20260101T080000Z", "DTEND:20260101T170000Z", "RRULE:FREQ=DAILY"],
      ...["END:AVAILABLE", "END:VAVAILABILITY", "END:VCALENDAR"],
    ].join("\n");
    await put(`${calendar}1.ics`, event("1"), "user02");
    await proppatch(
      "/calendars/users/user02/inbox/",
      "user02",
      `<C:calendar-availability>${text}</C:calendar-availability>`,
    );
    assert.deepEqual(await busy(two), [nineToTen, "BUSY-UNAVAILABLE:20260105T000000Z/PT8H,20260105T170000Z/PT7H"]);
  });

  test("of an unknown address is 3.7, and does not hinder the others", async (t) => {
    t.after(() => exchange.end());
    const answers = told(await post(asking(["mailto:nobody@example.com", "urn:uuid:1234", mail("group01"), two])));
    assert.deepEqual(
      answers.map(({ status, error, data }) => [status, error, data.length > 0]),
      [
        ["3.7;Invalid Calendar User", "recipient-exists", false],
        ["3.7;Invalid Calendar User", "recipient-exists", false],
        ["3.7;Invalid Calendar User", "recipient-exists", false],
        ["2.0;Success", undefined, true],
      ],
    );
  });

  test("knows the addresses of a principal, and its URL", async (t) => {
    t.after(() => exchange.end());
    await put(`${calendar}1.ics`, event("1"), "user02");
    const urn = "urn:uuid:10000000-0000-0000-0000-000000000002";
    for (const address of [
      "MAILTO:User02@example.com",
      urn,
      "/principals/users/user02",
      "http://localhost/principals/users/user02/",
    ])
      assert.deepEqual(await busy(address), [nineToTen], address);
  });

  test("answers LimitFreeBusyAttendees attendees; to those behind the service is unavailable", async (t) => {
    t.after(() => exchange.end());
    await exchange.end();
    await start(scheduling({ freeBusyAttendees: 2 }));
    const answers = told(await post(asking(["user02", "user03", "user04"].map(mail))));
    assert.deepEqual(
      answers.map(({ status }) => status),
      ["2.0;Success", "2.0;Success", "5.1;Service unavailable"],
    );
    assert.deepEqual(answers[2]?.data, []);
  });

  test("of more instances than are looked at is unavailable, and the log says so", async (t) => {
    t.after(() => exchange.end());
    await exchange.end();
    await start({ maxQueryResults: 3 });
    await put(`${calendar}1.ics`, event("1", { more: ["RRULE:FREQ=HOURLY;COUNT=10"] }), "user02");
    const [none] = told(await post(asking([two])));
    assert.deepEqual([none?.status, none?.error], ["5.1;Service unavailable", "recipient-failed"]);
    assert.match(exchange.tree.warnings.join(), /busy time could not be found out/);
  });

  test("in jCal is answered in jCal", async (t) => {
    t.after(() => exchange.end());
    const body = JSON.stringify([
      "vcalendar",
      [
        ["version", {}, "text", "2.0"],
        ["method", {}, "text", "REQUEST"],
      ],
      [
        [
          "vfreebusy",
          [
            ["uid", {}, "text", "asked"],
            ["dtstamp", {}, "date-time", "2026-01-01T00:00:00Z"],
            ["dtstart", {}, "date-time", "2026-01-05T00:00:00Z"],
            ["dtend", {}, "date-time", "2026-01-06T00:00:00Z"],
            ["organizer", {}, "cal-address", mail("user01")],
            ["attendee", {}, "cal-address", two],
          ],
          [],
        ],
      ],
    ]);
    const answer = await post(body, { headers: { "content-type": "application/calendar+json" } });
    const [only] = childrenNamed(readXml(answer.text), caldav("response"));
    const data = only && child(only, caldav("calendar-data"));
    assert.equal(data?.attributes["content-type"], "application/calendar+json");
    assert.equal((JSON.parse(textOf(data ?? "")) as unknown[])[0], "vcalendar");
  });

  test("tells what XML would not take as text", async (t) => {
    t.after(() => exchange.end());
    const text = asking([two]).replace("ATTENDEE:", 'ATTENDEE;CN="<B> & ]]>":');
    const [only] = told(await post(text));
    assert.ok(only?.data.includes(`ATTENDEE;CN=<B> & ]]>:${two}`), only?.data.join("\n"));
  });

  test("may be looked past by the organizer of the event, or by its owner when there is none", async (t) => {
    t.after(() => exchange.end());
    // Imported: nobody of this server is invited, so nobody's organizer is asked about it.
    const of = (organizer: string): readonly string[] => [`ORGANIZER:${organizer}`, "ATTENDEE:mailto:a@example.net"];
    const at = (hour: number) => ({ start: `DTSTART:20260105T${hour}0000Z`, end: `DTEND:20260105T${hour + 1}0000Z` });
    await put(
      `${calendar}1.ics`,
      event("mine", { ...at(10), more: of("urn:uuid:10000000-0000-0000-0000-000000000001") }),
      "user02",
    );
    await put(`${calendar}2.ics`, event("other", { ...at(12), more: of(mail("user03")) }), "user02");
    await put(`${calendar}3.ics`, event("plain", at(14)), "user02");
    const masked = async (uid: string, more: Options & { readonly organizer?: string } = {}): Promise<string> => {
      const [line = ""] = await busy(two, { ...more, more: [`X-CALENDARSERVER-MASK-UID:${uid}`] });
      return [...line.matchAll(/T(\d\d)/g)].map(([, hour]) => hour).join(" ");
    };
    assert.equal(await masked("none"), "10 12 14");
    assert.equal(await masked("mine"), "12 14");
    assert.equal(await masked("other"), "10 12 14");
    assert.equal(await masked("plain"), "10 12 14");
    const own = { as: "user02", path: "/calendars/users/user02/outbox/", organizer: two };
    assert.equal(await masked("plain", own), "10 12");
    assert.equal(await masked("mine", own), "10 12 14");
  });
});
