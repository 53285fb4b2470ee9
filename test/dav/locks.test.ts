import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { child, dav, elements, textOf } from "../../src/xml/element.ts";
import { readXml } from "../../src/xml/read.ts";
import { type Answer, type Exchange, event, givenExchange, hrefsOf, refused, told } from "./exchange.ts";

let exchange: Exchange;
const home = "/calendars/users/user01/";
const calendar = `${home}calendar/`;
const ics = { "content-type": "text/calendar" };

before(async () => {
  exchange = await givenExchange();
  // user02 may write in one calendar of user01.
  await send("MKCALENDAR", `${home}shared/`);
  const { store } = exchange.tree;
  const owner = await exchange.tree.user("user01");
  const shared = await store.open({ owner, path: ["shared"] });
  const acl = readXml(
    '<D:acl xmlns:D="DAV:" xmlns:T="http://twistedmatrix.com/xml_namespace/dav/"><D:ace><D:principal><D:href>/principals/users/user02/</D:href></D:principal><D:grant><D:privilege><D:read/></D:privilege><D:privilege><D:write/></D:privilege></D:grant><T:inheritable/></D:ace><D:ace><D:principal><D:href>/principals/users/user03/</D:href></D:principal><D:grant><D:privilege><D:read/></D:privilege></D:grant><T:inheritable/></D:ace></D:acl>',
  );
  await shared?.change((change) => change.setProperties(undefined, new Map([[dav("acl"), acl]])));
});
after(() => exchange.end());

type Options = Parameters<Exchange["send"]>[2];
const send = (method: string, path: string, options: Options = {}): Promise<Answer> =>
  exchange.send(method, path, options);

const info = (scope: "exclusive" | "shared" = "exclusive", owner = "<D:href>mailto:me@x</D:href>"): string =>
  `<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:${scope}/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner>${owner}</D:owner></D:lockinfo>`;

interface Wanted {
  readonly as?: string;
  readonly scope?: "exclusive" | "shared";
  readonly headers?: Readonly<Record<string, string>>;
}

const lock = (path: string, { as = "user01", scope, headers = {} }: Wanted = {}): Promise<Answer> =>
  send("LOCK", path, { as, headers: { depth: "0", "content-length": "200", ...headers }, body: info(scope) });

/** Takes a lock and answers its token. */
async function taken(path: string, wanted: Wanted = {}): Promise<string> {
  const answer = await lock(path, wanted);
  assert.ok(answer.status === 200 || answer.status === 201, `${answer.status} ${answer.text}`);
  const token = /^<(urn:uuid:[0-9a-f-]{36})>$/.exec(answer.headers["lock-token"] ?? "")?.[1];
  assert.ok(token, answer.headers["lock-token"]);
  return token;
}

const unlock = (path: string, token: string, as = "user01"): Promise<Answer> =>
  send("UNLOCK", path, { as, headers: { "lock-token": `<${token}>` } });
const status = async (answer: Promise<Answer>): Promise<number> => (await answer).status;
const held = (token: string): Readonly<Record<string, string>> => ({ if: `(<${token}>)` });

const put = (
  path: string,
  headers: Readonly<Record<string, string>> = {},
  as = "user01",
  body = "text",
): Promise<Answer> => send("PUT", path, { as, headers, body });
const store = (path: string, headers: Readonly<Record<string, string>> = {}, as = "user01"): Promise<Answer> => {
  const uid = path.slice(path.lastIndexOf("/") + 1);
  return put(path, { ...ics, ...headers }, as, event(uid));
};

const discovery = `<D:propfind xmlns:D="DAV:"><D:prop><D:lockdiscovery/></D:prop></D:propfind>`;
async function discovered(path: string, as = "user01"): Promise<readonly string[]> {
  const answer = await send("PROPFIND", path, { as, headers: { depth: "0" }, body: discovery });
  const found = told(answer)[0]?.properties.get(200)?.get("{DAV:}lockdiscovery");
  assert.ok(found, answer.text);
  return elements(found).map((active) => {
    const token = child(active, dav("locktoken"));
    return token === undefined ? "hidden" : textOf(token);
  });
}

