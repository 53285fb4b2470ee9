import assert from "node:assert/strict";
import { test } from "node:test";
import { timeZonesDoor } from "../../src/doors/timezones.ts";
import { HttpError } from "../../src/http/message.ts";
import { readCalendar } from "../../src/ical/read.ts";
import { requestOf } from "../dav/tree.ts";

const ask = async (target: string, headers: Record<string, string> = {}, method = "GET", body = "") => {
  const request = requestOf(method, target, headers, body);
  assert.ok(timeZonesDoor.claims(request.path), target);
  const { status, headers: told = {}, body: text = "" } = await timeZonesDoor.handle(request);
  assert.ok(typeof text === "string");
  return { status, headers: told, text, json: () => JSON.parse(text) as Record<string, unknown> };
};
const errorOf = async (target: string, headers?: Record<string, string>) => {
  const { status, text } = await ask(target, headers);
  const { type } = JSON.parse(text) as { type: string };
  return `${status} ${type.replace("urn:ietf:params:tzdist:error:", "")}`;
};

test("/.well-known/timezone leads to the service, and nothing else there is claimed", async () => {
  assert.equal((await ask("/.well-known/timezone")).headers["Location"], "/timezones");
  assert.equal(timeZonesDoor.claims([".well-known", "caldav"]), false);
  assert.equal(timeZonesDoor.claims(["calendars"]), false);
});

test("capabilities name the actions with their templates (RFC 7808 §5.1)", async () => {
  const { version, actions } = (await ask("/timezones/capabilities")).json() as {
    version: number;
    actions: { name: string; "uri-template": string }[];
  };
  assert.equal(version, 1);
  assert.deepEqual(
    actions.map((action) => `${action.name} ${action["uri-template"]}`),
    [
      "capabilities /timezones/capabilities",
      "list /timezones/zones{?changedsince}",
      "get /timezones/zones{/tzid}{?start,end}",
      "expand /timezones/zones{/tzid}/observances{?start,end}",
      "find /timezones/zones{?pattern}",
      "leapseconds /timezones/leapseconds",
    ],
  );
});

interface Listed {
  readonly synctoken: string;
  readonly timezones: readonly { readonly tzid: string; readonly etag: string; readonly aliases: readonly string[] }[];
}
const listed = async (target: string): Promise<Listed> => (await ask(target)).json() as unknown as Listed;

test("list tells every zone with its aliases and the tag that get answers with (§5.2)", async () => {
  const { synctoken, timezones } = await listed("/timezones/zones");
  assert.ok(timezones.length > 400);
  const york = timezones.find(({ tzid }) => tzid === "America/New_York");
  assert.deepEqual(york?.aliases, ["US/Eastern"]);
  assert.equal((await ask("/timezones/zones/America%2FNew_York")).headers["ETag"], `"${york?.etag}"`);
  assert.deepEqual((await listed(`/timezones/zones?changedsince=${synctoken}`)).timezones, []);
  assert.equal((await listed("/timezones/zones?changedsince=1999a")).timezones.length, timezones.length);
  assert.equal(await errorOf("/timezones/zones?changedsince=a&changedsince=b"), "400 invalid-changedsince");
});

test("find matches names and aliases by * at the ends, without case, _ as blank (§5.5)", async () => {
  const found = async (pattern: string) =>
    (await listed(`/timezones/zones?pattern=${encodeURIComponent(pattern)}`)).timezones.map(({ tzid }) => tzid);
  assert.deepEqual(await found("*new york"), ["America/New_York"]);
  assert.deepEqual(await found("US/Eastern"), ["America/New_York"]);
  assert.ok((await found("europe/*")).includes("Europe/Berlin"));
  assert.ok((await found("*york*")).includes("America/New_York"));
  assert.deepEqual(await found("york"), []);
  for (const pattern of ["", "a*b", "a\\b", "\\"])
    assert.equal(await errorOf(`/timezones/zones?pattern=${encodeURIComponent(pattern)}`), "400 invalid-pattern");
});

