import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ProcessSettings } from "../../src/process/settings.ts";

const fixture = fileURLToPath(new URL("fixture-server.ts", import.meta.url));

/** Asks again every few milliseconds until `look` gives something; fails after `seconds`. */
export const until = async <T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  seconds = 15,
): Promise<T> => {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export const get = (
  port: number,
  path: string,
  options: { readonly agent?: Agent; readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { agent, method = "GET", headers = {} } = options;
    const sent = httpRequest(
      { host: "127.0.0.1", port, path, method, headers, ...(agent === undefined ? {} : { agent }) },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
        response.on("error", reject);
        response.on("aborted", () => reject(new Error("the answer broke off")));
      },
    );
    sent.on("error", reject);
    sent.end();
  });

/** Children of a process that are workers. */
export const workersOf = (pid: number): readonly number[] => {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ");
    return children.filter((child) => child !== "" && isWorker(Number(child))).map(Number);
  } catch {
    return [];
  }
};

export const isAlive = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.[0] !== "Z";
  } catch {
    return false;
  }
};

// A worker just forked shows its file; later, its title.
const isWorker = (pid: number): boolean => {
  try {
    return /caldavd: worker|fixture-server/.test(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
  } catch {
    return false;
  }
};

/** A server process under test. */
export class Running {
  readonly folder = mkdtempSync(join(tmpdir(), "caldavd-process-"));
  readonly path = join(this.folder, "settings.json");
  output = "";
  port = 0;
  exit: number | string | undefined;
  child!: ChildProcess;

  write(
    settings: Partial<ProcessSettings>,
    config: Readonly<Record<string, unknown>> = {},
    broken?: readonly string[],
  ): void {
    const all: ProcessSettings = {
      serverHostName: "localhost",
      addresses: [{ host: "127.0.0.1", port: 0 }],
      backlog: 511,
      processCount: 2,
      scheduler: "LeastConnections",
      stagger: 0,
      maxConnections: 600,
      idleTimeout: 1,
      retryAfter: 180,
      keepAlive: true,
      extendedLog: true,
      rotateAccessLog: false,
      accessLogFile: join(this.folder, "logs", "access.log"),
      errorLogFile: join(this.folder, "logs", "error.log"),
      logLevel: "info",
      logLevels: {},
      pidFile: join(this.folder, "caldavd.pid"),
      umask: 0o027,
      userName: "",
      groupName: "",
      documentRoot: join(this.folder, "Documents"),
      dataRoot: join(this.folder, "Data"),
      ...settings,
    };
    writeFileSync(this.path, JSON.stringify({ settings: all, config: { greeting: "hello", ...config }, broken }));
  }

  launch(): void {
    this.child = spawn(
      process.execPath,
      [...process.execArgv.filter((word) => word !== "--test"), fixture, this.path],
      {
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    this.child.on("close", (code, signal) => {
      this.exit = code ?? signal ?? "";
    });
  }

  /** Starts it and waits for the ready line. */
  async start(settings: Partial<ProcessSettings> = {}, config: Readonly<Record<string, unknown>> = {}): Promise<this> {
    this.write(settings, config);
    this.launch();
    const ready = await until("the ready line", () => {
      if (this.exit !== undefined) throw new Error(`it ended with ${this.exit}: ${this.output}`);
      return /ready on http:\/\/127\.0\.0\.1:(\d+)\//.exec(this.output) ?? undefined;
    });
    this.port = Number(ready[1]);
    return this;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  ended(seconds?: number): Promise<number | string> {
    return until("its end", () => this.exit, seconds);
  }

  /** Process ids of its workers, those that are leaving included. */
  workers(): readonly number[] {
    return workersOf(this.child.pid ?? 0);
  }

  /** The `n` of every line of the access log, in order. */
  loggedNumbers(): readonly number[] {
    return this.accessLines().flatMap((line) => {
      const number = /[?]n=(\d+) /.exec(line)?.[1];
      return number === undefined ? [] : [Number(number)];
    });
  }

  /** Lines of the access log but its markers. */
  accessLines(): readonly string[] {
    const lines = readFileSync(join(this.folder, "logs", "access.log"), "utf8").split("\n");
    return lines.filter((line) => line !== "" && !line.startsWith("Log "));
  }

  errorLog(): string {
    return readFileSync(join(this.folder, "logs", "error.log"), "utf8");
  }

  async remove(): Promise<void> {
    if (this.exit === undefined && this.child.pid !== undefined) {
      this.child.kill("SIGKILL");
      await this.ended();
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** `count` clients, each with one kept-alive connection, asking one after the other until stopped. */
export class Load {
  sent = 0;
  /** Numbers of the requests that were answered: `n` in their query. */
  readonly answered: number[] = [];
  readonly failures: string[] = [];
  private stopped = false;
  private readonly clients: Promise<void>[] = [];

  constructor(port: number, count: number) {
    for (let i = 0; i < count; i++) this.clients.push(this.run(port));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.clients);
  }

  /** Resolves when so many more requests are answered. */
  async more(count: number): Promise<void> {
    const aim = this.answered.length + count;
    await until(`${count} more answers`, () => this.answered.length >= aim, 60);
  }

  private async run(port: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!this.stopped) {
      const number = ++this.sent;
      try {
        const answer = await get(port, `/?n=${number}`, { agent });
        if (answer.status === 200) this.answered.push(number);
        else this.failures.push(`status ${answer.status}`);
      } catch (error) {
        this.failures.push(error instanceof Error ? error.message : String(error));
      }
    }
    agent.destroy();
  }
}
