// A client that polls the ctag of one calendar all the time, in a process of its own, and knows how long it waited.
// argv: port, path, Authorization. Told anything over IPC it answers what it saw since then, and begins anew.
import { connect } from "node:net";

const [port, path, authorization] = process.argv.slice(2);
const body =
  '<propfind xmlns="DAV:"><prop><getctag xmlns="http://calendarserver.org/ns/"/><sync-token/></prop></propfind>';
const request = [
  `PROPFIND ${path} HTTP/1.1`,
  "Host: localhost",
  `Authorization: ${authorization}`,
  "Depth: 0",
  "Content-Type: application/xml",
  `Content-Length: ${body.length}`,
  "",
  body,
].join("\r\n");

let waits = [];
let problems = [];
let sent = 0;
let received = "";
let socket;

function ask() {
  sent = performance.now();
  received = "";
  socket.write(request);
}

function open() {
  socket = connect(Number(port), "127.0.0.1");
  socket.setNoDelay(true).setEncoding("latin1");
  socket.on("connect", ask);
  socket.on("data", (text) => {
    received += text;
    const head = received.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(received.slice(0, head))?.[1] ?? Number.NaN);
    if (Number.isNaN(length) ? !received.endsWith("\r\n0\r\n\r\n") : received.length < head + 4 + length) return;
    waits.push(performance.now() - sent);
    if (!received.startsWith("HTTP/1.1 207 ")) problems.push(received.slice(0, 300));
    setTimeout(ask, 1);
  });
  socket.on("error", (error) => problems.push(error.message));
  // A server closes a connection now and then; only one that takes long to come back matters, and that shows in the wait.
  socket.on("close", () => setTimeout(open, 1));
}
open();

process.on("message", () => {
  const sorted = waits.sort((a, b) => a - b);
  // A poll that is still unanswered counts with what it has waited so far.
  const pending = socket.readyState === "open" && received === "" ? performance.now() - sent : 0;
  process.send?.({
    polls: sorted.length,
    worst: Math.max(sorted.at(-1) ?? 0, pending),
    median: sorted[sorted.length >> 1] ?? 0,
    problems,
  });
  waits = [];
  problems = [];
});
process.on("disconnect", () => process.exit(0));
