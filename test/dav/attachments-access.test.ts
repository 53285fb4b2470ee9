import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { attach, attachIn, copyOf, filesOf, home, meeting, taken, unfolded } from "./attachment-words.ts";
import { type Exchange, event, givenExchange, refused } from "./exchange.ts";
import { given, invite, mail, remove } from "./sharing-words.ts";

const one = `${home("user01")}calendar/one.ics`;
let exchange: Exchange;
beforeEach(async () => {
  exchange = await givenExchange();
});
afterEach(() => exchange.end());

const people = ["user01", "user02", "user03", "user04", null] as const;
/** Who may have the bytes. */
async function readersOf(path: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const as of people) {
    const { status } = await exchange.send("GET", path, { as });
    assert.ok(status === 200 || status === 403 || (as === null && status === 401), `${as}: ${status}`);
    if (status === 200) found.push(String(as));
  }
  return found;
}
const put = (path: string, text: string, as = "user01") =>
  exchange.send("PUT", path, { as, headers: { "content-type": "text/calendar" }, body: text });

describe("a managed attachment is read", () => {
  test("by its organizer and who takes part, for as long as they do; attendees have the ATTACH", async () => {
    await exchange.put(one, meeting("one", ["user02"]));
    const { path, id } = taken(await attach(exchange, one, "a"));
    assert.deepEqual(await readersOf(path), ["user01", "user02"]);
    assert.ok((await attachIn(exchange, await copyOf(exchange, "user02", "one"), "user02"))[0]?.includes(id));
    const { text } = await exchange.send("GET", one);
    const replaced = text.replaceAll("user02", "user03");
    assert.equal((await put(one, replaced)).status, 204);
    assert.deepEqual(await readersOf(path), ["user01", "user03"]);
  });
  test("by nobody once the organizer removed it; the attendee's copy loses it and he is told", async () => {
    await exchange.put(one, meeting("one", ["user02"]));
    const { path, id } = taken(await attach(exchange, one, "a"));
    assert.equal((await attach(exchange, one, "", { query: `action=attachment-remove&managed-id=${id}` })).status, 204);
    assert.deepEqual(await readersOf(path), []);
    assert.deepEqual(await attachIn(exchange, await copyOf(exchange, "user02", "one"), "user02"), []);
    assert.deepEqual(await filesOf(exchange), []);
  });
  test("only by those who take part in an instance that has it", async () => {
    const override = ["BEGIN:VEVENT", "UID:one", "DTSTAMP:20260101T000000Z", "RECURRENCE-ID:20261206T100000Z"];
    const series = meeting("one", ["user02"], ["RRULE:FREQ=DAILY;COUNT=3"]).replace(
      "END:VCALENDAR",
      [
        ...override,
        "DTSTART:20261206T120000Z",
        "DTEND:20261206T130000Z",
        `ORGANIZER:${mail("user01")}`,
        `ATTENDEE:${mail("user01")}`,
        `ATTENDEE:${mail("user03")}`,
        "END:VEVENT",
        "END:VCALENDAR",
      ].join("\r\n"),
    );
    await exchange.put(one, series);
    const all = taken(await attach(exchange, one, "a", { query: "action=attachment-add&rid=M" }));
    const single = taken(await attach(exchange, one, "b", { query: "action=attachment-add&rid=20261206T100000Z" }));
    assert.deepEqual(await readersOf(all.path), ["user01", "user02"]);
    assert.deepEqual(await readersOf(single.path), ["user01", "user03"]);
  });
  test("by the delegates of the owner and of attendees", async () => {
    await exchange.put(one, meeting("one", ["user02"]));
    const { path } = taken(await attach(exchange, one, "a"));
    const { directory } = exchange.tree.services;
    const [owner, guest, his, theirs] = await Promise.all(
      ["user01", "user02", "user03", "user04"].map((name) => exchange.tree.user(name)),
    );
    if (!owner || !guest || !his || !theirs) return assert.fail();
    await directory.setDelegates(owner, "read", [his]);
    await directory.setDelegates(guest, "write", [theirs]);
    assert.deepEqual(await readersOf(path), ["user01", "user02", "user03", "user04"]);
    await directory.setDelegates(guest, "write", []);
    assert.deepEqual(await readersOf(path), ["user01", "user02", "user03"]);
  });
  test("of a private event by nobody but its owner", async () => {
    const { directory } = exchange.tree.services;
    await directory.setDelegates(await exchange.tree.user("user01"), "write", [await exchange.tree.user("user03")]);
    await exchange.put(one, event("one", { around: ["X-CALENDARSERVER-ACCESS:CONFIDENTIAL"] }));
    const { path } = taken(await attach(exchange, one, "a"));
    assert.deepEqual(await readersOf(path), ["user01"]);
    const { text } = await exchange.send("GET", one);
    assert.equal((await put(one, text.replace("CONFIDENTIAL", "PUBLIC"))).status, 204);
    assert.deepEqual(await readersOf(path), ["user01", "user03"]);
  });
  test("by sharees, who may add where they may write; it lies in the owner's home", async () => {
    const [writer = ""] = await given(exchange, "read-write", "user02");
    const shared = `/calendars/users/user01/shared/`;
    await exchange.put(`${shared}s.ics`, event("s"));
    const { path } = taken(await attach(exchange, `${writer}s.ics`, "a", { as: "user02" }));
    assert.ok(path.startsWith(`${home("user01")}dropbox/managed/`), path);
    assert.deepEqual(await readersOf(path), ["user01", "user02"]);
    await invite(exchange, shared, "user01", remove(mail("user02")));
    assert.deepEqual(await readersOf(path), ["user01"]);
  });
  test("by sharees of an attendee's calendar", async () => {
    await exchange.put(one, meeting("one", ["user02"]));
    const { path } = taken(await attach(exchange, one, "a"));
    const calendar = "/calendars/users/user02/calendar/";
    const set = `<D:href>${mail("user03")}</D:href><CS:summary>S</CS:summary><CS:read/>`;
    const body = `<CS:share xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/"><CS:set>${set}</CS:set></CS:share>`;
    const headers = { "content-type": "application/xml" };
    assert.equal((await exchange.send("POST", calendar, { as: "user02", headers, body })).status, 200);
    assert.deepEqual(await readersOf(path), ["user01", "user02"]);
    const { accept } = await import("./sharing-words.ts");
    await accept(exchange, calendar, "user03");
    assert.deepEqual(await readersOf(path), ["user01", "user02", "user03"]);
  });
});

