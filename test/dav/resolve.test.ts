import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Context } from "../../src/dav/registry.ts";
import { childrenOf, resolve, resolveHref } from "../../src/dav/resolve.ts";
import type { Resource } from "../../src/dav/resource.ts";
import { HttpError } from "../../src/http/message.ts";
import { decodePath } from "../../src/http/uri.ts";
import { givenTree, type Tree } from "./tree.ts";

const uid = "10000000-0000-0000-0000-000000000001";

let tree: Tree;
let context: Context;
before(async () => {
  tree = await givenTree();
  context = await tree.context("user01");
});
after(() => tree.end());

const at = (path: string, as = context): Promise<Resource> => resolve(decodePath(path), path, as);
const kindAt = async (path: string): Promise<string> => (await at(path)).kind;

describe("a path means", () => {
  const meanings: Readonly<Record<string, string>> = {
    "/": "root",
    "/principals/": "principal-root",
    "/principals/users/": "principal-type",
    "/principals/sudoers/": "principal-type",
    "/principals/sudoers/superuser/": "principal",
    "/principals/sudoers/user01/": "unmapped",
    "/calendars/sudoers/superuser/": "unmapped",
    "/principals/__uids__/": "principal-type",
    "/principals/users/user01/": "principal",
    [`/principals/__uids__/${uid}/`]: "principal",
    [`/principals/__uids__/${uid}%23calendar-proxy-read/`]: "proxy-group",
    [`/principals/__uids__/${uid}/calendar-proxy-write/`]: "proxy-group",
    "/principals/users/user01/calendar-proxy-read/": "proxy-group",
    "/principals/groups/group01/": "principal",
    "/principals/users/nobody/": "unmapped",
    "/principals/users/user01/other/": "unmapped",
    "/principals/elves/": "unmapped",
    "/calendars/": "calendar-root",
    "/calendars/users/": "calendar-type",
    "/calendars/users/user01/": "home",
    [`/calendars/__uids__/${uid}/`]: "home",
    "/calendars/users/user01/calendar/": "calendar",
    "/calendars/users/user01/inbox/": "inbox",
    "/calendars/users/user01/outbox/": "outbox",
    "/calendars/users/user01/none/": "unmapped",
    "/calendars/users/nobody/": "unmapped",
    "/favicon.ico": "unmapped",
  };
  for (const [path, kind] of Object.entries(meanings))
    test(`${path} → ${kind}`, async () => assert.equal(await kindAt(path), kind));
});

test("the address stays in the form the client used", async () => {
  for (const path of [
    "/calendars/users/user01/calendar/",
    `/calendars/__uids__/${uid}/calendar/`,
    "/calendars/users/user%301/",
  ])
    assert.equal((await at(path)).href, path);
  assert.equal((await at("/calendars/users/user01")).href, "/calendars/users/user01/");
  assert.equal((await at("/calendars//users/user01/")).href, "/calendars/users/user01/");
});

test("what is not there knows its parent, and nothing when even that is missing", async () => {
  const missing = await at("/calendars/users/user01/calendar/none.ics");
  assert.ok(missing.kind === "unmapped");
  assert.equal(missing.name, "none.ics");
  assert.equal(missing.parent?.kind, "calendar");
  assert.equal(missing.parent?.href, "/calendars/users/user01/calendar/");
  const deeper = await at("/calendars/users/user01/none/none.ics");
  assert.ok(deeper.kind === "unmapped");
  assert.equal(deeper.parent, undefined);
});

test("a name that no file system has is not there, at any depth", async () => {
  for (const path of [
    `/calendars/users/user01/${"x".repeat(256)}/`,
    `/calendars/users/user01/calendar/${"%C3%A4".repeat(128)}`,
    `/calendars/users/user01/${"a/".repeat(2000)}`,
  ])
    assert.equal(await kindAt(path), "unmapped");
});