describe("a lock", () => {
  test("is told as RFC 4918 §9.10.7 does", async () => {
    await store(`${calendar}told.ics`);
    const answer = await lock(`${calendar}told.ics`, { headers: { timeout: "Infinite, Second-4100000000" } });
    assert.equal(answer.status, 200);
    const active = elements(elements(readXml(answer.text))[0] ?? readXml("<x/>"))[0];
    assert.ok(active);
    const part = (name: string): string => {
      const element = child(active, dav(name));
      const inner = element && elements(element)[0];
      return inner === undefined || inner.name === dav("href") ? textOf(element ?? "") : inner.name;
    };
    assert.equal(part("lockscope"), "{DAV:}exclusive");
    assert.equal(part("locktype"), "{DAV:}write");
    assert.equal(part("depth"), "0");
    assert.equal(part("owner"), "mailto:me@x");
    assert.equal(part("timeout"), "Second-3600");
    assert.equal(part("lockroot"), `${calendar}told.ics`);
    assert.equal(`<${part("locktoken")}>`, answer.headers["lock-token"]);
    assert.deepEqual(await discovered(`${calendar}told.ics`), [part("locktoken")]);
    assert.equal(await status(unlock(`${calendar}told.ics`, part("locktoken"))), 204);
    assert.deepEqual(await discovered(`${calendar}told.ics`), []);
  });

  test("keeps away from every change whoever does not submit its token, and lets its holder make them", async () => {
    const path = `${calendar}held.ics`;
    await store(path);
    const token = await taken(path);
    const elsewhere = { destination: `${calendar}elsewhere.ics` };
    const edit = `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="urn:x">1</x></D:prop></D:set></D:propertyupdate>`;
    const acl = `<D:acl xmlns:D="DAV:"><D:ace><D:principal><D:authenticated/></D:principal><D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>`;
    const attempts: [string, string, Options][] = [
      ["ACL", path, { body: acl }],
      ["PUT", path, { headers: ics, body: event("held.ics") }],
      ["DELETE", path, {}],
      ["PROPPATCH", path, { body: edit }],
      ["MOVE", path, { headers: elsewhere }],
    ];
    for (const [method, target, options] of attempts) {
      const answer = await send(method, target, options);
      refused(answer, "lock-token-submitted", 423);
      assert.match(answer.text, /<D:href>\/calendars\/users\/user01\/calendar\/held\.ics<\/D:href>/);
    }
    await store(`${calendar}other.ics`);
    for (const method of ["COPY", "MOVE"]) {
      const onto = await send(method, `${calendar}other.ics`, { headers: { destination: path } });
      refused(onto, "lock-token-submitted", 423);
    }
    assert.equal(await status(send("GET", path)), 200, "reading is not forbidden");
    assert.equal(await status(send("COPY", path, { headers: { destination: `${home}copied.txt` } })), 201);
    assert.deepEqual(await discovered(`${home}copied.txt`), [], "a copy is not locked");
    assert.equal(await status(store(path, held(token))), 204);
    assert.equal(await status(send("PROPPATCH", path, { headers: held(token), body: edit })), 207);
    assert.equal(await status(send("ACL", path, { headers: held(token), body: acl })), 200);
    assert.equal(await status(send("MOVE", path, { headers: { ...elsewhere, ...held(token) } })), 201);
    assert.deepEqual(await discovered(elsewhere.destination), [], "a lock does not move");
    assert.equal(await status(put(path, ics, "user01", event("again"))), 201, "nor stays behind");
  });

  test("ends with the resource", async () => {
    const path = `${home}ends.txt`;
    await put(path);
    const token = await taken(path);
    assert.equal(await status(send("DELETE", path, { headers: held(token) })), 204);
    assert.equal(await status(put(path)), 201);
    assert.equal(await status(put(path, held(token))), 412);
  });

  test("stays on an address that a COPY or MOVE puts something else at", async () => {
    const path = `${home}stays.txt`;
    await put(path);
    const token = await taken(path);
    for (const method of ["COPY", "MOVE"]) {
      await put(`${home}comes.txt`, {}, "user01", method);
      const headers = { destination: path, if: `<${path}> (<${token}>)` };
      assert.equal(await status(send(method, `${home}comes.txt`, { headers })), 204);
      assert.equal((await send("GET", path)).text, method);
      assert.deepEqual(await discovered(path), [token]);
    }
    await send("MKCOL", `${home}comes/`);
    const headers = { destination: path, if: `<${path}> (<${token}>)` };
    assert.equal(await status(send("MOVE", `${home}comes/`, { headers })), 204);
    assert.deepEqual(await discovered(`${path}/`), [token]);
    refused(await send("DELETE", `${path}/`), "lock-token-submitted", 423);
    assert.equal(await status(send("DELETE", `${path}/`, { headers: held(token) })), 204);
  });

  test("keeps what its creator said of himself, and nothing of it is taken for markup", async () => {
    const path = `${home}owner.txt`;
    await put(path);
    const owner = `<x xmlns="urn:x" a="&quot;">&lt;b&gt; &amp; M\u00e4rz</x> text`;
    const body = info("exclusive", owner).replace("<D:owner>", `<D:owner xml:lang="de">`);
    const granted = await send("LOCK", path, { body });
    const listed = await send("PROPFIND", path, { headers: { depth: "0" } });
    for (const { text } of [granted, listed]) {
      assert.match(
        text,
        /<D:owner xml:lang="de"><x xmlns="urn:x" a="&quot;">&lt;b&gt; &amp; März<\/x> text<\/D:owner>/,
      );
      readXml(text);
    }
  });

  test("serves only who took it", async () => {
    const path = `${home}shared/mine.ics`;
    await store(path);
    const token = await taken(path, { as: "user02" });
    refused(await store(path, held(token)), "lock-token-submitted", 423);
    assert.equal(await status(store(path, held(token), "user02")), 204);
    const refreshed = send("LOCK", path, { headers: held(token) });
    assert.equal(await status(refreshed), 403);
  });

  test("is ended by who took it, and with DAV:unlock, by nobody else", async () => {
    const path = `${home}shared/ended.ics`;
    await store(path);
    const mine = await taken(path);
    refused(await unlock(path, mine, "user03"), "need-privileges");
    refused(await unlock(path, mine, "user04"), "need-privileges");
    const theirs = mine;
    assert.equal(await status(unlock(path, theirs)), 204);
    const other = await taken(path, { as: "user02" });
    assert.equal(await status(unlock(path, other)), 204, "the owner of a home holds DAV:unlock in it");
  });

  test("shows its token and owner to who may write, and to readers only that it is there", async () => {
    const path = `${home}shared/shown.ics`;
    await store(path);
    const token = await taken(path, { as: "user02" });
    assert.deepEqual(await discovered(path), [token]);
    assert.deepEqual(await discovered(path, "user03"), ["hidden"]);
    const read = await send("PROPFIND", path, { as: "user03", headers: { depth: "0" }, body: discovery });
    assert.doesNotMatch(read.text, /me@x/);
  });

  test("conflicts with others as RFC 4918 §9.10.5 says", async () => {
    const path = `${home}conflict.txt`;
    await put(path);
    const first = await taken(path, { scope: "shared" });
    const second = await taken(path, { scope: "shared" });
    refused(await lock(path), "no-conflicting-lock", 423);
    assert.equal(await status(put(path, held(second))), 204, "one of the shared ones is enough");
    refused(await put(path), "lock-token-submitted", 423);
    for (const token of [first, second]) assert.equal(await status(unlock(path, token)), 204);
    await taken(path);
    refused(await lock(path, { scope: "shared" }), "no-conflicting-lock", 423);
    refused(await lock(path), "no-conflicting-lock", 423);
  });

  test("lasts longer when it is refreshed, and a false refresh says why", async () => {
    const path = `${home}refresh.txt`;
    await put(path);
    const token = await taken(path, { headers: { timeout: "Second-60" } });
    const refreshed = await send("LOCK", path, { headers: { ...held(token), timeout: "Second-120", depth: "1" } });
    assert.equal(refreshed.status, 200, refreshed.text);
    assert.match(refreshed.text, /<D:timeout>Second-120<\/D:timeout>/);
    assert.equal(refreshed.headers["lock-token"], undefined);
    assert.equal(await status(send("LOCK", path)), 400);
    refused(
      await send("LOCK", path, { headers: held("urn:uuid:00000000-0000-4000-8000-000000000000") }),
      "lock-token-matches-request-uri",
      412,
    );
    refused(await send("LOCK", calendar, { headers: held(token) }), "lock-token-matches-request-uri", 412);
    refused(await unlock(calendar, token), "lock-token-matches-request-uri", 409);
    assert.equal(await status(send("UNLOCK", path)), 400);
    assert.equal(await status(send("UNLOCK", path, { headers: { "lock-token": token } })), 400);
  });

  test("may be named as opaquelocktoken:", async () => {
    const path = `${home}opaque.txt`;
    await put(path);
    const token = (await taken(path)).replace("urn:uuid:", "opaquelocktoken:");
    assert.equal(await status(put(path, held(token))), 204);
    assert.equal(await status(unlock(path, token)), 204);
  });
});

