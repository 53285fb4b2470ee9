import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { aceElement, readAcl, storedAce } from "../../src/dav/acl-xml.ts";
import { demand } from "../../src/dav/privileges.ts";
import type { Context } from "../../src/dav/registry.ts";
import { memberResource, resolve } from "../../src/dav/resolve.ts";
import type { Resource, Shape } from "../../src/dav/resource.ts";
import { decodePath } from "../../src/http/uri.ts";
import type { ETag } from "../../src/model/ids.ts";
import type { Privilege } from "../../src/model/privilege.ts";
import { Refusal } from "../../src/model/refusal.ts";
import type { ObjectEntry } from "../../src/store/contract.ts";
import { dav, type Element, el, href } from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";
import { writeXml } from "../../src/xml/write.ts";
import { now } from "../support/store.ts";
import { givenTree, type Tree } from "./tree.ts";

const home = "/calendars/users/user01/";

let tree: Tree;
let owner: Context;
before(async () => {
  tree = await givenTree();
  owner = await tree.context("user01");
  await resolve(decodePath(home), home, owner);
});
after(() => tree.end());

const at = (path: string): Promise<Resource> => resolve(decodePath(path), path, owner);
const rights = async (user: string | undefined, path: string): Promise<ReadonlySet<Privilege>> =>
  (await tree.context(user)).privileges(await at(path));

async function setAcl(path: string, ...aces: readonly Element[]): Promise<void> {
  const resource = (await at(path)) as Shape<"calendar">;
  const acl = aces.length === 0 ? null : el(dav("acl"), ...aces);
  await resource.collection.change((change) => change.setProperties(undefined, new Map([[dav("acl"), acl]])));
}
const ace = (who: Element, action: "grant" | "deny", ...privileges: readonly string[]): Element =>
  el(
    dav("ace"),
    el(dav("principal"), who),
    el(dav(action), ...privileges.map((name) => el(dav("privilege"), el(dav(name))))),
    el("{http://twistedmatrix.com/xml_namespace/dav/}inheritable"),
  );

describe("without any ACL", () => {
  test("the owner may do everything", async () => {
    for (const path of [home, `${home}calendar/`, `${home}calendar/none.ics`])
      assert.ok((await rights("user01", path)).has("all"));
  });
  test("others see only when somebody is busy", async () => {
    const held = await rights("user02", `${home}calendar/`);
    assert.ok(held.has("read-free-busy"));
    assert.ok(!held.has("read") && !held.has("write"));
  });
  test("strangers may do nothing in a home", async () => assert.equal((await rights(undefined, home)).size, 0));
  test("an administrator may do everything", async () =>
    assert.ok((await rights("admin", `${home}calendar/`)).has("write-acl")));
  test("everybody who signed in may deliver to an inbox", async () =>
    assert.ok((await rights("user02", `${home}inbox/`)).has("schedule-deliver")));
  test("principals are read by who signed in", async () => {
    assert.ok((await rights("user02", "/principals/users/user01/")).has("read"));
    assert.ok(!(await rights(undefined, "/principals/users/user01/")).has("read"));
  });
  test("the owner of a proxy group sets its members", async () => {
    const path = "/principals/users/user01/calendar-proxy-write/";
    assert.ok((await rights("user01", path)).has("write-properties"));
    assert.ok(!(await rights("user02", path)).has("write-properties"));
  });
});

test("delegates read, or read and write, and never touch ACLs", async () => {
  const [user, reader, writer] = [await tree.user("user01"), await tree.user("user03"), await tree.user("user04")];
  await tree.services.directory.setDelegates(user, "read", [reader]);
  await tree.services.directory.setDelegates(user, "write", [writer]);
  const read = await rights("user03", `${home}calendar/`);
  assert.ok(read.has("read") && !read.has("write-content"));
  const write = await rights("user04", `${home}calendar/`);
  assert.ok(write.has("read") && write.has("write") && !write.has("read-acl") && !write.has("write-acl"));
  await tree.services.directory.setDelegates(user, "read", []);
  await tree.services.directory.setDelegates(user, "write", []);
});

