import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type CertificateFiles, makeCertificate } from "../support/certificates.ts";
import { freePort, repository, type Server, until } from "../support/server.ts";
import { beginning, person, personDn, type Slapd, startSlapd, suffix, withoutSlapd } from "../support/slapd.ts";
import { event } from "./calendar-texts.ts";
import { startWithDirectory } from "./ldap-server.ts";
import { runProgram } from "./run-program.ts";
import { VdirsyncerPair } from "./vdirsyncer-pair.ts";

const realm = "Directory";
const ha1 = (name: string, password: string): string =>
  createHash("md5").update(`${name}:${realm}:${password}`).digest("hex");
const entity = { objectClass: ["inetOrgPerson", "calendarEntity"] };
const digestHeader = "--digest";
const basicHeader = "--basic";

describe("clients with accounts of a directory, TLS on both sides", { skip: withoutSlapd }, () => {
  let folder: string;
  let certificate: CertificateFiles;
  let slapd: Slapd;
  let server: Server;
  let sslPort: number;
  let ldapsPort: number;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "caldavd-ldap-tls-"));
    certificate = await makeCertificate(folder, "directory", ["localhost"]);
    [sslPort, ldapsPort] = [await freePort(), await freePort()];
    slapd = await startSlapd({
      ldapsPort,
      ldif: [
        beginning("people"),
        // ann's own password is hashed in the directory, and the calendar server is given HA1 beside it.
        person("ann", { ...entity, userPassword: "tree house", calendarPassword: `{HA1}${ha1("ann", "tree house")}` }),
        person("bob", { ...entity, calendarPassword: ["{SSHA}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", " blank first"] }),
        person("cora"),
        ...Array.from({ length: 10 }, (_, at) => person(`late${at}`, { ...entity, calendarPassword: `late${at}` })),
      ].join("\n"),
      // Nothing is said, and no password looked at, without encryption.
      global: `TLSCACertificateFile ${certificate.cert}\nTLSCertificateFile ${certificate.cert}\nTLSCertificateKeyFile ${certificate.key}\nsecurity ssf=128`,
      access: `access to attrs=calendarPassword by dn.exact="cn=reader,${suffix}" read by * none`,
    });
    server = await startWithDirectory(
      { url: `ldap://localhost:${slapd.port}` },
      {
        startTLS: true,
        tlsCACertFile: certificate.cert,
        realmName: realm,
        attributes: { password: "calendarPassword" },
        negativeCacheTimeout: 1,
      },
      { settings: { SSLPort: sslPort, ServerHostName: "localhost", "Authentication/Digest/Enabled": true } },
    );
  });
  after(async () => {
    await server?.stop();
    await slapd?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const ownCertificate = (): string => join(server.data, "self-signed.pem");
  /** Statuses of all answers of one curl, in order. */
  async function curl(how: string, user: string, password: string): Promise<readonly number[]> {
    const url = `https://localhost:${sslPort}/calendars/users/${user}/`;
    const { code, output } = await runProgram(
      "curl",
      [
        ...["-sS", "-v", "--http1.1", how, "-u", `${user}:${password}`, "--cacert", ownCertificate()],
        ...["-X", "PROPFIND", "-H", "Depth: 0", "-o", "/dev/null", url],
      ],
      { package: "curl" },
    );
    assert.equal(code, 0, output);
    return [...output.matchAll(/^< HTTP\/1\.1 (\d+)/gm)].map((match) => Number(match[1]));
  }
  const digest = (user: string, password: string) => curl(digestHeader, user, password);
  const basic = (user: string, password: string) => curl(basicHeader, user, password);

  test("HA1 in calendarPassword serves Digest and Basic; the entry's own password serves Basic as ever", async () => {
    assert.deepEqual(await digest("ann", "tree house"), [401, 207]);
    assert.deepEqual(await basic("ann", "tree house"), [207]);
    assert.deepEqual(await digest("ann", "wrong"), [401, 401]);
    assert.deepEqual(await basic("ann", "wrong"), [401]);
    assert.deepEqual(await basic("cora", "cora"), [207]);
  });

  test("of several values any is right, blanks at their beginning are theirs; without one Digest is not offered again", async () => {
    assert.deepEqual(await digest("bob", " blank first"), [401, 207]);
    assert.deepEqual(await digest("bob", "blank first"), [401, 401]);
    const { output } = await runProgram(
      "curl",
      [
        ...["-sS", "-v", "--http1.1", "--digest", "-u", "cora:cora", "--cacert", ownCertificate(), "-o", "/dev/null"],
        `https://localhost:${sslPort}/calendars/users/cora/`,
      ],
      { package: "curl" },
    );
    const [, last = ""] = output.split(/^< HTTP\/1\.1 401/m).slice(1);
    assert.match(last, /www-authenticate: Basic/i);
    assert.doesNotMatch(last, /www-authenticate: Digest/i);
  });

  test("python-caldav works with Digest over TLS", async () => {
    const { code, output } = await runProgram(
      "/usr/bin/python3",
      [join(repository, "test/e2e/python-caldav.py"), `https://localhost:${sslPort}/`, "ann", "tree house", "digest"],
      { package: "python3-caldav", env: { REQUESTS_CA_BUNDLE: ownCertificate() } },
    );
    assert.equal(code, 0, output);
  });

  const vdirsyncer = async (user: string): Promise<void> => {
    const certificate = ownCertificate();
    const pair = await VdirsyncerPair.make({ url: `https://localhost:${sslPort}`, certificate }, user, ["from a"]);
    await mkdir(pair.local("office"));
    for (const name of ["one", "two"]) await writeFile(pair.local("office", `${name}.ics`), event(name));
    for (const command of ["discover", "sync"]) await pair.run(command);
    await pair.remove();
    const stored = (await readdir(join(server.home(user), "office"))).filter((name) => name.endsWith(".ics"));
    assert.equal(stored.length, 2);
  };

  test("vdirsyncer works with Basic over TLS, the directory asked with StartTLS", async () => {
    await vdirsyncer("cora");
    await server.accessed(/"PUT \/calendars\/.*\/office\/.*" 201 /, 2);
  });

  test("no password is in the file of kept answers, nor in a log", async () => {
    const kept = await until("kept answers", async () => {
      const bytes = await readFile(join(server.data, "directory-answers.sqlite"));
      return bytes.includes("late") || bytes.includes("blank") || bytes.includes("ann") ? bytes : undefined;
    });
    for (const secret of ["blank first", "tree house", ha1("ann", "tree house"), ha1("bob", " blank first")]) {
      assert.ok(!kept.includes(secret), secret);
      assert.ok(!(await server.errorLog()).includes(secret), secret);
    }
  });

  test("a password that is changed in the directory is right at once, and the old one no more", async () => {
    await slapd.modify(
      `dn: ${personDn("ann")}\nchangetype: modify\nreplace: calendarPassword\ncalendarPassword: {HA1}${ha1("ann", "new house")}\n-\nreplace: userPassword\nuserPassword: new house\n`,
    );
    assert.deepEqual(await until("the new password", async () => ok(await digest("ann", "new house"))), [401, 207]);
    assert.deepEqual(await basic("ann", "new house"), [207]);
    await until("the old one to be refused", async () => (await digest("ann", "tree house")).at(-1) === 401);
  });

  test("while the directory is down, Digest goes on for who was known and is 503 for others", async () => {
    // At once, so that both workers are asked: one alone may remember the password from before.
    const atBoth = () => Promise.all(Array.from({ length: 6 }, () => digest("ann", "new house")));
    // What was read this second is not asked for again, so a worker may have the old one for a moment.
    await until("both workers to know it", async () => (await atBoth()).every(ok) || undefined);
    await slapd.stop();
    for (const statuses of await atBoth()) assert.deepEqual(statuses, [401, 207]);
    assert.equal((await digest("late0", "late0")).at(-1), 503);
    assert.equal((await basic("late1", "late1")).at(-1), 503);
    // After a restart nobody's password is known.
    server = await server.restart();
    assert.deepEqual(await digest("ann", "new house"), [401, 503]);
    await slapd.start();
    await until("the directory to be asked again", async () => ok(await digest("late2", "late2")), 20_000);
    // Each worker finds out by itself.
    await until("it to be asked by both workers", async () => ok(await digest("ann", "new house")), 20_000);
  });

  test("the same over ldaps", async () => {
    await server.stop();
    server = await startWithDirectory(
      { url: `ldaps://localhost:${ldapsPort}` },
      { tlsCACertFile: certificate.cert, realmName: realm, attributes: { password: "calendarPassword" } },
      { settings: { SSLPort: sslPort, ServerHostName: "localhost", "Authentication/Digest/Enabled": true } },
    );
    assert.deepEqual(await digest("ann", "new house"), [401, 207]);
    await vdirsyncer("late3");
  });
});

const ok = (statuses: readonly number[]): readonly number[] | undefined =>
  statuses.at(-1) === 207 ? statuses : undefined;
