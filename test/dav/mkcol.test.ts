import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Exchange, event, givenExchange, hrefsOf, propertyText, refused, told } from "./exchange.ts";

const home = "/calendars/users/user01/";
const xml = { "content-type": "application/xml" };
const names = `xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="http://apple.com/ns/ical/"`;
const mkcalendar = (props: string): string =>
  `<C:mkcalendar ${names}><D:set><D:prop>${props}</D:prop></D:set></C:mkcalendar>`;
const mkcol = (props: string): string => `<D:mkcol ${names}><D:set><D:prop>${props}</D:prop></D:set></D:mkcol>`;
const typed = (type: string, more = ""): string =>
  mkcol(`<D:resourcetype><D:collection/>${type}</D:resourcetype>${more}`);

let { send, put, end }: Exchange = {} as Exchange;
before(async () => ({ send, put, end } = await givenExchange()));
after(() => end());

const propfind = (path: string, props: string) =>
  send("PROPFIND", path, {
    headers: { depth: "0" },
    body: `<D:propfind ${names}><D:prop>${props}</D:prop></D:propfind>`,
  });

describe("MKCALENDAR", () => {
  test("makes a calendar with its properties, as Apple's clients ask for it", async () => {
    const body = mkcalendar(
      `<D:displayname>Work</D:displayname><A:calendar-color symbolic-color="red">#FF0000FF</A:calendar-color>` +
        `<C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>`,
    );
    const answer = await send("MKCALENDAR", `${home}work/`, { headers: xml, body });
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.headers["cache-control"], "no-cache");
    const found = await propfind(`${home}work/`, "<D:displayname/><D:resourcetype/><A:calendar-color/>");
    assert.equal(propertyText(found, `${home}work/`, "{DAV:}displayname"), "Work");
    assert.match(found.text, /<C:calendar\/>/);
    assert.match(found.text, /symbolic-color="red"/);
  });

  test("makes one without a body", async () => assert.equal((await send("MKCALENDAR", `${home}plain/`)).status, 201));

  test("of what exists is refused with resource-must-be-null", async () =>
    refused(await send("MKCALENDAR", `${home}calendar/`), "resource-must-be-null"));

  test("inside a calendar, and in an inbox, is refused with calendar-collection-location-ok", async () => {
    refused(await send("MKCALENDAR", `${home}calendar/in/`), "calendar-collection-location-ok");
    refused(await send("MKCALENDAR", `${home}inbox/in/`), "calendar-collection-location-ok");
  });

  test("below nothing is 409", async () => assert.equal((await send("MKCALENDAR", `${home}none/in/`)).status, 409));

  test("with a protected property makes nothing and says which", async () => {
    const body = mkcalendar("<D:getetag>x</D:getetag><D:displayname>Work</D:displayname>");
    const [response] = told(await send("MKCALENDAR", `${home}half/`, { headers: xml, body }));
    assert.deepEqual([...(response?.properties.get(403)?.keys() ?? [])], ["{DAV:}getetag"]);
    assert.deepEqual([...(response?.properties.get(424)?.keys() ?? [])], ["{DAV:}displayname"]);
    assert.equal((await send("GET", `${home}half/`)).status, 404);
  });

  test("with another root is 415, and what is no XML 400", async () => {
    assert.equal((await send("MKCALENDAR", `${home}x/`, { headers: xml, body: typed("") })).status, 415);
    assert.equal((await send("MKCALENDAR", `${home}x/`, { headers: xml, body: "<unclosed>" })).status, 400);
  });

  test("beyond MaxCollectionsPerHome is refused", async () => {
    const small = await givenExchange({ maxCollectionsPerHome: 2 });
    try {
      const names = ["a", "b", "c"];
      const answers = [];
      for (const name of names) answers.push(await small.send("MKCALENDAR", `${home}${name}/`));
      const last = answers.at(-1);
      assert.ok(last !== undefined);
      refused(last, "max-collections");
    } finally {
      await small.end();
    }
  });
});

