import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import kerberos from "kerberos";
import { shaCrypt } from "../../src/auth/crypt.ts";
import { silentLogger } from "../../src/base/log.ts";
import { configFrom } from "../../src/config/load.ts";
import type { HttpResponse } from "../../src/http/message.ts";
import { createServer } from "../../src/server.ts";
import { basicHeader, request } from "../auth/support.ts";
import { Kdc } from "../support/kdc.ts";
import { repository } from "../support/server.ts";

const document = await readFile(join(repository, "docs/sign-in.md"), "utf8");
const table = document.slice(document.indexOf("| switched on, connection |")).split("\n\n")[0] ?? "";
const rows = table.split("\n").map((line) =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim()),
);
const offers = rows[0]?.slice(1) ?? [];

const connections: Readonly<Record<string, { readonly remote: string; readonly secure: boolean }>> = {
  http: { remote: "192.0.2.7", secure: false },
  https: { remote: "192.0.2.7", secure: true },
  "this host": { remote: "127.0.0.1", secure: false },
};

/** Each challenge, to the letter. */
const forms =
  /^(?:Negotiate|Digest realm="Realm", nonce="[\w-]{40}", algorithm=MD5, qop="auth"|Basic realm="Realm", charset="UTF-8")$/;

/** The Authentication dictionary of a plist. */
const settings = (methods: string, keytab: string) => ({
  Kerberos: { Enabled: /Kerberos|Any/.test(methods), Keytab: keytab },
  Digest: { Enabled: /Digest|Any/.test(methods) },
  Basic: { Enabled: /Basic/.test(methods), AllowWithoutTLS: /without TLS/.test(methods) },
});

describe("the table of docs/sign-in.md", () => {
  let kdc: Kdc;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "caldavd-table-"));
    kdc = await Kdc.start("TEST.LOCAL");
    await kdc.add("TEST.LOCAL", "HTTP/localhost", { keytab: join(folder, "http.keytab") });
    await kdc.add("TEST.LOCAL", "alice", { password: "secret" });
    Object.assign(process.env, await kdc.kinit("alice", "secret"));
    await writeFile(
      join(folder, "accounts.xml"),
      `<accounts realm="Realm"><user><uid>alice</uid><password>secret</password></user>
       <user><uid>hashed</uid><password>${shaCrypt("secret", "$6$rounds=1000$salt$")}</password></user></accounts>`,
    );
  });
  after(async () => {
    await kdc?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const challenges = (answer: HttpResponse): readonly string[] => {
    const given = answer.headers?.["www-authenticate"] ?? [];
    return typeof given === "string" ? [given] : given;
  };
  const digest = (nonce: string, user: string, password: string): string => {
    const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
    const proof = md5(`${md5(`${user}:Realm:${password}`)}:${nonce}:00000001:abc:auth:${md5("PROPFIND:/principals/")}`);
    return `Digest username="${user}", realm="Realm", nonce="${nonce}", uri="/principals/", qop=auth, nc=00000001, cnonce="abc", response="${proof}"`;
  };
  const authorization = async (offer: string, nonce: string): Promise<string | undefined> => {
    switch (offer) {
      case "nothing":
        return undefined;
      case "ticket": {
        const client = await kerberos.initializeClient("HTTP@localhost", { mechOID: kerberos.GSS_MECH_OID_SPNEGO });
        return `Negotiate ${await client.step("")}`;
      }
      case "Digest":
        return digest(nonce, "alice", "secret");
      case "Digest, wrong":
        return digest(nonce, "alice", "wrong");
      case "Digest, hashed":
        return digest(nonce, "hashed", "secret");
      case "Basic":
        return basicHeader("hashed", "secret");
      case "Basic, wrong":
        return basicHeader("alice", "wrong");
      case "Bearer":
        return "Bearer abc";
      default:
        throw new Error(`what does a client send that offers ${offer}?`);
    }
  };

  test("has all settings of the guide and all offers", () => {
    assert.equal(offers.length, 8);
    for (const method of ["Kerberos", "Digest", "Any"])
      for (const connection of ["http", "https"])
        assert.ok(
          rows.some(([first]) => first === `${method}, ${connection}`),
          `${method}, ${connection}`,
        );
  });

  for (const [first = "", ...cells] of rows.slice(2))
    test(first, async () => {
      const [methods = "", where = ""] = first.split(", ");
      const connection = connections[where];
      assert.ok(connection !== undefined, where);
      const { config, problems } = configFrom(
        {
          ...{ DocumentRoot: join(folder, "Documents"), DataRoot: join(folder, "Data"), ServerHostName: "localhost" },
          DirectoryService: { params: { xmlFile: join(folder, "accounts.xml") } },
          SudoersFile: "",
          Authentication: settings(methods, join(folder, "http.keytab")),
        },
        { folder },
      );
      assert.deepEqual(problems, []);
      const server = await createServer(config, { worker: 1, startId: "table", log: silentLogger });
      try {
        const ask = (header: string | undefined): Promise<HttpResponse> =>
          server.handle({
            ...request(
              { depth: "0", ...(header === undefined ? {} : { authorization: header }) },
              "PROPFIND",
              "/principals/",
            ),
            ...connection,
          });
        const found: string[] = [];
        for (const offer of offers) {
          const nonce = /nonce="([^"]+)"/.exec(challenges(await ask(undefined)).join())?.[1] ?? "none";
          const answer = await ask(await authorization(offer, nonce));
          const letters = challenges(answer).map((challenge) => challenge[0]);
          if (answer.status === 401)
            for (const challenge of challenges(answer)) assert.match(challenge, forms, `${first}: ${offer}`);
          if (answer.status === 401) found.push(`401 ${letters.join("")}`);
          else found.push(`${answer.status}`);
        }
        assert.deepEqual(found, cells);
      } finally {
        await server.close();
      }
    });
});
