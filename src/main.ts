import cluster from "node:cluster";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { become, identityOf, PrivilegeError } from "./base/privileges.ts";
import { describeProblem, loadConfigFile } from "./config/load.ts";
import type { Config } from "./config/schema.ts";
import { type CommandLine, exitUsage, readCommandLine, UsageError, usage } from "./process/command-line.ts";
import { inBackground, reportFailure, reportReady, startInBackground } from "./process/daemon.ts";
import { type Launch, runCombined, runSingle, StartError } from "./process/run.ts";
import { processSettings } from "./process/settings.ts";
import { runWorker, type ServerFactory } from "./process/worker.ts";

// Until a role has its own: by default this signal opens Node's debugger.
process.on("SIGUSR1", () => {});

/** Loaded only by the process that serves: a master needs neither the store nor the protocol. */
const create: ServerFactory<Config> = async (config, options) =>
  (await import("./server.ts")).createServer(config, options);

const usualConfigFile = "/etc/caldavd/caldavd.plist";

const shipped = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** -f, else the usual place, else the example that comes with the program. A relative path is looked for in the working
 *  folder, then beside the program, so that `-f plist/caldavd-test.plist` means the same from anywhere. */
const configFileOf = ({ configFile }: CommandLine): string => {
  if (configFile === undefined) return existsSync(usualConfigFile) ? usualConfigFile : shipped("plist/caldavd.plist");
  if (isAbsolute(configFile) || existsSync(configFile) || !existsSync(shipped(configFile))) return configFile;
  return shipped(configFile);
};

const main = async (): Promise<void> => {
  const line = readCommandLine(process.argv.slice(2));
  if (line.help) {
    process.stdout.write(usage);
    return;
  }
  const identity = identityOf(line.user, line.group);
  if (identity !== undefined) become(identity);

  const path = configFileOf(line);
  const background = inBackground();
  const foreground = line.foreground && !background;
  const load = async (): Promise<{ readonly launch: Launch<Config>; readonly warnings: readonly string[] }> => {
    const { config, problems, warnings } = await loadConfigFile(path, line.overrides);
    if (problems.length > 0) throw new StartError(problems.map(describeProblem));
    return { launch: { config, settings: processSettings(config, availableParallelism(), foreground) }, warnings };
  };
  const { launch, warnings } = await load();
  if (!foreground && !background) {
    process.umask(launch.settings.umask);
    process.stdout.write(`${await startInBackground(launch.settings.errorLogFile)}\n`);
    return;
  }
  const options = {
    launch,
    warnings,
    reload: () =>
      load().then(
        (loaded) => loaded.launch,
        (error: unknown) => [error instanceof Error ? error.message : String(error)],
      ),
    announce: background ? reportReady : (ready: string) => void process.stdout.write(`${ready}\n`),
  };
  const { ProcessType } = launch.config;
  if (ProcessType === "Combined") await runCombined(options);
  else if (ProcessType === "Master") {
    const { runBalancer } = await import("./process/balance.ts");
    await runBalancer(options, launch.config.PythonDirector.ConfigFile);
  } else await runSingle(options, create);
};

if (cluster.isWorker) runWorker(create);
else
  main().catch((error: unknown) => {
    if (error instanceof UsageError || (error instanceof PrivilegeError && process.getuid?.() !== 0)) {
      process.stdout.write(`caldavd: ${error.message}\n${usage}`);
      process.exitCode = exitUsage;
      return;
    }
    const expected = error instanceof StartError || error instanceof PrivilegeError;
    const text = error instanceof Error ? (expected ? error.message : (error.stack ?? error.message)) : String(error);
    if (inBackground()) reportFailure(text);
    process.stderr.write(`${text.replace(/^/gm, "caldavd: ")}\n`);
    process.exitCode = 1;
  });
