import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { makeCertificate } from "../support/certificates.ts";
import { basic, Client } from "../support/http-client.ts";
import { freePort, repository, type Server, startServer, until } from "../support/server.ts";
import { event } from "./calendar-texts.ts";
import { runProgram } from "./run-program.ts";

const home = "/calendars/users/user01/";

/** One request; with `agent`, on a kept connection. */
const ask = (port: number, agent?: Agent): Promise<number> =>
  new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host: "127.0.0.1", port, method: "PROPFIND", path: home, rejectUnauthorized: false },
        headers: { authorization: basic("user01"), depth: "0" },
        ...(agent === undefined ? { agent: false } : { agent }),
      },
      (answer) => {
        answer.resume();
        answer.on("end", () => resolve(answer.statusCode ?? 0));
        answer.on("error", reject);
      },
    );
    sent.on("error", reject);
    sent.end();
  });

/** What a client sees that asks for `name`. */
const handshake = (port: number, name: string, session?: Buffer): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const socket = connect(
      { host: "127.0.0.1", port, servername: name, rejectUnauthorized: false, ...(session ? { session } : {}) },
      () => resolve(socket),
    );
    socket.once("error", reject);
  });
const certificateFor = async (port: number, name: string): Promise<DetailedPeerCertificate> => {
  const socket = await handshake(port, name);
  const certificate = socket.getPeerCertificate(true);
  socket.destroy();
  return certificate;
};

const openssl = (port: number, ...args: readonly string[]) =>
  runProgram("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, ...args], {
    package: "openssl",
    input: `OPTIONS / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
  });

describe("without a certificate of its own the server makes one", () => {
  let server: Server;
  let port: number;
  before(async () => {
    port = await freePort();
    server = await startServer({ settings: { SSLPort: port, ServerHostName: "localhost" } });
  });
  after(() => server?.stop());
  const file = (): string => join(server.data, "self-signed.pem");

  test("the file is its owner's only, names host and loopback, and is what clients need to trust", async () => {
    assert.equal((await stat(file())).mode & 0o777, 0o600);
    for (const host of ["localhost", "127.0.0.1"]) {
      const { code, output } = await runProgram(
        "curl",
        ["-sS", "--cacert", file(), "-u", "user01:user01", "-o", "/dev/null", "-w", "%{http_code}"].concat(
          `https://${host}:${port}/principals/`,
        ),
        { package: "curl" },
      );
      assert.deepEqual([code, output], [0, "200"]);
    }
    const distrusting = await runProgram("curl", ["-sS", `https://localhost:${port}/`], { package: "curl" });
    assert.notEqual(distrusting.code, 0);
  });

  test("the log tells the fingerprint, once: a restart keeps the certificate, another host name does not", async () => {
    const told = /SHA-256 fingerprint is ([0-9A-F:]{95})/;
    const first = (await certificateFor(port, "localhost")).fingerprint256;
    assert.equal(told.exec((await server.logged(told))[0])?.[1], first);
    server = await server.restart();
    assert.equal((await certificateFor(port, "localhost")).fingerprint256, first);
    assert.doesNotMatch(server.output(), told);
    server = await server.restart({ settings: { SSLPort: port, ServerHostName: "calendar.example.com" } });
    const second = await certificateFor(port, "localhost");
    assert.notEqual(second.fingerprint256, first);
    assert.match(second.subjectaltname ?? "", /DNS:calendar\.example\.com/);
  });

  test("vdirsyncer synchronises with Basic, trusting the certificate as authority or by its fingerprint; curl with Digest", async () => {
    const folder = await mkdtemp(join(tmpdir(), "caldavd-vdirsyncer-tls-"));
    const fingerprint = (await certificateFor(port, "localhost")).fingerprint256;
    for (const [number, trust] of [`verify = "${file()}"`, `verify_fingerprint = "${fingerprint}"`].entries()) {
      const local = join(folder, `local${number}`);
      await mkdir(join(local, `work${number}`), { recursive: true });
      await writeFile(join(local, `work${number}/e.ics`), event("tls", 1));
      const config = join(folder, `config${number}`);
      await writeFile(
        config,
        `[general]\nstatus_path = "${folder}/status${number}/"\n[pair both]\na = "local"\nb = "remote"
collections = ["from a"]\n[storage local]\ntype = "filesystem"\npath = "${local}/"\nfileext = ".ics"
[storage remote]\ntype = "caldav"\nurl = "https://localhost:${port}/"\nusername = "user05"\npassword = "user05"\n${trust}\n`,
      );
      for (const word of ["discover", "sync"]) {
        const { code, output } = await runProgram("vdirsyncer", ["-c", config, word], {
          package: "vdirsyncer",
          input: "y\ny\n",
        });
        assert.equal(code, 0, `${trust}: ${output}`);
      }
      const made = await readdir(join(server.home("user05"), `work${number}`));
      assert.equal(made.filter((name) => name.endsWith(".ics")).length, 1, trust);
    }
    await rm(folder, { recursive: true, force: true });
    const { output } = await runProgram(
      "curl",
      [
        "-sSk",
        "--digest",
        "-u",
        "user01:user01",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        `https://localhost:${port}${home}`,
      ],
      { package: "curl" },
    );
    assert.equal(output, "200");
  });

  test("TLS 1.2 and 1.3 are spoken, older versions are not; HTTP/1.1 is agreed upon", async () => {
    for (const version of ["-tls1_2", "-tls1_3"]) {
      const { output } = await openssl(port, version, "-alpn", "h2,http/1.1", "-quiet");
      assert.match(output, /HTTP\/1\.1 200 OK/, version);
    }
    const { output } = await openssl(port, "-alpn", "h2,http/1.1");
    assert.match(output, /ALPN protocol: http\/1\.1/);
    for (const version of ["-tls1", "-tls1_1"]) {
      const { code, output } = await openssl(port, version, "-cipher", "DEFAULT@SECLEVEL=0");
      assert.notEqual(code, 0, output);
      assert.doesNotMatch(output, /HTTP\/1\.1 200/);
    }
  });

  test("a session made with one worker is resumed by the other", async () => {
    const sessions: Buffer[] = [];
    const first = await handshake(port, "localhost");
    first.on("session", (session) => sessions.push(session));
    first.write("OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const session = await until("a session ticket", () => sessions[0]);
    const reused: boolean[] = [];
    // Connections are shared out to both workers.
    const open: TLSSocket[] = [first];
    for (let i = 0; i < 4; i++) {
      const socket = await handshake(port, "localhost", session);
      reused.push(socket.isSessionReused());
      open.push(socket);
    }
    for (const socket of open) socket.destroy();
    assert.deepEqual(reused, [true, true, true, true]);
  });

  test("200 clients that never shake hands delay nobody, nor do some that send rubbish or plain HTTP", async () => {
    const silent = Array.from({ length: 200 }, () => connectPlain({ host: "127.0.0.1", port }));
    for (const socket of silent) socket.on("error", () => {});
    const noisy = ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x00\x05hello", "\0".repeat(1000)].map((text) => {
      const socket = connectPlain({ host: "127.0.0.1", port });
      socket.on("error", () => {});
      socket.write(text, "latin1");
      return new Promise((resolve) => socket.resume().on("close", resolve));
    });
    await Promise.all(noisy);
    const begun = performance.now();
    for (let i = 0; i < 10; i++) assert.equal(await ask(port), 207);
    assert.ok(performance.now() - begun < 5_000);
    await Promise.all(silent.map((socket) => new Promise((resolve) => socket.resume().on("close", resolve))));
    assert.ok(performance.now() - begun < 40_000, "a handshake may take 20 seconds");
  });
});

