// X-CALENDARSERVER-ACCESS (caldav-privateevents §4.2): what each person sees of each kind of event, in every way out.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Answer, givenExchange, refused, told } from "./exchange.ts";

const home = "/calendars/users/user01/";
const calendar = `${home}calendar/`;
const kinds = ["PUBLIC", "RESTRICTED", "CONFIDENTIAL", "PRIVATE"] as const;
type Kind = (typeof kinds)[number];
const hrefOf = (kind: Kind): string => `${calendar}${kind.toLowerCase()}.ics`;
const day: Readonly<Record<Kind, string>> = { PUBLIC: "05", RESTRICTED: "06", CONFIDENTIAL: "07", PRIVATE: "08" };

const text = (kind: Kind): string =>
  [
    ...[
      "BEGIN:VCALENDAR",
      "VERSION:2.0",
      "PRODID:-//test//EN",
      `X-CALENDARSERVER-ACCESS:${kind}`,
      "X-OTHER:of the calendar",
    ],
    ...[
      "BEGIN:VEVENT",
      `UID:${kind}`,
      "DTSTAMP:20260101T000000Z",
      `DTSTART:202601${day[kind]}T090000Z`,
      "DURATION:PT1H",
    ],
    ...[
      "SUMMARY:secret summary",
      "LOCATION:secret place",
      "DESCRIPTION:secret description",
      "CATEGORIES:secret category",
    ],
    ...["ORGANIZER:mailto:user01@example.com", "ATTENDEE:mailto:secret@example.com", "X-SECRET:secret"],
    ...[
      "BEGIN:VALARM",
      "ACTION:DISPLAY",
      "DESCRIPTION:secret alarm",
      "TRIGGER:-PT5M",
      "END:VALARM",
      "END:VEVENT",
      "END:VCALENDAR",
      "",
    ],
  ].join("\r\n");

/** What somebody may see of an event: everything, when it is with summary and place, when it is, nothing. */
type Seen = "all" | "place" | "time" | "nothing";
const others: Readonly<Record<Kind, Seen>> = {
  PUBLIC: "all",
  RESTRICTED: "place",
  CONFIDENTIAL: "time",
  PRIVATE: "nothing",
};
const everything: Readonly<Record<Kind, Seen>> = {
  PUBLIC: "all",
  RESTRICTED: "all",
  CONFIDENTIAL: "all",
  PRIVATE: "all",
};
/** The owner; who may read by delegation; who may write by delegation; the administrator. */
const people = { user01: everything, user02: others, user03: others, admin: everything };

const exchange = await givenExchange();
after(() => exchange.end());
before(async () => {
  for (const [name, access] of [
    ["02", "read"],
    ["03", "write"],
  ] as const) {
    const answer = await exchange.send("PROPPATCH", `/principals/users/user01/calendar-proxy-${access}/`, {
      headers: { "content-type": "application/xml" },
      body: `<propertyupdate xmlns="DAV:"><set><prop><group-member-set><href>/principals/__uids__/10000000-0000-0000-0000-0000000000${name}/</href></group-member-set></prop></set></propertyupdate>`,
    });
    assert.equal(answer.status, 207);
  }
  for (const kind of kinds) await exchange.put(hrefOf(kind), text(kind));
});

/** Looks at some text that came out about one event. */
function assertSeen(found: string, kind: Kind, seen: Seen): void {
  const has = (word: string): boolean => found.includes(word);
  assert.equal(has(`UID:${kind}`) || has(`"${kind}"`), seen !== "nothing", `${kind} is there: ${found}`);
  assert.equal(has("secret summary"), seen === "all" || seen === "place", `SUMMARY of ${kind}`);
  assert.equal(has("secret place"), seen === "all" || seen === "place", `LOCATION of ${kind}`);
  for (const word of [
    "secret description",
    "secret category",
    "secret@example.com",
    "X-SECRET",
    "secret alarm",
    "X-OTHER",
  ])
    assert.equal(has(word) || has(word.toLowerCase()), seen === "all", `${word} of ${kind}`);
}

const report = (as: string, body: string, headers: Record<string, string> = {}): Promise<Answer> =>
  exchange.send("REPORT", calendar, {
    as,
    headers: { "content-type": "application/xml", depth: "1", ...headers },
    body,
  });
