import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { authenticator } from "../../src/auth/authenticate.ts";
import { type DigestAlgorithm, digest, digestOf, responseOf } from "../../src/auth/digest.ts";
import { readAll, readUsual } from "../../src/auth/digest-claim.ts";
import { decodeExtended, readParameters } from "../../src/auth/digest-header.ts";
import { Nonces } from "../../src/auth/nonces.ts";
import { HttpError } from "../../src/http/message.ts";
import { type Given, givenAccounts, request } from "./support.ts";

const secret = Buffer.alloc(32, 7);
const target = "/calendars/users/alice/";

interface Sent {
  readonly user?: string;
  readonly password?: string;
  readonly nonce: string;
  readonly algorithm?: DigestAlgorithm;
  readonly nc?: number;
  readonly qop?: boolean;
  readonly uri?: string;
  readonly method?: string;
  readonly cnonce?: string;
  /** Of the session, with -sess; else `cnonce`. */
  readonly sessionCnonce?: string;
  readonly realm?: string;
  readonly extra?: string;
}

/** What curl --digest sends, computed with nothing of the server's. */
function answer(sent: Sent): string {
  const { user = "alice", password = "wonder:land", nonce, algorithm = "md5", nc = 1, qop = true, uri = target } = sent;
  const { method = "PROPFIND", cnonce = "NWQzZjY0ZTQ=", realm = "Test Realm", extra = "" } = sent;
  const h = (text: string) =>
    createHash(algorithm.startsWith("md5") ? "md5" : "sha256")
      .update(text)
      .digest("hex");
  let ha1 = h(`${user}:${realm}:${password}`);
  if (algorithm.endsWith("-sess")) ha1 = h(`${ha1}:${nonce}:${sent.sessionCnonce ?? cnonce}`);
  const count = nc.toString(16).padStart(8, "0");
  const ha2 = h(`${method}:${uri}`);
  const response = qop ? h(`${ha1}:${nonce}:${count}:${cnonce}:auth:${ha2}`) : h(`${ha1}:${nonce}:${ha2}`);
  const counted = qop ? `cnonce="${cnonce}", nc=${count}, qop=auth, ` : "";
  return Buffer.from(
    `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", ${counted}response="${response}", algorithm=${algorithm.toUpperCase()}${extra}`,
  ).toString("latin1");
}

/** A worker that offers Digest. */
function worker(given: Given, algorithm: DigestAlgorithm = "md5", qop: "auth" | "" = "auth", own = secret) {
  const now = () => given.clock.now;
  const auth = authenticator({
    accounts: given.accounts,
    schemes: [digest({ accounts: given.accounts, attempts: given.attempts, algorithm, qop, secret: own, now })],
  });
  const challenge = (error: unknown): string => {
    assert.ok(error instanceof HttpError, String(error));
    assert.equal(error.status, 401);
    return String(error.headers["www-authenticate"]);
  };
  const nonceOf = (text: string): string => /nonce="([^"]+)"/.exec(text)?.[1] ?? "";
  return {
    auth,
    nonce: () => nonceOf(challenge(auth.unauthorized(request()))),
    /** The user signed in, or the challenge of the 401. */
    async send(sent: Sent, to = sent.uri ?? target, headers: Record<string, string> = {}) {
      try {
        const asked = request({ authorization: answer(sent), ...headers }, sent.method ?? "PROPFIND", to);
        return (await auth.authenticate(asked)).user?.shortName;
      } catch (error) {
        return challenge(error);
      }
    },
  };
}

test("RFC 7616 §3.9.1: the responses of the example, MD5 and SHA-256", () => {
  const claim = {
    nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    nc: "00000001",
    count: 1,
  };
  const ha1 = (name: string) => createHash(name).update("Mufasa:http-auth@example.org:Circle of Life").digest("hex");
  const ha2 = (name: "md5" | "sha256") => digestOf(name, "GET:/dir/index.html");
  assert.equal(responseOf("md5", claim, ha1("md5"), ha2("md5")), "8ca523f5e9506fed4657c9700eebdbec");
  assert.equal(
    responseOf("sha-256", claim, ha1("sha256"), ha2("sha256")),
    "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
  );
});