describe("an attendee", () => {
  test("adds, replaces and removes nothing of his organizer's event, by POST or PUT", async () => {
    await exchange.put(one, meeting("one", ["user02"]));
    const { id, path } = taken(await attach(exchange, one, "a"));
    const copy = await copyOf(exchange, "user02", "one");
    const post = (query: string) => attach(exchange, copy, "x", { as: "user02", query });
    refused(await post("action=attachment-add"), "valid-attachment-add");
    refused(await post(`action=attachment-update&managed-id=${id}`), "valid-attachment-update");
    refused(await post(`action=attachment-remove&managed-id=${id}`), "valid-attachment-remove");
    const { text } = await exchange.send("GET", copy, { as: "user02" });
    const without = unfolded(text)
      .replace(/ATTACH.*\r\n/, "")
      .replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED");
    assert.ok((await put(copy, without, "user02")).status < 300);
    assert.equal((await attachIn(exchange, copy, "user02")).length, 1);
    assert.deepEqual(await readersOf(path), ["user01", "user02"]);
    assert.deepEqual(await filesOf(exchange, "user02"), []);
  });
  test("who removes his copy leaves the organizer's attachment where it is", async () => {
    await exchange.put(one, meeting("one", ["user02"]));
    const { path } = taken(await attach(exchange, one, "a"));
    const copy = await copyOf(exchange, "user02", "one");
    assert.equal((await exchange.send("DELETE", copy, { as: "user02" })).status, 204);
    assert.ok((await readersOf(path)).includes("user01"));
  });
  test("may copy the attachment into an event of his own, which keeps it", async () => {
    await exchange.put(one, meeting("one", ["user02"]));
    const { path } = taken(await attach(exchange, one, "a"));
    const [line = ""] = await attachIn(exchange, one);
    await exchange.put(`${home("user02")}calendar/mine.ics`, event("mine", { more: [line] }), "user02");
    assert.equal((await exchange.send("DELETE", one)).status, 204);
    assert.deepEqual(await readersOf(path), ["user02"]);
    assert.equal((await exchange.send("DELETE", `${home("user02")}calendar/mine.ics`, { as: "user02" })).status, 204);
    assert.deepEqual(await readersOf(path), []);
    assert.deepEqual(await filesOf(exchange), []);
  });
});

