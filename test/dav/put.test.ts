import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { type Exchange, event, givenExchange, hrefsOf, refused, task, told } from "./exchange.ts";

const calendar = "/calendars/users/user01/calendar/";
const ics = { "content-type": "text/calendar; charset=utf-8" };
let { tree, send, put, end }: Exchange = {} as Exchange;
before(
  async () => ({ tree, send, put, end } = await givenExchange({ maxResourceSize: 20_000, maxAttendeesPerInstance: 3 })),
);
after(() => end());

describe("PUT of an object", () => {
  test("creates with 201 and a strong ETag that GET repeats, byte for byte", async () => {
    const text = event("lunch");
    const made = await send("PUT", `${calendar}lunch.ics`, { headers: ics, body: text });
    assert.equal(made.status, 201);
    const got = await send("GET", `${calendar}lunch.ics`);
    assert.equal(got.text, text);
    assert.equal(got.headers["etag"], made.headers["etag"]);
    assert.match(made.headers["etag"] ?? "", /^"[0-9a-f]{32}"$/);
    assert.equal(got.headers["content-type"], "text/calendar; charset=utf-8");
  });

  test("replaces with 204", async () => {
    await put(`${calendar}again.ics`, event("again"));
    const answer = await send("PUT", `${calendar}again.ics`, {
      headers: ics,
      body: event("again", { summary: "two" }),
    });
    assert.equal(answer.status, 204);
  });

  test("is refused by If-None-Match: * where there is one, and by If-Match where there is none", async () => {
    await put(`${calendar}there.ics`, event("there"));
    const create = { ...ics, "if-none-match": "*" };
    assert.equal((await send("PUT", `${calendar}there.ics`, { headers: create, body: event("there") })).status, 412);
    const update = { ...ics, "if-match": '"0"' };
    assert.equal((await send("PUT", `${calendar}new.ics`, { headers: update, body: event("new") })).status, 412);
  });

  test("of twenty with one If-Match, exactly one succeeds", async () => {
    const etag = await put(`${calendar}race.ics`, event("race"));
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        send("PUT", `${calendar}race.ics`, {
          headers: { ...ics, "if-match": etag },
          body: event("race", { summary: `${at}` }),
        }),
      ),
    );
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [204, ...Array.from({ length: 19 }, () => 412)]);
  });

  test("keeps the properties of the one it replaces", async () => {
    const path = `${calendar}kept.ics`;
    await put(path, event("kept"));
    const mood = `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x:mood xmlns:x="urn:x">good</x:mood></D:prop></D:set></D:propertyupdate>`;
    assert.equal((await send("PROPPATCH", path, { body: mood })).status, 207);
    await put(path, event("kept", { summary: "two" }));
    const asked = `<D:propfind xmlns:D="DAV:"><D:prop><x:mood xmlns:x="urn:x"/></D:prop></D:propfind>`;
    const answer = await send("PROPFIND", path, { headers: { depth: "0" }, body: asked });
    assert.ok(told(answer)[0]?.properties.get(200)?.has("{urn:x}mood"));
  });

  test("with Prefer: return=representation gets back what is stored", async () => {
    const text = event("shown");
    const headers = { ...ics, prefer: "return=representation" };
    const answer = await send("PUT", `${calendar}shown.ics`, { headers, body: text });
    assert.equal(answer.status, 201);
    assert.equal(answer.text, text);
    assert.equal(answer.headers["preference-applied"], "return=representation");
    assert.equal((await send("PUT", `${calendar}shown.ics`, { headers, body: text })).status, 200);
  });
});

