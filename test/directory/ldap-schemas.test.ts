import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { mailboxTypeOf, recordOf } from "../../src/directory/ldap/entry-record.ts";
import { guidText, guidValue, makeFilters } from "../../src/directory/ldap/filters.ts";
import { Lookup } from "../../src/directory/ldap/lookup.ts";
import { schemaMap } from "../../src/directory/ldap/schema-map.ts";
import { uuid5 } from "../../src/directory/uuid5.ts";
import { normaliseAddress, type Principal } from "../../src/model/principal.ts";
import { freePort, repository } from "../support/server.ts";
import { beginning, entry, groupDn, person, suffix, withoutSlapd } from "../support/slapd.ts";
import { namesIn, open, serverWith } from "./ldap-support.ts";

const run = promisify(execFile);
const uid = (text: string): Principal["uid"] => text as Principal["uid"];

const annGuid = "A1B2C3D4-0001-4000-8000-0000000000AA";
const bobGuid = "A1B2C3D4-0002-4000-8000-0000000000BB";
const staffGuid = "A1B2C3D4-0003-4000-8000-0000000000CC";
const innerGuid = "A1B2C3D4-0004-4000-8000-0000000000DD";
const roomGuid = "A1B2C3D4-0005-4000-8000-0000000000EE";

describe("Open Directory", { skip: withoutSlapd }, () => {
  const computerGuid = "C0000000-0000-4000-8000-000000000001";
  const hostGuid = "C0000000-0000-4000-8000-000000000002";
  const service = `${computerGuid}:${hostGuid}:calendar`;
  const container = (name: string): string =>
    entry(`cn=${name},${suffix}`, { objectClass: ["organizationalRole"], cn: name });
  const account = (name: string, guid: string, more: Record<string, string> = {}): string =>
    entry(`uid=${name},cn=users,${suffix}`, {
      objectClass: ["inetOrgPerson", "apple-user"],
      uid: name,
      cn: `${name} Apple`,
      givenName: name,
      sn: "Apple",
      mail: `${name}@example.com`,
      userPassword: name,
      "apple-generateduid": guid,
      ...more,
    });
  const plist = (inside: string): string =>
    `<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>${inside}</dict></plist>`;
  const ldif = [
    beginning(),
    ...["users", "groups", "places", "resources", "computers"].map(container),
    account("ann", annGuid, { "apple-serviceslocator": service }),
    account("bob", bobGuid),
    entry(`cn=staff,cn=groups,${suffix}`, {
      objectClass: ["posixGroup", "apple-group"],
      cn: "staff",
      gidNumber: "20",
      "apple-generateduid": staffGuid,
      "apple-group-realname": "The Staff",
      memberUid: "ann",
      "apple-group-memberguid": annGuid,
      "apple-group-nestedgroup": innerGuid,
    }),
    entry(`cn=inner,cn=groups,${suffix}`, {
      objectClass: ["posixGroup", "apple-group"],
      cn: "inner",
      gidNumber: "21",
      "apple-generateduid": innerGuid,
      "apple-group-memberguid": bobGuid,
    }),
    entry(`cn=mercury,cn=places,${suffix}`, {
      objectClass: "apple-resource",
      cn: "mercury",
      "apple-realname": "Mercury Seven",
      "apple-generateduid": roomGuid,
      "apple-resource-info": plist(
        `<key>com.apple.WhitePagesFramework</key><dict><key>AutoAcceptsInvitation</key><true/><key>CalendaringDelegate</key><string>${annGuid}</string><key>ReadOnlyCalendaringDelegate</key><string>${staffGuid}</string></dict>`,
      ),
    }),
    entry(`cn=server,cn=computers,${suffix}`, {
      objectClass: "apple-computer",
      cn: "server",
      "apple-generateduid": computerGuid,
      "apple-serviceinfo": plist(
        `<key>com.apple.macosxserver.virtualhosts</key><dict><key>${hostGuid}</key><dict><key>hostname</key><string>Calendar.example.com</string><key>serviceType</key><array><string>calendar</string></array></dict></dict>`,
      ),
    }),
  ].join("\n");

  test("GeneratedUID, group members and nested groups by GUID, ResourceInfo's delegates", async () => {
    const server = await serverWith({ ldif });
    const { backend, warnings } = await open(server, { schema: "opendirectory" });
    const ann = (await backend.byShortName("users", "ann"))!;
    assert.equal(ann.uid, annGuid);
    assert.equal(ann.fullName, "ann Apple");
    assert.equal((await backend.byUid(uid(staffGuid)))?.fullName, "The Staff");
    assert.deepEqual(await backend.memberUids(uid(staffGuid)), [annGuid, innerGuid]);
    assert.deepEqual(await backend.groupUids(uid(bobGuid)), [innerGuid]);
    assert.deepEqual(await backend.groupUids(uid(innerGuid)), [staffGuid]);
    const room = (await backend.byShortName("locations", "mercury"))!;
    assert.equal(room.uid, roomGuid);
    assert.equal(room.fullName, "Mercury Seven");
    assert.equal(room.autoSchedule, "automatic");
    assert.deepEqual(await backend.delegatesOf(room.uid), { read: [staffGuid], write: [annGuid] });
    assert.deepEqual(await backend.ownersTrusting!(uid(annGuid), "write"), [roomGuid]);
    assert.equal(await backend.verifyPassword!(ann, "ann"), true);
    assert.deepEqual(await namesIn(backend.list("locations")), ["mercury"]);
    assert.deepEqual(warnings, []);
  });

  test("with computer records, only who names this server's calendar service has calendars", async () => {
    const server = await serverWith({ ldif });
    const { backend } = await open(server, { schema: "opendirectory", requireComputerRecord: true });
    assert.equal((await backend.byShortName("users", "ann"))?.calendaring, true);
    assert.equal((await backend.byShortName("users", "bob"))?.calendaring, false);
  });
});

