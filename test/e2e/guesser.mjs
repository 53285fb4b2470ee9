// Guesses passwords, in a process of its own, as fast as it is answered: argv port, user, guesses, connections. Prints what the
// answers were as JSON: how many of each status, and how many 429 came without Retry-After.
import { Agent, request } from "node:http";
import { setPriority } from "node:os";

const [port, user, guesses, connections] = process.argv.slice(2);
// Whoever guesses has a processor of his own somewhere else; here he must not take it from the server.
setPriority(19);
const statuses = {};
let withoutRetry = 0;
let sent = 0;

const ask = (agent, password) =>
  new Promise((resolve, reject) => {
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
    const path = `/calendars/users/${user}/`;
    request(
      { host: "127.0.0.1", port, agent, method: "PROPFIND", path, headers: { depth: "0", authorization } },
      (answer) => {
        statuses[answer.statusCode] = (statuses[answer.statusCode] ?? 0) + 1;
        if (answer.statusCode === 429 && !(Number(answer.headers["retry-after"]) >= 1)) withoutRetry++;
        answer.resume();
        answer.on("end", resolve);
      },
    )
      .on("error", reject)
      .end();
  });

await Promise.all(
  Array.from({ length: Number(connections) }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (sent < Number(guesses)) await ask(agent, `guess ${sent++}`);
    agent.destroy();
  }),
);
console.log(JSON.stringify({ statuses, withoutRetry }));
