import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { dav, el, href } from "../../src/xml/element.ts";
import { put as store } from "../support/store.ts";
import { type Exchange, givenExchange, refused } from "./exchange.ts";

const home = (user: string): string => `/calendars/users/${user}/`;
const mail = (user: string): string => `mailto:${user}@example.com`;

const meeting = (uid: string, more: readonly string[] = []): string =>
  [
    ...[
      "BEGIN:VCALENDAR",
      "VERSION:2.0",
      "PRODID:-//test//EN",
      "BEGIN:VEVENT",
      `UID:${uid}`,
      "DTSTAMP:20260101T000000Z",
    ],
    ...["DTSTART:20260105T100000Z", "DTEND:20260105T110000Z", `SUMMARY:${uid}`, `ORGANIZER:${mail("user01")}`],
    ...[`ATTENDEE;PARTSTAT=ACCEPTED:${mail("user01")}`, `ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:${mail("user02")}`],
    ...[...more, "END:VEVENT", "END:VCALENDAR", ""],
  ].join("\r\n");

const plain = meeting("own").replace(/(ORGANIZER|ATTENDEE)[^\n]*\n/g, "");

let exchange: Exchange;
before(async () => {
  exchange = await givenExchange();
});
after(() => exchange.end());

/** The address of somebody's object with that UID. */
async function copyOf(user: string, uid: string): Promise<string | undefined> {
  const { tree } = exchange;
  const calendar = await tree.store.open({ owner: await tree.user(user), path: ["calendar"] });
  const name = await calendar?.nameOf(uid);
  return name === undefined ? undefined : `${home(user)}calendar/${name}`;
}

async function inboxOf(user: string): Promise<readonly string[]> {
  const { tree } = exchange;
  const inbox = await tree.store.open({ owner: await tree.user(user), path: ["inbox"] });
  const found: string[] = [];
  for await (const page of inbox?.entries() ?? [])
    for (const { name } of page) found.push(String((await inbox?.read(name))?.bytes));
  return found;
}

const itemsAbout = async (user: string, uid: string): Promise<readonly string[]> =>
  (await inboxOf(user)).flatMap((text) =>
    text.includes(`UID:${uid}\r\n`) ? [/METHOD:(\w+)/.exec(text)?.[1] ?? ""] : [],
  );

const get = (path: string, as: string) => exchange.send("GET", path, { as });
const put = (path: string, body: string, as = "user01", headers: Readonly<Record<string, string>> = {}) =>
  exchange.send("PUT", path, { as, headers: { "content-type": "text/calendar", ...headers }, body });