/** As Windows stores it: the first three fields with their bytes turned round. */
const objectGuid = (guid: string): Buffer => guidValue("objectGUID", guid) as Buffer;

describe("Active Directory", { skip: withoutSlapd }, () => {
  const account = (name: string, guid: string, more: Record<string, string | readonly string[]> = {}): string =>
    entry(`cn=${name} Windows\\, Dr.,ou=people,${suffix}`, {
      objectClass: ["user"],
      cn: `${name} Windows, Dr.`,
      sn: "Windows",
      objectCategory: "person",
      objectGUID: objectGuid(guid),
      sAMAccountName: name,
      userPrincipalName: `${name}@AD.EXAMPLE.COM`,
      userAccountControl: "512",
      mail: `${name}@example.com`,
      userPassword: name,
      ...more,
    });
  const dn = (name: string): string => `cn=${name} Windows\\, Dr.,ou=people,${suffix}`;
  const group = (name: string, guid: string, member: readonly string[]): string =>
    entry(groupDn(name), {
      objectClass: "group",
      cn: name,
      sAMAccountName: name,
      objectGUID: objectGuid(guid),
      member,
    });
  const ldif = [
    beginning("people", "groups"),
    account("ann", annGuid, {
      proxyAddresses: ["SMTP:ann@example.com", "smtp:Alias@Example.com", "x500:/o=Example/cn=ann"],
    }),
    account("bob", bobGuid, { userAccountControl: "514" }),
    account("mars", roomGuid, { msExchRecipientDisplayType: "7", publicDelegates: dn("ann") }),
    group("staff", staffGuid, [dn("ann"), groupDn("inner")]),
    group("inner", innerGuid, [dn("bob"), groupDn("staff")]),
  ].join("\n");

  test("objectGUID is read as Windows writes it, and a record is found by it", async () => {
    assert.equal(
      guidText("objectGUID", Buffer.from("d4c3b2a101000040800000000000000a", "hex")),
      "A1B2C3D4-0001-4000-8000-00000000000A",
    );
    assert.equal(guidValue("objectGUID", "not a GUID"), undefined);
    const server = await serverWith({ ldif });
    const { backend } = await open(server, { schema: "activedirectory" });
    const ann = (await backend.byUid(uid(annGuid)))!;
    assert.equal(ann.shortName, "ann");
    assert.equal(ann.fullName, "ann Windows, Dr.");
    for (const name of ["ANN", "ann@ad.example.com"]) assert.equal(await backend.byShortName("users", name), ann);
    for (const address of ["mailto:alias@example.com", "mailto:ann@example.com", `urn:uuid:${annGuid.toLowerCase()}`])
      assert.equal(await backend.byAddress(normaliseAddress(address)), ann);
    assert.deepEqual(ann.addresses, ["mailto:ann@example.com", "mailto:alias@example.com", `urn:uuid:${annGuid}`]);
    assert.equal(await backend.verifyPassword!(ann, "ann"), true);
  });

  test("nested groups name their members by DN, in a loop; disabled accounts cannot sign in; a room mailbox is a room", async () => {
    const server = await serverWith({ ldif });
    const { backend } = await open(server, { schema: "activedirectory" });
    assert.deepEqual(new Set(await backend.memberUids(uid(staffGuid))), new Set([annGuid, innerGuid]));
    assert.deepEqual(await backend.groupUids(uid(bobGuid)), [innerGuid]);
    assert.deepEqual(await backend.groupUids(uid(innerGuid)), [staffGuid]);
    const bob = (await backend.byShortName("users", "bob"))!;
    assert.equal(await backend.verifyPassword!(bob, "bob"), false);
    assert.equal((await backend.byUid(uid(roomGuid)))?.type, "locations");
    assert.equal(await backend.byShortName("users", "mars"), undefined);
    assert.deepEqual(await namesIn(backend.list("users")), ["ann", "bob"]);
    assert.deepEqual(await namesIn(backend.list("locations")), ["mars"]);
    assert.deepEqual(await backend.ownersTrusting!(uid(annGuid), "write"), [roomGuid]);
  });
});

