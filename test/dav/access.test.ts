import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { methods, reports } from "../../src/server.ts";
import { localOf } from "../../src/xml/element.ts";
import { type As, type GivenHandler, givenHandler, type Said } from "../support/handler.ts";
import { event } from "./exchange.ts";
import { mail, remove, set, shareBody } from "./sharing-words.ts";

// Who may do what, where. test/dav/access/*.txt are the tables: a row for each method and report, a column for each asker, in a cell
// the status of the answer. CALDAVD_ACCESS_WRITE=1 writes them anew, to be read with care before they are kept.

const guid = (number: string): string => `/principals/__uids__/10000000-0000-0000-0000-0000000000${number}/`;

const askers: Readonly<Record<string, As>> = {
  owner: "user01",
  "write-proxy": "user02",
  "read-proxy": "user03",
  // A write delegate as a member of a group that is in a group: group05 holds group06 holds user21.
  "group-proxy": "user21",
  "sharee-r": "user08",
  "sharee-rw": "user09",
  other: "user10",
  admin: "admin",
  reader: "user11",
  anonymous: null,
  "sudoer-as": { sudoer: "superuser", as: "user01" },
};

const home = "/calendars/__uids__/10000000-0000-0000-0000-000000000001/";
const targets: Readonly<Record<string, () => Promise<string>>> = {
  home: async () => home,
  calendar: async () => `${home}shared/`,
  event: async () => `${home}shared/event.ics`,
  "private-event": async () => `${home}shared/private.ics`,
  inbox: async () => `${home}inbox/`,
  outbox: async () => `${home}outbox/`,
  dropbox: async () => `${home}dropbox/box/`,
  attachment: async () => `${home}dropbox/box/note.txt`,
  "managed-attachment": () => attachmentOf(`${home}shared/attached.ics`, event("attached")),
  "managed-attachment-private": () => attachmentOf(`${home}shared/attached-private.ics`, attachedSecret),
};

/** The address of the managed attachment (RFC 8607) of an event, both made where they are missing. */
async function attachmentOf(path: string, text: string): Promise<string> {
  const found = /^ATTACH.*:(http.*)$/m.exec(
    (await owner("GET", path)).text.replace(/\r\n[ \t]/g, "").replaceAll("\r", ""),
  );
  const address = found === null ? undefined : new URL(found[1] ?? "").pathname;
  if (address !== undefined && (await owner("GET", address)).text === "a note") return address;
  const stored = await owner("PUT", path, { headers: calendarText, body: text });
  assert.ok(stored.status < 300, stored.text);
  return addressOf(await owner("POST", `${path}?action=attachment-add`, noteToAttach));
}

const noteToAttach = {
  headers: { "content-type": "text/plain", "content-disposition": 'attachment; filename="note.txt"' },
  body: "a note",
};
function addressOf({ status, headers, text }: Said): string {
  assert.equal(status, 201, text);
  return new URL(headers["location"] ?? "").pathname;
}

let handler: GivenHandler;
before(async () => {
  handler = await givenHandler({ ReadPrincipals: [guid("11")], EnableManagedAttachments: true });
  await owner("PROPFIND", home, { headers: { depth: "0" } });
  const delegates = (href: string): string =>
    `<propertyupdate xmlns="DAV:"><set><prop><group-member-set>${href}</group-member-set></prop></set></propertyupdate>`;
  await owner("PROPPATCH", `${guid("01")}calendar-proxy-write/`, {
    body: delegates(
      `<href>${guid("02")}</href><href>/principals/__uids__/20000000-0000-0000-0000-000000000005/</href>`,
    ),
  });
  await owner("PROPPATCH", `${guid("01")}calendar-proxy-read/`, { body: delegates(`<href>${guid("03")}</href>`) });
  await owner("MKCOL", `${home}dropbox/`);
  await owner("MKCALENDAR", `${home}elsewhere/`);
  await owner("ACL", `${home}elsewhere/`, { body: acl });
  for (const as of Object.values(askers))
    if (as !== null)
      await handler.send("PUT", ownEvent(as), as, {
        headers: calendarText,
        body: event(`own-${typeof as === "string" ? as : "sudoer"}`),
      });
  await restore();
});
after(() => handler.end());

