import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { dav, textOf } from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";
import { type Exchange, givenExchange, hrefsOf, refused, told } from "./exchange.ts";

const uid = (number: string): string => `/principals/__uids__/10000000-0000-0000-0000-0000000000${number}/`;
const names = `xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/"`;
let { tree, send, end }: Exchange = {} as Exchange;
before(async () => ({ tree, send, end } = await givenExchange()));
after(() => end());

describe("expand-property", () => {
  const property = (name: string, inside = "", namespace = "http://calendarserver.org/ns/"): string =>
    `<D:property name="${name}" namespace="${namespace}">${inside}</D:property>`;
  const expand = (inside: string, path = "/principals/users/user02/", headers = {}) =>
    send("REPORT", path, { as: "user02", headers, body: `<D:expand-property ${names}>${inside}</D:expand-property>` });

  test("shows whose delegate somebody is, as macOS asks for it", async () => {
    const [owner, delegate] = [await tree.user("user01"), await tree.user("user02")];
    await tree.services.directory.setDelegates(owner, "write", [delegate]);
    const shown = property("displayname", "", "DAV:") + property("email-address-set");
    const answer = await expand(
      property("calendar-proxy-write-for", shown) + property("calendar-proxy-read-for", shown),
    );
    const value = told(answer)[0]?.properties.get(200)?.get("{http://calendarserver.org/ns/}calendar-proxy-write-for");
    const [response] = value?.children ?? [];
    assert.ok(response !== undefined && typeof response !== "string");
    assert.equal(response.name, dav("response"));
    assert.match(textOf(response), /User 01/);
  });

  test("goes on to any depth, and a circle ends with the request", async () => {
    let inside = property("displayname", "", "DAV:");
    for (let depth = 0; depth < 6; depth++) inside = property("principal-URL", inside, "DAV:");
    const answer = await expand(inside);
    assert.equal(answer.text.match(/<D:principal-URL>/g)?.length, 6);
  });

  test("leaves a property whose href is not to be expanded as it is", async () => {
    assert.match((await expand(property("principal-URL", "", "DAV:"))).text, /<D:principal-URL><D:href>/);
  });

  test("says 404 of an href that leads nowhere and of a property that is not there", async () => {
    const home = "/calendars/users/user02/";
    const set = `<D:propertyupdate ${names}><D:set><D:prop><x:link xmlns:x="urn:x"><D:href>/calendars/users/user02/none/</D:href></x:link></D:prop></D:set></D:propertyupdate>`;
    await send("PROPPATCH", home, { as: "user02", body: set });
    const answer = await expand(
      property("link", property("displayname", "", "DAV:"), "urn:x") + property("none"),
      home,
    );
    assert.match(answer.text, /none\/<\/D:href><D:status>HTTP\/1.1 404/);
    assert.ok(told(answer)[0]?.properties.get(404)?.has("{http://calendarserver.org/ns/}none"));
  });

  test("with Depth 1 is 400", async () =>
    assert.equal((await expand(property("x"), "/principals/users/user02/", { depth: "1" })).status, 400));
});

describe("principal-property-search", () => {
  const search = (inside: string, attributes = "", path = "/principals/", headers = {}) =>
    send("REPORT", path, {
      headers,
      body: `<D:principal-property-search ${names} ${attributes}>${inside}<D:prop><D:displayname/></D:prop></D:principal-property-search>`,
    });
  const match = (property: string, text: string, attributes = ""): string =>
    `<D:property-search><D:prop>${property}</D:prop><D:match ${attributes}>${text}</D:match></D:property-search>`;

  test("finds by a part of the name, whatever its case, under canonical addresses", async () => {
    const found = hrefsOf(await search(match("<D:displayname/>", "uSER 0")));
    assert.ok(found.includes(uid("01")) && found.includes(uid("09")));
    assert.ok(!found.includes(uid("10")));
  });

  test("by type and place", async () => {
    const rooms = hrefsOf(await search(match("<D:displayname/>", "0"), `type="ROOM"`));
    assert.ok(rooms.length > 0);
    assert.deepEqual(hrefsOf(await search(match("<D:displayname/>", "0"), `type="ROOM"`, "/principals/users/")), []);
  });

  test("by several at once: all, or any with test=anyof", async () => {
    const two =
      match("<D:displayname/>", "User 01", `match-type="equals"`) + match("<CS:email-address-set/>", "user02@");
    assert.deepEqual(hrefsOf(await search(two)), []);
    assert.deepEqual(hrefsOf(await search(two, `test="anyof"`)), [uid("01"), uid("02")]);
  });

  test("by an address", async () => {
    const address = match("<C:calendar-user-address-set/>", "mailto:user03@example.com", `match-type="equals"`);
    assert.deepEqual(hrefsOf(await search(address)), [uid("03")]);
  });

  test("beyond CS:limit gives those found and 507", async () => {
    const limited = `${match("<D:displayname/>", "User")}<CS:limit><CS:nresults>3</CS:nresults></CS:limit>`;
    const found = hrefsOf(await search(limited));
    assert.equal(found.length, 4);
    assert.equal(found[3], "/principals/ 507");
  });

  test("is 400 for a type, a match-type or a Depth that is none", async () => {
    const all = match("<D:displayname/>", "x");
    assert.equal((await search(all, `type="bogus"`)).status, 400);
    assert.equal((await search(match("<D:displayname/>", "x", `match-type="bogus"`))).status, 400);
    assert.equal((await search(all, "", "/principals/", { depth: "1" })).status, 400);
    assert.equal((await search("")).status, 400);
  });
});