describe("MKCOL", () => {
  test("makes a plain collection", async () => {
    assert.equal((await send("MKCOL", `${home}folder/`)).status, 201);
    assert.equal((await send("MKCOL", `${home}folder/inner/`)).status, 201);
    assert.equal((await send("MKCOL", `${home}folder/`)).status, 405);
    assert.equal((await send("MKCOL", `${home}none/inner/`)).status, 409);
    assert.equal((await send("MKCOL", `${home}calendar/inner/`)).status, 403);
  });

  test("over a file is 405", async () => {
    await send("PUT", `${home}file`, { body: "x" });
    assert.equal((await send("MKCOL", `${home}file/`)).status, 405);
  });

  test("with a body of another type is 415", async () =>
    assert.equal((await send("MKCOL", `${home}x/`, { headers: { "content-type": "x/y" }, body: "z" })).status, 415));

  test("with resourcetype calendar makes a calendar (RFC 5689)", async () => {
    const body = typed("<C:calendar/>", "<D:displayname>Home</D:displayname>");
    assert.equal((await send("MKCOL", `${home}extended/`, { headers: xml, body })).status, 201);
    await put(`${home}extended/1.ics`, event("1"));
    assert.equal(
      propertyText(await propfind(`${home}extended/`, "<D:displayname/>"), `${home}extended/`, "{DAV:}displayname"),
      "Home",
    );
  });

  test("with a resourcetype the server does not have answers mkcol-response and valid-resourcetype", async () => {
    const body = typed(`<A:album/>`, "<D:displayname>x</D:displayname>");
    const answer = await send("MKCOL", `${home}album/`, { headers: xml, body });
    assert.equal(answer.status, 403);
    assert.match(answer.text, /<D:mkcol-response [\s\S]*<D:valid-resourcetype\/>[\s\S]*424 Failed Dependency/);
    assert.equal((await send("GET", `${home}album/`)).status, 404);
  });
});

describe("DELETE", () => {
  test("of a calendar takes its members with it, and its name is free again", async () => {
    await send("MKCALENDAR", `${home}gone/`);
    await put(`${home}gone/1.ics`, event("1"));
    assert.equal((await send("DELETE", `${home}gone/`)).status, 204);
    assert.equal((await send("GET", `${home}gone/1.ics`)).status, 404);
    assert.equal((await send("MKCALENDAR", `${home}gone/`)).status, 201);
    assert.deepEqual(hrefsOf(await send("PROPFIND", `${home}gone/`, { headers: { depth: "1" } })), [`${home}gone/`]);
  });

  test("of the default calendar is refused with default-calendar-needed", async () =>
    refused(await send("DELETE", `${home}calendar/`), "default-calendar-needed"));

  test("of inbox, outbox and the home is 403", async () => {
    for (const path of [`${home}inbox/`, `${home}outbox/`, home])
      assert.equal((await send("DELETE", path)).status, 403);
  });

  test("of a collection with Depth 0 is 400", async () => {
    await send("MKCOL", `${home}deep/`);
    assert.equal((await send("DELETE", `${home}deep/`, { headers: { depth: "0" } })).status, 400);
  });

  test("of a member asks If-Match", async () => {
    const etag = await put(`${home}calendar/1.ics`, event("1"));
    const path = `${home}calendar/1.ics`;
    assert.equal((await send("DELETE", path, { headers: { "if-match": '"0"' } })).status, 412);
    assert.equal((await send("DELETE", path, { headers: { "if-match": etag } })).status, 204);
    assert.equal((await send("DELETE", path)).status, 404);
  });

  test("and PUT of the same UID again works, under the same and another name", async () => {
    for (const name of ["same", "same", "other"]) {
      await put(`${home}calendar/${name}.ics`, event("reborn"));
      assert.equal((await send("DELETE", `${home}calendar/${name}.ics`)).status, 204);
    }
  });
});