describe("with certificates of the administrator's", () => {
  let server: Server;
  let folder: string;
  let port: number;
  let settings: Record<string, string | number | boolean>;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "caldavd-tls-"));
    port = await freePort();
    const main = await makeCertificate(folder, "main", ["calendar.example.com"], "open sesame");
    const other = await makeCertificate(folder, "other", ["kalender.example.org", "*.example.net"]);
    await writeFile(join(folder, "dialog"), `#!/bin/sh\necho "$*" > ${folder}/asked\necho "open sesame"\n`, {
      mode: 0o755,
    });
    settings = {
      ...{ SSLPort: port, ServerHostName: "calendar.example.com", SSLCertificate: main.cert, SSLPrivateKey: main.key },
      ...{ SSLMoreCertificates: other.both, SSLPassPhraseDialog: join(folder, "dialog") },
      SSLAuthorityChain: other.cert,
    };
    server = await startServer({ settings });
  });
  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("the passphrase is asked of the dialog, with host, port and kind of key", async () => {
    assert.equal((await readFile(join(folder, "asked"), "utf8")).trim(), `calendar.example.com:${port} RSA`);
    assert.equal(await ask(port), 207);
  });

  test("the name a client asks for chooses the certificate; an unknown one gets the first", async () => {
    for (const [name, subject] of [
      ["calendar.example.com", "calendar.example.com"],
      ["kalender.example.org", "kalender.example.org"],
      ["any.example.net", "kalender.example.org"],
      ["unknown.example.edu", "calendar.example.com"],
    ] as const)
      assert.equal((await certificateFor(port, name)).subject.CN, subject, name);
    const nameless = await openssl(port, "-noservername");
    assert.match(nameless.output, /subject=CN = calendar\.example\.com/);
  });

  test("the chain is sent with the certificate", async () => {
    const { output } = await openssl(port, "-servername", "calendar.example.com", "-showcerts");
    assert.equal(output.match(/BEGIN CERTIFICATE/g)?.length, 2);
  });

  test("HUP brings a new certificate under load: no request fails, no connection is dropped", async () => {
    const before = (await certificateFor(port, "calendar.example.com")).fingerprint256;
    const failures: unknown[] = [];
    let answered = 0;
    let stop = false;
    const clients = Array.from({ length: 8 }, async (_, number) => {
      // Half of them keep their connections, half shake hands each time.
      const agent = number % 2 === 0 ? new Agent({ keepAlive: true, maxSockets: 1 }) : undefined;
      while (!stop) {
        try {
          const status = await ask(port, agent);
          if (status !== 207) failures.push(status);
          answered++;
        } catch (error) {
          failures.push(error);
        }
      }
      agent?.destroy();
    });
    await until("some answers", () => answered > 50);
    const fresh = await makeCertificate(folder, "fresh", ["calendar.example.com"]);
    await copyFile(fresh.cert, String(settings["SSLCertificate"]));
    await copyFile(fresh.key, String(settings["SSLPrivateKey"]));
    server.signal("SIGHUP");
    await until(
      "the new certificate, at both workers",
      async () => {
        const seen = await Promise.all(Array.from({ length: 6 }, () => certificateFor(port, "calendar.example.com")));
        return seen.every(({ fingerprint256 }) => fingerprint256 !== before);
      },
      30_000,
    );
    const then = answered;
    await until("more answers", () => answered > then + 50);
    stop = true;
    await Promise.all(clients);
    assert.deepEqual(failures, []);
  });

  test("HUP with a key that does not fit changes nothing, and the log says what is wrong", async () => {
    const before = (await certificateFor(port, "calendar.example.com")).fingerprint256;
    const kept = await readFile(String(settings["SSLPrivateKey"]));
    await copyFile(join(folder, "other.key"), String(settings["SSLPrivateKey"]));
    server.signal("SIGHUP");
    await until("the reason in the log", async () =>
      /main\.key is not the private key of the certificate.*not reloaded/.test(await server.errorLog()),
    );
    assert.equal((await certificateFor(port, "calendar.example.com")).fingerprint256, before);
    await writeFile(String(settings["SSLPrivateKey"]), kept);
  });

  test("a start with a certificate that is missing, or a wrong passphrase, ends with 1 and the reason", async () => {
    const encrypted = await makeCertificate(folder, "locked", ["locked.example.com"], "other words");
    for (const [change, reason] of [
      [{ SSLCertificate: join(folder, "none.crt") }, /SSLCertificate: .*none\.crt cannot be read/],
      [{ SSLCertificate: encrypted.cert, SSLPrivateKey: encrypted.key }, /the passphrase of .*dialog does not open/],
      [{ SSLCertificate: encrypted.cert, SSLPrivateKey: encrypted.cert }, /holds no private key/],
    ] as const)
      await assert.rejects(startServer({ settings: { ...settings, SSLPort: await freePort(), ...change } }), reason);
  });

  test("HUP switches TLS on, and no request without it fails meanwhile", async () => {
    const plist = join(folder, "switched.plist");
    const usual = await readFile(join(repository, "plist/caldavd-test.plist"), "utf8");
    await writeFile(plist, usual.replaceAll("../", `${repository}/`));
    const switched = await startServer({ plist });
    const secure = await freePort();
    try {
      const client = new Client(switched, "user01");
      let asked = 0;
      let stop = false;
      const load = (async () => {
        while (!stop) {
          await client.expect(207, "PROPFIND", home, { headers: { depth: "0" } });
          asked++;
        }
      })();
      await writeFile(
        plist,
        usual
          .replaceAll("../", `${repository}/`)
          .replace("</dict>\n</plist>", `<key>SSLPort</key><integer>${secure}</integer></dict></plist>`),
      );
      switched.signal("SIGHUP");
      await until(
        "TLS at both workers",
        async () => {
          const answers = await Promise.allSettled(Array.from({ length: 6 }, () => ask(secure)));
          return answers.every((one) => one.status === "fulfilled" && one.value === 207);
        },
        30_000,
      );
      stop = true;
      await load;
      client.close();
      assert.ok(asked > 0);
      assert.doesNotMatch(await switched.errorLog(), /nothing caught|a worker died/);
    } finally {
      await switched.stop();
    }
  });

  test("RedirectHTTPToHTTPS sends every request on, nobody is asked for a password before", async () => {
    const redirecting = await startServer({
      settings: { ...settings, SSLPort: await freePort(), RedirectHTTPToHTTPS: true },
    });
    try {
      const target = new RegExp(`^https://calendar\\.example\\.com:\\d+${home}a%20b\\?x=1$`);
      for (const method of ["GET", "PROPFIND", "PUT", "OPTIONS"]) {
        const answer = await fetch(`${redirecting.url}${home}a%20b?x=1`, { method, redirect: "manual" });
        assert.deepEqual([answer.status, answer.headers.get("www-authenticate")], [301, null]);
        assert.match(answer.headers.get("location") ?? "", target);
      }
    } finally {
      await redirecting.stop();
    }
  });
});
