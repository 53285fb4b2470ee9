import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { numbered, readAccounts } from "../../src/directory/accounts-file.ts";
import type { DirectoryBackend } from "../../src/directory/backend.ts";
import { uuid5 } from "../../src/directory/uuid5.ts";
import { openXmlAccounts } from "../../src/directory/xml-accounts.ts";
import type { CalendarAddress, PrincipalUid } from "../../src/model/ids.ts";
import type { Principal, RecordType } from "../../src/model/principal.ts";

interface Given {
  readonly directory: DirectoryBackend;
  readonly warnings: string[];
  readonly clock: { now: number };
  /** Replaces the file and lets a second pass. */
  change(text: string): Promise<void>;
  readonly path: string;
}

const realm = (inside: string): string => `<?xml version="1.0"?>
<!DOCTYPE accounts SYSTEM "accounts.dtd">
<accounts realm="Test">
${inside}
</accounts>`;

async function given(inside: string): Promise<Given> {
  const path = join(await mkdtemp(join(tmpdir(), "caldavd-accounts-")), "accounts.xml");
  await writeFile(path, realm(inside));
  const warnings: string[] = [];
  const clock = { now: 1000 };
  const options = { warn: (text: string) => void warnings.push(text.replace(`${path}: `, "")), now: () => clock.now };
  return {
    directory: await openXmlAccounts(path, options),
    warnings,
    clock,
    path,
    async change(text) {
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
      clock.now += 1001;
    },
  };
}

const all = async (directory: DirectoryBackend, type: RecordType): Promise<readonly Principal[]> => {
  const list: Principal[] = [];
  for await (const principal of directory.list(type)) list.push(principal);
  return list;
};
const uid = (text: string): PrincipalUid => text as PrincipalUid;
const address = (text: string): CalendarAddress => text as CalendarAddress;

test("a user of 2.4: all elements", async () => {
  const { directory, warnings } = await given(`<user>
    <uid>wsanchez</uid><uid>wilfredo</uid><guid>6423F94A-6B76-4A3A-815B-D52CFD77935D</guid><password>zehcnasw</password>
    <name>Wilfredo Sanchez</name><first-name>Wilfredo</first-name><last-name>Sanchez</last-name>
    <email-address>WSanchez@Example.com</email-address><email-address>w@example.com</email-address>
    <cuaddr>http://example.com/wsanchez/</cuaddr></user>`);
  assert.deepEqual(await directory.byShortName("users", "wilfredo"), {
    uid: "6423F94A-6B76-4A3A-815B-D52CFD77935D",
    type: "users",
    shortName: "wsanchez",
    fullName: "Wilfredo Sanchez",
    firstName: "Wilfredo",
    lastName: "Sanchez",
    emailAddresses: ["wsanchez@example.com", "w@example.com"],
    addresses: [
      "mailto:wsanchez@example.com",
      "mailto:w@example.com",
      "http://example.com/wsanchez",
      "urn:uuid:6423F94A-6B76-4A3A-815B-D52CFD77935D",
    ],
    calendaring: true,
    autoSchedule: "none",
  });
  assert.equal(directory.realm, "Test");
  assert.deepEqual(warnings, []);
});

test("a file of 1.2: addresses as cuaddr, no names, auto-schedule and proxies on rooms, disable-calendar on groups", async () => {
  const { directory, warnings } = await given(`
    <user><uid>dreid</uid><guid>5FF60DAD-0BDE-4508-8C77-15F0CA5C8DD1</guid><password>dierd</password><name>David Reid</name>
      <cuaddr>mailto:dreid@example.com</cuaddr></user>
    <group><uid>managers</uid><password>p</password><name>Managers</name><members><member>dreid</member></members></group>
    <group><uid>disabled</uid><disable-calendar/></group>
    <location><uid>mercury</uid><name>Mercury Seven</name><cuaddr>mailto:mercury@example.com</cuaddr><auto-schedule/>
      <proxies><member type="users">dreid</member></proxies></location>
    <resource><uid>transporter</uid><name>Transporter</name></resource>`);
  assert.deepEqual(warnings, []);
  const dreid = await directory.byAddress(address("mailto:dreid@example.com"));
  assert.deepEqual(dreid?.emailAddresses, ["dreid@example.com"]);
  assert.equal((await directory.byShortName("users", "dreid"))?.fullName, "David Reid");
  const managers = await directory.byShortName("groups", "managers");
  assert.deepEqual(await directory.memberUids(managers!.uid), [dreid!.uid]);
  assert.deepEqual(await directory.groupUids(dreid!.uid), [managers!.uid]);
  const mercury = await directory.byShortName("locations", "mercury");
  assert.equal(mercury?.autoSchedule, "automatic");
  assert.deepEqual(await directory.delegatesOf(mercury!.uid), { read: [], write: [dreid!.uid] });
  assert.equal((await directory.byShortName("resources", "transporter"))?.autoSchedule, "none");
});