describe("a PUT is refused with", () => {
  const sent = (name: string, body: string, headers: Readonly<Record<string, string>> = ics) =>
    send("PUT", calendar + name, { headers, body });

  test("supported-calendar-data for another media type", async () =>
    refused(await sent("a.ics", "<x/>", { "content-type": "text/xml" }), "supported-calendar-data"));
  test("valid-calendar-data for an empty body", async () => refused(await sent("a.ics", ""), "valid-calendar-data"));
  test("valid-calendar-data for a charset that is not UTF-8", async () =>
    refused(
      await sent("a.ics", event("a"), { "content-type": "text/calendar; charset=iso-8859-1" }),
      "valid-calendar-data",
    ));
  test("valid-calendar-data, and the line", async () => {
    const answer = await sent("a.ics", event("a", { more: ["RRULE:FREQ=DAILY;INTERVAL=0"] }));
    refused(answer, "valid-calendar-data");
    assert.match(answer.text, /line 10/);
  });
  test("valid-calendar-object-resource for two kinds in one", async () => {
    const both = event("a").replace("END:VCALENDAR", "BEGIN:VTODO\r\nUID:a\r\nEND:VTODO\r\nEND:VCALENDAR");
    refused(await sent("a.ics", both), "valid-calendar-object-resource");
  });
  test("no-uid-conflict, with the href of the other", async () => {
    await put(`${calendar}first.ics`, event("twice"));
    const answer = await sent("second.ics", event("twice"));
    refused(answer, "no-uid-conflict");
    assert.match(answer.text, /<D:href>\/calendars\/users\/user01\/calendar\/first\.ics<\/D:href>/);
  });
  test("no-uid-conflict for another UID under an old name", async () => {
    await put(`${calendar}mine.ics`, event("mine"));
    refused(await sent("mine.ics", event("other")), "no-uid-conflict");
  });
  test("max-resource-size, by Content-Length before the body and by its bytes", async () => {
    refused(await sent("a.ics", "", { ...ics, "content-length": "20001" }), "max-resource-size");
    refused(await sent("a.ics", event("a", { summary: "x".repeat(20_000) })), "max-resource-size");
  });
  test("max-attendees-per-instance", async () => {
    const more = ["ORGANIZER:mailto:a@x", ...["a", "b", "c", "d"].map((name) => `ATTENDEE:mailto:${name}@x`)];
    refused(await sent("a.ics", event("a", { more })), "max-attendees-per-instance");
  });
  test("valid-access-restriction for an unknown X-CALENDARSERVER-ACCESS", async () =>
    refused(
      await sent("a.ics", event("a", { around: ["X-CALENDARSERVER-ACCESS:SECRET"] })),
      "valid-access-restriction",
    ));

  test("409 below a collection that is not there", async () =>
    assert.equal(
      (await send("PUT", "/calendars/users/user01/none/a.ics", { headers: ics, body: event("a") })).status,
      409,
    ));
  test("403 for a name that begins with a dot, and for a collection", async () => {
    assert.equal((await sent(".a.ics", event("a"))).status, 403);
    assert.equal((await sent("", event("a"))).status, 403);
  });
  test("400 with Content-Range", async () =>
    assert.equal((await sent("a.ics", event("a"), { ...ics, "content-range": "bytes 0-1/2" })).status, 400));
});

test("a calendar takes no more members than MaxResourcesPerCollection", async () => {
  const small = await givenExchange({ maxResourcesPerCollection: 2 });
  try {
    await small.put(`${calendar}1.ics`, event("1"));
    await small.put(`${calendar}2.ics`, event("2"));
    const third = await small.send("PUT", `${calendar}3.ics`, { headers: ics, body: event("3") });
    refused(third, "max-resources");
    await small.put(`${calendar}2.ics`, event("2", { summary: "changed" }));
  } finally {
    await small.end();
  }
});

test("a PUT that meets a collection which was made meanwhile is 409", async () => {
  const owner = await tree.user("user01");
  const home = await tree.store.open({ owner, path: [] });
  assert.ok(home);
  let finish = (): void => undefined;
  const busy = home.change(() => new Promise<void>((resolve) => (finish = resolve)));
  const answer = send("PUT", "/calendars/users/user01/both", { body: "a file" });
  const { staging } = tree.store.layout;
  while ((await readdir(staging)).length === 0) await new Promise((resolve) => setImmediate(resolve));
  await tree.store.create({ owner, path: ["both"] }, "folder", new Map());
  finish();
  await busy;
  assert.equal((await answer).status, 409);
  assert.deepEqual(await readdir(staging), []);
});