test("RFC 2617 §3.5: the response of the example", () => {
  const claim = {
    nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    cnonce: "0a4f113b",
    nc: "00000001",
    count: 1,
  };
  const ha1 = createHash("md5").update("Mufasa:testrealm@host.com:Circle Of Life").digest("hex");
  assert.equal(
    responseOf("md5", claim, ha1, digestOf("md5", "GET:/dir/index.html")),
    "6629fae49393a05397450978507c4ef1",
  );
});

test("every algorithm signs in with qop=auth, and without qop where none is asked for", async () => {
  const given = await givenAccounts();
  for (const algorithm of ["md5", "md5-sess", "sha-256", "sha-256-sess"] as const) {
    const counting = worker(given, algorithm);
    assert.equal(await counting.send({ nonce: counting.nonce(), algorithm }), "alice");
    assert.match(String(await counting.send({ nonce: counting.nonce(), algorithm, password: "wrong" })), /^Digest /);
  }
  for (const algorithm of ["md5", "sha-256"] as const) {
    const plain = worker(given, algorithm, "");
    const nonce = plain.nonce();
    for (let i = 0; i < 3; i++) assert.equal(await plain.send({ nonce, algorithm, qop: false }), "alice");
  }
});

test("the challenge names realm, nonce, algorithm and qop; an empty Qop leaves qop out, except with -sess, which needs it", async () => {
  const given = await givenAccounts();
  const text = String(worker(given, "sha-256").auth.unauthorized(request()).headers["www-authenticate"]);
  assert.match(text, /^Digest realm="Test Realm", nonce="[\w-]{40}", algorithm=SHA-256, qop="auth", charset=UTF-8$/);
  assert.match(
    String(worker(given, "md5-sess", "").auth.unauthorized(request()).headers["www-authenticate"]),
    /qop="auth"/,
  );
  assert.doesNotMatch(String(worker(given, "md5", "").auth.unauthorized(request()).headers["www-authenticate"]), /qop/);
});

test("a client that leaves qop out where it is asked for is refused", async () => {
  const one = worker(await givenAccounts());
  assert.match(String(await one.send({ nonce: one.nonce(), qop: false })), /^Digest (?!.*stale)/);
});

test("another algorithm than the one offered is refused; none means MD5", async () => {
  const given = await givenAccounts();
  const one = worker(given, "sha-256");
  assert.match(String(await one.send({ nonce: one.nonce(), algorithm: "md5" })), /^Digest /);
  const md5 = worker(given);
  const header = answer({ nonce: md5.nonce() }).replace(", algorithm=MD5", "");
  assert.equal((await md5.auth.authenticate(request({ authorization: header }))).user?.shortName, "alice");
});

test("a nonce of one worker is good at another and after a restart, with the same secret", async () => {
  const given = await givenAccounts();
  const nonce = worker(given).nonce();
  assert.equal(await worker(given).send({ nonce, nc: 1 }), "alice");
  assert.equal(await worker(given).send({ nonce, nc: 2 }), "alice");
});

test("a right answer to a nonce of another secret is stale, a wrong one is just refused", async () => {
  const given = await givenAccounts();
  const nonce = worker(given, "md5", "auth", Buffer.alloc(32, 9)).nonce();
  const one = worker(given);
  assert.match(String(await one.send({ nonce })), /, stale=true$/);
  assert.doesNotMatch(String(await one.send({ nonce, password: "wrong" })), /stale/);
});

