import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { BodyAborted, BodyTooLarge, joined, readAll, yieldToLoop } from "../../src/base/stream.ts";

async function collect(source: AsyncIterable<string>): Promise<string[]> {
  const chunks: string[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return chunks;
}

test("small strings are joined into chunks of the size asked for, nothing lost", async () => {
  function* parts(): Generator<string> {
    for (let i = 0; i < 1000; i++) yield `<part n="${i}"/>`;
  }
  const chunks = await collect(joined(parts(), 1000));
  assert.equal(chunks.join(""), [...parts()].join(""));
  for (const chunk of chunks.slice(0, -1)) assert.ok(chunk.length >= 1000 && chunk.length < 1020);
});

test("an empty source gives no chunk", async () => {
  assert.deepEqual(await collect(joined([])), []);
});

test("the event loop has its turn between chunks", async () => {
  let turns = 0;
  let running = true;
  const count = (): void => {
    turns += 1;
    if (running) setImmediate(count);
  };
  setImmediate(count);
  async function* parts(): AsyncGenerator<string> {
    for (let i = 0; i < 100; i++) yield "x".repeat(100);
  }
  const chunks = await collect(joined(parts(), 1000));
  running = false;
  assert.equal(chunks.length, 10);
  assert.ok(turns >= 9, `${turns} turns`);
  await yieldToLoop();
});

test("a reader that stops closes the source", async () => {
  let closed = false;
  function* parts(): Generator<string> {
    try {
      for (;;) yield "x".repeat(50);
    } finally {
      closed = true;
    }
  }
  for await (const chunk of joined(parts(), 100)) {
    assert.equal(chunk.length, 100);
    break;
  }
  assert.ok(closed);
});

test("a body is read whole, in one piece or many", async () => {
  assert.equal((await readAll(Readable.from([Buffer.from("one")]), 10)).toString(), "one");
  assert.equal((await readAll(Readable.from([Buffer.from("one"), Buffer.from("two")]), 6)).toString(), "onetwo");
  assert.equal((await readAll(Readable.from([]), 0)).length, 0);
});

test("a body one byte over the limit is refused with the limit, and the stream is left alone", async () => {
  const stream = new PassThrough();
  stream.write("12345");
  stream.write("6");
  await assert.rejects(readAll(stream, 5), (error) => error instanceof BodyTooLarge && error.limit === 5);
  assert.equal(stream.destroyed, false);
});

test("a body that breaks off is no body", async () => {
  const stream = new PassThrough();
  stream.write("12345");
  const reading = readAll(stream, 100);
  stream.destroy();
  await assert.rejects(reading, BodyAborted);
  const failing = new PassThrough();
  const other = readAll(failing, 100);
  failing.destroy(new Error("reset"));
  await assert.rejects(other, BodyAborted);
});

test("an aborted signal ends the reading", async () => {
  const controller = new AbortController();
  const reading = readAll(new PassThrough(), 100, controller.signal);
  controller.abort();
  await assert.rejects(reading, BodyAborted);
  await assert.rejects(readAll(new PassThrough(), 100, controller.signal), BodyAborted);
});
