import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, test } from "node:test";
import { silentLogger } from "../../src/base/log.ts";
import { readDirectorFile } from "../../src/process/balance.ts";
import { Balancer } from "../../src/process/balancer.ts";
import { choose, type Scheduler } from "../../src/process/schedule.ts";
import { once, Wire } from "./listening.ts";
import { until } from "./running.ts";

const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

const servers: Server[] = [];
const listenAs = (name: string, port = 0): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer((_message, response) => response.end(name));
    servers.push(server);
    server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
const stop = (server: Server | undefined): void => {
  server?.close();
  server?.closeAllConnections();
};

let balancer: Balancer;
const given = async (ports: readonly number[], scheduler: Scheduler = "LeastConnections"): Promise<number> => {
  balancer = new Balancer(
    ports.map((port) => ({ host: "127.0.0.1", port })),
    { scheduler, log: silentLogger, checkInterval: 30 },
  );
  return balancer.listen(0, "127.0.0.1", 50);
};
afterEach(async () => {
  for (const server of servers.splice(0)) stop(server);
  await balancer.drain(0);
});

describe("the balancer of ProcessType Master", () => {
  test("gives a connection to the server with the fewest, and a connection stays where it is", async () => {
    const port = await given([await listenAs("a"), await listenAs("b")]);
    const wires = [1, 2, 3, 4].map(() => new Wire(port));
    const names: string[] = [];
    for (const wire of wires) names.push((await wire.send(request).answer()).body);
    assert.deepEqual([...names].sort(), ["a", "a", "b", "b"]);
    for (const [at, wire] of wires.entries()) assert.equal((await wire.send(request).answer()).body, names[at]);
    for (const wire of wires) wire.destroy();
  });

  test("passes a client on when a server refuses it, and comes back to the server when it answers again", async () => {
    const a = await listenAs("a");
    const port = await given([a, await listenAs("b")]);
    assert.equal((await once(port, request)).body, "a");
    stop(servers.shift());
    for (let n = 0; n < 5; n++) assert.equal((await once(port, request)).body, "b");
    await listenAs("a again", a);
    await until("the server to be back", async () => (await once(port, request)).body === "a again");
  });

  test("answers 503 with Retry-After when no server does", async () => {
    const gone = await listenAs("gone");
    const port = await given([gone]);
    stop(servers.shift());
    const { status, head } = await once(port, request);
    assert.equal(status, 503);
    assert.match(head, /\r\nRetry-After: \d+/);
  });

  test("carries large bodies whole, both ways", async () => {
    const port = await given([
      await new Promise<number>((resolve) => {
        const server = createServer((message, response) => void message.pipe(response));
        servers.push(server);
        server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
      }),
    ]);
    const body = "0123456789".repeat(500_000);
    const { body: returned } = await once(port, `PUT / HTTP/1.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    assert.equal(returned.length, body.length);
    assert.ok(returned === body);
  });
});

test("schedulers choose as their names say", () => {
  const takers = (...rows: readonly (readonly [open: number, lastTurn: number])[]) =>
    rows.map(([open, lastTurn], at) => ({ at, open, lastTurn }));
  assert.equal(choose(takers([2, 1], [1, 2], [1, 3]), "LeastConnections")?.at, 1);
  assert.equal(choose(takers([1, 9], [1, 2]), "LeastConnections")?.at, 0);
  assert.equal(choose(takers([1, 9], [1, 2], [0, 10]), "LeastConnectionsAndRoundRobin")?.at, 2);
  assert.equal(choose(takers([1, 9], [1, 2], [2, 1]), "LeastConnectionsAndRoundRobin")?.at, 1);
  assert.equal(choose(takers([0, 9], [7, 2], [0, 3]), "RoundRobin")?.at, 1);
  assert.equal(choose([], "RoundRobin"), undefined);
});

describe("a load balancer file of the original", () => {
  const file = (inner: string): string => `<pdconfig><service name="http">${inner}</service></pdconfig>`;

  test("names the hosts of the enabled group", () => {
    const text = file(
      `<listen ip="0.0.0.0:8008"/>
       <group name="old"><host name="x" ip="10.0.0.9:8008"/></group>
       <group name="main" scheduler="leastconns"><host name="a" ip="10.0.0.1:8008"/><host name="b" ip="[fd00::1]:8009"/></group>
       <enable group="main"/>`,
    );
    assert.deepEqual(readDirectorFile(text), [
      { host: "10.0.0.1", port: 8008 },
      { host: "fd00::1", port: 8009 },
    ]);
  });

  test("without hosts, or with an address that is none, is refused with a reason", () => {
    assert.throws(() => readDirectorFile(file('<group name="main"/>')), /names no <host>/);
    assert.throws(
      () => readDirectorFile(file('<group><host ip="10.0.0.1"/></group>')),
      /"10\.0\.0\.1" is no "address:port"/,
    );
    assert.throws(() => readDirectorFile("<pdconfig/>"), /has no <service>/);
    const two = `<pdconfig><service name="http"><group><host ip="10.0.0.1:8008"/></group></service>
      <service name="https"><group><host ip="10.0.0.1:8443"/></group></service></pdconfig>`;
    assert.deepEqual(readDirectorFile(two, "https"), [{ host: "10.0.0.1", port: 8443 }]);
    assert.throws(() => readDirectorFile(file(""), "https"), /has no <service name="https">/);
  });
});