test("a calendar's own ACL comes before what it inherits, also against its owner", async () => {
  await setAcl(
    `${home}calendar/`,
    ace(href("/principals/users/user02/"), "grant", "read"),
    ace(el(dav("all")), "deny", "bind"),
  );
  const friend = await rights("user02", `${home}calendar/`);
  assert.ok(friend.has("read") && !friend.has("write"));
  const self = await rights("user01", `${home}calendar/`);
  assert.ok(self.has("unbind") && !self.has("bind") && !self.has("all"));
  await setAcl(`${home}calendar/`);
  assert.ok((await rights("user01", `${home}calendar/`)).has("all"));
});

test("an object without an ACL of its own has the rights of its calendar", async () => {
  const calendar = (await at(`${home}calendar/`)) as Shape<"calendar">;
  const entry: ObjectEntry = {
    name: "x.ics",
    uid: "x",
    kind: "VEVENT",
    etag: '"x"' as ETag,
    size: 1,
    created: now,
    modified: now,
    scheduleTag: undefined,
    access: undefined,
    hasProperties: false,
    hasAcl: false,
  };
  const others = await tree.context("user02");
  assert.deepEqual(await others.privileges(memberResource(calendar, entry)), await others.privileges(calendar));
  const admin = await tree.context("admin");
  await setAcl(`${home}calendar/`, ace(el(dav("authenticated")), "grant", "read", "write"));
  const again = await tree.context("user02");
  const shared = (await at(`${home}calendar/`)) as Shape<"calendar">;
  const held = async (context: Context, access: string | undefined): Promise<ReadonlySet<Privilege>> =>
    context.privileges({ ...memberResource(shared, { ...entry, access }), href: `${home}${access}` } as Resource);
  assert.ok((await held(again, undefined)).has("write-content"));
  assert.ok(!(await held(again, "PRIVATE")).has("read"));
  const confidential = await held(again, "CONFIDENTIAL");
  assert.ok(confidential.has("read") && !confidential.has("write-content") && !confidential.has("write"));
  assert.ok((await held(owner, "PRIVATE")).has("all"));
  assert.ok((await held(admin, "PRIVATE")).has("all"));
  await setAcl(`${home}calendar/`);
});

test("what lacks is named with its href", async () => {
  const others = await tree.context("user02");
  const calendar = await at(`${home}calendar/`);
  await assert.rejects(
    demand(others, calendar, ["read-free-busy", "read", "bind"]),
    (error) =>
      error instanceof Refusal &&
      error.reason.code === "need-privileges" &&
      error.reason.href === `${home}calendar/` &&
      error.reason.privileges.join() === "read,bind",
  );
});

test("an ACL of the original is read: aliases, proxy groups, hidden inheritance; and written as it was", async () => {
  const original = readXml(`<acl xmlns="DAV:">
    <ace><principal><href>/principals/users/user02/</href></principal><grant><privilege><read/></privilege></grant>
      <inheritable xmlns="http://twistedmatrix.com/xml_namespace/dav/"/></ace>
    <ace><principal><href>/principals/__uids__/U%231/calendar-proxy-write/</href></principal>
      <deny><privilege><write/></privilege></deny><protected/></ace>
    <ace><invert><principal><property><owner/></property></principal></invert><grant><privilege><all/></privilege></grant></ace>
    <ace><principal><href>/principals/users/gone/</href></principal><grant><privilege><all/></privilege></grant></ace>
    <ace><principal><all/></principal><grant><privilege><fly xmlns="urn:x"/></privilege></grant></ace>
  </acl>`);
  const aces = await readAcl(original, tree.services.directory);
  const second = await tree.user("user02");
  assert.deepEqual(
    aces.map(({ who, invert, grant, privileges, inheritable }) => ({ who, invert, grant, privileges, inheritable })),
    [
      { who: { kind: "href", uid: second.uid }, invert: false, grant: true, privileges: ["read"], inheritable: true },
      {
        who: { kind: "href", uid: "U#1#calendar-proxy-write" },
        invert: false,
        grant: false,
        privileges: ["write"],
        inheritable: false,
      },
      { who: { kind: "owner" }, invert: true, grant: true, privileges: ["all"], inheritable: false },
      {
        who: { kind: "unknown", href: "/principals/users/gone/" },
        invert: false,
        grant: true,
        privileges: ["all"],
        inheritable: false,
      },
      { who: { kind: "all" }, invert: false, grant: true, privileges: [], inheritable: false },
    ],
  );
  const [first] = aces;
  assert.ok(first);
  assert.doesNotMatch(writeXml(aceElement(first)), /inheritable/);
  assert.match(writeXml(storedAce(first)), /inheritable/);
});
