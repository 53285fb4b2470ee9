import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { afterEach, describe, test } from "node:test";
import { readAll } from "../../src/base/stream.ts";
import { type Handler, HttpError, type HttpRequest } from "../../src/http/message.ts";
import type { ListenerSettings } from "../../src/process/exchange.ts";
import { type Listening, listening, once, Wire } from "./listening.ts";

let server: Listening;
const given = async (handler: Handler, settings: Partial<ListenerSettings> = {}): Promise<number> => {
  server = await listening(handler, settings);
  return server.port;
};
afterEach(() => server.listener.drain("close", 0));

const host = "Host: x\r\n";
const ok: Handler = async () => ({ status: 200, body: "fine" });

/** Answers with what it was asked. */
const echo: Handler = async (request) => ({
  status: 200,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({
    method: request.method,
    rawPath: request.rawPath,
    path: request.path,
    query: [...request.query],
    remote: request.remote,
    body: (await readAll(request.body, 1_000_000)).toString(),
  }),
});

describe("a request", () => {
  test("reaches the handler decoded, its path also as it was written", async () => {
    const port = await given(echo);
    const { body } = await once(port, `GET /calendars//users/al%69ce/?a=1&a=2 HTTP/1.1\r\n${host}\r\n`);
    assert.deepEqual(JSON.parse(body), {
      method: "GET",
      rawPath: "/calendars//users/al%69ce/",
      path: ["calendars", "users", "alice"],
      query: [
        ["a", "1"],
        ["a", "2"],
      ],
      remote: "127.0.0.1",
      body: "",
    });
  });

  test("in absolute form means its path (RFC 9112 §3.2.2), and OPTIONS * the root", async () => {
    const port = await given(echo);
    const absolute = await once(port, `GET http://cal.example.com/principals/?x HTTP/1.1\r\n${host}\r\n`);
    assert.equal(JSON.parse(absolute.body).rawPath, "/principals/");
    const star = await once(port, `OPTIONS * HTTP/1.1\r\n${host}\r\n`);
    assert.equal(JSON.parse(star.body).rawPath, "/");
  });

  test("with a path that no resource can have is refused with 400 and logged", async () => {
    const port = await given(ok);
    for (const path of ["/a/../b", "/%2e%2e/", "/a%00b", "/%ff", "/%zz"]) {
      const { status, body } = await once(port, `GET ${path} HTTP/1.1\r\n${host}\r\n`);
      assert.equal(status, 400, path);
      assert.match(body, /path/);
    }
    assert.equal(server.lines.filter((line) => line.includes('HTTP/1.1" 400 ')).length, 5);
  });

  test("may name a DAV method in X-HTTP-Method-Override of a POST, and no other", async () => {
    const port = await given(echo);
    const tunnelled = (method: string, override: string): Promise<{ status: number; body: string }> =>
      once(port, `${method} / HTTP/1.1\r\n${host}X-HTTP-Method-Override: ${override}\r\nContent-Length: 0\r\n\r\n`);
    assert.equal(JSON.parse((await tunnelled("POST", "PROPFIND")).body).method, "PROPFIND");
    assert.equal(JSON.parse((await tunnelled("PUT", "DELETE")).body).method, "PUT");
    assert.equal((await tunnelled("POST", "GET")).status, 400);
    assert.equal((await tunnelled("POST", "TRACE")).status, 400);
  });

  test("TRACE is refused with 405", async () => {
    const port = await given(ok);
    const { status, head } = await once(port, `TRACE / HTTP/1.1\r\n${host}Authorization: Basic eDp5\r\n\r\n`);
    assert.equal(status, 405);
    assert.match(head, /\r\nAllow: /);
  });

  test("with a method that HTTP allows but nobody knows is 400, and the connection ends", async () => {
    const port = await given(ok);
    const wire = new Wire(port).send(`FROBNICATE / HTTP/1.1\r\n${host}\r\n`);
    assert.equal((await wire.answer()).status, 400);
    await wire.end();
  });
});

