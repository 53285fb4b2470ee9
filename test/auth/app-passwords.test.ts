import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { test } from "node:test";
import { AppPasswords, appPasswordsFile } from "../../src/auth/app-passwords.ts";
import { authenticator } from "../../src/auth/authenticate.ts";
import { basic } from "../../src/auth/basic.ts";
import type { HttpError } from "../../src/http/message.ts";
import type { PrincipalUid } from "../../src/model/ids.ts";
import { basicHeader, givenAccounts, request } from "./support.ts";

const alice = "AAAA1111" as PrincipalUid;
const plain = { uid: alice, name: "telephone", readOnly: false, expires: undefined, digest: undefined };

async function given() {
  const { accounts, attempts, appPasswords, clock, accountsFile } = await givenAccounts();
  const auth = authenticator({
    accounts,
    schemes: [basic({ accounts, attempts, withoutTls: false, now: () => clock.now })],
  });
  const ask = (password: string, method = "PROPFIND", user = "alice") =>
    auth.authenticate(request({ authorization: basicHeader(user, password) }, method)).then(
      (signedIn) => signedIn.user?.shortName,
      (error: HttpError) => error.status,
    );
  return { accounts, appPasswords, ask, clock, root: dirname(accountsFile) };
}

test("an app password signs its owner in beside the account's own, however it is typed, and nobody else", async () => {
  const { appPasswords, ask } = await given();
  const { password } = await appPasswords.add(plain);
  assert.match(password, /^[a-z2-7]{5}(-[a-z2-7]{5}){3}$/);
  assert.equal(await ask(password), "alice");
  assert.equal(await ask(password.toUpperCase().replace(/-/g, " ")), "alice");
  assert.equal(await ask("wonder:land"), "alice");
  assert.equal(await ask(password, "PUT"), "alice");
  assert.equal(await ask(password, "PROPFIND", "björn"), 401);
  assert.equal(await ask("aaaaa-bbbbb-ccccc-ddddd"), 401);
});

test("the file has no password in it, nor anything to sign in with, and is closed to strangers", async () => {
  const { appPasswords, root } = await given();
  const { password } = await appPasswords.add(plain);
  const bytes = (await readFile(appPasswordsFile(root))).toString("latin1");
  assert.doesNotMatch(bytes, new RegExp(password));
  assert.doesNotMatch(bytes, new RegExp(password.replace(/-/g, "")));
  assert.equal((await stat(appPasswordsFile(root))).mode & 0o007, 0);
});

test("one that may read only gets 403 for everything else", async () => {
  const { appPasswords, ask } = await given();
  const { password } = await appPasswords.add({ ...plain, readOnly: true });
  for (const method of ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"])
    assert.equal(await ask(password, method), "alice");
  for (const method of ["PUT", "DELETE", "PROPPATCH", "MKCALENDAR", "MKCOL", "COPY", "MOVE", "POST", "ACL", "LOCK"])
    assert.equal(await ask(password, method), 403, method);
});

test("a revoked one is void within a second, remembered or not; another process's change is seen", async () => {
  const { appPasswords, ask, clock, root } = await given();
  const { id, password } = await appPasswords.add(plain);
  assert.equal(await ask(password), "alice");
  const caladmin = new AppPasswords(root);
  assert.equal(await caladmin.revoke(id), true);
  assert.equal(await caladmin.revoke(id), false);
  clock.now += 1001;
  assert.equal(await ask(password), 401);
});

test("an expired one is void at that second, remembered or not", async () => {
  const { appPasswords, ask, clock } = await given();
  const { password } = await appPasswords.add({ ...plain, expires: Math.floor(clock.now / 1000) + 60 });
  assert.equal(await ask(password), "alice");
  clock.now += 59_000;
  assert.equal(await ask(password), "alice");
  clock.now += 1_001;
  assert.equal(await ask(password), 401);
});

test("Digest may use those made for it, and gets their scope", async () => {
  const { accounts, appPasswords } = await given();
  await appPasswords.add(plain);
  const before = await accounts.digestSecrets("alice", "md5");
  await appPasswords.add({ ...plain, name: "old Mac", readOnly: true, digest: { user: "alice", realm: "Test Realm" } });
  const secrets = await accounts.digestSecrets("alice", "md5");
  assert.equal(before?.length, 1);
  assert.deepEqual(
    secrets?.map(({ identity }) => identity.kind === "principal" && identity.readOnly),
    [undefined, true],
  );
});

test("names are the user's own to tell them apart: one twice is refused", async () => {
  const { appPasswords } = await given();
  await appPasswords.add(plain);
  await assert.rejects(appPasswords.add(plain), /there is an app password "telephone" already/);
  await appPasswords.add({ ...plain, uid: "BBBB1111" as PrincipalUid });
  assert.deepEqual(
    (await appPasswords.list()).map(({ uid, name }) => [uid, name]),
    [
      ["AAAA1111", "telephone"],
      ["BBBB1111", "telephone"],
    ],
  );
});
