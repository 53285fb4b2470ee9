import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { configFrom } from "../../src/config/load.ts";
import { openApacheFiles } from "../../src/directory/apache-files.ts";
import type { DirectoryBackend } from "../../src/directory/backend.ts";
import { uuid5 } from "../../src/directory/uuid5.ts";
import { openDirectoryService } from "../../src/directory-service.ts";
import { normaliseAddress, type Principal } from "../../src/model/principal.ts";

const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "caldavd-files-"));
  ended.push(() => rm(path, { recursive: true, force: true }));
  return path;
}
const user = async (backend: DirectoryBackend, name: string): Promise<Principal> => {
  const found = await backend.byShortName("users", name);
  assert.ok(found !== undefined, name);
  return found;
};
const names = async (list: AsyncIterable<Principal>): Promise<readonly string[]> => {
  const found: string[] = [];
  for await (const { shortName } of list) found.push(shortName);
  return found.sort();
};

describe("Apache's files", () => {
  const sha = `{SHA}${execFileSync("openssl", ["dgst", "-sha1", "-binary"], { input: "bob" }).toString("base64")}`;
  const apr = execFileSync("openssl", ["passwd", "-apr1", "ann"]).toString().trim();

  test("htpasswd: users, groups, the original's GUIDs, stored passwords as they stand", async () => {
    const at = await folder();
    await writeFile(
      join(at, "users"),
      `# people\n\nann:${apr}\nbob:${sha}:more\nlocked:*\nold:rqXexS6ZhobKA\n../evil:x\nann:twice\n`,
    );
    await writeFile(join(at, "groups"), "staff: ann, bob\nall: ann\nall: locked nobody\n# no\n");
    const warnings: string[] = [];
    const clock = { now: 0 };
    const backend = await openApacheFiles(
      { kind: "basic", realm: "Test Realm", userFile: join(at, "users"), groupFile: join(at, "groups") },
      { warn: (message) => void warnings.push(message), now: () => clock.now },
    );
    ended.push(() => backend.close());
    const ann = await user(backend, "ann");
    assert.equal(ann.uid, uuid5(uuid5("DDF1E45C-CADE-4FCD-8AE6-B4B41D72B325", "Test Realm"), "users:ann"));
    assert.deepEqual(ann.addresses, [`urn:uuid:${ann.uid}`]);
    assert.deepEqual(await backend.storedPasswords!(ann), [apr]);
    assert.deepEqual(await backend.storedPasswords!(await user(backend, "bob")), [sha]);
    assert.deepEqual(await backend.storedPasswords!(await user(backend, "locked")), []);
    // Not read as clear text: whoever sees the file could sign in.
    assert.deepEqual(await backend.storedPasswords!(await user(backend, "old")), ["{DES-CRYPT}rqXexS6ZhobKA"]);
    assert.deepEqual(await names(backend.list("groups")), ["all", "staff"]);
    const all = (await backend.byShortName("groups", "all"))!;
    assert.equal((await backend.memberUids(all.uid)).length, 2);
    assert.equal((await backend.groupUids(ann.uid)).length, 2);
    assert.equal(all.calendaring, false);
    await user(backend, "bob");
    assert.equal(warnings.length, 4, warnings.join("\n"));

    const generation = backend.generation();
    await writeFile(join(at, "users"), `ann:${apr}\ncora:${sha}\n`);
    clock.now += 1001;
    assert.equal((await user(backend, "cora")).shortName, "cora");
    assert.equal(await backend.byShortName("users", "bob"), undefined);
    assert.notEqual(backend.generation(), generation);
    await rm(join(at, "users"));
    clock.now += 1001;
    await user(backend, "cora");
  });

  test("htdigest: the realm's lines, HA1 as it stands", async () => {
    const at = await folder();
    const ha1 = "939e7578ed9e3c518a452acee763bce9";
    await writeFile(join(at, "users"), `ann:My Realm:${ha1}\nbob:Other:00\n`);
    const backend = await openApacheFiles(
      { kind: "digest", realm: "", userFile: join(at, "users"), groupFile: "" },
      { warn: (message) => assert.fail(message) },
    );
    ended.push(() => backend.close());
    assert.equal(backend.realm, "My Realm");
    assert.deepEqual(await backend.storedPasswords!(await user(backend, "ann")), [`{HA1}${ha1}`]);
    assert.equal(await backend.byShortName("users", "bob"), undefined);
  });

  test("a file that is not there is told at the start", async () => {
    await assert.rejects(
      openApacheFiles({ kind: "basic", realm: "", userFile: "/nonexistent", groupFile: "" }, { warn: () => {} }),
      /\/nonexistent: there is no such file of users/,
    );
  });
});