describe("other schemas", { skip: withoutSlapd }, () => {
  test("records without a GUID get the original's, and are found by it after a restart of the server", async () => {
    const server = await serverWith({ ldif: [beginning("people"), person("ann")].join("\n") });
    const settings = { realm: "Test Realm", overrides: { below: {}, filters: {}, attributes: { guid: [] } } };
    const service = uuid5("5A871574-0C86-44EE-B11B-B9440C3DC4DD", "Test Realm");
    const made = uuid5(service, "users:ann");
    const { backend } = await open(server, settings);
    assert.equal((await backend.byUid(uid(made)))?.shortName, "ann");
    assert.equal((await backend.byShortName("users", "ann"))?.uid, made);
    assert.equal(await backend.byUid(uid(uuid5(service, "users:bob"))), undefined);
  });

  test("places, filters and attributes of the configuration replace those of the preset", async () => {
    const ldif = [
      beginning("staff", "people"),
      entry(`employeeNumber=7,ou=staff,${suffix}`, {
        objectClass: "inetOrgPerson",
        employeeNumber: "7",
        uid: "james",
        cn: "J",
        sn: "B",
        title: "Commander",
        carLicense: "{PLAIN}shaken",
        labeledURI: "mailto:seven@example.com",
        description: "Universal Exports",
      }),
      person("ann"),
    ].join("\n");
    const server = await serverWith({ ldif });
    const { backend } = await open(server, {
      overrides: {
        below: { users: "ou=staff" },
        filters: { users: "(&(objectClass=inetOrgPerson)(title=Commander))", groups: "none" },
        attributes: {
          shortNames: ["employeeNumber"],
          signInNames: ["uid"],
          "users.fullName": ["description"],
          addresses: ["labeledURI"],
          password: ["carLicense"],
        },
      },
    });
    const james = (await backend.byShortName("users", "7"))!;
    assert.equal(james.fullName, "Universal Exports");
    assert.equal(await backend.byShortName("users", "james"), james);
    assert.deepEqual(await backend.storedPasswords!(james), ["{PLAIN}shaken"]);
    assert.equal(await backend.byAddress(normaliseAddress("mailto:seven@example.com")), james);
    assert.equal(await backend.byShortName("users", "ann"), undefined);
  });

  test("the local user attribute says who is here and in which store; another server's records have no calendars here", async () => {
    const here = { objectClass: ["inetOrgPerson", "calendarEntity"] };
    const server = await serverWith({
      ldif: [
        beginning("people"),
        person("ann", { ...here, calendarStore: "store2" }),
        person("bob"),
        person("cora", { ...here, calendarStore: "store1", calendarServerName: "other.example.com" }),
      ].join("\n"),
    });
    const { backend } = await open(server, { localUserAttribute: "calendarStore" });
    const [ann, bob, cora] = await Promise.all(
      ["ann", "bob", "cora"].map((name) => backend.byShortName("users", name)),
    );
    assert.deepEqual([ann?.calendaring, ann?.hosting], [true, { local: true, enabled: true, store: "store2" }]);
    assert.deepEqual([bob?.calendaring, bob?.hosting], [false, { local: false, enabled: true }]);
    assert.deepEqual(
      [cora?.calendaring, cora?.hosting],
      [false, { local: false, enabled: true, server: "other.example.com", store: "store1" }],
    );
  });

  test("the schema for cn=config is what the schema file says", async () => {
    const folder = await mkdtemp(join(tmpdir(), "caldavd-schema-"));
    await writeFile(
      join(folder, "slapd.conf"),
      ["core", "cosine", "inetorgperson"].map((name) => `include /etc/ldap/schema/${name}.schema\n`).join(""),
    );
    await run("mkdir", [join(folder, "slapd.d")]);
    await run("/usr/sbin/slaptest", ["-f", join(folder, "slapd.conf"), "-F", join(folder, "slapd.d")]);
    await run("/usr/sbin/slapadd", [
      "-n",
      "0",
      "-F",
      join(folder, "slapd.d"),
      "-l",
      join(repository, "data/schema/caldavd.ldif"),
    ]);
    const { stdout } = await run("/usr/sbin/slapcat", ["-n", "0", "-F", join(folder, "slapd.d")]);
    const unfolded = stdout.replace(/\n /g, "");
    const file = await readFile(join(repository, "data/schema/caldavd.schema"), "utf8");
    const named = [...file.matchAll(/NAME '(\w+)'/g)].map(([, name]) => name);
    assert.equal(named.length, 11);
    for (const name of named) assert.ok(unfolded.includes(`NAME '${name}'`), name);
    await rm(folder, { recursive: true });
  });

  test("TLS: a server with a believed certificate is spoken to, another is not", async () => {
    const folder = await mkdtemp(join(tmpdir(), "caldavd-tls-"));
    const certificate = join(folder, "cert.pem");
    const key = join(folder, "key.pem");
    await run("openssl", [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1",
      "-keyout",
      key,
      "-out",
      certificate,
    ]);
    const ldapsPort = await freePort();
    const server = await serverWith({
      ldapsPort,
      ldif: [beginning("people"), person("ann")].join("\n"),
      global: `TLSCACertificateFile ${certificate}\nTLSCertificateFile ${certificate}\nTLSCertificateKeyFile ${key}\nsecurity simple_bind=128`,
    });
    const url = `ldap://localhost:${server.port}`;
    const good = await open(server, { servers: [url], startTls: true, caFile: certificate });
    const ann = (await good.backend
      .byShortName("users", "ann")
      .catch((error) => assert.fail(`${error}: ${good.warnings}`)))!;
    assert.equal(await good.backend.verifyPassword!(ann, "ann"), true);
    assert.equal(await good.backend.verifyPassword!(ann, "wrong"), false);
    // The server takes passwords over TLS only: without it nobody can be looked up.
    const plain = await open(server, { servers: [url] });
    await assert.rejects(plain.backend.byShortName("users", "ann"), { status: 503 });
    const unknown = await open(server, { servers: [url], startTls: true });
    await assert.rejects(unknown.backend.byShortName("users", "ann"), { status: 503 });
    assert.match(unknown.warnings.join("\n"), /self-signed|certificate/);
    const ldaps = await open(server, { servers: [`ldaps://localhost:${ldapsPort}`], caFile: certificate });
    assert.equal(await ldaps.backend.verifyPassword!((await ldaps.backend.byShortName("users", "ann"))!, "ann"), true);
    const doubted = await open(server, { servers: [`ldaps://localhost:${ldapsPort}`] });
    await assert.rejects(doubted.backend.byShortName("users", "ann"), { status: 503 });
    const careless = await open(server, { servers: [url], startTls: true, verifyCertificate: false });
    assert.equal((await careless.backend.byShortName("users", "ann"))?.shortName, "ann");
    await server.stop();
    await rm(folder, { recursive: true });
  });
});

