import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { loadConfigFile } from "../../src/config/load.ts";
import { type GivenHandler, givenHandler, type Said } from "../support/handler.ts";
import { repository } from "../support/server.ts";
import { event } from "./exchange.ts";
import { command, mail, propfind, xml } from "./sharing-words.ts";

// What the other doors of the whole server tell of what is hidden: locks and their tokens, attachments, other servers' door, published
// addresses. Each question is asked of what is there and of what is not, and answered alike: status, headers, words and length.

const home = "/calendars/users/user01/";
const [there, missing] = [`${home}secret/a.ics`, `${home}secret/x.ics`];
const own = (user: string): string => `/calendars/users/${user}/calendar/own.ics`;
const icalendar = { "content-type": "text/calendar" };
const lockInfo = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`;
// user02 reads another calendar of user01, user03 nothing, null has not signed in.
const askers = ["user02", "user03", null] as const;

let handler: GivenHandler;
let lock = "";
const noLock = "urn:uuid:00000000-0000-4000-8000-000000000000";
before(async () => {
  const { config } = await loadConfigFile(join(repository, "plist/caldavd-test.plist"));
  handler = await givenHandler({
    EnableManagedAttachments: true,
    Scheduling: { ...config.Scheduling, iSchedule: { ...config.Scheduling.iSchedule, Enabled: true } },
  });
  const { send } = handler;
  for (const name of ["secret", "shared"]) await send("MKCALENDAR", `${home}${name}/`, "user01");
  assert.equal((await send("PUT", there, "user01", { headers: icalendar, body: event("a") })).status, 201);
  for (const user of ["user02", "user03"])
    await send("PUT", own(user), user, { headers: icalendar, body: event("own") });
  const read = `<acl xmlns="DAV:"><ace><principal><href>/principals/__uids__/10000000-0000-0000-0000-000000000002/</href></principal><grant><privilege><read/></privilege></grant></ace></acl>`;
  assert.equal((await send("ACL", `${home}shared/`, "user01", { body: read })).status, 200);
  const locked = await send("LOCK", there, "user01", { body: lockInfo });
  assert.equal(locked.status, 200);
  lock = locked.headers["lock-token"]?.slice(1, -1) ?? "";
  assert.match(lock, /^urn:uuid:[0-9a-f-]{36}$/);
});
after(() => handler.end());

/** An answer without what was in the question. */
const told = ({ status, headers, text }: Said, ...asked: readonly string[]): string => {
  // Each answer brings another.
  let words = JSON.stringify([status, Object.entries(headers).sort(), text]).replace(/nonce=\\"[^"]*/, "nonce");
  for (const one of asked) words = words.replaceAll(one, "asked");
  return words;
};

describe("a lock token of what is hidden", () => {
  const questions: Readonly<
    Record<string, (as: (typeof askers)[number], path: string, token: string) => Promise<Said>>
  > = {
    "ends no lock": (as, path, token) => handler.send("UNLOCK", path, as, { headers: { "lock-token": `<${token}>` } }),
    "is not refreshed": (as, path, token) =>
      handler.send("LOCK", path, as, { headers: { if: `(<${token}>)`, timeout: "Second-600" } }),
    "lets nobody write": (as, path, token) =>
      handler.send("PUT", path, as, { headers: { ...icalendar, if: `(<${token}>)` }, body: event("a") }),
    "is no condition for one's own": (as, path, token) =>
      handler.send("PUT", own(as ?? "user03"), as, {
        headers: { ...icalendar, if: `<${path}> (<${token}>)` },
        body: event("own"),
      }),
    "nor one that must not hold": (as, path, token) =>
      handler.send("PUT", own(as ?? "user03"), as, {
        headers: { ...icalendar, if: `<${path}> (Not <${token}>)` },
        body: event("own"),
      }),
    "is not in the answer to a LOCK of it": (as, path) => handler.send("LOCK", path, as, { body: lockInfo }),
    "nor of what is around it": (as, path) =>
      handler.send("LOCK", path.slice(0, path.lastIndexOf("/") + 1), as, {
        headers: { depth: "infinity" },
        body: lockInfo,
      }),
    "nor is it a property": (as, path) =>
      handler.send("PROPFIND", path, as, { headers: { depth: "0" }, body: propfind("D:lockdiscovery") }),
  };
  for (const [what, ask] of Object.entries(questions))
    test(what, async () => {
      for (const as of askers) {
        const answers = new Set<string>();
        for (const path of [there, missing])
          for (const token of [lock, noLock]) answers.add(told(await ask(as, path, token), path, token));
        assert.equal(answers.size, 1, `${as}: ${[...answers].join("\n")}`);
        assert.doesNotMatch([...answers].join(), new RegExp(lock));
      }
    });
  test("is still one, which the owner is told", async () => {
    const { text } = await handler.send("PROPFIND", there, "user01", {
      headers: { depth: "0" },
      body: propfind("D:lockdiscovery"),
    });
    assert.match(text, new RegExp(lock));
    const put = (token?: string): Promise<Said> =>
      handler.send("PUT", there, "user01", {
        headers: { ...icalendar, ...(token === undefined ? {} : { if: `(<${token}>)` }) },
        body: event("a"),
      });
    assert.equal((await put()).status, 423);
    assert.equal((await put(lock)).status, 204);
  });
});

test("what is attached to a hidden event, and whether there is one, no POST tells", async () => {
  const attached = await handler.send("POST", `${home}secret/b.ics?action=attachment-add`, "user01", {
    headers: { "content-type": "text/plain" },
    body: "x",
  });
  assert.equal(attached.status, 404);
  await handler.send("PUT", `${home}secret/b.ics`, "user01", { headers: icalendar, body: event("b") });
  const { headers } = await handler.send("POST", `${home}secret/b.ics?action=attachment-add`, "user01", {
    headers: { "content-type": "text/plain" },
    body: "x",
  });
  const id = headers["cal-managed-id"] ?? "";
  assert.match(id, /^[0-9a-f]{32}$/);
  const none = "0".repeat(32);
  for (const as of askers)
    for (const query of [
      "add",
      "update&managed-id=ID",
      "remove&managed-id=ID",
      "remove&managed-id=ID&rid=M",
      "x",
      "",
    ]) {
      const answers = new Set<string>();
      for (const path of [`${home}secret/b.ics`, missing])
        for (const one of [id, none]) {
          const at = `${path}?action=attachment-${query.replace("ID", one)}`;
          const said = await handler.send("POST", at, as, { headers: { "content-type": "text/plain" }, body: "more" });
          answers.add(told(said, path, one));
        }
      assert.equal(answers.size, 1, `${as} ${query}: ${[...answers].join("\n")}`);
    }
});

test("an ATTACH of a hidden attachment in one's own event is refused as one of an attachment that is not", async () => {
  const { text } = await handler.send("GET", `${home}secret/b.ics`, "user01");
  const line = /ATTACH.*/.exec(text.replace(/\r\n /g, ""))?.[0] ?? assert.fail(text);
  const id = /MANAGED-ID=([0-9a-f]{32})/.exec(line)?.[1] ?? "";
  const none = "0".repeat(32);
  const answers = new Set<string>();
  for (const one of [id, none]) {
    const body = event("mine", { more: [line.replaceAll(id, one)] });
    answers.add(told(await handler.send("PUT", own("user02"), "user02", { headers: icalendar, body }), one));
  }
  assert.equal(answers.size, 1, [...answers].join("\n"));
  assert.match([...answers].join(), /valid-managed-id/);
});

describe("other servers' door", () => {
  const busyTime = (recipient: string): string =>
    [
      ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "METHOD:REQUEST", "BEGIN:VFREEBUSY", "UID:busy"],
      ...["DTSTAMP:20260101T000000Z", "DTSTART:20260105T000000Z", "DTEND:20260106T000000Z"],
      ...["ORGANIZER:mailto:who@elsewhere.example", `ATTENDEE:${recipient}`, "END:VFREEBUSY", "END:VCALENDAR", ""],
    ].join("\r\n");
  const invitation = (recipient: string): string =>
    event("invitation", {
      around: ["METHOD:REQUEST"],
      more: ["ORGANIZER:mailto:who@elsewhere.example", `ATTENDEE:${recipient}`],
    });
  for (const [what, body, component] of [
    ["busy time", busyTime, "VFREEBUSY"],
    ["an invitation", invitation, "VEVENT"],
  ] as const)
    test(`tells a server that it does not know the same of ${what} for who is here and who is not`, async () => {
      const answers = new Set<string>();
      for (const recipient of [mail("user01"), mail("nobody"), "mailto:user01@elsewhere.example"])
        for (const as of [null, "user02"])
          answers.add(
            told(
              await handler.send("POST", "/ischedule", as, {
                headers: {
                  "content-type": `text/calendar; component=${component}; method=REQUEST`,
                  originator: "mailto:who@elsewhere.example",
                  recipient,
                  "ischedule-version": "1.0",
                  "ischedule-message-id": "one",
                },
                body: body(recipient),
              }),
              recipient,
            ),
          );
      assert.equal(answers.size, 1, [...answers].join("\n"));
      assert.match([...answers][0] ?? "", /^\[(400|403),/);
    });
  test("tells nothing of calendars", async () => {
    for (const path of ["/ischedule", "/.well-known/ischedule"]) {
      const { text } = await handler.send("GET", `${path}?action=capabilities`, null);
      assert.doesNotMatch(text, /user\d\d|calendars\//);
    }
  });
});

test("an address that was published and is no longer is one that never was", async () => {
  const publish = (name: string) =>
    handler.send("POST", `${home}shared/`, "user01", { headers: xml, body: command(name) });
  assert.ok((await publish("publish-calendar")).status < 300);
  const { text } = await handler.send("PROPFIND", `${home}shared/`, "user01", {
    headers: { depth: "0" },
    body: propfind("CS:publish-url"),
  });
  const path = /\/published\/[A-Za-z0-9_-]{32}\.ics/.exec(text)?.[0] ?? assert.fail(text);
  assert.equal((await handler.send("GET", path, null)).status, 200);
  assert.ok((await publish("unpublish-calendar")).status < 300);
  const never = `/published/${"a".repeat(32)}.ics`;
  for (const method of ["GET", "HEAD", "OPTIONS", "PROPFIND", "PUT"])
    for (const as of askers)
      assert.equal(
        told(await handler.send(method, path, as), path),
        told(await handler.send(method, never, as), never),
        `${method} ${as}`,
      );
});
