import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CALDAV, type QName } from "../../src/xml/element.ts";
import { itemsOf, multiget, preconditionOf, propfind, shown, syncCollection } from "../support/http-client.ts";
import { type Server, startServer } from "../support/server.ts";
import { event } from "./calendar-texts.ts";
import { c, d, hrefsIn, Walker, xmlType } from "./walker.ts";

describe("what all clients rely on", () => {
  let server: Server;
  const walkers: Walker[] = [];
  const walker = (user: string, headers: Readonly<Record<string, string>> = {}): Walker => {
    const made = new Walker(server, user, headers);
    walkers.push(made);
    return made;
  };
  before(async () => {
    server = await startServer();
  });
  after(async () => {
    for (const { client } of walkers) client.close();
    await server?.stop();
  });

  for (const path of [
    "/",
    "/principals/",
    "/.well-known/caldav",
    "/calendars/users/user21/",
    "/calendars/users/user21/calendar/",
  ])
    test(`PROPFIND ${path} without credentials is challenged with 401`, async () => {
      const anonymous = walker("user21");
      const answer = await anonymous.ask("PROPFIND", path, {
        user: null,
        body: propfind(d("current-user-principal")),
        headers: { depth: "0", "content-type": xmlType },
      });
      assert.equal(answer.status, 401, shown(answer));
      assert.match(String(answer.headers["www-authenticate"]), /Basic realm="[^"]+"/);
    });

  test("a wrong password is challenged again, and an unknown user alike", async () => {
    const { client } = walker("user21");
    for (const pair of ["user21:wrong", "nobody:nobody", "user21:", ":"]) {
      const answer = await client.ask("PROPFIND", "/principals/", {
        user: null,
        headers: { depth: "0", authorization: `Basic ${Buffer.from(pair).toString("base64")}` },
      });
      assert.equal(answer.status, 401, `${pair}: ${shown(answer)}`);
    }
  });

  const path = "/calendars/users/user27/calendar/";

  test("a name is written in one way in listings, reports, multiget and Location", async () => {
    const plain = walker("user27");
    const wild = [
      "a b.ics",
      "a@b.ics",
      "a+b.ics",
      "ä€.ics",
      "a%b.ics",
      "a#b?.ics",
      "a;b=c,d.ics",
      "(a)'!*.ics",
      "a&b<c>.ics",
      "100%25.ics",
    ];
    const hrefs = new Set<string>();
    for (const [n, name] of wild.entries()) {
      const put = await plain.ask("PUT", path + encodeURIComponent(name), {
        body: event(`wild-${n}`, 40),
        headers: { "content-type": "text/calendar" },
      });
      assert.equal(put.status, 201, `${name}: ${shown(put)}`);
    }
    const listed = (await plain.find(path, "1", d("getetag"))).map(({ href }) => href).filter((href) => href !== path);
    for (const href of listed) hrefs.add(href);
    assert.equal(hrefs.size, wild.length);
    assert.deepEqual(listed.map((href) => decodeURIComponent(href.slice(path.length))).sort(), [...wild].sort());
    const sync = itemsOf((await plain.ask("REPORT", path, { body: syncCollection("", d("getetag")) })).text);
    assert.deepEqual(new Set(sync.map(({ href }) => href)), hrefs);
    const queried = await plain.report(
      path,
      `<C:calendar-query xmlns:C="${CALDAV}"><prop xmlns="DAV:"><getetag/></prop><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>`,
      { depth: "1" },
    );
    assert.deepEqual(new Set(queried.map(({ href }) => href)), hrefs);
    const escaped = (href: string): string => href.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    const got = await plain.report(path, multiget([...hrefs].map(escaped)));
    assert.deepEqual(
      got.map(({ href }) => href),
      [...hrefs],
    );
    assert.ok(got.every(({ found }) => found.has(c("calendar-data"))));
    for (const href of hrefs) assert.equal((await plain.ask("GET", href)).status, 200, href);
    const added = await plain.ask("POST", `${path};add-member`, {
      body: event("added"),
      headers: { "content-type": "text/calendar" },
    });
    if (added.status === 201) {
      const location = String(added.headers.location);
      const at = location.startsWith("/") ? location : new URL(location).pathname;
      const again = (await plain.find(path, "1", d("getetag"))).map(({ href }) => href);
      assert.ok(again.includes(at), `${location} is not among ${again}`);
    }
  });

  test("properties nobody knows are missing, and the request succeeds", async () => {
    const plain = walker("user27");
    const unknown = Array.from({ length: 40 }, (_, n): QName => `{urn:unknown:${n % 3}}p${n}`);
    for (const at of [
      "/",
      "/principals/",
      "/principals/users/user27/",
      "/calendars/",
      "/calendars/users/user27/",
      path,
    ]) {
      const [item] = await plain.find(at, "0", ...unknown);
      assert.deepEqual(
        [...(item?.missing.values() ?? [])],
        unknown.map(() => 404),
        at,
      );
    }
  });

  test("an object beyond the limit is refused with max-resource-size, not as a conflict", async () => {
    const plain = walker("user27");
    const answer = await plain.ask("PUT", `${path}large.ics`, {
      body: event("large", 0, `X-PAD:${"x".repeat(1_100_000)}`),
      headers: { "content-type": "text/calendar" },
    });
    assert.equal(answer.status, 403);
    assert.equal(preconditionOf(answer), c("max-resource-size"));
  });

  test("no answer has characters that XML forbids", async () => {
    const plain = walker("user27");
    const text = event("control").replace("SUMMARY:Event", "SUMMARY:a\u0001b\u000Bc");
    const put = await plain.ask("PUT", `${path}control.ics`, {
      body: text,
      headers: { "content-type": "text/calendar" },
    });
    assert.ok([201, 403].includes(put.status), shown(put));
    const answer = await plain.ask("REPORT", path, {
      body: multiget([`${path}control.ics`]),
      headers: { "content-type": xmlType },
    });
    assert.doesNotMatch(answer.text, /[\x00-\x08\x0b\x0c\x0e-\x1f]|&#([0-8]|11|12|1[4-9]|2\d|3[01]|x[^9ad]|x1.);/i);
  });

  test("hrefs follow the form of the URL that was asked, and property values do not", async () => {
    const plain = walker("user27");
    const [principal] = await plain.find("/principals/users/user27/", "0", d("principal-URL"), c("calendar-home-set"));
    const [uids = ""] = hrefsIn(principal?.found.get(c("calendar-home-set")));
    assert.match(uids, /^\/calendars\/__uids__\/[^/]+\/$/);
    const byUid = await plain.find(uids, "1", d("resourcetype"));
    assert.ok(
      byUid.every(({ href }) => href.startsWith(uids)),
      JSON.stringify(byUid.map(({ href }) => href)),
    );
    const byName = await plain.find("/calendars/users/user27/", "1", d("resourcetype"), d("owner"));
    assert.ok(byName.every(({ href }) => href.startsWith("/calendars/users/user27/")));
    assert.equal(byName.length, byUid.length);
    assert.match(hrefsIn(byName[0]?.found.get(d("owner")))[0] ?? "", /^\/principals\/__uids__\/[^/]+\/$/);
  });

  test("a user cannot see another user's calendars", async () => {
    const plain = walker("user27");
    for (const at of ["/calendars/users/user28/", "/calendars/users/user28/calendar/"]) {
      const answer = await plain.ask("PROPFIND", at, { headers: { depth: "0" } });
      assert.equal(answer.status, 403, `${at}: ${shown(answer)}`);
    }
    const put = await plain.ask("PUT", "/calendars/users/user28/calendar/x.ics", {
      body: event("x"),
      headers: { "content-type": "text/calendar" },
    });
    assert.equal(put.status, 403);
  });
});
