import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { cs, dav, ical } from "../../src/xml/element.ts";
import { type Exchange, event, givenExchange, hrefsOf, propertyText, refused, told } from "./exchange.ts";
import {
  accept,
  given,
  home,
  invite,
  mail,
  names,
  notices,
  propfind,
  proppatch,
  remove,
  replyBody,
  set,
  xml,
} from "./sharing-words.ts";

const calendar = `${home("user01")}shared/`;
let exchange: Exchange;
beforeEach(async () => {
  exchange = await givenExchange();
});
afterEach(() => exchange.end());

/** Elements of a property, by local name. */
async function property(href: string, name: string, prefixed: string, as = "user01"): Promise<string | undefined> {
  const answer = await exchange.send("PROPFIND", href, { as, headers: { depth: "0" }, body: propfind(prefixed) });
  const found = told(answer)[0]?.properties.get(200)?.get(name);
  return found === undefined ? undefined : JSON.stringify(found);
}
const inviteOf = (href: string, as?: string): Promise<string | undefined> =>
  property(href, cs("invite"), "CS:invite", as);
const typeOf = (href: string, as?: string): Promise<string | undefined> =>
  property(href, dav("resourcetype"), "D:resourcetype", as);
const listed = async (user: string): Promise<readonly string[]> =>
  hrefsOf(
    await exchange.send("PROPFIND", home(user), { as: user, headers: { depth: "1" }, body: propfind("D:getetag") }),
  );
const statusOf = async (method: string, href: string, as: string): Promise<number> =>
  (await exchange.send(method, href, { as })).status;

describe("an owner invites", () => {
  beforeEach(async () => {
    await exchange.send("MKCALENDAR", calendar);
  });

  test("and the sharee finds a notification that says who, what and how", async () => {
    assert.equal((await invite(exchange, calendar, "user01", set(mail("user02"), "read-write", "Team"))).status, 200);
    const [notice, ...more] = await notices(exchange, "user02");
    assert.equal(more.length, 0);
    assert.equal(notice?.name, cs("invite-notification"));
    assert.deepEqual(notice && names(notice), [
      "uid",
      "href",
      "invite-noresponse",
      "access",
      "hosturl",
      "organizer",
      "summary",
      "supported-calendar-component-set",
    ]);
    assert.match((await inviteOf(calendar)) ?? "", /invite-noresponse/);
    assert.match((await typeOf(calendar)) ?? "", /shared-owner/);
    assert.ok(
      !(await listed("user02")).some((href) => href.length === home("user02").length + 37),
      "nothing is shared yet",
    );
  });
  test("by address, by principal, by GUID and by mail address alone", async () => {
    const { uid } = await exchange.tree.user("user03");
    const addresses = [
      mail("user02"),
      `/principals/__uids__/${uid}/`,
      "/principals/users/user04/",
      "user05@example.com",
    ];
    const answer = await invite(exchange, calendar, "user01", ...addresses.map((address) => set(address, "read")));
    assert.equal(answer.status, 200, answer.text);
    for (const user of ["user02", "user03", "user04", "user05"])
      assert.equal((await notices(exchange, user)).length, 1);
  });
  test("nobody when one of them is unknown: 403 for that one, 424 for the others", async () => {
    const answer = await invite(
      exchange,
      calendar,
      "user01",
      set(mail("user02"), "read"),
      set("mailto:nobody@example.net", "read"),
    );
    assert.deepEqual(hrefsOf(answer), [`${mail("user02")} 424`, "mailto:nobody@example.net 403"]);
    assert.equal((await notices(exchange, "user02")).length, 0);
    assert.equal(await inviteOf(calendar), undefined);
  });
  test("not himself", async () => {
    assert.deepEqual(hrefsOf(await invite(exchange, calendar, "user01", set(mail("user01"), "read"))), [
      `${mail("user01")} 403`,
    ]);
  });
  test("and nobody else does it for him", async () => {
    for (const other of ["user02", "user06"])
      refused(await invite(exchange, calendar, other, set(mail(other), "read-write")), "need-privileges");
  });
  test("again with other access: the one notification says so", async () => {
    await invite(exchange, calendar, "user01", set(mail("user02"), "read-write"));
    await invite(exchange, calendar, "user01", set(mail("user02"), "read"));
    const found = await notices(exchange, "user02");
    assert.equal(found.length, 1);
    assert.match(JSON.stringify(found[0]), /}access.*}read"/);
  });
  test("and takes it back before it is answered: nothing is left of it", async () => {
    await invite(exchange, calendar, "user01", set(mail("user02"), "read-write"));
    await invite(exchange, calendar, "user01", remove(mail("user02")));
    assert.equal((await notices(exchange, "user02")).length, 0);
    assert.ok(!((await typeOf(calendar)) ?? "").includes("shared-owner"));
    const late = await exchange.send("POST", home("user02"), {
      as: "user02",
      headers: xml,
      body: replyBody("user02", "accepted", calendar),
    });
    assert.equal(late.status, 403);
  });
  test("once more after the notification was lost, and it is there again", async () => {
    await invite(exchange, calendar, "user01", set(mail("user02"), "read"));
    const { href = "" } =
      told(
        await exchange.send("PROPFIND", `${home("user02")}notification/`, {
          as: "user02",
          headers: { depth: "1", prefer: "depth-noroot" },
        }),
      )[0] ?? {};
    assert.equal(await statusOf("DELETE", href, "user02"), 204);
    await invite(exchange, calendar, "user01", set(mail("user02"), "read"));
    assert.equal((await notices(exchange, "user02")).length, 1);
  });
  test("what stands in a request that says nothing is refused", async () => {
    assert.equal((await invite(exchange, calendar, "user01")).status, 400);
    assert.equal((await exchange.send("POST", calendar, { headers: xml, body: "<x xmlns='urn:x'/>" })).status, 400);
    assert.equal((await exchange.send("POST", calendar, { headers: xml })).status, 400);
  });
  test("clients cannot set the list, nor the mark, nor the server's own", async () => {
    for (const inside of [
      "<CS:invite xmlns:CS='http://calendarserver.org/ns/'/>",
      "<D:resourcetype><D:collection/></D:resourcetype>",
      "<S:link xmlns:S='urn:caldavd:sharing' owner='x' invitation='y'/>",
    ]) {
      const answer = await exchange.send("PROPPATCH", calendar, { body: proppatch(inside) });
      assert.deepEqual([...(told(answer)[0]?.properties.keys() ?? [])], [403]);
    }
  });
});

