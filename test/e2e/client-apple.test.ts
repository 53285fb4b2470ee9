import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CALDAV, CS, ICAL, textOf } from "../../src/xml/element.ts";
import { itemsOf, preconditionOf, shown, syncCollection, syncTokenOf } from "../support/http-client.ts";
import { type Server, startServer } from "../support/server.ts";
import { event, todo } from "./calendar-texts.ts";
import {
  c,
  calendarsIn,
  componentsIn,
  d,
  homeOf,
  hrefsIn,
  i,
  me,
  names,
  only,
  principalOf,
  privilegesIn,
  s,
  tokensOf,
  Walker,
} from "./walker.ts";

describe("Apple's Calendar finds its way from nothing but a host, a name and a password", () => {
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

  test("macOS Calendar (10.11, as recorded)", async () => {
    const agent = { "user-agent": "Mac_OS_X/10.11 (15A284) CalendarAgent/361", prefer: "return=minimal", brief: "t" };
    const apple = walker("user21", { ...agent, accept: "*/*" });
    const first = [d("current-user-principal"), d("principal-URL"), d("resourcetype")];
    const found = only(await apple.find("/.well-known/caldav", "0", ...first));
    const principal = principalOf(found);
    assert.equal(principalOf(only(await apple.find("/principals/", "0", ...first))), principal);

    const options = await apple.ask("OPTIONS", principal);
    assert.equal(options.status, 200);
    for (const token of ["1", "access-control", "calendar-access"]) assert.ok(tokensOf(options).includes(token), token);

    const account = only(
      await apple.find(
        principal,
        "0",
        ...["calendar-home-set", "calendar-user-address-set", "schedule-inbox-URL", "schedule-outbox-URL"].map(c),
        ...[
          "current-user-principal",
          "displayname",
          "principal-collection-set",
          "principal-URL",
          "resource-id",
          "supported-report-set",
        ].map(d),
        ...["dropbox-home-URL", "email-address-set", "notification-URL"].map(s),
      ),
    );
    const home = homeOf(account);
    assert.equal(hrefsIn(account.found.get(d("principal-URL")))[0], principal);
    assert.deepEqual(hrefsIn(account.found.get(d("principal-collection-set"))), ["/principals/"]);
    const addresses = hrefsIn(account.found.get(c("calendar-user-address-set")));
    assert.equal(
      addresses.find((address) => address.startsWith("mailto:")),
      "mailto:user21@example.com",
    );
    const [inbox = ""] = hrefsIn(account.found.get(c("schedule-inbox-URL")));
    const [outbox = ""] = hrefsIn(account.found.get(c("schedule-outbox-URL")));
    assert.ok(inbox.startsWith(home) && outbox.startsWith(home), `${inbox} ${outbox}`);
    assert.ok(textOf(account.found.get(d("displayname")) ?? "").length > 0);

    const set = await apple.ask("REPORT", "/principals/", {
      body: '<A:principal-search-property-set xmlns:A="DAV:"/>',
      headers: { depth: "0", "content-type": "text/xml" },
    });
    assert.equal(set.status, 200, shown(set));
    assert.match(set.text, /principal-search-property/);

    await apple.find(inbox, "0", s("calendar-availability"), c("calendar-availability"));

    const asked = [
      ...[
        "add-member",
        "current-user-privilege-set",
        "displayname",
        "owner",
        "quota-available-bytes",
        "quota-used-bytes",
        "resource-id",
        "resourcetype",
        "supported-report-set",
        "sync-token",
      ].map(d),
      ...[
        "calendar-description",
        "calendar-free-busy-set",
        "calendar-timezone",
        "default-alarm-vevent-date",
        "default-alarm-vevent-datetime",
        "schedule-calendar-transp",
        "schedule-default-calendar-URL",
        "supported-calendar-component-set",
        "supported-calendar-component-sets",
        "managed-attachments-server-URL",
      ].map(c),
      ...[
        "allowed-sharing-modes",
        "getctag",
        "invite",
        "pre-publish-url",
        "publish-url",
        "push-transports",
        "pushkey",
        "source",
        "subscribed-strip-alarms",
        "subscribed-strip-attachments",
        "subscribed-strip-todos",
        "xmpp-server",
        "xmpp-uri",
      ].map(s),
      ...["autoprovisioned", "calendar-color", "calendar-order", "language-code", "location-code", "refreshrate"].map(
        i,
      ),
      ...["bulk-requests", "calendar-alarm"].map(me),
    ];
    const listed = await apple.find(home, "1", ...asked);
    assert.equal(listed[0]?.href, home);
    const calendars = calendarsIn(listed);
    assert.ok(calendars.length >= 1);
    for (const { href, found } of calendars) {
      for (const name of [
        s("getctag"),
        d("sync-token"),
        d("displayname"),
        c("supported-calendar-component-set"),
        d("owner"),
      ])
        assert.ok(found.has(name), `${href} lacks ${name}`);
      assert.ok(privilegesIn(found.get(d("current-user-privilege-set"))).includes("write-content"), href);
    }
    // return=minimal: what is missing is not told.
    for (const { missing } of listed) assert.equal(missing.size, 0);

    const alarm = "BEGIN:VALARM\nACTION:AUDIO\nTRIGGER:-PT15M\nEND:VALARM\n";
    for (const [where, body] of [
      [home, `<C:default-alarm-vevent-datetime xmlns:C="${CALDAV}">${alarm}</C:default-alarm-vevent-datetime>`],
      [`${home}calendar/`, `<I:calendar-order xmlns:I="${ICAL}">1</I:calendar-order>`],
      [`${home}calendar/`, "<D:displayname>Home</D:displayname>"],
      [`${home}calendar/`, `<I:calendar-color xmlns:I="${ICAL}" symbolic-color="blue">#1BADF8FF</I:calendar-color>`],
    ] as const) {
      const answer = await apple.ask("PROPPATCH", where, {
        body: `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>${body}</D:prop></D:set></D:propertyupdate>`,
        headers: { "content-type": "text/xml" },
      });
      // With return=minimal a PROPPATCH that succeeded is answered with 200 or 204 (RFC 8144 §2.2), else with a multistatus.
      assert.ok([200, 204, 207].includes(answer.status), `${where} ${body}: ${shown(answer)}`);
      assert.doesNotMatch(answer.text, / 40[0-9] | 5\d\d /);
    }
    const [kept] = await apple.find(`${home}calendar/`, "0", i("calendar-color"), i("calendar-order"));
    assert.equal(kept?.found.get(i("calendar-color"))?.attributes["symbolic-color"], "blue");
    assert.equal(textOf(kept?.found.get(i("calendar-order")) ?? ""), "1");

    // A calendar as Calendar makes it.
    const made = `${home}4B6A3C8E-0B5E-4F0C-9E0A-6D1D7C3B9D0F/`;
    const mkcalendar = await apple.ask("MKCALENDAR", made, {
      body: `<B:mkcalendar xmlns:B="${CALDAV}"><A:set xmlns:A="DAV:"><A:prop><A:displayname>Reminders</A:displayname><D:calendar-color xmlns:D="${ICAL}" symbolic-color="orange">#FF9500FF</D:calendar-color><D:calendar-order xmlns:D="${ICAL}">4</D:calendar-order><B:schedule-calendar-transp><B:transparent/></B:schedule-calendar-transp><B:supported-calendar-component-set><B:comp name="VTODO"/></B:supported-calendar-component-set><B:calendar-timezone>BEGIN:VCALENDAR&#13;\nVERSION:2.0&#13;\nPRODID:-//Apple Inc.//Mac OS X 10.11//EN&#13;\nBEGIN:VTIMEZONE&#13;\nTZID:Europe/Berlin&#13;\nBEGIN:STANDARD&#13;\nTZOFFSETFROM:+0200&#13;\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU&#13;\nDTSTART:19961027T030000&#13;\nTZNAME:CET&#13;\nTZOFFSETTO:+0100&#13;\nEND:STANDARD&#13;\nEND:VTIMEZONE&#13;\nEND:VCALENDAR&#13;\n</B:calendar-timezone></A:prop></A:set></B:mkcalendar>`,
      headers: { "content-type": "text/xml" },
    });
    assert.equal(mkcalendar.status, 201, shown(mkcalendar));
    const [reminders] = await apple.find(
      made,
      "0",
      c("supported-calendar-component-set"),
      c("schedule-calendar-transp"),
      i("calendar-color"),
      d("displayname"),
    );
    assert.deepEqual(componentsIn(reminders?.found.get(c("supported-calendar-component-set"))), ["VTODO"]);
    assert.deepEqual(names(reminders?.found.get(c("schedule-calendar-transp"))), ["transparent"]);
    assert.equal(reminders?.found.get(i("calendar-color"))?.attributes["symbolic-color"], "orange");
    const refused = await apple.ask("PUT", `${made}e.ics`, {
      body: event("e"),
      headers: { "content-type": "text/calendar", "if-none-match": "*" },
    });
    assert.equal(refused.status, 403);
    assert.equal(preconditionOf(refused), c("supported-calendar-component"));
    const taken = await apple.ask("PUT", `${made}t.ics`, {
      body: todo("t"),
      headers: { "content-type": "text/calendar", "if-none-match": "*" },
    });
    assert.equal(taken.status, 201, shown(taken));

    // Synchronising, with the shared calendars looked for through expand-property and changes of the home by sync-collection.
    await apple.ask("PUT", `${home}calendar/a.ics`, {
      body: event("a", 29),
      headers: { "content-type": "text/calendar", "if-none-match": "*" },
    });
    const week = await apple.report(
      `${home}calendar/`,
      `<C:calendar-query xmlns:C="${CALDAV}" xmlns:D="DAV:"><D:prop><D:getetag/><D:getcontenttype/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range start="20261125T000000Z"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`,
      { depth: "1" },
    );
    assert.deepEqual(
      week.map(({ href }) => href),
      [`${home}calendar/a.ics`],
    );
    assert.match(textOf(week[0]?.found.get(d("getcontenttype")) ?? ""), /^text\/calendar/);
    const fetched = await apple.report(
      `${home}calendar/`,
      `<C:calendar-multiget xmlns:C="${CALDAV}" xmlns:D="DAV:"><D:prop><C:calendar-data/><D:getetag/><C:schedule-tag/><E:created-by xmlns:E="${CS}"/><E:updated-by xmlns:E="${CS}"/></D:prop><D:href>${home}calendar/a.ics</D:href></C:calendar-multiget>`,
    );
    assert.equal(textOf(only(fetched).found.get(c("calendar-data")) ?? ""), event("a", 29));
    const proxies = await apple.report(
      principal,
      `<A:expand-property xmlns:A="DAV:"><A:property name="calendar-proxy-read-for" namespace="${CS}"><A:property name="displayname" namespace="DAV:"/><A:property name="calendar-user-address-set" namespace="${CALDAV}"/></A:property><A:property name="calendar-proxy-write-for" namespace="${CS}"><A:property name="displayname" namespace="DAV:"/></A:property></A:expand-property>`,
    );
    assert.ok(only(proxies).found.has(s("calendar-proxy-read-for")));
    const whole = await apple.ask("REPORT", home, {
      body: syncCollection("", d("getetag"), d("resourcetype")),
      headers: { depth: "1", "content-type": "text/xml" },
    });
    assert.equal(whole.status, 207, shown(whole));
    const token = syncTokenOf(whole.text);
    await apple.client.expect(204, "DELETE", made);
    const changes = await apple.ask("REPORT", home, {
      body: syncCollection(token, d("getetag")),
      headers: { depth: "1", "content-type": "text/xml" },
    });
    assert.deepEqual(
      itemsOf(changes.text)
        .filter(({ status }) => status === 404)
        .map(({ href }) => href),
      [made],
    );
    const search = await apple
      .report(
        "/principals/",
        `<C:calendarserver-principal-search xmlns:C="${CS}" xmlns:A="DAV:" context="attendee"><C:search-token>user</C:search-token><C:search-token>22</C:search-token><C:limit><C:nresults>50</C:nresults></C:limit><A:prop><A:displayname/><B:calendar-user-address-set xmlns:B="${CALDAV}"/></A:prop></C:calendarserver-principal-search>`,
        { depth: "0" },
      )
      .catch((error: Error) => error);
    if (search instanceof Error) {
      // A later issue's; clients fall back to principal-property-search.
      const fallback = await apple.report(
        "/principals/",
        `<A:principal-property-search xmlns:A="DAV:" test="anyof"><A:property-search><A:prop><A:displayname/></A:prop><A:match>22</A:match></A:property-search><A:prop><A:displayname/></A:prop></A:principal-property-search>`,
        { depth: "0" },
      );
      assert.ok(fallback.length >= 1);
    }
  });
});
