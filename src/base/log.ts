import type { EventEmitter } from "node:events";
import { pino } from "pino";
import sonicBoom from "sonic-boom";

export type Level = "debug" | "info" | "warn" | "error";

/** What stands beside the sentence of a log line. `error` is written with its stack and its causes. */
export type Details = Readonly<Record<string, unknown>>;

/** The error log. A message is one sentence for the administrator; values go into `details`. */
export interface Logger {
  debug(message: string, details?: Details): void;
  info(message: string, details?: Details): void;
  warn(message: string, details?: Details): void;
  error(message: string, details?: Details): void;
  /** True when lines of this level are written: guards work that only a line needs. */
  enabled(level: Level): boolean;
  /** A logger for one part of the server, such as `store.index`. Its level is that of the longest dotted prefix found in
   *  LogLevels, else the default; the name stands in each line. */
  named(namespace: string): Logger;
}

export interface LogOptions {
  readonly level: Level;
  /** LogLevels: namespace to level. */
  readonly levels?: Readonly<Record<string, Level>>;
  /** Fields of every line, such as the worker's number. */
  readonly fields?: Details;
}

/** Where lines go: a file, a pipe, standard output. */
export interface LineSink {
  write(line: string): unknown;
}

/** The level `namespace` has under `levels`: the longest dotted prefix wins. */
export const levelOf = (
  namespace: string,
  levels: Readonly<Record<string, Level>> | undefined,
  fallback: Level,
): Level => {
  for (let prefix = namespace; prefix !== ""; prefix = prefix.slice(0, Math.max(prefix.lastIndexOf("."), 0))) {
    const level = levels !== undefined && Object.hasOwn(levels, prefix) ? levels[prefix] : undefined;
    if (level !== undefined) return level;
  }
  return fallback;
};

/** A logger that writes JSON lines (pino) to `sink`: level, ISO time, the fields, `msg`. */
export const createLogger = (sink: LineSink, options: LogOptions): Logger => {
  const root = pino(
    {
      level: options.level,
      base: { pid: process.pid, ...options.fields },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause, cause: pino.stdSerializers.errWithCause },
    },
    { write: (line: string) => void sink.write(line) },
  );
  const wrap = (target: typeof root): Logger => ({
    debug: (message, details) => (details === undefined ? target.debug(message) : target.debug(details, message)),
    info: (message, details) => (details === undefined ? target.info(message) : target.info(details, message)),
    warn: (message, details) => (details === undefined ? target.warn(message) : target.warn(details, message)),
    error: (message, details) => (details === undefined ? target.error(message) : target.error(details, message)),
    enabled: (level) => target.isLevelEnabled(level),
    named: (namespace) =>
      wrap(root.child({ part: namespace }, { level: levelOf(namespace, options.levels, options.level) })),
  });
  return wrap(root);
};

/** Drops everything: for tests, and until a log is open. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  enabled: () => false,
  named: () => silentLogger,
};

/** A file that only grows, written in the background in the order of the calls. Bytes waiting for a slow or full disk are
 *  bounded by `maxWaiting` (16 MB); beyond it they are dropped and counted. Emits nothing: `onError` hears of failures. */
export class AppendFile {
  readonly path: string;
  private readonly out: sonicBoom.SonicBoom;
  private lost = 0;

  private constructor(path: string, out: sonicBoom.SonicBoom) {
    this.path = path;
    this.out = out;
  }

  /** Opens or creates `path`; throws when that is impossible, also when its folder is missing. Mode 0666 less the umask. */
  static open(path: string, onError: (error: Error) => void = () => {}, maxWaiting = 16 << 20): Promise<AppendFile> {
    return new Promise((resolve, reject) => {
      const out = new sonicBoom.SonicBoom({
        dest: path,
        append: true,
        maxLength: maxWaiting,
        contentMode: "buffer",
      });
      const emitter: EventEmitter = out;
      const file = new AppendFile(path, out);
      emitter.on("drop", () => file.lost++);
      emitter.once("error", reject);
      emitter.once("ready", () => {
        emitter.removeListener("error", reject);
        emitter.on("error", onError);
        resolve(file);
      });
    });
  }

  /** Writes refused because `maxWaiting` bytes were waiting already. */
  get dropped(): number {
    return this.lost;
  }

  write(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    // The declared type says string, but with contentMode "buffer" sonic-boom takes bytes, and only bytes.
    this.out.write(bytes as unknown as string);
  }

  /** Opens the path anew, after the file was renamed away. What was written before the call goes to the old file. */
  reopen(): Promise<void> {
    return new Promise((resolve) => {
      this.flushed(() => {
        const emitter: EventEmitter = this.out;
        const done = (): void => {
          emitter.removeListener("ready", done);
          emitter.removeListener("error", done);
          resolve();
        };
        emitter.on("ready", done);
        emitter.on("error", done);
        this.out.reopen();
      });
    });
  }

  /** Resolves when everything written so far is with the operating system. */
  flush(): Promise<void> {
    return new Promise((resolve) => this.flushed(resolve));
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      const emitter: EventEmitter = this.out;
      emitter.once("close", resolve);
      emitter.once("error", () => resolve());
      this.out.end();
    });
  }

  private flushed(then: () => void): void {
    this.out.flush(() => then());
  }
}
