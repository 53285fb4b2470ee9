import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { caldav } from "../../src/xml/element.ts";
import { attach, attachIn, filesOf, home, taken, unfolded } from "./attachment-words.ts";
import { type Exchange, event, givenExchange, propertyText, refused, task } from "./exchange.ts";

// RFC 8607, but for who may read what: attachments-access.test.ts.

const calendar = `${home("user01")}calendar/`;
const one = `${calendar}one.ics`;
let exchange: Exchange;
beforeEach(async () => {
  exchange = await givenExchange();
  await exchange.put(one, event("one"));
});
afterEach(() => exchange.end());

const get = (path: string, headers: Readonly<Record<string, string>> = {}, as = "user01") =>
  exchange.send("GET", path, { as, headers });
const statusOf = async (path: string, as = "user01") => (await get(path, {}, as)).status;

describe("attachment-add", () => {
  test("stores the bytes, and an ATTACH with id, type, size and name; all else of the event stays as it was", async () => {
    const before = (await get(one)).text;
    const { id, path } = taken(await attach(exchange, one, "hello"));
    const { text } = await get(one);
    assert.deepEqual(await attachIn(exchange, one), [
      `ATTACH;MANAGED-ID=${id};FMTTYPE=text/plain;SIZE=5;FILENAME=notes.txt:http://localhost:8008${path}`,
    ]);
    assert.equal(unfolded(text).replace(/ATTACH.*\r\n/, ""), before);
    const answer = await get(path);
    assert.equal(answer.text, "hello");
    assert.equal(answer.headers["content-type"], "text/plain");
    assert.equal(answer.headers["content-disposition"], 'attachment; filename="notes.txt"');
    assert.equal(answer.headers["x-content-type-options"], "nosniff");
    assert.match(answer.headers["content-security-policy"] ?? "", /sandbox/);
    assert.deepEqual(await filesOf(exchange), [`${id}-notes.txt`, `${id}.events`]);
  });
  test("answers the event where a representation is preferred, with its ETag; else no ETag, which would be of a text the client does not have", async () => {
    const plain = await attach(exchange, one, "a");
    assert.equal(plain.headers["etag"], undefined);
    assert.equal(plain.text, "");
    const answer = await attach(exchange, one, "b", { headers: { prefer: "return=representation" } });
    assert.equal(answer.status, 201);
    assert.equal(answer.text, (await get(one)).text);
    assert.equal(answer.headers["etag"], (await get(one)).headers["etag"]);
    assert.equal(answer.headers["content-location"], one);
    assert.match(answer.headers["content-type"] ?? "", /^text\/calendar/);
    assert.equal((await attachIn(exchange, one)).length, 2);
  });
  test("takes names in any script, without folders and control characters, and tells them again", async () => {
    const encoded = `attachment; filename="x.txt"; filename*=UTF-8''${encodeURIComponent("報告 “1”.pdf")}`;
    const { path } = taken(await attach(exchange, one, "a", { headers: { "content-disposition": encoded } }));
    const latin = Buffer.from("Grüße;1.txt").toString("latin1");
    taken(await attach(exchange, one, "b", { name: latin }));
    taken(await attach(exchange, one, "c", { name: "../../etc/pass\u0001wd" }));
    taken(await attach(exchange, one, "d", { headers: { "content-disposition": "attachment" } }));
    assert.deepEqual(
      (await attachIn(exchange, one)).map((line) => /FILENAME=("[^"]*"|[^;:]*)/.exec(line)?.[1]),
      ["報告 “1”.pdf", '"Grüße;1.txt"', "passwd", "attachment"],
    );
    const { "content-disposition": told = "" } = (await get(path)).headers;
    assert.ok(told.endsWith(`filename*=UTF-8''${encodeURIComponent("報告 “1”.pdf")}`), told);
  });
  test("works on tasks, in calendars of any name", async () => {
    const todo = `${home("user01")}tasks/t.ics`;
    await exchange.put(todo, task("t"));
    taken(await attach(exchange, todo, "a"));
    assert.equal((await attachIn(exchange, todo)).length, 1);
  });
  test("with an If-Match that does not hold is refused, and leaves no file", async () => {
    const answer = await attach(exchange, one, "a", { headers: { "if-match": '"old"' } });
    assert.equal(answer.status, 412);
    assert.deepEqual(await filesOf(exchange), []);
  });
  test("by several clients at once loses none", async () => {
    const answers = await Promise.all(["a", "b", "c", "d"].map((body) => attach(exchange, one, body)));
    const ids = answers.map((answer) => taken(answer).id);
    const lines = (await attachIn(exchange, one)).join();
    for (const id of ids) assert.ok(lines.includes(id), id);
  });
});

describe("attachment-update", () => {
  test("puts another file with another id in its place in every instance, and removes the old one", async () => {
    const old = taken(await attach(exchange, one, "old"));
    const query = `action=attachment-update&managed-id=${old.id}`;
    const now = taken(
      await attach(exchange, one, "newer", { query, name: "b.html", headers: { prefer: "return=representation" } }),
      200,
    );
    assert.notEqual(now.id, old.id);
    const lines = await attachIn(exchange, one);
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", new RegExp(`MANAGED-ID=${now.id};.*SIZE=5;FILENAME=b.html`));
    assert.equal((await get(now.path)).text, "newer");
    assert.equal(await statusOf(old.path), 403);
    assert.deepEqual(await filesOf(exchange), [`${now.id}-b.html`, `${now.id}.events`]);
  });
});

describe("attachment-remove", () => {
  test("takes the ATTACH away, and the file with the last of them", async () => {
    const { id, path } = taken(await attach(exchange, one, "a"));
    const before = (await get(one)).text;
    const answer = await attach(exchange, one, "", { query: `action=attachment-remove&managed-id=${id}` });
    assert.equal(answer.status, 204);
    assert.equal((await get(one)).text, unfolded(before).replace(/ATTACH.*\r\n/, ""));
    assert.equal(await statusOf(path), 403);
    assert.deepEqual(await filesOf(exchange), []);
  });
});

describe("an action is refused with the RFC's condition", () => {
  test("when it is none, or its parameters are wrong", async () => {
    const { id } = taken(await attach(exchange, one, "a"));
    const refusedFor = async (query: string, condition: string) =>
      refused(await attach(exchange, one, "x", { query }), condition);
    await refusedFor("action=attachment-open", "valid-action-parameter");
    await refusedFor("action=attachment-update", "valid-managed-id-parameter");
    await refusedFor("action=attachment-remove", "valid-managed-id-parameter");
    await refusedFor(`action=attachment-add&managed-id=${id}`, "valid-managed-id-parameter");
    await refusedFor("action=attachment-remove&managed-id=0123", "valid-managed-id-parameter");
    await refusedFor(`action=attachment-update&managed-id=${"0".repeat(32)}`, "valid-managed-id-parameter");
    await refusedFor(`action=attachment-update&managed-id=${id}&rid=M`, "valid-rid-parameter");
    await refusedFor("action=attachment-add&rid=20260601T090000Z", "valid-rid-parameter");
    await refusedFor("action=attachment-add&rid=tomorrow", "valid-rid-parameter");
    assert.equal((await attachIn(exchange, one)).length, 1);
    assert.equal((await filesOf(exchange)).length, 2);
    assert.equal((await attach(exchange, one, "x", { query: "other=1" })).status, 405);
    assert.equal((await attach(exchange, `${calendar}none.ics`, "x")).status, 404);
  });
  test("when attachments are not managed here, and nothing says that they are", async () => {
    const plain = await givenExchange({
      attachments: { managed: false, maxSize: 1, maxTotal: 1, maxCount: 1, base: "http://localhost" },
    });
    try {
      await plain.put(one, event("one"));
      assert.equal((await attach(plain, one, "x")).status, 405);
      assert.ok(!(await plain.send("OPTIONS", calendar)).headers["dav"]?.includes("managed-attachments"));
    } finally {
      await plain.end();
    }
  });
});

describe("clients are told", () => {
  test("by the DAV header and the limits of each calendar", async () => {
    const { headers } = await exchange.send("OPTIONS", calendar);
    assert.ok(headers["dav"]?.split(", ").includes("calendar-managed-attachments"));
    assert.ok(!headers["dav"]?.includes("no-recurrence"));
    const names = ["max-attachment-size", "max-attachments-per-resource"].map((name) => `<C:${name}/>`).join("");
    const body = `<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop>${names}</D:prop></D:propfind>`;
    const answer = await exchange.send("PROPFIND", calendar, { headers: { depth: "0" }, body });
    assert.equal(propertyText(answer, calendar, caldav("max-attachment-size")), "1048576");
    assert.equal(propertyText(answer, calendar, caldav("max-attachments-per-resource")), "100");
    const server = `<D:propfind xmlns:D="DAV:"><D:prop><C:managed-attachments-server-URL xmlns:C="urn:ietf:params:xml:ns:caldav"/></D:prop></D:propfind>`;
    const told = await exchange.send("PROPFIND", home("user01"), { headers: { depth: "0" }, body: server });
    assert.equal(propertyText(told, home("user01"), caldav("managed-attachments-server-URL")), "");
  });
});

describe("rid", () => {
  const series = event("series", { more: ["RRULE:FREQ=DAILY;COUNT=5"] });
  const path = `${calendar}series.ics`;
  /** The instances (M: the master) that have an attachment, and those that do not. */
  async function spread(): Promise<Record<string, number>> {
    const parts = unfolded((await get(path)).text)
      .split("BEGIN:VEVENT")
      .slice(1);
    return Object.fromEntries(
      parts.map((part) => [/RECURRENCE-ID.*:(\d{8})T/.exec(part)?.[1] ?? "M", (part.match(/^ATTACH/gm) ?? []).length]),
    );
  }
  beforeEach(() => exchange.put(path, series));

  test("makes an override for an instance that has none of its own", async () => {
    taken(await attach(exchange, path, "a", { query: "action=attachment-add&rid=20260107T090000Z" }));
    assert.deepEqual(await spread(), { M: 0, 20260107: 1 });
    const { text } = await get(path);
    assert.match(text, /RECURRENCE-ID:20260107T090000Z/);
    assert.match(text, /DTEND:20260107T100000Z/);
  });
  test("names the master by M, several with commas, and all when it is not there", async () => {
    taken(await attach(exchange, path, "a", { query: "action=attachment-add&rid=M,20260106T090000Z" }));
    assert.deepEqual(await spread(), { M: 1, 20260106: 1 });
    taken(await attach(exchange, path, "b"));
    assert.deepEqual(await spread(), { M: 2, 20260106: 2 });
  });
  test("removes from one instance only; the file stays for the others, and goes with the last", async () => {
    const { id, path: file } = taken(await attach(exchange, path, "a"));
    const remove = (rid: string) =>
      attach(exchange, path, "", { query: `action=attachment-remove&managed-id=${id}${rid}` });
    assert.equal((await remove("&rid=20260108T090000Z")).status, 204);
    assert.deepEqual(await spread(), { M: 1, 20260108: 0 });
    assert.equal(await statusOf(file), 200);
    refused(await remove("&rid=20260108T090000Z"), "valid-managed-id-parameter");
    assert.equal((await remove("&rid=M")).status, 204);
    assert.deepEqual(await filesOf(exchange), []);
  });
  test("does not name an instance that an EXDATE took out", async () => {
    await exchange.put(path, event("series", { more: ["RRULE:FREQ=DAILY;COUNT=5", "EXDATE:20260107T090000Z"] }));
    refused(
      await attach(exchange, path, "a", { query: "action=attachment-add&rid=20260107T090000Z" }),
      "valid-rid-parameter",
    );
  });
  test("of whole days and of zones is understood", async () => {
    const days = event("days", { start: "DTSTART;VALUE=DATE:20260105", end: "", more: ["RRULE:FREQ=DAILY;COUNT=3"] });
    await exchange.put(path.replace("series", "days"), days);
    taken(await attach(exchange, path.replace("series", "days"), "a", { query: "action=attachment-add&rid=20260106" }));
    assert.match((await get(path.replace("series", "days"))).text, /RECURRENCE-ID;VALUE=DATE:20260106/);
    const zoned = event("zoned", {
      start: "DTSTART;TZID=Europe/Berlin:20260105T100000",
      end: "DTEND;TZID=Europe/Berlin:20260105T110000",
      more: ["RRULE:FREQ=DAILY;COUNT=3"],
    });
    await exchange.put(path.replace("series", "zoned"), zoned);
    const query = "action=attachment-add&rid=20260106T090000Z";
    taken(await attach(exchange, path.replace("series", "zoned"), "a", { query }));
    assert.match(
      (await get(path.replace("series", "zoned"))).text,
      /RECURRENCE-ID;TZID=Europe\/Berlin:20260106T100000/,
    );
  });
});

describe("a PUT", () => {
  test("that leaves an attachment out removes it; one that keeps it, or loses only the parameters, keeps it", async () => {
    const { path } = taken(await attach(exchange, one, "a"));
    const { text } = await get(one);
    await exchange.put(one, text.replace("SUMMARY:one", "SUMMARY:other"));
    assert.equal(await statusOf(path), 200);
    await exchange.put(one, unfolded(text).replace(/ATTACH.*?:http/, "ATTACH:http"));
    assert.equal(await statusOf(path), 200);
    await exchange.put(one, event("one"));
    assert.equal(await statusOf(path), 403);
    assert.deepEqual(await filesOf(exchange), []);
  });
  test("may copy one into another event, as a client does that splits a series; the file goes with the last of them", async () => {
    const { path } = taken(await attach(exchange, one, "a"));
    const { text } = await get(one);
    await exchange.put(`${calendar}two.ics`, text.replace("UID:one", "UID:two"));
    assert.equal((await exchange.send("DELETE", one)).status, 204);
    assert.equal(await statusOf(path), 200);
    assert.equal((await exchange.send("DELETE", `${calendar}two.ics`)).status, 204);
    assert.equal(await statusOf(path), 403);
    assert.deepEqual(await filesOf(exchange), []);
  });
  test("with a MANAGED-ID that is nobody's, or another's, is refused alike", async () => {
    await exchange.put(`${home("user02")}calendar/x.ics`, event("x"), "user02");
    const theirs = taken(await attach(exchange, `${home("user02")}calendar/x.ics`, "a", { as: "user02" }));
    const put = (id: string, path: string) =>
      exchange.send("PUT", one, {
        headers: { "content-type": "text/calendar" },
        body: event("one", { more: [`ATTACH;MANAGED-ID=${id}:http://localhost:8008${path}`] }),
      });
    const answers = [
      await put(theirs.id, theirs.path),
      await put("0".repeat(32), theirs.path.replace(theirs.id, "0".repeat(32))),
    ];
    for (const answer of answers) refused(answer, "valid-managed-id");
    assert.equal(answers[0]?.text.replaceAll(theirs.id, ""), answers[1]?.text.replaceAll("0".repeat(32), ""));
  });
  test("of an event whose file is lost is taken as long as it keeps what it had", async () => {
    const { id } = taken(await attach(exchange, one, "a"));
    const folder = await exchange.tree.store.open({
      owner: await exchange.tree.user("user01"),
      path: ["dropbox", "managed"],
    });
    await folder?.change((change) => change.remove(`${id}-notes.txt`));
    const { text } = await get(one);
    await exchange.put(one, text.replace("SUMMARY:one", "SUMMARY:other"));
  });
});

describe("with its event", () => {
  test("an attachment is moved to another calendar, and goes with a calendar that is removed once it is no longer new", async () => {
    const { path } = taken(await attach(exchange, one, "a"));
    await exchange.send("MKCALENDAR", `${home("user01")}other/`);
    const destination = `http://localhost${home("user01")}other/one.ics`;
    assert.equal((await exchange.send("MOVE", one, { headers: { destination } })).status, 201);
    assert.equal(await statusOf(path), 200);
    assert.equal((await exchange.send("DELETE", `${home("user01")}other/`)).status, 204);
    assert.equal(await statusOf(path), 403);
  });
});

describe("nobody, not even the owner,", () => {
  test("changes, removes, moves or lists what the server manages but through events", async () => {
    const { path } = taken(await attach(exchange, one, "a"));
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    const text = { "content-type": "text/plain" };
    const destination = { destination: `http://localhost${home("user01")}stolen` };
    for (const [method, at, headers] of [
      ["PUT", path, text],
      ["DELETE", path, {}],
      ["MOVE", path, destination],
      ["PROPPATCH", path, {}],
      ["LOCK", path, {}],
      ["ACL", path, {}],
      ["PUT", `${folder}new.txt`, text],
      ["MKCOL", `${folder}new/`, {}],
      ["PROPFIND", folder, { depth: "1" }],
      ["DELETE", folder, {}],
      ["MOVE", folder, destination],
      ["GET", `${path.slice(0, path.indexOf("-", folder.length + 32))}.events`, {}],
    ] as const) {
      const answer = await exchange.send(method, at, { headers, body: method === "PUT" ? "x" : "" });
      assert.ok([403, 405].includes(answer.status), `${method} ${at}: ${answer.status} ${answer.text}`);
    }
    assert.equal((await get(path)).text, "a");
  });
});

describe("limits", () => {
  const limited = (changed: { maxSize?: number; maxTotal?: number; maxCount?: number }) =>
    givenExchange({
      attachments: { managed: true, maxSize: 10, maxTotal: 15, maxCount: 3, base: "http://localhost:8008", ...changed },
    });
  test("hold for one attachment, for all of an event, and for their number; what is replaced makes room", async () => {
    const small = await limited({});
    try {
      await small.put(one, event("one"));
      refused(await attach(small, one, "x".repeat(11)), "max-attachment-size");
      refused(await attach(small, one, "x".repeat(11), { headers: { "content-length": "11" } }), "max-attachment-size");
      const first = taken(await attach(small, one, "x".repeat(10)));
      refused(await attach(small, one, "x".repeat(6)), "max-attachment-size");
      taken(await attach(small, one, "x".repeat(9), { query: `action=attachment-update&managed-id=${first.id}` }), 204);
      taken(await attach(small, one, "x".repeat(3)));
      taken(await attach(small, one, "x".repeat(3)));
      refused(await attach(small, one, ""), "max-attachments-per-resource");
      assert.equal((await filesOf(small)).length, 6);
      const other = `${calendar}two.ics`;
      await small.put(other, event("two"));
      taken(await attach(small, other, "x".repeat(10)));
    } finally {
      await small.end();
    }
  });
  test("of the drop box are the same: one file, and all files of one event", async () => {
    const small = await limited({});
    const box = `${home("user01")}dropbox/one.dropbox/`;
    const put = (name: string, bytes: number) =>
      small.send("PUT", box + name, { headers: { "content-type": "text/plain" }, body: "x".repeat(bytes) });
    try {
      await small.send("MKCOL", `${home("user01")}dropbox/`);
      assert.equal((await small.send("MKCOL", box)).status, 201);
      refused(await put("a.txt", 11), "max-attachment-size");
      assert.equal((await put("a.txt", 10)).status, 201);
      refused(await put("b.txt", 6), "max-attachment-size");
      assert.equal((await put("a.txt", 9)).status, 204);
      assert.equal((await put("b.txt", 6)).status, 201);
      const headers = { destination: `http://localhost${box}c.txt` };
      refused(await small.send("COPY", `${box}b.txt`, { headers }), "max-attachment-size");
      assert.equal((await small.send("MOVE", `${box}b.txt`, { headers })).status, 201);
    } finally {
      await small.end();
    }
  });
});
