import assert from "node:assert/strict";
import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { basic, Client, propfind } from "../support/http-client.ts";
import { type Server, startServer, until } from "../support/server.ts";
import { event } from "./calendar-texts.ts";
import { RawSocket } from "./raw-socket.ts";

const path = "/calendars/users/user09/calendar/";

describe("the access log", () => {
  let server: Server;
  before(async () => {
    server = await startServer({ workers: 2 });
  });
  after(() => server?.stop());

  test("has exactly one line for each request of every worker", async () => {
    // Target with a query of its own to status.
    const sent = new Map<string, number>();
    const clients = Array.from({ length: 12 }, () => new Client(server, "user09", 1));
    let number = 0;
    const target = (at: string): string => `${at}?n=${number++}`;
    await Promise.all(
      clients.map(async (client, who) => {
        const ask = async (method: string, at: string, ask: Parameters<Client["ask"]>[2] = {}): Promise<void> => {
          const url = target(at);
          sent.set(`${method} ${url}`, (await client.ask(method, url, ask)).status);
        };
        for (let n = 0; n < 20; n++) {
          const name = `${path}log-${who}-${n}.ics`;
          await ask("PUT", name, { body: event(`log-${who}-${n}`), headers: { "content-type": "text/calendar" } });
          await ask("GET", name);
          await ask("GET", `${path}nothing.ics`);
          await ask("GET", path, { user: null });
          await ask("PROPFIND", path, { body: propfind("{DAV:}getetag"), headers: { depth: "1" } });
          await ask("PROPFIND", path, { body: "<not xml" });
          await ask("REPORT", path, {
            body: '<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level><prop/></sync-collection>',
          });
          await ask("PATCH", path);
          await ask("DELETE", name);
        }
        client.close();
      }),
    );
    // And what ends before a handler sees it.
    const raw = new RawSocket(server.port);
    const tooMany = `GET ${target(path)} HTTP/1.1\r\nHost: x\r\n${"X-Y: z\r\n".repeat(250)}\r\n`;
    await raw.write(tooMany);
    assert.equal((await raw.answer()).status, 431);
    raw.destroy();
    sent.set(tooMany.split(" HTTP/")[0] ?? "", 431);

    // A pipeline: three requests in one write, three answers.
    const pipeline = new RawSocket(server.port);
    const three = [0, 1, 2].map(() => target("/"));
    await pipeline.write(
      three.map((url) => `OPTIONS ${url} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic("user09")}\r\n\r\n`).join(""),
    );
    await until("three answers", () => pipeline.received.split("HTTP/1.1 200").length === 4);
    pipeline.destroy();
    for (const url of three) sent.set(`OPTIONS ${url}`, 200);

    const logged = await until("all lines", async () => {
      const lines = (await server.accessLog()).filter((line) => line.includes("?n="));
      return lines.length >= sent.size ? lines : undefined;
    });
    const seen = new Map<string, number>();
    const workers = new Set<string>();
    for (const line of logged) {
      const match =
        /^127\.0\.0\.1 - (\S+|"[^"]*") \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "([A-Z]+)(?:\([^)]*\))? (\S+) HTTP\/1\.1" (\d{3}) (\d+) "[^"]*" "[^"]*" i=(\S+) t=(\d+\.\d) or=(\d+)/.exec(
          line,
        );
      assert.ok(match, `not in the log's form: ${line}`);
      const key = `${match[2]} ${match[3]}`;
      assert.ok(!seen.has(key), `twice: ${key}`);
      seen.set(key, Number(match[4]));
      workers.add(match[6] ?? "");
    }
    assert.deepEqual(new Map([...seen].sort()), new Map([...sent].sort()));
    assert.equal(workers.size, 2, "one worker only");
    assert.match(logged.find((line) => line.includes('"REPORT(')) ?? "", /"REPORT\(DAV:sync-collection\) /);
    assert.match(logged.find((line) => line.includes("/log-0-0.ics")) ?? "", /^127\.0\.0\.1 - user09 /);
  });

  test("is opened anew on USR1, so that it can be rotated, and no line is lost", async () => {
    const client = new Client(server, "user09", 4);
    const log = join(server.data, "access.log");
    let asked = 0;
    const ask = (): Promise<unknown> => client.expect(200, "OPTIONS", `/?rotated=${asked++}`);
    for (let n = 0; n < 50; n++) await ask();
    await until(
      "the lines",
      async () => (await server.accessLog()).filter((line) => line.includes("rotated=")).length === 50,
    );
    await rename(log, `${log}.1`);
    server.signal("SIGUSR1");
    await until("the new file", async () => {
      await ask();
      return (await server.accessLog()).some((line) => line.includes("rotated="));
    });
    client.close();
    const both = async (): Promise<number> => {
      const old = await readFile(`${log}.1`, "utf8");
      return [...old.split("\n"), ...(await server.accessLog())].filter((line) => line.includes("rotated=")).length;
    };
    await until(`${asked} lines`, async () => (await both()) === asked);
  });
});
