import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { childrenNamed, dav, textOf } from "../../src/xml/element.ts";
import { type Answer, type Exchange, event, givenExchange, hrefsOf, refused, told } from "./exchange.ts";

const home = "/calendars/users/user01/";
const calendar = `${home}calendar/`;
const shared = `${home}shared/`;
const principal = (number: number): string =>
  `<href>/principals/__uids__/10000000-0000-0000-0000-00000000000${number}/</href>`;

let exchange: Exchange;
before(async () => {
  exchange = await givenExchange();
  await exchange.send("MKCALENDAR", shared);
  await exchange.put(`${shared}a.ics`, event("a"));
  await exchange.put(`${shared}b.ics`, event("b"));
});
after(() => exchange.end());

const ace = (who: string, action: "grant" | "deny", privileges: string, more = ""): string =>
  `<ace><principal>${who}</principal><${action}>${privileges
    .split(" ")
    .map((name) => `<privilege>${name.startsWith("C:") ? `<${name}/>` : `<${name}/>`}</privilege>`)
    .join("")}</${action}>${more}</ace>`;
const body = (...aces: readonly string[]): string =>
  `<acl xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">${aces.join("")}</acl>`;
const acl = (path: string, ...aces: readonly string[]): Promise<Answer> =>
  exchange.send("ACL", path, { body: body(...aces) });
const status = async (method: string, path: string, as: string, more: object = {}): Promise<number> =>
  (await exchange.send(method, path, { as, ...more })).status;
const list = async (path: string, as = "user01"): Promise<readonly string[]> =>
  hrefsOf(
    await exchange.send("PROPFIND", path, {
      as,
      headers: { depth: "1" },
      body: `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`,
    }),
  );
async function shownAcl(path: string, as = "user01"): Promise<readonly string[]> {
  const answer = await exchange.send("PROPFIND", path, {
    as,
    headers: { depth: "0" },
    body: `<propfind xmlns="DAV:"><prop><acl/></prop></propfind>`,
  });
  const found = told(answer)[0]?.properties.get(200)?.get(dav("acl"));
  assert.ok(found, answer.text);
  return childrenNamed(found, dav("ace")).map((one) =>
    one.children
      .map((part) => (typeof part === "string" ? "" : JSON.stringify(part)))
      .join(" ")
      .replace(/\s+/g, " "),
  );
}

