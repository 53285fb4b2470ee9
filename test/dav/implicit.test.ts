import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { cs, dav, el, href } from "../../src/xml/element.ts";
import { writeXml } from "../../src/xml/write.ts";
import { put as store } from "../support/store.ts";
import { type Exchange, givenExchange, refused } from "./exchange.ts";
import { settings } from "./tree.ts";

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

  test("with If-Match of the state before an answer came is merged with it, once", async () => {
    const path = `${home("user01")}calendar/match.ics`;
    await put(path, meeting("match"));
    const etag = (await get(path, "user01")).headers["etag"] ?? "";
    const copy = (await copyOf("user02", "match")) ?? "";
    for (const answer of ["TENTATIVE", "ACCEPTED"]) {
      const own = (await get(copy, "user02")).text.replaceAll("\r\n ", "");
      const answered = own.replace(/PARTSTAT=[A-Z-]+([^\r]*:mailto:user02@)/, `PARTSTAT=${answer}$1`);
      assert.equal((await put(copy, answered, "user02")).status, 204);
    }
    assert.notEqual((await get(path, "user01")).headers["etag"], etag);
    const late = { "if-match": etag };
    assert.equal((await put(path, meeting("match", ["LOCATION:Here"]), "user01", late)).status, 204);
    const stored = (await get(path, "user01")).text.replaceAll("\r\n ", "");
    assert.match(stored, /PARTSTAT=ACCEPTED[^\r]*:mailto:user02@/);
    assert.match(stored, /LOCATION:Here/);
    assert.equal((await put(path, meeting("match"), "user01", late)).status, 412, "another client of hers wrote since");
    const last = (await get(path, "user01")).headers["etag"] ?? "";
    const declined = (await get(copy, "user02")).text
      .replaceAll("\r\n ", "")
      .replace("PARTSTAT=ACCEPTED;", "PARTSTAT=DECLINED;");
    await put(copy, declined.replace(/PARTSTAT=[A-Z-]+([^\r]*:mailto:user02@)/, "PARTSTAT=DECLINED$1"), "user02");
    assert.equal((await exchange.send("DELETE", path, { headers: { "if-match": last } })).status, 204);
  });

  test("with If-Match of an earlier state is refused without ScheduleTagCompatibility", async () => {
    const strict = await givenExchange({ scheduling: { ...settings.scheduling, tagCompatibility: false } });
    try {
      const path = `${home("user01")}calendar/match.ics`;
      const write = (where: string, as: string, body: string, headers: Readonly<Record<string, string>> = {}) =>
        strict.send("PUT", where, { as, body, headers: { "content-type": "text/calendar", ...headers } });
      await write(path, "user01", meeting("match"));
      const etag = (await strict.send("GET", path)).headers["etag"] ?? "";
      const calendar = await strict.tree.store.open({ owner: await strict.tree.user("user02"), path: ["calendar"] });
      const copy = `${home("user02")}calendar/${await calendar?.nameOf("match")}`;
      const own = (await strict.send("GET", copy, { as: "user02" })).text.replaceAll("\r\n ", "");
      await write(copy, "user02", own.replace(/PARTSTAT=[A-Z-]+([^\r]*:mailto:user02@)/, "PARTSTAT=ACCEPTED$1"));
      assert.equal((await write(path, "user01", meeting("match"), { "if-match": etag })).status, 412);
    } finally {
      await strict.end();
    }
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

describe("CS:schedule-changes of an inbox item", () => {
  test("names, with what changed, the instances in which only who is asked to answer is another", async () => {
    const path = `${home("user01")}calendar/asks.ics`;
    const series = (summary: string, rsvp: string): string => {
      const text = meeting("asks", ["RRULE:FREQ=DAILY;COUNT=4"])
        .replace("SUMMARY:asks", `SUMMARY:${summary}`)
        .replace("RSVP=TRUE;PARTSTAT=NEEDS-ACTION", `${rsvp}PARTSTAT=TENTATIVE`);
      const own = /BEGIN:VEVENT[\s\S]*END:VEVENT\r\n/.exec(text)?.[0] ?? "";
      const instance = own
        .replace(/RRULE[^\r]*/, "RECURRENCE-ID:20260106T100000Z")
        .replaceAll("20260105T1", "20260106T1");
      return text.replace("END:VCALENDAR", `${instance.replace(/SUMMARY:[^\r]*/, "SUMMARY:own")}END:VCALENDAR`);
    };
    await put(path, series("asks", ""));
    const inbox = await exchange.tree.store.open({ owner: await exchange.tree.user("user02"), path: ["inbox"] });
    const before = new Set<string>();
    for await (const page of inbox?.entries() ?? []) for (const { name } of page) before.add(name);
    await put(path, series("changed", "RSVP=TRUE;"));
    const changes: string[] = [];
    for await (const page of inbox?.entries() ?? [])
      for (const { name } of page)
        if (!before.has(name))
          changes.push(writeXml((await inbox?.properties(name))?.get(cs("schedule-changes")) ?? el(cs("none"))));
    assert.equal(changes.length, 1);
    const [said = ""] = changes;
    assert.match(said, /<[^>]*master\s*\/>[\s\S]*name="SUMMARY"/);
    assert.match(said, /20260106T100000Z[\s\S]*name="ATTENDEE"/);
  });
});

describe("a group of the directory", () => {
  test("of groups brings the people in all of them; a member answers, and is uninvited with the others", async () => {
    const path = `${home("user01")}calendar/group.ics`;
    const members = ["user06", "user07", "user08", "user09", "user10"];
    assert.equal((await put(path, meeting("group", ["ATTENDEE:mailto:group04@example.com"]))).status, 201);
    const own = (await get(path, "user01")).text.replaceAll("\r\n ", "");
    assert.match(own, /ATTENDEE;CUTYPE=GROUP[^\r]*:mailto:group04@/);
    for (const name of members) {
      assert.match(own, new RegExp(`ATTENDEE[^\r]*MEMBER="mailto:group04@example.com"[^\r]*:mailto:${name}@`));
      assert.deepEqual(await itemsAbout(name, "group"), ["REQUEST"]);
    }
    const copy = (await copyOf("user08", "group")) ?? "";
    const text = (await get(copy, "user08")).text.replaceAll("\r\n ", "");
    const answered = text.replace(/PARTSTAT=[A-Z-]+([^\r]*:mailto:user08@)/, "PARTSTAT=TENTATIVE$1");
    assert.equal((await put(copy, answered, "user08")).status, 204);
    const told = (await get(path, "user01")).text.replaceAll("\r\n ", "");
    assert.match(told, /PARTSTAT=TENTATIVE[^\r]*:mailto:user08@/);
    assert.equal((await exchange.send("DELETE", path)).status, 204);
    for (const name of members)
      assert.match((await get((await copyOf(name, "group")) ?? "", name)).text, /STATUS:CANCELLED/, name);
  });

  test("that would make more attendees than an instance may have is refused", async () => {
    const strict = await givenExchange({ maxAttendeesPerInstance: 5 });
    try {
      const body = meeting("many", ["ATTENDEE:mailto:group04@example.com"]);
      const answer = await strict.send("PUT", `${home("user01")}calendar/many.ics`, { body });
      refused(answer, "max-attendees-per-instance");
    } finally {
      await strict.end();
    }
  });
});

describe("a delegate with write access", () => {
  test("invites, changes, answers and cancels in the name of the owner; one with read access does not", async () => {
    const { tree } = exchange;
    const { directory } = tree.services;
    const [writer, reader] = [await tree.user("user05"), await tree.user("user06")];
    for (const owner of ["user01", "user02"]) {
      await directory.setDelegates(await tree.user(owner), "write", [writer]);
      await directory.setDelegates(await tree.user(owner), "read", [reader]);
    }
    const path = `${home("user01")}calendar/for.ics`;
    assert.equal((await put(path, meeting("for"), "user06")).status, 403);
    assert.equal(await copyOf("user02", "for"), undefined);
    assert.equal((await put(path, meeting("for"), "user05")).status, 201);
    const copy = (await copyOf("user02", "for")) ?? "";
    const own = (await get(copy, "user05")).text.replaceAll("\r\n ", "");
    assert.match(own, /ORGANIZER[^\r]*:mailto:user01@/, "it is the owner who invites");
    const answered = own.replace(/PARTSTAT=[A-Z-]+([^\r]*:mailto:user02@)/, "PARTSTAT=ACCEPTED$1");
    assert.equal((await put(copy, answered, "user06")).status, 403);
    assert.equal((await put(copy, answered, "user05")).status, 204);
    const told = (await get(path, "user01")).text.replaceAll("\r\n ", "");
    assert.match(told, /PARTSTAT=ACCEPTED[^\r]*:mailto:user02@/);
    assert.doesNotMatch(told, /user05/);
    assert.equal((await exchange.send("DELETE", path, { as: "user05" })).status, 204);
    assert.match((await get(copy, "user02")).text, /STATUS:CANCELLED/);
    assert.deepEqual(await itemsAbout("user05", "for"), []);
    for (const owner of ["user01", "user02"])
      for (const access of ["write", "read"] as const) await directory.setDelegates(await tree.user(owner), access, []);
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
