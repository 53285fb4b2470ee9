import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import argon2 from "argon2";
import { Client, propfind } from "../support/http-client.ts";
import { startServer } from "../support/server.ts";

const calendar = "/calendars/users/hashed/calendar/";
const poll = propfind("{http://calendarserver.org/ns/}getctag", "{DAV:}sync-token");
const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

/** Milliseconds that the threads of a process have spent on a processor. */
const cpuOf = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`)
    .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]) / 1e6)
    .reduce((sum, one) => sum + one, 0);

test("polling a ctag signed in, by Basic with an argon2 account or by Digest, costs about what it costs anybody", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-cost-"));
  const stored = await argon2.hash("secret");
  await writeFile(
    join(folder, "accounts.xml"),
    `<accounts realm="Realm"><user><uid>hashed</uid><password>${stored}</password>
     <password>{HA1}${md5("hashed:Realm:secret")}</password></user></accounts>`,
  );
  const server = await startServer({
    settings: { "DirectoryService/params/xmlFile": join(folder, "accounts.xml") },
  });
  const client = new Client(server, null, 8);
  try {
    const basic = { authorization: `Basic ${Buffer.from("hashed:secret").toString("base64")}` };
    await client.expect(207, "PROPFIND", calendar, { headers: { ...basic, depth: "0" } });
    await client.expect(200, "ACL", calendar, {
      headers: { ...basic, "content-type": "application/xml" },
      body: `<acl xmlns="DAV:"><ace><principal><all/></principal><grant><privilege><read/></privilege></grant></ace></acl>`,
    });
    const challenge = (await client.ask("PROPFIND", "/calendars/users/hashed/")).headers["www-authenticate"] ?? "";
    const nonce = /nonce="([^"]+)"/.exec(challenge)?.[1] ?? "";
    let count = 0;
    const digest = (): string => {
      const nc = (++count).toString(16).padStart(8, "0");
      const proof = md5(`${md5("hashed:Realm:secret")}:${nonce}:${nc}:abc:auth:${md5(`PROPFIND:${calendar}`)}`);
      return `Digest username="hashed", realm="Realm", nonce="${nonce}", uri="${calendar}", cnonce="abc", nc=${nc}, qop=auth, response="${proof}"`;
    };
    // A header of the same length for all: reading it is not signing in.
    const kinds: Readonly<Record<string, () => Record<string, string>>> = {
      anonymous: () => ({ "x-authorization": digest() }),
      basic: () => ({ ...basic, "x-authorization": digest().slice(basic.authorization.length) }),
      digest: () => ({ authorization: digest() }),
    };
    const rounds: Record<string, number>[] = [];
    const workers = server.workers();
    for (let round = 0; round < 10; round++) {
      const costs: Record<string, number> = {};
      for (const [kind, headers] of Object.entries(kinds)) {
        const before = workers.reduce((sum, pid) => sum + cpuOf(pid), 0);
        let left = 3_000;
        await Promise.all(
          Array.from({ length: 8 }, async () => {
            while (left-- > 0)
              await client.expect(207, "PROPFIND", calendar, { headers: { ...headers(), depth: "0" }, body: poll });
          }),
        );
        costs[kind] = (workers.reduce((sum, pid) => sum + cpuOf(pid), 0) - before) / 3_000;
      }
      // The first one warms up.
      if (round > 0) rounds.push(costs);
    }
    /** The median, over the rounds, of what is shared by their moment on a machine that has other things to do. */
    const median = (of: (costs: Record<string, number>) => number): number =>
      rounds.map(of).sort((a, b) => a - b)[rounds.length >> 1] ?? 0;
    const ratio = (kind: string): number => median((costs) => (costs[kind] ?? 0) / (costs["anonymous"] ?? 1));
    t.diagnostic(
      Object.keys(kinds)
        .map((kind) => `${kind} ${median((costs) => costs[kind] ?? 0).toFixed(3)} ms (${ratio(kind).toFixed(2)})`)
        .join(", "),
    );
    // A tenth on a quiet machine, rights included, which a user has and nobody has not; others may be at work here.
    for (const kind of ["basic", "digest"]) assert.ok(ratio(kind) < 1.35, `${kind}: ${ratio(kind)} times`);
  } finally {
    client.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