test("a nonce is stale after fifteen minutes, and the new one of that answer is good", async () => {
  const given = await givenAccounts();
  const one = worker(given);
  const nonce = one.nonce();
  given.clock.now += 15 * 60_000;
  assert.equal(await one.send({ nonce, nc: 1 }), "alice");
  given.clock.now += 1;
  const stale = String(await one.send({ nonce, nc: 2 }));
  assert.match(stale, /, stale=true$/);
  assert.equal(await one.send({ nonce: /nonce="([^"]+)"/.exec(stale)?.[1] ?? "" }), "alice");
});

test("a repeated count is a replay: 401 with stale=true", async () => {
  const one = worker(await givenAccounts());
  const nonce = one.nonce();
  assert.equal(await one.send({ nonce, nc: 1 }), "alice");
  assert.match(String(await one.send({ nonce, nc: 1 })), /stale=true/);
  assert.match(String(await one.send({ nonce, nc: 0 })), /stale=true/);
  assert.equal(await one.send({ nonce, nc: 2 }), "alice");
});

test("counts of parallel connections may arrive out of order and with gaps, within 128", async () => {
  const one = worker(await givenAccounts());
  const nonce = one.nonce();
  for (const nc of [3, 1, 2, 130, 4, 3 + 128, 129]) assert.equal(await one.send({ nonce, nc }), "alice", `nc ${nc}`);
  for (const nc of [3, 4, 2, 129]) assert.match(String(await one.send({ nonce, nc })), /stale=true/, `nc ${nc}`);
});

test("a wrong password uses up no count", async () => {
  const one = worker(await givenAccounts());
  const nonce = one.nonce();
  assert.doesNotMatch(String(await one.send({ nonce, nc: 1, password: "wrong" })), /stale/);
  assert.equal(await one.send({ nonce, nc: 1 }), "alice");
});

test("the uri must be the request's target, with its query; a whole URL and another spelling will do", async () => {
  const one = worker(await givenAccounts());
  const nonce = one.nonce();
  const target = "/calendars/users/alice/calendar/?a=b%20c";
  let nc = 1;
  const ok = async (uri: string, to: string) =>
    assert.equal(await one.send({ nonce, nc: nc++, uri }, to), "alice", uri);
  const no = async (uri: string, to: string) =>
    assert.match(String(await one.send({ nonce, nc: nc++, uri }, to)), /^Digest /, uri);
  await ok(target, target);
  await ok("/calendars/users/alice/calendar/?a=b+c", target);
  await ok(`http://localhost:8008${target}`, target);
  await ok("/principals/__uids__/a@b/", "/principals/__uids__/a%40b/");
  // OPTIONS * has come to mean "/" before anybody is asked to sign in.
  assert.equal(await one.send({ nonce, nc: nc++, uri: "*", method: "OPTIONS" }, "/"), "alice");
  assert.match(String(await one.send({ nonce, nc: nc++, uri: "*" }, "/")), /^Digest /);
  await no("/calendars/users/bob/", target);
  await no("/calendars/users/alice/calendar/", target);
  await no("/calendars/users/alice/calendar/?a=c", target);
  await no("/calendars/users/a%2Fb/", "/calendars/users/a/b/");
});

test("the answer holds for its method only; a tunnelled request may be hashed as the POST it came in", async () => {
  const one = worker(await givenAccounts());
  const header = answer({ nonce: one.nonce(), method: "POST" });
  await assert.rejects(one.auth.authenticate(request({ authorization: header }, "DELETE")), HttpError);
  const tunnelled = request({ authorization: header, "x-http-method-override": "PROPFIND" }, "PROPFIND");
  assert.equal((await one.auth.authenticate(tunnelled)).user?.shortName, "alice");
});

test("names beyond ASCII arrive as UTF-8 or in extended form; further short names sign in too", async () => {
  const one = worker(await givenAccounts());
  const nonce = one.nonce();
  assert.equal(await one.send({ nonce, nc: 1, user: "björn", password: "süß" }), "björn");
  assert.equal(await one.send({ nonce, nc: 2, user: "ali" }), "alice");
  const extended = answer({ nonce, nc: 3, user: "björn", password: "süß" }).replace(
    /username="[^"]*"/,
    "username*=UTF-8''bj%C3%B6rn",
  );
  assert.equal((await one.auth.authenticate(request({ authorization: extended }))).user?.shortName, "björn");
});

test("a sudoer signs in by Digest too", async () => {
  const one = worker(await givenAccounts());
  const header = answer({ nonce: one.nonce(), user: "superuser", password: "super" });
  const asked = request({ authorization: header, "x-authorize-as": "alice" });
  assert.deepEqual((await one.auth.authenticate(asked)).authenticatedAs, "superuser");
  assert.equal(asked.log.user, '"superuser as alice"');
});

