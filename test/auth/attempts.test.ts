import assert from "node:assert/strict";
import { test } from "node:test";
import { Attempts, addressKey, type Failure } from "../../src/auth/attempts.ts";
import { authenticator } from "../../src/auth/authenticate.ts";
import { basic } from "../../src/auth/basic.ts";
import { type Details, silentLogger } from "../../src/base/log.ts";
import { HttpError } from "../../src/http/message.ts";
import { basicHeader, givenAccounts, request } from "./support.ts";

const from = (remote: string) => ({ ...request(), remote });

/** Attempts on a clock that only waiting moves; `take` is one attempt with a wrong password and what it had to wait. */
function given() {
  const clock = { now: 1_000_000 };
  const logged: Details[] = [];
  const told: Failure[] = [];
  const attempts = new Attempts({
    log: { ...silentLogger, warn: (message, details) => void logged.push({ message, ...details }) },
    now: () => clock.now,
    wait: async (milliseconds) => {
      clock.now += milliseconds;
    },
    tell: (failure) => void told.push(failure),
  });
  const take = async (name: string, remote: string): Promise<number> => {
    const begun = clock.now;
    await attempts.turn(from(remote), name, "Basic");
    attempts.failed(from(remote), name, "Basic");
    return clock.now - begun;
  };
  return { attempts, clock, logged, told, take };
}

test("five wrong passwords are free, then each attempt waits twice as long as the one before, up to eight seconds", async () => {
  const { take } = given();
  const waits: number[] = [];
  for (let i = 0; i < 12; i++) waits.push(Math.round((await take("alice", "192.0.2.1")) / 50) * 50);
  assert.deepEqual(waits.slice(0, 5), [0, 0, 0, 0, 0]);
  for (const [at, wait] of waits.slice(5).entries())
    assert.ok(wait >= Math.min(8_000, 200 * 2 ** at * 0.7) && wait <= 8_000, `${wait} ms at ${at}`);
  assert.ok((waits[11] ?? 0) > 6_000);
});

test("from another address the owner waits for nothing", async () => {
  const { take, attempts } = given();
  for (let i = 0; i < 20; i++) await take("alice", "192.0.2.1");
  assert.equal(attempts.turn(from("192.0.2.2"), "alice", "Basic"), undefined);
  assert.equal(attempts.turn(from("192.0.2.1"), "bob", "Basic"), undefined);
});

test("a right password makes the pair's failures forgotten; so does time", async () => {
  const { take, attempts, clock } = given();
  for (let i = 0; i < 8; i++) await take("alice", "192.0.2.1");
  attempts.succeeded(from("192.0.2.1"), "alice");
  assert.equal(await take("alice", "192.0.2.1"), 0);
  for (let i = 0; i < 8; i++) await take("alice", "192.0.2.1");
  clock.now += 10 * 60_000;
  assert.equal(await take("alice", "192.0.2.1"), 0);
});

test("one address that tries many names is slowed after fifty, this host (a proxy, maybe) is not", async () => {
  const { take } = given();
  for (let i = 0; i < 50; i++) assert.equal(await take(`name${i}`, "192.0.2.1"), 0, `${i}`);
  assert.ok((await take("another", "192.0.2.1")) >= 200);
  for (let i = 0; i < 200; i++) assert.equal(await take(`name${i}`, "127.0.0.1"), 0);
  for (let i = 0; i < 200; i++) assert.equal(await take(`name${i}`, "::1"), 0);
});

test("of IPv6 a site that goes through its networks is slowed after five hundred", async () => {
  const { take } = given();
  const network = (n: number): string => `2001:db8:1:${n.toString(16)}::1`;
  for (let i = 0; i < 500; i++) assert.equal(await take(`name${i}`, network(i)), 0, `${i}`);
  assert.ok((await take("another", network(9999))) >= 200);
  assert.equal(await take("another", "2001:db8:2:1::1"), 0);
});

test("what would wait longer than ten seconds is refused with 429 and when to come again, and is logged", async () => {
  const logged: Details[] = [];
  const log = { ...silentLogger, warn: (message: string, more?: Details) => void logged.push({ message, ...more }) };
  const waits: number[] = [];
  // Time stands still.
  const attempts = new Attempts({ log, now: () => 1_000_000, wait: async (wait) => void waits.push(wait) });
  for (let i = 0; i < 12; i++) attempts.failed(from("192.0.2.1"), "alice", "Basic");
  await attempts.turn(from("192.0.2.1"), "alice", "Basic");
  assert.deepEqual(waits, [8_000]);
  for (let i = 0; i < 3; i++)
    await assert.rejects(Promise.resolve(attempts.turn(from("192.0.2.1"), "alice", "Basic")), (error) => {
      assert.ok(error instanceof HttpError);
      assert.deepEqual([error.status, error.headers], [429, { "Retry-After": "16" }]);
      return true;
    });
  assert.equal(logged.length, 12 + 3);
  const last = logged.at(-1);
  assert.deepEqual(last, {
    message: "a sign-in was not looked at, there are too many",
    address: "192.0.2.1",
    scheme: "Basic",
    user: "alice",
  });
});

