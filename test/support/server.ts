import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface ServerOptions {
  /** Worker processes. Default 2, so that what two workers can do wrong shows on every machine. */
  readonly workers?: number;
  /** More `-o Key=Value`. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Folder with Documents and Data; made and removed with the server when absent. */
  readonly root?: string;
  /** Default plist/caldavd-test.plist. */
  readonly plist?: string;
  /** More environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default a free one. */
  readonly port?: number;
}

/** A server process of a test. */
export interface Server {
  readonly host: string;
  readonly port: number;
  /** Without a final "/". */
  readonly url: string;
  readonly pid: number;
  readonly root: string;
  readonly documents: string;
  readonly data: string;
  /** The home of a user by short name. */
  home(user: string): string;
  /** Process ids of the workers that live now. */
  workers(): readonly number[];
  /** All that was printed so far. */
  output(): string;
  /** The lines that have arrived. An answer is often here before its line: `accessed` waits for it. */
  accessLog(): Promise<readonly string[]>;
  /** What has arrived. A worker's line may come after its answer: `logged` waits for it. */
  errorLog(): Promise<string>;
  /** Lines of the access log that match, in their order: waits until there are `count`. */
  accessed(pattern: RegExp, count?: number): Promise<readonly [string, ...string[]]>;
  /** Lines of the error log that match, in their order: waits until there are `count`. */
  logged(pattern: RegExp, count?: number): Promise<readonly [string, ...string[]]>;
  signal(name: NodeJS.Signals): void;
  /** TERM, then waits for the end. Answers the exit code. Files stay. */
  halt(): Promise<number | null>;
  /** Starts it again on the same files and port. */
  restart(options?: ServerOptions): Promise<Server>;
  /** Halts it and removes its files (if they are its own). */
  stop(): Promise<void>;
}

/** A port nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  probe.close();
  await once(probe, "close");
  return port;
}

// A test that fails before it stops its server must neither hang nor leave anything behind; a restarted one has the files of
// the first.
const leftOver = new Set<() => void>();
process.once("exit", () => {
  for (const end of leftOver) end();
});

const startTimeout = 60_000;
const stopTimeout = 60_000;

/** `scripts/test` builds first and says so: what is installed is tested, and workers need not compile. A test run by hand takes
 *  the source as it stands. */
const program =
  process.env["CALDAVD_TEST_BUILT"] === undefined
    ? ["--import", "tsx", join(repository, "src/main.ts")]
    : [join(repository, "dist/main.js")];

/** Starts the server in the foreground on a store of its own, and resolves at its ready line. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const root = options.root ?? (await mkdtemp(join(tmpdir(), "caldavd-e2e-")));
  const documents = join(root, "Documents");
  const data = join(root, "Data");
  await mkdir(documents, { recursive: true, mode: 0o750 });
  await mkdir(data, { recursive: true, mode: 0o750 });
  const port = options.port ?? (await freePort());
  const settings = {
    HTTPPort: port,
    DocumentRoot: documents,
    DataRoot: data,
    "MultiProcess/ProcessCount": options.workers ?? 2,
    ...options.settings,
  };
  const child = spawn(
    process.execPath,
    [
      ...program,
      "-X",
      ...["-f", options.plist ?? join(repository, "plist/caldavd-test.plist")],
      ...Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${plistText(value)}`]),
    ],
    // NODE_TEST_CONTEXT would make the server's processes believe that they are tests.
    {
      cwd: repository,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env },
    },
  );
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      // CALDAVD_TEST_OUTPUT=1 shows what servers of tests print, while somebody looks for a cause.
      if (process.env["CALDAVD_TEST_OUTPUT"] !== undefined) process.stderr.write(text);
    });
  leftOver.add(() => {
    child.kill("SIGKILL");
    if (options.root === undefined) rmSync(root, { recursive: true, force: true });
  });
  await ready(child, () => printed);
  hold(child, false);
  const server: Server = {
    host: "127.0.0.1",
    port,
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    root,
    documents,
    data,
    home: (user) => join(documents, "calendars/users", user),
    workers: () => workersOf(child.pid ?? 0),
    output: () => printed,
    accessLog: () => linesOf(join(data, "access.log")),
    errorLog: async () => printed + (await readFile(join(data, "error.log"), "utf8").catch(() => "")),
    accessed: (pattern, count = 1) => arrived("access", () => server.accessLog(), pattern, count),
    logged: (pattern, count = 1) => arrived("error", async () => (await server.errorLog()).split("\n"), pattern, count),
    signal: (name) => void child.kill(name),
    halt: () => halt(child),
    restart: async (more = {}) => {
      await halt(child);
      return startServer({ ...options, ...more, root, port });
    },
    stop: async () => {
      await halt(child);
      if (options.root === undefined) await rm(root, { recursive: true, force: true });
    },
  };
  return server;
}

// `-o` takes booleans as the original did.
const plistText = (value: string | number | boolean): string =>
  value === true ? "True" : value === false ? "False" : `${value}`;

async function linesOf(path: string): Promise<readonly string[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}

/** Lines that match, as soon as there are `count`: workers' lines come to the files through pipes of the master. */
const arrived = (
  log: string,
  read: () => Promise<readonly string[]>,
  pattern: RegExp,
  count: number,
): Promise<readonly [string, ...string[]]> =>
  until(`${count} lines with ${pattern} in the ${log} log`, async () => {
    const [first, ...more] = (await read()).filter((line) => pattern.test(line));
    return first !== undefined && more.length + 1 >= count && ([first, ...more] as const);
  });

/** Resolves at the ready line; rejects with what was printed when the process ends before it, or takes too long. */
function ready(child: ChildProcess, printed: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (problem: string | undefined): void => {
      clearTimeout(deadline);
      for (const stream of [child.stdout, child.stderr]) stream?.off("data", look);
      child.off("exit", ended);
      if (problem === undefined) resolve();
      else reject(new Error(`${problem}:\n${printed()}`));
    };
    const look = (): void => {
      if (/^caldavd: ready on /m.test(printed())) settle(undefined);
    };
    const ended = (code: number | null, signal: string | null): void =>
      settle(`the server ended (${code ?? signal}) before it was ready`);
    const deadline = setTimeout(() => {
      child.kill("SIGKILL");
      settle(`the server was not ready after ${startTimeout} ms`);
    }, startTimeout);
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", look);
    child.on("exit", ended);
  });
}

/** Whether this process stays alive as long as the child does. */
function hold(child: ChildProcess, held: boolean): void {
  for (const handle of [child, child.stdout, child.stderr])
    if (handle instanceof Socket || handle === child) held ? handle.ref() : handle.unref();
}

async function halt(child: ChildProcess): Promise<number | null> {
  hold(child, true);
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const cut = setTimeout(() => child.kill("SIGKILL"), stopTimeout);
    await ended;
    clearTimeout(cut);
  }
  return child.exitCode;
}

/** Children that run the server; esbuild, which tsx starts, is none. */
function workersOf(master: number): readonly number[] {
  try {
    const children = readFileSync(`/proc/${master}/task/${master}/children`, "utf8").trim();
    return children
      .split(" ")
      .filter((pid) => pid !== "" && /main\.ts|caldavd: worker/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8")))
      .map(Number);
  } catch {
    // One of them ended in the midst of it.
    return [];
  }
}

/** Asks again and again until `check` gives something that is not undefined or false; an error names what was waited for. */
export async function until<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  milliseconds = 10_000,
): Promise<T> {
  const end = performance.now() + milliseconds;
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`waited ${milliseconds} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
