import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { normaliseAddress, type Principal } from "../../src/model/principal.ts";
import { ldifOfMany, users } from "../support/ldap-people.ts";
import { entry, groupDn, person, personDn, type Slapd, startSlapd, suffix, withoutSlapd } from "../support/slapd.ts";
import { namesIn, open } from "./ldap-support.ts";

/** And a few of their own kind. */
const ldif = [
  ...ldifOfMany((at) => [users[at]!], {
    calendarAutoSchedule: "accept-if-free",
    calendarDelegate: personDn("ann"),
  }),
  person("ann", {
    mail: ["ann@example.com", "Ann.Alias@example.com"],
    objectClass: ["inetOrgPerson", "calendarEntity"],
    calendarUserAddress: "mailto:second@example.com",
  }),
  person("zoë", { cn: "Zoë Äpfel", mail: "zoe@example.com" }),
  entry(`uid=twin1,ou=people,${suffix}`, {
    objectClass: "inetOrgPerson",
    uid: "twin1",
    cn: "Twin",
    sn: "Twin",
    mail: "twin@example.com",
  }),
  entry(`uid=twin2,ou=people,${suffix}`, {
    objectClass: "inetOrgPerson",
    uid: "twin2",
    cn: "Twin",
    sn: "Twin",
    mail: "twin@example.com",
  }),
  entry(groupDn("unix"), {
    objectClass: "posixGroup",
    cn: "unix",
    gidNumber: "1000",
    memberUid: ["ann", "user0001", "nobody-at-all"],
  }),
  entry(`cn=beamer,ou=rooms,${suffix}`, { objectClass: "calendarResource", cn: "beamer", calendarEnabled: "FALSE" }),
].join("\n");

