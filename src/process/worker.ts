import cluster from "node:cluster";
import { Socket } from "node:net";
import { createLogger, type Logger } from "../base/log.ts";
import type { Handler } from "../http/message.ts";
import { LinePipe } from "./line-pipe.ts";
import { type DrainMode, Listener } from "./listener.ts";
import { tidyWhenIdle } from "./memory.ts";
import { accessLogFd, type FromWorker, type Job, patience, type ToWorker } from "./protocol.ts";
import type { ProcessSettings } from "./settings.ts";
import type { TlsMaterial } from "./tls-files.ts";
import { product } from "./version.ts";

/** What a worker tells the server it builds. */
export interface ServerOptions {
  readonly worker: number;
  readonly startId: string;
  readonly log: Logger;
  /** Passes plain data on to the other workers, soon. */
  readonly tell: (news: unknown) => void;
}

/** A server without sockets: what `createServer` of src/server.ts gives. */
export interface RunningServer {
  readonly handle: Handler;
  /** Gives back memory that only makes repeated requests faster. */
  tidy?(): void;
  /** What another worker passed on. */
  hear?(news: unknown): void;
  close(): Promise<void>;
}

export type ServerFactory<C> = (config: C, options: ServerOptions) => Promise<RunningServer>;

/** A server that takes connections, in this process. */
export interface Service {
  readonly listener: Listener;
  /** See `RunningServer`. */
  tidy(): void;
  /** See `RunningServer`. */
  hear(news: unknown): void;
  /** Drains the listener, then closes the server. */
  stop(mode: DrainMode, patience: number): Promise<void>;
}

/** Builds the server and what reads requests for it. Rejects when the server cannot be built. */
export const serve = async <C>(
  create: ServerFactory<C>,
  config: C,
  options: ServerOptions,
  settings: ProcessSettings,
  tls: TlsMaterial | undefined,
  accessLog: (line: string) => void,
): Promise<Service> => {
  const server = await create(config, options);
  const listener = new Listener(
    server.handle,
    {
      worker: options.worker,
      product,
      maxConnections: settings.maxConnections,
      retryAfter: settings.retryAfter,
      idleTimeout: settings.idleTimeout,
      keepAlive: settings.keepAlive,
      extendedLog: settings.extendedLog,
    },
    accessLog,
    options.log.named("http"),
    tls,
  );
  return {
    listener,
    tidy: () => server.tidy?.(),
    hear: (news) => server.hear?.(news),
    async stop(mode, seconds) {
      await listener.drain(mode, seconds);
      await server.close();
    },
  };
};

/** News passed on together; what comes beyond is dropped. */
const maxNews = 200;

const tell = (message: FromWorker): void => {
  if (process.connected) process.send?.(message);
};

/** A forked worker: waits for its job, serves, and ends when it is told to, or when its master is gone. Takes over the process:
 *  signals, uncaught errors, exit codes. */
export const runWorker = <C>(create: ServerFactory<C>): void => {
  process.title = "caldavd: worker";
  // A terminal sends Ctrl-C and hang-ups to every process of a group; what they mean is the master's decision.
  // SIGUSR1 would open Node's debugger.
  for (const signal of ["SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const) process.on(signal, () => {});
  const errors = new LinePipe(2);
  let log: Logger = createLogger(errors, { level: "warn" });
  let service: Service | undefined;
  let leaving: Promise<void> | undefined;

  const leave = (mode: DrainMode, seconds: number, code: number): Promise<void> => {
    leaving ??= (async () => {
      tell({ type: "leaving" });
      try {
        await service?.stop(mode, seconds);
      } catch (error) {
        log.error("the server could not be closed in good order", { error });
      }
      process.exit(code);
    })();
    return leaving;
  };

  process.on("SIGTERM", () => void leave("close", patience, 0));
  process.on("uncaughtException", (error) => {
    log.error("an error that nothing caught: this worker ends", { error });
    void leave("close", 2, 1);
  });
  process.on("unhandledRejection", (error) => log.error("a promise failed and nothing waited for it", { error }));
  cluster.worker?.on("disconnect", () => {
    // Without this, node:cluster would end the process in the midst of its requests.
    if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
    void leave("close", patience, 0);
  });

  const start = async ({ worker, startId, settings, tls, config }: Job): Promise<void> => {
    process.title = `caldavd: worker ${worker}`;
    process.umask(settings.umask);
    log = createLogger(errors, { level: settings.logLevel, levels: settings.logLevels, fields: { worker } });
    const lines = new LinePipe(accessLogFd);
    try {
      // The master sends what its own `createServer` expects; structured cloning has kept it whole.
      const options = { worker, startId, log, tell: (one: unknown) => passOn(one) };
      service = await serve(create, config as C, options, settings, tls, (line) => lines.write(line));
      tell({ type: "ready" });
      tidyWhenIdle(service.listener, service.tidy);
    } catch (error) {
      log.error("this worker cannot serve", { error });
      process.exitCode = 1;
      const message = error instanceof Error ? error.message : String(error);
      process.send?.({ type: "failed", message } satisfies FromWorker, () => process.exit(1));
    }
  };

  let news: unknown[] = [];
  const passOn = (one: unknown): void => {
    // Together, as below; and more than this nobody needs to know at once.
    if (news.length === 0)
      setTimeout(() => {
        tell({ type: "news", news });
        news = [];
      }, 20);
    if (news.length < maxNews) news.push(one);
  };
  let ended = 0;
  const countEnd = (): void => {
    // Together: the master only counts, and a few milliseconds later is as good.
    if (ended++ === 0)
      setTimeout(() => {
        tell({ type: "ended", count: ended });
        ended = 0;
      }, 20);
  };
  const adopt = (id: number, socket: unknown, secure: boolean): void => {
    tell({ type: "took", id });
    // A client that was gone before its connection arrived here leaves no socket.
    if (!(socket instanceof Socket) || socket.destroyed) countEnd();
    else {
      socket.once("close", countEnd);
      if (service === undefined) socket.destroy();
      else service.listener.adopt(socket, secure);
    }
  };

  process.on("message", (message: ToWorker, socket: unknown) => {
    if (message.type === "connection") adopt(message.id, socket, message.secure);
    else if (message.type === "start") void start(message.job);
    else if (message.type === "news") for (const one of message.news) service?.hear(one);
    else void leave(message.mode, message.patience, 0);
  });
  tell({ type: "here" });
};
