import { randomUUID } from "node:crypto";
import type { Logger } from "../base/log.ts";
import { type Identity, workerIdentity } from "../base/privileges.ts";
import { LineCollector } from "./line-pipe.ts";
import { LogError, Logs } from "./logs.ts";
import { AlreadyRunning, removePidFile, writePidFile } from "./pid-file.ts";
import { prepare, reasonOf } from "./prepare.ts";
import { patience } from "./protocol.ts";
import type { ListenAddress, ProcessSettings } from "./settings.ts";
import { urlOf } from "./settings.ts";
import { Supervisor } from "./supervisor.ts";
import { loadTls, type TlsMaterial } from "./tls-files.ts";
import { type ServerFactory, type Service, serve } from "./worker.ts";

/** A configuration that may be started: the keys for processes, and all of it for the server. */
export interface Launch<C> {
  readonly settings: ProcessSettings;
  readonly config: C;
}

/** How a process role is run by main. */
export interface RunOptions<C> {
  readonly launch: Launch<C>;
  /** Reads the plist again (SIGHUP): what to go on with, or all that is wrong with it. */
  readonly reload: () => Promise<Launch<C> | readonly string[]>;
  /** Gets the ready line, once. */
  readonly announce: (line: string) => void;
  /** Sentences from reading the configuration, for the error log. */
  readonly warnings: readonly string[];
}

/** Something to tell the administrator before an exit with status 1; no stack is of use. */
export class StartError extends Error {
  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join("\n"), options);
    this.name = "StartError";
  }
}

export const readyLine = (addresses: readonly ListenAddress[], workers: number): string =>
  `caldavd: ready on ${addresses.map(urlOf).slice(0, 1).join("")} (${workers} workers)`;

/** What both roles have in common: folders, logs, pid file. */
export const begin = async <C>({ launch, warnings }: RunOptions<C>, identity: Identity | undefined): Promise<Logs> => {
  const { settings } = launch;
  if (settings.addresses.length === 0)
    throw new StartError(["HTTPPort: is 0, and so is SSLPort: there is nothing to listen on"]);
  process.umask(settings.umask);
  const findings = prepare(settings, identity);
  if (findings.problems.length > 0) throw new StartError(findings.problems);
  const { pidFile } = settings;
  if (pidFile !== undefined) {
    try {
      writePidFile(pidFile);
    } catch (error) {
      if (error instanceof AlreadyRunning) throw new StartError([`PIDFile: ${error.message}`], { cause: error });
      throw new StartError([`PIDFile: ${pidFile} cannot be written: ${reasonOf(error)}`], { cause: error });
    }
  }
  let logs: Logs;
  try {
    logs = await Logs.open(settings);
  } catch (error) {
    if (pidFile !== undefined) removePidFile(pidFile);
    if (error instanceof LogError) throw new StartError([error.message], { cause: error });
    throw error;
  }
  for (const warning of [...warnings, ...findings.warnings]) logs.log.warn(warning);
  return logs;
};

/** Certificates and keys, read by who may read them; undefined without TLS. Throws Error with a sentence. */
const certificates = async ({ tls }: ProcessSettings, log: Logger): Promise<TlsMaterial | undefined> => {
  if (tls === undefined) return undefined;
  const material = await loadTls(tls);
  for (const warning of material.warnings) log.warn(warning);
  return material;
};

/** Undoes `begin` when the rest of the start fails. */
export const fail = async (logs: Logs, pidFile: string | undefined, error: unknown): Promise<never> => {
  if (pidFile !== undefined) removePidFile(pidFile);
  await logs.close();
  throw new StartError([error instanceof Error ? error.message : String(error)], { cause: error });
};

/** The last steps of a process that served. */
export const end = async (logs: Logs, pidFile: string | undefined, code: number): Promise<never> => {
  if (pidFile !== undefined) removePidFile(pidFile);
  await logs.close();
  process.exit(code);
};

/** Calls `stop` on the first TERM or INT, and `now` on a second. */
export const onStop = (stop: () => void, now: () => void): void => {
  let asked = false;
  const signalled = (): void => {
    if (asked) now();
    else {
      asked = true;
      stop();
    }
  };
  process.on("SIGTERM", signalled);
  process.on("SIGINT", signalled);
};

/** ProcessType Combined: this process becomes the master of ProcessCount workers. Resolves when all of them listen; the process
 *  then lives until a signal ends it. Throws StartError. */