test("a value of an attribute in the server's own spelling is found, bytes that are no text are read, and nothing is made up", () => {
  const map = schemaMap("ldap", { below: {}, filters: {}, attributes: {} }).users;
  const options = {
    map,
    namespace: uuid5(annGuid, "x"),
    localUserAttribute: undefined,
    serverHostName: "",
    services: undefined,
  };
  const record = recordOf(
    { dn: "UID=Ann,dc=x", UID: ["other", "Ann"], ENTRYUUID: annGuid, CN: Buffer.from([0xff, 0x41]), mail: [] } as never,
    "users",
    options,
  );
  assert.ok(typeof record !== "string");
  assert.equal(record.principal.shortName, "Ann");
  assert.equal(record.principal.uid, annGuid);
  assert.deepEqual(record.principal.emailAddresses, []);
  assert.match(String(recordOf({ dn: "cn=x" } as never, "users", options)), /has no uid/);
  assert.match(String(recordOf({ dn: "uid=..", uid: ".." } as never, "users", options)), /slash or of dots/);
  assert.equal(mailboxTypeOf({ dn: "" } as never, map), undefined);
});

test("a disabled account is told from one that was locked for a while, in the words of each server", () => {
  const map = schemaMap("ldap", { below: {}, filters: {}, attributes: { disabled: ["state"] } }).users;
  const options = {
    map,
    namespace: uuid5(annGuid, "x"),
    localUserAttribute: undefined,
    serverHostName: "",
    services: undefined,
  };
  const enabled = (...state: readonly string[]): boolean => {
    const record = recordOf({ dn: "uid=ann", uid: "ann", state: [...state] }, "users", options);
    assert.ok(typeof record !== "string");
    return record.enabled;
  };
  assert.ok(enabled());
  for (const value of [
    "FALSE",
    "0",
    "no",
    "20261120180000Z",
    ";Kerberosv5;;ann@X;X;",
    "1.0;ApplePasswordv2;0x1:127.0.0.1",
  ])
    assert.ok(enabled(value), value);
  for (const value of ["TRUE", "000001010000Z", "1", ";DisabledUser;;ApplePasswordv2;0x1"])
    assert.ok(!enabled(value), value);
  assert.ok(!enabled(";Kerberosv5;;ann@X;X;", "1.0;DisabledUser;"));
});

