import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { supportedKinds } from "../../src/dav/properties/calendar.ts";
import { propertyValue } from "../../src/dav/property-value.ts";
import { type AnyProperty, type Context, creationValue } from "../../src/dav/registry.ts";
import { resolve } from "../../src/dav/resolve.ts";
import { type Resource, resourceKinds, type Shape } from "../../src/dav/resource.ts";
import { HttpError } from "../../src/http/message.ts";
import { decodePath } from "../../src/http/uri.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { caldav, cs, dav, type Element, el, href, ical, type QName } from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";
import { propertyMarkup } from "../../src/xml/write.ts";
import { givenTree, type Tree } from "./tree.ts";

const home = "/calendars/users/user01/";
const uid = "10000000-0000-0000-0000-000000000001";

let tree: Tree;
let context: Context;
before(async () => {
  tree = await givenTree();
  context = await tree.context("user01");
});
after(() => tree.end());

const at = (path: string): Promise<Resource> => resolve(decodePath(path), path, context);

/** The property's markup as PROPFIND tells it; "403" or "404" when it does not. */
async function value(path: string, name: QName): Promise<string> {
  const { status, value } = await propertyValue(el(name), await at(path), context);
  if (status !== 200 || value === undefined) return `${status}`;
  return typeof value !== "string" && "name" in value && value.name === name
    ? propertyMarkup(name, value.children)
    : propertyMarkup(name, value);
}

async function set(path: string, element: Element | null, name = element?.name): Promise<Element | null | undefined> {
  const resource = await at(path);
  assert.ok(name);
  const property = tree.services.registry.property(name, resource.kind);
  assert.ok(property?.accept, `${name} is protected`);
  const stored = await property.accept(element, resource, context);
  if (stored !== undefined && "collection" in resource)
    await resource.collection.change((change) => change.setProperties(undefined, new Map([[name, stored]])));
  return stored;
}

const refuses = (work: Promise<unknown>, code: string): Promise<void> =>
  assert.rejects(work, (error) => error instanceof Refusal && error.reason.code === code);