describe("a PUT of an invitation", () => {
  test("puts it into the attendee's calendar and inbox, and answers a Schedule-Tag but no ETag of other bytes", async () => {
    const path = `${home("user01")}calendar/one.ics`;
    const answer = await put(path, meeting("one"));
    assert.equal(answer.status, 201);
    assert.equal(answer.headers["etag"], undefined);
    const own = await get(path, "user01");
    assert.equal(own.headers["schedule-tag"], answer.headers["schedule-tag"]);
    assert.match(own.text.replaceAll("\r\n ", ""), /SCHEDULE-STATUS=1\.2:mailto:user02@/);
    const copy = (await copyOf("user02", "one")) ?? "";
    assert.match((await get(copy, "user02")).text, /TRANSP:TRANSPARENT/);
    assert.deepEqual(await itemsAbout("user02", "one"), ["REQUEST"]);
  });

  test("with If-Schedule-Tag-Match merges what attendees have answered, and is refused when the organizer's data moved on", async () => {
    const path = `${home("user01")}calendar/two.ics`;
    const { headers } = await put(path, meeting("two"));
    const tag = headers["schedule-tag"] ?? "";
    const copy = (await copyOf("user02", "two")) ?? "";
    const own = (await get(copy, "user02")).text.replaceAll("\r\n ", "");
    const accepted = own.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED");
    assert.equal((await put(copy, accepted, "user02")).status, 204);
    assert.equal((await get(path, "user01")).headers["schedule-tag"], tag, "an answer leaves the tag");
    const changed = await put(path, meeting("two", ["LOCATION:Here"]), "user01", { "if-schedule-tag-match": tag });
    assert.equal(changed.status, 204);
    assert.match((await get(path, "user01")).text.replaceAll("\r\n ", ""), /PARTSTAT=ACCEPTED[^\r]*:mailto:user02@/);
    assert.match((await get(copy, "user02")).text, /LOCATION:Here/);
    assert.equal((await put(path, meeting("two"), "user01", { "if-schedule-tag-match": tag })).status, 412);
    assert.match((await get(copy, "user02")).text, /LOCATION:Here/, "what was refused was sent to nobody");
  });

  test("that fails its conditions tells nobody", async () => {
    const path = `${home("user01")}calendar/three.ics`;
    assert.equal((await put(path, meeting("three"), "user01", { "if-match": '"none"' })).status, 412);
    assert.equal(await copyOf("user02", "three"), undefined);
    assert.deepEqual(await itemsAbout("user02", "three"), []);
  });

  test("in another calendar with the same UID is refused", async () => {
    await put(`${home("user01")}calendar/four.ics`, meeting("four"));
    await exchange.send("MKCALENDAR", `${home("user01")}work/`);
    refused(await put(`${home("user01")}work/four.ics`, meeting("four")), "unique-scheduling-object-resource");
  });

  test("by somebody who may write but not send in the owner's name is refused", async () => {
    const { tree } = exchange;
    const [owner, writer] = [await tree.user("user01"), await tree.user("user03")];
    const calendar = await tree.store.open({ owner, path: ["calendar"] });
    const who = el(dav("principal"), href(tree.services.urls.principal(writer)));
    const grant = el(dav("grant"), el(dav("privilege"), el(dav("write"))), el(dav("privilege"), el(dav("read"))));
    const acl = el(dav("acl"), el(dav("ace"), who, grant));
    await calendar?.change((change) => change.setProperties(undefined, new Map([[dav("acl"), acl]])));
    refused(await put(`${home("user01")}calendar/five.ics`, meeting("five"), "user03"), "need-privileges");
    assert.equal(await copyOf("user02", "five"), undefined);
    assert.equal((await put(`${home("user01")}calendar/own.ics`, plain, "user03")).status, 201);
  });
});

describe("a DELETE", () => {
  test("by the organizer cancels, by an attendee declines unless Schedule-Reply says F", async () => {
    for (const uid of ["six", "seven", "eight"]) await put(`${home("user01")}calendar/${uid}.ics`, meeting(uid));
    await exchange.send("DELETE", `${home("user01")}calendar/six.ics`);
    assert.match((await get((await copyOf("user02", "six")) ?? "", "user02")).text, /STATUS:CANCELLED/);
    await exchange.send("DELETE", (await copyOf("user02", "seven")) ?? "", { as: "user02" });
    const declined = await get(`${home("user01")}calendar/seven.ics`, "user01");
    assert.match(declined.text.replaceAll("\r\n ", ""), /PARTSTAT=DECLINED[^\r]*:mailto:user02@/);
    const silent = { as: "user02", headers: { "schedule-reply": "F" } };
    await exchange.send("DELETE", (await copyOf("user02", "eight")) ?? "", silent);
    assert.doesNotMatch((await get(`${home("user01")}calendar/eight.ics`, "user01")).text, /DECLINED/);
  });

  test("of a calendar cancels what was organized in it", async () => {
    await exchange.send("MKCALENDAR", `${home("user01")}events/`);
    await put(`${home("user01")}events/nine.ics`, meeting("nine"));
    assert.equal((await exchange.send("DELETE", `${home("user01")}events/`)).status, 204);
    assert.match((await get((await copyOf("user02", "nine")) ?? "", "user02")).text, /STATUS:CANCELLED/);
  });
});