test("a lock lasts as long as was told, by a clock of whole seconds, an hour at most", async () => {
  const path = `${home}lasts.txt`;
  await put(path);
  const { tree } = exchange;
  const owner = await tree.user("user01");
  for (const [asked, told] of [
    ["Second-10", 10],
    ["Second-99999999999", 3600],
    ["Infinite", 3600],
    ["Second-0", 1],
    ["unheard, Second-20, Second-30", 20],
    ["", 3600],
  ] as const) {
    const answer = await lock(path, { headers: { timeout: asked } });
    assert.match(answer.text, new RegExp(`<D:timeout>Second-${told}</D:timeout>`), asked);
    const [kept] = (await tree.store.locks.held(owner.uid)).filter(({ root }) => root === path);
    assert.equal(kept?.expires, tree.services.now() + told + 1);
    assert.equal(await status(unlock(path, kept?.token ?? "")), 204);
  }
});

describe("a lock on a collection", () => {
  test("of Depth 0 is one on its list of members", async () => {
    await send("MKCALENDAR", `${home}listed/`);
    await store(`${home}listed/a.ics`);
    await store(`${home}listed/b.ics`);
    const token = await taken(`${home}listed/`);
    assert.equal(await status(store(`${home}listed/a.ics`)), 204, "members may change");
    refused(await store(`${home}listed/new.ics`), "lock-token-submitted", 423);
    refused(await send("DELETE", `${home}listed/a.ics`), "lock-token-submitted", 423);
    const post = send("POST", `${home}listed/;add-member`, { headers: ics, body: event("added") });
    refused(await post, "lock-token-submitted", 423);
    refused(
      await send("MOVE", `${home}listed/a.ics`, { headers: { destination: `${home}listed/c.ics` } }),
      "lock-token-submitted",
      423,
    );
    // The token must be named for the collection, since it is not one of the member's (§10.4.9).
    const tagged = { if: `<${home}listed/> (<${token}>)` };
    assert.equal(await status(store(`${home}listed/new.ics`, tagged)), 201);
    assert.equal(await status(send("DELETE", `${home}listed/a.ics`, { headers: tagged })), 204);
    refused(await send("DELETE", `${home}listed/`), "lock-token-submitted", 423);
    assert.equal(await status(send("DELETE", `${home}listed/`, { headers: held(token) })), 204);
  });

  test("of Depth infinity is one on all that is in it, also what comes later", async () => {
    await send("MKCOL", `${home}deep/`);
    await send("MKCOL", `${home}deep/inner/`);
    await put(`${home}deep/inner/a.txt`);
    const token = await taken(`${home}deep/`, { headers: { depth: "infinity" } });
    for (const path of [`${home}deep/inner/a.txt`, `${home}deep/b.txt`, `${home}deep/inner/b.txt`])
      refused(await put(path), "lock-token-submitted", 423);
    for (const method of ["MKCOL", "MKCALENDAR"])
      refused(await send(method, `${home}deep/inner/more/`), "lock-token-submitted", 423);
    assert.equal(
      await status(send("MKCOL", `${home}deep/inner/more/`, { headers: { if: `(Not <DAV:x> <${token}>)` } })),
      201,
    );
    assert.deepEqual(await discovered(`${home}deep/inner/more/`), [token]);
    refused(await lock(`${home}deep/inner/a.txt`), "no-conflicting-lock", 423);
    assert.equal(await status(unlock(`${home}deep/inner/a.txt`, token)), 204, "from anywhere under it");
    assert.equal(await status(put(`${home}deep/b.txt`)), 201);
  });

  test("is not granted over a member that is locked: 207 with 423 and 424", async () => {
    await send("MKCOL", `${home}over/`);
    await put(`${home}over/a.txt`);
    await taken(`${home}over/a.txt`, { scope: "shared" });
    const answer = await lock(`${home}over/`, { headers: { depth: "infinity" } });
    assert.deepEqual(hrefsOf(answer), [`${home}over/a.txt 423`, `${home}over/ 424`]);
    assert.equal(told(answer)[0]?.error, "{DAV:}no-conflicting-lock");
    assert.deepEqual(await discovered(`${home}over/`), []);
    await taken(`${home}over/`, { headers: { depth: "infinity" }, scope: "shared" });
  });
});