describe("a sharee", () => {
  test("accepts, and the calendar lies in his one home with its owner's objects, token and name", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    await exchange.put(`${calendar}lunch.ics`, event("lunch"));
    const answer = await exchange.send("PROPFIND", home("user02"), {
      as: "user02",
      headers: { depth: "1" },
      body: propfind(
        "D:displayname",
        "D:owner",
        "D:resourcetype",
        "CS:shared-url",
        "CS:getctag",
        "C:schedule-calendar-transp",
      ),
    });
    const found = told(answer).find(
      ({ href }) => shared.endsWith(href.slice(home("user02").length)) && href !== home("user02"),
    );
    const seen = JSON.stringify([...(found?.properties.get(200)?.values() ?? [])]);
    const { uid } = await exchange.tree.user("user01");
    for (const part of [
      "Shared",
      `/principals/__uids__/${uid}/`,
      'ns/}shared"',
      `/calendars/__uids__/${uid}/shared/`,
      "transparent",
    ])
      assert.ok(seen.includes(part), part);
    assert.equal((await exchange.send("GET", `${shared}lunch.ics`, { as: "user02" })).text, event("lunch"));
    assert.match((await inviteOf(calendar)) ?? "", /invite-accepted/);
    assert.match((await inviteOf(shared, "user02")) ?? "", /organizer/);
    const [reply] = await notices(exchange, "user01");
    assert.deepEqual(reply && names(reply), ["href", "invite-accepted", "hosturl", "in-reply-to", "common-name"]);
  });
  test("accepts twice and has it once", async () => {
    const [shared = ""] = await given(exchange, "read", "user02");
    assert.equal(await accept(exchange, calendar, "user02"), shared);
    assert.equal((await listed("user02")).filter((href) => shared.endsWith(href.slice(-37))).length, 1);
  });
  test("declines", async () => {
    await exchange.send("MKCALENDAR", calendar);
    await invite(exchange, calendar, "user01", set(mail("user02"), "read"));
    const answer = await exchange.send("POST", home("user02"), {
      as: "user02",
      headers: xml,
      body: replyBody("user02", "declined", calendar),
    });
    assert.equal(answer.status, 200);
    assert.match((await inviteOf(calendar)) ?? "", /invite-declined/);
  });
  test("is told the same of a calendar that is not there and of one he is not invited to", async () => {
    await exchange.send("MKCALENDAR", calendar);
    const answers = await Promise.all(
      [calendar, `${home("user01")}nothing/`, "/principals/users/user01/", "nonsense"].map((address) =>
        exchange.send("POST", home("user02"), {
          as: "user02",
          headers: xml,
          body: replyBody("user02", "accepted", address),
        }),
      ),
    );
    assert.deepEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
    assert.equal(answers[0]?.status, 403);
  });
  test("who may write puts, changes and removes objects, which are the owner's and count to his quota", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    const etag = await exchange.put(`${shared}a.ics`, event("a"), "user02");
    assert.equal((await exchange.send("GET", `${calendar}a.ics`)).text, event("a"));
    assert.equal((await exchange.send("GET", `${calendar}a.ics`)).headers["etag"], etag);
    const owner = await exchange.tree.user("user01");
    const sharee = await exchange.tree.user("user02");
    assert.ok((await exchange.tree.store.usedBytes(owner)) >= event("a").length);
    const before = await exchange.tree.store.usedBytes(sharee);
    await exchange.put(`${shared}b.ics`, event("b"), "user02");
    assert.equal(await exchange.tree.store.usedBytes(sharee), before);
    assert.equal(await statusOf("DELETE", `${shared}a.ics`, "user02"), 204);
    assert.equal(await statusOf("GET", `${calendar}a.ics`, "user01"), 404);
  });
  test("who may only read does none of that", async () => {
    const [shared = ""] = await given(exchange, "read", "user02");
    await exchange.put(`${calendar}a.ics`, event("a"));
    const put = (name: string, text: string) =>
      exchange.send("PUT", `${shared}${name}`, {
        as: "user02",
        headers: { "content-type": "text/calendar" },
        body: text,
      });
    refused(await put("new.ics", event("new")), "need-privileges");
    refused(await put("a.ics", event("a", { summary: "changed" })), "need-privileges");
    refused(await exchange.send("DELETE", `${shared}a.ics`, { as: "user02" }), "need-privileges");
    refused(
      await exchange.send("PROPPATCH", `${shared}a.ics`, {
        as: "user02",
        body: proppatch("<D:displayname>x</D:displayname>"),
      }),
      "need-privileges",
    );
    assert.equal((await exchange.send("GET", `${calendar}a.ics`)).text, event("a"));
  });
  test("never reaches the owner's own address, nor shares on", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    await exchange.put(`${calendar}a.ics`, event("a"));
    assert.equal(await statusOf("GET", `${calendar}a.ics`, "user02"), 403);
    refused(await invite(exchange, shared, "user02", set(mail("user03"), "read")), "need-privileges");
  });
  test("has a link that is open to nobody else, the owner included", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    await exchange.put(`${calendar}a.ics`, event("a"));
    for (const other of ["user01", "user03"]) {
      assert.equal(await statusOf("PROPFIND", shared, other), 403);
      assert.equal(await statusOf("GET", `${shared}a.ics`, other), 403);
    }
  });
  test("leaves by removing it from his home; the owner's calendar stays", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    await exchange.put(`${calendar}a.ics`, event("a"));
    assert.equal(await statusOf("DELETE", shared, "user02"), 204);
    assert.equal(await statusOf("GET", `${calendar}a.ics`, "user01"), 200);
    assert.match((await inviteOf(calendar)) ?? "", /invite-declined/);
    assert.equal(await statusOf("GET", `${shared}a.ics`, "user02"), 404);
  });
  test("loses it when the owner ends it, and is told", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    await invite(exchange, calendar, "user01", remove(mail("user02")));
    assert.equal(await statusOf("PROPFIND", shared, "user02"), 404);
    const found = await notices(exchange, "user02");
    assert.ok(found.some((notice) => names(notice).includes("invite-deleted")));
  });
  test("loses it with the calendar", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02", "user03");
    assert.equal(await statusOf("DELETE", calendar, "user01"), 204);
    assert.equal(await statusOf("PROPFIND", shared, "user02"), 404);
    assert.ok(!(await listed("user03")).some((href) => /[0-9a-f-]{36}\/$/.test(href)));
  });
  test("keeps it when the owner moves the calendar", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    await exchange.put(`${calendar}a.ics`, event("a"));
    const moved = await exchange.send("MOVE", calendar, { headers: { destination: `${home("user01")}elsewhere/` } });
    assert.equal(moved.status, 201, moved.text);
    assert.equal(await statusOf("GET", `${shared}a.ics`, "user02"), 200);
  });
  test("finds it where somebody moved it by hand", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    await exchange.put(`${calendar}a.ics`, event("a"));
    const owner = await exchange.tree.user("user01");
    await exchange.tree.store.move({ owner, path: ["shared"] }, { owner, path: ["by-hand"] });
    assert.equal(await statusOf("GET", `${shared}a.ics`, "user02"), 200);
    assert.match((await property(shared, cs("shared-url"), "CS:shared-url", "user02")) ?? "", /by-hand/);
  });
  test("invites nobody from it but in its owner's name, and keeps other organizers of what the owner was invited to", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    const meeting = (organizer: string, summary: string): string =>
      event("m", { summary, more: [`ORGANIZER:mailto:${organizer}`, "ATTENDEE:mailto:user03@example.com"] });
    const put = (text: string) =>
      exchange.send("PUT", `${shared}m.ics`, {
        as: "user02",
        headers: { "content-type": "text/calendar" },
        body: text,
      });
    refused(await put(meeting("user02@example.com", "mine")), "valid-organizer");
    assert.equal((await put(meeting("user01@example.com", "the owner's"))).status, 201);
    await exchange.send("DELETE", `${calendar}m.ics`);
    await exchange.put(`${calendar}m.ics`, meeting("boss@example.net", "from outside"));
    assert.equal((await put(meeting("boss@example.net", "edited"))).status, 204);
  });
  test("does not find out by guessing what a confidential event says", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    const text = event("c", { around: ["X-CALENDARSERVER-ACCESS:CONFIDENTIAL"], summary: "secret" });
    await exchange.put(`${calendar}c.ics`, text);
    for (const guess of [text, text.replace("secret", "wrong")]) {
      const answer = await exchange.send("PUT", `${shared}c.ics`, {
        as: "user02",
        headers: { "content-type": "text/calendar" },
        body: guess,
      });
      refused(answer, "need-privileges");
    }
  });
  test("sees a change of his access at once", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    await invite(exchange, calendar, "user01", set(mail("user02"), "read"));
    const put = await exchange.send("PUT", `${shared}a.ics`, {
      as: "user02",
      headers: { "content-type": "text/calendar" },
      body: event("a"),
    });
    refused(put, "need-privileges");
    assert.match((await inviteOf(calendar)) ?? "", /invite-accepted/);
  });
  test("has a name, colour and order of his own, also when he may only read, and begins without the owner's", async () => {
    const colour = (value: string) => proppatch(`<A:calendar-color>${value}</A:calendar-color>`);
    const [shared = ""] = await given(exchange, "read", "user02");
    await exchange.send("PROPPATCH", calendar, { body: colour("#FF0000FF") });
    const name = ical("calendar-color");
    const colourOf = (href: string, as: string) => property(href, name, "A:calendar-color", as);
    assert.equal(await colourOf(shared, "user02"), undefined);
    assert.equal((await exchange.send("PROPPATCH", shared, { as: "user02", body: colour("#00FF00FF") })).status, 207);
    assert.match((await colourOf(shared, "user02")) ?? "", /#00FF00FF/);
    assert.match((await colourOf(calendar, "user01")) ?? "", /#FF0000FF/);
  });
  test("cannot make it his default calendar", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    const body = proppatch(
      `<C:schedule-default-calendar-URL><D:href>${shared}</D:href></C:schedule-default-calendar-URL>`,
    );
    const answer = await exchange.send("PROPPATCH", `${home("user02")}inbox/`, { as: "user02", body });
    assert.deepEqual([...(told(answer)[0]?.properties.keys() ?? [])], [409]);
  });
  test("copies an event into his own calendar, and moves none", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    await exchange.put(`${calendar}a.ics`, event("a"));
    const to = (method: string) =>
      exchange.send(method, `${shared}a.ics`, {
        as: "user02",
        headers: { destination: `${home("user02")}calendar/a.ics` },
      });
    assert.equal((await to("MOVE")).status, 403);
    assert.equal((await to("COPY")).status, 201);
    assert.equal(await statusOf("GET", `${home("user02")}calendar/a.ics`, "user02"), 200);
    const moved = await exchange.send("MOVE", shared, {
      as: "user02",
      headers: { destination: `${home("user02")}mine/` },
    });
    assert.equal(moved.status, 403);
  });
  test("does not see private events, and sees when the confidential ones are", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    const access = (word: string) => ({ around: [`X-CALENDARSERVER-ACCESS:${word}`], summary: "secret" });
    await exchange.put(`${calendar}private.ics`, event("p", access("PRIVATE")));
    await exchange.put(`${calendar}conf.ics`, event("c", access("CONFIDENTIAL")));
    const inside = await exchange.send("PROPFIND", shared, {
      as: "user02",
      headers: { depth: "1" },
      body: propfind("D:getetag"),
    });
    assert.deepEqual(
      told(inside).map(({ href, status }) => [href.slice(shared.length), status]),
      [
        ["", undefined],
        ["conf.ics", undefined],
        ["private.ics", 403],
      ],
    );
    assert.notEqual(await statusOf("GET", `${shared}private.ics`, "user02"), 200);
    const seen = await exchange.send("GET", `${shared}conf.ics`, { as: "user02" });
    assert.equal(seen.status, 200);
    assert.ok(!seen.text.includes("secret"));
    assert.ok(!(await exchange.send("GET", shared, { as: "user02" })).text.includes("secret"));
  });
  test("hears through his home's token of what the owner and others do", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02", "user03");
    const sync = (token: string) =>
      exchange.send("REPORT", home("user02"), {
        as: "user02",
        body: `<D:sync-collection xmlns:D="DAV:"><D:sync-token>${token}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>`,
      });
    const tokenIn = (text: string): string => /<D:sync-token>([^<]*)/.exec(text)?.[1] ?? "";
    const token = tokenIn((await sync("")).text);
    assert.deepEqual(hrefsOf(await sync(token)), []);
    await exchange.put(`${calendar}a.ics`, event("a"));
    const changed = await sync(token);
    assert.deepEqual(
      hrefsOf(changed).map((href) => shared.endsWith(href.slice(-37))),
      [true],
    );
    await exchange.send("DELETE", calendar);
    const gone = hrefsOf(await sync(tokenIn(changed.text)));
    assert.ok(
      gone.some((href) => href.endsWith("/ 404")),
      gone.join(),
    );
  });
  test("finds nothing of it on a server that does not share", async () => {
    const plain = await givenExchange({ sharing: { enabled: false, publishing: false, announcePublishing: false } });
    try {
      await plain.send("MKCALENDAR", calendar);
      assert.equal((await invite(plain, calendar, "user01", set(mail("user02"), "read"))).status, 403);
      assert.ok(!(await plain.send("OPTIONS", home("user01"))).headers["dav"]?.includes("sharing"));
      assert.equal((await plain.send("PROPFIND", `${home("user01")}notification/`)).status, 404);
    } finally {
      await plain.end();
    }
  });
});

