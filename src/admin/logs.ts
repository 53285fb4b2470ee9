import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { type Call, type Command, numberOf, operandsOf, Problems, UsageError } from "./command.ts";
import { tableText } from "./table.ts";

export const logsCommand: Command = {
  name: "logs",
  operands: ["[--log access|error] [--filter TEXT] [-n LINES]", "--summary [--filter TEXT]"],
  about: "show a log, filtered; or what the access log says in numbers",
  help: `  --log access|error  which one; access without it
  --filter TEXT       only lines with TEXT in them, any case
  -n, --lines LINES   only the last so many
  --summary           of the access log: requests by method, how many were answered
                      (OK), refused (BAD, 4xx) or failed (ISE, 5xx), their bytes and
                      milliseconds
`,
  options: {
    log: { type: "string" },
    filter: { type: "string" },
    lines: { type: "string", short: "n" },
    summary: { type: "boolean" },
  },
  async run(call) {
    operandsOf(call, 0);
    const which = call.value("log") ?? "access";
    if (which !== "access" && which !== "error")
      throw new UsageError(`there is no log ${which}, only access and error`);
    const config = await call.config();
    const path = which === "access" ? config.AccessLogFile : config.ErrorLogFile;
    if (path === null) throw new Problems([`the ${which} log is switched off`]);
    if (call.flag("summary")) {
      if (which === "error") throw new UsageError("--summary is of the access log");
      return summarise(call, path);
    }
    const lines = numberOf(call, "lines", Number.MAX_SAFE_INTEGER, [1, 10_000_000]);
    if (call.value("lines") === undefined) {
      for await (const line of matching(call, path)) await printed(`${line}\n`);
      return 0;
    }
    // A ring of the last ones: the file may be large.
    const last: string[] = [];
    let at = 0;
    for await (const line of matching(call, path)) {
      last[at] = line;
      at = (at + 1) % lines;
    }
    call.print([...last.slice(at), ...last.slice(0, at)].map((line) => `${line}\n`).join(""));
    return 0;
  },
};

/** Waits while the reader is slower than the file. */
const printed = (text: string): Promise<void> | undefined =>
  process.stdout.write(text) ? undefined : new Promise((done) => process.stdout.once("drain", () => done()));

async function* matching(call: Call, path: string): AsyncGenerator<string> {
  const filter = call.value("filter")?.toLowerCase();
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  const failed = new Promise<never>((_, reject) => {
    file.once("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" ? new Problems([`${path}: there is no such log yet`]) : error),
    );
  });
  const opened = new Promise<void>((done) => {
    file.once("ready", done);
  });
  await Promise.race([opened, failed]);
  failed.catch(() => undefined);
  for await (const line of createInterface({ input: file, crlfDelay: Number.POSITIVE_INFINITY }))
    if (filter === undefined || line.toLowerCase().includes(filter)) yield line;
}

interface Sums {
  requests: number;
  ok: number;
  bad: number;
  ise: number;
  bytes: number;
  most: number;
  milliseconds: number;
  slowest: number;
}

// `"GET /path HTTP/1.1" 200 1234 "referer" "agent" i=1 t=12.3 or=1`; a report's name stands in parentheses behind the method.
const entry = /"([A-Z]+)(?:\([^)]*\))? [^"]* HTTP\/[\d.]+" (\d{3}) (\d+) /;
const time = / t=(\d+(?:\.\d+)?)/;

async function summarise(call: Call, path: string): Promise<number> {
  const methods = new Map<string, Sums>();
  for await (const line of matching(call, path)) {
    const [, method, status, bytes] = entry.exec(line) ?? [];
    if (method === undefined || status === undefined) continue;
    const sums = methods.get(method) ?? {
      requests: 0,
      ok: 0,
      bad: 0,
      ise: 0,
      bytes: 0,
      most: 0,
      milliseconds: 0,
      slowest: 0,
    };
    methods.set(method, sums);
    sums.requests++;
    sums[status >= "500" ? "ise" : status >= "400" ? "bad" : "ok"]++;
    sums.bytes += Number(bytes);
    sums.most = Math.max(sums.most, Number(bytes));
    const took = Number(time.exec(line)?.[1] ?? 0);
    sums.milliseconds += took;
    sums.slowest = Math.max(sums.slowest, took);
  }
  const rows = [...methods]
    .sort(([, a], [, b]) => b.requests - a.requests)
    .map(([method, sums]) => [
      method,
      ...[sums.requests, sums.ok, sums.bad, sums.ise],
      ...[Math.round(sums.bytes / sums.requests), sums.most],
      ...[Number((sums.milliseconds / sums.requests).toFixed(1)), sums.slowest],
    ]);
  const columns = ["method", "num", "numOK", "numBAD", "numISE", "averageBytes", "maxBytes", "averageTime", "maxTime"];
  call.print(tableText({ columns, rows }, call.format));
  return 0;
}