test("a calendar made for tasks takes no events", async () => {
  const body = `<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop><C:supported-calendar-component-set><C:comp name="VTODO"/></C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>`;
  assert.equal((await send("MKCALENDAR", "/calendars/users/user01/todo/", { body })).status, 201);
  await put("/calendars/users/user01/todo/1.ics", task("1"));
  const answer = await send("PUT", "/calendars/users/user01/todo/2.ics", { headers: ics, body: event("2") });
  refused(answer, "supported-calendar-component");
});

test("a restriction that a client leaves out is put back, and no ETag is told", async () => {
  const path = `${calendar}private.ics`;
  await put(path, event("private", { around: ["X-CALENDARSERVER-ACCESS:CONFIDENTIAL"] }));
  const answer = await send("PUT", path, { headers: ics, body: event("private", { summary: "two" }) });
  assert.equal(answer.status, 204);
  assert.equal(answer.headers["etag"], undefined);
  const { text } = await send("GET", path);
  assert.match(text, /X-CALENDARSERVER-ACCESS:CONFIDENTIAL\r\n/);
  assert.match(text, /SUMMARY:two/);
});

test("jCal is stored as iCalendar and given back in either form", async () => {
  const path = `${calendar}jcal.ics`;
  await put(path, event("jcal"));
  const jcal = await send("GET", path, { headers: { accept: "application/calendar+json" } });
  assert.match(jcal.headers["content-type"] ?? "", /^application\/calendar\+json/);
  const headers = { "content-type": "application/calendar+json" };
  const answer = await send("PUT", path, { headers, body: jcal.text.replaceAll('"jcal"]', '"jcal"]') });
  assert.equal(answer.status, 204);
  assert.equal(answer.headers["etag"], undefined);
  assert.match((await send("GET", path)).text, /^BEGIN:VCALENDAR\r\n[\s\S]*SUMMARY:jcal\r\n/);
});

describe("a plain file", () => {
  test("is stored in a home with its type", async () => {
    const headers = { "content-type": "text/calendar; x-mac-auto-archive=yes" };
    const path = "/calendars/users/user01/1234";
    assert.equal((await send("PUT", path, { headers, body: "anything" })).status, 201);
    const asked = `<D:propfind xmlns:D="DAV:"><D:prop><D:getcontenttype/></D:prop></D:propfind>`;
    const found = await send("PROPFIND", path, { headers: { depth: "0" }, body: asked });
    assert.match(found.text, />text\/calendar;x-mac-auto-archive=yes</);
    const got = await send("GET", path);
    assert.equal(got.text, "anything");
    assert.equal(got.headers["x-content-type-options"], "nosniff");
  });

  test("beyond the quota is refused with quota-not-exceeded", async () => {
    const tight = await givenExchange();
    try {
      const path = "/calendars/users/user01/big";
      const block = "x".repeat(15_000_000);
      const statuses: number[] = [];
      for (let at = 0; at < 8; at++) statuses.push((await tight.send("PUT", path + at, { body: block })).status);
      assert.deepEqual(statuses, [201, 201, 201, 201, 201, 201, 507, 507]);
    } finally {
      await tight.end();
    }
  });
});

describe("add-member", () => {
  for (const target of [`${calendar};add-member`, `${calendar}?add-member`])
    test(`POST to ${target} stores under a new name`, async () => {
      const answer = await send("POST", target, { headers: ics, body: event(target) });
      assert.equal(answer.status, 201, answer.text);
      const location = answer.headers["location"] ?? "";
      assert.ok(location.startsWith(calendar));
      assert.equal((await send("GET", location)).headers["etag"], answer.headers["etag"]);
      assert.ok(hrefsOf(await send("PROPFIND", calendar, { headers: { depth: "1" } })).includes(location));
    });

  test("POST to the calendar itself says where to post", async () => {
    assert.equal((await send("POST", calendar, { headers: ics, body: event("x") })).status, 405);
  });
});
