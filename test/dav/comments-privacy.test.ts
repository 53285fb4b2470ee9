// caldav-privatecomments: what an attendee tells the organizer alone comes out for the organizer and for who acts in his name, by
// whatever way, and is kept when somebody else writes.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { publicCalendar } from "../../src/dav/sharing/public-calendar.ts";
import { cs } from "../../src/xml/element.ts";
import { type Answer, type Exchange, event, givenExchange, propertyText, told } from "./exchange.ts";
import { command, given, home, mail, propfind, xml } from "./sharing-words.ts";

const calendar = `${home("user01")}shared/`;
const path = `${calendar}meeting.ics`;
const guid = (number: string): string => `/principals/__uids__/10000000-0000-0000-0000-0000000000${number}/`;
const words = "between us";
/** Written once as clients do, once folded inside its name. */
const comments = [
  `X-CALENDARSERVER-ATTENDEE-COMMENT;X-CALENDARSERVER-ATTENDEE-REF="${mail("user05")}";X-CALENDARSERVER-DTSTAMP=20260101T000000Z:${words}`,
  ` alone`,
  "X-CALENDAR",
  ` SERVER-PRIVATE-COMMENT:${words} too`,
];
const invited = [`ORGANIZER:${mail("user01")}`, `ATTENDEE;PARTSTAT=ACCEPTED:${mail("user01")}`];
const meeting = (more: readonly string[] = []): string =>
  event("meeting", { more: [...invited, `ATTENDEE;PARTSTAT=ACCEPTED:${mail("user05")}`, "X-KEPT:kept", ...more] });

const unfolded = (text: string): string => text.replace(/\r?\n[ \t]/g, "");

const acl = `<acl xmlns="DAV:"><ace><principal><href>${guid("10")}</href></principal><grant><privilege><read/></privilege><privilege><write/></privilege></grant></ace></acl>`;

let exchange: Exchange;
let reader = "";
let writer = "";
/** Who looks, and where the calendar lies for him. */
let places: Readonly<Record<string, string>>;
const see = ["owner", "write-proxy", "admin"];
const users: Readonly<Record<string, string>> = {
  owner: "user01",
  "write-proxy": "user02",
  "read-proxy": "user03",
  "sharee-r": "user08",
  "sharee-rw": "user09",
  "by-acl": "user10",
  admin: "admin",
};

before(async () => {
  exchange = await givenExchange({});
  [writer = ""] = await given(exchange, "read-write", "user09");
  const { invite, accept, set } = await import("./sharing-words.ts");
  await invite(exchange, calendar, "user01", set(mail("user08"), "read"));
  reader = await accept(exchange, calendar, "user08");
  for (const [name, access] of [
    ["02", "write"],
    ["03", "read"],
  ] as const) {
    const answer = await exchange.send("PROPPATCH", `${guid("01")}calendar-proxy-${access}/`, {
      headers: xml,
      body: `<propertyupdate xmlns="DAV:"><set><prop><group-member-set><href>${guid(name)}</href></group-member-set></prop></set></propertyupdate>`,
    });
    assert.equal(answer.status, 207);
  }
  assert.equal((await exchange.send("ACL", calendar, { headers: xml, body: acl })).status, 200);
  // He writes to attendees too.
  const sends = acl.replace(
    /<privilege>.*<\/privilege>/,
    '<privilege><C:schedule-send xmlns:C="urn:ietf:params:xml:ns:caldav"/></privilege>',
  );
  assert.equal((await exchange.send("ACL", `${home("user01")}outbox/`, { headers: xml, body: sends })).status, 200);
  places = {
    owner: calendar,
    "write-proxy": calendar,
    "read-proxy": calendar,
    "sharee-r": reader,
    "sharee-rw": writer,
    "by-acl": calendar,
    admin: calendar,
  };
});
after(() => exchange.end());

/** The organizer's copy with what an attendee has told him, as the store has it. */
async function restore(text = meeting(comments)): Promise<void> {
  await exchange.send("DELETE", path);
  const { tree } = exchange;
  const opened = await tree.store.open({ owner: await tree.user("user01"), path: ["shared"] });
  assert.ok(opened);
  const staged = await opened.stage(Buffer.from(text), new Map());
  const { parseCalendarObject } = await import("../../src/ical/parse.ts");
  await opened.change((change) => change.put("meeting.ics", staged, parseCalendarObject(text)));
}
beforeEach(() => restore());

async function stored(): Promise<string> {
  const { tree } = exchange;
  const opened = await tree.store.open({ owner: await tree.user("user01"), path: ["shared"] });
  return String((await opened?.read("meeting.ics"))?.bytes);
}
const commentsIn = (text: string): readonly string[] =>
  [...(unfolded(text).match(/^X-CALENDARSERVER-\w+-COMMENT.*$/gim) ?? [])].sort();

