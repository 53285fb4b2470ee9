import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { publicCalendar } from "../../src/dav/sharing/public-calendar.ts";
import { publishedDoor } from "../../src/doors/published.ts";
import { HttpError, type HttpResponse } from "../../src/http/message.ts";
import { cs } from "../../src/xml/element.ts";
import { type Exchange, event, givenExchange, propertyText } from "./exchange.ts";
import { command, home, propfind, xml } from "./sharing-words.ts";
import { requestOf, textOfBody } from "./tree.ts";

const calendar = `${home("user01")}calendar/`;
let exchange: Exchange;
beforeEach(async () => {
  exchange = await givenExchange();
  await exchange.put(
    `${calendar}lunch.ics`,
    event("lunch", { more: ["BEGIN:VALARM", "ACTION:AUDIO", "TRIGGER:-PT5M", "END:VALARM"] }),
  );
});
afterEach(() => exchange.end());

const order = (name: string, as?: string) =>
  exchange.send("POST", calendar, { headers: xml, body: command(name), ...(as === undefined ? {} : { as }) });
async function addressOf(as = "user01"): Promise<string | undefined> {
  const answer = await exchange.send("PROPFIND", calendar, {
    as,
    headers: { depth: "0" },
    body: propfind("CS:publish-url"),
  });
  const url = propertyText(answer, calendar, cs("publish-url"));
  return url && new URL(url).pathname;
}
async function published(): Promise<string> {
  assert.equal((await order("publish-calendar")).status, 200);
  return (await addressOf()) ?? assert.fail("no address");
}
/** A stranger at the door. */
async function read(
  path: string,
  method = "GET",
  headers: Record<string, string> = {},
): Promise<{ response: HttpResponse; text: string }> {
  const door = publishedDoor((token) => publicCalendar(token, exchange.tree.services));
  assert.ok(door.claims(path.split("/").slice(1)));
  try {
    const response = await door.handle(requestOf(method, path, headers));
    return { response, text: await textOfBody(response) };
  } catch (error) {
    if (error instanceof HttpError) return { response: { status: error.status }, text: error.message };
    throw error;
  }
}

describe("a published calendar", () => {
  test("is read by whoever has its address, as one stream, without anybody's alarms", async () => {
    await exchange.put(`${calendar}supper.ics`, event("supper"));
    const { response, text } = await read(await published());
    assert.equal(response.status, 200);
    assert.equal(response.headers?.["Content-Type"], "text/calendar; charset=utf-8");
    assert.equal(text.match(/BEGIN:VCALENDAR/g)?.length, 1);
    assert.deepEqual(text.match(/^UID:.*(?=\r)/gm)?.sort(), ["UID:lunch", "UID:supper"]);
    assert.doesNotMatch(text, /VALARM/);
  });
  test("shows nothing that is private, and when confidential events are", async () => {
    for (const [name, around, more] of [
      ["a", ["X-CALENDARSERVER-ACCESS:PRIVATE"], []],
      ["b", ["X-CALENDARSERVER-ACCESS:CONFIDENTIAL"], []],
      ["c", [], ["CLASS:PRIVATE"]],
      ["d", [], ["CLASS:CONFIDENTIAL"]],
    ] as const)
      await exchange.put(`${calendar}${name}.ics`, event(name, { summary: `secret ${name}`, around, more }));
    const { text } = await read(await published());
    assert.doesNotMatch(text, /secret/);
    assert.deepEqual(text.match(/^UID:.*(?=\r)/gm)?.sort(), ["UID:b", "UID:lunch"]);
  });
  test("shows no private comment that an attendee made, or had from one", async () => {
    const more = [
      "X-CALENDARSERVER-PRIVATE-COMMENT:to the organizer alone",
      'x-calendarserver-attendee-comment;X-CALENDARSERVER-ATTENDEE-REF="mailto:user0',
      ' 2@example.com";X-CALENDARSERVER-DTSTAMP=20260101T000000Z:to the organizer alone',
      "X-KEPT:with\\, all its escapes",
    ];
    await exchange.put(`${calendar}commented.ics`, event("commented", { more }));
    const { text } = await read(await published());
    assert.match(text, /UID:commented\r\n/);
    assert.match(text, /X-KEPT:with\\, all its escapes/);
    assert.doesNotMatch(text, /alone|-COMMENT/i);
    await exchange.send("DELETE", `${calendar}commented.ics`);
  });
  test("has an ETag that changes with it, and is not sent again to who has it", async () => {
    const address = await published();
    const etag = String((await read(address)).response.headers?.["ETag"]);
    assert.equal((await read(address, "GET", { "if-none-match": etag })).response.status, 304);
    await exchange.put(`${calendar}supper.ics`, event("supper"));
    const again = await read(address, "GET", { "if-none-match": etag });
    assert.equal(again.response.status, 200);
    assert.match(again.text, /UID:supper/);
    assert.equal((await read(address, "HEAD")).text, "");
  });
  test("takes no other method", async () => {
    const address = await published();
    for (const method of ["PUT", "DELETE", "PROPFIND", "POST", "PROPPATCH"])
      assert.equal((await read(address, method)).response.status, 405);
  });
  test("has an address of 192 random bits, the same when published again, another after it was ended", async () => {
    const address = await published();
    assert.match(address, /^\/published\/[A-Za-z0-9_-]{32}\.ics$/);
    assert.equal(await published(), address);
    assert.equal((await order("unpublish-calendar")).status, 200);
    assert.equal(await addressOf(), undefined);
    assert.equal((await read(address)).response.status, 404);
    assert.notEqual(await published(), address);
    assert.equal((await read(address)).response.status, 404);
  });
  test("is one only while file and calendar agree", async () => {
    const address = await published();
    const token = address.slice("/published/".length, -".ics".length);
    await exchange.tree.store.published.remove(token);
    assert.equal((await read(address)).response.status, 404);
    assert.equal(await published(), address);
    assert.equal((await read(address)).response.status, 200);
  });
  test("follows its calendar, and ends with it", async () => {
    const made = `${home("user01")}made/`;
    await exchange.send("MKCALENDAR", made);
    await exchange.send("POST", made, { headers: xml, body: command("publish-calendar") });
    const answer = await exchange.send("PROPFIND", made, { headers: { depth: "0" }, body: propfind("CS:publish-url") });
    const address = new URL(propertyText(answer, made, cs("publish-url")) ?? "").pathname;
    assert.equal(
      (await exchange.send("MOVE", made, { headers: { destination: `${home("user01")}moved/` } })).status,
      201,
    );
    assert.equal((await read(address)).response.status, 200);
    assert.equal((await exchange.send("DELETE", `${home("user01")}moved/`)).status, 204);
    assert.equal((await read(address)).response.status, 404);
  });
  test("is published by its owner alone, and its address is told to nobody else", async () => {
    assert.equal((await order("publish-calendar", "user02")).status, 403);
    await published();
    await exchange.send("PROPPATCH", calendar, { body: "" });
    assert.equal((await exchange.send("PROPFIND", calendar, { as: "user02", headers: { depth: "0" } })).status, 403);
  });
  test("is not found under what is no token", async () => {
    for (const path of [
      "/published",
      "/published/",
      "/published/.ics",
      "/published/x.ics",
      `/published/${"a".repeat(32)}.ics`,
    ])
      assert.equal((await read(path)).response.status, 404);
  });
});