describe("the attachments of a shared event, in its owner's drop box", () => {
  const box = `${home("user01")}dropbox/54E181BC7CCC373042B28842/`;
  const attach = `ATTACH;VALUE=URI:http://localhost${box.slice(0, 50)}\r\n ${box.slice(50)}map.txt`;
  const put = (as: string, name = "map.txt") =>
    exchange.send("PUT", `${box}${name}`, { as, headers: { "content-type": "text/plain" }, body: "X" });
  beforeEach(async () => {
    await given(exchange, "read-write", "user02");
    await invite(exchange, calendar, "user01", set(mail("user03"), "read"));
    await accept(exchange, calendar, "user03");
  });

  test("are open to sharees as the event is, and to nobody else", async () => {
    assert.equal((await put("user01")).status, 409, "nothing refers to it");
    await exchange.put(`${calendar}a.ics`, event("a", { more: [attach] }));
    assert.equal((await put("user01")).status, 201);
    assert.equal((await put("user02", "more.txt")).status, 201);
    assert.deepEqual(
      await Promise.all(["user02", "user03", "user04"].map((user) => statusOf("GET", `${box}map.txt`, user))),
      [200, 200, 403],
    );
    assert.deepEqual(
      (await Promise.all(["user03", "user04"].map((user) => put(user)))).map(({ status }) => status),
      [403, 403],
    );
    assert.equal(await statusOf("DELETE", `${box}more.txt`, "user03"), 403);
    assert.equal(await statusOf("DELETE", `${box}more.txt`, "user02"), 204);
    assert.equal(await statusOf("DELETE", box, "user02"), 403);
  });
  test("are closed again with the share, with the event, and when it becomes private", async () => {
    const text = event("a", { more: [attach] });
    await exchange.put(`${calendar}a.ics`, text);
    await put("user01");
    const isOpen = async (user: string): Promise<boolean> => (await statusOf("GET", `${box}map.txt`, user)) === 200;
    assert.equal(await isOpen("user02"), true);
    await exchange.put(`${calendar}a.ics`, event("a", { more: [attach], around: ["X-CALENDARSERVER-ACCESS:PRIVATE"] }));
    assert.equal(await isOpen("user02"), false);
    await exchange.put(`${calendar}a.ics`, event("a", { more: [attach], around: ["X-CALENDARSERVER-ACCESS:PUBLIC"] }));
    assert.equal(await isOpen("user02"), true);
    await invite(exchange, calendar, "user01", remove(mail("user02")));
    assert.equal(await isOpen("user02"), false);
    assert.equal(await isOpen("user03"), true);
    await exchange.send("DELETE", `${calendar}a.ics`);
    assert.equal(await isOpen("user03"), false);
  });
  test("of somebody else's home are not made by an event that names them", async () => {
    await exchange.put(`${home("user05")}calendar/a.ics`, event("a", { more: [attach] }), "user05");
    assert.equal((await put("user01")).status, 409);
  });
});

describe("the sharee's delegates", () => {
  test("have what he has as far as he lets them", async () => {
    const [shared = ""] = await given(exchange, "read-write", "user02");
    await exchange.put(`${calendar}a.ics`, event("a"));
    const { directory } = exchange.tree.services;
    const [sharee, reader, writer] = await Promise.all(
      ["user02", "user03", "user04"].map((name) => exchange.tree.user(name)),
    );
    if (sharee === undefined || reader === undefined || writer === undefined) return assert.fail();
    await directory.setDelegates(sharee, "read", [reader]);
    await directory.setDelegates(sharee, "write", [writer]);
    const put = (as: string) =>
      exchange.send("PUT", `${shared}b.ics`, { as, headers: { "content-type": "text/calendar" }, body: event("b") });
    assert.equal(await statusOf("GET", `${shared}a.ics`, "user03"), 200);
    refused(await put("user03"), "need-privileges");
    assert.equal((await put("user04")).status, 201);
    assert.equal(
      propertyText(
        await exchange.send("PROPFIND", shared, { as: "user03", headers: { depth: "0" } }),
        shared,
        dav("displayname"),
      ),
      "Shared",
    );
  });
});