const report = (as: string, at: string, body: string): Promise<Answer> =>
  exchange.send("REPORT", at, { as, headers: { ...xml, depth: "1" }, body });
const CAL = 'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"';
const query = (as: string, at: string, filter: string, data = "<C:calendar-data/>"): Promise<Answer> =>
  report(
    as,
    at,
    `<C:calendar-query ${CAL}><prop>${data}</prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">${filter}</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`,
  );
const multiget = (as: string, at: string, data: string): Promise<Answer> =>
  report(as, at, `<C:calendar-multiget ${CAL}><prop>${data}</prop><href>${at}meeting.ics</href></C:calendar-multiget>`);
const window = 'start="20260101T000000Z" end="20260201T000000Z"';

const waysOut: Readonly<Record<string, (as: string, at: string) => Promise<Answer>>> = {
  GET: (as, at) => exchange.send("GET", `${at}meeting.ics`, { as }),
  "GET as jCal": (as, at) =>
    exchange.send("GET", `${at}meeting.ics`, { as, headers: { accept: "application/calendar+json" } }),
  "GET of a range": (as, at) => exchange.send("GET", `${at}meeting.ics`, { as, headers: { range: "bytes=0-4000" } }),
  "GET of the calendar": (as, at) => exchange.send("GET", at, { as }),
  multiget: (as, at) => multiget(as, at, "<C:calendar-data/>"),
  "multiget as jCal": (as, at) =>
    multiget(as, at, '<C:calendar-data content-type="application/calendar+json" version="2.0"/>'),
  "multiget of these properties": (as, at) =>
    multiget(
      as,
      at,
      '<C:calendar-data><C:comp name="VCALENDAR"><C:comp name="VEVENT"><C:prop name="UID"/><C:prop name="X-CALENDARSERVER-ATTENDEE-COMMENT"/><C:prop name="X-CALENDARSERVER-PRIVATE-COMMENT"/></C:comp></C:comp></C:calendar-data>',
    ),
  query: (as, at) => query(as, at, `<C:time-range ${window}/>`),
  "query expanded": (as, at) => query(as, at, "", `<C:calendar-data><C:expand ${window}/></C:calendar-data>`),
  "query of the member": (as, at) => query(as, `${at}meeting.ics`, ""),
};

for (const [way, ask] of Object.entries(waysOut))
  describe(`${way} gives attendees' comments`, () => {
    for (const [asker, user] of Object.entries(users))
      test(`${see.includes(asker) ? "to" : "not to"} ${asker}`, async () => {
        const { status, text } = await ask(user, places[asker] ?? "");
        assert.ok(status < 300, `${status} ${text}`);
        const told = unfolded(text.replaceAll("&#13;", "\r")).toLowerCase();
        assert.ok(told.includes("meeting"), "the event itself is there");
        assert.equal(told.includes(`${words}alone`) && told.includes(`${words} too`), see.includes(asker), text);
        assert.equal(told.includes("-comment"), see.includes(asker), text);
      });
  });

test("who sees no comments gets every other byte as it is, under the ETag of the file", async () => {
  for (const asker of ["read-proxy", "by-acl"]) {
    const seen = await exchange.send("GET", path, { as: users[asker] ?? "" });
    assert.equal(seen.text, meeting());
    assert.equal(seen.headers["content-length"] ?? `${meeting().length}`, `${meeting().length}`);
    assert.equal(seen.headers["etag"], (await exchange.send("GET", path)).headers["etag"]);
  }
});

test("a query finds no event by comments that the asker does not see", async () => {
  const matching =
    '<C:prop-filter name="X-CALENDARSERVER-ATTENDEE-COMMENT"><C:text-match>between</C:text-match></C:prop-filter>';
  for (const [asker, user] of Object.entries(users)) {
    const answer = await query(user, places[asker] ?? "", matching, "<getetag/>");
    assert.equal(told(answer).length, see.includes(asker) ? 1 : 0, asker);
  }
});

test("no listing tells how long the comments are", async () => {
  await exchange.put(path, meeting(comments));
  for (const [asker, user] of Object.entries(users)) {
    const at = places[asker] ?? "";
    const headers = { ...xml, depth: "0" };
    const answer = await exchange.send("PROPFIND", `${at}meeting.ics`, {
      as: user,
      headers,
      body: propfind("D:getcontentlength"),
    });
    const length = propertyText(answer, `${at}meeting.ics`, "{DAV:}getcontentlength");
    assert.equal(length !== undefined, see.includes(asker), asker);
    const agent = { "user-agent": "Mozilla/5.0 Gecko/1" };
    const page = await exchange.send("GET", at, { as: user, headers: agent });
    const shown = /meeting\.ics<\/a><\/td><td>VEVENT<\/td><td class="n">(\d*)/.exec(page.text)?.[1];
    assert.equal(shown !== "", see.includes(asker), `${asker} ${page.text}`);
  }
});