describe("ACL", () => {
  test("on a calendar opens it and what is in it, to just that principal", async () => {
    assert.equal(await status("GET", `${shared}a.ics`, "user02"), 403);
    const answer = await acl(shared, ace(principal(2), "grant", "read"));
    assert.equal(answer.status, 200, answer.text);
    assert.equal(await status("GET", `${shared}a.ics`, "user02"), 200);
    assert.equal(await status("GET", `${shared}a.ics`, "user03"), 403);
    assert.equal(await status("PUT", `${shared}a.ics`, "user02", { body: event("a") }), 403);
    assert.equal(await status("GET", `${calendar}none.ics`, "user02"), 403);
    assert.equal(await status("GET", home, "user02"), 403);
  });

  test("on an event denies just that one, and a listing made before forgets its rights", async () => {
    assert.deepEqual(await list(shared, "user02"), [shared, `${shared}a.ics`, `${shared}b.ics`]);
    const { token } = await syncOf(shared, "user02");
    assert.equal((await acl(`${shared}b.ics`, ace(principal(2), "deny", "read"))).status, 200);
    assert.equal(await status("GET", `${shared}b.ics`, "user02"), 403);
    assert.equal(await status("GET", `${shared}a.ics`, "user02"), 200);
    assert.deepEqual(await list(shared, "user02"), [shared, `${shared}a.ics`, `${shared}b.ics 403`]);
    // Who has synchronised before hears that it is gone; who begins now hears nothing.
    assert.deepEqual((await syncOf(shared, "user02", token)).hrefs, [`${shared}b.ics 404`]);
    assert.deepEqual((await syncOf(shared, "user02")).hrefs, [`${shared}a.ics`]);
    assert.deepEqual((await syncOf(shared, "user01")).hrefs, [`${shared}a.ics`, `${shared}b.ics`]);
  });

  test("on an event opens just that one in a closed calendar, and brings it to who synchronises", async () => {
    await exchange.send("MKCALENDAR", `${home}closed/`);
    await exchange.put(`${home}closed/a.ics`, event("a"));
    await exchange.put(`${home}closed/b.ics`, event("b"));
    await acl(`${home}closed/b.ics`, ace(principal(2), "grant", "read write-content"));
    assert.equal(await status("GET", `${home}closed/b.ics`, "user02"), 200);
    assert.equal(await status("PUT", `${home}closed/b.ics`, "user02", { body: event("b") }), 204);
    assert.equal(await status("GET", `${home}closed/a.ics`, "user02"), 403);
    assert.equal(await status("DELETE", `${home}closed/b.ics`, "user02"), 403);
    assert.equal(await status("GET", `${home}closed/b.ics`, "user02"), 200, "a PUT keeps the ACL");
  });

  test("an empty list takes back what was set, and only that", async () => {
    await acl(`${shared}b.ics`);
    assert.equal(await status("GET", `${shared}b.ics`, "user02"), 200);
    assert.equal(
      (await shownAcl(`${shared}b.ics`)).some((one) => one.includes('"{DAV:}deny"')),
      false,
    );
  });

  test("shows own ACEs before inherited ones, which say from where; the hidden mark of the original is not told", async () => {
    const shown = await shownAcl(shared);
    assert.match(shown[0] ?? "", /000002.*\{DAV:\}read/);
    assert.doesNotMatch(shown[0] ?? "", /protected|inherited/);
    assert.match(shown[1] ?? "", /protected.*inherited.*calendars\/__uids__\/10000000-0000-0000-0000-000000000001/);
    assert.doesNotMatch(shown.join(), /inheritable/);
    const inside = await shownAcl(`${shared}a.ics`);
    assert.match(inside[0] ?? "", /000002.*\{DAV:\}inherited.*shared/);
  });

  test("groups, everybody, who signed in, inverted ones, DAV:owner and other properties", async () => {
    const group = "/principals/groups/group01/";
    const canonical = textOf(
      told(
        await exchange.send("PROPFIND", group, {
          headers: { depth: "0" },
          body: `<propfind xmlns="DAV:"><prop><principal-URL/></prop></propfind>`,
        }),
      )[0]
        ?.properties.get(200)
        ?.get(dav("principal-URL")) ?? assert.fail(),
    );
    const second = "/calendars/users/user02/calendar/";
    await exchange.put(`${second}x.ics`, event("x"), "user02");
    const set = (...aces: string[]) => exchange.send("ACL", second, { as: "user02", body: body(...aces) });
    const may = async (): Promise<string> => {
      const found: number[] = [];
      for (const as of ["user01", "user03", null])
        found.push((await exchange.send("GET", `${second}x.ics`, { as })).status);
      return found.join(" ");
    };
    // Members of group01: user01 alone.
    assert.equal((await set(ace(`<href>${canonical}</href>`, "grant", "read"))).status, 200);
    assert.equal(await may(), "200 403 401");
    await set(ace("<authenticated/>", "grant", "read"));
    assert.equal(await may(), "200 200 401");
    await set(ace(principal(1), "deny", "read"), ace("<all/>", "grant", "read"));
    assert.equal(await may(), "403 200 200");
    await set(
      `<ace><invert><principal>${principal(3)}</principal></invert><grant><privilege><read/></privilege></grant></ace>`,
    );
    assert.equal(await may(), "200 403 200");
    await exchange.send("PROPPATCH", second, {
      as: "user02",
      body: `<propertyupdate xmlns="DAV:"><set><prop><boss xmlns="urn:x"><href xmlns="DAV:">/principals/users/user03/</href></boss></prop></set></propertyupdate>`,
    });
    await set(ace(`<property><boss xmlns="urn:x"/></property>`, "grant", "read"));
    assert.equal(await status("PROPFIND", second, "user03", { headers: { depth: "0" } }), 207);
    assert.equal(await status("PROPFIND", second, "user01", { headers: { depth: "0" } }), 403);
    await set();
  });

  test("is refused with the preconditions of RFC 3744 §8.1.1", async () => {
    const at = `${shared}a.ics`;
    const rows: readonly [condition: string, ...aces: string[]][] = [
      ["no-ace-conflict", ace(principal(3), "grant", "read", "<protected/>")],
      ["no-ace-conflict", ace(principal(3), "grant", "read", `<inherited><href>${home}</href></inherited>`)],
      ["no-protected-ace-conflict", ace(principal(1), "deny", "write-acl")],
      ["no-protected-ace-conflict", ace("<property><owner/></property>", "deny", "read")],
      ["no-protected-ace-conflict", ace("<all/>", "deny", "all")],
      ["no-protected-ace-conflict", ace("<authenticated/>", "deny", "write-acl")],
      ["not-supported-privilege", ace(principal(3), "grant", "C:schedule")],
      ["not-supported-privilege", ace(principal(3), "grant", "fly")],
      ["recognized-principal", ace("<href>/principals/__uids__/nobody/</href>", "grant", "read")],
      ["recognized-principal", ace("<href>/noprincipals/users/user02/</href>", "grant", "read")],
      // RFC 3744 §4.2: the URL of DAV:principal-URL MUST be used.
      ["recognized-principal", ace("<href>/principals/users/user03/</href>", "grant", "read")],
      ["allowed-principal", ace("<self/>", "grant", "read")],
      ["allowed-principal", ace("<property><getetag/></property>", "grant", "read")],
      ["limited-number-of-aces", ...Array<string>(1001).fill(ace(principal(3), "grant", "read"))],
    ];
    for (const [condition, ...aces] of rows) refused(await acl(at, ...aces), condition);
    assert.equal((await exchange.send("ACL", at, { body: "<acl xmlns='DAV:'><ace/></acl>" })).status, 400);
    assert.equal((await exchange.send("ACL", at, { body: "<other xmlns='DAV:'/>" })).status, 400);
    assert.equal((await exchange.send("ACL", at)).status, 400);
    assert.equal(await status("GET", at, "user02"), 200, "nothing was changed by any of them");
  });

  test("takes grants and denials in any order: no restriction is declared", async () => {
    assert.equal(
      (await acl(`${shared}a.ics`, ace(principal(3), "deny", "write"), ace(principal(3), "grant", "read"))).status,
      200,
    );
    assert.equal(
      (await acl(`${shared}a.ics`, ace(principal(3), "grant", "read"), ace(principal(3), "deny", "write"))).status,
      200,
    );
    assert.equal(await status("GET", `${shared}a.ics`, "user03"), 200);
    await acl(`${shared}a.ics`);
  });

  test("needs write-acl, which a write delegate does not have", async () => {
    const { directory } = exchange.tree.services;
    await directory.setDelegates(await exchange.tree.user("user01"), "write", [await exchange.tree.user("user04")]);
    assert.equal(await status("PUT", `${shared}c.ics`, "user04", { body: event("c") }), 201);
    refused(await exchange.send("ACL", shared, { as: "user04", body: body() }), "need-privileges");
    await acl(shared, ace(principal(2), "grant", "read"), ace(principal(5), "grant", "read write-acl"));
    assert.equal((await exchange.send("ACL", shared, { as: "user05", body: body() })).status, 200);
    assert.equal(await status("GET", shared, "user05"), 403);
  });

  test("is offered inside homes, not on them: a home's ACL is computed", async () => {
    const allow = async (path: string): Promise<boolean> =>
      ((await exchange.send("OPTIONS", path)).headers["allow"] ?? "").includes("ACL");
    assert.equal(await allow(calendar), true);
    assert.equal(await allow(`${home}inbox/`), true);
    assert.equal(await allow(`${shared}a.ics`), true);
    assert.equal(await allow(home), false);
    assert.equal((await exchange.send("ACL", home, { body: body() })).status, 405);
    assert.equal((await exchange.send("ACL", "/principals/users/user01/", { body: body() })).status, 405);
    assert.equal((await exchange.send("ACL", `${shared}none.ics`, { body: body() })).status, 404);
  });

  test("of an inbox keeps the protected ACEs, and an empty one closes it to deliveries", async () => {
    const inbox = `${home}inbox/`;
    const granted = async (as: string): Promise<string> =>
      (
        await exchange.send("PROPFIND", inbox, {
          as,
          headers: { depth: "0" },
          body: `<propfind xmlns="DAV:"><prop><current-user-privilege-set/></prop></propfind>`,
        })
      ).text;
    await acl(inbox, ace(principal(2), "grant", "read read-current-user-privilege-set C:schedule-deliver"));
    assert.match(await granted("user02"), /schedule-deliver/);
    await acl(inbox, ace(principal(2), "grant", "read read-current-user-privilege-set"));
    assert.doesNotMatch(await granted("user02"), /schedule-deliver/);
    const outbox = `${home}outbox/`;
    await acl(outbox, ace(principal(2), "grant", "read"));
    const shown = await shownAcl(outbox);
    assert.match(shown[0] ?? "", /calendar-proxy-write.*schedule-send.*protected/);
    assert.equal(shown.filter((one) => one.includes("schedule-send")).length, 1, "kept once, not twice");
  });

  test("stays with what is moved, and is not copied", async () => {
    await acl(`${shared}a.ics`, ace(principal(6), "grant", "read"));
    await exchange.send("COPY", `${shared}a.ics`, { headers: { destination: `${calendar}copied.ics` } });
    assert.equal(await status("GET", `${calendar}copied.ics`, "user06"), 403);
    await exchange.send("MOVE", `${shared}a.ics`, { headers: { destination: `${calendar}moved.ics`, overwrite: "F" } });
    assert.equal(await status("GET", `${calendar}moved.ics`, "user06"), 403, "the UID is taken there");
    await exchange.send("DELETE", `${calendar}copied.ics`);
    await exchange.send("MOVE", `${shared}a.ics`, { headers: { destination: `${calendar}moved.ics` } });
    assert.equal(await status("GET", `${calendar}moved.ics`, "user06"), 200);
  });

  test("If-Match guards an event's ACL as its content", async () => {
    const options = { headers: { "if-match": '"other"' }, body: body(ace(principal(6), "grant", "read")) };
    assert.equal((await exchange.send("ACL", `${shared}b.ics`, options)).status, 412);
    assert.equal(await status("GET", `${shared}b.ics`, "user06"), 403);
  });

  test("attachments in the drop box have ACLs too, and a box hands its own down", async () => {
    const box = `${home}dropbox/box/`;
    assert.ok([201, 405].includes((await exchange.send("MKCOL", `${home}dropbox/`)).status));
    assert.equal((await exchange.send("MKCOL", box)).status, 201);
    for (const name of ["one.txt", "two.txt"])
      assert.equal(
        (await exchange.send("PUT", box + name, { headers: { "content-type": "text/plain" }, body: name })).status,
        201,
      );
    await acl(box, ace(principal(7), "grant", "read"));
    assert.equal(await status("GET", `${box}one.txt`, "user07"), 200);
    await acl(`${box}one.txt`, ace(principal(7), "deny", "read"));
    assert.equal(await status("GET", `${box}one.txt`, "user07"), 403);
    assert.equal(await status("GET", `${box}two.txt`, "user07"), 200);
  });
});

async function syncOf(path: string, as: string, token = ""): Promise<{ hrefs: readonly string[]; token: string }> {
  const answer = await exchange.send("REPORT", path, {
    as,
    body: `<sync-collection xmlns="DAV:"><sync-token>${token}</sync-token><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`,
  });
  return { hrefs: hrefsOf(answer), token: /<D:sync-token>([^<]*)/.exec(answer.text)?.[1] ?? "" };
}