test("guesses sent all at once get their turns: sixteen, then ten a second, then none", async () => {
  const { attempts, logged } = given();
  let atOnce = 0;
  let later = 0;
  for (let i = 0; i < 60; i++) {
    const turn = attempts.turn(from("192.0.2.1"), "alice", "Digest");
    if (turn === undefined) atOnce++;
    else later++;
    turn?.catch(() => {});
  }
  assert.deepEqual([atOnce, later], [17, 43]);
  // Of the later ones some wait, and those beyond 32 are refused.
  assert.equal(logged.length, 60 - 32);
});

test("a failure in one worker counts in the others", async () => {
  const one = given();
  const other = given();
  for (let i = 0; i < 8; i++) await one.take("alice", "192.0.2.1");
  assert.equal(one.told.length, 8);
  for (const failure of one.told) other.attempts.heard(structuredClone(failure));
  assert.notEqual(other.attempts.turn(from("192.0.2.1"), "alice", "Basic"), undefined);
});

test("of IPv6 a network of 64 bits is one party", () => {
  assert.equal(addressKey("2001:db8:1:2:3:4:5:6"), addressKey("2001:db8:1:2::1"));
  assert.notEqual(addressKey("2001:db8:1:2::1"), addressKey("2001:db8:1:3::1"));
  assert.equal(addressKey("fe80::1%eth0"), addressKey("fe80::2"));
  assert.equal(addressKey("192.0.2.1"), "192.0.2.1");
});

test("who has signed in already is not made to wait for what others try with the name, from the same address", async () => {
  const { accounts, attempts, clock } = await givenAccounts();
  const auth = authenticator({
    accounts,
    schemes: [basic({ accounts, attempts, withoutTls: false, now: () => clock.now })],
  });
  const ask = (password: string) =>
    auth.authenticate(request({ authorization: basicHeader("alice", password) })).then(
      ({ user }) => user?.shortName,
      (error: HttpError) => error.status,
    );
  assert.equal(await ask("wonder:land"), "alice");
  for (let i = 0; i < 12; i++) assert.equal(await ask(`guess ${i}`), 401);
  const before = clock.now;
  assert.equal(await ask("wonder:land"), "alice");
  assert.equal(clock.now, before);
});

test("every wrong password is a line that names address, scheme and user; the user's text cannot fake another line", async () => {
  const { accounts, attempts, logged } = await givenAccounts();
  const auth = authenticator({ accounts, schemes: [basic({ accounts, attempts, withoutTls: false })] });
  for (const user of ["alice", "nobody", 'x", address="10.0.0.1\n'])
    await assert.rejects(auth.authenticate(request({ authorization: basicHeader(user, "wrong") })), HttpError);
  assert.deepEqual(
    logged.map(({ address, scheme, user }) => [address, scheme, user]),
    [
      ["127.0.0.1", "Basic", "alice"],
      ["127.0.0.1", "Basic", "nobody"],
      ["127.0.0.1", "Basic", 'x", address="10.0.0.1\n'],
    ],
  );
});

test("a password without TLS from another host is not looked at, and the log says so once an hour", async () => {
  const { accounts, attempts, clock, logged } = await givenAccounts();
  const auth = authenticator({ accounts, schemes: [basic({ accounts, attempts, withoutTls: false })] });
  const headers = { authorization: basicHeader("alice", "wonder:land"), "user-agent": "iCal/3.0" };
  const ask = () => auth.authenticate({ ...request(headers), remote: "192.0.2.7" });
  for (let i = 0; i < 3; i++)
    await assert.rejects(
      ask(),
      (error) => error instanceof HttpError && error.status === 403 && /https/.test(error.message),
    );
  assert.deepEqual(
    logged.map(({ client, agent }) => [client, agent]),
    [["192.0.2.7", "iCal/3.0"]],
  );
  clock.now += 3_600_001;
  await assert.rejects(ask(), HttpError);
  assert.equal(logged.length, 2);
});
