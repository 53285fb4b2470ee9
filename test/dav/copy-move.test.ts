import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Exchange, event, givenExchange, hrefsOf, refused, task, told } from "./exchange.ts";

const home = "/calendars/users/user01/";
const calendar = `${home}calendar/`;
const work = `${home}work/`;
let { send, put, end }: Exchange = {} as Exchange;
before(async () => {
  ({ send, put, end } = await givenExchange());
  await send("MKCALENDAR", work);
});
after(() => end());

const go = (method: string, from: string, to: string, headers: Readonly<Record<string, string>> = {}) =>
  send(method, from, { headers: { destination: to, host: "calendar.example.com", ...headers } });
const mood = `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x:mood xmlns:x="urn:x">good</x:mood></D:prop></D:set></D:propertyupdate>`;
const moodOf = async (path: string): Promise<boolean> => {
  const body = `<D:propfind xmlns:D="DAV:"><D:prop><x:mood xmlns:x="urn:x"/></D:prop></D:propfind>`;
  return (
    told(await send("PROPFIND", path, { headers: { depth: "0" }, body }))[0]
      ?.properties.get(200)
      ?.has("{urn:x}mood") ?? false
  );
};

describe("MOVE of an object", () => {
  test("renames it inside its calendar, properties included", async () => {
    await put(`${calendar}a.ics`, event("a"));
    await send("PROPPATCH", `${calendar}a.ics`, { body: mood });
    const answer = await go("MOVE", `${calendar}a.ics`, `${calendar}b.ics`);
    assert.equal(answer.status, 201);
    assert.equal(answer.headers["location"], `${calendar}b.ics`);
    assert.equal((await send("GET", `${calendar}a.ics`)).status, 404);
    assert.equal((await send("GET", `${calendar}b.ics`)).text, event("a"));
    assert.ok(await moodOf(`${calendar}b.ics`));
  });

  test("to another calendar keeps its ETag, and both ctags change", async () => {
    const etag = await put(`${calendar}c.ics`, event("c"));
    const answer = await go("MOVE", `${calendar}c.ics`, `${work}c.ics`, { "if-match": etag });
    assert.equal(answer.status, 201);
    assert.equal((await send("GET", `${work}c.ics`)).headers["etag"], etag);
  });

  test("over an object with another UID is refused with no-uid-conflict", async () => {
    await put(`${calendar}d.ics`, event("d"));
    await put(`${calendar}e.ics`, event("e"));
    refused(await go("MOVE", `${calendar}d.ics`, `${calendar}e.ics`, { overwrite: "T" }), "no-uid-conflict");
  });

  test("to a calendar that has its UID under another name is refused with no-uid-conflict", async () => {
    await put(`${calendar}f.ics`, event("f"));
    await put(`${work}g.ics`, event("f"));
    refused(await go("MOVE", `${calendar}f.ics`, `${work}f.ics`), "no-uid-conflict");
  });

  test("over the same UID in another calendar replaces it", async () => {
    await put(`${calendar}h.ics`, event("h", { summary: "new" }));
    await put(`${work}h.ics`, event("h"));
    assert.equal((await go("MOVE", `${calendar}h.ics`, `${work}h.ics`, { overwrite: "F" })).status, 412);
    assert.equal((await go("MOVE", `${calendar}h.ics`, `${work}h.ics`)).status, 204);
    assert.match((await send("GET", `${work}h.ics`)).text, /SUMMARY:new/);
  });

  test("of a task to a calendar for events is refused with supported-calendar-component", async () => {
    const body = `<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop><C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>`;
    await send("MKCALENDAR", `${home}events/`, { body });
    await put(`${work}todo.ics`, task("todo"));
    refused(await go("MOVE", `${work}todo.ics`, `${home}events/todo.ics`), "supported-calendar-component");
  });
});

describe("COPY of an object", () => {
  test("inside its calendar is refused with no-uid-conflict, to another it is made", async () => {
    await put(`${calendar}k.ics`, event("k"));
    refused(await go("COPY", `${calendar}k.ics`, `${calendar}l.ics`), "no-uid-conflict");
    assert.equal((await go("COPY", `${calendar}k.ics`, `${work}k.ics`)).status, 201);
    assert.equal((await send("GET", `${calendar}k.ics`)).status, 200);
    assert.equal((await go("COPY", `${calendar}k.ics`, `${work}k.ics`)).status, 204);
  });

  test("to the calendar of somebody else is 403", async () => {
    await put(`${calendar}m.ics`, event("m"));
    assert.equal((await go("COPY", `${calendar}m.ics`, "/calendars/users/user02/calendar/m.ics")).status, 403);
  });
});