test("a large group of Active Directory comes in parts and is read whole", async () => {
  const dns = Array.from({ length: 3200 }, (_, at) => `cn=m${at},dc=x`);
  const asked: string[] = [];
  const pages = async function* (): AsyncGenerator<readonly never[]> {};
  const lookup = new Lookup({
    pool: {
      pages,
      // 1,500 values at once, as domain controllers do.
      search: async ({ base, attributes = [] }) => {
        const from = Number(/range=(\d+)/.exec(attributes[0] ?? "")?.[1] ?? 0);
        asked.push(attributes.join());
        const part = dns.slice(from, from + 1500);
        const end = from + 1500 >= dns.length ? "*" : from + part.length - 1;
        return [{ dn: base, member: [], [`member;range=${from}-${end}`]: part }];
      },
    },
    filters: makeFilters(await import("ldapts")),
    map: schemaMap("activedirectory", { below: {}, filters: {}, attributes: {} }),
    base: "dc=x",
    namespace: uuid5(annGuid, "x"),
    localUserAttribute: undefined,
    serverHostName: "",
    services: async () => undefined,
    warn: () => {},
  });
  const members = await lookup.members({ dn: "cn=all,dc=x" } as never);
  assert.deepEqual(members?.memberDns, dns);
  assert.deepEqual(asked, ["member", "member;range=1500-*", "member;range=3000-*"]);
});

test("what the configuration says wrong is told with its key", () => {
  const given = { below: {}, filters: {}, attributes: {} };
  assert.throws(
    () => schemaMap("ldap", { ...given, attributes: { email: ["mail"] } }),
    /attributes.email: must be one of/,
  );
  assert.throws(() => schemaMap("ldap", { ...given, attributes: { mail: ["mail)(uid=*"] } }), /no attribute name/);
  assert.throws(() => schemaMap("ldap", { ...given, filters: { people: "(a=b)" } }), /people: must be one of users/);
});
