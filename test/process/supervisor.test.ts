import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { Wire } from "./listening.ts";
import { get, isAlive, Load, Running, until } from "./running.ts";

let server: Running;
let load: Load | undefined;
afterEach(async () => {
  await load?.stop();
  load = undefined;
  await server.remove();
});

const sorted = (numbers: readonly number[]): readonly number[] => [...numbers].sort((a, b) => a - b);

/** Every answered request has exactly one line; a line without an answer belongs to a request that was sent. */
const assertLogged = async ({ answered, sent }: Load): Promise<void> => {
  await until("the lines of all answers", () => new Set(server.loggedNumbers()).size >= answered.length);
  const logged = server.loggedNumbers();
  assert.equal(new Set(logged).size, logged.length, "a request has two lines");
  const lines = new Set(logged);
  assert.deepEqual(
    answered.filter((number) => !lines.has(number)),
    [],
    "answers without a line",
  );
  assert.ok(logged.every((number) => number <= sent));
};

describe("a server", () => {
  test("says once that it is ready, when all workers serve; TERM ends it with 0 and removes the pid file", async () => {
    server = await new Running().start({ processCount: 3 });
    assert.match(server.output, /^caldavd: ready on http:\/\/127\.0\.0\.1:\d+\/ \(3 workers\)\n$/);
    const pidFile = join(server.folder, "caldavd.pid");
    assert.equal(readFileSync(pidFile, "utf8"), `${server.child.pid}\n`);
    // The fewest connections: three connections at once are with three workers.
    const agent = new Agent({ keepAlive: true, maxSockets: 3 });
    const answers = await Promise.all([1, 2, 3].map(() => get(server.port, "/worker", { agent })));
    assert.deepEqual(sorted(answers.map(({ body }) => Number(body.split(" ")[0]))), [1, 2, 3]);
    assert.equal(new Set(answers.map(({ headers }) => headers["x-start"])).size, 1);
    agent.destroy();
    server.signal("SIGTERM");
    assert.equal(await server.ended(), 0);
    assert.equal(existsSync(pidFile), false);
    const log = readFileSync(join(server.folder, "logs", "access.log"), "utf8");
    assert.match(
      log,
      /^Log opened - server start: \[.*\]\.\n(.* HTTP\/1\.1" 200 .*\n){3}Log closed - server stop: \[.*\]\.\n$/,
    );
    assert.equal(server.output.split("\n").length, 2);
  });

  test("is not started twice with one pid file; a stale one is replaced", async () => {
    server = await new Running().start();
    const second = new Running();
    second.write({ pidFile: join(server.folder, "caldavd.pid") });
    second.launch();
    assert.equal(await second.ended(), 1);
    assert.match(second.output, /PIDFile: .*caldavd\.pid: caldavd runs already, with process id \d+\n$/);
    const third = new Running();
    // Process 1 lives, but is no caldavd.
    writeFileSync(join(third.folder, "caldavd.pid"), "1\n");
    await third.start();
    assert.equal(readFileSync(join(third.folder, "caldavd.pid"), "utf8"), `${third.child.pid}\n`);
    await Promise.all([second.remove(), third.remove()]);
  });

  test("that cannot have its port ends with 1 and says why", async () => {
    server = new Running();
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    server.write({ addresses: [{ host: "127.0.0.1", port }] });
    server.launch();
    assert.equal(await server.ended(), 1);
    assert.match(server.output, new RegExp(`EADDRINUSE.*127\\.0\\.0\\.1:${port}`));
    taken.close();
  });

  test("whose workers all end before they serve ends with 1 and the reason, instead of starting them for ever", async () => {
    server = new Running();
    server.write({}, { failWith: "DocumentRoot: /x is on a volume without locks" });
    server.launch();
    assert.equal(await server.ended(), 1);
    assert.match(server.output, /^DocumentRoot: \/x is on a volume without locks$/m);
    assert.equal(existsSync(join(server.folder, "caldavd.pid")), false);
  });

  test("of type Single serves, logs and ends in one process", async () => {
    server = await new Running().start({ processCount: 1 }, { single: true });
    assert.deepEqual(server.workers(), []);
    assert.equal((await get(server.port, "/")).body, "hello");
    server.signal("SIGTERM");
    assert.equal(await server.ended(), 0);
    assert.equal(server.accessLines().length, 1);
  });

  test("finishes slow requests after TERM, takes no new ones, and ends with 0", async () => {
    server = await new Running().start();
    const slow = get(server.port, "/slow?ms=700");
    const idle = new Wire(server.port).send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await idle.answer();
    await until("the slow request", () => server.workers().length === 2);
    await get(server.port, "/");
    server.signal("SIGTERM");
    await until("the port to be closed", async () =>
      get(server.port, "/").then(
        () => false,
        (error: Error) => /ECONNREFUSED/.test(error.message),
      ),
    );
    const answer = await slow;
    assert.equal(answer.body, "hello slowly");
    assert.equal(answer.headers["connection"], "close");
    assert.equal(await server.ended(), 0);
    assert.equal(server.loggedNumbers().length, 0);
    assert.match(server.accessLines().join("\n"), /"GET \/slow\?ms=700 HTTP\/1\.1" 200 12 /);
    idle.destroy();
  });

  test("drops the workers' privileges when root starts it with UserName", {
    skip: process.getuid?.() !== 0,
  }, async () => {
    server = new Running();
    server.write({ userName: "nobody" });
    server.launch();
    await until("the ready line or the end", () => server.exit !== undefined || server.output.includes("ready"));
    // A clone below /root cannot be read by anybody else; then the server says so instead.
    if (server.exit !== undefined) return;
    server.port = Number(/:(\d+)\/ /.exec(server.output)?.[1]);
    assert.match((await get(server.port, "/worker")).body, / 65534$/);
    await until("the line", () => server.accessLines().length === 1);
  });
});

describe("workers that die", () => {
  test("take with them only the requests they were answering: kill -9 under load", async (t) => {
    server = await new Running().start();
    load = new Load(server.port, 8);
    await load.more(300);
    for (let round = 0; round < 3; round++) {
      const [victim = 0] = server.workers();
      process.kill(victim, "SIGKILL");
      await until("another worker", () => server.workers().length === 2 && !server.workers().includes(victim));
      await load.more(300);
    }
    await load.stop();
    t.diagnostic(`${load.sent} requests, ${load.answered.length} answered, ${load.failures.length} failed`);
    // Eight clients have one request each under way.
    assert.ok(load.failures.length <= 3 * 8, load.failures.join("\n"));
    for (const failure of load.failures) assert.match(failure, /ECONNRESET|socket hang up/);
    await assertLogged(load);
  });

  test("all at once: a client that comes meanwhile waits for the next worker instead of being refused", async () => {
    server = await new Running().start();
    const old = server.workers();
    for (const pid of old) process.kill(pid, "SIGKILL");
    await until("their death", () => !old.some(isAlive));
    const answer = await get(server.port, "/worker", { agent: new Agent() });
    assert.ok(!old.includes(Number(answer.body.split(" ")[1])));
  });

  test("of an error that nothing caught are replaced, and the error log has the stack", async () => {
    server = await new Running().start({ processCount: 1 });
    const [first = 0] = server.workers();
    await get(server.port, "/throw");
    await until("its successor", () => server.workers().length === 1 && !server.workers().includes(first));
    assert.equal((await get(server.port, "/")).body, "hello");
    const told = /"worker":1,"error":\{"type":"Error","message":"thrown where nothing catches","stack":/;
    await until("the stack", () => told.test(server.errorLog()));
  });

  test("of TERM finish their requests while a successor serves already", async () => {
    server = await new Running().start({ processCount: 1 });
    const [first = 0] = server.workers();
    const slow = get(server.port, "/slow?ms=1500");
    await get(server.port, "/", { agent: new Agent() });
    process.kill(first, "SIGTERM");
    await until("its successor", () => server.workers().some((pid) => pid !== first));
    assert.equal((await get(server.port, "/worker", { agent: new Agent() })).status, 200);
    assert.equal((await slow).body, "hello slowly");
    await until("its end", () => !isAlive(first));
  });

  test("end by themselves when their master is killed, after what they were answering", async () => {
    server = await new Running().start();
    const workers = server.workers();
    const slow = get(server.port, "/slow?ms=500");
    await get(server.port, "/", { agent: new Agent() });
    server.signal("SIGKILL");
    assert.equal((await slow).body, "hello slowly");
    await until("the workers' end", () => !workers.some(isAlive));
  });
});

describe("HUP", () => {
  test("exchanges all workers under load, three times, and no request fails", async (t) => {
    server = await new Running().start();
    load = new Load(server.port, 8);
    await load.more(200);
    for (let round = 1; round <= 3; round++) {
      const old = server.workers();
      server.write({ addresses: [{ host: "127.0.0.1", port: 0 }] }, { greeting: `round ${round}` });
      server.signal("SIGHUP");
      await until("new workers", () => server.workers().length === 2 && !old.some(isAlive), 60);
      await load.more(200);
      assert.equal((await get(server.port, "/", { agent: new Agent() })).body, `round ${round}`);
    }
    await load.stop();
    t.diagnostic(`${load.sent} requests, ${load.failures.length} failed`);
    assert.deepEqual(load.failures, []);
    await assertLogged(load);
  });

  test("neither refuses nor resets the connections of clients that are silent for a while", async () => {
    server = await new Running().start({ idleTimeout: 15 });
    const wires = [1, 2, 3, 4].map(() => new Wire(server.port).send("GET /worker HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (const wire of wires) await wire.answer();
    const old = server.workers();
    server.signal("SIGHUP");
    await until("new workers", () => server.workers().filter((pid) => !old.includes(pid)).length === 2);
    await until("both to serve", () => server.errorLog().includes("the configuration was reloaded"));
    for (const wire of wires) {
      const answer = await wire.send("GET /worker HTTP/1.1\r\nHost: x\r\n\r\n").answer();
      assert.ok(old.includes(Number(answer.body.split(" ")[1])));
      assert.match(answer.head, /\r\nConnection: close/);
      assert.equal(wire.reset, false);
      wire.destroy();
    }
    await until("the old workers' end", () => !old.some(isAlive));
  });

  test("with a configuration that has problems keeps the workers and logs every problem", async () => {
    server = await new Running().start();
    const old = server.workers();
    server.write({}, {}, ["UserQuota: must be a whole number", "MaxRequests: must be from 1 to 100000"]);
    server.signal("SIGHUP");
    await until("the word", () => server.errorLog().includes("was not reloaded"));
    assert.match(server.errorLog(), /UserQuota: must be a whole number.*MaxRequests: must be from 1/);
    assert.deepEqual(server.workers(), old);
    assert.equal((await get(server.port, "/")).status, 200);
  });

  test("with a configuration that no worker can serve keeps the old workers", async () => {
    server = await new Running().start();
    const old = server.workers();
    server.write({}, { failWith: "the accounts file is gone" });
    server.signal("SIGHUP");
    await until("the word", () => server.errorLog().includes("a worker could not serve with it"));
    assert.match(server.errorLog(), /"failure":"the accounts file is gone"/);
    await until("the end of the failed one", () => server.workers().length === 2);
    assert.deepEqual(server.workers(), old);
    assert.equal((await get(server.port, "/")).body, "hello");
  });

  test("changes the number of workers and the addresses", async () => {
    server = await new Running().start({ processCount: 2 });
    for (const count of [4, 1]) {
      server.write({ processCount: count });
      const old = server.workers();
      server.signal("SIGHUP");
      await until(`${count} workers`, () => server.workers().length === count && !old.some(isAlive));
    }
    assert.equal((await get(server.port, "/worker")).body.split(" ")[0], "1");
    const probe = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => probe.once("listening", resolve));
    const address = probe.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await new Promise((resolve) => probe.close(resolve));
    server.write({ processCount: 1, addresses: [{ host: "127.0.0.1", port }] });
    server.signal("SIGHUP");
    await until("the new port", async () =>
      get(port, "/").then(
        () => true,
        () => false,
      ),
    );
    await until("the old port to be closed", async () =>
      get(server.port, "/", { agent: new Agent() }).then(
        () => false,
        (error: Error) => /ECONNREFUSED/.test(error.message),
      ),
    );
  });
});

test("USR1 opens both logs anew, and no line is lost", async () => {
  server = await new Running().start();
  load = new Load(server.port, 4);
  await load.more(100);
  const logs = join(server.folder, "logs");
  for (const name of ["access.log", "error.log"]) renameSync(join(logs, name), join(logs, `${name}.1`));
  server.signal("SIGUSR1");
  await until("new files", () => ["access.log", "error.log"].every((name) => existsSync(join(logs, name))));
  await load.more(100);
  await load.stop();
  const numbers = (name: string): readonly number[] =>
    [...readFileSync(join(logs, name), "utf8").matchAll(/[?]n=(\d+) /g)].map((match) => Number(match[1]));
  const { answered } = load;
  await until("all lines", () => numbers("access.log.1").length + numbers("access.log").length === answered.length);
  assert.deepEqual(sorted([...numbers("access.log.1"), ...numbers("access.log")]), sorted(answered));
});