const owner = (method: string, path: string, options: Options = {}) => handler.send(method, path, "user01", options);
interface Options {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const privileges = (...names: readonly string[]): string =>
  names.map((name) => `<privilege><${name}/></privilege>`).join("");
const acl = `<acl xmlns="DAV:"><ace><principal><href>${guid("08")}</href></principal><grant>${privileges("read", "read-current-user-privilege-set")}</grant></ace>
<ace><principal><href>${guid("09")}</href></principal><grant>${privileges("read", "read-current-user-privilege-set", "write")}</grant></ace></acl>`;

const xmlText = { "content-type": "application/xml" };
const calendarText = { "content-type": "text/calendar" };
const plainText = { "content-type": "text/plain" };
const secret = event("private", { around: ["X-CALENDARSERVER-ACCESS:PRIVATE"] });
const attachedSecret = event("attached-private", { around: ["X-CALENDARSERVER-ACCESS:PRIVATE"] });

/** What a cell may have changed is as it was. */
async function restore(): Promise<void> {
  await owner("MKCALENDAR", `${home}shared/`);
  await owner("ACL", `${home}shared/`, { body: acl });
  await owner("MKCOL", `${home}dropbox/box/`);
  await owner("ACL", `${home}dropbox/box/`, { body: acl });
  for (const [path, headers, body] of [
    [`${home}shared/event.ics`, calendarText, event("event")],
    [`${home}shared/private.ics`, calendarText, secret],
    [`${home}dropbox/box/note.txt`, plainText, "a note"],
  ] as const) {
    await owner("PUT", path, { headers, body });
    await owner("ACL", path, { body: `<acl xmlns="DAV:"/>` });
  }
  for (const left of [
    "elsewhere/event.ics",
    "elsewhere/private.ics",
    ...["new.ics", "in.ics"].flatMap((name) =>
      ["", "shared/", "inbox/", "outbox/", "dropbox/box/"].map((at) => at + name),
    ),
    "shared2/",
    "box2/",
    "dropbox/box/moved.txt",
    "dropbox/box/copied.txt",
    "dropbox/managed/new.ics",
    "dropbox/managed/in.ics",
    "new/",
    "dropbox/box/new/",
  ])
    await owner("DELETE", home + left);
}

/** Where a COPY or MOVE of a target goes. */
const destinations: Readonly<Record<string, string>> = {
  home: `${home}home2/`,
  calendar: `${home}shared2/`,
  event: `${home}elsewhere/event.ics`,
  "private-event": `${home}elsewhere/private.ics`,
  inbox: `${home}inbox2/`,
  outbox: `${home}outbox2/`,
  dropbox: `${home}box2/`,
  attachment: `${home}dropbox/box/moved.txt`,
  "managed-attachment": `${home}dropbox/box/copied.txt`,
  "managed-attachment-private": `${home}dropbox/box/copied.txt`,
};

const prop = "<prop xmlns='DAV:'><getetag/></prop>";
const CAL = `xmlns:C="urn:ietf:params:xml:ns:caldav"`;
const bodies: Readonly<Record<string, (path: string) => string>> = {
  "calendar-query": () =>
    `<C:calendar-query ${CAL}>${prop}<C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>`,
  "calendar-multiget": (path) =>
    `<C:calendar-multiget ${CAL}>${prop}<href xmlns="DAV:">${path}</href></C:calendar-multiget>`,
  "free-busy-query": () =>
    `<C:free-busy-query ${CAL}><C:time-range start="20260101T000000Z" end="20260201T000000Z"/></C:free-busy-query>`,
  "sync-collection": () =>
    `<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level>${prop}</sync-collection>`,
  "expand-property": () => `<expand-property xmlns="DAV:"><property name="owner"/></expand-property>`,
  "principal-search-property-set": () => `<principal-search-property-set xmlns="DAV:"/>`,
  "principal-property-search": () =>
    `<principal-property-search xmlns="DAV:"><property-search><prop><displayname/></prop><match>User 01</match></property-search>${prop}</principal-property-search>`,
  "principal-match": () => `<principal-match xmlns="DAV:"><self/></principal-match>`,
  "acl-principal-prop-set": () => `<acl-principal-prop-set xmlns="DAV:">${prop}</acl-principal-prop-set>`,
  "calendarserver-principal-search": () =>
    `<S:calendarserver-principal-search xmlns:S="http://calendarserver.org/ns/"><S:search-token>user</S:search-token>${prop}</S:calendarserver-principal-search>`,
};

/** A name in a collection, or beside a member. */
const inside = (path: string, name: string): string => path.slice(0, path.lastIndexOf("/") + 1) + name;
/** Of the asker; a stranger tries with somebody else's. */
const ownEvent = (as: As): string =>
  `/calendars/users/${as === null ? "user10" : typeof as === "string" ? as : as.as}/calendar/own.ics`;

const request = (
  row: string,
  target: string,
  path: string,
  as: As,
): readonly [method: string, path: string, Options] => {
  const [method = "", report] = row.split(" ");
  switch (method) {
    case "REPORT":
      return [method, path, { headers: { depth: "0" }, body: bodies[report ?? ""]?.(path) ?? assert.fail(row) }];
    case "PROPFIND":
      return [method, path, { headers: { depth: "0" }, body: `<propfind xmlns="DAV:">${prop}</propfind>` }];
    case "PROPPATCH":
      return [
        method,
        path,
        { body: `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x">1</x></prop></set></propertyupdate>` },
      ];
    case "PUT":
      if (report === "new") return [method, inside(path, "new.ics"), { headers: calendarText, body: event("new") }];
      if (target === "attachment" || target === "dropbox" || target.startsWith("managed"))
        return [method, path, { headers: plainText, body: "another" }];
      return [
        method,
        path,
        { headers: calendarText, body: target === "private-event" ? secret : event("event", { summary: "again" }) },
      ];
    case "COPY":
    case "MOVE":
      if (report === "in") return [method, ownEvent(as), { headers: { destination: inside(path, "in.ics") } }];
      return [method, path, { headers: { destination: destinations[target] ?? "" } }];
    case "MKCALENDAR":
    case "MKCOL":
      return [method, path.endsWith("/") ? `${path}new/` : path, {}];
    case "ACL":
      return [method, path, { body: `<acl xmlns="DAV:"/>` }];
    case "POST":
      if (report === "share") return [method, path, { headers: xmlText, body: shareBody(set(mail("user12"), "read")) }];
      if (report === "add-member")
        return [method, inside(path, ";add-member"), { headers: calendarText, body: event("added") }];
      if (report?.startsWith("attachment-")) return [method, `${path}?action=${report}`, noteToAttach];
      return [method, path, { headers: calendarText, body: busyTime }];
    default:
      return [method, path, {}];
  }
};

const busyTime = [
  "BEGIN:VCALENDAR",
  "VERSION:2.0",
  "PRODID:-//test//EN",
  "METHOD:REQUEST",
  "BEGIN:VFREEBUSY",
  "UID:busy",
  "DTSTAMP:20260101T000000Z",
  "DTSTART:20260101T000000Z",
  "DTEND:20260102T000000Z",
  "ORGANIZER:mailto:user01@example.com",
  "ATTENDEE:mailto:user10@example.com",
  "END:VFREEBUSY",
  "END:VCALENDAR",
  "",
].join("\r\n");

const reading = new Set(["OPTIONS", "GET", "HEAD", "PROPFIND", "REPORT", "POST", "LOCK", "UNLOCK"]);

const rows: readonly string[] = [
  "OPTIONS",
  ...methods.map(({ name }) => name as string).filter((name) => name !== "REPORT"),
  // What else they do.
  ...["PUT new", "COPY in", "POST share", "POST add-member"],
  ...["POST attachment-add", "POST attachment-update", "POST attachment-remove"],
  ...reports.map(({ name }) => `REPORT ${localOf(name)}`),
];

async function statusOf(row: string, target: string, as: As): Promise<number> {
  const path = await (targets[target] ?? assert.fail(target))();
  const [method, at, options] = request(row, target, path, as);
  if (row.startsWith("POST attachment-")) return statusOfAttaching(row, target, path, as);
  if (method === "LOCK" || method === "UNLOCK") return statusOfLock(method, path, as);
  const { status, headers } = await handler.send(method, at, as, options);
  if (row === "POST add-member" && status < 300) await owner("DELETE", headers["location"] ?? "");
  if (row === "POST share" && status < 300)
    await owner("POST", path, { headers: xmlText, body: shareBody(remove(mail("user12"))) });
  if (!reading.has(method) && status < 300) await restore();
  return status;
}

/** POST to attach something, or to replace or remove what the owner attached just before. Nothing stays attached. */
async function statusOfAttaching(row: string, target: string, path: string, as: As): Promise<number> {
  const [, at, options] = request(row, target, path, as);
  const isEvent = target === "event" || target === "private-event";
  const attached = isEvent ? addressOf(await owner("POST", `${path}?action=attachment-add`, noteToAttach)) : path;
  const id = /managed\/([0-9a-f]{32})-/.exec(attached)?.[1] ?? "0".repeat(32);
  const { status } = await handler.send("POST", row.endsWith("-add") ? at : `${at}&managed-id=${id}`, as, options);
  if (isEvent) await restore();
  return status;
}

const lockInfo = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`;

/** LOCK by the asker, or UNLOCK by the asker of what the owner has locked. Nothing stays locked. */
async function statusOfLock(method: "LOCK" | "UNLOCK", path: string, as: As): Promise<number> {
  const locked = await handler.send("LOCK", path, method === "LOCK" ? as : "user01", { body: lockInfo });
  const token = locked.headers["lock-token"] ?? "<urn:uuid:none>";
  const unlock = (by: As): Promise<Said> => handler.send("UNLOCK", path, by, { headers: { "lock-token": token } });
  if (method === "LOCK") {
    if (locked.status < 300) assert.equal((await unlock(as)).status, 204);
    return locked.status;
  }
  const { status } = await unlock(as);
  if (status >= 300) await unlock("user01");
  return status;
}

const file = (target: string): string => fileURLToPath(new URL(`access/${target}.txt`, import.meta.url));
const cell = (text: string | number): string => String(text).padStart(12);

function tableOf(target: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const [head = "", ...lines] = readFileSync(file(target), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const columns = head.trim().split(/\s+/);
  return new Map(
    lines.map((line) => {
      const words = line.trim().split(/\s+/);
      const cells = words.splice(-columns.length);
      return [words.join(" "), new Map(columns.map((column, at) => [column, cells[at] ?? ""]))];
    }),
  );
}

const about: Readonly<Record<string, string>> = {
  home: "a calendar home",
  calendar: "a calendar with an ACL: sharee-r may read, sharee-rw may read and write",
  event: "an event in that calendar",
  "private-event":
    "an event in that calendar with X-CALENDARSERVER-ACCESS:PRIVATE; who may unbind may remove it (caldav-privateevents §4.3)",
  inbox: "the scheduling inbox",
  outbox: "the scheduling outbox; the POST without more is a request for busy time in the owner's name",
  dropbox: "a box in the drop box, with the calendar's ACL",
  attachment: "an attachment in that box",
  "managed-attachment":
    "a managed attachment (RFC 8607) of an event in that calendar; the POSTs go to its own address, those to an event are in its table",
  "managed-attachment-private":
    "a managed attachment of an event in that calendar with X-CALENDARSERVER-ACCESS:PRIVATE",
};

function write(target: string, path: string, found: readonly (readonly [string, readonly number[]])[]): void {
  const width = Math.max(...rows.map((row) => row.length));
  const line = (name: string, cells: readonly (string | number)[]): string =>
    `${name.padEnd(width)}${cells.map(cell).join("")}\n`;
  writeFileSync(
    file(target),
    `# ${about[target]}: ${path}\n${line("", Object.keys(askers))}${found.map(([row, cells]) => line(row, cells)).join("")}`,
  );
}

