import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import argon2 from "argon2";
import { type Server, startServer } from "../support/server.ts";

interface Asked {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** Milliseconds. */
  readonly took: number;
}

describe("10,000 wrong passwords", () => {
  let server: Server;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "caldavd-guessing-"));
    // The slowest of what is allowed to be stored: whoever guesses makes the server compute it.
    const stored = await argon2.hash("right", { memoryCost: 1 << 16, timeCost: 3, parallelism: 4 });
    const user = (name: string): string => `<user><uid>${name}</uid><password>${stored}</password></user>`;
    await writeFile(join(folder, "accounts.xml"), `<accounts realm="R">${user("victim")}${user("other")}</accounts>`);
    server = await startServer({
      settings: { "DirectoryService/params/xmlFile": join(folder, "accounts.xml"), MaxRequests: 2000 },
    });
  });
  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const ask = (agent: Agent, user: string, password: string, from = "127.0.0.1"): Promise<Asked> =>
    new Promise((resolve, reject) => {
      const begun = performance.now();
      const sent = request(
        {
          ...{ host: "127.0.0.1", port: server.port, agent, localAddress: from },
          ...{ method: "PROPFIND", path: `/calendars/users/${user}/` },
          headers: { depth: "0", authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` },
        },
        (answer) => {
          answer.resume();
          answer.on("end", () =>
            resolve({
              status: answer.statusCode ?? 0,
              retryAfter: answer.headers["retry-after"],
              took: performance.now() - begun,
            }),
          );
        },
      );
      sent.on("error", reject);
      sent.end();
    });
  const pollers = (): Agent => new Agent({ keepAlive: true, maxSockets: 4 });
  /** Requests that four connections of `other` get answered in `seconds`, and the median milliseconds of one. */
  const poll = async (agent: Agent, until: () => boolean): Promise<{ rate: number; median: number }> => {
    const times: number[] = [];
    const begun = performance.now();
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!until()) {
          const { status, took } = await ask(agent, "other", "right", "127.0.0.3");
          assert.equal(status, 207);
          times.push(took);
          // A client, not a load: what is measured is how long one has to wait.
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }),
    );
    times.sort((a, b) => a - b);
    return { rate: (times.length * 1000) / (performance.now() - begun), median: times[times.length >> 1] ?? 0 };
  };
  const for_ = (seconds: number): (() => boolean) => {
    const end = performance.now() + seconds * 1000;
    return () => performance.now() > end;
  };

  test("slow nobody else by more than a fifth, stand one per line in the log, and lock out nobody", async (t) => {
    const agent = pollers();
    await poll(agent, for_(1));
    const quiet = await poll(agent, for_(3));

    const total = 10_000;
    const attackers = 150;
    let sent = 0;
    let done = false;
    const statuses = new Map<number, number>();
    const attack = Promise.all(
      Array.from({ length: attackers }, async () => {
        const own = new Agent({ keepAlive: true, maxSockets: 1 });
        while (sent < total) {
          sent++;
          const { status, retryAfter } = await ask(own, "victim", `guess ${sent}`);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          if (status === 429) assert.ok(Number(retryAfter) >= 1);
        }
        own.destroy();
      }),
    ).then(() => {
      done = true;
    });
    const besieged = await poll(agent, () => done);
    await attack;
    // The machine may have become busier meanwhile.
    const afterwards = await poll(agent, for_(3));
    agent.destroy();
    const peace = Math.min(quiet.rate, afterwards.rate);
    t.diagnostic(
      `another user: ${quiet.rate.toFixed(0)} requests/s, ${quiet.median.toFixed(1)} ms in peace; ` +
        `${besieged.rate.toFixed(0)}, ${besieged.median.toFixed(1)} ms meanwhile; answers: ${JSON.stringify([...statuses])}`,
    );
    assert.deepEqual([...statuses.keys()].sort(), [401, 429]);
    // Attackers and the other user share the processor of this test, so one of both will do: as many answers, or as soon.
    const usual = Math.max(quiet.median, afterwards.median);
    assert.ok(
      besieged.rate > peace * 0.8 || besieged.median < usual * 1.2,
      `${besieged.rate} of ${peace} requests/s, ${besieged.median} for ${usual} ms`,
    );

    // The owner, from another address: at once. 64 MB of argon2 take a while on a busy machine.
    const owner = await ask(new Agent(), "victim", "right", "127.0.0.2");
    assert.equal(owner.status, 207);
    assert.ok(owner.took < 5_000, `${owner.took} ms`);

    const lines = await server.logged(/"part":"auth"/, total);
    assert.equal(lines.length, total);
    for (const line of lines) {
      const { address, user, scheme } = JSON.parse(line) as Record<string, unknown>;
      assert.deepEqual([address, user, scheme], ["127.0.0.1", "victim", "Basic"]);
    }
    // What argon2 needs is no worker's: only the helper has it, and gives it back.
    for (const pid of server.workers()) {
      const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
      assert.ok(resident < 160, `a worker has ${resident} MB`);
    }
  });
});
