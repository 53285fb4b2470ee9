import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CALDAV, type QName, textOf } from "../../src/xml/element.ts";
import { itemsOf, multiget, shown, syncCollection, syncTokenOf } from "../support/http-client.ts";
import { type Server, startServer } from "../support/server.ts";
import { event } from "./calendar-texts.ts";
import {
  c,
  calendarsIn,
  componentsIn,
  d,
  homeOf,
  hrefsIn,
  i,
  names,
  only,
  principalOf,
  privilegesIn,
  push,
  s,
  tokensOf,
  Walker,
  xmlType,
} from "./walker.ts";

describe("clients find their way from nothing but a host, a name and a password", () => {
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

  test("DAVx5", async () => {
    const dav = walker("user22", { "user-agent": "DAVx5/4.4" });
    const first = [
      ...["resourcetype", "displayname", "current-user-principal", "current-user-privilege-set"].map(d),
      ...["calendar-home-set", "supported-calendar-component-set", "calendar-description", "calendar-timezone"].map(c),
      i("calendar-color"),
    ];
    const principals = new Set<string>();
    for (const path of ["/", "/.well-known/caldav", "/principals/"])
      principals.add(principalOf(only(await dav.find(path, "0", ...first))));
    assert.equal(principals.size, 1);
    const [principal = ""] = principals;
    const options = await dav.ask("OPTIONS", principal);
    assert.ok(tokensOf(options).includes("calendar-access"), "DAVx5 ignores a principal without calendar-access");
    await dav.find(principal, "0", c("calendar-user-address-set"));
    const account = only(
      await dav.find(
        principal,
        "0",
        ...["displayname", "group-membership", "resourcetype"].map(d),
        c("calendar-home-set"),
        ...["calendar-proxy-read-for", "calendar-proxy-write-for"].map(s),
      ),
    );
    assert.ok(names(account.found.get(d("resourcetype"))).includes("principal"));
    const home = homeOf(account);
    const listed = await dav.find(
      home,
      "1",
      ...[
        "resourcetype",
        "displayname",
        "owner",
        "current-user-privilege-set",
        "sync-token",
        "supported-report-set",
      ].map(d),
      ...["supported-calendar-component-set", "calendar-description", "calendar-timezone", "calendar-timezone-id"].map(
        c,
      ),
      ...["source", "getctag"].map(s),
      i("calendar-color"),
      ...["transports", "topic"].map(push),
    );
    const calendar = calendarsIn(listed).find(({ href }) => href.endsWith("/calendar/")) ?? assert.fail("no calendar");
    for (const privilege of ["read", "write", "write-content"])
      assert.ok(privilegesIn(calendar.found.get(d("current-user-privilege-set"))).includes(privilege), privilege);
    assert.match(JSON.stringify(calendar.found.get(d("supported-report-set"))), /sync-collection/);

    const { href } = calendar;
    const put = await dav.ask("PUT", `${href}x.ics`, {
      body: event("x"),
      headers: { "content-type": "text/calendar; charset=utf-8", "if-none-match": "*" },
    });
    assert.equal(put.status, 201);
    assert.match(String(put.headers.etag), /^"[^"]+"$/, "a strong ETag when the stored bytes are the sent ones");
    const changed = await dav.ask("PUT", `${href}x.ics`, {
      body: event("x", 1),
      headers: { "content-type": "text/calendar; charset=utf-8", "if-match": put.headers.etag ?? "" },
    });
    assert.equal(changed.status, 204);
    const stale = await dav.ask("PUT", `${href}x.ics`, {
      body: event("x", 2),
      headers: { "content-type": "text/calendar; charset=utf-8", "if-match": put.headers.etag ?? "" },
    });
    assert.equal(stale.status, 412);
    const sync = await dav.ask("REPORT", href, {
      body: syncCollection("", d("getetag")),
      headers: { depth: "0", "content-type": xmlType },
    });
    assert.equal(sync.status, 207, shown(sync));
    const answer = await dav.report(href, multiget(itemsOf(sync.text).map(({ href }) => href)));
    assert.equal(textOf(only(answer).found.get(d("getetag")) ?? ""), changed.headers.etag);
  });

  test("Thunderbird", async () => {
    const bird = walker("user23", { "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Thunderbird/128.0" });
    const first = [
      ...["resourcetype", "owner", "displayname", "current-user-principal", "current-user-privilege-set"].map(d),
      i("calendar-color"),
      c("calendar-home-set"),
    ];
    const principal = principalOf(only(await bird.find("/", "0", ...first)));
    assert.equal(principalOf(only(await bird.find("/.well-known/caldav", "0", ...first))), principal);
    const account = only(await bird.find(principal, "0", ...first));
    assert.ok(names(account.found.get(d("resourcetype"))).includes("principal"));
    const home = homeOf(account);
    const calendars = calendarsIn(await bird.find(home, "1", ...first));
    assert.ok(calendars.length >= 1);
    for (const { href } of calendars) {
      const item = only(
        await bird.find(
          href,
          "0",
          ...[
            "resourcetype",
            "owner",
            "current-user-principal",
            "current-user-privilege-set",
            "supported-report-set",
          ].map(d),
          c("supported-calendar-component-set"),
          s("getctag"),
        ),
      );
      assert.equal(principalOf(item), principal);
      // Without these two it opens the calendar as read only.
      const granted = privilegesIn(item.found.get(d("current-user-privilege-set")));
      assert.ok(granted.includes("write") && granted.includes("write-content"), granted.join());
    }
    const options = await bird.ask("OPTIONS", home);
    assert.ok(options.status >= 200 && options.status < 300);
    assert.ok(tokensOf(options).includes("calendar-access"));
    const addresses = only(
      await bird.find(
        principal,
        "0",
        ...["calendar-home-set", "calendar-user-address-set", "schedule-inbox-URL", "schedule-outbox-URL"].map(c),
      ),
    );
    assert.equal(
      hrefsIn(addresses.found.get(c("calendar-user-address-set"))).find((address) => address.startsWith("mailto:")),
      "mailto:user23@example.com",
    );
    const sync = await bird.ask("REPORT", `${home}calendar/`, {
      body: syncCollection("", d("getetag")),
      headers: { "content-type": xmlType },
    });
    assert.match(syncTokenOf(sync.text), /^(data:|http:|urn:)/);
  });

  test("Evolution", async () => {
    const evolution = walker("user24", { "user-agent": "Evolution/3.46.4" });
    const first = [
      ...["current-user-principal", "principal-URL"].map(d),
      ...["calendar-home-set", "calendar-user-address-set"].map(c),
      "{urn:ietf:params:xml:ns:carddav}addressbook-home-set" as QName,
    ];
    const principal = principalOf(only(await evolution.find("/.well-known/caldav", "0", ...first)));
    const home = homeOf(only(await evolution.find(principal, "0", ...first)));
    const listed = await evolution.find(
      home,
      "1",
      ...["resourcetype", "displayname"].map(d),
      s("source"),
      ...["supported-calendar-component-set", "calendar-description"].map(c),
      ...["calendar-color", "calendar-order"].map(i),
    );
    for (const { href } of calendarsIn(listed)) {
      assert.equal((await evolution.ask("OPTIONS", href)).status, 200);
      const item = only(
        await evolution.find(href, "0", d("current-user-privilege-set"), d("sync-token"), s("getctag")),
      );
      // Its check for a URI.
      assert.match(textOf(item.found.get(d("sync-token")) ?? ""), /^(http|https|data|urn|opaquelocktoken):/);
      assert.ok(privilegesIn(item.found.get(d("current-user-privilege-set"))).includes("write"));
    }
  });

  test("Outlook CalDav Synchronizer", async () => {
    const outlook = walker("user25", { "user-agent": "CalDavSynchronizer/4.4" });
    const principal = principalOf(only(await outlook.find("/.well-known/caldav", "0", d("current-user-principal"))));
    const home = homeOf(only(await outlook.find(principal, "0", c("calendar-home-set"))));
    const calendars = calendarsIn(
      await outlook.find(
        home,
        "1",
        d("resourcetype"),
        d("displayname"),
        i("calendar-color"),
        c("supported-calendar-component-set"),
      ),
    );
    for (const { href, found } of calendars) {
      assert.ok(found.has(d("displayname")), `${href} has no displayname`);
      assert.ok(
        componentsIn(found.get(c("supported-calendar-component-set"))).length > 0,
        `${href} has no component set`,
      );
    }
    assert.ok(tokensOf(await outlook.ask("OPTIONS", principal)).includes("calendar-proxy"));
    await outlook.find(principal, "0", s("calendar-proxy-read-for"), s("calendar-proxy-write-for"));
    const made = await outlook.ask("MKCOL", `${home}outlook/`, {
      body: `<D:mkcol xmlns:D="DAV:" xmlns:C="${CALDAV}"><D:set><D:prop><D:resourcetype><D:collection/><C:calendar/></D:resourcetype><D:displayname>From Outlook</D:displayname></D:prop></D:set></D:mkcol>`,
      headers: { "content-type": xmlType },
    });
    assert.equal(made.status, 201, shown(made));
    const zone = "W. Europe Standard Time";
    const text = event("outlook")
      .replace("DTSTART:20261101T100000Z", `DTSTART;TZID="${zone}":20261101T100000`)
      .replace("DTEND:20261101T110000Z", `DTEND;TZID="${zone}":20261101T110000`);
    const put = await outlook.ask("PUT", `${home}outlook/o%40utlook%20%2B1.ics`, {
      body: text,
      headers: { "content-type": "text/calendar", "if-none-match": "*" },
    });
    assert.equal(put.status, 201, shown(put));
    const range = await outlook.report(
      `${home}outlook/`,
      `<C:calendar-query xmlns:C="${CALDAV}"><D:prop xmlns:D="DAV:"><D:getetag/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range start="20261101T085900Z" end="20261101T090100Z"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`,
      { depth: "1" },
    );
    assert.equal(range.length, 1, "10:00 in Berlin is 09:00Z in November");
  });

  test("tsdav", async () => {
    const ts = walker("user26", { "user-agent": "node-fetch" });
    for (const method of ["PROPFIND", "GET"]) {
      const { status, headers } = await ts.client.ask(method, "/.well-known/caldav", { headers: { depth: "0" } });
      assert.ok(
        status === 207 || (status >= 301 && status <= 308 && headers.location !== undefined),
        `${method}: ${status}`,
      );
    }
    const principal = principalOf(only(await ts.find("/", "0", d("current-user-principal"))));
    const home = homeOf(only(await ts.find(principal, "0", c("calendar-home-set"))));
    const wanted = [
      ...["calendar-description", "calendar-timezone", "supported-calendar-component-set"].map(c),
      ...["displayname", "resourcetype", "sync-token"].map(d),
      i("calendar-color"),
      s("getctag"),
    ];
    const calendars = calendarsIn(await ts.find(home, "1", ...wanted));
    assert.ok(calendars.length >= 1);
    const { href } = calendars[0] ?? assert.fail();
    // It sends no Depth with sync-collection, and full URLs in multiget.
    const sync = await ts.ask("REPORT", href, {
      body: syncCollection("", d("getetag")),
      headers: { "content-type": xmlType },
    });
    assert.equal(sync.status, 207, shown(sync));
    await ts.ask("PUT", `${href}u.ics`, {
      body: event("u"),
      headers: { "content-type": "text/calendar; charset=utf-8" },
    });
    const items = await ts.report(href, multiget([`${server.url}${href}u.ics`]));
    assert.ok(only(items).found.has(c("calendar-data")), JSON.stringify(items));
  });
});
