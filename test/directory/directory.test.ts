import assert from "node:assert/strict";
import { mkdtemp, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { principalList, principalNamed } from "../../src/directory/access.ts";
import type { Directory } from "../../src/directory/backend.ts";
import { openDelegates } from "../../src/directory/delegates.ts";
import { createDirectory } from "../../src/directory/directory.ts";
import { openSudoers } from "../../src/directory/sudoers.ts";
import { openXmlAccounts } from "../../src/directory/xml-accounts.ts";
import type { Principal, RecordType } from "../../src/model/principal.ts";
import { Refusal } from "../../src/model/refusal.ts";

const accounts = `<accounts realm="Test">
  <user><uid>ann</uid><guid>ANN-1</guid><email-address>ann@example.com</email-address></user>
  <user><uid>bob</uid><guid>BOB-1</guid></user>
  <user><uid>cid</uid><guid>CID-1</guid></user>
  <user><uid>dan</uid><guid>DAN-1</guid></user>
  <group><uid>inner</uid><guid>INNER</guid><members><member>cid</member><member type="groups">outer</member></members></group>
  <group><uid>outer</uid><guid>OUTER</guid><members><member type="groups">inner</member><member>bob</member></members></group>
  <group><uid>staff</uid><guid>STAFF</guid><members><member type="groups">outer</member></members></group>
  <location><uid>room</uid><guid>ROOM-1</guid>
    <proxies><member type="groups">inner</member></proxies><read-only-proxies><member>ann</member></read-only-proxies></location>
</accounts>`;

async function given() {
  const root = await mkdtemp(join(tmpdir(), "caldavd-directory-"));
  const path = join(root, "accounts.xml");
  await writeFile(path, accounts);
  const clock = { now: 0 };
  const warnings: string[] = [];
  const warn = (text: string): void => void warnings.push(text);
  const backend = await openXmlAccounts(path, { warn, now: () => clock.now });
  const delegates = await openDelegates({
    documentRoot: join(root, "Documents"),
    dataRoot: join(root, "Data"),
    storeIsUsed: false,
    warn,
  });
  const directory = createDirectory(backend, delegates);
  return {
    directory,
    delegates,
    warnings,
    warn,
    root,
    clock,
    user: (name: string) => principal(directory, name, "users"),
    group: (name: string) => principal(directory, name, "groups"),
    room: () => principal(directory, "room", "locations"),
    async change(text: string) {
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
      clock.now += 1001;
      // The reading is begun by whoever asks first.
      await directory.byShortName("users", "ann");
    },
  };
}

async function principal(directory: Directory, name: string, type: RecordType): Promise<Principal> {
  const found = await directory.byShortName(type, name);
  assert.ok(found, `${type}:${name}`);
  return found;
}

const names = (principals: readonly Principal[]): string[] => principals.map(({ shortName }) => shortName).sort();

test("groups in groups: members and memberships, direct and through others, loops tolerated", async () => {
  const { directory, user, group } = await given();
  assert.deepEqual(names(await directory.members(await group("staff"))), ["outer"]);
  assert.deepEqual(names(await directory.expandedMembers(await group("staff"))), ["bob", "cid", "inner", "outer"]);
  assert.deepEqual(names(await directory.expandedMembers(await group("inner"))), ["bob", "cid", "outer"]);
  assert.deepEqual(names(await directory.memberships(await user("cid"))), ["inner"]);
  assert.deepEqual(names(await directory.expandedMemberships(await user("cid"))), ["inner", "outer", "staff"]);
  assert.deepEqual(names(await directory.expandedMemberships(await group("inner"))), ["outer", "staff"]);
  assert.deepEqual(names(await directory.members(await user("ann"))), []);
});

test("identities are the uid and those of all groups; the same set until records change", async () => {
  const { directory, user, change } = await given();
  const bob = await user("bob");
  const before = await directory.identities(bob);
  assert.deepEqual([...before].sort(), ["BOB-1", "INNER", "OUTER", "STAFF"]);
  assert.equal(await directory.identities(bob), before);
  await change(accounts.replace("<member>bob</member>", ""));
  assert.deepEqual([...(await directory.identities(bob))], ["BOB-1"]);
});

test("delegates: set by the owner, seen in both directions, strongest access wins, groups count", async () => {
  const { directory, user, group } = await given();
  const [ann, bob, cid, dan] = [await user("ann"), await user("bob"), await user("cid"), await user("dan")];
  const outer = await group("outer");
  assert.equal(await directory.delegateAccess(bob, ann), "none");
  await directory.setDelegates(ann, "read", [outer, dan]);
  assert.deepEqual(names(await directory.delegates(ann, "read")), ["dan", "outer"]);
  assert.deepEqual(names(await directory.delegatedBy(bob, "read")), ["ann"]);
  assert.deepEqual(names(await directory.delegatedBy(dan, "write")), []);
  assert.equal(await directory.delegateAccess(cid, ann), "read");
  await directory.setDelegates(ann, "write", [cid]);
  assert.equal(await directory.delegateAccess(cid, ann), "write");
  assert.equal(await directory.delegateAccess(bob, ann), "read");
  assert.equal(await directory.delegateAccess(ann, ann), "none");
  await directory.setDelegates(ann, "read", []);
  assert.equal(await directory.delegateAccess(bob, ann), "none");
});

test("what another process sets is seen at once", async () => {
  const { directory, user, root, warn } = await given();
  const [ann, bob] = [await user("ann"), await user("bob")];
  const other = await openDelegates({
    documentRoot: join(root, "Documents"),
    dataRoot: join(root, "Data"),
    storeIsUsed: true,
    warn,
  });
  assert.equal(await directory.delegateAccess(bob, ann), "none");
  const before = directory.generation();
  await other.change([{ owner: ann.uid, access: "write", edit: () => [bob.uid] }]);
  // Another process's request comes in a later turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await directory.delegateAccess(bob, ann), "write");
  assert.notEqual(directory.generation(), before);
  other.close();
});

test("delegates written in a record count, can be added to, and cannot be taken away by a client", async () => {
  const { directory, delegates, user, group, room } = await given();
  const owner = await room();
  assert.deepEqual(names(await directory.delegates(owner, "write")), ["inner"]);
  assert.deepEqual(names(await directory.delegates(owner, "read")), ["ann"]);
  assert.equal(await directory.delegateAccess(await user("bob"), owner), "write");
  assert.deepEqual(names(await directory.delegatedBy(await user("cid"), "write")), ["room"]);
  assert.deepEqual(names(await directory.delegatedBy(await user("ann"), "read")), ["room"]);
  await directory.setDelegates(owner, "write", [await group("inner"), await user("dan")]);
  assert.deepEqual(names(await directory.delegates(owner, "write")), ["dan", "inner"]);
  assert.deepEqual(await delegates.of(owner.uid, "write"), ["DAN-1"]);
  await assert.rejects(
    directory.setDelegates(owner, "write", []),
    (error) => error instanceof Refusal && error.reason.code === "cannot-modify-protected-property",
  );
});

test("a delegate the directory does not know for a while is hidden, not lost, also when the list is set meanwhile", async () => {
  const { directory, delegates, user, change } = await given();
  const [ann, bob, cid] = [await user("ann"), await user("bob"), await user("cid")];
  await directory.setDelegates(ann, "write", [bob, cid]);
  await change(accounts.replace("<uid>bob</uid><guid>BOB-1</guid>", "<uid>bert</uid><guid>BERT-1</guid>"));
  assert.deepEqual(names(await directory.delegates(ann, "write")), ["cid"]);
  await directory.setDelegates(ann, "write", []);
  await change(accounts);
  assert.deepEqual(names(await directory.delegates(ann, "write")), ["bob"]);
  assert.deepEqual(await delegates.of(ann.uid, "write"), ["BOB-1"]);
});

test("principals are named by any address of theirs", async () => {
  const { directory } = await given();
  for (const text of [
    "/principals/__uids__/ANN-1/",
    "/principals/__uids__/ANN-1",
    "/principals/users/ann/",
    "https://calendar.example.com:8443/principals/users/%61nn",
    "users:ann",
    "ANN-1",
    "mailto:Ann@Example.com",
    "urn:uuid:ANN-1",
  ])
    assert.equal((await principalNamed(directory, text))?.shortName, "ann", text);
  for (const text of [
    "",
    "/principals/users/",
    "/principals/robots/ann/",
    "ann",
    "groups:ann",
    "/principals/users/%zz/",
  ])
    assert.equal(await principalNamed(directory, text), undefined, text);
});

test("AdminPrincipals: users and groups; an entry that is nobody is said once and waits until it is somebody", async () => {
  const { directory, warnings, warn, change } = await given();
  const admins = principalList(
    directory,
    "AdminPrincipals",
    ["/principals/users/ann/", "ANN-1", "/principals/groups/outer/", "/principals/users/eve/"],
    warn,
  );
  assert.deepEqual(await admins(), ["ANN-1", "OUTER"]);
  assert.deepEqual(await admins(), ["ANN-1", "OUTER"]);
  assert.deepEqual(warnings, ['AdminPrincipals: there is no principal "/principals/users/eve/"']);
  await change(accounts.replace("<uid>dan</uid>", "<uid>eve</uid>"));
  assert.deepEqual(await admins(), ["ANN-1", "OUTER", "DAN-1"]);
});

test("sudoers: names and passwords from the plist; entries without a name are left out; no file, no sudoers", async () => {
  const path = join(await mkdtemp(join(tmpdir(), "caldavd-sudoers-")), "sudoers.plist");
  const user = (name: string, rest = "") => `<dict><key>username</key><string>${name}</string>${rest}</dict>`;
  const password = "<key>password</key><string>s3cret</string>";
  const plist = (users: string) => `<plist version="1.0"><dict><key>users</key><array>${users}</array></dict></plist>`;
  const warnings: string[] = [];
  const clock = { now: 0 };
  const options = { warn: (text: string) => void warnings.push(text.replace(`${path}: `, "")), now: () => clock.now };
  assert.equal(await (await openSudoers("", options)).has("root"), false);

  const sudoers = await openSudoers(path, options);
  assert.deepEqual(await sudoers.principals(), []);
  const before = sudoers.generation();
  await writeFile(
    path,
    plist(`${user("super", `${password}<key>authorize-from</key><array/>`)}<dict>${password}</dict>${user("mute")}`),
  );
  clock.now += 1000;
  assert.deepEqual(
    (await sudoers.principals()).map(({ shortName }) => shortName),
    ["super", "mute"],
  );
  assert.notEqual(sudoers.generation(), before);
  assert.equal(await sudoers.storedPassword("super"), "s3cret");
  assert.equal(await sudoers.storedPassword("mute"), undefined);
  assert.equal(await sudoers.storedPassword("nobody"), undefined);
  assert.deepEqual(warnings, [
    "users[1] has no username, left out",
    "users[2] (mute) has no password and cannot sign in",
  ]);
  await writeFile(path, "<plist><array/></plist>");
  clock.now += 1000;
  assert.equal(await sudoers.has("super"), true);
  assert.match(warnings.at(-1) ?? "", /what was read before stays in use/);
  await assert.rejects(openSudoers(path, options), /sudoers\.plist: must be a dictionary/);
});
