import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { bodyOf } from "../../src/http/body.ts";
import { HttpError, type HttpRequest } from "../../src/http/message.ts";
import { Refusal } from "../../src/model/refusal.ts";

const request = (body: Readable, headers: Record<string, string> = {}): HttpRequest => ({
  method: "PUT",
  rawPath: "/a",
  path: ["a"],
  query: new URLSearchParams(),
  headers,
  body,
  signal: new AbortController().signal,
  remote: "127.0.0.1",
  secure: false,
  log: { user: "-", report: undefined, items: [] },
});
const status = (expected: number) => (error: unknown) => error instanceof HttpError && error.status === expected;

test("a body up to the limit is read", async () => {
  assert.equal((await bodyOf(request(Readable.from([Buffer.from("12345")])), 5)).toString(), "12345");
});

test("a body over the limit is 413, or max-resource-size where CalDAV says so", async () => {
  await assert.rejects(bodyOf(request(Readable.from([Buffer.from("123456")])), 5), status(413));
  await assert.rejects(
    bodyOf(request(Readable.from([Buffer.from("123456")])), 5, "max-resource-size"),
    (error) => error instanceof Refusal && error.reason.code === "max-resource-size" && error.reason.limit === 5,
  );
});

test("a Content-Length over the limit is refused before the body is asked for", async () => {
  const body = new Readable({
    read: () => {
      throw new Error("was read");
    },
  });
  await assert.rejects(bodyOf(request(body, { "content-length": "6" }), 5), status(413));
});

test("a compressed body is 415 and says what is understood", async () => {
  const body = Readable.from([Buffer.from("x")]);
  await assert.rejects(
    bodyOf(request(body, { "content-encoding": "gzip" }), 5),
    (error) => status(415)(error) && error instanceof HttpError && error.headers["Accept-Encoding"] === "identity",
  );
  assert.equal((await bodyOf(request(body, { "content-encoding": "Identity" }), 5)).toString(), "x");
});

test("a client that goes away leaves a 400 behind, not a crash", async () => {
  const body = new PassThrough();
  const reading = bodyOf(request(body), 5);
  body.destroy();
  await assert.rejects(reading, status(400));
});
