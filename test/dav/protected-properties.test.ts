import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { caldav, cs, dav, el, type QName } from "../../src/xml/element.ts";
import { writeXml } from "../../src/xml/write.ts";
import { type Exchange, event, givenExchange, told } from "./exchange.ts";

const home = "/calendars/users/user01/";
let exchange: Exchange;
before(async () => {
  exchange = await givenExchange();
  await exchange.put(`${home}calendar/a.ics`, event("a"));
  await exchange.send("MKCOL", `${home}folder/`);
});
after(() => exchange.end());

const set = (path: string, name: QName) =>
  exchange.send("PROPPATCH", path, {
    headers: { "content-type": "application/xml" },
    body: writeXml(el(dav("propertyupdate"), el(dav("set"), el(dav("prop"), el(name, "x"))))),
  });

test("what the server computes on one kind of resource is set by nobody on another", async () => {
  for (const name of [
    ...[caldav("calendar-home-set"), caldav("schedule-inbox-URL"), dav("principal-URL"), dav("resource-id")],
    ...[cs("email-address-set"), cs("max-resources"), cs("publish-url"), caldav("schedule-tag"), cs("getctag")],
  ])
    for (const path of ["folder/", "inbox/", "outbox/", "calendar/a.ics", ""].map((place) => home + place)) {
      const [answer] = told(await set(path, name));
      assert.equal(answer?.properties.get(403)?.has(name), true, `${path} ${name}`);
    }
});

test("a property that nobody computes is stored wherever somebody puts it", async () => {
  for (const path of ["folder/", "inbox/", "calendar/a.ics"].map((place) => home + place))
    assert.equal(
      told(await set(path, "{urn:x}mine"))[0]
        ?.properties.get(200)
        ?.has("{urn:x}mine"),
      true,
      path,
    );
});
