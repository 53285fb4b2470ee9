import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Kdc } from "../support/kdc.ts";
import { repository, type Server, startServer } from "../support/server.ts";
import { runProgram } from "./run-program.ts";

type Env = Readonly<Record<string, string>>;

describe("Kerberos with a real KDC", () => {
  let kdc: Kdc;
  let server: Server;
  let keytab: string;
  const settings = (more: Record<string, string | boolean> = {}) => ({
    "Authentication/Kerberos/Enabled": true,
    "Authentication/Kerberos/Keytab": keytab,
    ServerHostName: "localhost",
    "DirectoryService/params/xmlFile": join(kdc.folder, "accounts.xml"),
    ...more,
  });
  before(async () => {
    kdc = await Kdc.start("TEST.LOCAL", "OTHER.LOCAL", "STRANGE.LOCAL");
    keytab = join(kdc.folder, "http.keytab");
    await kdc.add("TEST.LOCAL", "HTTP/localhost", { keytab });
    await kdc.add("TEST.LOCAL", "HTTP/other.host", { keytab });
    await kdc.add("TEST.LOCAL", "HTTP/unused", { keytab: join(kdc.folder, "unused.keytab") });
    for (const realm of ["TEST.LOCAL", "OTHER.LOCAL", "STRANGE.LOCAL"])
      for (const user of ["user01", "anna", "nobody"]) await kdc.add(realm, user, { password: user });
    // OTHER.LOCAL's users may come to TEST.LOCAL's services; STRANGE.LOCAL has a service of the same name, with another key.
    await kdc.trust("OTHER.LOCAL", "TEST.LOCAL", "trust");
    await kdc.add("STRANGE.LOCAL", "HTTP/localhost", { keytab: join(kdc.folder, "strange.keytab") });
    const accounts = await readFile(join(repository, "data/accounts-test.xml"), "utf8");
    await writeFile(
      join(kdc.folder, "accounts.xml"),
      accounts.replace(
        "</accounts>",
        `<user><uid>anna2</uid><guid>ANNA-2</guid><auth-id>Kerberos:anna@OTHER.LOCAL</auth-id></user></accounts>`,
      ),
    );
    server = await startServer({ settings: settings(), env: kdc.env });
  });
  after(async () => {
    await server?.stop();
    await kdc?.stop();
  });

  /** Status and WWW-Authenticate of a PROPFIND by `curl --negotiate`; `clock` shifts the client's. */
  async function negotiate(env: Env, { path = "/principals/", clock = "", urls = 1, port = server.port } = {}) {
    const id = randomUUID();
    const url = `http://localhost:${port}${path}?${id}`;
    const curl = ["curl", "-sS", "-i", "--negotiate", "-u", ":", "-X", "PROPFIND", "-H", "Depth: 0"];
    const words = [
      ...(clock === "" ? [] : ["faketime", "-f", clock]),
      ...curl,
      ...Array.from({ length: urls }, () => url),
    ];
    const { code, output } = await runProgram(words[0] ?? "", words.slice(1), { package: "curl faketime", env });
    assert.equal(code, 0, output);
    return {
      statuses: [...output.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map((match) => Number(match[1])),
      challenges: [...output.matchAll(/^www-authenticate: (.*?)\r?$/gim)].map((match) => match[1] ?? ""),
      output,
      /** The user that the access log has for each answer with `status`. */
      users: async (status: number): Promise<readonly (string | undefined)[]> => {
        const count = Math.max(1, output.split(`HTTP/1.1 ${status}`).length - 1);
        const lines = await server.accessed(new RegExp(`${id} HTTP/1\\.1" ${status} `), count);
        return lines.map((line) => line.split(" ")[2]);
      },
    };
  }

  test("a ticket signs its user in; the answer carries the server's own proof", async () => {
    const { statuses, challenges, users } = await negotiate(await kdc.kinit("user01", "user01"));
    assert.deepEqual(statuses, [207]);
    assert.match(challenges.join(), /^Negotiate [A-Za-z0-9+/=]{100,}$/);
    assert.deepEqual(await users(207), ["user01"]);
  });

  test("each request on a connection is signed in by itself", async () => {
    const { statuses, challenges } = await negotiate(await kdc.kinit("user01", "user01"), { urls: 4 });
    assert.deepEqual(statuses, [207, 207, 207, 207]);
    assert.equal(new Set(challenges).size, 4);
  });

  test("a thousand tickets, good and bad, cost no worker its life, and few their memory", async (t) => {
    const env = await kdc.kinit("user01", "user01");
    const workers = server.workers();
    for (let round = 0; round < 5; round++) {
      const { statuses } = await negotiate(env, { urls: 150 });
      assert.equal(statuses.filter((status) => status === 207).length, 150);
      const rubbish = Array.from({ length: 50 }, (_, at) =>
        Buffer.from(`\x60\x82\x02\xe1${"\0".repeat(at)}`, "latin1"),
      );
      for (const token of rubbish) {
        const { status } = await fetch(`${server.url}/principals/`, {
          headers: { authorization: `Negotiate ${token.toString("base64")}` },
        });
        assert.equal(status, 401);
      }
    }
    assert.deepEqual(server.workers(), workers);
    for (const pid of workers) {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      const maps = await readFile(`/proc/${pid}/maps`, "utf8");
      const resident = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
      t.diagnostic(`${resident.toFixed(0)} MB, ${maps.includes("jemalloc") ? "jemalloc" : "glibc"}`);
      assert.ok(resident < 200, `${resident} MB`);
    }
  });

  test("a client without tickets is asked for one of the methods", async () => {
    const { statuses, challenges } = await negotiate({ ...kdc.env, KRB5CCNAME: `FILE:${kdc.folder}/none` });
    assert.deepEqual(statuses, [401]);
    assert.deepEqual(
      challenges.map((text) => text.split(" ")[0]),
      ["Negotiate", "Digest", "Basic"],
    );
  });

  test("another realm's user is who has the authentication id, not who has the same name here", async () => {
    const anna = await negotiate(await kdc.kinit("anna@OTHER.LOCAL", "anna"));
    assert.deepEqual(anna.statuses, [207]);
    assert.deepEqual(await anna.users(207), ["anna2"]);
    const stranger = await negotiate(await kdc.kinit("user01@OTHER.LOCAL", "user01"));
    assert.deepEqual(stranger.statuses, [403]);
    await server.logged(/"scheme":"Negotiate","user":"user01@OTHER\.LOCAL".*no user has this name/);
  });

  test("a ticket of a realm that is not trusted is refused", async () => {
    const config = join(kdc.folder, "strange.conf");
    await writeFile(
      config,
      (await readFile(kdc.env["KRB5_CONFIG"] ?? "", "utf8"))
        .replace("default_realm = TEST.LOCAL", "default_realm = STRANGE.LOCAL")
        .replace("localhost = TEST.LOCAL", "localhost = STRANGE.LOCAL"),
    );
    const env = await kdc.kinit("user01@STRANGE.LOCAL", "user01", { env: { ...kdc.env, KRB5_CONFIG: config } });
    assert.deepEqual((await negotiate(env)).statuses, [401]);
    await server.logged(
      /"address":"127\.0\.0\.1","scheme":"Negotiate".*"reason":.*HTTP\/localhost@STRANGE\.LOCAL not found/,
    );
  });

  test("a ticket of a user who is not in the directory is 403", async () => {
    assert.deepEqual((await negotiate(await kdc.kinit("nobody", "nobody"))).statuses, [403]);
  });

  test("clocks may differ by five minutes, not by ten", async () => {
    const env = await kdc.kinit("user01", "user01");
    assert.deepEqual((await negotiate(env, { clock: "+2m" })).statuses, [207]);
    assert.deepEqual((await negotiate(env, { clock: "+10m" })).statuses, [401]);
    await server.logged(/"scheme":"Negotiate".*[Cc]lock skew too great/);
  });

  test("an expired ticket: the client has none to show, and one of two days ago is refused", async () => {
    const env = await kdc.kinit("user01", "user01");
    const late = await negotiate(env, { clock: "+9d" });
    assert.deepEqual(late.statuses, [401]);
    const old = await kdc.at("-2d");
    const expired = await negotiate(await kdc.kinit("user01", "user01", { env: old, clock: "-2d" }), { clock: "-2d" });
    assert.deepEqual(expired.statuses, [401]);
    await server.logged(/"scheme":"Negotiate".*[Tt]icket expired/);
  });

  test("a token that was used is refused at both workers; rubbish, NTLM and 40 KB are refused and not 431", async () => {
    const env = await kdc.kinit("user01", "user01");
    // As curl sent it.
    const { output } = await runProgram(
      "curl",
      ["-sv", "--negotiate", "-u", ":", "-o", "/dev/null", `http://localhost:${server.port}/principals/`],
      { package: "curl", env },
    );
    const authorization = /^> Authorization: (Negotiate .*?)\r?$/m.exec(output)?.[1] ?? "";
    assert.match(authorization, /^Negotiate \S{100,}/);
    for (const header of [
      ...Array.from({ length: 4 }, () => authorization),
      "Negotiate",
      "Negotiate %%%",
      "Negotiate TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAGAbEdAAAADw==",
      `Negotiate ${Buffer.alloc(30_000, "x").toString("base64")}`,
      `Negotiate ${Buffer.from("`\x82\x02\xe1").toString("base64")}`,
    ]) {
      const { status } = await fetch(`${server.url}/principals/`, {
        headers: { authorization: header, connection: "close" },
      });
      assert.equal(status, 401, header.slice(0, 60));
    }
  });

  test("the service principal may be named; without its key the server starts, says so, and does not offer Kerberos", async () => {
    const named = await startServer({
      settings: settings({ "Authentication/Kerberos/ServicePrincipal": "http/LOCALHOST@TEST.LOCAL" }),
      env: kdc.env,
    });
    try {
      const env = await kdc.kinit("user01", "user01");
      assert.deepEqual((await negotiate(env, { port: named.port })).statuses, [207]);
    } finally {
      await named.stop();
    }
    const other = await startServer({
      settings: settings({ "Authentication/Kerberos/ServicePrincipal": "HTTP/other.host" }),
      env: kdc.env,
    });
    try {
      assert.deepEqual((await negotiate(await kdc.kinit("user01", "user01"), { port: other.port })).statuses, [401]);
      await other.logged(/the ticket is for HTTP\/localhost@TEST\.LOCAL, not for HTTP\/other\.host/);
    } finally {
      await other.stop();
    }
    const without = await startServer({ settings: settings({ ServerHostName: "nokey.example.com" }), env: kdc.env });
    try {
      const { challenges } = await negotiate({ ...kdc.env, KRB5CCNAME: "FILE:/none" }, { port: without.port });
      assert.deepEqual(
        challenges.map((text) => text.split(" ")[0]),
        ["Digest", "Basic"],
      );
      await without.logged(/the keytab has no key for HTTP\/nokey\.example\.com/);
    } finally {
      await without.stop();
    }
  });
});