const multiget = (as: string, kind: Kind, data: string): Promise<Answer> =>
  report(
    as,
    `<C:calendar-multiget xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop>${data}</prop><href>${hrefOf(kind)}</href></C:calendar-multiget>`,
  );
const query = (as: string, filter: string, data = "<C:calendar-data/>"): Promise<Answer> =>
  report(
    as,
    `<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop>${data}</prop><C:filter><C:comp-filter name="VCALENDAR">${filter}</C:comp-filter></C:filter></C:calendar-query>`,
  );
const onDay = (kind: Kind): string =>
  `<C:comp-filter name="VEVENT"><C:time-range start="202601${day[kind]}T000000Z" end="202601${day[kind]}T235959Z"/></C:comp-filter>`;
const range = (name: string): string => `<C:${name} start="20260101T000000Z" end="20260201T000000Z"/>`;

/** Every way by which an event's data comes out. Nothing of the event: the answer says nothing of it, or is a refusal. */
const waysOut: Readonly<Record<string, (as: string, kind: Kind) => Promise<Answer>>> = {
  GET: (as, kind) => exchange.send("GET", hrefOf(kind), { as }),
  "GET as jCal": (as, kind) =>
    exchange.send("GET", hrefOf(kind), { as, headers: { accept: "application/calendar+json" } }),
  multiget: (as, kind) => multiget(as, kind, "<C:calendar-data/>"),
  "multiget as jCal": (as, kind) =>
    multiget(as, kind, '<C:calendar-data content-type="application/calendar+json" version="2.0"/>'),
  "multiget expanded": (as, kind) => multiget(as, kind, `<C:calendar-data>${range("expand")}</C:calendar-data>`),
  "multiget of all components": (as, kind) =>
    multiget(as, kind, '<C:calendar-data><C:comp name="VCALENDAR"><C:allprop/><C:allcomp/></C:comp></C:calendar-data>'),
  "query for a day": (as, kind) => query(as, onDay(kind)),
  "query expanded": (as, kind) => query(as, onDay(kind), `<C:calendar-data>${range("expand")}</C:calendar-data>`),
  "query by UID": (as, kind) =>
    query(
      as,
      `<C:comp-filter name="VEVENT"><C:prop-filter name="UID"><C:text-match>${kind}</C:text-match></C:prop-filter></C:comp-filter>`,
    ),
  "query of the member": (as, kind) =>
    exchange.send("REPORT", hrefOf(kind), {
      as,
      headers: { "content-type": "application/xml" },
      body: `<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><C:calendar-data/></prop><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>`,
    }),
  "GET of the calendar": async (as, kind) => {
    const answer = await exchange.send("GET", calendar, { as });
    const events = answer.text.split(/(?=BEGIN:VEVENT)/);
    // X-OTHER is the VCALENDAR's own and in no bundle: it is taken as given to who sees all.
    const own = events.find((one) => one.includes(`UID:${kind}`)) ?? "";
    return { ...answer, text: own.includes("X-SECRET") ? `${own}X-OTHER` : own };
  },
};

for (const [way, ask] of Object.entries(waysOut))
  describe(way, () => {
    for (const [as, table] of Object.entries(people))
      test(as, async () => {
        for (const kind of kinds) assertSeen((await ask(as, kind)).text, kind, table[kind]);
      });
  });

/** The members that a query finds, by kind. */
const found = (answer: Answer): readonly string[] =>
  told(answer)
    .filter(({ status }) => status === undefined)
    .map(({ href }) => kinds.find((kind) => hrefOf(kind) === href) ?? href)
    .sort();
const matching = (name: string): string =>
  `<C:comp-filter name="VEVENT"><C:prop-filter name="${name}"><C:text-match>secret</C:text-match></C:prop-filter></C:comp-filter>`;
const lacking = (name: string): string =>
  `<C:comp-filter name="VEVENT"><C:prop-filter name="${name}"><C:is-not-defined/></C:prop-filter></C:comp-filter>`;
const alarm = '<C:comp-filter name="VEVENT"><C:comp-filter name="VALARM"/></C:comp-filter>';