test("malformed and hostile headers are refused with 401, quickly", async () => {
  const one = worker(await givenAccounts());
  const good = answer({ nonce: one.nonce() });
  for (const authorization of [
    "Digest",
    "Digest username",
    'Digest username="alice',
    `${good}, nonce="again"`,
    `${good}${', more="x"'.repeat(40)}`,
    good.replace("qop=auth", "qop=auth-int"),
    good.replace("nc=00000001", "nc=1"),
    good.replace(/cnonce="[^"]*"/, 'cnonce=""'),
    good.replace(/realm="[^"]*"/, 'realm="Other"'),
    good.replace(/response="[^"]*"/, 'response="zz"'),
    good.replace(/nonce="[^"]*"/, `nonce="${"A".repeat(40)}"`),
    `Digest ${'a="'.repeat(2000)}`,
    `Digest ${",".repeat(8000)}x`,
    `Digest ${"\\".repeat(9000)}`,
  ])
    await assert.rejects(
      one.auth.authenticate(request({ authorization })),
      (error) => (error as HttpError).status === 401,
    );
});

test("parameters: quotes, escapes, blanks, bare values, base64 without quotes", () => {
  const read = (text: string) => {
    const parameters: Record<string, string> = {};
    const take = (name: string, value: string): boolean => {
      parameters[name] = value;
      return true;
    };
    return readParameters(text, take) ? parameters : undefined;
  };
  assert.deepEqual(read('username="a \\"b\\"", NC=00000001 ,, cnonce=abc==,uri="/x?a=b,c"'), {
    username: 'a "b"',
    nc: "00000001",
    cnonce: "abc==",
    uri: "/x?a=b,c",
  });
  assert.equal(read('a="b" c="d"'), undefined);
  assert.equal(read("a="), undefined);
  assert.equal(decodeExtended("UTF-8'en'J%C3%A4s%C3%B8n"), "Jäsøn");
  assert.equal(decodeExtended("ISO-8859-1''x"), undefined);
});

test("a nonce that was tampered with, or is of another realm, is not known", () => {
  const nonces = new Nonces(secret);
  const nonce = nonces.issue("A");
  assert.equal(nonces.accept(nonce, "A", "alice", 1, "c"), "fresh");
  assert.equal(new Nonces(secret).accept(nonce, "B", "alice", 1, "c"), "stale");
  assert.equal(new Nonces(secret).accept(`B${nonce.slice(1)}`, "A", "alice", 1, "c"), "stale");
  assert.equal(new Nonces(secret).accept(`${nonce}=`, "A", "alice", 1, "c"), "stale");
  assert.equal(new Nonces(secret).accept("", "A", "alice", 1, "c"), "stale");
  assert.throws(() => new Nonces(Buffer.alloc(8)), RangeError);
});

test("credentials in the usual form are read in a shorter way, with the same result; others are left to the longer one", () => {
  const usual = [
    answer({ nonce: "N" }),
    'username="", realm="R,x=y", nonce="a", uri="/?a=\u00fc", response="0", algorithm=MD5',
    "nc=00000001,qop=auth,username=alice",
    'username="a", username="b"',
  ].map((text) => text.replace(/^Digest /, ""));
  for (const text of usual.slice(0, 3)) assert.deepEqual(readUsual(text), readAll(text), text);
  assert.ok(readUsual(usual[0] ?? ""));
  // Every way of spoiling a header by one letter, or cutting it off.
  const [text = ""] = usual;
  let short = 0;
  for (let at = 0; at <= text.length; at++)
    for (const put of ["", " ", ",", "=", '"', "\\", "U", "\t", "\u00e9", "*"])
      for (const spoiled of [text.slice(0, at) + put + text.slice(at), text.slice(0, at) + put + text.slice(at + 1)]) {
        const quickly = readUsual(spoiled);
        if (quickly === undefined) continue;
        short++;
        assert.deepEqual(quickly, readAll(spoiled), spoiled);
      }
  assert.ok(short > 500, `${short}`);
});

test("with -sess a client may hash the client nonce of its first request, or that of each", async () => {
  const algorithm = "md5-sess" as const;
  const one = worker(await givenAccounts(), algorithm);
  const nonce = one.nonce();
  assert.equal(await one.send({ nonce, algorithm, nc: 1, cnonce: "first" }), "alice");
  assert.equal(await one.send({ nonce, algorithm, nc: 2, cnonce: "second" }), "alice");
  // RFC 2617 §3.2.2.2: H(A1) is computed once, on the first request.
  assert.equal(await one.send({ nonce, algorithm, nc: 3, cnonce: "third", sessionCnonce: "first" }), "alice");
  assert.match(
    String(await one.send({ nonce, algorithm, nc: 4, cnonce: "third", sessionCnonce: "second" })),
    /^Digest /,
  );
});