const accounts = `<accounts realm="Test">
<user><uid>ann</uid><guid>AAAA-1</guid><password>ann</password><name>Ann</name><email-address>ann@example.com</email-address></user>
<user><uid>bob</uid><guid>BBBB-2</guid><password>bob</password><name>Bob</name></user>
<group><uid>staff</uid><guid>GGGG-3</guid><members><member>ann</member></members></group>
<resource><uid>beamer</uid><guid>RRRR-4</guid></resource>
</accounts>`;
const rooms = `<accounts realm="">
<location><uid>atlantis</uid><guid>LLLL-5</guid><name>Atlantis</name><email-address>atlantis@example.com</email-address>
  <auto-schedule>true</auto-schedule><proxies><member>ann</member><member type="groups">staff</member></proxies><read-only-proxies><member>bob</member><member>ghost</member></read-only-proxies></location>
<user><uid>ann</uid><guid>XXXX-6</guid></user>
</accounts>`;

async function given(
  files: Readonly<Record<string, string>>,
  plist: Record<string, unknown>,
): Promise<{ backend: DirectoryBackend; at: string; warnings: string[] }> {
  const at = await folder();
  for (const [name, text] of Object.entries({ "accounts.xml": accounts, ...files }))
    await writeFile(join(at, name), text);
  const {
    config,
    problems,
    warnings: said,
  } = configFrom(
    {
      ServerHostName: "calendar.example.com",
      DirectoryService: { type: "xml", params: { xmlFile: "accounts.xml" } },
      ...plist,
    },
    { folder: at },
  );
  assert.deepEqual([problems, said], [[], []]);
  const warnings: string[] = [];
  const backend = await openDirectoryService(config, {
    startId: "test",
    warn: (message) => void warnings.push(message),
  });
  ended.push(() => backend.close());
  return { backend, at, warnings };
}

test("rooms of a file beside the directory are its locations, and their delegates are the directory's users and groups", async () => {
  const { backend } = await given(
    { "resources.xml": rooms },
    {
      ResourceService: {
        Enabled: true,
        type: "twistedcaldav.directory.xmlfile.XMLDirectoryService",
        params: { xmlFile: "resources.xml" },
      },
    },
  );
  const room = (await backend.byShortName("locations", "atlantis"))!;
  assert.equal(room.autoSchedule, "automatic");
  assert.equal(await backend.byAddress(normaliseAddress("mailto:atlantis@example.com")), room);
  assert.equal(await backend.byUid(room.uid), room);
  assert.deepEqual(await names(backend.list("locations")), ["atlantis"]);
  assert.deepEqual(await names(backend.list("resources")), ["beamer"]);
  // Users of that file are none.
  assert.equal((await user(backend, "ann")).uid, "AAAA-1");
  assert.deepEqual(await names(backend.list("users")), ["ann", "bob"]);
  assert.deepEqual(await backend.delegatesOf(room.uid), { write: ["AAAA-1", "GGGG-3"], read: ["BBBB-2"] });
  const uid = (text: string): Principal["uid"] => text as Principal["uid"];
  assert.deepEqual(await backend.ownersTrusting!(uid("GGGG-3"), "write"), [room.uid]);
  assert.deepEqual(await backend.ownersTrusting!(uid("BBBB-2"), "read"), [room.uid]);
  assert.deepEqual(await backend.ownersTrusting!(uid("BBBB-2"), "write"), []);
});

