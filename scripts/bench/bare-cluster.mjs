// The most a cluster of node:http can do on this machine: workers that answer a fixed body and nothing else. argv: workers.
// Prints its port.
import cluster from "node:cluster";
import { createServer } from "node:http";

const workers = Number(process.argv[2]);
if (cluster.isPrimary) {
  for (let n = 0; n < workers; n++) cluster.fork();
  let listening = 0;
  cluster.on("listening", (_worker, { port }) => {
    listening++;
    if (listening === workers) console.log(port);
  });
  process.on("SIGTERM", () => process.exit(0));
} else {
  const body = Buffer.from(
    `<?xml version="1.0" encoding="utf-8"?>\n<multistatus xmlns="DAV:"><!--${"x".repeat(620)}--></multistatus>\n`,
  );
  const headers = { "Content-Type": "application/xml; charset=utf-8", "Content-Length": body.length };
  createServer((request, response) => {
    request.resume();
    response.writeHead(207, headers);
    response.end(body);
  }).listen({ port: 0, host: "127.0.0.1" });
}
