import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { basic, Client } from "../support/http-client.ts";
import { type Server, startServer, until } from "../support/server.ts";
import { Bystander } from "./bystander.ts";
import { event } from "./calendar-texts.ts";

const megabyte = 1 << 20;
const size = 100 * megabyte;
const piece = Buffer.alloc(64 << 10, "0123456789abcdef");

const home = (user: string): string => `/calendars/users/${user}/`;

let server: Server;
let one = "";
before(async () => {
  server = await startServer({
    workers: 1,
    settings: {
      MaximumAttachmentSize: 110 * megabyte,
      MaximumAttachmentsTotalSize: 300 * megabyte,
      UserQuota: 400 * megabyte,
    },
  });
  one = `${home("user01")}calendar/one.ics`;
  const client = new Client(server, "user01");
  for (const user of ["user01", "user02"])
    await new Client(server, user).ask("PROPFIND", home(user), { headers: { depth: "0" } });
  const put = await client.ask("PUT", one, { headers: { "content-type": "text/calendar" }, body: event("one") });
  assert.equal(put.status, 201, put.text);
});
after(() => server.stop());

const open = (method: string, path: string, headers: Readonly<Record<string, string>>, user = "user01") =>
  request({ host: server.host, port: server.port, method, path, headers: { authorization: basic(user), ...headers } });

const add = (headers: Readonly<Record<string, string>>) =>
  open("POST", `${one}?action=attachment-add`, {
    "content-type": "video/mp4",
    "content-disposition": 'attachment; filename="film.mp4"',
    ...headers,
  });

/** Sends so many bytes as fast as they are taken. */
async function send(upload: ReturnType<typeof open>, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes; sent += piece.length) if (!upload.write(piece)) await once(upload, "drain");
}

const answerTo = async (upload: ReturnType<typeof open>): Promise<IncomingMessage> => {
  const [answer] = (await once(upload, "response")) as [IncomingMessage];
  return answer;
};

const memory = async (): Promise<number> =>
  Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${server.workers()[0]}/status`, "utf8"))?.[1]) * 1024;
const staged = () => readdir(join(server.documents, ".staging"));

describe("100 MB", () => {
  test("go up and come down in pieces: memory does not grow with them, and nobody else waits", async () => {
    const bystander = new Bystander(server, `${home("user02")}calendar/`, "user02");
    try {
      const before = await memory();
      let most = before;
      const watch = setInterval(() => void memory().then((now) => (most = Math.max(most, now))), 20);
      await until("a poll", async () => (await bystander.seen()).polls > 0 || undefined);
      const upload = add({ "content-length": `${size}` });
      await send(upload, size);
      upload.end();
      const answer = await answerTo(upload);
      answer.resume();
      assert.equal(answer.statusCode, 201);
      const { pathname } = new URL(answer.headers.location ?? "");
      const up = await bystander.seen();
      const download = open("GET", pathname, {});
      download.end();
      const film = await answerTo(download);
      const sum = createHash("md5");
      let bytes = 0;
      for await (const chunk of film as AsyncIterable<Buffer>) {
        sum.update(chunk);
        bytes += chunk.length;
      }
      const down = await bystander.seen();
      clearInterval(watch);
      assert.deepEqual([film.statusCode, bytes, film.headers["content-length"]], [200, size, `${size}`]);
      assert.equal(film.headers.etag, `"${sum.digest("hex")}"`);
      assert.ok(most - before < 80 * megabyte, `${(most - before) / megabyte} MB of memory`);
      for (const seen of [up, down]) {
        assert.deepEqual(seen.problems, []);
        assert.ok(seen.polls > 10, `${seen.polls} polls`);
        assert.ok(seen.median < 20, `a poll took ${seen.median} ms`);
        assert.ok(seen.busiest < 60, `the loop was held for ${seen.busiest} ms`);
      }
    } finally {
      bystander.end();
    }
  });
});

describe("an upload", () => {
  test("that breaks off leaves nothing", async () => {
    const client = new Client(server, "user01");
    const before = (await client.ask("GET", one)).text;
    const upload = add({ "content-length": `${size}` });
    upload.on("error", () => {});
    await send(upload, 5 * megabyte);
    await until("a staged file", async () => (await staged()).length > 0 || undefined);
    upload.destroy();
    await until("its end", async () => (await staged()).length === 0 || undefined);
    assert.equal((await client.ask("GET", one)).text, before);
  });
  test("that is too large is refused before a byte of it is sent", async () => {
    const upload = add({ "content-length": `${111 * megabyte}`, expect: "100-continue" });
    let continued = false;
    upload.on("continue", () => {
      continued = true;
    });
    upload.flushHeaders();
    const answer = await answerTo(upload);
    const text = Buffer.concat(await answer.toArray()).toString();
    assert.equal(answer.statusCode, 403);
    assert.match(text, /max-attachment-size/);
    assert.equal(continued, false);
    upload.destroy();
  });
  test("of unknown length is cut off at the limit", async () => {
    const upload = add({ "transfer-encoding": "chunked" });
    upload.on("error", () => {});
    const answered = answerTo(upload);
    let done = false;
    void answered.then(() => {
      done = true;
    });
    for (let sent = 0; !done && sent < 130 * megabyte; sent += piece.length)
      if (!upload.write(piece)) await Promise.race([once(upload, "drain"), answered]);
    const answer = await answered;
    assert.equal(answer.statusCode, 403);
    answer.resume();
    upload.destroy();
    await until("its end", async () => (await staged()).length === 0 || undefined);
  });
});