test("a home is made for who signed in, and not for a stranger", async () => {
  const stranger = await tree.context(undefined);
  const owner = await tree.user("user05");
  assert.equal((await at("/calendars/users/user05/", stranger)).kind, "unmapped");
  assert.equal((await at("/calendars/users/user05/calendar/x.ics", stranger)).kind, "unmapped");
  assert.equal(await tree.store.provisioned(owner), false);
  assert.equal((await at("/calendars/users/user05/calendar/", await tree.context("user06"))).kind, "calendar");
  assert.equal(await tree.store.provisioned(owner), true);
});

test("an href is understood as a path, and as a URL whatever name the server goes by", async () => {
  for (const href of [
    "/calendars/users/user01/",
    "http://localhost:8008/calendars/users/user01/",
    "https://proxy.example/calendars/users/user01/",
  ])
    assert.equal((await resolveHref(href, context))?.kind, "home");
  for (const href of ["mailto:a@example.com", "calendars/users", "/calendars/../x", "/%ff"])
    assert.equal(await resolveHref(href, context), undefined);
});

describe("what lies inside", () => {
  const children = async (path: string): Promise<Resource[]> => {
    const all: Resource[] = [];
    for await (const page of childrenOf(await at(path), context)) all.push(...page);
    return all;
  };
  test("a home lists its collections in order of name, and files behind", async () => {
    const found = await children("/calendars/users/user01/");
    assert.deepEqual(
      found.filter(({ kind }) => kind !== "dropbox").map(({ href }) => href),
      ["calendar", "inbox", "outbox", "tasks"].map((name) => `/calendars/users/user01/${name}/`),
    );
  });
  test("the principals of a type are listed by short name", async () => {
    const hrefs: string[] = (await children("/principals/users/")).map(({ href }) => href);
    assert.ok(hrefs.includes("/principals/users/user01/"));
  });
  test("__uids__ is never listed", async () => {
    for (const path of ["/principals/__uids__/", "/calendars/__uids__/"])
      await assert.rejects(children(path), (error) => error instanceof HttpError && error.status === 403);
  });
  test("/calendars/users/ opens nobody's home but one's own", async () => {
    const hrefs = (await children("/calendars/users/")).map(({ href }) => href);
    assert.deepEqual(hrefs, ["/calendars/users/user01/"]);
  });
});

test("property values use the canonical form, whatever was asked", async () => {
  const user = await tree.user("user01");
  const { urls } = tree.services;
  assert.equal(urls.principal(user), `/principals/__uids__/${uid}/`);
  assert.equal(urls.collection({ owner: user, path: ["a b", "é"] }), `/calendars/__uids__/${uid}/a%20b/%C3%A9/`);
  assert.equal(urls.proxyGroup(user, "read"), `/principals/__uids__/${uid}/calendar-proxy-read/`);
  for (const href of ["/principals/users/user01/", `http://x/principals/__uids__/${uid}`])
    assert.equal((await urls.principalOf(href))?.uid, uid);
  assert.equal(await urls.principalOf("/principals/users/user01/calendar-proxy-read/"), undefined);
});

test("whoever comes while another worker makes the home finds it, at whatever moment it is made", async () => {
  const fresh = await givenTree();
  for (let moment = 1; moment <= 8; moment++) {
    const name = `user0${moment}`;
    const as = await fresh.context(name);
    const owner = await fresh.user(name);
    let calls = 0;
    // The real store; right before one of the questions to it, the home comes to be.
    const store = new Proxy(fresh.store, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== "function") return value;
        if (key === "met") return value.bind(target);
        return async (...words: unknown[]) => {
          if (++calls === moment) await target.provision(owner);
          return value.apply(target, words);
        };
      },
    });
    const path = `/calendars/users/${name}/calendar/`;
    const found = await resolve(decodePath(path), path, { ...as, services: { ...as.services, store } });
    assert.equal(found.kind, "calendar", `made before question ${moment}`);
  }
  await fresh.end();
});