describe("who may do what with", () => {
  for (const [target, pathOf] of Object.entries(targets))
    test(`${about[target]}`, async () => {
      if (process.env["CALDAVD_ACCESS_WRITE"] !== undefined) {
        const found: [string, number[]][] = [];
        for (const row of rows) {
          const cells: number[] = [];
          for (const as of Object.values(askers)) cells.push(await statusOf(row, target, as));
          found.push([row, cells]);
        }
        write(target, (await pathOf()).replace(/[0-9a-f]{32}/, "<managed-id>"), found);
      }
      const table = tableOf(target);
      assert.deepEqual([...table.keys()].sort(), [...rows].sort(), "every method and report has its row");
      const wrong: string[] = [];
      for (const [row, cells] of table) {
        assert.deepEqual([...cells.keys()], Object.keys(askers), "every asker has a column");
        for (const [asker, expected] of cells) {
          const as = askers[asker];
          assert.ok(as !== undefined, asker);
          const status = await statusOf(row, target, as);
          if (String(status) !== expected) wrong.push(`${row} as ${asker}: ${status}, the table says ${expected}`);
        }
      }
      assert.deepEqual(wrong, []);
    });

  test("each place has its table, and there is no table of another", () => {
    const folder = fileURLToPath(new URL("access/", import.meta.url));
    assert.deepEqual(
      readdirSync(folder).sort(),
      Object.keys(targets)
        .map((target) => `${target}.txt`)
        .sort(),
    );
    assert.deepEqual(Object.keys(about).sort(), Object.keys(targets).sort());
  });
});