describe("an object with an ORGANIZER that did not come by PUT", () => {
  /** Both have it in their calendars, as a restored or migrated store has. */
  async function given(uid: string): Promise<{ own: string; copy: string }> {
    const { tree } = exchange;
    for (const user of ["user01", "user02"]) {
      const owner = await tree.user(user);
      await tree.store.provision(owner);
      const calendar = await tree.store.open({ owner, path: ["calendar"] });
      assert.ok(calendar);
      await store(calendar, `${uid}.ics`, meeting(uid));
      assert.equal((await calendar.entry(`${uid}.ics`))?.scheduleTag, undefined);
    }
    return { own: `${home("user01")}calendar/${uid}.ics`, copy: `${home("user02")}calendar/${uid}.ics` };
  }
  const answerOf = async (path: string): Promise<string> =>
    /PARTSTAT=([A-Z-]+)[^\r]*:mailto:user02@/.exec((await get(path, "user01")).text.replaceAll("\r\n ", ""))?.[1] ?? "";

  test("is declined by an attendee's DELETE, cancelled by the organizer's", async () => {
    const first = await given("hand1");
    assert.equal((await exchange.send("DELETE", first.copy, { as: "user02" })).status, 204);
    assert.equal(await answerOf(first.own), "DECLINED");
    const second = await given("hand2");
    assert.equal((await exchange.send("DELETE", second.own)).status, 204);
    assert.match((await get(second.copy, "user02")).text, /STATUS:CANCELLED/);
  });

  test("is not made a plain one by its attendee, and is by its organizer, who cancels it so", async () => {
    const { own, copy } = await given("hand3");
    const own3 = plain.replace("UID:own", "UID:hand3");
    refused(await put(copy, own3, "user02"), "allowed-attendee-scheduling-object-change");
    assert.equal((await put(own, own3)).status, 204);
    assert.match((await get(copy, "user02")).text, /STATUS:CANCELLED/);
  });

  test("is not copied to a second calendar, and declined when it is moved out of the calendars", async () => {
    const { own, copy } = await given("hand4");
    await exchange.send("MKCALENDAR", `${home("user02")}second/`, { as: "user02" });
    const to = (path: string) => ({
      as: "user02",
      headers: { destination: `${home("user02")}${path}`, host: "localhost" },
    });
    refused(await exchange.send("COPY", copy, to("second/x.ics")), "unique-scheduling-object-resource");
    assert.equal((await exchange.send("MOVE", copy, to("x.ics"))).status, 201);
    assert.equal(await answerOf(own), "DECLINED");
  });

  test("is declined with the calendar it lies in", async () => {
    const { own, copy } = await given("hand5");
    await exchange.send("MKCALENDAR", `${home("user02")}third/`, { as: "user02" });
    const destination = `${home("user02")}third/x.ics`;
    assert.equal(
      (await exchange.send("MOVE", copy, { as: "user02", headers: { destination, host: "localhost" } })).status,
      201,
    );
    assert.equal(await answerOf(own), "NEEDS-ACTION");
    assert.equal((await exchange.send("DELETE", `${home("user02")}third/`, { as: "user02" })).status, 204);
    assert.equal(await answerOf(own), "DECLINED");
  });
});

describe("a scheduling object", () => {
  test("moved to another calendar gets a new tag and tells nobody; it is not copied", async () => {
    const path = `${home("user01")}calendar/ten.ics`;
    const { headers } = await put(path, meeting("ten"));
    await exchange.send("MKCALENDAR", `${home("user01")}other/`);
    const to = { headers: { destination: `${home("user01")}other/ten.ics`, host: "localhost" } };
    refused(await exchange.send("COPY", path, to), "unique-scheduling-object-resource");
    const moved = await exchange.send("MOVE", path, to);
    assert.equal(moved.status, 201);
    assert.match(moved.headers["schedule-tag"] ?? "", /^"/);
    assert.notEqual(moved.headers["schedule-tag"], headers["schedule-tag"]);
    assert.deepEqual(await itemsAbout("user02", "ten"), ["REQUEST"]);
  });

  test("of another ORGANIZER is refused to both", async () => {
    const path = `${home("user01")}calendar/eleven.ics`;
    await put(path, meeting("eleven"));
    const stolen = meeting("eleven").replace(`ORGANIZER:${mail("user01")}`, `ORGANIZER:${mail("user02")}`);
    refused(await put(path, stolen), "allowed-organizer-scheduling-object-change");
    const copy = (await copyOf("user02", "eleven")) ?? "";
    refused(await put(copy, stolen, "user02"), "allowed-attendee-scheduling-object-change");
  });
});
