// A whole server with a handler of a few lines: what the tests of this folder start as a real process.
// Its argument names a JSON file with the settings; SIGHUP reads it again. `broken` in it stands for a plist with problems.
import cluster from "node:cluster";
import { readFileSync } from "node:fs";
import type { HttpRequest, HttpResponse } from "../../src/http/message.ts";
import { type Launch, type RunOptions, runCombined, runSingle, StartError } from "../../src/process/run.ts";
import type { ProcessSettings } from "../../src/process/settings.ts";
import { runWorker, type ServerFactory } from "../../src/process/worker.ts";

interface FixtureConfig {
  /** What GET / answers. */
  readonly greeting: string;
  readonly failWith?: string;
  readonly single?: boolean;
}

const create: ServerFactory<FixtureConfig> = async (config, { worker, startId }) => {
  if (config.failWith !== undefined) throw new Error(config.failWith);
  const handle = async (request: HttpRequest): Promise<HttpResponse> => {
    switch (request.path[0]) {
      case "slow":
        await new Promise((resolve) => setTimeout(resolve, Number(request.query.get("ms") ?? "1000")));
        return { status: 200, body: `${config.greeting} slowly` };
      case "worker":
        return { status: 200, headers: { "X-Start": startId }, body: `${worker} ${process.pid} ${process.getuid?.()}` };
      case "throw":
        setTimeout(() => {
          throw new Error("thrown where nothing catches");
        });
        return { status: 200, body: "" };
      default:
        return { status: 200, body: config.greeting };
    }
  };
  return { handle, close: async () => {} };
};

const read = (path: string): Launch<FixtureConfig> | readonly string[] => {
  const { settings, config, broken } = JSON.parse(readFileSync(path, "utf8")) as {
    readonly settings: ProcessSettings;
    readonly config: FixtureConfig;
    readonly broken?: readonly string[];
  };
  return broken ?? { settings, config };
};

if (cluster.isWorker) runWorker(create);
else {
  const path = process.argv[2] ?? "";
  const launch = read(path);
  if (!("settings" in launch)) throw new Error("the first settings must be right");
  const options: RunOptions<FixtureConfig> = {
    launch,
    warnings: [],
    reload: async () => read(path),
    announce: (line) => void process.stdout.write(`${line}\n`),
  };
  const run = launch.config.single === true ? runSingle(options, create) : runCombined(options);
  run.catch((error: unknown) => {
    process.stderr.write(`${error instanceof StartError ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