describe("what holds something that is locked", () => {
  test("is not removed, moved or replaced: a multistatus names it and nothing is done", async () => {
    await send("MKCOL", `${home}holds/`);
    await send("MKCOL", `${home}holds/in/`);
    await put(`${home}holds/in/a%20b.txt`);
    await put(`${home}holds/free.txt`);
    await send("MKCOL", `${home}comes/`);
    const token = await taken(`${home}holds/in/a%20b.txt`);
    const inner = `${home}holds/in/a%20b.txt`;
    for (const [method, target, headers] of [
      ["DELETE", `${home}holds/`, {}],
      ["MOVE", `${home}holds/`, { destination: `${home}gone/` }],
      ["MOVE", `${home}comes/`, { destination: `${home}holds/` }],
      ["COPY", `${home}comes/`, { destination: `${home}holds/` }],
    ] as const) {
      const answer = await send(method, target, { headers });
      assert.deepEqual(hrefsOf(answer), [`${inner} 423`], `${method} ${target}`);
      assert.equal(told(answer)[0]?.error, "{DAV:}lock-token-submitted");
    }
    assert.equal(await status(send("GET", `${home}holds/free.txt`)), 200);
    const tagged = { if: `<${inner}> (<${token}>)` };
    assert.equal(await status(send("DELETE", `${home}holds/`, { headers: tagged })), 204);
    await send("MKCOL", `${home}holds/`);
    await send("MKCOL", `${home}holds/in/`);
    assert.equal(await status(put(inner)), 201, "the lock went with it");
  });
});

