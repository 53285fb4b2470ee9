import assert from "node:assert/strict";
import { readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { childrenNamed, type Element, textOf } from "../../src/xml/element.ts";
import { adminOf, type Said } from "../support/caladmin.ts";
import { Client, type Item, preconditionOf, shown } from "../support/http-client.ts";
import { type Server, startServer, until } from "../support/server.ts";
import { event } from "./calendar-texts.ts";
import { c, calendarsIn, d, homeOf, hrefsIn, only, principalOf, privilegesIn, s, Walker, xmlType } from "./walker.ts";

const uid = (user: string): string => `/principals/__uids__/10000000-0000-0000-0000-0000000000${user}/`;
const owner = uid("01");
const CS = "http://calendarserver.org/ns/";

const memberSet = (...hrefs: readonly string[]): string =>
  `<?xml version="1.0" encoding="utf-8"?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:group-member-set>${hrefs
    .map((href) => `<D:href>${href}</D:href>`)
    .join("")}</D:group-member-set></D:prop></D:set></D:propertyupdate>`;

const about =
  '<A:property name="displayname" namespace="DAV:"/><A:property name="principal-URL" namespace="DAV:"/>' +
  `<A:property name="calendar-user-address-set" namespace="urn:ietf:params:xml:ns:caldav"/><A:property name="email-address-set" namespace="${CS}"/>`;
const expand = (...properties: readonly (readonly [name: string, namespace: string])[]): string =>
  `<?xml version="1.0" encoding="utf-8"?><A:expand-property xmlns:A="DAV:">${properties
    .map(([name, namespace]) => `<A:property name="${name}" namespace="${namespace}">${about}</A:property>`)
    .join("")}</A:expand-property>`;

/** The rooms and resources whose delegates stand in the test accounts are left out. */
const ofThisTest = (href: string): boolean => /__uids__\/[123]0000000-/.test(href);

/** The hrefs of the responses inside an expanded property. */
const expanded = (property: Element | undefined): string[] =>
  property === undefined
    ? []
    : childrenNamed(property, "{DAV:}response").map((response) => {
        const [href] = childrenNamed(response, "{DAV:}href");
        assert.match(textOf(response), /urn:uuid:/, "each delegate is shown with its addresses");
        return href === undefined ? "" : textOf(href);
      });

describe("delegation as Apple's Calendar does it", () => {
  let server: Server;
  let caladmin: (args: readonly string[], input?: string) => Promise<Said>;
  const walkers: Walker[] = [];
  const walker = (user: string): Walker => {
    const made = new Walker(server, user, {
      "user-agent": "Mac_OS_X/10.11 (15A284) CalendarAgent/361",
      accept: "*/*",
    });
    walkers.push(made);
    return made;
  };
  before(async () => {
    server = await startServer();
    caladmin = adminOf(server);
  });
  after(async () => {
    for (const { client } of walkers) client.close();
    await server?.stop();
  });

  const delegators = async (of: Walker, principal: string): Promise<{ read: string[]; write: string[] }> => {
    const [item] = await of.report(
      principal,
      expand(["calendar-proxy-read-for", CS], ["calendar-proxy-write-for", CS]),
      { depth: "0" },
    );
    return {
      read: expanded(item?.found.get(s("calendar-proxy-read-for"))).filter(ofThisTest),
      write: expanded(item?.found.get(s("calendar-proxy-write-for"))).filter(ofThisTest),
    };
  };
  const delegates = async (of: Walker, access: "read" | "write"): Promise<string[]> => {
    const [item] = await of.report(`${owner}calendar-proxy-${access}/`, expand(["group-member-set", "DAV:"]));
    return expanded(item?.found.get(d("group-member-set")));
  };
  const set = (as: Walker, group: string, ...members: readonly string[]) =>
    as.ask("PROPPATCH", group, { body: memberSet(...members), headers: { "content-type": xmlType } });
  const search = async (as: Walker, text: string): Promise<readonly Item[]> =>
    as.report(
      "/principals/",
      `<?xml version="1.0" encoding="utf-8"?><C:calendarserver-principal-search xmlns:C="${CS}" xmlns:A="DAV:" context="user">${text
        .split(" ")
        .map((token) => `<C:search-token>${token}</C:search-token>`)
        .join(
          "",
        )}<A:prop><A:displayname/><A:principal-URL/><C:email-address-set/></A:prop></C:calendarserver-principal-search>`,
      { depth: "0" },
    );

  test("an owner finds people and gives them access; each side sees the other; what they may is what was given", async () => {
    const me = walker("user01");
    assert.equal(principalOf(only(await me.find("/principals/", "0", d("current-user-principal")))), owner);
    assert.deepEqual(await delegators(me, owner), { read: [], write: [] });
    assert.deepEqual([await delegates(me, "read"), await delegates(me, "write")], [[], []]);

    const found = (await search(me, "User 02")).flatMap(({ found }) => hrefsIn(found.get(d("principal-URL"))));
    assert.deepEqual(found, [uid("02")]);
    assert.equal((await set(me, `${owner}calendar-proxy-write/`, ...found)).status, 207);
    assert.equal((await set(me, `${owner}calendar-proxy-read/`, uid("03"))).status, 207);
    assert.deepEqual([await delegates(me, "write"), await delegates(me, "read")], [[uid("02")], [uid("03")]]);

    for (const [name, access] of [
      ["user02", "write"],
      ["user03", "read"],
    ] as const) {
      const delegate = walker(name);
      const principal = principalOf(only(await delegate.find("/principals/", "0", d("current-user-principal"))));
      const of = await delegators(delegate, principal);
      assert.deepEqual(of, { read: [], write: [], [access]: [owner] });
      const account = only(
        await delegate.find(
          owner,
          "0",
          c("calendar-home-set"),
          d("displayname"),
          d("principal-URL"),
          c("schedule-outbox-URL"),
        ),
      );
      const home = homeOf(account);
      const inside = calendarsIn(
        await delegate.find(
          home,
          "1",
          d("resourcetype"),
          d("current-user-privilege-set"),
          d("displayname"),
          d("owner"),
        ),
      );
      assert.ok(inside.length > 0);
      for (const { found, href } of inside) {
        assert.deepEqual(hrefsIn(found.get(d("owner"))), [owner]);
        const may = privilegesIn(found.get(d("current-user-privilege-set")));
        assert.equal(may.includes("write-content") && may.includes("bind"), access === "write", `${href}: ${may}`);
        assert.ok(may.includes("read") && !may.includes("write-acl"), `${href}: ${may}`);
      }
      const put = await delegate.ask("PUT", `${home}calendar/by-${name}.ics`, {
        body: event(`by-${name}`),
        headers: { "content-type": "text/calendar", "if-none-match": "*" },
      });
      assert.equal(put.status, access === "write" ? 201 : 403, shown(put));
      if (put.status === 403) assert.equal(preconditionOf(put), "{DAV:}need-privileges");
      assert.equal((await delegate.ask("GET", `${home}calendar/by-user02.ics`)).status, 200);
      const made = await delegate.ask("MKCALENDAR", `${home}made-by-${name}/`);
      assert.equal(made.status, access === "write" ? 201 : 403);
      // Asking for busy time on the owner's behalf.
      const [outbox = ""] = hrefsIn(account.found.get(c("schedule-outbox-URL")));
      const busy = await delegate.ask("POST", outbox, {
        body: `BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nMETHOD:REQUEST\r\nBEGIN:VFREEBUSY\r\nUID:f\r\nDTSTAMP:20261120T120000Z\r\nDTSTART:20261120T000000Z\r\nDTEND:20261121T000000Z\r\nORGANIZER:mailto:user01@example.com\r\nATTENDEE:mailto:user04@example.com\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n`,
        headers: { "content-type": "text/calendar" },
      });
      assert.equal(busy.status, access === "write" ? 200 : 403, shown(busy));
      // Delegates are the owner's to choose.
      assert.equal((await set(delegate, `${owner}calendar-proxy-write/`, principal)).status, 403);
    }
  });

  test("access that is taken away is gone at the next request, over every worker", async () => {
    const me = walker("user01");
    const calendar = "/calendars/__uids__/10000000-0000-0000-0000-000000000001/calendar/by-user02.ics";
    for (let round = 0; round < 10; round++) {
      for (const [members, status] of [
        [[], 403],
        [[uid("02")], 200],
      ] as const) {
        assert.equal((await set(me, `${owner}calendar-proxy-write/`, ...members)).status, 207);
        // Connections of their own, so that both workers are asked.
        const fresh = [
          new Client(server, "user02", 1),
          new Client(server, "user02", 1),
          new Client(server, "user02", 1),
        ];
        for (const answer of await Promise.all(fresh.map((client) => client.ask("GET", calendar))))
          assert.equal(answer.status, status);
        for (const client of fresh) client.close();
      }
    }
    assert.equal((await set(me, `${owner}calendar-proxy-write/`)).status, 207);
    assert.deepEqual(await delegators(walker("user02"), uid("02")), { read: [], write: [] });
  });

  test("a group as delegate means its members, those of groups inside and of groups that hold each other", async () => {
    const me = walker("user01");
    const group = (n: string): string => `/principals/__uids__/20000000-0000-0000-0000-0000000000${n}/`;
    // group04 holds group02 (user06, user07), group03 and user10; group05 holds group06 (user21) and user20.
    assert.equal((await set(me, `${owner}calendar-proxy-read/`, group("04"), group("05"))).status, 207);
    const path = "/calendars/__uids__/10000000-0000-0000-0000-000000000001/calendar/";
    for (const [name, status] of [
      ["user06", 207],
      ["user10", 207],
      ["user21", 207],
      ["user22", 403],
    ] as const) {
      const them = walker(name);
      assert.equal((await them.ask("PROPFIND", path, { headers: { depth: "0" } })).status, status, name);
      const own = principalOf(only(await them.find("/principals/", "0", d("current-user-principal"))));
      assert.deepEqual((await delegators(them, own)).read, status === 207 ? [owner] : []);
    }
    const members = only(
      await me.find(`${owner}calendar-proxy-read/`, "0", d("group-member-set"), s("expanded-group-member-set")),
    );
    assert.deepEqual(hrefsIn(members.found.get(d("group-member-set"))), [group("04"), group("05")]);
    const all = hrefsIn(members.found.get(s("expanded-group-member-set")));
    for (const one of [uid("06"), uid("07"), uid("10"), uid("20"), uid("21"), group("02"), group("06")])
      assert.ok(all.includes(one), `${one} in ${all}`);
  });

  test("delegates of a room are set by an administrator, by caladmin, and by its record; not by anybody else", async () => {
    const room = "/principals/__uids__/30000000-0000-0000-0000-000000000001/";
    const boss = walker("admin");
    assert.equal((await set(walker("user02"), `${room}calendar-proxy-write/`, uid("02"))).status, 403);
    assert.equal((await set(boss, `${room}calendar-proxy-write/`, uid("02"))).status, 207);
    assert.equal((await set(boss, "/principals/locations/location01/calendar-proxy-read/", uid("03"))).status, 207);
    assert.deepEqual((await delegators(walker("user02"), uid("02"))).write, [room]);
    const added = await caladmin(["delegates", "add", "locations:location01", "write", "users:user04"]);
    assert.equal(added.status, 0, added.err);
    assert.deepEqual((await delegators(walker("user04"), uid("04"))).write, [room]);
    const members = only(await boss.find(`${room}calendar-proxy-write/`, "0", d("group-member-set")));
    assert.deepEqual(hrefsIn(members.found.get(d("group-member-set"))), [uid("02"), uid("04")]);
    const made = await walker("user04").ask("MKCALENDAR", "/calendars/locations/location01/plan/");
    assert.equal(made.status, 201);
    const removed = await caladmin(["delegates", "remove", "locations:location01", "write", "users:user04"]);
    assert.equal(removed.status, 0, removed.err);
    assert.deepEqual((await delegators(walker("user04"), uid("04"))).write, []);
  });

  test("a PROPPATCH with anything wrong in it changes no delegate", async () => {
    const me = walker("user01");
    const group = `${owner}calendar-proxy-write/`;
    assert.equal((await set(me, group, uid("05"))).status, 207);
    const dead = memberSet(uid("06")).replace("<D:prop>", '<D:prop><X:dead xmlns:X="urn:x">1</X:dead>');
    for (const body of [
      memberSet(uid("06"), "/principals/users/user07/"),
      memberSet(uid("06"), "/principals/__uids__/nobody/"),
      dead,
      dead.replace("</D:set>", "</D:set><D:set><D:prop><D:displayname>x</D:displayname></D:prop></D:set>"),
      memberSet().replaceAll("D:set", "D:remove"),
    ]) {
      const answer = await me.ask("PROPPATCH", group, { body, headers: { "content-type": xmlType } });
      assert.equal(answer.status, 207, shown(answer));
      assert.match(answer.text, /HTTP\/1\.1 40[03]/);
      assert.deepEqual(await delegates(me, "write"), [uid("05")]);
    }
  });

  test("PROPPATCHes on two workers and caladmin at once lose no list and tear none", async () => {
    const users = ["11", "12", "13", "14", "15", "16", "17", "18"];
    const clients = users.map((user) => new Client(server, `user${user}`, 1));
    const last = new Map<string, readonly string[]>();
    const busy = users.map(async (user, at) => {
      for (let round = 0; round < 25; round++) {
        const members = users.filter((_, n) => (n + round) % 3 === at % 3).map(uid);
        const answer = await clients[at]?.ask("PROPPATCH", `${uid(user)}calendar-proxy-write/`, {
          body: memberSet(...members),
          headers: { "content-type": xmlType },
        });
        assert.equal(answer?.status, 207, answer && shown(answer));
        last.set(user, members);
      }
    });
    const admin = (async () => {
      for (const user of ["21", "22", "23"]) {
        const { status, err } = await caladmin([
          "delegates",
          "add",
          `users:user${user}`,
          "read",
          "users:user11",
          "groups:group05",
        ]);
        assert.equal(status, 0, err);
      }
    })();
    await Promise.all([...busy, admin]);
    const { out } = await caladmin(["-f", "json", "delegates", "export"]);
    const { delegates: lists } = JSON.parse(out) as {
      delegates: { owner: string; read?: string[]; write?: string[] }[];
    };
    const of = (user: string) => lists.find(({ owner }) => owner === uid(user).split("/")[3]);
    for (const [user, members] of last)
      assert.deepEqual(
        of(user)?.write ?? [],
        members.map((href) => href.split("/")[3]),
        user,
      );
    for (const user of ["21", "22", "23"]) assert.equal(of(user)?.read?.length, 2);
    for (const client of clients) client.close();
  });

  test("there is a copy of today; a lost database stops the next start until it is made again from it", async () => {
    const folder = join(server.documents, "principals");
    const name = await until("the daily copy", async () =>
      (await readdir(folder)).find((found) => /^delegates-\d{4}-\d\d-\d\d\.json$/.test(found)),
    );
    // Today's is from the start; make it say what is now.
    const { out } = await caladmin(["-f", "json", "delegates", "export"]);
    const dump = join(folder, name);
    await rm(dump);
    await server.halt();
    const { err } = await caladmin(["-f", "json", "delegates", "export", dump]);
    assert.equal(err, "");
    assert.equal(await readFile(dump, "utf8"), out);
    const database = join(folder, ".db.calendaruserproxy");
    await rename(database, `${database}.away`);
    await assert.rejects(
      server.restart(),
      /the delegate database is missing although the store is in use.*caladmin delegates import --new/s,
    );
    const made = await caladmin(["delegates", "import", "--new", dump]);
    assert.equal(made.status, 0, made.err);
    server = await server.restart();
    const again = await caladmin(["-f", "json", "delegates", "export"]);
    assert.deepEqual(JSON.parse(again.out), JSON.parse(out));
  });
});