test("the address of a published calendar gives none", async () => {
  await exchange.send("POST", calendar, { headers: xml, body: command("publish-calendar") });
  const answer = await exchange.send("PROPFIND", calendar, {
    headers: { depth: "0" },
    body: propfind("CS:publish-url"),
  });
  const address = propertyText(answer, calendar, cs("publish-url")) ?? "";
  const token = /([^/]+)\.ics$/.exec(address)?.[1] ?? "";
  let text = "";
  for await (const part of (await publicCalendar(token, exchange.tree.services))?.stream() ?? []) text += part;
  assert.match(text, /UID:meeting/);
  assert.deepEqual(commentsIn(text), []);
});

test("an answer in the organizer's inbox shows its comment to who acts for him, not to a read delegate", async () => {
  await restore(meeting());
  const uid = "answered";
  const asked = event(uid, {
    start: "DTSTART:20270105T090000Z",
    end: "DTEND:20270105T100000Z",
    more: [...invited, `ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:${mail("user05")}`],
  });
  const own = `${home("user01")}calendar/${uid}.ics`;
  const put = await exchange.send("PUT", own, { headers: { "content-type": "text/calendar" }, body: asked });
  assert.equal(put.status, 201, put.text);
  const { tree } = exchange;
  const theirs = await tree.store.open({ owner: await tree.user("user05"), path: ["calendar"] });
  const copy = `${home("user05")}calendar/${await theirs?.nameOf(uid)}`;
  const { text } = await exchange.send("GET", copy, { as: "user05" });
  const answer = unfolded(text)
    .replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED")
    .replace("END:VEVENT", `X-CALENDARSERVER-PRIVATE-COMMENT:${words}\r\nEND:VEVENT`);
  const said = await exchange.send("PUT", copy, {
    as: "user05",
    headers: { "content-type": "text/calendar" },
    body: answer,
  });
  assert.ok(said.status < 300, said.text);
  assert.equal(commentsIn((await exchange.send("GET", copy, { as: "user05" })).text).length, 1, "his own he sees");
  assert.equal(commentsIn((await exchange.send("GET", own)).text).length, 1);
  const inbox = `${home("user01")}inbox/`;
  for (const [asker, sees] of [
    ["owner", true],
    ["write-proxy", true],
    ["read-proxy", false],
  ] as const) {
    const items = await query(users[asker] ?? "", inbox, "");
    assert.match(items.text, /METHOD:REPLY/);
    assert.equal(items.text.includes(words), sees, asker);
    const all = await exchange.send("GET", inbox, { as: users[asker] ?? "" });
    assert.equal(all.text.includes(words), sees, asker);
    assert.equal((await exchange.send("GET", own, { as: users[asker] ?? "" })).text.includes(words), sees, asker);
  }
});