test("get gives iCalendar or jCal, conditionally, whole or cut (§5.3)", async () => {
  const whole = await ask("/timezones/zones/Europe%2FBerlin");
  assert.equal(readCalendar(whole.text).components[0]?.properties[0]?.value, "Europe/Berlin");
  assert.equal((await ask("/timezones/zones/Europe/Berlin")).text, whole.text);
  const etag = String(whole.headers["ETag"]);
  assert.equal((await ask("/timezones/zones/Europe%2FBerlin", { "if-none-match": etag })).status, 304);
  const jcal = await ask("/timezones/zones/Europe%2FBerlin", {
    accept: "application/calendar+json, text/calendar;q=0.5",
  });
  assert.match(String(jcal.headers["Content-Type"]), /^application\/calendar\+json/);
  assert.notEqual(jcal.headers["ETag"], etag);
  const cut = await ask("/timezones/zones/GB?start=2010-01-01T00:00:00Z&end=2020-01-01T00:00:00Z");
  assert.match(cut.text, /TZID-ALIAS-OF:Europe\/London\r\nTZUNTIL:20200101T000000Z\r\n/);
  assert.equal(await errorOf("/timezones/zones/America%2FPittsburgh"), "404 tzid-not-found");
  assert.equal(await errorOf("/timezones/zones/GB", { accept: "image/png" }), "406 invalid-format");
  assert.equal(await errorOf("/timezones/zones/GB?start=2010"), "400 invalid-start");
  assert.equal(await errorOf("/timezones/zones/GB?start=2010-02-30T99:00:00Z"), "400 invalid-start");
  assert.equal(
    await errorOf("/timezones/zones/GB?start=2010-01-01T00:00:00Z&end=2010-01-01T00:00:00Z"),
    "400 invalid-end",
  );
  assert.equal(await errorOf("/timezones/zones/GB?end=9999-01-01T00:00:00Z"), "400 invalid-end");
});

test("expand gives the example of RFC 7808 §5.4.1", async () => {
  const target = "/timezones/zones/America%2FNew_York/observances?start=2008-01-01T00:00:00Z&end=2009-01-01T00:00:00Z";
  assert.deepEqual((await ask(target)).json(), {
    tzid: "America/New_York",
    observances: [
      { name: "EST", onset: "2008-01-01T00:00:00Z", "utc-offset-from": -18000, "utc-offset-to": -18000 },
      { name: "EDT", onset: "2008-03-09T07:00:00Z", "utc-offset-from": -18000, "utc-offset-to": -14400 },
      { name: "EST", onset: "2008-11-02T06:00:00Z", "utc-offset-from": -14400, "utc-offset-to": -18000 },
    ],
  });
  assert.equal(await errorOf("/timezones/zones/GB/observances"), "400 invalid-start");
  assert.equal(await errorOf("/timezones/zones/GB/observances?start=2010-01-01T00:00:00Z"), "400 invalid-end");
  assert.equal(await errorOf("/timezones/nothing"), "404 invalid-action");
});

test("leap seconds are told from the first to the last (§5.6)", async () => {
  const { leapseconds } = (await ask("/timezones/leapseconds")).json() as {
    leapseconds: { "utc-offset": number; onset: string }[];
  };
  assert.deepEqual(leapseconds[0], { "utc-offset": 10, onset: "1972-01-01" });
  assert.ok(leapseconds.some((leap) => leap.onset === "2017-01-01" && leap["utc-offset"] === 37));
});

test("the original's queries are answered in XML and iCalendar; bad ones with its conditions", async () => {
  assert.match((await ask("/timezones?method=list")).text, /<CS:tzid>GB<\/CS:tzid>/);
  const london = await ask("/timezones?method=get&tzid=Europe/London");
  assert.match(london.text, /DTSTART:19960331T010000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nTZNAME:GMT\/BST\r\n/);
  const expanded = await ask("/timezones/?method=expand&tzid=America/New_York&start=20080101&end=20090101", {}, "POST");
  assert.match(
    expanded.text,
    /<CS:onset>20080309T020000<\/CS:onset><CS:utc-offset>-0400<\/CS:utc-offset><\/CS:observance>/,
  );
  const conditionOf = async (query: string) => {
    const { status, text } = await ask(`/timezones?${query}`);
    return `${status} ${/<CS:([a-z-]+)\/>/.exec(text)?.[1]}`;
  };
  assert.equal(await conditionOf("method=dance"), "400 supported-method");
  assert.equal(await conditionOf("method=list&method=get"), "400 valid-method");
  assert.equal(await conditionOf("method=get"), "400 valid-timezone");
  assert.equal(await conditionOf("method=get&tzid=America/Pittsburgh"), "404 timezone-available");
  assert.equal(await conditionOf("method=expand&tzid=GB&start=now&end=20090101"), "400 valid-start-date");
  assert.equal(await conditionOf("method=expand&tzid=GB&start=20090101&end=20090101"), "400 valid-end-date");
});

test("the service can be looked at and not changed", async () => {
  assert.match(String((await ask("/timezones")).headers["Content-Type"]), /^text\/html/);
  const looked = await ask(
    "/timezones",
    {},
    "PROPFIND",
    '<propfind xmlns="DAV:"><prop><resourcetype/><x/></prop></propfind>',
  );
  assert.equal(looked.status, 207);
  assert.match(looked.text, /<CS:timezones\/>/);
  const status = (method: string) => (error: unknown) =>
    error instanceof HttpError && error.status === (method === "PATCH" ? 405 : 403);
  for (const method of ["PUT", "DELETE", "PROPPATCH", "MKCOL", "PATCH"])
    await assert.rejects(() => ask("/timezones", {}, method), status(method));
});