test("records without a GUID get the one that the original derives: version 5, of realm, type and names", async () => {
  assert.equal(uuid5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "python.org"), "886313e1-3b8a-5372-9b90-0c9aee199e5d");
  const { directory } = await given(
    "<user><uid>wsanchez</uid></user><group><uid>managers</uid></group><user><uid>a</uid><uid>b</uid></user>",
  );
  assert.equal((await directory.byShortName("users", "wsanchez"))?.uid, "af35e03b-e2a3-5dd7-9598-a08b546fb0ef");
  assert.equal((await directory.byShortName("groups", "managers"))?.uid, "22a15133-b59d-5218-8014-3f6f46858ff0");
  assert.equal((await directory.byShortName("users", "b"))?.uid, "8a44eda6-e7bc-58e2-b295-8dcfc4bfff90");
});

test("a GUID shorter than four characters is padded with question marks", async () => {
  const { directory } = await given("<user><uid>a</uid><guid>u1</guid></user>");
  assert.equal((await directory.byUid(uid("u1??")))?.shortName, "a");
});

test("repeat makes numbered records", async () => {
  const { directory, warnings } = await given(`<user repeat="12"><uid>user%02d</uid><guid>guid-%d</guid>
    <password>100%%-%d</password><name>User %d</name><email-address>u%d@example.com</email-address></user>
    <user repeat="1"><uid>100%d</uid></user>
    <user repeat="many"><uid>once</uid></user>`);
  const users = await all(directory, "users");
  assert.equal(users.length, 14);
  assert.deepEqual(
    [users[0]?.shortName, users[11]?.shortName, users[11]?.uid, users[11]?.fullName, users[11]?.emailAddresses[0]],
    ["user01", "user12", "guid-12", "User 12", "u12@example.com"],
  );
  assert.equal(users[12]?.shortName, "100%d");
  assert.deepEqual(await directory.storedPasswords?.(users[2]!), ["100%-3"]);
  assert.deepEqual(warnings, [
    'line 7: repeat must be a whole number from 1 to 100000, found "many"; the record is read once',
  ]);
  assert.equal(numbered("%x-%X-%3d-%%d", 255), "ff-FF-255-%d");
});

test("who has calendars: users, rooms and equipment unless disabled, groups only if enabled", async () => {
  const { directory } = await given(`<user><uid>u</uid></user><user><uid>off</uid><disable-calendar/></user>
    <group><uid>g</uid></group><group><uid>on</uid><enable-calendar/></group>
    <location><uid>l</uid></location><resource><uid>r</uid><disable-calendar>false</disable-calendar></resource>`);
  const has = async (type: RecordType, name: string) => (await directory.byShortName(type, name))?.calendaring;
  assert.deepEqual(
    [
      await has("users", "u"),
      await has("users", "off"),
      await has("groups", "g"),
      await has("groups", "on"),
      await has("locations", "l"),
      await has("resources", "r"),
    ],
    [true, false, false, true, true, true],
  );
});