describe("from a plain collection into a calendar", () => {
  const file = async (name: string, type: string, body: string): Promise<string> => {
    const path = `${home}${name}`;
    assert.ok((await send("PUT", path, { headers: { "content-type": type }, body })).status < 300);
    return path;
  };
  for (const method of ["COPY", "MOVE"]) {
    test(`${method} checks the type`, async () =>
      refused(
        await go(method, await file("x.xml", "text/xml", "<x/>"), `${calendar}x.ics`),
        "supported-calendar-data",
      ));
    test(`${method} checks the data`, async () =>
      refused(await go(method, await file("x.ics", "text/calendar", "no"), `${calendar}x.ics`), "valid-calendar-data"));
    test(`${method} takes a calendar object`, async () => {
      const path = await file("good.ics", "text/calendar", event(`good-${method}`));
      assert.equal((await go(method, path, `${calendar}good-${method}.ics`)).status, 201);
    });
  }
});

describe("collections", () => {
  test("MOVE renames a calendar with its members and properties, and the old sync token is refused", async () => {
    await send("MKCALENDAR", `${home}old/`);
    await put(`${home}old/1.ics`, event("1"));
    await send("PROPPATCH", `${home}old/`, { body: mood });
    assert.equal((await go("MOVE", `${home}old/`, `${home}new/`)).status, 201);
    assert.equal((await send("GET", `${home}new/1.ics`)).status, 200);
    assert.ok(await moodOf(`${home}new/`));
    assert.equal((await send("PROPFIND", `${home}old/`, { headers: { depth: "0" } })).status, 404);
  });

  test("MOVE over the default calendar is refused with default-calendar-needed", async () => {
    await send("MKCALENDAR", `${home}usurper/`);
    refused(await go("MOVE", `${home}usurper/`, calendar), "default-calendar-needed");
  });

  test("COPY of a calendar is 403, of a folder it takes everything along", async () => {
    assert.equal((await go("COPY", calendar, `${home}copy/`)).status, 403);
    await send("MKCOL", `${home}folder/`);
    await send("MKCOL", `${home}folder/inner/`);
    await send("PUT", `${home}folder/inner/file`, { body: "text" });
    assert.equal((await go("COPY", `${home}folder/`, `${home}twin/`)).status, 201);
    assert.equal((await send("GET", `${home}twin/inner/file`)).text, "text");
    assert.equal((await go("COPY", `${home}folder/`, `${home}flat/`, { depth: "0" })).status, 201);
    assert.deepEqual(hrefsOf(await send("PROPFIND", `${home}flat/`, { headers: { depth: "1" } })), [`${home}flat/`]);
    assert.equal((await go("COPY", `${home}folder/`, `${home}twin/`, { overwrite: "F" })).status, 412);
  });

  test("a folder that holds a calendar is not copied half", async () => {
    await send("MKCOL", `${home}holder/`);
    await send("MKCALENDAR", `${home}holder/inside/`);
    assert.equal((await go("COPY", `${home}holder/`, `${home}holder2/`)).status, 403);
    assert.equal((await send("PROPFIND", `${home}holder2/`, { headers: { depth: "0" } })).status, 404);
  });

  test("nothing is put into itself, onto itself, into a calendar or below nothing", async () => {
    await send("MKCOL", `${home}self/`);
    const to = (destination: string) => go("MOVE", `${home}self/`, destination).then(({ status }) => status);
    assert.equal(await to(`${home}self/`), 403);
    assert.equal(await to(`${home}self/deeper/`), 403);
    assert.equal(await to(`${calendar}self/`), 403);
    assert.equal(await to(`${home}none/self/`), 409);
    assert.equal(await to(`${home}inbox/`), 403);
    assert.equal((await go("MOVE", `${home}inbox/`, `${home}other/`)).status, 403);
  });
});

describe("the Destination", () => {
  test("may be a URL of this server, under the name the client used", async () => {
    await put(`${calendar}u.ics`, event("u"));
    assert.equal(
      (await go("MOVE", `${calendar}u.ics`, `http://calendar.example.com:8443${calendar}v.ics`)).status,
      201,
    );
  });
  test("on another server is 502, and a missing one 400", async () => {
    assert.equal((await go("MOVE", `${calendar}v.ics`, `http://elsewhere.example.com${calendar}w.ics`)).status, 502);
    assert.equal((await send("MOVE", `${calendar}v.ics`)).status, 400);
  });
});
