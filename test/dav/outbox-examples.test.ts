import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { dav, el } from "../../src/xml/element.ts";
import { event } from "./exchange.ts";
import { givenOutbox, mail, type OutboxExchange, told } from "./outbox-exchange.ts";

// The examples of RFC 5546 and RFC 6638 that are requests and answers of HTTP; the others are transcripts (test/itip).

let exchange: OutboxExchange;

const question = (uid: string, from: string, to: string, attendees: readonly string[]): string =>
  [
    ...["BEGIN:VCALENDAR", "PRODID:-//Example/ExampleCalendarClient//EN", "METHOD:REQUEST", "VERSION:2.0"],
    ...["BEGIN:VFREEBUSY", `UID:${uid}`, "DTSTAMP:19970613T190000Z", `DTSTART:${from}`, `DTEND:${to}`],
    `ORGANIZER;CN="A":${mail("user01")}`,
    ...attendees.map((address) => `ATTENDEE;CN="Somebody":${address}`),
    ...["END:VFREEBUSY", "END:VCALENDAR", ""],
  ].join("\r\n");

const busy = async (user: string, ...times: readonly (readonly [string, string])[]): Promise<void> => {
  for (const [index, [start, end]] of times.entries()) {
    const text = event(`${user}-${index}`, { start: `DTSTART:${start}`, end: `DTEND:${end}`, more: [] });
    await exchange.put(`/calendars/users/${user}/calendar/${index}.ics`, text, user);
  }
};

describe("the examples", () => {
  beforeEach(async () => {
    exchange = await givenOutbox();
  });

  test("RFC 5546 §4.3.2 and §4.3.3: busy time is asked for and told", async (t) => {
    t.after(() => exchange.end());
    await busy("user02", ["19970701T090000Z", "19970701T100000Z"], ["19970701T140000Z", "19970701T143000Z"]);
    const uid = "calsrv.example.com-873970198738777@example.com";
    const people = [mail("user01"), mail("user02"), mail("user03")];
    const answers = told(await exchange.post(question(uid, "19970701T080000Z", "19970701T200000Z", people)));
    assert.deepEqual(
      answers.map(({ recipient, status }) => [recipient, status]),
      people.map((address) => [address, "2.0;Success"]),
    );
    const [, asked, free] = answers;
    for (const line of ["METHOD:REPLY", `UID:${uid}`, "DTSTART:19970701T080000Z", "DTEND:19970701T200000Z"])
      assert.ok(asked?.data.includes(line), line);
    assert.ok(asked?.data.includes("FREEBUSY;FBTYPE=BUSY:19970701T090000Z/PT1H,19970701T140000Z/PT30M"));
    assert.ok(asked?.data.some((line) => line.startsWith("ORGANIZER") && line.endsWith(mail("user01"))));
    assert.ok(asked?.data.some((line) => line.startsWith("ATTENDEE") && line.endsWith(mail("user02"))));
    assert.equal(asked?.data.filter((line) => line.startsWith("ATTENDEE")).length, 1);
    assert.ok(!free?.data.some((line) => line.startsWith("FREEBUSY")));
  });

  test("RFC 6638 B.5: busy time of two, and of one whom nobody knows", async (t) => {
    t.after(() => exchange.end());
    await busy("user02", ["20090602T110000Z", "20090602T120000Z"], ["20090603T170000Z", "20090603T180000Z"]);
    await busy("user03", ["20090602T150000Z", "20090602T160000Z"]);
    const people = [mail("user02"), mail("user03"), "mailto:mike@example.org"];
    const answer = await exchange.post(question("4FD3AD926350", "20090602T000000Z", "20090604T000000Z", people));
    const answers = told(answer);
    assert.deepEqual(
      answers.map(({ recipient, status, data }) => [
        recipient,
        status,
        data.filter((one) => one.startsWith("FREEBUSY")),
      ]),
      [
        [mail("user02"), "2.0;Success", ["FREEBUSY;FBTYPE=BUSY:20090602T110000Z/PT1H,20090603T170000Z/PT1H"]],
        [mail("user03"), "2.0;Success", ["FREEBUSY;FBTYPE=BUSY:20090602T150000Z/PT1H"]],
        ["mailto:mike@example.org", "3.7;Invalid Calendar User", []],
      ],
    );
  });

  test("RFC 6638 B.6: who may write a calendar but not send for its owner cannot invite in his name", async (t) => {
    t.after(() => exchange.end());
    const all = el(
      dav("ace"),
      el(dav("principal"), el(dav("authenticated"))),
      el(dav("grant"), el(dav("privilege"), el(dav("all")))),
    );
    await busy("user02", ["20090601T110000Z", "20090601T120000Z"]);
    await exchange.storeAcl("user02", ["calendar"], all);
    const invited = [
      `ORGANIZER;CN="Wilfredo Sanchez Vega":${mail("user02")}`,
      `ATTENDEE;CUTYPE=INDIVIDUAL;PARTSTAT=ACCEPTED:${mail("user02")}`,
      `ATTENDEE;CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT;RSVP=TRUE:${mail("user03")}`,
    ];
    const dinner = (more: readonly string[]): string =>
      event("3504F926D3AD", { start: "DTSTART:20090602T230000Z", end: "DTEND:20090603T000000Z", more });
    const path = "/calendars/users/user02/calendar/def456.ics";
    const headers = { "content-type": "text/calendar", "if-none-match": "*" };
    const refused = await exchange.send("PUT", path, { as: "user01", headers, body: dinner(invited) });
    assert.equal(refused.status, 403, refused.text);
    assert.match(refused.text, /need-privileges/);
    assert.match(refused.text, /<(?:\w+:)?href[^>]*>\/calendars\/[^<]*\/outbox\/</);
    assert.match(refused.text, /schedule-send-invite/);
    assert.equal((await exchange.send("GET", path, { as: "user02" })).status, 404, "nothing is stored");
    assert.equal((await exchange.send("PUT", path, { as: "user01", headers, body: dinner([]) })).status, 201);
  });
});
