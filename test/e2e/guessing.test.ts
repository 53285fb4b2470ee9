import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import argon2 from "argon2";
import { repository, type Server, startServer } from "../support/server.ts";
import { Bystander } from "./bystander.ts";
import { runProgram } from "./run-program.ts";

/** What a poll of 0.1 ms is late by when the guesser's own process has the processor, ms. */
const jitter = 0.05;

interface Asked {
  readonly status: number;
  /** Milliseconds. */
  readonly took: number;
}

/** What guesser.mjs prints. */
interface Guessed {
  readonly statuses: Readonly<Record<string, number>>;
  readonly withoutRetry: number;
}

describe("10,000 wrong passwords", () => {
  let server: Server;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "caldavd-guessing-"));
    // The slowest of what is allowed to be stored: whoever guesses makes the server compute it.
    const user = async (name: string, password: string): Promise<string> => {
      const stored = await argon2.hash(password, { memoryCost: 1 << 16, timeCost: 3, parallelism: 4 });
      return `<user><uid>${name}</uid><password>${stored}</password></user>`;
    };
    await writeFile(
      join(folder, "accounts.xml"),
      `<accounts realm="R">${await user("victim", "right")}${await user("other", "other")}</accounts>`,
    );
    server = await startServer({
      settings: { "DirectoryService/params/xmlFile": join(folder, "accounts.xml"), MaxRequests: 2000 },
    });
  });
  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const ask = (user: string, password: string, from: string): Promise<Asked> =>
    new Promise((resolve, reject) => {
      const begun = performance.now();
      const sent = request(
        {
          ...{ host: "127.0.0.1", port: server.port, agent: false, localAddress: from },
          ...{ method: "PROPFIND", path: `/calendars/users/${user}/` },
          headers: { depth: "0", authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` },
        },
        (answer) => {
          answer.resume();
          answer.on("end", () => resolve({ status: answer.statusCode ?? 0, took: performance.now() - begun }));
        },
      );
      sent.on("error", reject);
      sent.end();
    });
  /** Has another process guess on 150 connections. */
  const guess = async (guesses: number): Promise<Guessed> => {
    const { code, output } = await runProgram(
      process.execPath,
      [join(repository, "test/e2e/guesser.mjs"), `${server.port}`, "victim", `${guesses}`, "150"],
      { package: "nodejs" },
    );
    assert.equal(code, 0, output);
    return JSON.parse(output) as Guessed;
  };

  test("slow nobody else by more than a fifth, stand one per line in the log, and lock out nobody", async (t) => {
    // Another user polls a calendar from a third process.
    const bystander = new Bystander(server, "/calendars/users/other/calendar/", "other");
    const polled = async (during: () => Promise<unknown>): Promise<number> => {
      await bystander.seen();
      await during();
      const { median, problems } = await bystander.seen();
      assert.deepEqual(problems, []);
      return median;
    };
    const peace = (): Promise<number> => polled(() => new Promise((resolve) => setTimeout(resolve, 2000)));
    await peace();
    const total = 10_000;
    const rounds = 5;
    const statuses = new Map<string, number>();
    const ratios: number[] = [];
    // Peace and siege in turns: what the machine does besides changes from one moment to the next.
    let before = await peace();
    for (let round = 0; round < rounds; round++) {
      const besieged = await polled(async () => {
        const guessed = await guess(total / rounds);
        assert.equal(guessed.withoutRetry, 0);
        for (const [status, count] of Object.entries(guessed.statuses))
          statuses.set(status, (statuses.get(status) ?? 0) + count);
      });
      const after = await peace();
      t.diagnostic(
        `a poll took ${before.toFixed(2)} ms before, ${besieged.toFixed(2)} ms meanwhile, ${after.toFixed(2)} ms afterwards`,
      );
      ratios.push((2 * (besieged - jitter)) / (before + after));
      before = after;
    }
    bystander.end();
    ratios.sort((a, b) => a - b);
    const ratio = ratios[rounds >> 1] ?? 0;
    t.diagnostic(`${ratio.toFixed(2)} times; answers: ${JSON.stringify([...statuses])}`);
    assert.deepEqual([...statuses.keys()].sort(), ["401", "429"]);
    assert.ok(ratio < 1.2, `${ratio} times`);

    // The owner, from another address: at once. 64 MB of argon2 take a while on a busy machine.
    const owner = await ask("victim", "right", "127.0.0.2");
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
