import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { dispatch } from "../../src/dav/dispatch.ts";
import { errorResponse } from "../../src/dav/error-body.ts";
import type { DavSettings } from "../../src/dav/registry.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { caldav, dav, el, href } from "../../src/xml/element.ts";
import { event, refused } from "./exchange.ts";
import { asking, givenOutbox, mail, type OutboxExchange, outbox, scheduling, told } from "./outbox-exchange.ts";
import { requestOf } from "./tree.ts";

let exchange: OutboxExchange;
let { send, put, post, busy, storeAcl }: OutboxExchange = {} as OutboxExchange;
async function start(changed: Partial<DavSettings> = {}): Promise<void> {
  exchange = await givenOutbox(changed);
  ({ send, put, post, busy, storeAcl } = exchange);
}

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
    const request = requestOf("POST", outbox, { "content-type": "text/calendar" }, asking([two]));
    const answer = await dispatch(request, context).catch((error) =>
      errorResponse(error, request, context, () => ({})),
    );
    assert.equal(answer.status, 401);
  });

  test("who has not signed in is no originator, whatever the ACL says", async () => {
    await send("PROPFIND", "/calendars/users/user06/outbox/", { as: "user06", headers: { depth: "0" } });
    const grant = el(dav("grant"), el(dav("privilege"), el(caldav("schedule-send"))));
    await storeAcl("user06", ["outbox"], el(dav("ace"), el(dav("principal"), el(dav("all"))), grant));
    const context = await exchange.tree.context(undefined);
    const request = requestOf("POST", "/calendars/users/user06/outbox/", {}, asking([two]));
    await assert.rejects(
      dispatch(request, context),
      (error) => error instanceof Refusal && error.reason.code === "originator-allowed",
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
      ({ send, put, post, busy, storeAcl } = exchange);
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

  test("a counter proposal lies in the organizer's inbox; his refusal of it in the attendee's", async (t) => {
    t.after(() => exchange.end());
    const home = "/calendars/users/user01/";
    await exchange.put(
      `${home}calendar/meeting.ics`,
      invite("REQUEST", attendees[0] ?? "").replace(/METHOD:.*\r\n/, ""),
    );
    const path = "/calendars/users/user02/outbox/";
    const [only] = told(await post(invite("COUNTER", attendees[0] ?? ""), { as: "user02", path }));
    assert.equal(only?.status, "1.2;Scheduling message has been delivered");
    const text = invite("DECLINECOUNTER", ...attendees, "ATTENDEE:mailto:nobody@example.com");
    assert.deepEqual(
      told(await post(text)).map(({ status }) => status.slice(0, 4)),
      ["1.2;", "1.2;", "3.7;"],
    );
    const methodsFor = async (user: string): Promise<readonly string[]> => {
      const inbox = await exchange.tree.store.open({ owner: await exchange.tree.user(user), path: ["inbox"] });
      const found: string[] = [];
      for await (const page of inbox?.entries() ?? [])
        for (const { name } of page)
          found.push(/METHOD:(\w+)/.exec(String((await inbox?.read(name))?.bytes))?.[1] ?? "");
      return found.sort();
    };
    assert.deepEqual(await methodsFor("user01"), ["COUNTER"]);
    assert.deepEqual(await methodsFor("user02"), ["DECLINECOUNTER", "REQUEST"]);
  });
});
