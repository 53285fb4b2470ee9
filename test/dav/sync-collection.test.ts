import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { child, dav, textOf } from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";
import { type Answer, type Exchange, event, givenExchange, hrefsOf, refused, told } from "./exchange.ts";

const home = "/calendars/users/user01/";
const calendar = `${home}calendar/`;
let { send, put, end }: Exchange = {} as Exchange;
before(async () => ({ send, put, end } = await givenExchange()));
after(() => end());

const sync = (token = "", { path = calendar, level = "1", limit = 0, headers = {} } = {}) =>
  send("REPORT", path, {
    headers,
    body:
      `<D:sync-collection xmlns:D="DAV:"><D:sync-token>${token}</D:sync-token>` +
      (level === "" ? "" : `<D:sync-level>${level}</D:sync-level>`) +
      (limit === 0 ? "" : `<D:limit><D:nresults>${limit}</D:nresults></D:limit>`) +
      `<D:prop><D:getetag/></D:prop></D:sync-collection>`,
  });
const tokenOf = (answer: Answer): string => textOf(child(readXml(answer.text), dav("sync-token")) ?? "");

describe("sync-collection on a calendar", () => {
  test("tells first everything, then what changed, then nothing", async () => {
    await put(`${calendar}1.ics`, event("1"));
    await put(`${calendar}2.ics`, event("2"));
    const first = await sync();
    assert.deepEqual(hrefsOf(first), [`${calendar}1.ics`, `${calendar}2.ics`]);
    assert.match(tokenOf(first), /^data:,/);
    await put(`${calendar}2.ics`, event("2", { summary: "new" }));
    await put(`${calendar}3.ics`, event("3"));
    await send("DELETE", `${calendar}1.ics`);
    const second = await sync(tokenOf(first));
    assert.deepEqual(hrefsOf(second), [`${calendar}2.ics`, `${calendar}3.ics`, `${calendar}1.ics 404`]);
    const third = await sync(tokenOf(second));
    assert.deepEqual(hrefsOf(third), []);
    assert.equal(tokenOf(third), tokenOf(second));
    const propfind = `<D:propfind xmlns:D="DAV:"><D:prop><D:sync-token/></D:prop></D:propfind>`;
    const live = told(await send("PROPFIND", calendar, { headers: { depth: "0" }, body: propfind }))[0];
    assert.equal(textOf(live?.properties.get(200)?.get("{DAV:}sync-token") ?? ""), tokenOf(third));
  });

  for (const depth of ["0", "1", undefined])
    test(`is answered with Depth ${depth}, with and without sync-level`, async () => {
      const headers = depth === undefined ? {} : { depth };
      for (const level of ["1", ""]) assert.equal((await sync("", { level, headers })).status, 207);
    });

  test("refuses tokens that are not its own with valid-sync-token", async () => {
    await send("MKCALENDAR", `${home}other/`);
    const foreign = tokenOf(await sync("", { path: `${home}other/` }));
    for (const token of ["x", "data:,x", "data:,0-0", "http://example.com/ns/sync/1", foreign])
      refused(await sync(token), "valid-sync-token");
  });

  test("refuses an unknown level and a limit that is no number", async () => {
    assert.equal((await sync("", { level: "bogus" })).status, 400);
    assert.equal((await sync("", { limit: -1 })).status, 400);
  });

  test("truncates at the client's limit, and the pieces together are the whole", async () => {
    await send("MKCALENDAR", `${home}many/`);
    const path = `${home}many/`;
    for (let at = 0; at < 25; at++) await put(`${path}${at}.ics`, event(`${at}`));
    const seen = new Set<string>();
    let token = "";
    let rounds = 0;
    for (let more = true; more; rounds++) {
      const answer = await sync(token, { path, limit: 10 });
      const own = told(answer).find(({ href }) => href === path);
      more = own?.status === 507;
      if (more) assert.equal(own?.error, dav("number-of-matches-within-limits"));
      for (const { href } of told(answer)) if (href !== path) seen.add(href);
      token = tokenOf(answer);
    }
    assert.equal(rounds, 3);
    assert.equal(seen.size, 25);
    assert.deepEqual(hrefsOf(await sync(token, { path })), []);
  });

  test("answers a large calendar page by page", async () => {
    await send("MKCALENDAR", `${home}large/`);
    const path = `${home}large/`;
    await Promise.all(Array.from({ length: 2300 }, (_, at) => put(`${path}${at}.ics`, event(`${at}`))));
    const answer = await sync("", { path });
    assert.equal(hrefsOf(answer).length, 2300);
    assert.deepEqual(hrefsOf(await sync(tokenOf(answer), { path })), []);
    assert.deepEqual(answer.log, ["DAV:sync-collection", "responses=2300"]);
  });
});

describe("sync-collection on a home", () => {
  const at = (token = "", level = "1") => sync(token, { path: home, level });
  const below = (answer: Answer): readonly string[] => hrefsOf(answer).map((href) => href.slice(home.length));

  test("tells which collections changed, came and went", async () => {
    await send("MKCALENDAR", `${home}a/`);
    const first = await at();
    for (const name of ["a/", "calendar/", "inbox/"]) assert.ok(below(first).includes(name), name);
    assert.deepEqual(below(await at(tokenOf(first))), []);
    await put(`${home}a/1.ics`, event("home-1"));
    const second = await at(tokenOf(first));
    assert.deepEqual(below(second), ["a/"]);
    await send("MKCALENDAR", `${home}b/`);
    await send("DELETE", `${home}a/`);
    const third = await at(tokenOf(second));
    assert.deepEqual(below(third), ["b/", "a/ 404"]);
    assert.deepEqual(below(await at(tokenOf(third))), []);
  });

  test("with level infinite tells the members too", async () => {
    await send("MKCALENDAR", `${home}c/`);
    const first = await at("", "infinite");
    await put(`${home}c/1.ics`, event("deep-1"));
    await put(`${home}c/2.ics`, event("deep-2"));
    const second = await at(tokenOf(first), "infinite");
    assert.deepEqual(below(second), ["c/", "c/1.ics", "c/2.ics"]);
    await send("DELETE", `${home}c/1.ics`);
    assert.deepEqual(below(await at(tokenOf(second), "infinite")), ["c/", "c/1.ics 404"]);
  });

  test("refuses a calendar's token", async () => {
    refused(await at(tokenOf(await sync())), "valid-sync-token");
  });
});