describe("an answer", () => {
  test("carries Server, Date and Content-Length", async () => {
    const port = await given(async () => ({
      status: 207,
      headers: { DAV: "1, 3", "Set-Cookie": ["a=1", "b=2"] },
      body: "é",
    }));
    const { head } = await once(port, `GET / HTTP/1.1\r\n${host}\r\n`);
    assert.match(head, /^HTTP\/1\.1 207 Multi-Status\r\nServer: caldavd\/test\r\n/);
    assert.match(
      head,
      /\r\nDAV: 1, 3\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\nDate: [^\r]+ GMT\r\n/,
    );
  });

  test("to HEAD has the length of the body it leaves out", async () => {
    const port = await given(async () => ({ status: 200, body: "four" }));
    const wire = new Wire(port);
    const first = await wire.send(`HEAD / HTTP/1.1\r\n${host}\r\n`).answer(true);
    assert.match(first.head, /\r\nContent-Length: 4\r\n/);
    const second = await wire.send(`GET / HTTP/1.1\r\n${host}\r\n`).answer();
    assert.equal(second.body, "four");
    wire.destroy();
    assert.match(server.lines[0] ?? "", /"HEAD \/ HTTP\/1\.1" 200 0 /);
  });

  test("to HEAD closes a body that is read from a file", async () => {
    const file = Readable.from(["never", "read"]);
    const port = await given(async () => ({ status: 200, body: file }));
    await once(port, `HEAD / HTTP/1.1\r\n${host}\r\n`, true);
    assert.equal(file.destroyed, true);
  });

  test("with 204 or 304 has neither body nor Content-Length, and the connection goes on", async () => {
    const port = await given(async (request) => ({ status: Number(request.path[0]) }));
    const wire = new Wire(port);
    for (const status of [204, 304, 204]) {
      const answer = await wire.send(`GET /${status} HTTP/1.1\r\n${host}\r\n`).answer();
      assert.equal(answer.status, status);
      assert.doesNotMatch(answer.head, /content-length|transfer-encoding/i);
    }
    wire.destroy();
  });

  test("of one chunk is sent with a Content-Length, of several chunked", async () => {
    const parts = async function* (request: HttpRequest): AsyncGenerator<string> {
      for (let n = 0; n < Number(request.path[0]); n++) yield `part ${n};`;
    };
    const port = await given(async (request) => ({ status: 200, body: parts(request) }));
    assert.match((await once(port, `GET /0 HTTP/1.1\r\n${host}\r\n`)).head, /\r\nContent-Length: 0\r\n/);
    assert.match((await once(port, `GET /1 HTTP/1.1\r\n${host}\r\n`)).head, /\r\nContent-Length: 7\r\n/);
    const three = await once(port, `GET /3 HTTP/1.1\r\n${host}\r\n`);
    assert.match(three.head, /\r\nTransfer-Encoding: chunked/);
    assert.equal(three.body, "part 0;part 1;part 2;");
    // HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
    const old = await once(port, "GET /3 HTTP/1.0\r\n\r\n");
    assert.equal(old.body, "part 0;part 1;part 2;");
    assert.deepEqual(
      server.lines.map((line) => /HTTP\/1\.[01]" 200 (\d+) /.exec(line)?.[1]),
      ["0", "7", "21", "21"],
    );
  });

  test("is made no faster than the client reads it, and given up when the client leaves", async () => {
    let made = 0;
    let returned = 0;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          made++;
          yield new Uint8Array(65_536);
        }
      } finally {
        returned++;
      }
    };
    const port = await given(async () => ({ status: 200, body: endless() }));
    const wire = new Wire(port);
    wire.socket.pause();
    wire.send(`GET / HTTP/1.1\r\n${host}\r\n`);
    // The buffers of both sockets take some megabytes; then nothing more may be made.
    let before = -1;
    for (let calm = 0; calm < 20; ) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (made === before && made > 0) calm++;
      else calm = 0;
      before = made;
    }
    assert.ok(made < 500, `${made} chunks of 64 KB`);
    wire.destroy();
    for (const end = Date.now() + 10_000; returned === 0 && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(returned, 1);
    assert.equal(server.lines.length, 1);
  });

  test("that fails is a 500 without the reason, and the log has its stack", async () => {
    const port = await given(async () => {
      throw new TypeError("secret detail");
    });
    const { status, body } = await once(port, `GET / HTTP/1.1\r\n${host}\r\n`);
    assert.equal(status, 500);
    assert.doesNotMatch(body, /secret/);
    assert.match(server.errors[0] ?? "", /secret detail/);
  });

  test("that is thrown as an HttpError has its status, headers and sentence", async () => {
    const port = await given(async () => {
      throw new HttpError(401, "Who are you?", { "WWW-Authenticate": ['Basic realm="x"', 'Digest realm="x"'] });
    });
    const { status, head, body } = await once(port, `GET / HTTP/1.1\r\n${host}\r\n`);
    assert.equal(status, 401);
    assert.match(head, /WWW-Authenticate: Basic realm="x"\r\nWWW-Authenticate: Digest realm="x"/);
    assert.equal(body, "Who are you?\n");
    assert.deepEqual(server.errors, []);
  });

  test("with headers that HTTP cannot carry becomes a 500", async () => {
    const port = await given(async () => ({ status: 200, headers: { Location: "/a\r\nb" }, body: "x" }));
    const { status, head } = await once(port, `GET / HTTP/1.1\r\n${host}\r\n`);
    assert.equal(status, 500);
    assert.match(head, /^HTTP\/1\.1 500 Internal Server Error/);
    assert.equal(server.lines.length, 1);
  });

  test("whose body fails at its start is a 500; later the connection breaks, and both are logged", async () => {
    const failing = async function* (after: number): AsyncGenerator<string> {
      for (let n = 0; n < after; n++) yield "x".repeat(20_000);
      throw new Error("the file is gone");
    };
    const port = await given(async (request) => ({ status: 207, body: failing(Number(request.path[0])) }));
    assert.equal((await once(port, `GET /0 HTTP/1.1\r\n${host}\r\n`)).status, 500);
    assert.equal((await once(port, `GET /1 HTTP/1.1\r\n${host}\r\n`)).status, 500);
    const wire = new Wire(port).send(`GET /5 HTTP/1.1\r\n${host}\r\n`);
    await wire.end();
    assert.match(wire.received, /^HTTP\/1\.1 207 /);
    assert.doesNotMatch(wire.received, /\r\n0\r\n\r\n$/);
    assert.equal(server.errors.length, 3);
    assert.equal(server.lines.length, 3);
  });
});