test("principal-search-property-set names what can be searched, on principal collections only", async () => {
  const body = `<D:principal-search-property-set ${names}/>`;
  const answer = await send("REPORT", "/principals/", { body });
  assert.equal(answer.status, 200);
  assert.equal(readXml(answer.text).name, dav("principal-search-property-set"));
  assert.match(answer.text, /<D:displayname\/>/);
  refused(await send("REPORT", "/calendars/users/user01/", { body }), "supported-report");
});

test("principal-property-search on a calendar searches nothing, unless it is told to search all principals", async () => {
  const search = (more: string) =>
    send("REPORT", "/calendars/users/user01/calendar/", {
      body: `<D:principal-property-search ${names}><D:property-search><D:prop><D:displayname/></D:prop><D:match match-type="equals">User 03</D:match></D:property-search><D:prop><D:displayname/></D:prop>${more}</D:principal-property-search>`,
    });
  assert.deepEqual(hrefsOf(await search("")), []);
  assert.deepEqual(hrefsOf(await search("<D:apply-to-principal-collection-set/>")), [uid("03")]);
});

test("principal-match finds groups and the proxy groups one is in, in the words of the address", async () => {
  const [owner, delegate] = [await tree.user("user05"), await tree.user("user06")];
  await tree.services.directory.setDelegates(owner, "read", [delegate]);
  const body = `<D:principal-match ${names}><D:self/></D:principal-match>`;
  const match = async (path: string): Promise<readonly string[]> =>
    hrefsOf(await send("REPORT", path, { as: "user06", body }));
  assert.deepEqual(await match("/principals/users/"), [
    "/principals/users/user06/",
    "/principals/users/user05/calendar-proxy-read/",
  ]);
  const all = await match("/principals/");
  assert.ok(all.includes(uid("06")) && all.includes(`${uid("05")}calendar-proxy-read/`));
  // group02 holds user06, and group04 holds group02.
  assert.ok(all.includes("/principals/__uids__/20000000-0000-0000-0000-000000000002/"));
  assert.ok(all.includes("/principals/__uids__/20000000-0000-0000-0000-000000000004/"));
  assert.deepEqual(await match("/principals/users/user05/"), ["/principals/users/user05/calendar-proxy-read/"]);
  assert.deepEqual(await match("/principals/users/user07/"), []);
});

test("principal-match by a property finds what is inside at any depth, and only what one may read", async () => {
  const home = "/calendars/users/user01/";
  await send("MKCOL", `${home}folder/`);
  await send("MKCALENDAR", `${home}folder/deep/`);
  const body = `<D:principal-match ${names}><D:principal-property><D:owner/></D:principal-property></D:principal-match>`;
  const found = hrefsOf(await send("REPORT", home, { body }));
  assert.ok(found.includes(`${home}folder/deep/`) && found.includes(`${home}calendar/`), found.join());
  assert.deepEqual(hrefsOf(await send("REPORT", home, { as: "admin", body })), []);
});

