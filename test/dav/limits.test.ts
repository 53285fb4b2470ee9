import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { cs, dav } from "../../src/xml/element.ts";
import { type Exchange, event, givenExchange, propertyText, refused } from "./exchange.ts";

const home = "/calendars/users/user01/";
const calendar = `${home}calendar/`;
const plain = { "content-type": "text/plain" };

let exchange: Exchange;
// A new home has calendar and tasks; so four more collections fit, and three objects.
before(async () => {
  exchange = await givenExchange({ maxCollectionsPerHome: 6, maxResourcesPerCollection: 3 });
});
after(() => exchange.end());

const go = (method: string, from: string, to: string, headers: Readonly<Record<string, string>> = {}) =>
  exchange.send(method, from, { headers: { destination: to, host: "localhost", ...headers } });
const status = async (method: string, path: string, options: object = {}): Promise<number> =>
  (await exchange.send(method, path, options)).status;

describe("MaxCollectionsPerHome", () => {
  test("counts collections inside collections too", async () => {
    assert.equal(await status("MKCOL", `${home}a/`), 201);
    assert.equal(await status("MKCOL", `${home}a/b/`), 201);
    assert.equal(await status("MKCALENDAR", `${home}a/b/c/`), 201);
    assert.equal(await status("MKCOL", `${home}a/d/`), 201);
    refused(await exchange.send("MKCOL", `${home}a/e/`), "max-collections");
    refused(await exchange.send("MKCALENDAR", `${home}e/`), "max-collections");
  });

  test("holds for a COPY with all that comes along, before anything is done", async () => {
    assert.equal(await status("DELETE", `${home}a/b/c/`), 204);
    refused(await go("COPY", `${home}a/`, `${home}f/`), "max-collections");
    assert.equal(await status("GET", `${home}f/`), 404);
    // Without what is in it there is room for one.
    assert.equal((await go("COPY", `${home}a/`, `${home}f/`, { depth: "0" })).status, 201);
    // What is replaced makes room.
    assert.equal((await go("COPY", `${home}a/d/`, `${home}f/`, { overwrite: "T" })).status, 204);
  });

  test("does not hinder a MOVE, nor boxes for attachments", async () => {
    assert.equal((await go("MOVE", `${home}f/`, `${home}g/`)).status, 201);
    await exchange.send("MKCOL", `${home}dropbox/`);
    for (const box of ["one", "two", "three"]) assert.equal(await status("MKCOL", `${home}dropbox/${box}/`), 201);
  });

  test("is told on the home, and MaxResourcesPerCollection on calendars", async () => {
    const ask = (path: string) =>
      exchange.send("PROPFIND", path, {
        headers: { depth: "0" },
        body: `<propfind xmlns="DAV:" xmlns:S="http://calendarserver.org/ns/"><prop><S:max-collections/><S:max-resources/></prop></propfind>`,
      });
    assert.equal(propertyText(await ask(home), home, cs("max-collections")), "6");
    assert.equal(propertyText(await ask(calendar), calendar, cs("max-resources")), "3");
  });
});

test("MaxResourcesPerCollection holds for PUT, POST, COPY and MOVE, not for replacing", async () => {
  for (const name of ["1", "2", "3"]) await exchange.put(`${calendar}${name}.ics`, event(name));
  refused(
    await exchange.send("PUT", `${calendar}4.ics`, { headers: { "content-type": "text/calendar" }, body: event("4") }),
    "max-resources",
  );
  refused(
    await exchange.send("POST", `${calendar};add-member`, {
      headers: { "content-type": "text/calendar" },
      body: event("4"),
    }),
    "max-resources",
  );
  await exchange.put(`${home}g/4.ics`, event("4"));
  refused(await go("COPY", `${home}g/4.ics`, `${calendar}4.ics`), "max-resources");
  refused(await go("MOVE", `${home}g/4.ics`, `${calendar}4.ics`), "max-resources");
  assert.equal(await status("GET", `${home}g/4.ics`), 200);
  await exchange.put(`${calendar}3.ics`, event("3", { summary: "again" }));
});

test("the quota holds for COPY, of a whole collection before anything is done, and is freed by DELETE", async () => {
  // 104,857,600 bytes for each home.
  const send = (path: string, body: string) => exchange.send("PUT", path, { as: "user02", headers: plain, body });
  const at = "/calendars/users/user02/";
  await exchange.send("MKCOL", `${at}big/`, { as: "user02" });
  const block = "x".repeat(15_000_000);
  for (const name of ["1", "2"]) assert.equal((await send(`${at}big/${name}`, block)).status, 201);
  const copy = (from: string, to: string) =>
    exchange.send("COPY", from, { as: "user02", headers: { destination: to, host: "localhost" } });
  assert.equal((await copy(`${at}big/`, `${at}big2/`)).status, 201);
  assert.equal((await copy(`${at}big/`, `${at}big3/`)).status, 201);
  refused(await copy(`${at}big/`, `${at}big4/`), "quota-not-exceeded", 507);
  assert.equal(await status("GET", `${at}big4/`, { as: "user02" }), 404);
  refused(await copy(`${at}big/1`, `${at}one`), "quota-not-exceeded", 507);
  const left = async (): Promise<string | undefined> =>
    propertyText(
      await exchange.send("PROPFIND", `${at}big/`, {
        as: "user02",
        headers: { depth: "0" },
        body: `<propfind xmlns="DAV:"><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>`,
      }),
      `${at}big/`,
      dav("quota-available-bytes"),
    );
  assert.equal(await left(), String(104_857_600 - 90_000_000));
  assert.equal(await status("DELETE", `${at}big2/`, { as: "user02" }), 204);
  assert.equal(await left(), String(104_857_600 - 60_000_000));
  assert.equal((await copy(`${at}big/1`, `${at}one`)).status, 201);
});
