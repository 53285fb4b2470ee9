import assert from "node:assert/strict";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { accountsOf } from "../../src/auth/accounts.ts";
import { AppPasswords } from "../../src/auth/app-passwords.ts";
import { authenticator } from "../../src/auth/authenticate.ts";
import { basic } from "../../src/auth/basic.ts";
import { digest } from "../../src/auth/digest.ts";
import type { SlowHashes } from "../../src/auth/slow-hashes.ts";
import { openSudoers } from "../../src/directory/sudoers.ts";
import { openXmlAccounts } from "../../src/directory/xml-accounts.ts";
import { HttpError } from "../../src/http/message.ts";
import { basicHeader, givenAccounts, request } from "./support.ts";

/** A form of argon2 that nothing here computes: the test counts how often it would be. */
const slow = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

async function givenSlow() {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-hostile-"));
  const file = join(folder, "accounts.xml");
  await writeFile(
    file,
    `<accounts realm="R"><user><uid>ann</uid><password>${slow}</password></user>
     <user><uid>bob</uid><password>{PLAIN}s\u00fc\u00df</password></user></accounts>`,
  );
  const asked: string[] = [];
  const hashes: SlowHashes = {
    check: async (_, stored) => {
      asked.push(stored);
      return false;
    },
    close: () => {},
  };
  const { attempts } = await givenAccounts();
  const accounts = accountsOf({
    directory: await openXmlAccounts(file, { warn: () => {} }),
    sudoers: await openSudoers("", { warn: () => {} }),
    hashes,
    appPasswords: new AppPasswords(folder),
  });
  const auth = authenticator({
    accounts,
    schemes: [
      digest({ accounts, attempts, algorithm: "md5", qop: "auth", secret: Buffer.alloc(32, 7) }),
      basic({ accounts, attempts, withoutTls: true }),
    ],
  });
  return { accounts, auth, asked };
}

test("to tell a name that nobody has costs the slow hash that others cost", async () => {
  const { accounts, asked } = await givenSlow();
  assert.equal(await accounts.signIn("ann", "guess"), undefined);
  assert.equal(await accounts.signIn("nobody", "guess"), undefined);
  assert.deepEqual(asked, [slow, slow]);
});

test("a name that nobody has is shown the challenges that a name with a hashed password is shown", async () => {
  const { auth } = await givenSlow();
  const challenged = async (user: string): Promise<readonly string[]> => {
    const credentials = `Digest username="${user}", realm="R", nonce="x", uri="/calendars/users/alice/", qop=auth, nc=00000001, cnonce="a", response="${"0".repeat(32)}"`;
    const error = await auth.authenticate(request({ authorization: credentials })).then(
      () => assert.fail("signed in"),
      (one: unknown) => one,
    );
    assert.ok(error instanceof HttpError && error.status === 401);
    return [error.headers["www-authenticate"] ?? []].flat().map((text) => text.split(" ")[0] ?? "");
  };
  assert.deepEqual(await challenged("ann"), ["Basic"]);
  assert.deepEqual(await challenged("nobody"), ["Basic"]);
  assert.deepEqual(await challenged("bob"), ["Digest", "Basic"]);
});

test("a password with composed and decomposed letters is one password, and Latin-1 is understood", async () => {
  const { auth } = await givenSlow();
  const signedIn = async (authorization: string): Promise<string | undefined> =>
    auth.authenticate(request({ authorization })).then(
      ({ user }) => user?.shortName,
      () => undefined,
    );
  assert.equal(await signedIn(basicHeader("bob", "s\u00fc\u00df")), "bob");
  assert.equal(await signedIn(basicHeader("bob", "su\u0308\u00df")), "bob");
  assert.equal(await signedIn(`Basic ${Buffer.from("bob:s\u00fc\u00df", "latin1").toString("base64")}`), "bob");
  assert.equal(await signedIn(basicHeader("bob", "su\u00df")), undefined);
});
