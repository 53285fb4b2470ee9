import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { acceptsGzip, compressed } from "../../src/http/compress.ts";
import type { Body, HttpResponse } from "../../src/http/message.ts";

const gzip = { "accept-encoding": "gzip, deflate" };
const long = "<D:href>/calendars/</D:href>".repeat(200);
const answer = (body: Body, headers: Record<string, string> = {}): HttpResponse => ({
  status: 207,
  headers: { "Content-Type": "application/xml; charset=utf-8", ETag: '"abc"', ...headers },
  body,
});

async function bytesOf(body: Body | undefined): Promise<Buffer> {
  if (body === undefined) return Buffer.alloc(0);
  if (typeof body === "string" || body instanceof Uint8Array) return Buffer.from(body);
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

test("gzip is used when it is accepted and not liked less than nothing", () => {
  for (const yes of [
    "gzip",
    "x-gzip",
    "deflate, GZIP;q=0.5",
    "*",
    "gzip;q=1.0, identity;q=0.5",
    "br, *;q=0.1",
    "gzip ; q=0.001",
  ])
    assert.equal(acceptsGzip({ "accept-encoding": yes }), true, yes);
  for (const no of ["", "identity", "gzip;q=0", "gzip;q=0.000", "*;q=0", "br", "*, gzip;q=0", "gzip;q=0.4, identity"])
    assert.equal(acceptsGzip({ "accept-encoding": no }), false, no);
  assert.equal(acceptsGzip({}), false);
});

test("a long XML answer is compressed, keeps its ETag and varies", async () => {
  const response = await compressed(gzip, answer(long, { "Content-Length": "1" }));
  assert.equal(response.headers?.["Content-Encoding"], "gzip");
  assert.equal(response.headers?.["Vary"], "Accept-Encoding");
  assert.equal(response.headers?.["ETag"], '"abc"');
  assert.equal(response.headers?.["Content-Length"], undefined);
  const bytes = await bytesOf(response.body);
  assert.ok(bytes.length < long.length / 10);
  assert.equal(gunzipSync(bytes).toString(), long);
});

test("calendars are compressed, pictures, parts, short and encoded answers are not", async () => {
  const of = async (response: HttpResponse): Promise<unknown> =>
    (await compressed(gzip, response)).headers?.["Content-Encoding"];
  assert.equal(await of(answer(Buffer.from(long), { "Content-Type": "text/calendar" })), "gzip");
  assert.equal(await of(answer(long, { "Content-Type": "application/calendar+xml" })), "gzip");
  assert.equal(await of(answer(long, { "Content-Type": "image/png" })), undefined);
  assert.equal(await of(answer("short")), undefined);
  assert.equal(await of(answer(long, { "Content-Encoding": "br" })), "br");
  assert.equal(await of({ ...answer(long), status: 206 }), undefined);
  assert.equal(await of({ status: 204 }), undefined);
});

test("an answer that could have been compressed says so to caches", async () => {
  const response = await compressed({}, answer(long, { Vary: "Prefer" }));
  assert.equal(response.headers?.["Vary"], "Prefer, Accept-Encoding");
  assert.equal(response.body, long);
});

test("a streamed answer is compressed as it comes", async () => {
  let closed = false;
  async function* parts(): AsyncGenerator<string> {
    try {
      for (let i = 0; i < 100; i += 1) yield `${long}ü${i}`;
    } finally {
      closed = true;
    }
  }
  const expected = Array.from({ length: 100 }, (_, i) => `${long}ü${i}`).join("");
  const response = await compressed(gzip, answer(parts()));
  assert.equal(response.headers?.["Content-Encoding"], "gzip");
  assert.equal(gunzipSync(await bytesOf(response.body)).toString(), expected);
  assert.ok(closed);
});

test("a stream that ends at once is sent as it is, with a known length", async () => {
  async function* parts(): AsyncGenerator<string | Uint8Array> {
    yield "a";
    yield Buffer.from("b");
  }
  const response = await compressed(gzip, answer(parts()));
  assert.equal(response.headers?.["Content-Encoding"], undefined);
  assert.equal(String(response.body), "ab");
});

test("a source that fails fails the answer, and a reader that stops closes the source", async () => {
  async function* failing(): AsyncGenerator<string> {
    yield long;
    throw new Error("gone");
  }
  const broken = await compressed(gzip, answer(failing()));
  await assert.rejects(bytesOf(broken.body), /gone/);

  let closed: () => void = () => {};
  const closing = new Promise<void>((resolve) => {
    closed = resolve;
  });
  async function* endless(): AsyncGenerator<string> {
    try {
      for (let i = 0; ; i += 1) yield `${long}${Math.sin(i)}`;
    } finally {
      closed();
    }
  }
  const response = await compressed(gzip, answer(endless()));
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    assert.ok(chunk.length > 0);
    break;
  }
  await closing;
});