test("an augment says what the directory does not: calendars, answers, server, addresses, and who may not sign in", async () => {
  const augments = `<augments>
    <record><uid>aaaa-1</uid><enable>true</enable><auto-schedule>false</auto-schedule><cuaddr>mailto:second@example.com</cuaddr><email-address>Third@Example.com</email-address></record>
    <record><uid>BBBB-2</uid><enable-login>false</enable-login><server-id>other.example.com</server-id></record>
    <record><uid>Resource-Default</uid><auto-schedule>true</auto-schedule><auto-schedule-mode>accept-always</auto-schedule-mode></record>
    <record><uid>GG*</uid><enable-calendar>true</enable-calendar></record>
    <record><uid>nobody</uid><cuaddr>mailto:nobody@example.com</cuaddr></record>
  </augments>`;
  const { backend, at } = await given(
    { "augments.xml": augments },
    {
      AugmentService: { type: "twistedcaldav.directory.augment.AugmentXMLDB", params: { xmlFiles: ["augments.xml"] } },
    },
  );
  const ann = await user(backend, "ann");
  assert.deepEqual(ann.emailAddresses, ["ann@example.com", "third@example.com", "second@example.com"]);
  for (const address of [
    "mailto:second@example.com",
    "mailto:third@example.com",
    "mailto:ann@example.com",
    "urn:uuid:AAAA-1",
  ])
    assert.equal(await backend.byAddress(normaliseAddress(address)), ann);
  assert.equal(await backend.byAddress(normaliseAddress("mailto:nobody@example.com")), undefined);
  assert.deepEqual(await backend.storedPasswords!(ann), ["ann"]);
  const bob = await user(backend, "bob");
  assert.deepEqual(
    [bob.calendaring, bob.hosting],
    [false, { local: false, enabled: true, server: "other.example.com" }],
  );
  assert.deepEqual(await backend.storedPasswords!(bob), []);
  assert.equal((await backend.byShortName("resources", "beamer"))?.autoSchedule, "accept-always");
  assert.equal((await backend.byShortName("groups", "staff"))?.calendaring, true);
  const found = await names(
    backend.search!("users", { kind: "term", field: "mail", text: "second", match: "contains" }),
  );
  assert.ok(found.includes("ann"));

  const generation = backend.generation();
  await writeFile(
    join(at, "augments.xml"),
    "<augments><record><uid>Default</uid><enable>false</enable></record></augments>  ",
  );
  // The file is looked at once a second.
  const end = Date.now() + 5000;
  while ((await user(backend, "ann")).calendaring && Date.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual((await user(backend, "ann")).addresses, ["mailto:ann@example.com", "urn:uuid:AAAA-1"]);
  assert.deepEqual(await backend.storedPasswords!(await user(backend, "ann")), []);
  assert.notEqual(backend.generation(), generation);
});

test("what is wrong in an augment file is told with its line, at the start it is fatal", async () => {
  const { warnings } = await given(
    {
      "augments.xml":
        "<augments>\n<record><uid>a</uid><enable>perhaps</enable></record>\n<record/>\n<oops/>\n<record><uid>a</uid><color>red</color></record></augments>",
    },
    { AugmentService: { params: { xmlFiles: ["augments.xml"] } } },
  );
  assert.deepEqual(
    warnings.map((line) => /line (\d+): .*?(perhaps|without|oops|color|twice)/.exec(line)?.slice(1).join(" ")),
    ["2 perhaps", "3 without", "4 oops", "5 color", "5 twice"],
  );
  await assert.rejects(
    given({ "augments.xml": "<accounts/>" }, { AugmentService: { params: { xmlFiles: ["augments.xml"] } } }),
    /augments.xml: line 1: the root element must be <augments>/,
  );
});

test("what cannot be right in the configuration of a directory is told with its key", async () => {
  const service = (params: Record<string, unknown>): Promise<unknown> =>
    given({}, { DirectoryService: { type: "ldap", params } });
  await assert.rejects(service({}), /DirectoryService: servers: must name a server/);
  await assert.rejects(service({ servers: ["ldap.example.com"] }), /servers: must be ldap:\/\/host:port/);
  await assert.rejects(
    service({ servers: ["ldap://localhost:1"], filters: { users: "(uid=*" } }),
    /DirectoryService: /,
  );
  await assert.rejects(
    service({ servers: ["ldap://localhost:1"], attributes: { colour: "x" } }),
    /attributes.colour: must be one of/,
  );
});
