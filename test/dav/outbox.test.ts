import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import type { DavSettings } from "../../src/dav/registry.ts";
import {
  CALDAV,
  caldav,
  child,
  childrenNamed,
  DAV,
  dav,
  type Element,
  el,
  elements,
  href,
  type QName,
  textOf,
} from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";
import { type Answer, type Exchange, event, givenExchange, refused, task } from "./exchange.ts";
import { settings } from "./tree.ts";

const outbox = "/calendars/users/user01/outbox/";
const mail = (user: string): string => `mailto:${user}@example.com`;

let exchange: Exchange;
let { send, put }: Exchange = {} as Exchange;
async function start(changed: Partial<DavSettings> = {}): Promise<void> {
  exchange = await givenExchange(changed);
  ({ send, put } = exchange);
}

const scheduling = (changed: Partial<DavSettings["scheduling"]>): Partial<DavSettings> => ({
  scheduling: { ...settings.scheduling, ...changed },
});

/** What Monday 2026-01-05 looks like at these addresses, asked by the organizer. */
function asking(
  attendees: readonly string[],
  { organizer = mail("user01"), more = [] as readonly string[] } = {},
): string {
  return [
    ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "METHOD:REQUEST", "BEGIN:VFREEBUSY", "UID:asked"],
    ...["DTSTAMP:20260101T000000Z", "DTSTART:20260105T000000Z", "DTEND:20260106T000000Z", `ORGANIZER:${organizer}`],
    ...attendees.map((address) => `ATTENDEE:${address}`),
    ...[...more, "END:VFREEBUSY", "END:VCALENDAR", ""],
  ].join("\r\n");
}

interface Options {
  readonly as?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}
const post = (body: string, { as = "user01", path = outbox, headers = {} }: Options = {}): Promise<Answer> =>
  send("POST", path, { as, headers: { "content-type": "text/calendar", ...headers }, body });

interface Told {
  readonly recipient: string;
  readonly status: string;
  readonly error: string | undefined;
  /** Lines of the VFREEBUSY, unfolded. */
  readonly data: readonly string[];
}

function told(answer: Answer): readonly Told[] {
  assert.equal(answer.status, 200, answer.text);
  const root = readXml(answer.text);
  assert.equal(root.name, caldav("schedule-response"));
  const part = (response: Element, name: QName): string => textOf(child(response, name) ?? "");
  return childrenNamed(root, caldav("response")).map((response) => {
    const error = child(response, dav("error"));
    return {
      recipient: part(child(response, caldav("recipient")) ?? response, dav("href")),
      status: part(response, caldav("request-status")),
      error: error && elements(error)[0]?.name.replace(`{${CALDAV}}`, ""),
      data: part(response, caldav("calendar-data"))
        .replace(/\r?\n /g, "")
        .split(/\r?\n/)
        .slice(0, -1),
    };
  });
}

/** The FREEBUSY lines of the one recipient asked. */
async function busy(
  attendee: string,
  options: Parameters<typeof asking>[1] & Options = {},
): Promise<readonly string[]> {
  const [only, ...others] = told(await post(asking([attendee], options), options));
  assert.ok(only !== undefined && others.length === 0);
  assert.equal(only.status, "2.0;Success");
  return only.data.filter((line) => line.startsWith("FREEBUSY")).map((line) => line.replace("FREEBUSY;FBTYPE=", ""));
}

const proppatch = async (path: string, as: string, properties: string): Promise<void> => {
  const body = `<D:propertyupdate xmlns:D="${DAV}" xmlns:C="${CALDAV}"><D:set><D:prop>${properties}</D:prop></D:set></D:propertyupdate>`;
  const answer = await send("PROPPATCH", path, { as, body });
  assert.match(answer.text, /200 OK/);
};