describe("a lock where nothing is yet", () => {
  test("makes an empty file in a folder or home", async () => {
    const answer = await lock(`${home}fresh.docx`);
    assert.equal(answer.status, 201);
    const token = (answer.headers["lock-token"] ?? "").slice(1, -1);
    const got = await send("GET", `${home}fresh.docx`);
    assert.equal(got.status, 200);
    assert.equal(got.text, "");
    refused(await put(`${home}fresh.docx`), "lock-token-submitted", 423);
    assert.equal(await status(put(`${home}fresh.docx`, held(token))), 204);
    assert.equal(await status(unlock(`${home}fresh.docx`, token)), 204);
    assert.equal((await send("GET", `${home}fresh.docx`)).text, "text");
  });

  test("keeps a name in a calendar free for its holder, without a member that is no calendar object", async () => {
    const path = `${calendar}coming.ics`;
    const answer = await lock(path);
    assert.equal(answer.status, 200);
    const token = (answer.headers["lock-token"] ?? "").slice(1, -1);
    assert.equal(await status(send("GET", path)), 404);
    const listed = await send("PROPFIND", calendar, { headers: { depth: "1" } });
    assert.ok(!hrefsOf(listed).includes(path));
    refused(await store(path), "lock-token-submitted", 423);
    refused(await lock(path), "no-conflicting-lock", 423);
    assert.equal(await status(send("LOCK", path, { headers: held(token) })), 200, "it can be refreshed");
    assert.equal(await status(store(path, held(token))), 201);
    assert.deepEqual(await discovered(path), [token], "and lasts after the PUT");
    assert.equal(await status(unlock(path, token)), 204);
    const unused = await taken(`${calendar}unused.ics`);
    assert.equal(await status(unlock(`${calendar}unused.ics`, unused)), 204);
    assert.equal(await status(store(`${calendar}unused.ics`)), 201);
  });

  test("needs a place, a name and the right to make something", async () => {
    assert.equal(await status(lock(`${home}none/a.txt`)), 409);
    assert.equal(await status(lock(`${home}.hidden`)), 403);
    assert.equal(await status(lock(`${home}slash/`)), 409);
    refused(await lock(`${home}stranger.txt`, { as: "user04" }), "need-privileges");
    const token = await taken(`${home}shared/`);
    refused(await lock(`${home}shared/late.ics`), "lock-token-submitted", 423);
    await unlock(`${home}shared/`, token);
  });
});