const writers = ["sharee-rw", "by-acl"];
const put = (asker: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
  exchange.send("PUT", `${places[asker]}meeting.ics`, {
    as: users[asker] ?? "",
    headers: { "content-type": "text/calendar", ...headers },
    body,
  });

describe("a PUT by who sees no comments", () => {
  for (const asker of writers) {
    test(`keeps them, and its answer shows none (${asker})`, async () => {
      const body = meeting().replace("SUMMARY:meeting", "SUMMARY:moved");
      const answer = await put(asker, body, { prefer: "return=representation" });
      assert.ok(answer.status < 300, answer.text);
      assert.deepEqual(commentsIn(answer.text), []);
      const now = await stored();
      assert.match(now, /SUMMARY:moved/);
      assert.deepEqual(commentsIn(now), commentsIn(meeting(comments)));
      const seen = await exchange.send("GET", `${places[asker]}meeting.ics`, { as: users[asker] ?? "" });
      assert.deepEqual(commentsIn(seen.text), []);
      assert.match(seen.text, /SUMMARY:moved/);
    });
    test(`changes and adds none (${asker})`, async () => {
      const forged = meeting(["X-CALENDARSERVER-PRIVATE-COMMENT:forged", comments[0]?.replace(words, "forged") ?? ""]);
      assert.ok((await put(asker, forged.replace("SUMMARY:meeting", "SUMMARY:moved"))).status < 300);
      assert.deepEqual(commentsIn(await stored()), commentsIn(meeting(comments)));
      await restore(meeting());
      assert.ok((await put(asker, forged.replace("SUMMARY:meeting", "SUMMARY:moved"))).status < 300);
      assert.deepEqual(commentsIn(await stored()), []);
    });
    test(`keeps those of one instance, which he sees as one like the others (${asker})`, async () => {
      const series = (instance: readonly string[]): string =>
        meeting(["RRULE:FREQ=DAILY;COUNT=3"]).replace("END:VCALENDAR", [...instance, "END:VCALENDAR"].join("\r\n"));
      const override = [
        ...["BEGIN:VEVENT", "UID:meeting", "RECURRENCE-ID:20260106T090000Z", "DTSTAMP:20260101T000000Z"],
        ...["DTSTART:20260106T090000Z", "DTEND:20260106T100000Z", "SUMMARY:meeting", ...invited],
        ...[`ATTENDEE;PARTSTAT=ACCEPTED:${mail("user05")}`, "X-KEPT:kept", comments[0] ?? "", "END:VEVENT"],
      ];
      await restore(series(override));
      const body = series([]).replace("SUMMARY:meeting", "SUMMARY:moved");
      const answer = await put(asker, body);
      assert.ok(answer.status < 300, answer.text);
      const now = unfolded(await stored());
      assert.match(now, /RECURRENCE-ID:20260106T090000Z/);
      assert.equal(commentsIn(now).length, 1);
      assert.equal(now.match(/SUMMARY:moved/g)?.length, 2);
    });
  }
  test("of what he has got leaves the file as it is (sharee-rw)", async () => {
    const { text } = await exchange.send("GET", `${writer}meeting.ics`, { as: "user09" });
    assert.ok((await put("sharee-rw", text)).status < 300);
    assert.equal(await stored(), meeting(comments));
  });
  test("of alarms alone leaves the file as it is, and shows no comment when the owner changes it (sharee-rw)", async () => {
    const alarm = ["BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:soon", "TRIGGER:-PT5M", "END:VALARM"];
    assert.ok((await put("sharee-rw", meeting(alarm))).status < 300);
    assert.equal(await stored(), meeting(comments));
    const owners = await exchange.send("GET", path);
    await exchange.put(path, owners.text.replace("SUMMARY:meeting", "SUMMARY:moved"));
    const { text } = await exchange.send("GET", `${writer}meeting.ics`, { as: "user09" });
    assert.match(text, /SUMMARY:moved/);
    assert.match(text, /VALARM/);
    assert.deepEqual(commentsIn(text), []);
  });
});

test("what a sharee attaches leaves them as they are, and none is kept among what is his own", async () => {
  const { attach, attachIn, taken } = await import("./attachment-words.ts");
  const { tree } = exchange;
  const name = writer.split("/").at(-2) ?? "";
  const link = await tree.store.open({ owner: await tree.user("user09"), path: [name] });
  assert.equal(link?.kind, "share");
  // Nothing of his from earlier.
  await link?.change((change) =>
    change.entry("meeting.ics") === undefined ? undefined : change.remove("meeting.ics"),
  );
  const { status, text } = await attach(exchange, `${writer}meeting.ics`, "a", {
    as: "user09",
    headers: { prefer: "return=representation" },
  });
  assert.equal(status, 201, text);
  assert.deepEqual(commentsIn(text), []);
  taken(await attach(exchange, `${writer}meeting.ics`, "b", { as: "user09" }));
  assert.equal((await attachIn(exchange, path)).length, 2);
  assert.deepEqual(commentsIn(await stored()), commentsIn(meeting(comments)));
  for await (const page of link?.entries() ?? [])
    for (const entry of page) assert.deepEqual(commentsIn(String((await link?.read(entry.name))?.bytes)), []);
});

test("a write delegate changes them as the organizer does", async () => {
  const text = meeting([comments[0]?.replace(words, "changed") ?? ""]).replace("SUMMARY:meeting", "SUMMARY:moved");
  assert.ok((await put("write-proxy", text)).status < 300);
  assert.match(commentsIn(await stored()).join(), /changed/);
});

test("a copy holds the comments that its maker sees, and an object with others goes nowhere where they would be seen", async () => {
  const plain = event("meeting", { more: [`X-CALENDARSERVER-PRIVATE-COMMENT:${words}`] });
  // A file in a folder is given out as it is.
  const folder = `${home("user01")}notes/`;
  assert.equal((await exchange.send("MKCOL", folder)).status, 201);
  assert.equal((await exchange.send("ACL", folder, { headers: xml, body: acl })).status, 200);
  for (const [asker, destination] of [
    ["sharee-rw", `${home("user09")}calendar/copied.ics`],
    ["by-acl", `${folder}copied.ics`],
  ] as const) {
    await restore(plain);
    const as = users[asker] ?? "";
    const send = (method: string): Promise<Answer> =>
      exchange.send(method, `${places[asker]}meeting.ics`, { as, headers: { destination } });
    assert.equal((await send("MOVE")).status, 403, asker);
    const made = await send("COPY");
    assert.equal(made.status, 201, made.text);
    const copied = await exchange.send("GET", destination, { as });
    assert.match(copied.text, /UID:meeting/);
    assert.deepEqual(commentsIn(copied.text), [], asker);
    assert.equal(await stored(), plain);
  }
});