export const runCombined = async <C>(options: RunOptions<C>): Promise<void> => {
  process.title = "caldavd: master";
  const { launch } = options;
  const identity = workerIdentity(launch.settings.userName, launch.settings.groupName);
  const logs = await begin(options, identity);
  const { log } = logs;
  const { pidFile } = launch.settings;
  let collector: LineCollector;
  let tls: TlsMaterial | undefined;
  try {
    tls = await certificates(launch.settings, log);
    collector = new LineCollector(logs.accessed);
  } catch (error) {
    return fail(logs, pidFile, error);
  }
  const supervisor = new Supervisor(
    { ...launch, tls, identity },
    { log, accessLogFd: collector.fd, output: (lines) => logs.error(lines) },
  );

  let stopping = false;
  const stop = async (code: number): Promise<void> => {
    stopping = true;
    await supervisor.stop();
    await collector.close();
    await end(logs, pidFile, code);
  };
  onStop(
    () => void stop(0),
    () => {
      supervisor.kill();
      if (pidFile !== undefined) removePidFile(pidFile);
      process.exit(1);
    },
  );
  process.on("SIGUSR1", () => void logs.reopen());
  process.on("uncaughtException", (error) => {
    log.error("an error that nothing caught: the server stops", { error });
    void stop(1);
  });

  let started: Promise<unknown> = Promise.resolve();
  const reload = async (): Promise<void> => {
    await started;
    const next = await options.reload();
    if (!("settings" in next)) {
      log.error("the configuration was not reloaded: it has problems", { problems: next });
      return;
    }
    const nextIdentity = workerIdentity(next.settings.userName, next.settings.groupName);
    const findings = prepare(next.settings, nextIdentity);
    if (findings.problems.length > 0) {
      log.error("the configuration was not reloaded: it has problems", { problems: findings.problems });
      return;
    }
    let nextTls: TlsMaterial | undefined;
    try {
      nextTls = await certificates(next.settings, log);
    } catch (error) {
      log.error("the configuration was not reloaded: it has problems", { problems: [reasonOf(error)] });
      return;
    }
    process.umask(next.settings.umask);
    await logs.apply(next.settings);
    const failure = await supervisor.roll({ ...next, tls: nextTls, identity: nextIdentity });
    if (failure === undefined) log.info("the configuration was reloaded", { workers: next.settings.processCount });
    else log.error("the configuration was not reloaded: a worker could not serve with it", { failure });
  };
  let reloading: Promise<void> = Promise.resolve();
  process.on("SIGHUP", () => {
    reloading = reloading
      .then(reload)
      .catch((error: unknown) => log.error("the configuration was not reloaded", { error }));
  });

  const start = supervisor.start();
  started = start.catch(() => {});
  try {
    const addresses = await start;
    if (!stopping) options.announce(readyLine(addresses, launch.settings.processCount));
  } catch (error) {
    // A signal during the start is no failure; `stop` ends the process.
    if (stopping) return;
    await collector.close();
    await fail(logs, pidFile, error);
  }
};

/** ProcessType Slave and Single: this process serves by itself and writes its own logs. Resolves when it listens; the process
 *  then lives until a signal ends it. A hang-up reopens nothing and changes nothing: a Slave is restarted by whoever started
 *  it. Throws StartError. */
export const runSingle = async <C>(options: RunOptions<C>, create: ServerFactory<C>): Promise<void> => {
  process.title = "caldavd: server";
  const { settings, config } = options.launch;
  const logs = await begin(options, undefined);
  const { log } = logs;
  const addresses: ListenAddress[] = [];
  let service: Service;
  try {
    const tls = await certificates(settings, log);
    service = await serve(
      create,
      config,
      { worker: 1, startId: randomUUID(), log, tell: () => {} },
      settings,
      tls,
      logs.accessed,
    );
    for (const { host, port, secure = false } of settings.addresses)
      addresses.push({ host, port: await service.listener.listen(port, host, settings.backlog, secure), secure });
  } catch (error) {
    return fail(logs, settings.pidFile, error);
  }
  const stop = async (code: number, seconds: number): Promise<void> => {
    await service.stop("close", seconds);
    await end(logs, settings.pidFile, code);
  };
  onStop(
    () => void stop(0, patience),
    () => process.exit(1),
  );
  process.on("SIGUSR1", () => void logs.reopen());
  process.on("SIGHUP", () =>
    log.warn("a server that runs as a single process reads its configuration only at its start"),
  );
  process.on("unhandledRejection", (error) => log.error("a promise failed and nothing waited for it", { error }));
  process.on("uncaughtException", (error) => {
    log.error("an error that nothing caught: the server stops", { error });
    void stop(1, 2);
  });
  options.announce(readyLine(addresses, 1));
};