test("expand-property tells neither what is hidden nor what the server keeps for itself", async () => {
  const home = "/calendars/users/user09/";
  await send("PROPFIND", home, { as: "user09", headers: { depth: "0" } });
  const links = ["/calendars/users/user01/calendar/", "/calendars/users/user01/none/"];
  await send("PROPPATCH", home, {
    as: "user09",
    body: `<D:propertyupdate ${names}><D:set><D:prop><x:link xmlns:x="urn:x">${links.map((link) => `<D:href>${link}</D:href>`).join("")}</x:link></D:prop></D:set></D:propertyupdate>`,
  });
  const answer = await send("REPORT", home, {
    as: "user09",
    body: `<D:expand-property ${names}><D:property name="link" namespace="urn:x"><D:property name="displayname"/></D:property><D:property name="owner" namespace="urn:caldavd:store"/><D:property name="calendar-access" namespace="http://twistedmatrix.com/xml_namespace/dav/"/></D:expand-property>`,
  });
  assert.equal(answer.text.match(/403 Forbidden/g)?.length, 2);
  assert.doesNotMatch(answer.text, /10000000-0000-0000-0000-000000000009<\/[^>]*owner/);
});

test("principal-match finds oneself below /principals/users/", async () => {
  const body = `<D:principal-match ${names}><D:self/></D:principal-match>`;
  assert.deepEqual(hrefsOf(await send("REPORT", "/principals/users/", { body })), ["/principals/users/user01/"]);
});

test("principal-match finds the proxy groups that one is in, where they lie below the place", async () => {
  const body = `<D:principal-match ${names}><D:self/></D:principal-match>`;
  const [owner, delegate] = [await tree.user("user05"), await tree.user("user04")];
  await tree.services.directory.setDelegates(owner, "read", [delegate]);
  const match = async (path: string): Promise<string[]> =>
    [...hrefsOf(await send("REPORT", path, { as: "user04", body }))].sort();
  assert.deepEqual(await match("/principals/users/"), [
    "/principals/users/user04/",
    "/principals/users/user05/calendar-proxy-read/",
  ]);
  assert.ok((await match("/principals/")).includes(`${uid("05")}calendar-proxy-read/`));
  assert.deepEqual(await match("/principals/users/user05/"), ["/principals/users/user05/calendar-proxy-read/"]);
  assert.deepEqual(await match("/principals/users/user05/calendar-proxy-write/"), []);
  await tree.services.directory.setDelegates(owner, "read", []);
});

test("acl-principal-prop-set shows the principals of an ACL, to who may read it", async () => {
  const body = `<D:acl-principal-prop-set ${names}><D:prop><D:displayname/></D:prop></D:acl-principal-prop-set>`;
  const found = hrefsOf(await send("REPORT", "/calendars/users/user01/calendar/", { body }));
  assert.ok(found.includes(uid("01")), found.join());
  assert.equal((await send("REPORT", "/calendars/users/user01/", { as: "user03", body })).status, 403);
});

test("acl-principal-prop-set follows the properties that an ACL names", async () => {
  const calendar = "/calendars/users/user01/calendar/";
  await send("PROPPATCH", calendar, {
    body: `<D:propertyupdate ${names}><D:set><D:prop><x:boss xmlns:x="urn:x"><D:href>${uid("08")}</D:href></x:boss></D:prop></D:set></D:propertyupdate>`,
  });
  const acl = `<D:acl ${names}><D:ace><D:principal><D:property><x:boss xmlns:x="urn:x"/></D:property></D:principal><D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>`;
  assert.equal((await send("ACL", calendar, { body: acl })).status, 200);
  const body = `<D:acl-principal-prop-set ${names}><D:prop><D:displayname/></D:prop></D:acl-principal-prop-set>`;
  assert.ok(hrefsOf(await send("REPORT", calendar, { body })).includes(uid("08")));
});

test("calendarserver-principal-search finds invitees by the beginnings of words", async () => {
  const search = (words: readonly string[], context = "attendee") =>
    send("REPORT", "/principals/", {
      body: `<CS:calendarserver-principal-search context="${context}" ${names}>${words.map((word) => `<CS:search-token>${word}</CS:search-token>`).join("")}<D:prop><D:displayname/></D:prop></CS:calendarserver-principal-search>`,
    });
  assert.deepEqual(hrefsOf(await search(["us", "04"])), [uid("04")]);
  assert.deepEqual(hrefsOf(await search(["us", "04"], "location")), []);
  assert.equal((await search([])).status, 400);
});
