import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { methods } from "../../src/server.ts";
import { attach, taken } from "./attachment-words.ts";
import { type Answer, type Exchange, event, givenExchange } from "./exchange.ts";
import { accept, command, home, invite, mail, replyBody, set, shareBody } from "./sharing-words.ts";

// Nothing tells somebody without rights whether a home, calendar, event or attachment exists. Each pair of addresses is of one shape and
// length: one is there, the other is not.

const first = "/calendars/users/user01/";
const noId = "0".repeat(32);
const noShare = "00000000-0000-4000-8000-000000000000";
const pairs: Record<string, readonly [there: string, missing: string]> = {
  // user30 has a home already, user31 none: homes begin when somebody comes.
  home: ["/calendars/users/user30/", "/calendars/users/user31/"],
  calendar: [`${first}secret/`, `${first}nosuch/`],
  "calendar without slash": [`${first}secret`, `${first}nosuch`],
  "nested collection": [`${first}folder/inner/`, `${first}folder/outer/`],
  event: [`${first}secret/a.ics`, `${first}secret/x.ics`],
  "event elsewhere": [`${first}secret/a.ics`, `${first}nosuch/a.ics`],
  "event with slash": [`${first}secret/a.ics/`, `${first}secret/x.ics/`],
  attachment: [`${first}dropbox/box1/a.txt`, `${first}dropbox/box2/a.txt`],
  "inbox item": [`${first}inbox/a.ics`, `${first}inbox/b.ics`],
  "below an event": [`${first}secret/a.ics/b`, `${first}secret/x.ics/b`],
  "home file": [`${first}file.txt`, `${first}none.txt`],
  // A calendar that user01 shares with user06, and what would be one.
  "shared calendar": ["/calendars/users/user06/SHARE/", `/calendars/users/user06/${noShare}/`],
  "event in a shared calendar": ["/calendars/users/user06/SHARE/a.ics", `/calendars/users/user06/${noShare}/a.ics`],
  invitation: ["/calendars/users/user06/notification/NOTICE", `/calendars/users/user06/notification/${noShare}.xml`],
  "drop box": [`${first}dropbox/box1/`, `${first}dropbox/box2/`],
  "drop box of a home": ["/calendars/users/user30/dropbox/", "/calendars/users/user31/dropbox/"],
  "inbox of a home": ["/calendars/users/user30/inbox/", "/calendars/users/user31/inbox/"],
  "outbox of a home": ["/calendars/users/user30/outbox/", "/calendars/users/user31/outbox/"],
  // RFC 8607: the attachment of a.ics, what the server notes of it, and the address to which more is sent.
  "managed attachment": [`${first}dropbox/managed/ID-notes.txt`, `${first}dropbox/managed/${noId}-notes.txt`],
  "managed attachment by another name": [
    `${first}dropbox/managed/ID-other.txt`,
    `${first}dropbox/managed/${noId}-other.txt`,
  ],
  "note of a managed attachment": [`${first}dropbox/managed/ID.events`, `${first}dropbox/managed/${noId}.events`],
  "attachment-add": [`${first}secret/a.ics?action=attachment-add`, `${first}secret/x.ics?action=attachment-add`],
  "attachment-remove": [
    `${first}secret/a.ics?action=attachment-remove&managed-id=ID`,
    `${first}secret/a.ics?action=attachment-remove&managed-id=${noId}`,
  ],
  // The busy time of a home is open; it does not tell whether there is one.
  "free-busy URL": ["/calendars/users/user30/freebusy", "/calendars/users/user31/freebusy"],
};
const withBusyTime: ReadonlySet<string> = new Set([
  "calendar",
  "calendar without slash",
  "nested collection",
  "shared calendar",
]);
// user02 may read another calendar of user01, user03 nothing, null has not signed in; user05 may put into the secret one, not look.
const askers = ["user02", "user03", null] as const;