describe("nothing is locked", () => {
  for (const path of [home, `${home}inbox/`, `${home}outbox/`, "/principals/users/user01/", "/calendars/", "/"])
    test(`at ${path}: 405, and no lock is offered`, async () => {
      assert.equal(await status(lock(path)), 405);
      const asked = `<D:propfind xmlns:D="DAV:"><D:prop><D:supportedlock/><D:lockdiscovery/></D:prop></D:propfind>`;
      const found = await send("PROPFIND", path, { headers: { depth: "0" }, body: asked });
      assert.match(found.text, /<D:supportedlock\/><D:lockdiscovery\/>/);
    });
  test("inside an inbox or outbox", async () => assert.equal(await status(lock(`${home}inbox/a.ics`)), 403));

  test("by a LOCK that is not one", async () => {
    const path = `${home}odd.txt`;
    await put(path);
    const sent = (body: string, headers: Readonly<Record<string, string>> = {}): Promise<number> =>
      status(send("LOCK", path, { headers, body }));
    assert.equal(await sent(info(), { depth: "1" }), 400);
    assert.equal(await sent(info(), { depth: "2" }), 400);
    assert.equal(await sent('<D:propfind xmlns:D="DAV:"/>'), 400);
    assert.equal(await sent('<D:lockinfo xmlns:D="DAV:"/>'), 400);
    assert.equal(await sent(info().replace("D:write", "D:read")), 400);
    assert.equal(await sent(info().replace("D:exclusive", "D:none")), 400);
    assert.equal(await sent(info("exclusive", "x".repeat(5000))), 413);
    assert.equal(await sent("<not"), 400);
    assert.deepEqual(await discovered(path), []);
  });
});

describe("an If header", () => {
  test("is compared for every method, with entity tags, tokens, Not, and other resources", async () => {
    const path = `${home}if.txt`;
    const etag = (await put(path)).headers["etag"] ?? "";
    const other = `${home}if-other.txt`;
    await put(other, {}, "user01", "other");
    const token = await taken(path);
    const cases: [string, number][] = [
      [`(<${token}> [${etag}])`, 200],
      [`(<${token}> ["x"])`, 412],
      [`(<${token}>) (["x"])`, 200],
      [`(Not <${token}>)`, 412],
      ["(Not <DAV:no-lock>)", 200],
      [`<${path}> (<${token}>)`, 200],
      [`<http://localhost${path}> (<${token}>)`, 200],
      [`<${other}> (<${token}>)`, 412],
      [`<${other}> (Not <${token}>)`, 200],
      [`<${home}nowhere> (["x"])`, 412],
      [`<${home}nowhere> (Not ["x"])`, 200],
      [`<${other}> (["x"]) <${path}> ([${etag}])`, 200],
      ["(<", 400],
      ["", 400],
    ];
    for (const [header, expected] of cases)
      for (const method of ["GET", "PROPFIND"]) {
        const found = await send(method, path, { headers: { if: header, depth: "0" } });
        assert.equal(found.status, expected === 200 && method === "PROPFIND" ? 207 : expected, `${method} ${header}`);
      }
  });

  test("that does not hold changes nothing, whatever token it submits", async () => {
    const path = `${home}cond.txt`;
    await put(path);
    const token = await taken(path);
    assert.equal(await status(put(path, { if: `(<${token}> ["x"])` }, "user01", "changed")), 412);
    assert.equal((await send("GET", path)).text, "text");
    assert.equal(await status(put(path, { if: `(<${token}> ["x"]) (Not <DAV:no-lock>)` })), 204);
  });

  test("of two writers with the same entity tag lets one through", async () => {
    const path = `${home}race.txt`;
    const etag = (await put(path)).headers["etag"] ?? "";
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) => put(path, { if: `([${etag}])` }, "user01", `text ${at}`)),
    );
    assert.deepEqual(answers.map((answer) => answer.status).sort(), [204, ...Array(9).fill(412)]);
  });

  test("may name many lists of one resource, and a hundred resources", async () => {
    const path = `${home}many.txt`;
    await put(path);
    const lists = "(<urn:x>)".repeat(900);
    assert.equal(await status(send("GET", path, { headers: { if: `${lists}(Not <urn:x>)` } })), 200);
    const named = (count: number): string =>
      Array.from({ length: count }, (_, at) => `<${home}n${at}> (Not <urn:x>)`).join(" ");
    assert.equal(await status(send("GET", path, { headers: { if: named(100) } })), 200);
    assert.equal(await status(send("GET", path, { headers: { if: named(101) } })), 400);
  });
});

