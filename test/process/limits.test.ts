import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { readAll } from "../../src/base/stream.ts";
import type { Handler } from "../../src/http/message.ts";
import type { ListenerSettings } from "../../src/process/exchange.ts";
import { type Listening, listening, once, Wire } from "./listening.ts";

let server: Listening;
const given = async (settings: Partial<ListenerSettings>, handler: Handler): Promise<number> => {
  server = await listening(handler, settings);
  return server.port;
};
afterEach(() => server.listener.drain("close", 0));

const host = "Host: x\r\n";
const ok: Handler = async () => ({ status: 200, body: "fine" });
const reading: Handler = async (request) => ({
  status: 201,
  body: (await readAll(request.body, 1_000_000)).toString(),
});
const tick = (milliseconds = 5): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

test("a header of more than 64 KB is refused with 431 while it is being sent", async () => {
  const port = await given({}, ok);
  const wire = new Wire(port).send(`GET / HTTP/1.1\r\n${host}X: `);
  for (let n = 0; n < 40; n++) wire.send("x".repeat(4_000));
  const { status, body } = await wire.answer();
  assert.equal(status, 431);
  assert.match(body, /65536 bytes/);
  assert.equal(wire.reset, false);
  await wire.end();
  assert.match(server.lines.join(""), /"\?\?\?" 431 0 /);
  assert.equal((await once(port, `GET / HTTP/1.1\r\n${host}\r\n`)).status, 200);
});

test("a Kerberos ticket of 40 KB passes", async () => {
  const port = await given({}, ok);
  const ticket = `Authorization: Negotiate ${"A".repeat(40_000)}\r\n`;
  assert.equal((await once(port, `GET / HTTP/1.1\r\n${host}${ticket}\r\n`)).status, 200);
});

test("more than 200 header fields are refused with 431", async () => {
  const port = await given({}, ok);
  const fields = (count: number): string => Array.from({ length: count }, (_, n) => `X-${n}: y\r\n`).join("");
  assert.equal((await once(port, `GET / HTTP/1.1\r\n${host}${fields(199)}\r\n`)).status, 200);
  assert.equal((await once(port, `GET / HTTP/1.1\r\n${host}${fields(200)}\r\n`)).status, 431);
});

test("a header sent drop by drop is cut off with 408 although each drop comes in time; others are answered meanwhile", async () => {
  const port = await given({ headerTimeout: 0.4 }, ok);
  const wire = new Wire(port).send("GET / HTTP/1.1\r\n");
  const dripping = setInterval(() => wire.send("X-A: b\r\n"), 20);
  try {
    for (let n = 0; n < 10; n++) {
      assert.equal((await once(port, `GET / HTTP/1.1\r\n${host}\r\n`)).status, 200);
      await tick(20);
    }
    assert.equal((await wire.answer()).status, 408);
    await wire.end();
  } finally {
    clearInterval(dripping);
  }
});

test("a body that stops coming is cut off, and its request has its line", async () => {
  const port = await given({ stallTimeout: 0.2 }, reading);
  const wire = new Wire(port).send(`PUT /stopped HTTP/1.1\r\n${host}Content-Length: 100\r\n\r\nhalf`);
  await wire.end();
  for (; server.lines.length === 0; ) await tick();
  assert.match(server.lines.join(""), /"PUT \/stopped HTTP\/1\.1" 400 0 /);
  assert.equal(server.listener.outstanding, 0);
});

test("a request that is not complete in its time gets 408, however steadily it drips", async () => {
  const port = await given({ headerTimeout: 0.2, requestTimeout: 0.6 }, reading);
  const wire = new Wire(port).send(`PUT /dripping HTTP/1.1\r\n${host}Content-Length: 100000\r\n\r\n`);
  const dripping = setInterval(() => wire.send("x"), 20);
  try {
    assert.equal((await wire.answer()).status, 408);
    await wire.end();
  } finally {
    clearInterval(dripping);
  }
  for (; server.lines.length === 0; ) await tick();
  assert.match(server.lines.join(""), /"PUT \/dripping HTTP\/1\.1" 408 0 /);
  assert.equal(server.lines.length, 1);
});

test("a handler that takes long is waited for", async () => {
  const port = await given({ stallTimeout: 0.1 }, async () => {
    await tick(500);
    return { status: 200, body: "at last" };
  });
  assert.equal((await once(port, `GET / HTTP/1.1\r\n${host}\r\n`)).body, "at last");
});

test("a client that does not read its answer is cut off", async () => {
  const port = await given({ stallTimeout: 0.2 }, async () => ({ status: 200, body: "x".repeat(20_000_000) }));
  const wire = new Wire(port);
  wire.socket.pause();
  wire.send(`GET / HTTP/1.1\r\n${host}\r\n`);
  for (; server.listener.open === 0; ) await tick();
  for (const end = Date.now() + 10_000; server.listener.open > 0 && Date.now() < end; ) await tick();
  assert.equal(server.listener.open, 0);
  wire.destroy();
});

test("beyond MaxRequests connections are answered with 503 and a Retry-After between half and one and a half of its value", async () => {
  const port = await given({ maxConnections: 3, retryAfter: 100 }, ok);
  const full = [1, 2, 3].map(() => new Wire(port).send(`GET / HTTP/1.1\r\n${host}\r\n`));
  for (const wire of full) assert.equal((await wire.answer()).status, 200);
  for (let n = 0; n < 5; n++) {
    const surplus = new Wire(port).send(`GET / HTTP/1.1\r\n${host}\r\n`);
    const { status, head } = await surplus.answer();
    assert.equal(status, 503);
    const seconds = Number(/\r\nRetry-After: (\d+)/.exec(head)?.[1]);
    assert.ok(seconds >= 50 && seconds <= 150, `${seconds}`);
    assert.match(head, /\r\nConnection: close/);
    await surplus.end();
    surplus.destroy();
  }
  // The others are served as before, and there is room again when one of them leaves.
  assert.equal((await full[0]?.send(`GET / HTTP/1.1\r\n${host}\r\n`).answer())?.status, 200);
  for (const wire of full) wire.destroy();
  for (; server.listener.open > 0; ) await tick();
  assert.equal((await once(port, `GET / HTTP/1.1\r\n${host}\r\n`)).status, 200);
});

test("bytes that are no HTTP are refused with 400", async () => {
  const port = await given({}, ok);
  // The first bytes of a TLS handshake.
  const { status } = await once(port, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
  assert.equal(status, 400);
  assert.match(server.lines.join(""), /"\?\?\?" 400 0 /);
});

test("a chunked body that is broken ends its request, and nothing else", async () => {
  const port = await given({}, reading);
  const wire = new Wire(port).send(`PUT /a HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`);
  assert.equal((await wire.answer()).status, 400);
  await wire.end();
  for (; server.lines.length === 0; ) await tick();
  assert.match(server.lines.join(""), /"PUT \/a HTTP\/1\.1" 400 /);
  assert.equal(server.lines.length, 1);
  assert.equal((await once(port, `GET / HTTP/1.1\r\n${host}\r\n`)).status, 201);
});

test("a request with both Content-Length and Transfer-Encoding is refused: what a proxy makes of it may differ", async () => {
  const port = await given({}, reading);
  const both = `PUT /a HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
  assert.equal((await once(port, both)).status, 400);
});
