import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Answer, basic } from "../support/http-client.ts";
import { event } from "./calendar-texts.ts";
import { RawSocket } from "./raw-socket.ts";
import { caldav, type Expected, path, Siege } from "./siege.ts";

describe("hostile HTTP is refused or bounded, and no other request waits", () => {
  let siege: Siege;
  before(async () => {
    siege = await Siege.begin();
  });
  after(() => siege?.end());

  const head = (method: string, target: string, ...more: readonly string[]): string =>
    [`${method} ${target} HTTP/1.1`, "Host: localhost", `Authorization: ${basic("user04")}`, ...more, "", ""].join(
      "\r\n",
    );
  /** Sends 100 MB, or as much as the server wants to have. */
  async function upload(opening: string, frame: (chunk: Buffer) => Buffer): Promise<Answer> {
    const socket = new RawSocket(siege.server.port);
    const chunk = frame(Buffer.alloc(65_536, "A"));
    let more = await socket.write(opening);
    for (let sent = 0; more && sent < 100_000_000; sent += 65_536) more = await socket.write(chunk);
    const { status, text } = await socket.answer();
    socket.destroy();
    return { status, headers: {}, text: text.slice(text.indexOf("\r\n\r\n") + 4) };
  }
  const tooLarge: Expected = { status: 403, condition: `{${caldav}}max-resource-size`, says: /12000000/ };
  const calendarType = "Content-Type: text/calendar";

  test("100 MB with a Content-Length are refused before they are sent", async (t) => {
    const opening = head("PUT", `${path}huge.ics`, calendarType, "Content-Length: 100000000");
    siege.judge(await siege.watched(t, () => upload(opening, (chunk) => chunk)), tooLarge);
  });
  test("100 MB in chunks are refused at the limit", async (t) => {
    const opening = head("PUT", `${path}huge.ics`, calendarType, "Transfer-Encoding: chunked");
    const framed = (chunk: Buffer): Buffer =>
      Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n")]);
    siege.judge(await siege.watched(t, () => upload(opening, framed)), tooLarge);
  });
  test("a client that waits for 100 Continue is told so before it sends 100 MB", async (t) => {
    const socket = new RawSocket(siege.server.port);
    await socket.write(
      head("PUT", `${path}huge.ics`, calendarType, "Content-Length: 100000000", "Expect: 100-continue"),
    );
    const { status } = await siege.watched(t, () => socket.answer());
    socket.destroy();
    assert.equal(status, 403);
  });
  test("100 MB of XML are refused", async (t) => {
    const opening = head("PROPFIND", path, "Depth: 0", "Content-Type: text/xml", "Content-Length: 100000000");
    siege.judge(await siege.watched(t, () => upload(opening, (chunk) => chunk)), { status: 413 });
  });

  const heads: readonly (readonly [string, () => string, number])[] = [
    [
      "one header field of 10 MB",
      () => `GET / HTTP/1.1\r\nHost: localhost\r\nX-Bomb: ${"a".repeat(10_000_000)}\r\n\r\n`,
      431,
    ],
    ["10,000 header fields", () => head("GET", path, ...Array.from({ length: 10_000 }, (_, n) => `X-${n}: 1`)), 431],
    ["300 small header fields", () => head("GET", path, ...Array.from({ length: 300 }, (_, n) => `X-${n}: 1`)), 431],
    ["a path of 60,000 characters", () => head("GET", `${path}${"a".repeat(60_000)}`), 404],
    ["a path of 20,000 segments", () => head("GET", `/${"a/".repeat(20_000)}`), 404],
    ["a path that climbs out", () => head("GET", "/calendars/../../../etc/passwd"), 400],
    ["a path that climbs out, encoded", () => head("GET", "/calendars/%2e%2e/%2e%2e/etc/passwd"), 400],
    ["a path with NUL", () => head("GET", `${path}a%00.ics`), 400],
    [
      "10,000 ranges",
      () => head("GET", `${path}e1.ics`, `Range: bytes=${Array.from({ length: 10_000 }, () => "0-").join(",")}`),
      200,
    ],
    [
      "an If header of 5,000 conditions",
      () => head("PUT", `${path}e1.ics`, "Content-Length: 0", `If: ${"(<urn:x>)".repeat(5_000)}`),
      412,
    ],
    ["an If-Match of 20,000 tags", () => head("GET", `${path}e1.ics`, `If-Match: ${'"a",'.repeat(15_000)}"b"`), 412],
    ["two lengths", () => head("PUT", `${path}x.ics`, "Content-Length: 3", "Content-Length: 4"), 400],
    ["a length and chunks", () => head("PUT", `${path}x.ics`, "Content-Length: 3", "Transfer-Encoding: chunked"), 400],
    ["what is not HTTP", () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
  ];
  for (const [what, text, status] of heads)
    test(`a request with ${what}: ${status}`, async (t) => {
      const socket = new RawSocket(siege.server.port);
      const answer = await siege.watched(t, async () => {
        await socket.write(Buffer.from(text(), "latin1"));
        return socket.answer();
      });
      socket.destroy();
      assert.equal(answer.status, status, answer.text.slice(0, 1000));
    });

  test("300 clients that send their header a byte at a time are cut off with 408", async (t) => {
    const sockets = Array.from({ length: 300 }, () => new RawSocket(siege.server.port));
    const begun = performance.now();
    const drip = setInterval(() => {
      for (const socket of sockets) if (!socket.ended && socket.received === "") socket.socket.write("X");
    }, 1000);
    const answers = await siege.watched(t, async () => {
      for (const socket of sockets) await socket.write("GET / HTTP/1.1\r\nX-Slow: ");
      return Promise.all(sockets.map((socket) => socket.answer(60_000)));
    });
    clearInterval(drip);
    for (const socket of sockets) socket.destroy();
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [408]);
    assert.ok(performance.now() - begun < 40_000, `only after ${performance.now() - begun} ms`);
  });

  test("300 clients that never finish their body delay nobody", async (t) => {
    const sockets = Array.from({ length: 300 }, () => new RawSocket(siege.server.port));
    const opening = head("PUT", `${path}slow.ics`, calendarType, "Content-Length: 1000", "X-Slow: 1");
    await siege.watched(t, async () => {
      for (const socket of sockets) await socket.write(`${opening}BEGIN`);
      siege.judge(await siege.put("meanwhile.ics", event("meanwhile")), { status: 201 });
    });
    for (const socket of sockets) socket.destroy();
  });

  test("after all of it the server is well", (t) => siege.assertWell(t));
});