describe("a directory of 2,000 users behind LDAP", { skip: withoutSlapd }, () => {
  let server: Slapd;
  before(async () => {
    server = await startSlapd({ ldif });
  });
  after(() => server.stop());

  test("a user is found by name, GUID and every address, in any case", async () => {
    const { backend } = await open(server);
    const ann = await backend.byShortName("users", "ann");
    assert.ok(ann !== undefined);
    assert.equal(ann.fullName, "ann Example");
    assert.deepEqual(ann.emailAddresses, ["ann@example.com", "ann.alias@example.com", "second@example.com"]);
    assert.match(ann.uid, /^[0-9a-f-]{36}$/);
    const same = [
      await backend.byShortName("users", "ANN"),
      await backend.byUid(ann.uid),
      await backend.byAddress(normaliseAddress("MAILTO:Ann@Example.com")),
      await backend.byAddress(normaliseAddress("mailto:ann.alias@example.com")),
      await backend.byAddress(normaliseAddress("mailto:second@example.com")),
      await backend.byAddress(normaliseAddress(`urn:uuid:${ann.uid.toUpperCase()}`)),
    ];
    for (const found of same) assert.equal(found, ann);
    assert.equal(await backend.byUid(ann.uid.toUpperCase() as Principal["uid"]), undefined);
    assert.equal(await backend.byShortName("groups", "ann"), undefined);
  });

  test("letters outside ASCII are found composed and decomposed", async () => {
    const { backend } = await open(server);
    const zoë = await backend.byShortName("users", "zoë".normalize("NFC"));
    assert.equal(zoë?.fullName, "Zoë Äpfel");
    assert.equal(await backend.byShortName("users", "zoë".normalize("NFD")), zoë);
  });

  test("an address of two records finds neither, and both are found by name", async () => {
    const { backend, warnings } = await open(server);
    assert.equal(await backend.byAddress(normaliseAddress("mailto:twin@example.com")), undefined);
    assert.equal((await backend.byShortName("users", "twin1"))?.shortName, "twin1");
    assert.equal((await backend.byShortName("users", "twin2"))?.shortName, "twin2");
    assert.equal(warnings.length, 1);
  });

  test("a listing has everybody although the server gives at most 500 at once", async () => {
    const { backend } = await open(server);
    const names = await namesIn(backend.list("users"));
    assert.equal(names.length, 2004);
    // Nobody listed has to be looked up one by one afterwards.
    const begin = performance.now();
    for await (const { uid } of backend.list("users"))
      assert.deepEqual(await backend.delegatesOf(uid), { read: [], write: [] });
    assert.ok(performance.now() - begin < 3000, `${performance.now() - begin} ms`);
    assert.deepEqual(await namesIn(backend.list("locations")), ["atlantis"]);
    assert.equal((await namesIn(backend.list("groups"))).length, 202);
  });

  test("a search asks the server for what may match, and finds it in names and addresses", async () => {
    const { backend } = await open(server);
    const search = (text: string): Promise<readonly string[]> =>
      namesIn(
        backend.search!("users", {
          kind: "any",
          of: [
            { kind: "term", field: "name", text, match: "contains" },
            { kind: "term", field: "mail", text, match: "starts-with" },
          ],
        }),
      );
    assert.deepEqual(await search("apfel"), []);
    assert.deepEqual(await search("äpfel"), ["zoë"]);
    assert.deepEqual(await search("user001"), users.slice(9, 19));
    assert.deepEqual(await search("ann.alias"), ["ann"]);
  });

  test("no text of a client changes the meaning of a question", async () => {
    const { backend } = await open(server);
    for (const text of [
      "*",
      "a*",
      "ann)(uid=*",
      "*)(|(uid=*",
      "(",
      "\\2a",
      "\0",
      "ann\0",
      "\\",
      "ann\\",
      "\ud800",
      "é*",
      " ann",
      "ann ",
      "a  nn",
      "x".repeat(5000),
    ]) {
      assert.equal(await backend.byShortName("users", text), undefined, JSON.stringify(text));
      assert.equal(await backend.byUid(text as Principal["uid"]), undefined, JSON.stringify(text));
      assert.equal(await backend.byAddress(normaliseAddress(`mailto:${text}`)), undefined, JSON.stringify(text));
      const found = await namesIn(backend.search!("users", { kind: "term", field: "name", text, match: "equals" }));
      assert.ok(found.length <= 1, JSON.stringify(text));
      assert.equal(await backend.verifyPassword!({ ...ghost, uid: text as Principal["uid"] }, "x"), false);
    }
    // Random texts of the characters that mean something in filters and DNs.
    const letters = '*()\\|&!=~<>,+"#;\0 aé/';
    for (let round = 0; round < 300; round++) {
      const text = Array.from(
        { length: 1 + (round % 12) },
        () => letters[Math.floor(Math.random() * letters.length)],
      ).join("");
      assert.equal(await backend.byShortName("users", text), undefined, JSON.stringify(text));
    }
    assert.ok((await backend.byShortName("users", "ann")) !== undefined);
  });

  test("members of a group of 2,000 are all found, and posix groups name users", async () => {
    const { backend } = await open(server);
    const uidOf = async (type: "users" | "groups", name: string): Promise<Principal["uid"]> =>
      (await backend.byShortName(type, name))!.uid;
    assert.equal((await backend.memberUids(await uidOf("groups", "everybody"))).length, 2000);
    const unix = await uidOf("groups", "unix");
    assert.deepEqual(
      new Set(await backend.memberUids(unix)),
      new Set([await uidOf("users", "ann"), await uidOf("users", "user0001")]),
    );
    assert.deepEqual(await backend.groupUids(await uidOf("users", "ann")), [unix]);
    assert.deepEqual(
      new Set(await backend.groupUids(await uidOf("users", "user0002"))),
      new Set([await uidOf("groups", "everybody"), await uidOf("groups", "chain002")]),
    );
  });

  test("delegates of a room stand in its record", async () => {
    const { backend } = await open(server);
    const room = (await backend.byShortName("locations", "atlantis"))!;
    const ann = (await backend.byShortName("users", "ann"))!;
    assert.equal(room.autoSchedule, "accept-if-free");
    assert.equal(room.fullName, "The Atlantis Room");
    assert.deepEqual(await backend.delegatesOf(room.uid), { read: [], write: [ann.uid] });
    assert.deepEqual(await backend.ownersTrusting!(ann.uid, "write"), [room.uid]);
    assert.deepEqual(await backend.ownersTrusting!(ann.uid, "read"), []);
    assert.equal((await backend.byShortName("resources", "beamer"))?.calendaring, false);
  });

  test("a password is checked by signing in, and an empty one is never right", async () => {
    const { backend } = await open(server);
    const ann = (await backend.byShortName("users", "ann"))!;
    assert.equal(await backend.verifyPassword!(ann, "ann"), true);
    assert.equal(await backend.verifyPassword!(ann, "Ann"), false);
    assert.equal(await backend.verifyPassword!(ann, ""), false);
    const answers = await Promise.all(
      users.slice(0, 200).map(async (name, at) => {
        const user = (await backend.byShortName("users", name))!;
        return (await backend.verifyPassword!(user, at % 2 === 0 ? name : "wrong")) === (at % 2 === 0);
      }),
    );
    assert.ok(answers.every(Boolean));
  });

  test("what was asked before is answered from memory, in microseconds", async () => {
    const { backend } = await open(server);
    const ann = (await backend.byShortName("users", "ann"))!;
    await backend.groupUids(ann.uid);
    const rounds = 20_000;
    const begin = process.cpuUsage();
    for (let round = 0; round < rounds; round++) {
      await backend.byShortName("users", "ann");
      await backend.byUid(ann.uid);
      await backend.groupUids(ann.uid);
      backend.generation();
    }
    const { user, system } = process.cpuUsage(begin);
    assert.ok((user + system) / rounds < 30, `${(user + system) / rounds} µs for three lookups`);
  });
});

const ghost: Principal = {
  uid: "" as Principal["uid"],
  type: "users",
  shortName: "",
  fullName: "",
  firstName: undefined,
  lastName: undefined,
  emailAddresses: [],
  addresses: [],
  calendaring: true,
  autoSchedule: "none",
};