describe("PROPPATCH", () => {
  const update = (inside: string): string => `<D:propertyupdate ${names}>${inside}</D:propertyupdate>`;
  const set = (props: string): string => `<D:set><D:prop>${props}</D:prop></D:set>`;
  const calendar = `${home}calendar/`;

  test("stores what it does not know verbatim, its language too", async () => {
    const value = `<x:note xmlns:x="urn:x" xml:lang="de">Gr\u00fc\u00dfe <x:b k="v">fett</x:b></x:note>`;
    const answer = await send("PROPPATCH", calendar, { body: update(set(value)) });
    assert.deepEqual([...(told(answer)[0]?.properties.get(200)?.keys() ?? [])], ["{urn:x}note"]);
    const found = told(await propfind(calendar, `<x:note xmlns:x="urn:x"/>`))[0]
      ?.properties.get(200)
      ?.get("{urn:x}note");
    assert.equal(found?.attributes["{http://www.w3.org/XML/1998/namespace}lang"], "de");
    assert.deepEqual(found?.children[1], { name: "{urn:x}b", attributes: { k: "v" }, children: ["fett"] });
  });

  test("is all or nothing", async () => {
    await send("PROPPATCH", calendar, { body: update(set("<D:displayname>Before</D:displayname>")) });
    const body = update(set("<D:displayname>After</D:displayname>") + set("<D:getetag>x</D:getetag>"));
    const [response] = told(await send("PROPPATCH", calendar, { body }));
    assert.deepEqual([...(response?.properties.get(403)?.keys() ?? [])], ["{DAV:}getetag"]);
    assert.deepEqual([...(response?.properties.get(424)?.keys() ?? [])], ["{DAV:}displayname"]);
    assert.equal(propertyText(await propfind(calendar, "<D:displayname/>"), calendar, "{DAV:}displayname"), "Before");
  });

  test("goes through its instructions in order", async () => {
    const prop = `<x:n xmlns:x="urn:x">1</x:n>`;
    const remove = `<D:remove><D:prop><x:n xmlns:x="urn:x"/></D:prop></D:remove>`;
    await send("PROPPATCH", calendar, { body: update(set(prop) + remove) });
    assert.equal(propertyText(await propfind(calendar, `<x:n xmlns:x="urn:x"/>`), calendar, "{urn:x}n"), undefined);
    await send("PROPPATCH", calendar, { body: update(remove + set(prop)) });
    assert.equal(propertyText(await propfind(calendar, `<x:n xmlns:x="urn:x"/>`), calendar, "{urn:x}n"), "1");
  });

  test("refuses a time zone that is none", async () => {
    const [response] = told(
      await send("PROPPATCH", calendar, { body: update(set("<C:calendar-timezone>x</C:calendar-timezone>")) }),
    );
    assert.deepEqual([...(response?.properties.keys() ?? [])], [403]);
  });

  test("changes the ctag of a collection, not the ETag of a member", async () => {
    const etag = await put(`${calendar}p.ics`, event("p"));
    await send("PROPPATCH", `${calendar}p.ics`, { body: update(set(`<x:n xmlns:x="urn:x">1</x:n>`)) });
    assert.equal((await send("GET", `${calendar}p.ics`)).headers["etag"], etag);
  });

  test("with Prefer: return=minimal answers without a body", async () => {
    const headers = { prefer: "return=minimal" };
    const answer = await send("PROPPATCH", calendar, {
      headers,
      body: update(set("<D:displayname>x</D:displayname>")),
    });
    assert.equal(answer.status, 200);
    assert.equal(answer.text, "");
    assert.equal(answer.headers["preference-applied"], "return=minimal");
  });

  test("without DAV:propertyupdate is 400", async () => {
    assert.equal((await send("PROPPATCH", calendar)).status, 400);
    assert.equal((await send("PROPPATCH", calendar, { body: update("") })).status, 400);
  });
});