test("auto-schedule-mode says how, whether or not auto-schedule is there", async () => {
  const { directory, warnings } = await given(`
    <resource><uid>a</uid><auto-schedule/><auto-schedule-mode>decline-if-busy</auto-schedule-mode></resource>
    <resource><uid>b</uid><auto-schedule/><auto-schedule-mode>none</auto-schedule-mode></resource>
    <resource><uid>c</uid><auto-schedule-mode>accept-always</auto-schedule-mode><auto-accept-group>x</auto-accept-group></resource>
    <resource><uid>d</uid><auto-schedule/><auto-schedule-mode>sometimes</auto-schedule-mode></resource>
    <resource><uid>e</uid><auto-schedule>false</auto-schedule></resource>`);
  const modes = (await all(directory, "resources")).map((resource) => resource.autoSchedule);
  assert.deepEqual(modes, ["decline-if-busy", "none", "accept-always", "automatic", "none"]);
  assert.deepEqual(warnings, [
    'line 8: <auto-schedule-mode> must be one of none, accept-always, decline-always, accept-if-free, decline-if-busy, automatic, found "sometimes"',
  ]);
});

test("what is not known is warned of with its line, and the rest is read", async () => {
  const { directory, warnings } = await given(`<user>
      <uid>a</uid>
      <shoe-size>44</shoe-size>
    </user>
    <robot><uid>r2</uid></robot>
    <user><name>Nameless</name></user>
    <user><uid>../../etc</uid></user>
    <group><uid>g</uid><members>
      <member type="robots">r2</member>
      <member>nobody</member>
      <person>a</person>
    </members></group>`);
  assert.equal((await all(directory, "users")).length, 1);
  assert.deepEqual(warnings, [
    "line 6: <shoe-size> is not known in a record, left out",
    "line 8: <robot> is not a kind of record, left out",
    "line 9: a record without <uid> is left out",
    'line 10: a record whose name or GUID has a slash or is "." or ".." is left out: "../../etc"',
    'line 12: <member> must have a type users, groups, locations or resources, found "robots"',
    "line 14: <person> is not a <member>, left out",
    "line 11: groups:g has the member users:nobody, which is not a record",
  ]);
});

test("a name or address of two records finds neither; both are found by GUID; one GUID twice leaves both out", async () => {
  const { directory, warnings } = await given(`
    <user><uid>ann</uid><guid>G001</guid><email-address>info@example.com</email-address></user>
    <user><uid>ann</uid><guid>G002</guid><email-address>ann@example.com</email-address></user>
    <user><uid>bea</uid><guid>G003</guid><email-address>INFO@example.com</email-address></user>
    <user><uid>cid</uid><guid>G004</guid></user>
    <location><uid>ann</uid><guid>g004</guid></location>`);
  assert.equal(await directory.byShortName("users", "ann"), undefined);
  assert.equal(await directory.byAddress(address("mailto:info@example.com")), undefined);
  assert.equal((await directory.byUid(uid("G001")))?.shortName, "ann");
  assert.equal((await directory.byUid(uid("G003")))?.shortName, "bea");
  assert.equal((await directory.byAddress(address("mailto:ann@example.com")))?.uid, "G002");
  assert.equal(await directory.byUid(uid("G004")), undefined);
  assert.equal(await directory.byShortName("users", "cid"), undefined);
  assert.deepEqual(warnings, [
    "line 9: two records have the GUID G004 (users:cid and locations:ann); both are left out",
    "line 6: two records have the name users:ann (G001 and G002); neither is found by it",
    "line 7: two records have the address mailto:info@example.com (users:ann and users:bea); neither is found by it",
  ]);
});

test("urn:uuid addresses are compared without case, names in composed form", async () => {
  const { directory } = await given("<user><uid>bj\u00f6rn</uid><guid>ABCD-EF</guid></user>");
  assert.equal((await directory.byAddress(address("urn:uuid:abcd-ef")))?.uid, "ABCD-EF");
  assert.equal((await directory.byShortName("users", "bjo\u0308rn"))?.uid, "ABCD-EF");
  assert.equal(await directory.byUid(uid("abcd-ef")), undefined);
});