async function storeAcl(owner: string, path: readonly string[], ...aces: readonly Element[]): Promise<void> {
  const collection = await exchange.tree.store.open({ owner: await exchange.tree.user(owner), path });
  assert.ok(collection);
  await collection.change((change) =>
    change.setProperties(undefined, new Map([[dav("acl"), el(dav("acl"), ...aces)]])),
  );
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
    const of = (organizer: string): readonly string[] => [`ORGANIZER:${organizer}`, `ATTENDEE:${two}`];
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

describe("POST to an outbox: who may", () => {
  before(() => start());
  after(() => exchange.end());
  const two = mail("user02");

  test("a stranger may not send for another, a delegate may", async () => {
    const body = asking([two]);
    refused(await post(body, { as: "user03" }), "need-privileges");
    const { directory } = exchange.tree.services;
    await directory.setDelegates(await exchange.tree.user("user01"), "write", [await exchange.tree.user("user03")]);
    assert.equal((await post(body, { as: "user03" })).status, 200);
  });

  test("who has not signed in is asked to", async () => {
    const context = await exchange.tree.context(undefined);
    assert.equal(context.user, undefined);
    const owner = await exchange.tree.user("user01");
    const collection = await exchange.tree.store.open({ owner, path: ["outbox"] });
    assert.ok(collection);
    assert.ok(
      !(
        await context.privileges({
          kind: "outbox",
          href: outbox as never,
          owner,
          collection,
          info: await collection.info(),
        })
      ).has("schedule-send-freebusy"),
    );
  });

  test("the organizer is the owner of the outbox", async () => {
    refused(await post(asking([two], { organizer: two })), "valid-organizer");
    refused(await post(asking([two], { organizer: "urn:uuid:bogus-uuid" })), "valid-organizer");
    const urn = "urn:uuid:10000000-0000-0000-0000-000000000001";
    assert.equal((await post(asking([two], { organizer: urn }))).status, 200);
  });

  test("a location is an organizer when the configuration says so", async (t) => {
    const location = "/calendars/locations/location01/outbox/";
    const principal = await exchange.tree.services.directory.byShortName("locations", "location01");
    const [organizer] = principal?.addresses ?? [];
    assert.ok(organizer);
    const options = { as: "admin", path: location };
    refused(await post(asking([two], { organizer }), options), "valid-organizer");
    const before = exchange;
    await start(scheduling({ organizers: ["users", "locations"] }));
    t.after(async () => {
      await exchange.end();
      exchange = before;
      ({ send, put } = exchange);
    });
    assert.equal((await post(asking([two], { organizer }), options)).status, 200);
  });

  test("an inbox without schedule-query-freebusy answers 3.8", async () => {
    await send("PROPFIND", "/calendars/users/user04/inbox/", { as: "user04", headers: { depth: "0" } });
    await storeAcl("user04", ["inbox"]);
    const [none] = told(await post(asking([mail("user04")])));
    assert.deepEqual([none?.status, none?.error, none?.data], ["3.8;No authority", "recipient-permissions", []]);
    const everybody = el(dav("principal"), el(dav("authenticated")));
    const grant = el(dav("grant"), el(dav("privilege"), el(caldav("schedule"))));
    await storeAcl("user04", ["inbox"], el(dav("ace"), everybody, grant));
    assert.deepEqual(await busy(mail("user04")), [], "CALDAV:schedule of the drafts means it too");
  });

  test("a calendar without read-free-busy does not count", async () => {
    await put("/calendars/users/user02/calendar/1.ics", event("1"), "user02");
    assert.equal((await busy(two)).length, 1);
    const user = el(dav("principal"), href("/principals/users/user01/"));
    const deny = el(dav("deny"), el(dav("privilege"), el(dav("read"))));
    await storeAcl("user02", ["calendar"], el(dav("ace"), user, deny));
    assert.deepEqual(await busy(two), []);
  });
});

describe("POST to an outbox: what is refused", () => {
  before(() => start());
  after(() => exchange.end());

  test("other types are no supported-calendar-data", async () =>
    refused(await post("x", { headers: { "content-type": "text/plain" } }), "supported-calendar-data"));

  test("what is no calendar object is no valid-calendar-data", async () => {
    refused(await post(""), "valid-calendar-data");
    refused(await post("hello"), "valid-calendar-data");
    refused(
      await post(asking([mail("user02")]), { headers: { "content-type": "text/calendar; charset=latin1" } }),
      "valid-calendar-data",
    );
  });

  test("what is no iTIP is 400 valid-scheduling-message", async () =>
    refused(await post(asking([])), "valid-scheduling-message", 400));

  test("more bytes than an object may have", async () =>
    refused(await post(asking([mail("user02")], { more: [`COMMENT:${"x".repeat(1_048_576)}`] })), "max-resource-size"));

  test("POST to an inbox is not allowed", async () =>
    assert.equal((await post("", { path: "/calendars/users/user01/inbox/" })).status, 405));
});

describe("POST to an outbox: messages of old clients", () => {
  beforeEach(() => start());
  const invite = (method: string, ...more: readonly string[]): string =>
    event("meeting", { around: [`METHOD:${method}`], more: [`ORGANIZER:${mail("user01")}`, ...more] });
  const attendees = ["user02", "user03"].map((user) => `ATTENDEE:${mail(user)}`);

  test("are answered as delivered, with a line in the log, and nothing is stored", async (t) => {
    t.after(() => exchange.end());
    const headers = { originator: mail("user01"), recipient: mail("user09") };
    const answers = told(await post(invite("REQUEST", ...attendees), { headers }));
    assert.deepEqual(
      answers.map(({ recipient, status }) => [recipient, status]),
      ["user02", "user03"].map((user) => [mail(user), "1.2;Scheduling message has been delivered"]),
    );
    assert.equal(exchange.tree.warnings.length, 1);
    const inbox = await exchange.tree.store.open({ owner: await exchange.tree.user("user02"), path: ["inbox"] });
    assert.equal((await inbox?.info())?.objects ?? 0, 0);
  });

  test("of busy time that is published are a success", async (t) => {
    t.after(() => exchange.end());
    const text = asking([mail("user02")]).replace("METHOD:REQUEST", "METHOD:PUBLISH");
    assert.equal(told(await post(text))[0]?.status, "2.0;Success");
  });

  test("are refused without OldDraftCompatibility", async (t) => {
    t.after(() => exchange.end());
    await exchange.end();
    await start(scheduling({ oldDraftCompatibility: false }));
    refused(await post(invite("REQUEST", ...attendees)), "valid-scheduling-message", 400);
  });

  test("a reply is of its one attendee", async (t) => {
    t.after(() => exchange.end());
    const path = "/calendars/users/user02/outbox/";
    const reply = invite("REPLY", attendees[0] ?? "");
    assert.equal((await post(reply, { as: "user02", path })).status, 200);
    refused(await post(reply), "attendee-allowed");
    refused(await post(invite("REPLY", ...attendees), { as: "user02", path }), "attendee-allowed");
  });

  test("counter proposals are told to be unsupported", async (t) => {
    t.after(() => exchange.end());
    const path = "/calendars/users/user02/outbox/";
    const [only] = told(await post(invite("COUNTER", attendees[0] ?? ""), { as: "user02", path }));
    assert.equal(only?.status, "3.14;Unsupported capability");
    const text = invite("DECLINECOUNTER", ...attendees, "ATTENDEE:mailto:nobody@example.com");
    assert.deepEqual(
      told(await post(text)).map(({ status }) => status.slice(0, 4)),
      ["3.14", "3.14", "3.7;"],
    );
  });
});
