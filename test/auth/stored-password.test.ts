import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { after, test } from "node:test";
import argon2 from "argon2";
import bcrypt from "bcryptjs";
import { md5Crypt, shaCrypt } from "../../src/auth/crypt.ts";
import { slowHashes } from "../../src/auth/slow-hashes.ts";
import { proves, readStored, storedHa1 } from "../../src/auth/stored-password.ts";
import { HttpError } from "../../src/http/message.ts";

const slow = slowHashes();
after(() => slow.close());
const naming = { name: "alice", realm: "Test Realm" };
const right = (stored: string, password: string): Promise<boolean> => proves(stored, password, naming, slow);
const sum = (name: string, password: string, salt = ""): string =>
  Buffer.concat([createHash(name).update(password).update(salt).digest(), Buffer.from(salt)]).toString("base64");
const ha1 = (name: string, password: string): string =>
  createHash(name).update(`alice:Test Realm:${password}`).digest("hex");

/** What may stand in a record for the password "süß 1". */
const forms: Readonly<Record<string, string>> = {
  "clear text": "süß 1",
  "{PLAIN}": "{PLAIN}süß 1",
  "{SSHA}": `{SSHA}${sum("sha1", "süß 1", "salt")}`,
  "{ssha}, lower case": `{ssha}${sum("sha1", "süß 1", "12345678")}`,
  "{SHA}, of htpasswd -s": `{SHA}${sum("sha1", "süß 1")}`,
  "{SSHA256}": `{SSHA256}${sum("sha256", "süß 1", "salt")}`,
  "{SSHA512}": `{SSHA512}${sum("sha512", "süß 1", "salt")}`,
  "{SHA512-CRYPT}": `{SHA512-CRYPT}${shaCrypt("süß 1", "$6$salt$")}`,
  "{CRYPT}$6$": `{CRYPT}${shaCrypt("süß 1", "$6$rounds=1000$saltsaltsaltsalt$")}`,
  $6$: shaCrypt("süß 1", "$6$salt$"),
  $5$: shaCrypt("süß 1", "$5$salt$"),
  "$apr1$, of htpasswd": md5Crypt("süß 1", "$apr1$abcdefgh$"),
  $1$: md5Crypt("süß 1", "$1$abcdefgh$"),
  "bcrypt $2b$": bcrypt.hashSync("süß 1", 4),
  "bcrypt $2y$, of htpasswd -B": bcrypt.hashSync("süß 1", 4).replace("$2b$", "$2y$"),
  "{BLF-CRYPT}": `{BLF-CRYPT}${bcrypt.hashSync("süß 1", 4)}`,
  argon2id: await argon2.hash("süß 1", { memoryCost: 1024, timeCost: 2, parallelism: 1 }),
  argon2i: await argon2.hash("süß 1", { memoryCost: 1024, timeCost: 2, type: argon2.argon2i }),
  "{ARGON2}": `{ARGON2}${await argon2.hash("süß 1", { memoryCost: 1024, timeCost: 2 })}`,
  "{HA1}, MD5": `{HA1}${ha1("md5", "süß 1")}`,
  "{HA1}, SHA-256": `{HA1}${ha1("sha256", "süß 1")}`,
};

for (const [form, stored] of Object.entries(forms))
  test(`a password stored as ${form} is right, another and none are wrong, and so is the stored text itself`, async () => {
    assert.equal(await right(stored, "süß 1"), true);
    assert.equal(await right(stored, "süß 2"), false);
    assert.equal(await right(stored, ""), false);
    if (form !== "clear text") assert.equal(await right(stored, stored), false);
  });

test("crypt(3) of openssl and ours are the same, for all forms, salts, rounds and lengths", () => {
  for (const [flag, salt] of [
    ["-6", "saltstring"],
    ["-6", "a"],
    ["-6", "rounds=1200$abcdefghijklmnop"],
    ["-5", "saltstring"],
    ["-5", "rounds=1200$abc"],
    ["-1", "abcdefgh"],
    ["-apr1", "xyz"],
  ] as const)
    for (const password of ["x", "Hello world!", "süß", "a".repeat(64), "b".repeat(100)]) {
      const wanted = execFileSync("openssl", ["passwd", flag, "-salt", salt, password], { encoding: "utf8" }).trim();
      assert.equal(flag === "-6" || flag === "-5" ? shaCrypt(password, wanted) : md5Crypt(password, wanted), wanted);
    }
});

test("forms that are not read, broken ones and those that would take too long are never right, nor taken for clear text", async () => {
  for (const stored of [
    "{SSHA}",
    "{SSHA}c2hvcnQ=",
    "{SASL}alice@REALM",
    "{SCRAM-SHA-1}4096,abc",
    "{CRYPT}abJnggxhB/yWI",
    "{HA1}xyz",
    "$y$j9T$abc$def",
    `$2b$16$${"u".repeat(53)}`,
    "$argon2id$v=19$m=1048576,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g",
    `$6$rounds=999999999$salt$${"a".repeat(86)}`,
  ]) {
    assert.equal(readStored(stored).kind, "unusable", stored);
    assert.equal(await right(stored, stored), false, stored);
  }
});

test("clear text may begin like a form and be none", () => {
  for (const stored of ["{me}", "{", "$100", "$6$", "{My password}x"])
    assert.deepEqual(readStored(stored), { kind: "clear", text: stored });
});

test("Digest can use clear text and its own hash, of the same algorithm only", () => {
  assert.deepEqual(storedHa1("secret", naming, "md5"), [ha1("md5", "secret")]);
  assert.deepEqual(storedHa1("secret", naming, "sha256"), [ha1("sha256", "secret")]);
  assert.deepEqual(storedHa1(`{HA1}${ha1("md5", "secret").toUpperCase()}`, naming, "md5"), [ha1("md5", "secret")]);
  assert.deepEqual(storedHa1(`{HA1}${ha1("md5", "secret")}`, naming, "sha256"), []);
  assert.deepEqual(storedHa1(forms["argon2id"] ?? "", naming, "md5"), []);
  // Clients from before RFC 7616 hash Latin-1.
  assert.deepEqual(storedHa1("süß", naming, "md5"), [
    ha1("md5", "süß"),
    createHash("md5").update(Buffer.from("alice:Test Realm:süß", "latin1")).digest("hex"),
  ]);
});

test("slow hashes leave the event loop alone", async () => {
  const stored = bcrypt.hashSync("secret", 11);
  await right(stored, "warm up");
  let longest = 0;
  let last = performance.now();
  const beat = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  const begun = performance.now();
  assert.deepEqual(await Promise.all([right(stored, "secret"), right(stored, "wrong")]), [true, false]);
  const took = performance.now() - begun;
  clearInterval(beat);
  console.log(`# two hashes took ${took.toFixed(0)} ms, the loop stood still for ${longest.toFixed(0)} ms at most`);
  assert.ok(longest < took / 3, `${longest} of ${took} ms`);
});

test("of many slow checks at once a bounded number waits, the others are told 503", async () => {
  const hashes = slowHashes();
  const stored = bcrypt.hashSync("secret", 4);
  const all = await Promise.allSettled(Array.from({ length: 80 }, () => hashes.check("bcrypt", stored, "secret")));
  const busy = all.filter((one) => one.status === "rejected" && one.reason instanceof HttpError);
  assert.equal(busy.length, 80 - 65);
  assert.ok(all.every((one) => one.status === "rejected" || one.value));
  hashes.close();
});
