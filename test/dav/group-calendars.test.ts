import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { textOf } from "../../src/xml/element.ts";
import { type Account, writeAccounts } from "../support/accounts.ts";
import { event } from "../support/store.ts";
import { type Exchange, givenExchange, told } from "./exchange.ts";

// user02 is in `inner`, which is in `team`; the two groups hold each other.
const records: readonly Account[] = [
  ...["admin", "user01", "user02", "user03", "user04", "user05"].map((uid) => ({ uid })),
  { type: "group", uid: "team", members: ["user01", "groups:inner"], calendar: true, readProxies: ["user05"] },
  { type: "group", uid: "inner", members: ["user02", "groups:team"] },
  { type: "group", uid: "plain", members: ["user01"] },
];
const home = "/calendars/groups/team/";
const lunch = `${home}calendar/lunch.ics`;

describe("a group whose record has calendars switched on", () => {
  let accounts: string;
  let { tree, send, put, end }: Exchange = {} as Exchange;
  before(async () => {
    accounts = await writeAccounts(records);
    ({ tree, send, put, end } = await givenExchange({}, accounts));
    await put(lunch, event("lunch"), "user01");
  });
  after(() => end());

  const rights = async (path: string, as: string): Promise<string[]> => {
    const body = `<propfind xmlns="DAV:"><prop><current-user-privilege-set/></prop></propfind>`;
    const answer = await send("PROPFIND", path, { as, headers: { depth: "0" }, body });
    if (answer.status !== 207) return [`${answer.status}`];
    const set = told(answer)[0]?.properties.get(200)?.get("{DAV:}current-user-privilege-set");
    return (set?.children ?? []).flatMap((privilege) =>
      typeof privilege === "string"
        ? []
        : privilege.children.map((inner) => (typeof inner === "string" ? inner : inner.name.replace(/^.*}/, ""))),
    );
  };

  test("has a home, which its members share: direct and nested ones, and nobody else", async () => {
    for (const as of ["user01", "user02"]) {
      const mine = `${home}calendar/${as}.ics`;
      await put(mine, event(as), as);
      assert.equal((await send("GET", lunch, { as })).status, 200);
      assert.equal((await send("DELETE", mine, { as })).status, 204);
      assert.equal((await send("MKCALENDAR", `${home}${as}/`, { as })).status, 201);
      assert.equal((await send("DELETE", `${home}${as}/`, { as })).status, 204);
    }
    assert.equal((await send("GET", lunch, { as: "user03" })).status, 403);
    assert.equal((await send("PUT", lunch, { as: "user03", body: event("lunch") })).status, 403);
    assert.equal((await send("GET", lunch, { as: "user05" })).status, 200);
    assert.equal((await send("DELETE", lunch, { as: "user05" })).status, 403);
  });

  test("members may do everything but set rights; what an ACL stored there says does not count", async () => {
    const held = await rights(`${home}calendar/`, "user02");
    for (const privilege of ["read", "write", "bind", "unbind", "write-content", "write-properties"])
      assert.ok(held.includes(privilege), `${privilege} in ${held}`);
    assert.ok(!held.includes("write-acl") && !held.includes("all"), `${held}`);
    assert.ok((await rights(`${home}outbox/`, "user01")).includes("schedule-send"));
    assert.deepEqual(await rights(`${home}calendar/`, "user04"), ["403"]);

    const group = await tree.services.directory.byShortName("groups", "team");
    assert.ok(group);
    const calendar = await tree.store.open({ owner: group, path: ["calendar"] });
    const { readXml } = await import("../../src/xml/read.ts");
    const acl = readXml(
      `<acl xmlns="DAV:"><ace><principal><authenticated/></principal><grant><privilege><all/></privilege></grant></ace>
       <ace><principal><href>/principals/users/user01/</href></principal><deny><privilege><all/></privilege></deny></ace></acl>`,
    );
    await calendar?.change((change) => change.setProperties(undefined, new Map([["{DAV:}acl", acl]])));
    assert.equal((await send("GET", lunch, { as: "user04" })).status, 403);
    assert.equal((await send("GET", lunch, { as: "user01" })).status, 200);
  });

  test("the ACL method is refused to members and to administrators alike", async () => {
    const body = `<acl xmlns="DAV:"><ace><principal><all/></principal><grant><privilege><read/></privilege></grant></ace></acl>`;
    for (const as of ["user01", "user02", "user04", "admin"])
      for (const path of [`${home}calendar/`, lunch, `${home}outbox/`])
        assert.equal((await send("ACL", path, { as, body })).status, 403, `${as} ${path}`);
    assert.match((await send("ACL", lunch, { as: "admin", body })).text, /directory record alone/);
    assert.equal((await send("ACL", "/calendars/users/user01/calendar/", { body })).status, 200);
  });

  test("its members see its private events: the group is their owner", async () => {
    const path = `${home}calendar/private.ics`;
    await put(
      path,
      event("private").replace("VERSION:2.0", "VERSION:2.0\r\nX-CALENDARSERVER-ACCESS:PRIVATE"),
      "user01",
    );
    assert.equal((await send("GET", path, { as: "user02" })).status, 200);
    assert.equal((await send("GET", path, { as: "user05" })).status, 403);
  });

  test("clients of its members are told of it as of calendars they may write, and a listing shows its home", async () => {
    const body = `<propfind xmlns="DAV:"><prop><calendar-proxy-write-for xmlns="http://calendarserver.org/ns/"/></prop></propfind>`;
    for (const [as, groups] of [
      ["user02", ["/principals/__uids__/GUID-team/"]],
      ["user03", []],
    ] as const) {
      const answer = await send("PROPFIND", `/principals/users/${as}/`, { as, headers: { depth: "0" }, body });
      const value = told(answer)[0]
        ?.properties.get(200)
        ?.get("{http://calendarserver.org/ns/}calendar-proxy-write-for");
      assert.deepEqual(
        value?.children.map((child) => (typeof child === "string" ? child : textOf(child))),
        groups,
      );
      const list = await send("PROPFIND", "/calendars/groups/", { as, headers: { depth: "1" } });
      assert.equal(
        told(list).some(({ href }) => href === home),
        groups.length > 0,
      );
    }
  });

  test("its delegates are set by administrators, not by single members, nor by its delegates", async () => {
    const set = (as: string, uid: string) =>
      send("PROPPATCH", "/principals/groups/team/calendar-proxy-write/", {
        as,
        body: `<propertyupdate xmlns="DAV:"><set><prop><group-member-set><href>/principals/__uids__/${uid}/</href></group-member-set></prop></set></propertyupdate>`,
      });
    assert.equal((await set("user01", "GUID-user01")).status, 403);
    assert.equal((await set("user05", "GUID-user05")).status, 403);
    assert.equal((await set("admin", "GUID-user03")).status, 207);
    assert.equal((await send("GET", lunch, { as: "user03" })).status, 200);
  });

  test("a change of its record counts without a restart: members that leave, calendars that are switched off", async () => {
    const without = records.map((record) => (record.uid === "inner" ? { ...record, members: ["user04"] } : record));
    await changed(without, async () => (await send("GET", lunch, { as: "user02" })).status === 403);
    assert.equal((await send("GET", lunch, { as: "user04" })).status, 200);
    const off = records.map(({ calendar: _, ...record }) => record);
    await changed(off, async () => (await send("GET", lunch, { as: "user01" })).status === 404);
    await changed(records, async () => (await send("GET", lunch, { as: "user02" })).status === 200);
  });

  /** The file is looked at once a second. */
  async function changed(to: readonly Account[], seen: () => Promise<boolean>): Promise<void> {
    await writeAccounts(to, accounts);
    const end = Date.now() + 5000;
    while (!(await seen())) {
      assert.ok(Date.now() < end, "the change was not seen");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  test("a group without calendars has no home", async () => {
    assert.equal((await send("PROPFIND", "/calendars/groups/plain/", { as: "user01" })).status, 404);
  });
});