describe("the drop box of a meeting", () => {
  const id = "8A2F.dropbox";
  const box = `${home("user01")}dropbox/${id}/`;
  const words = [`X-APPLE-DROPBOX:${box.slice(0, -1)}`, `ATTACH;VALUE=URI:http://localhost${box}map.txt`];
  const upload = (as: string, name = "map.txt") =>
    exchange.send("PUT", box + name, { as, headers: { "content-type": "text/html" }, body: "<b>" });

  test("is open to who takes part, as long as they do, without any ACL; only its owner writes", async () => {
    await exchange.put(one, meeting("one", ["user02"], words));
    assert.equal((await exchange.send("MKCOL", box)).status, 201, "the client makes what is made already");
    assert.equal((await exchange.send("MKCOL", box)).status, 405);
    assert.equal((await upload("user01")).status, 201);
    assert.deepEqual(await readersOf(`${box}map.txt`), ["user01", "user02"]);
    assert.equal((await exchange.send("PROPFIND", box, { as: "user02", headers: { depth: "1" } })).status, 207);
    assert.equal((await upload("user02")).status, 403);
    assert.equal((await exchange.send("DELETE", `${box}map.txt`, { as: "user02" })).status, 403);
    await exchange.put(one, meeting("one", ["user03"], words));
    assert.deepEqual(await readersOf(`${box}map.txt`), ["user01", "user03"]);
  });
  test("gives its files to be saved, never to be shown", async () => {
    await exchange.put(one, meeting("one", [], words));
    await upload("user01");
    const { headers } = await exchange.send("GET", `${box}map.txt`);
    assert.equal(headers["content-type"], "text/html");
    assert.equal(headers["content-disposition"], 'attachment; filename="map.txt"');
    assert.equal(headers["x-content-type-options"], "nosniff");
  });
  test("that an original server left is found by its name", async () => {
    const plain = await givenExchange({ dropbox: false });
    try {
      const event = meeting("8A2F", ["user02"], words);
      await plain.send("MKCOL", `${home("user01")}dropbox/`);
      await plain.send("MKCOL", box);
      await plain.send("PUT", `${box}map.txt`, { headers: { "content-type": "text/plain" }, body: "x" });
      await plain.put(one, event);
      assert.equal((await plain.send("GET", `${box}map.txt`, { as: "user02" })).status, 200);
      assert.equal((await plain.send("GET", `${box}map.txt`, { as: "user03" })).status, 403);
    } finally {
      await plain.end();
    }
  });
  test("goes with the last event that refers to it", async () => {
    await exchange.put(one, meeting("one", ["user02"], words));
    await exchange.put(one.replace("one", "two"), meeting("two", ["user03"], words));
    await upload("user01");
    assert.deepEqual(await readersOf(`${box}map.txt`), ["user01", "user02", "user03"]);
    await exchange.send("DELETE", one);
    assert.deepEqual(await readersOf(`${box}map.txt`), ["user01", "user03"]);
    const theirs = await copyOf(exchange, "user03", "two");
    await exchange.send("DELETE", theirs, { as: "user03" });
    assert.equal((await exchange.send("GET", `${box}map.txt`)).status, 200, "an attendee's copy is not the event");
    await exchange.send("DELETE", one.replace("one", "two"));
    assert.equal((await exchange.send("GET", `${box}map.txt`)).status, 404);
    assert.equal((await exchange.send("PROPFIND", box, { headers: { depth: "0" } })).status, 404);
  });
});
