// A load generator for CalDAV servers, for anyone who has only the repository: `node scripts/bench/run.mjs --help`.
// Every answer is checked; one wrong answer voids the row. CPU is that of the server's process tree, from /proc.
import { writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { bareCluster, durableCreates } from "./limits.mjs";
import { machineBusy, treeOf } from "./processes.mjs";
import { startServer } from "./server.mjs";
import { Target, WrongAnswer } from "./target.mjs";
import { workloads } from "./workloads.mjs";

const help = `usage: node scripts/bench/run.mjs [options]

Starts the built server on a temporary store with two (or one per core) workers, puts it under load, prints a table.

  --workloads LIST   some of: ${Object.keys(workloads).join(", ")}
  --time SECONDS     for each workload; default 3
  --c NUMBER         connections; default 8 (mixed: 16)
  --workers NUMBER   worker processes; default one per core
  --dir FOLDER       where the store is made; default ${tmpdir()}
  --json FILE        the figures for programs
  --url URL          a running server instead; with --pid for its CPU, and
  --user PATTERN     its accounts, %02d stands for 1 to 16; default user%02d
  --password TEXT    their password; default the account's name
  --home PATTERN     their homes; default /calendars/users/{user}/

req/s: answered requests a second. CPU: server ms for one of them. limit: of what the machine can do at all, measured in the
same run: a bare node:http cluster, or for writes files made durable one by one. generator, others: CPUs that this program and
everything else on the machine used meanwhile; where others is not near 0, wall-clock figures say little.`;

const options = {
  workloads: { type: "string" },
  time: { type: "string", default: "3" },
  c: { type: "string", default: "8" },
  workers: { type: "string", default: `${availableParallelism()}` },
  dir: { type: "string", default: tmpdir() },
  json: { type: "string" },
  url: { type: "string" },
  pid: { type: "string" },
  user: { type: "string", default: "user%02d" },
  password: { type: "string" },
  home: { type: "string", default: "/calendars/users/{user}/" },
  help: { type: "boolean", default: false },
};

/** Runs one workload for `seconds` after a short warm-up. Throws a WrongAnswer. */
async function measure(workload, target, pid, { concurrency, seconds }) {
  const { op, finish } = await workload.prepare(target, concurrency);
  const connections = Array.from({ length: concurrency }, () => target.connect());
  const times = [];
  const loop = async (until, kept) => {
    await Promise.all(
      connections.map(async (connection, who) => {
        while (performance.now() < until) {
          const begun = performance.now();
          await op(connection, who);
          kept?.push(performance.now() - begun);
        }
      }),
    );
  };
  await loop(performance.now() + Math.min(1000, seconds * 300), undefined);
  const before = pid === undefined ? undefined : treeOf(pid);
  const ownBefore = process.cpuUsage();
  const busyBefore = machineBusy();
  const begun = performance.now();
  await loop(begun + seconds * 1000, times);
  const took = (performance.now() - begun) / 1000;
  const after = pid === undefined ? undefined : treeOf(pid);
  const own = process.cpuUsage(ownBefore);
  const generator = (own.user + own.system) / 1000;
  const others = machineBusy() - busyBefore - generator - (after === undefined ? 0 : after.cpu - before.cpu);
  for (const connection of connections) connection.close();
  await finish?.();
  times.sort((a, b) => a - b);
  return {
    requests: times.length,
    rate: times.length / took,
    p50: times[times.length >> 1],
    p99: times[Math.floor(times.length * 0.99)],
    worst: times.at(-1),
    cpu: after && (after.cpu - before.cpu) / times.length,
    generator: generator / 1000 / took,
    others: after && Math.max(0, others / 1000 / took),
    resident: after && Math.max(...after.resident),
  };
}

const cell = (value, digits, width) => (value === undefined ? "–" : value.toFixed(digits)).padStart(width);

function row(name, concurrency, figures, limit) {
  const { rate, p50, p99, cpu } = figures;
  return [
    name.padEnd(14),
    `${concurrency}`.padStart(3),
    cell(rate, rate < 100 ? 1 : 0, 9),
    cell(p50, 2, 9),
    cell(p99, 2, 9),
    cell(cpu, 3, 9),
    cell(limit && rate / limit.rate, 2, 9),
    cell(figures.generator, 2, 10),
    cell(figures.others, 2, 7),
  ].join(" ");
}

async function main() {
  const { values } = parseArgs({ options });
  if (values.help) return void console.log(help);
  const names =
    values.workloads?.split(",") ??
    Object.keys(workloads).filter((name) => values.url === undefined || workloads[name].needsCrowd !== true);
  for (const name of names)
    if (!Object.hasOwn(workloads, name)) throw new Error(`there is no workload "${name}"; see --help`);
  const seconds = Number(values.time);
  const workers = Number(values.workers);
  const usual = Number(values.c);
  const own = values.url === undefined ? await startServer({ workers, folder: values.dir }) : undefined;
  const url = values.url === undefined ? undefined : new URL(values.url);
  const pid = own?.pid ?? (values.pid === undefined ? undefined : Number(values.pid));
  const user = (n) => values.user.replace("%02d", `${n}`.padStart(2, "0"));
  const target = new Target({
    host: own?.host ?? url.hostname,
    port: own?.port ?? Number(url.port || 80),
    user,
    password: (name) => values.password ?? name,
    home: (n) => values.home.replace("{user}", user(n)),
    hasCrowd: own !== undefined,
  });
  const results = [];
  try {
    const limits = {
      http: await bareCluster({ workers, concurrency: usual, seconds }),
      creates: await durableCreates({ folder: own?.root ?? values.dir, concurrency: usual, seconds }),
    };
    const told = ({ rate, cpu }) => `${rate.toFixed(0)}/s, ${cpu.toFixed(3)} ms CPU`;
    console.log(`bare node:http cluster, ${workers} workers: ${told(limits.http)}`);
    console.log(`durable file creates, ${usual} at a time: ${told(limits.creates)}\n`);
    console.log("workload         c     req/s    p50 ms    p99 ms    CPU ms  of limit  generator others");
    for (const name of names) {
      const workload = workloads[name];
      const concurrency = workload.concurrency ?? usual;
      try {
        const figures = await measure(workload, target, pid, { concurrency, seconds });
        results.push({ workload: name, concurrency, ...figures });
        console.log(row(name, concurrency, figures, limits[workload.against]));
      } catch (error) {
        if (!(error instanceof WrongAnswer)) throw error;
        results.push({ workload: name, wrong: error.message });
        console.log(`${name.padEnd(14)} WRONG: ${error.message}`);
        process.exitCode = 1;
      }
    }
    if (pid !== undefined) {
      const { resident } = treeOf(pid);
      console.log(`\nlargest process afterwards: ${(Math.max(...resident) / 2 ** 20).toFixed(0)} MB resident`);
    }
    if (values.json !== undefined)
      await writeFile(values.json, `${JSON.stringify({ limits, results }, undefined, 2)}\n`);
  } finally {
    await own?.stop();
  }
}

await main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