describe("a connection", () => {
  test("answers pipelined requests in their order, also when later ones are ready first", async () => {
    const port = await given(async (request) => {
      if (request.path[0] === "slow") await new Promise((resolve) => setTimeout(resolve, 50));
      return { status: 200, body: request.path[0] ?? "" };
    });
    const wire = new Wire(port).send(
      ["slow", "b", "slow", "d"].map((path) => `GET /${path} HTTP/1.1\r\n${host}\r\n`).join(""),
    );
    for (const path of ["slow", "b", "slow", "d"]) assert.equal((await wire.answer()).body, path);
    wire.destroy();
    assert.equal(server.lines.length, 4);
  });

  test("is told to go on with Expect: 100-continue only when the body is wanted", async () => {
    const port = await given(async (request) => {
      if (request.path[0] === "no") throw new HttpError(403, "No");
      return { status: 201, body: (await readAll(request.body, 100)).toString() };
    });
    const head = (path: string): string =>
      `PUT /${path} HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`;
    const wanted = new Wire(port).send(head("yes"));
    assert.equal((await wanted.answer()).status, 100);
    assert.equal((await wanted.send("hello").answer()).body, "hello");
    assert.equal((await wanted.send(`GET /no HTTP/1.1\r\n${host}\r\n`).answer()).status, 403);
    wanted.destroy();
    const refused = new Wire(port).send(head("no"));
    const answer = await refused.answer();
    assert.equal(answer.status, 403);
    assert.match(answer.head, /\r\nConnection: close/);
    await refused.end();
  });

  test("lives on when a small body was not read, and ends when a large one was not", async () => {
    const port = await given(async () => ({ status: 403, body: "no" }));
    const wire = new Wire(port);
    for (let n = 0; n < 3; n++) {
      wire.send(`PUT /a HTTP/1.1\r\n${host}Content-Length: 30000\r\n\r\n`);
      assert.equal((await wire.answer()).status, 403);
      wire.send("x".repeat(30_000));
    }
    wire.send(`PUT /a HTTP/1.1\r\n${host}Content-Length: 3000000\r\n\r\n${"x".repeat(100_000)}`);
    const last = await wire.answer();
    assert.equal(last.status, 403);
    assert.match(last.head, /\r\nConnection: close/);
    await wire.end();
  });

  test("lets a client read its 413 although it is still sending", async () => {
    const port = await given(async () => {
      throw new HttpError(413, "Too large");
    });
    const wire = new Wire(port);
    wire.send(`PUT /a HTTP/1.1\r\n${host}Content-Length: 20000000\r\n\r\n`);
    for (let n = 0; n < 50; n++) wire.send("x".repeat(100_000));
    const answer = await wire.answer();
    assert.equal(answer.status, 413);
    assert.equal(wire.reset, false);
    wire.destroy();
  });

  test("counts as gone when its client leaves in the midst of a body; the request has its line", async () => {
    let aborted = false;
    const port = await given(async (request) => {
      request.signal.addEventListener("abort", () => {
        aborted = true;
      });
      await readAll(request.body, 1_000_000);
      return { status: 201 };
    });
    const wire = new Wire(port).send(`PUT /half HTTP/1.1\r\n${host}Content-Length: 100\r\n\r\nhalf`);
    for (; server.listener.outstanding === 0; ) await new Promise((resolve) => setTimeout(resolve, 2));
    wire.destroy();
    for (const end = Date.now() + 10_000; server.lines.length === 0 && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 2));
    assert.equal(aborted, true);
    assert.match(server.lines[0] ?? "", /"PUT \/half HTTP\/1\.1" 400 0 /);
    assert.equal(server.lines.length, 1);
    assert.equal(server.listener.outstanding, 0);
    assert.deepEqual(server.errors, []);
  });

  test("ends after each answer when EnableKeepAlive is off", async () => {
    const port = await given(ok, { keepAlive: false });
    const wire = new Wire(port).send(`GET / HTTP/1.1\r\n${host}\r\n`);
    assert.match((await wire.answer()).head, /\r\nConnection: close/);
    await wire.end();
    assert.equal(wire.reset, false);
  });
});

