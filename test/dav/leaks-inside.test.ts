import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Answer, type Exchange, event, givenExchange, hrefsOf, propertyText, told } from "./exchange.ts";

// What a delegate, who may look around in a home, learns of what its owner has denied to him or called PRIVATE.

const home = "/calendars/users/user01/";
const canonical = "/calendars/__uids__/10000000-0000-0000-0000-000000000001/";
const plain = { "content-type": "text/plain" };
const icalendar = { "content-type": "text/calendar" };
const writer = "user04";
const reader = "user05";
const number = (user: string): string => `/principals/__uids__/10000000-0000-0000-0000-0000000000${user.slice(-2)}/`;
const denial = (privilege: string): string =>
  `<acl xmlns="DAV:">${[writer, reader].map((user) => `<ace><principal><href>${number(user)}</href></principal><deny><privilege><${privilege}/></privilege></deny></ace>`).join("")}</acl>`;
const scheduled = (uid: string, ...around: readonly string[]): string =>
  event(uid, { around }).replace(
    "END:VEVENT",
    "ORGANIZER:mailto:user01@example.com\r\nATTENDEE:mailto:user01@example.com\r\nATTENDEE:mailto:user09@example.com\r\nEND:VEVENT",
  );
const lockInfo = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`;
const propfind = (inside: string): string =>
  `<propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop>${inside}</prop></propfind>`;

describe("what a delegate learns of what is denied to him", () => {
  let { tree, send, put, end }: Exchange = {} as Exchange;
  before(async () => {
    ({ tree, send, put, end } = await givenExchange());
    const { directory } = tree.services;
    const owner = await tree.user("user01");
    await directory.setDelegates(owner, "write", [await tree.user(writer)]);
    await directory.setDelegates(owner, "read", [await tree.user(reader)]);
    for (const name of ["secret", "shared"]) await send("MKCALENDAR", `${home}${name}/`);
    await send("ACL", `${home}secret/`, { body: denial("all") });
    for (const path of ["folder/", "folder/hushed/", "folder/open/"]) await send("MKCOL", home + path);
    await send("MKCALENDAR", `${home}folder/hushed/diary/`);
    await send("ACL", `${home}folder/hushed/`, { body: denial("read") });
    for (const name of ["open.txt", "hush.txt", "hushed/a.txt", "open/b.txt"])
      assert.equal((await send("PUT", `${home}folder/${name}`, { headers: plain, body: `in ${name}` })).status, 201);
    assert.equal((await send("ACL", `${home}folder/hush.txt`, { body: denial("read") })).status, 200);
  });
  after(() => end());

  const listed = async (path: string): Promise<readonly string[]> =>
    hrefsOf(await send("PROPFIND", path, { headers: { depth: "infinity" }, body: propfind("<getetag/>") })).map((one) =>
      one.slice(path.length),
    );

  test("a copy of a folder has only what he may read, and nothing names the rest", async () => {
    const copied = await send("COPY", `${home}folder/`, { as: writer, headers: { destination: `${home}copy/` } });
    assert.deepEqual([copied.status, copied.text], [201, ""]);
    assert.deepEqual([...(await listed(`${home}copy/`))].sort(), ["", "open.txt", "open/", "open/b.txt"]);
    // Its owner cannot copy the calendar in it, and hears why.
    const owners = await send("COPY", `${home}folder/`, { headers: { destination: `${home}copy2/` } });
    assert.equal(owners.status, 403);
    assert.match(owners.text, /folder\/hushed\/diary is a calendar/);
  });

  test("what he may not read he moves nowhere else, where he might", async () => {
    for (const [from, to] of [
      ["folder/hush.txt", "elsewhere.txt"],
      ["folder/hushed/", "elsewhere/"],
    ]) {
      const moved = await send("MOVE", `${home}${from}`, { as: writer, headers: { destination: `${home}${to}` } });
      assert.equal(moved.status, 403, from);
    }
  });

  test("locks on it are told as locks of the folder", async () => {
    for (const name of ["hush.txt", "hushed/a.txt", "open.txt"])
      assert.equal((await send("LOCK", `${home}folder/${name}`, { body: lockInfo })).status, 200);
    const asked: readonly Promise<Answer>[] = [
      send("LOCK", `${home}folder/`, { as: writer, headers: { depth: "infinity" }, body: lockInfo }),
      send("DELETE", `${home}folder/`, { as: writer }),
      send("MOVE", `${home}folder/`, { as: writer, headers: { destination: `${home}gone/` } }),
    ];
    for (const answer of await Promise.all(asked)) {
      assert.deepEqual([...hrefsOf(answer)].sort(), [`${home}folder/ 423`, `${home}folder/open.txt 423`]);
      assert.doesNotMatch(answer.text, /hush/);
    }
    const owners = await send("LOCK", `${home}folder/`, { headers: { depth: "infinity" }, body: lockInfo });
    assert.ok(hrefsOf(owners).includes(`${home}folder/hushed/a.txt 423`));
  });

  test("the inbox names the calendars that he may read", async () => {
    const named = async (as: string): Promise<string> => {
      const answer = await send("PROPFIND", `${home}inbox/`, {
        as,
        headers: { depth: "0" },
        body: propfind("<C:calendar-free-busy-set/><C:schedule-default-calendar-URL/>"),
      });
      return ["calendar-free-busy-set", "schedule-default-calendar-URL"]
        .map((name) => propertyText(answer, `${home}inbox/`, `{urn:ietf:params:xml:ns:caldav}${name}`))
        .join("");
    };
    const body = `<propertyupdate xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop><C:schedule-default-calendar-URL><href>${canonical}secret/</href></C:schedule-default-calendar-URL></prop></set></propertyupdate>`;
    assert.equal((await send("PROPPATCH", `${home}inbox/`, { body })).status, 207);
    assert.equal((await named("user01")).split("/secret/").length - 1, 2);
    for (const as of [reader, writer]) {
      assert.doesNotMatch(await named(as), /secret/);
      assert.match(await named(as), /shared/);
    }
  });

  test("a UID that is taken by a scheduling object he may not see is refused without its address", async () => {
    await put(`${home}secret/hidden.ics`, scheduled("in-secret"));
    await put(`${home}calendar/hidden.ics`, scheduled("called-private", "X-CALENDARSERVER-ACCESS:PRIVATE"));
    await put(`${home}calendar/open.ics`, scheduled("open"));
    const refusal = async (as: string, uid: string): Promise<string> => {
      const answer = await send("PUT", `${home}shared/new.ics`, { as, headers: icalendar, body: scheduled(uid) });
      assert.equal(answer.status, 403);
      assert.match(answer.text, /unique-scheduling-object-resource/);
      return answer.text;
    };
    for (const uid of ["in-secret", "called-private"]) {
      assert.doesNotMatch(await refusal(writer, uid), /hidden/);
      assert.match(await refusal("user01", uid), /hidden\.ics/);
    }
    assert.match(await refusal(writer, "open"), /calendar\/open\.ics/);
  });

  test("how long a CONFIDENTIAL event is, and how many PRIVATE ones there are, is not told", async () => {
    await put(
      `${home}shared/conf.ics`,
      event("conf", { summary: "a long one", around: ["X-CALENDARSERVER-ACCESS:CONFIDENTIAL"] }),
    );
    await put(`${home}shared/priv.ics`, event("priv", { around: ["X-CALENDARSERVER-ACCESS:PRIVATE"] }));
    const length = async (as: string): Promise<string | undefined> =>
      propertyText(
        await send("PROPFIND", `${home}shared/conf.ics`, {
          as,
          headers: { depth: "0" },
          body: propfind("<getcontentlength/>"),
        }),
        `${home}shared/conf.ics`,
        "{DAV:}getcontentlength",
      );
    assert.ok(Number(await length("user01")) > 100);
    assert.equal(await length(reader), undefined);
    assert.match((await send("GET", home)).text, /2 items/);
    const seen = (await send("GET", home, { as: reader })).text;
    assert.match(seen, /shared\//);
    assert.doesNotMatch(seen, /\d items|secret/);
  });

  test("who may read it is told all, and moves it", async () => {
    assert.equal(told(await send("DELETE", `${home}folder/`)).length, 3);
    const moved = await send("MOVE", `${home}copy/open.txt`, {
      as: writer,
      headers: { destination: `${home}moved.txt` },
    });
    assert.equal(moved.status, 201);
  });
});
