import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { request } from "node:http";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { isRunning, pidIn } from "../base/processes.ts";
import type { Config } from "../config/schema.ts";
import { newestDump } from "../directory/delegate-dumps.ts";
import { delegatesPath } from "../directory/delegates.ts";
import { type Call, type Command, numberOf, operandsOf, Problems } from "./command.ts";
import { type Cell, factsText } from "./table.ts";

/** Exit status of `status` when there is no server, as the Linux Standard Base has it. */
const stopped = 3;

/** The process id of the running server's master. Throws Problems when the configuration has no pid file. */
function runningPid({ PIDFile }: Config): number | undefined {
  if (PIDFile === null) throw new Problems(["PIDFile: there is none, so the server cannot be found"]);
  const pid = pidIn(PIDFile);
  return pid !== undefined && isRunning(pid) ? pid : undefined;
}

function signal(pid: number, name: "SIGTERM" | "SIGHUP" | "SIGUSR1"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) throw error;
    throw new Problems([`process ${pid} belongs to another user: only that user and root may signal it`]);
  }
}

const wait = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

export const startCommand: Command = {
  name: "start",
  operands: [""],
  about: "start the server in the background",
  help: `The same as caldavd -f FILE with the options of this call (-c, -o). Returns when the
server accepts connections; the status is 1 and the reason is printed if it cannot.
It is no error if it runs already.
`,
  async run(call) {
    operandsOf(call, 0);
    const config = await call.config();
    const pid = config.PIDFile === null ? undefined : runningPid(config);
    if (pid !== undefined) {
      call.print(`caldavd runs already, process ${pid}\n`);
      return 0;
    }
    return start(call);
  },
};

/** Beside this file: built, or as it stands. */
const program = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../main.ts" : "../main.js", import.meta.url));

async function start({ configFile, overrides }: Call): Promise<number> {
  const options = overrides.flatMap((option) => ["-o", option]);
  const child = spawn(process.execPath, [...process.execArgv, program, "-f", configFile, ...options], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}

export const stopCommand: Command = {
  name: "stop",
  operands: ["[--timeout SECONDS]"],
  about: "stop the server when the requests under way are answered",
  help: `Returns when it is gone. The status is 1 if it still runs after --timeout seconds (60).
It is no error if it does not run.
`,
  options: { timeout: { type: "string" } },
  async run(call) {
    operandsOf(call, 0);
    return stop(call, await call.config());
  },
};

async function stop(call: Call, config: Config): Promise<number> {
  const seconds = numberOf(call, "timeout", 60, [0, 3600]);
  const pid = runningPid(config);
  if (pid === undefined) {
    call.print("caldavd does not run\n");
    return 0;
  }
  signal(pid, "SIGTERM");
  for (const end = Date.now() + seconds * 1000; isRunning(pid); await wait(50))
    if (Date.now() > end) throw new Problems([`process ${pid} still runs after ${seconds} s`]);
  call.print("caldavd has stopped\n");
  return 0;
}

export const restartCommand: Command = {
  name: "restart",
  operands: ["[--timeout SECONDS]"],
  about: "stop the server and start it again",
  help: `For the few keys that a running server does not take up; "caladmin reload" is better
for all others. With a configuration that is wrong the server is not stopped.
`,
  options: { timeout: { type: "string" } },
  async run(call) {
    operandsOf(call, 0);
    const code = await stop(call, await call.config());
    return code === 0 ? start(call) : code;
  },
};

export const reloadCommand: Command = {
  name: "reload",
  operands: [""],
  about: "let the running server read its configuration again",
  help: `Its workers are exchanged one by one; no request fails. A configuration that is wrong
is told here, and the server goes on as before.
`,
  async run(call) {
    operandsOf(call, 0);
    const pid = runningPid(await call.config());
    if (pid === undefined) throw new Problems(["caldavd does not run"]);
    signal(pid, "SIGHUP");
    call.print(`process ${pid} reads its configuration; the error log tells the outcome\n`);
    return 0;
  },
};

export const statusCommand: Command = {
  name: "status",
  operands: [""],
  about: "whether the server runs",
  help: `The status is 0 if it runs, ${stopped} if it does not.
`,
  async run(call) {
    operandsOf(call, 0);
    const pid = runningPid(await call.config());
    const facts = [
      ["state", pid === undefined ? "stopped" : "running"],
      ["process", pid],
    ] as const;
    call.print(
      call.format === "plain"
        ? pid === undefined
          ? "caldavd does not run\n"
          : `caldavd runs, process ${pid}\n`
        : factsText(facts, call.format),
    );
    return pid === undefined ? stopped : 0;
  },
};

export const fullstatusCommand: Command = {
  name: "fullstatus",
  operands: [""],
  about: "the running server: processes, addresses, files; whether it answers",
  help: `As status, and since when, the workers' processes, where it listens, the milliseconds it
takes to answer, the files it uses, and the newest daily copy of the delegate
database. The status is 0 if it runs and answers, 1 if it runs and does not, ${stopped} if
it does not run.
`,
  async run(call) {
    operandsOf(call, 0);
    const config = await call.config();
    const pid = runningPid(config);
    const answered = pid === undefined ? undefined : await answerTime(config);
    const database = await delegatesPath({ documentRoot: config.DocumentRoot, dataRoot: config.DataRoot });
    const facts: (readonly [string, Cell])[] = [
      ["state", pid === undefined ? "stopped" : "running"],
      ["process", pid],
      ["since", pid === undefined ? undefined : sinceOf(config)],
      ["workers", pid === undefined ? undefined : childrenOf(pid).join(" ") || "none"],
      ["processType", config.ProcessType],
      ["address", `http://${config.ServerHostName}:${config.HTTPPort}/`],
      ["answersInMilliseconds", answered === undefined ? undefined : answered],
      ["configFile", call.configFile],
      ["documentRoot", config.DocumentRoot],
      ["dataRoot", config.DataRoot],
      ["delegateDatabase", database],
      ["delegateCopy", await newestDump(dirname(database))],
      ["pidFile", config.PIDFile ?? undefined],
      ["accessLog", config.AccessLogFile ?? undefined],
      ["errorLog", config.ErrorLogFile ?? undefined],
    ];
    call.print(factsText(facts, call.format));
    if (pid === undefined) return stopped;
    if (answered !== undefined) return 0;
    call.say("problem: the server runs, but does not answer");
    return 1;
  },
};

/** When the pid file was written: at the start. */
const sinceOf = ({ PIDFile }: Config): string | undefined =>
  PIDFile === null ? undefined : statSync(PIDFile, { throwIfNoEntry: false })?.mtime.toISOString();

/** Processes that the master started, as far as the system tells. */
function childrenOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean);
  } catch {
    return [];
  }
}

/** Milliseconds of an OPTIONS request; undefined when there is no answer within five seconds. */
function answerTime({ BindAddresses, BindHTTPPorts, HTTPPort }: Config): Promise<number | undefined> {
  const host = BindAddresses[0] ?? "";
  const began = performance.now();
  return new Promise((done) => {
    const asked = request(
      {
        host: ["", "0.0.0.0", "::"].includes(host) ? "127.0.0.1" : host,
        port: BindHTTPPorts[0] ?? HTTPPort,
        method: "OPTIONS",
        path: "/",
        timeout: 5000,
        agent: false,
      },
      (answer) => {
        answer.resume();
        done(Math.round(performance.now() - began));
      },
    );
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => done(undefined));
    asked.end();
  });
}