const reports: Readonly<Record<string, string>> = {
  none: "",
  broken: "<no",
  unknown: `<x xmlns="urn:x"/>`,
  "calendar-query": `<C:calendar-query xmlns:C="urn:ietf:params:xml:ns:caldav"><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>`,
  "calendar-multiget": `<C:calendar-multiget xmlns:C="urn:ietf:params:xml:ns:caldav"><href xmlns="DAV:">${first}secret/a.ics</href></C:calendar-multiget>`,
  "sync-collection": `<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level></sync-collection>`,
  "expand-property": `<expand-property xmlns="DAV:"><property name="owner"/></expand-property>`,
  "free-busy-query": `<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav"><C:time-range start="20260101T000000Z" end="20260201T000000Z"/></C:free-busy-query>`,
  "principal-match": `<principal-match xmlns="DAV:"><self/></principal-match>`,
  "principal-property-search": `<principal-property-search xmlns="DAV:"><property-search><prop><displayname/></prop><match>User</match></property-search><prop><displayname/></prop></principal-property-search>`,
  "calendarserver-principal-search": `<S:calendarserver-principal-search xmlns:S="http://calendarserver.org/ns/"><S:search-token>user</S:search-token></S:calendarserver-principal-search>`,
  "acl-principal-prop-set": `<acl-principal-prop-set xmlns="DAV:"><prop/></acl-principal-prop-set>`,
};

let exchange: Exchange;
before(async () => {
  exchange = await givenExchange({ freeBusyUrl: { days: 14, anonymous: true } });
  const { send, put } = exchange;
  await send("PROPFIND", "/calendars/users/user30/", { as: "user30", headers: { depth: "0" } });
  for (const name of ["secret", "shared"]) await send("MKCALENDAR", `${first}${name}/`);
  await put(`${first}secret/a.ics`, event("a"));
  await send("MKCOL", `${first}folder/`);
  await send("MKCOL", `${first}folder/inner/`);
  await send("MKCOL", `${first}dropbox/`);
  await send("MKCOL", `${first}dropbox/box1/`);
  await send("PUT", `${first}dropbox/box1/a.txt`, { headers: { "content-type": "text/plain" }, body: "a" });
  await send("PUT", `${first}file.txt`, { headers: { "content-type": "text/plain" }, body: "a" });
  const { id } = taken(await attach(exchange, `${first}secret/a.ics`, "attached"));
  const grant = (who: string, privilege: string): string =>
    `<acl xmlns="DAV:"><ace><principal><href>/principals/__uids__/10000000-0000-0000-0000-0000000000${who}/</href></principal><grant><privilege><${privilege}/></privilege></grant></ace></acl>`;
  await send("ACL", `${first}shared/`, { body: grant("02", "read") });
  await invite(exchange, `${first}secret/`, "user01", set(mail("user06"), "read-write"));
  const notices = `${home("user06")}notification/`;
  const listed = await send("PROPFIND", notices, { as: "user06", headers: { depth: "1" } });
  const notice = /notification\/([^<]+\.xml)/.exec(listed.text)?.[1] ?? assert.fail(listed.text);
  const share = (await accept(exchange, `${first}secret/`, "user06")).split("/").at(-2) ?? "";
  for (const [kind, [there, missing]] of Object.entries(pairs))
    pairs[kind] = [there.replace("SHARE", share).replace("NOTICE", notice).replace("ID", id), missing];
});
after(() => exchange.end());

/** Mulberry32: the same triples every time. */
function random(seed: number): <T>(from: readonly T[]) => T {
  let state = seed;
  return <T>(from: readonly T[]): T => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return from[((mixed ^ (mixed >>> 14)) >>> 0) % from.length] as T;
  };
}