test("the file is read again when it changes, within a second", async () => {
  const { directory, change, clock, path } = await given("<user><uid>a</uid></user>");
  const before = directory.generation();
  await writeFile(path, realm("<user><uid>a</uid></user><user><uid>b</uid></user>"));
  clock.now += 900;
  assert.equal(await directory.byShortName("users", "b"), undefined);
  clock.now += 100;
  assert.equal((await directory.byShortName("users", "b"))?.shortName, "b");
  assert.notEqual(directory.generation(), before);
  await change(realm("<user><uid>c</uid></user>"));
  assert.equal(await directory.byShortName("users", "a"), undefined);
});

test("a file that breaks or goes keeps the records, says so once, and is read when it is whole again", async () => {
  const { directory, change, clock, path, warnings } = await given("<user><uid>a</uid></user>");
  const generation = directory.generation();
  await change("<accounts realm='Test'><user>");
  assert.equal((await directory.byShortName("users", "a"))?.shortName, "a");
  assert.equal(directory.generation(), generation);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /^line 1, column \d+: .*; what was read before stays in use$/);
  clock.now += 5000;
  await directory.byShortName("users", "a");
  assert.equal(warnings.length, 1);
  await rm(path);
  clock.now += 5000;
  assert.equal((await directory.byShortName("users", "a"))?.shortName, "a");
  assert.equal(warnings[1], "there is no such accounts file; what was read before stays in use");
  await change(realm("<user><uid>b</uid></user>"));
  assert.equal((await directory.byShortName("users", "b"))?.shortName, "b");
});

test("a file that is missing or broken at first is an error that names file and line", async () => {
  const options = { warn: () => {} };
  await assert.rejects(
    openXmlAccounts("/nonexistent/accounts.xml", options),
    /accounts\.xml: there is no such accounts file/,
  );
  const path = join(await mkdtemp(join(tmpdir(), "caldavd-accounts-")), "accounts.xml");
  await writeFile(path, "<people/>");
  await assert.rejects(
    openXmlAccounts(path, options),
    /accounts\.xml: line 1: the root element must be <accounts>, found <people>/,
  );
});

test("passwords are given as they stand there, blanks and all; none for an empty one; a record may have several", async () => {
  const { directory } = await given(`<user><uid>a</uid><uid>b</uid><password> secret </password></user>
    <user><uid>c</uid><password></password></user><user><uid>d</uid><password>$6$x$y</password><password>{HA1}0</password></user>`);
  const stored = [];
  for (const user of await all(directory, "users")) stored.push(await directory.storedPasswords?.(user));
  assert.deepEqual(stored, [[" secret "], [], ["$6$x$y", "{HA1}0"]]);
});

test("a record is found by the authentication ids of other services", async () => {
  const { directory } = await given(
    "<user><uid>a</uid><auth-id>Kerberos:anna@OTHER.REALM</auth-id></user><user><uid>b</uid></user>",
  );
  assert.equal((await directory.byShortName("users", "Kerberos:anna@OTHER.REALM"))?.shortName, "a");
  assert.equal(await directory.byShortName("users", "Kerberos:anna@THIS.REALM"), undefined);
});

test("the two accounts files of the repository load without a warning", async () => {
  for (const [name, users] of [
    ["accounts.xml", 4],
    ["accounts-test.xml", 114],
  ] as const) {
    const warnings: string[] = [];
    const path = fileURLToPath(new URL(`../../data/${name}`, import.meta.url));
    const directory = await openXmlAccounts(path, { warn: (text) => void warnings.push(text) });
    assert.equal((await all(directory, "users")).length, users);
    assert.deepEqual(warnings, []);
  }
});

test("ten thousand records are read in less than two seconds", () => {
  const record = (n: number): string =>
    `<user><uid>u${n}</uid><guid>guid-${n}</guid><password>p</password><name>User ${n}</name><email-address>u${n}@example.com</email-address></user>`;
  const text = `<accounts realm="Big">${Array.from({ length: 10_000 }, (_, n) => record(n)).join("\n")}</accounts>`;
  const began = performance.now();
  assert.equal(readAccounts(text, () => {}).records.length, 10_000);
  const took = performance.now() - began;
  console.log(`# ${took.toFixed(0)} ms`);
  assert.ok(took < 2000, `${took} ms`);
});
