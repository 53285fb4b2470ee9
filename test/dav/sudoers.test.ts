import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { textOf } from "../../src/xml/element.ts";
import { type Exchange, givenExchange, told } from "./exchange.ts";

const path = "/principals/sudoers/superuser/";
const names = `xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/"`;
const asked = [
  ...["displayname", "resourcetype", "principal-URL", "group-membership", "group-member-set"].map((one) => `D:${one}`),
  ...["record-type", "calendar-proxy-read-for", "expanded-group-membership"].map((one) => `CS:${one}`),
  ...["calendar-home-set", "calendar-user-type"].map((one) => `C:${one}`),
];
const propfind = `<D:propfind ${names}><D:prop>${asked.map((one) => `<${one}/>`).join("")}</D:prop></D:propfind>`;

describe("an administrator of the sudoers file", () => {
  let { send, end }: Exchange = {} as Exchange;
  before(async () => ({ send, end } = await givenExchange({ principalListings: true })));
  after(() => end());

  const propertiesAt = async (at: string) => {
    const [item] = told(await send("PROPFIND", at, { as: "user01", headers: { depth: "0" }, body: propfind }));
    const value = (name: string): string =>
      textOf(item?.properties.get(200)?.get(name as `{${string}}${string}`) ?? "");
    return { href: item?.href, value, missing: [...(item?.properties.get(404)?.keys() ?? [])] };
  };

  test("is a principal in no group, with no calendars", async () => {
    const { value, missing } = await propertiesAt(path);
    assert.equal(value("{DAV:}displayname"), "superuser");
    assert.equal(value("{http://calendarserver.org/ns/}record-type"), "sudoers");
    assert.equal(value("{DAV:}group-membership"), "");
    assert.equal(value("{urn:ietf:params:xml:ns:caldav}calendar-user-type"), "UNKNOWN");
    assert.deepEqual(missing, ["{urn:ietf:params:xml:ns:caldav}calendar-home-set"]);
  });

  test("has an address by GUID that stays, and answers the same there", async () => {
    const url = (await propertiesAt(path)).value("{DAV:}principal-URL").trim();
    assert.match(url, /^\/principals\/__uids__\/[0-9a-f-]{36}\/$/);
    const { href, value } = await propertiesAt(url);
    assert.equal(href, url);
    assert.equal(value("{DAV:}displayname"), "superuser");
  });

  test("is listed with the others, and the place with the places", async () => {
    const listed = async (at: string): Promise<readonly (string | undefined)[]> =>
      told(await send("PROPFIND", at, { as: "user01", headers: { depth: "1" }, body: propfind })).map(
        ({ href }) => href,
      );
    assert.deepEqual(await listed("/principals/sudoers/"), ["/principals/sudoers/", path]);
    assert.ok((await listed("/principals/")).includes("/principals/sudoers/"));
    assert.match((await send("GET", "/principals/sudoers/", { as: "user01" })).text, /superuser/);
    assert.match((await send("GET", path, { as: "user01" })).text, /superuser/);
  });

  test("has no delegates and can be none, and no search finds an invitee there", async () => {
    assert.equal(
      (await send("PROPFIND", `${path}calendar-proxy-read/`, { as: "user01", headers: { depth: "0" } })).status,
      404,
    );
    const url = (await propertiesAt(path)).value("{DAV:}principal-URL").trim();
    const set = `<D:propertyupdate ${names}><D:set><D:prop><D:group-member-set><D:href>${url}</D:href></D:group-member-set></D:prop></D:set></D:propertyupdate>`;
    const named = await send("PROPPATCH", "/principals/users/user01/calendar-proxy-read/", { as: "user01", body: set });
    assert.match(named.text, /HTTP\/1.1 400/);
    const search = `<D:principal-property-search ${names}><D:property-search><D:prop><D:displayname/></D:prop><D:match>superuser</D:match></D:property-search><D:prop><D:displayname/></D:prop></D:principal-property-search>`;
    assert.deepEqual(
      told(await send("REPORT", "/principals/", { as: "user01", headers: { depth: "0" }, body: search })),
      [],
    );
  });

  test("is nothing a stranger hears of", async () => {
    const [known, unknown] = await Promise.all(
      [path, "/principals/sudoers/nobody/"].map((at) =>
        send("PROPFIND", at, { as: null, headers: { depth: "0" }, body: propfind }),
      ),
    );
    assert.equal(known?.status, 401);
    assert.deepEqual(known?.text.replace("superuser", "nobody"), unknown?.text);
  });
});