describe("a LOCK is answered when everybody is done who looked for locks before it was known:", () => {
  const cases: readonly (readonly [string, readonly string[], string, string])[] = [
    ["who writes in the member's collection", ["waits"], `${home}waits/a.ics`, "0"],
    ["who makes or removes collections", [], `${home}waits/a.ics`, "0"],
    ["who writes in the locked collection", ["waits"], `${home}waits/`, "0"],
    ["who writes below what is locked with Depth infinity", ["waiting", "inner"], `${home}waiting/`, "infinity"],
  ];
  before(async () => {
    await send("MKCALENDAR", `${home}waits/`);
    await store(`${home}waits/a.ics`);
    await send("MKCOL", `${home}waiting/`);
    await send("MKCOL", `${home}waiting/inner/`);
  });
  for (const [who, at, path, depth] of cases)
    test(who, async () => {
      const { tree } = exchange;
      const owner = await tree.user("user01");
      const collection = await tree.store.open({ owner, path: at });
      assert.ok(collection);
      let finish = (): void => undefined;
      const atWork = new Promise<void>((resolve) => {
        finish = resolve;
      });
      let writer = Promise.resolve();
      await new Promise<void>((begun) => {
        writer = collection.change(() => {
          begun();
          return atWork;
        });
      });
      let answered = false;
      const answer = lock(path, { headers: { depth } }).then((given) => {
        answered = true;
        return given;
      });
      const place = path.slice(home.length).replace(/\/$/, "");
      const known = async (): Promise<boolean> =>
        (await tree.store.locks.held(owner.uid)).some((one) => one.path === place);
      while (!(await known())) await new Promise((resolve) => setImmediate(resolve));
      // What an answer would take: some hundred turns at most, with file access in between.
      for (let turn = 0; turn < 300; turn++) await tree.store.open({ owner, path: ["calendar"] });
      for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(answered, false);
      finish();
      await writer;
      assert.equal((await answer).status, 200);
      const token = ((await answer).headers["lock-token"] ?? "").slice(1, -1);
      assert.equal(await status(unlock(path, token)), 204);
    });
});

test("a home takes a thousand locks, and then says so", async () => {
  const { tree, send: ask, end } = await givenExchange();
  try {
    const owner = await tree.user("user01");
    await tree.store.provision(owner);
    for (let at = 0; at < 999; at++)
      await tree.store.locks.grant(
        owner.uid,
        {
          token: `urn:uuid:${at}`,
          path: `f${at}`,
          root: `/f${at}` as never,
          deep: false,
          shared: false,
          creator: owner.uid,
          owner: "",
          timeout: 60,
          expires: (tree.services.now() + 60) as never,
        },
        () => undefined,
      );
    const asked = (name: string): Promise<Answer> => ask("LOCK", `${home}${name}`, { body: info() });
    assert.equal((await asked("last.txt")).status, 201);
    const refusedOne = await asked("more.txt");
    assert.equal(refusedOne.status, 507);
    assert.match(refusedOne.text, /1000 locks/);
    assert.equal((await ask("GET", `${home}more.txt`)).status, 404);
  } finally {
    await end();
  }
});

test("OPTIONS claims class 2", async () => {
  const answer = await send("OPTIONS", calendar);
  assert.match(answer.headers["dav"] ?? "", /^1, 2, 3,/);
  assert.match(answer.headers["allow"] ?? "", /\bLOCK, UNLOCK\b/);
  assert.equal(answer.headers["ms-author-via"], "DAV");
});
