// A client that polls the ctag of one calendar all the time, in a process of its own, and knows how long it waited.
// Besides the clock it reads how much CPU time the server's main thread used meanwhile: unlike the clock, that does not depend
// on what else the machine does. argv: port, path, Authorization, process id of the server's one worker.
// Told anything over IPC it answers what it saw since then, and begins anew.
import { readFileSync } from "node:fs";
import { connect } from "node:net";

const [port, path, authorization, worker] = process.argv.slice(2);
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
let busiest = 0;
let problems = [];
let sent = 0;
let cpuBefore = 0;
let received = "";
let socket;

/** Milliseconds of CPU time of the worker's main thread. */
function cpuOfWorker() {
  try {
    return Number(readFileSync(`/proc/${worker}/task/${worker}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  } catch (error) {
    problems.push(`the worker is gone: ${error.message}`);
    return 0;
  }
}

function ask() {
  cpuBefore = cpuOfWorker();
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
    busiest = Math.max(busiest, cpuOfWorker() - cpuBefore);
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
    busiest: Math.max(busiest, pending > 0 ? cpuOfWorker() - cpuBefore : 0),
    median: sorted[sorted.length >> 1] ?? 0,
    problems,
  });
  waits = [];
  busiest = 0;
  problems = [];
});
process.on("disconnect", () => process.exit(0));