describe("a principal tells", () => {
  const principal = "/principals/users/user01/";
  test("exactly one calendar home", async () =>
    assert.equal(
      await value(principal, caldav("calendar-home-set")),
      `<C:calendar-home-set><D:href>/calendars/__uids__/${uid}/</D:href></C:calendar-home-set>`,
    ));
  test("its mail address first, and its URLs among its addresses", async () => {
    const addresses = await value(principal, caldav("calendar-user-address-set"));
    assert.match(addresses, /^<C:calendar-user-address-set><D:href>mailto:user01@example\.com<\/D:href>/);
    for (const address of [
      `urn:uuid:${uid}`,
      `/principals/__uids__/${uid}/`,
      "/principals/users/user01/",
      "http://localhost:8008/principals/users/user01/",
    ])
      assert.ok(addresses.includes(`<D:href>${address}</D:href>`), address);
  });
  test("that it is one, in resourcetype", async () =>
    assert.match(await value(principal, dav("resourcetype")), /<D:principal\/>/));
  test("inbox, outbox and dropbox in the canonical form", async () => {
    assert.match(await value(principal, caldav("schedule-inbox-URL")), new RegExp(`/calendars/__uids__/${uid}/inbox/`));
    assert.match(await value(principal, caldav("schedule-outbox-URL")), /\/outbox\//);
    assert.match(await value(principal, cs("dropbox-home-URL")), /\/dropbox\//);
  });
  test("no home when it has no calendars", async () => {
    assert.equal(await value("/principals/groups/group01/", caldav("calendar-home-set")), "404");
    assert.match(await value("/principals/groups/group01/", dav("group-member-set")), new RegExp(uid));
    assert.equal(
      await value("/principals/groups/group01/", caldav("calendar-user-type")),
      "<C:calendar-user-type>GROUP</C:calendar-user-type>",
    );
  });
  test("who is asking", async () =>
    assert.equal(
      await value("/", dav("current-user-principal")),
      `<D:current-user-principal><D:href>/principals/__uids__/${uid}/</D:href></D:current-user-principal>`,
    ));
});

test("delegates are set as the complete new list, named by their canonical address; they find it in group-membership", async () => {
  const group = "/principals/users/user01/calendar-proxy-write/";
  const other = await tree.user("user02");
  const set2 = el(
    dav("group-member-set"),
    href(`/principals/__uids__/${other.uid}/`),
    href(`/principals/__uids__/${other.uid}/`),
  );
  assert.equal(await set(group, set2), undefined);
  assert.equal(
    await value(group, dav("group-member-set")),
    `<D:group-member-set><D:href>/principals/__uids__/${other.uid}/</D:href></D:group-member-set>`,
  );
  assert.match(
    await value("/principals/users/user02/", dav("group-membership")),
    new RegExp(`${uid}/calendar-proxy-write/`),
  );
  assert.match(
    await value("/principals/users/user02/", cs("calendar-proxy-write-for")),
    new RegExp(`/principals/__uids__/${uid}/<`),
  );
  for (const named of [
    "/principals/users/nobody/",
    "/principals/users/user02/",
    `http://localhost:8008/principals/__uids__/${other.uid}/`,
    `/principals/__uids__/${other.uid}/calendar-proxy-read/`,
    `/principals/__uids__/${other.uid}`,
    "/principals/__uids__/00000000-0000-0000-0000-000000000000/",
    "/principals/sudoers/superuser/",
    "mailto:user02@example.com",
    "",
  ])
    await assert.rejects(
      set(group, el(dav("group-member-set"), href(`/principals/__uids__/${uid}/`), href(named))),
      (error) => error instanceof HttpError && error.status === 400,
      named,
    );
  assert.match(await value(group, dav("group-member-set")), new RegExp(other.uid));
  await set(group, el(dav("group-member-set")));
  assert.equal(await value(group, dav("group-member-set")), "<D:group-member-set/>");
});

describe("a calendar", () => {
  const calendar = `${home}calendar/`;
  test("always has a name and a set of components", async () => {
    assert.equal(await value(calendar, dav("displayname")), "<D:displayname>calendar</D:displayname>");
    assert.match(await value(calendar, caldav("supported-calendar-component-set")), /<C:comp name="VEVENT"\/>/);
  });
  test("has a getctag that is its sync token, and a URI for add-member", async () => {
    const { info } = (await at(calendar)) as Shape<"calendar">;
    assert.equal(await value(calendar, cs("getctag")), `<CS:getctag>${info.syncToken}</CS:getctag>`);
    assert.equal(
      await value(calendar, dav("add-member")),
      `<D:add-member><D:href>/calendars/__uids__/${uid}/calendar/;add-member</D:href></D:add-member>`,
    );
    assert.equal(await value(home, dav("add-member")), "404");
  });
  test("tells write beside all, or clients take it for read-only", async () =>
    assert.match(await value(calendar, dav("current-user-privilege-set")), /<D:write-content\/>/));
  test("counts its home's quota", async () => {
    assert.equal(await value(calendar, dav("quota-used-bytes")), "<D:quota-used-bytes>0</D:quota-used-bytes>");
    assert.equal(
      await value(calendar, dav("quota-available-bytes")),
      "<D:quota-available-bytes>104857600</D:quota-available-bytes>",
    );
    assert.equal(await value("/calendars/", dav("quota-used-bytes")), "404");
  });
  test("is opaque until something else is set, which must be one of two", async () => {
    assert.match(await value(calendar, caldav("schedule-calendar-transp")), /<C:opaque\/>/);
    await set(calendar, el(caldav("schedule-calendar-transp"), el(caldav("transparent"))));
    assert.match(await value(calendar, caldav("schedule-calendar-transp")), /<C:transparent\/>/);
    await assert.rejects(
      set(calendar, el(caldav("schedule-calendar-transp"), "opaque")),
      /either opaque or transparent/,
    );
    await set(calendar, null, caldav("schedule-calendar-transp"));
  });
  test("fixes its components at creation: known ones only, protected afterwards", async () => {
    const name = caldav("supported-calendar-component-set");
    const property = tree.services.registry.property(name, "calendar") as AnyProperty;
    assert.equal(property.accept, undefined);
    const asked = readXml(
      '<C:supported-calendar-component-set xmlns:C="urn:ietf:params:xml:ns:caldav"><C:comp name="vtodo"/></C:supported-calendar-component-set>',
    );
    const stored = await creationValue(property, asked, context);
    assert.deepEqual(supportedKinds(new Map([[name, stored]])), ["VTODO"]);
    assert.ok(supportedKinds(new Map()).includes("VEVENT"));
    const bad = readXml(
      '<C:supported-calendar-component-set xmlns:C="urn:ietf:params:xml:ns:caldav"><C:comp name="VBOGUS"/></C:supported-calendar-component-set>',
    );
    assert.throws(
      () => creationValue(property, bad, context),
      (error) => error instanceof Refusal && error.reason.code === "supported-calendar-component",
    );
  });
  test("gives protected properties to nobody", async () => {
    for (const name of [
      dav("getetag"),
      cs("getctag"),
      dav("resourcetype"),
      dav("owner"),
      dav("sync-token"),
      caldav("schedule-tag"),
    ])
      for (const kind of resourceKinds) assert.equal(tree.services.registry.property(name, kind)?.accept, undefined);
    assert.throws(
      () =>
        creationValue(
          tree.services.registry.property(dav("getetag"), "calendar") as AnyProperty,
          el(dav("getetag")),
          context,
        ),
      Refusal,
    );
  });
  test("leaves Apple's colour and order to the store", () => {
    for (const name of [ical("calendar-color"), ical("calendar-order")])
      assert.equal(tree.services.registry.property(name, "calendar"), undefined);
  });
});

const berlin = [
  "BEGIN:VCALENDAR",
  "VERSION:2.0",
  "PRODID:-//test//EN",
  "BEGIN:VTIMEZONE",
  "TZID:Europe/Berlin",
  "BEGIN:STANDARD",
  "DTSTART:19701025T030000",
  "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
  "TZOFFSETFROM:+0200",
  "TZOFFSETTO:+0100",
  "END:STANDARD",
  "BEGIN:DAYLIGHT",
  "DTSTART:19700329T020000",
  "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
  "TZOFFSETFROM:+0100",
  "TZOFFSETTO:+0200",
  "END:DAYLIGHT",
  "END:VTIMEZONE",
  "END:VCALENDAR",
  "",
].join("\r\n");

describe("a calendar's time zone", () => {
  const calendar = `${home}calendar/`;
  const zone = caldav("calendar-timezone");
  const id = caldav("calendar-timezone-id");
  test("is one VTIMEZONE and nothing else; its id is read from it (RFC 7809 §5.2)", async () => {
    await set(calendar, el(zone, berlin));
    assert.match(await value(calendar, zone), /TZID:Europe\/Berlin/);
    assert.equal(await value(calendar, id), "<C:calendar-timezone-id>Europe/Berlin</C:calendar-timezone-id>");
    await set(calendar, null, zone);
    for (const text of ["", "nonsense", berlin.replaceAll("VTIMEZONE", "VEVENT")])
      await refuses(set(calendar, el(zone, text)), "valid-calendar-data");
  });
  test("may be set by the name of a zone that is known", async () => {
    await set(calendar, el(id, "America/New_York"));
    assert.match(await value(calendar, id), /America\/New_York/);
    await set(calendar, null, id);
    await refuses(set(calendar, el(id, "Moon/Tycho")), "valid-timezone");
  });
  test("ends what was said in the other form", () => {
    assert.deepEqual(tree.services.registry.property(zone, "calendar")?.replaces, [id]);
    assert.deepEqual(tree.services.registry.property(id, "calendar")?.replaces, [zone]);
  });
});

describe("the inbox", () => {
  const inbox = `${home}inbox/`;
  test("takes calendars into its free-busy set, in the canonical form, and nothing else", async () => {
    const name = caldav("calendar-free-busy-set");
    await set(inbox, el(name, href(`${home}calendar/`)));
    assert.match(await value(inbox, name), new RegExp(`/calendars/__uids__/${uid}/calendar/`));
    await refuses(set(inbox, el(name, href(`${home}inbox/`))), "valid-calendar-url");
  });
  test("names `calendar` as the default calendar until one of the user's own is set", async () => {
    const name = caldav("schedule-default-calendar-URL");
    assert.match(await value(inbox, name), /\/calendar\//);
    await refuses(
      set(inbox, el(name, href("/calendars/users/user02/calendar/"))),
      "valid-schedule-default-calendar-URL",
    );
    await refuses(set(inbox, el(name)), "valid-schedule-default-calendar-URL");
  });
  test("has one availability under two names", async () => {
    const text = berlin.replaceAll("VTIMEZONE", "VAVAILABILITY");
    await set(inbox, el(cs("calendar-availability"), text));
    for (const name of [cs("calendar-availability"), caldav("calendar-availability")])
      assert.match(await value(inbox, name), /BEGIN:VAVAILABILITY/);
    await refuses(set(inbox, el(cs("calendar-availability"), berlin)), "valid-calendar-data");
  });
});

test("default alarms are one VALARM, or empty for none", async () => {
  const name = caldav("default-alarm-vevent-datetime");
  const alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nDESCRIPTION:x\r\nEND:VALARM\r\n";
  await set(home, el(name, alarm));
  assert.match(await value(home, name), /BEGIN:VALARM/);
  await set(home, el(name, ""));
  await refuses(set(home, el(name, "BEGIN:VEVENT\r\nEND:VEVENT\r\n")), "valid-calendar-data");
});

test("every property of a kind has one declaration", () => {
  // makeRegistry throws otherwise; the tree was made.
  assert.ok(tree.services.registry.propertiesOn("calendar").length > 30);
});