test("a query matches only what the asker sees", async () => {
  const all = [...kinds].sort();
  for (const as of ["user01", "admin"]) {
    for (const name of ["SUMMARY", "LOCATION", "DESCRIPTION", "ATTENDEE"])
      assert.deepEqual(found(await query(as, matching(name), "<getetag/>")), all, `${as} ${name}`);
    assert.deepEqual(found(await query(as, alarm, "<getetag/>")), all);
  }
  for (const as of ["user02", "user03"]) {
    for (const name of ["SUMMARY", "LOCATION"])
      assert.deepEqual(found(await query(as, matching(name), "<getetag/>")), ["PUBLIC", "RESTRICTED"], `${as} ${name}`);
    for (const name of ["DESCRIPTION", "ATTENDEE"])
      assert.deepEqual(found(await query(as, matching(name), "<getetag/>")), ["PUBLIC"], `${as} ${name}`);
    assert.deepEqual(found(await query(as, alarm, "<getetag/>")), ["PUBLIC"]);
    assert.deepEqual(found(await query(as, lacking("SUMMARY"), "<getetag/>")), ["CONFIDENTIAL"]);
  }
});

test("free-busy shows others when, but nothing of a private event", async () => {
  const body = `<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav">${range("time-range")}</C:free-busy-query>`;
  const days = async (as: string): Promise<readonly string[]> =>
    [...(await report(as, body)).text.replace(/\r\n /g, "").matchAll(/202601(\d\d)T090000Z\//g)].map(
      ([, one]) => one ?? "",
    );
  assert.deepEqual(await days("user01"), ["05", "06", "07", "08"]);
  assert.deepEqual(await days("admin"), ["05", "06", "07", "08"]);
  for (const as of ["user02", "user03", "user04"]) assert.deepEqual(await days(as), ["05", "06", "07"], as);
});

test("listings and sync give others no property of a private event", async () => {
  for (const as of ["user01", "user02"]) {
    const listing = await exchange.send("PROPFIND", calendar, {
      as,
      headers: { depth: "1", "content-type": "application/xml" },
      body: '<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>',
    });
    const given = told(listing).filter(({ properties }) => properties.has(200));
    assert.equal(
      given.some(({ href }) => href === hrefOf("PRIVATE")),
      as === "user01",
      as,
    );
    const sync = await report(
      as,
      '<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>',
    );
    assert.equal(sync.text.includes("private.ics"), as === "user01", `${as} ${sync.text}`);
  }
});

test("others change, delete, copy and move none but public events, whatever they may write", async () => {
  for (const kind of kinds.slice(1)) {
    const headers = { "content-type": "text/calendar" };
    refused(await exchange.send("PUT", hrefOf(kind), { as: "user03", headers, body: text(kind) }), "need-privileges");
    const answer = await exchange.send("COPY", hrefOf(kind), {
      as: "user03",
      headers: { destination: `${calendar}copy.ics` },
    });
    assert.equal(answer.status, 403, `${kind} ${answer.text}`);
    const move = await exchange.send("MOVE", hrefOf(kind), {
      as: "user03",
      headers: { destination: `${home}tasks/x.ics` },
    });
    assert.equal(move.status, 403, kind);
  }
  const restricted = await exchange.send("PUT", `${calendar}new.ics`, {
    as: "user03",
    headers: { "content-type": "text/calendar" },
    body: text("RESTRICTED").replace("UID:RESTRICTED", "UID:new"),
  });
  refused(restricted, "valid-access-restriction-change");
});

test("a client that does not know the property leaves the restriction as it was", async () => {
  const without = text("CONFIDENTIAL").replace("X-CALENDARSERVER-ACCESS:CONFIDENTIAL\r\n", "");
  await exchange.put(hrefOf("CONFIDENTIAL"), without);
  assertSeen((await exchange.send("GET", hrefOf("CONFIDENTIAL"), { as: "user02" })).text, "CONFIDENTIAL", "time");
  assert.match((await exchange.send("GET", hrefOf("CONFIDENTIAL"))).text, /X-CALENDARSERVER-ACCESS:CONFIDENTIAL/);
});