describe("a drain", () => {
  test("that lingers answers the next request on each open connection, with Connection: close", async () => {
    const port = await given(ok);
    const wire = new Wire(port).send(`GET / HTTP/1.1\r\n${host}\r\n`);
    await wire.answer();
    const drained = server.listener.drain("linger", 10);
    await assert.rejects(once(port, `GET / HTTP/1.1\r\n${host}\r\n`), /ended without an answer/);
    const last = await wire.send(`GET / HTTP/1.1\r\n${host}\r\n`).answer();
    assert.equal(last.status, 200);
    assert.match(last.head, /\r\nConnection: close/);
    wire.destroy();
    await drained;
  });

  test("that lingers lets an idle connection live until its idle timeout", async () => {
    const port = await given(ok, { idleTimeout: 1 });
    const wire = new Wire(port).send(`GET / HTTP/1.1\r\n${host}\r\n`);
    await wire.answer();
    const begun = Date.now();
    await server.listener.drain("linger", 10);
    assert.ok(Date.now() - begun > 900, `${Date.now() - begun} ms`);
    await wire.end();
  });

  test("closes idle connections at once and waits for requests under way", async () => {
    let finish: () => void = () => {};
    const port = await given(async (request) => {
      if (request.path[0] === "slow")
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
      return { status: 200, body: "done" };
    });
    const idle = new Wire(port).send(`GET / HTTP/1.1\r\n${host}\r\n`);
    await idle.answer();
    const busy = new Wire(port).send(`GET /slow HTTP/1.1\r\n${host}\r\n`);
    for (; server.listener.outstanding === 0; ) await new Promise((resolve) => setTimeout(resolve, 2));
    let over = false;
    const drained = server.listener.drain("close", 10).then(() => {
      over = true;
    });
    await idle.end();
    assert.equal(over, false);
    finish();
    const answer = await busy.answer();
    assert.equal(answer.body, "done");
    assert.match(answer.head, /\r\nConnection: close/);
    busy.destroy();
    await drained;
  });

  test("cuts off what is not finished after its patience", async () => {
    const port = await given(() => new Promise(() => {}));
    const wire = new Wire(port).send(`GET / HTTP/1.1\r\n${host}\r\n`);
    for (; server.listener.outstanding === 0; ) await new Promise((resolve) => setTimeout(resolve, 2));
    await server.listener.drain("close", 0.1);
    await wire.end();
  });
});