interface Asked {
  readonly method: string;
  readonly as: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

// An answer with the asked path taken out of it.
const told = ({ status, headers, text }: Answer, asked: string): string => {
  const [path = ""] = asked.split("?");
  return JSON.stringify([
    status,
    Object.entries(headers).sort(),
    text
      .replaceAll(path, "/asked")
      .replaceAll(path.replace(/\/$/, ""), "/asked")
      // Busy time names whose it is.
      .replace(/user3[01]|User 3[01]|-0000000000003[01]|UID:[^\r]*/g, "whose"),
  ]).replaceAll(path, "/asked");
};

const names = [...methods.map(({ name }) => name), "OPTIONS", "BREW"];

const lockInfo = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`;

function asking(pick: <T>(from: readonly T[]) => T, to: string): Asked {
  const method = pick(names);
  const headers: Record<string, string> = {};
  if (method === "COPY" || method === "MOVE") headers["destination"] = pick([`${first}shared/b.ics`, to, "/x"]);
  if (pick([true, false])) headers["overwrite"] = pick(["T", "F"]);
  if (pick([true, false, false])) headers["if-match"] = pick(["*", '"a"']);
  if (pick([true, false, false])) headers["if-none-match"] = "*";
  if (pick([true, false, false, false])) headers["if"] = `<${to}> (["a"])`;
  if (method === "UNLOCK") headers["lock-token"] = "<urn:uuid:none>";
  if (pick([true, false])) headers["depth"] = pick(["0", "1", "infinity"]);
  const body =
    method === "REPORT"
      ? pick(Object.values(reports))
      : pick([
          "",
          "",
          "<no",
          event("a"),
          `<propfind xmlns="DAV:"><allprop/></propfind>`,
          `<acl xmlns="DAV:"/>`,
          lockInfo,
          shareBody(set(mail("user03"), "read")),
          replyBody("user03", "accepted", `${first}secret/`),
          command("publish-calendar"),
        ]);
  return { method, as: pick(askers), headers, body };
}

test("3,000 random requests are answered alike for what is there and what is not", async () => {
  const pick = random(20261120);
  const differing: string[] = [];
  const compare = async (kind: string, pair: readonly [string, string], asked: Asked): Promise<void> => {
    const answers: string[] = [];
    for (const path of pair) {
      const { method, ...options } = asked;
      const headers = Object.fromEntries(
        Object.entries(options.headers).map(([name, value]) => [name, value.replace("/to/be/replaced", path)]),
      );
      answers.push(told(await exchange.send(method, path, { ...options, headers }), path));
    }
    if (answers[0] !== answers[1])
      differing.push(`${asked.as} ${asked.method} ${kind} ${JSON.stringify(asked.headers)}: ${answers.join("\n  ")}`);
  };
  // Refusals wait a little, so some are asked side by side.
  for (let round = 0; round < 150; round++)
    await Promise.all(
      Array.from({ length: 20 }, () => {
        const [kind, pair] = pick(Object.entries(pairs));
        const asked = asking(pick, "/to/be/replaced");
        // Busy time is open to who signed in, of each calendar, as in the original.
        const tells = asked.body === reports["free-busy-query"] && withBusyTime.has(kind);
        return tells ? undefined : compare(kind, pair, asked);
      }),
    );
  assert.deepEqual(differing, []);
});

for (const as of ["user02", null])
  test(`a refusal takes ${as ?? "a stranger"} the same time for what is there and for what is not`, async () => {
    const time = async (method: string, path: string): Promise<number> => {
      const since = performance.now();
      await exchange.send(method, path, { as });
      return performance.now() - since;
    };
    for (const [kind, [there, missing]] of Object.entries(pairs)) {
      // Open to everybody, so never refused.
      if (kind === "free-busy URL") continue;
      const differences: number[] = [];
      let least = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 41; round++) {
        const method = round % 3 === 0 ? "PROPFIND" : "GET";
        const one = round % 2 === 0 ? await time(method, there) : undefined;
        const other = await time(method, missing);
        differences.push((one ?? (await time(method, there))) - other);
        least = Math.min(least, other);
      }
      const median = differences.sort((a, b) => a - b)[differences.length >> 1] ?? 0;
      const longer = differences.filter((difference) => difference > 0).length / differences.length;
      // Half of the step to which refusals are put off: what the work differs by is much less, and is not to be seen. On a busy
      // machine times are all over the place, but neither is the longer one nearly always.
      assert.ok(Math.abs(median) < 2.5 || (longer > 0.1 && longer < 0.9), `${kind}: ${median} ms, longer ${longer}`);
      assert.ok(least > 3, `${kind}: not put off`);
    }
  });

describe("an address that is hidden is nowhere confirmed:", () => {
  const alike = async (
    what: string,
    ask: (path: string) => Promise<Answer>,
    [there, missing]: readonly [string, string],
  ): Promise<void> => assert.equal(told(await ask(there), there), told(await ask(missing), missing), what);
  const inPath = (path: string) => ({ as: "user02", headers: { destination: path } });

  test("as the Destination of a COPY or MOVE of one's own", async () => {
    const own = "/calendars/users/user02/calendar/own.ics";
    await exchange.put(own, event("own"), "user02");
    for (const pair of Object.values(pairs))
      for (const method of ["COPY", "MOVE"])
        for (const overwrite of ["T", "F"])
          await alike(
            `${method} ${overwrite} ${pair[0]}`,
            (path) => exchange.send(method, own, { ...inPath(path), headers: { destination: path, overwrite } }),
            pair,
          );
  });

  test("in a tagged list of If, whatever it guesses", async () => {
    const own = "/calendars/users/user02/calendar/own.ics";
    const etag = (await exchange.send("GET", `${first}secret/a.ics`)).headers["etag"] ?? "";
    for (const guess of [`[${etag}]`, '["a"]', `Not [${etag}]`])
      await alike(
        guess,
        (path) =>
          exchange.send("PUT", own, {
            as: "user02",
            headers: { if: `<${path}> (${guess})`, "content-type": "text/calendar" },
            body: event("own"),
          }),
        pairs["event"] ?? assert.fail(),
      );
  });

  test("in the hrefs of reports and of expanded properties", async () => {
    const own = "/calendars/users/user02/calendar/";
    for (const pair of Object.values(pairs)) {
      if (pair[0].includes("?")) continue;
      await alike(
        "multiget",
        (path) =>
          exchange.send("REPORT", own, {
            as: "user02",
            body: `<C:calendar-multiget xmlns:C="urn:ietf:params:xml:ns:caldav"><prop xmlns="DAV:"><getetag/></prop><href xmlns="DAV:">${path}</href></C:calendar-multiget>`,
          }),
        pair,
      );
      await alike(
        "expand-property",
        async (path) => {
          await exchange.send("PROPPATCH", own, {
            as: "user02",
            body: `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x"><href xmlns="DAV:">${path}</href></x></prop></set></propertyupdate>`,
          });
          return exchange.send("REPORT", own, {
            as: "user02",
            body: `<expand-property xmlns="DAV:"><property name="x" namespace="urn:x"><property name="getetag"/></property></expand-property>`,
          });
        },
        pair,
      );
    }
  });

  test("by the UID of a PRIVATE event that a delegate's own runs into", async () => {
    const { directory } = exchange.tree.services;
    await directory.setDelegates(await exchange.tree.user("user01"), "write", [await exchange.tree.user("user04")]);
    await exchange.put(
      `${first}shared/hidden-name.ics`,
      event("twice", { around: ["X-CALENDARSERVER-ACCESS:PRIVATE"] }),
    );
    const answer = await exchange.send("PUT", `${first}shared/new.ics`, {
      as: "user04",
      headers: { "content-type": "text/calendar" },
      body: event("twice"),
    });
    assert.equal(answer.status, 403);
    assert.match(answer.text, /no-uid-conflict/);
    assert.doesNotMatch(answer.text, /hidden-name/);
    const owners = await exchange.send("PUT", `${first}shared/new.ics`, {
      headers: { "content-type": "text/calendar" },
      body: event("twice"),
    });
    assert.match(owners.text, /hidden-name/);
  });

  test("by what a synchronisation says of a PRIVATE event that came and went", async () => {
    const sync = (as: string, token: string): Promise<Answer> =>
      exchange.send("REPORT", `${first}shared/`, {
        as,
        body: `<sync-collection xmlns="DAV:"><sync-token>${token}</sync-token><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`,
      });
    const tokenIn = (answer: Answer): string => /<D:sync-token>([^<]*)/.exec(answer.text)?.[1] ?? "";
    const before = tokenIn(await sync("user02", ""));
    await exchange.put(`${first}shared/secret-one.ics`, event("one", { around: ["X-CALENDARSERVER-ACCESS:PRIVATE"] }));
    await exchange.put(`${first}shared/open-one.ics`, event("open"));
    const during = await sync("user02", before);
    assert.match(during.text, /open-one/);
    assert.doesNotMatch(during.text, /secret-one/);
    await exchange.send("DELETE", `${first}shared/secret-one.ics`);
    assert.doesNotMatch((await sync("user02", tokenIn(during))).text, /secret-one/);
    assert.doesNotMatch((await sync("user02", before)).text, /secret-one/);
    // What was open and becomes PRIVATE is gone for others, as if removed.
    const open = tokenIn(await sync("user02", ""));
    await exchange.put(`${first}shared/open-one.ics`, event("open", { around: ["X-CALENDARSERVER-ACCESS:PRIVATE"] }));
    assert.match((await sync("user02", open)).text, /open-one\.ics<\/D:href><D:status>HTTP\/1\.1 404/);
    assert.match((await sync("user01", open)).text, /open-one\.ics<\/D:href><D:propstat>/);
  });

  test("by the token and the changes of a home of which one calendar is denied", async () => {
    const { directory } = exchange.tree.services;
    await directory.setDelegates(await exchange.tree.user("user01"), "read", [await exchange.tree.user("user05")]);
    const deny = `<acl xmlns="DAV:"><ace><principal><href>/principals/__uids__/10000000-0000-0000-0000-000000000005/</href></principal><deny><privilege><read/></privilege></deny></ace></acl>`;
    assert.equal((await exchange.send("ACL", `${first}secret/`, { body: deny })).status, 200);
    const sync = (token: string): Promise<Answer> =>
      exchange.send("REPORT", first, {
        as: "user05",
        body: `<sync-collection xmlns="DAV:"><sync-token>${token}</sync-token><sync-level>infinite</sync-level><prop><getetag/></prop></sync-collection>`,
      });
    const answer = await sync("");
    assert.match(answer.text, /shared/);
    assert.doesNotMatch(answer.text, /secret/);
    const token = /<D:sync-token>(data:,h[^<]*)/.exec(answer.text)?.[1] ?? "";
    assert.doesNotMatch(Buffer.from(token.slice("data:,h-".length), "base64url").toString(), /secret/);
    await exchange.put(`${first}secret/later.ics`, event("later"));
    await exchange.send("DELETE", `${first}secret/later.ics`);
    assert.doesNotMatch((await sync(token)).text, /secret/);
    assert.doesNotMatch(
      (await exchange.send("PROPFIND", first, { as: "user05", headers: { depth: "infinity" } })).text,
      /secret/,
    );
  });

  test("by busy time of an event whose ACL denies it", async () => {
    await exchange.put(`${first}shared/busy.ics`, event("busy"));
    const query = async (): Promise<string> =>
      (
        await exchange.send("REPORT", `${first}shared/`, {
          as: "user02",
          body: `<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav"><C:time-range start="20260105T000000Z" end="20260106T000000Z"/></C:free-busy-query>`,
        })
      ).text;
    assert.match(await query(), /FREEBUSY/);
    const deny = `<acl xmlns="DAV:"><ace><principal><href>/principals/__uids__/10000000-0000-0000-0000-000000000002/</href></principal><deny><privilege><read/></privilege></deny></ace></acl>`;
    for (const name of ["busy.ics", "open-one.ics", "hidden-name.ics"])
      await exchange.send("ACL", `${first}shared/${name}`, { body: deny });
    assert.doesNotMatch(await query(), /FREEBUSY[:;]/);
  });
});
