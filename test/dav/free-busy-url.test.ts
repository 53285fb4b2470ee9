import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import type { DavSettings } from "../../src/dav/registry.ts";
import { dav, el } from "../../src/xml/element.ts";
import { givenOutbox, type OutboxExchange } from "./outbox-exchange.ts";

let exchange: OutboxExchange;
afterEach(() => exchange.end());

const home = "/calendars/users/user02/";
const address = `${home}freebusy`;
const week = "start=20260105T000000Z&end=20260112T000000Z";

async function start(anonymous = false, more: Partial<DavSettings> = {}): Promise<void> {
  exchange = await givenOutbox({ freeBusyUrl: { days: 14, anonymous }, ...more });
  await event("busy", "DTSTART:20260105T100000Z", "DTEND:20260105T110000Z");
}

const event = (uid: string, ...lines: readonly string[]) =>
  exchange.put(
    `${home}calendar/${uid}.ics`,
    [
      ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"],
      ...lines.filter((line) => line.startsWith("X-")),
      ...["BEGIN:VEVENT", `UID:${uid}`, "DTSTAMP:20260101T000000Z"],
      ...lines.filter((line) => !line.startsWith("X-")),
      ...["SUMMARY:secret", "END:VEVENT", "END:VCALENDAR", ""],
    ].join("\r\n"),
    "user02",
  );

const busyIn = (text: string): readonly string[] =>
  text
    .replaceAll("\r\n ", "")
    .split("\r\n")
    .flatMap((one) => /^FREEBUSY;FBTYPE=(.*)/.exec(one)?.[1] ?? []);

describe("a home's free-busy URL", () => {
  test("tells the owner's busy time as one VFREEBUSY, and nothing else of an event", async () => {
    await start();
    await event("maybe", "DTSTART:20260106T100000Z", "DURATION:PT90M", "STATUS:TENTATIVE");
    await event("free", "DTSTART:20260107T100000Z", "DURATION:PT1H", "TRANSP:TRANSPARENT");
    for (const path of [address, `${address}/`, `${address}.ifb`]) {
      const { status, headers, text } = await exchange.send("GET", `${path}?${week}`);
      assert.equal(status, 200);
      assert.equal(headers["content-type"], "text/calendar; charset=utf-8");
      assert.match(text, /\r\nMETHOD:REPLY\r\n/);
      assert.match(text, /BEGIN:VFREEBUSY\r\n[\s\S]*ATTENDEE:mailto:user02@example.com\r\n/);
      assert.match(text, /DTSTART:20260105T000000Z\r\nDTEND:20260112T000000Z\r\n/);
      assert.deepEqual(busyIn(text), ["BUSY-TENTATIVE:20260106T100000Z/PT1H30M", "BUSY:20260105T100000Z/PT1H"]);
      assert.doesNotMatch(text, /secret/);
    }
  });

  test("covers TimePeriod days from today, or the duration that is asked for", async () => {
    await start();
    const { text } = await exchange.send("GET", address);
    const [, from = "", to = ""] = /DTSTART:(\d{8})T000000Z\r\nDTEND:(\d{8})T000000Z/.exec(text) ?? [];
    const date = (one: string): number => Date.parse(`${one.slice(0, 4)}-${one.slice(4, 6)}-${one.slice(6)}`);
    assert.equal(date(to) - date(from), 14 * 86_400_000);
    for (const name of ["period", "duration"]) {
      const asked = await exchange.send("GET", `${address}?start=20260105T000000Z&${name}=PT10H30M`);
      assert.match(asked.text, /DTEND:20260105T103000Z/);
      assert.deepEqual(busyIn(asked.text), ["BUSY:20260105T100000Z/PT30M"]);
    }
  });

  test("refuses what it does not understand, with the conditions of the original", async () => {
    await start();
    const cases: readonly (readonly [string, number, string])[] = [
      ["start=20260105", 400, "valid-query-parameters"],
      ["start=20260105T000000", 400, "valid-query-parameters"],
      ["end=never", 400, "valid-query-parameters"],
      ["start=20260105T000000Z&end=20260105T000000Z", 400, "valid-query-parameters"],
      ["period=-P1D", 400, "valid-query-parameters"],
      ["start=20260105T000000Z&end=20360105T000000Z", 400, "valid-query-parameters"],
      [`${week}&start=20260101T000000Z`, 400, "valid-query-parameters"],
      [`${week}&duration=P1D`, 406, "valid-query-parameters"],
      ["format=text/html", 406, "supported-format"],
      ["token=abc", 406, "supported-query-parameter"],
      ["user=user02", 406, "supported-query-parameter"],
    ];
    for (const [query, status, condition] of cases) {
      const answer = await exchange.send("GET", `${address}?${query}`);
      assert.equal(answer.status, status, query);
      assert.match(answer.text, new RegExp(`<[A-Z]+:${condition}[ />]`), query);
    }
    const plain = await exchange.send("GET", `${address}?${week}&format=text/plain`);
    assert.equal(plain.headers["content-type"], "text/plain; charset=utf-8");
    assert.equal((await exchange.send("DELETE", address)).status, 405);
  });

  test("is not there unless it is switched on, nor for who is nobody", async () => {
    await start(false, { freeBusyUrl: undefined });
    assert.equal((await exchange.send("GET", address, { as: "user02" })).status, 404);
    await exchange.end();
    await start();
    assert.equal((await exchange.send("GET", "/calendars/users/nobody/freebusy")).status, 404);
  });

  test("is read without a password only with AnonymousAccess", async () => {
    await start();
    assert.equal((await exchange.send("GET", address, { as: null })).status, 401);
    await exchange.end();
    await start(true);
    const { status, text } = await exchange.send("GET", `${address}?${week}`, { as: null });
    assert.equal(status, 200);
    assert.deepEqual(busyIn(text), ["BUSY:20260105T100000Z/PT1H"]);
    const head = await exchange.send("HEAD", `${address}?${week}`, { as: null });
    assert.deepEqual([head.status, head.text], [200, ""]);
  });

  test("is closed to whom the owner's inbox is closed, signed in or not; a calendar with an ACL of its own does not count", async () => {
    await start(true);
    const deny = (privilege: string) =>
      el(
        dav("ace"),
        el(dav("principal"), el(dav("all"))),
        el(dav("deny"), el(dav("privilege"), el(`{urn:ietf:params:xml:ns:caldav}${privilege}`))),
      );
    await exchange.storeAcl("user02", ["calendar"], deny("read-free-busy"));
    for (const as of ["user03", null]) {
      const answer = await exchange.send("GET", `${address}?${week}`, { as });
      assert.deepEqual([answer.status, busyIn(answer.text)], [200, []]);
    }
    await exchange.storeAcl("user02", ["inbox"], deny("schedule-query-freebusy"), deny("schedule-deliver"));
    for (const as of ["user03", null])
      assert.equal((await exchange.send("GET", `${address}?${week}`, { as })).status, 403);
  });

  test("leaves a calendar that is named like it to its owner", async () => {
    await start();
    const owner = await exchange.tree.user("user02");
    await exchange.tree.store.create({ owner, path: ["freebusy"] }, "calendar", new Map());
    const { text } = await exchange.send("PROPFIND", `${address}/`, { as: "user02", headers: { depth: "0" } });
    assert.match(text, /calendar\/>/);
  });
});
