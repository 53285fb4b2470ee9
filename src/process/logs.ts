import { dirname } from "node:path";
import { AppendFile, createLogger, type LineSink, type Logger } from "../base/log.ts";
import { AccessLog } from "./access-log.ts";
import { makeFolders, reasonOf } from "./prepare.ts";
import type { ProcessSettings } from "./settings.ts";

/** A log file that cannot be opened: "AccessLogFile: /var/log/caldavd/access.log cannot be opened: permission denied". */
export class LogError extends Error {
  constructor(key: string, path: string, cause: unknown) {
    super(`${key}: ${path} cannot be opened: ${reasonOf(cause)}`, { cause });
    this.name = "LogError";
  }
}

const openErrorLog = async (path: string): Promise<AppendFile> => {
  try {
    makeFolders(dirname(path), 0o750);
    return await AppendFile.open(path, (error) => process.stderr.write(`caldavd: ${path}: ${reasonOf(error)}\n`));
  } catch (error) {
    throw new LogError("ErrorLogFile", path, error);
  }
};

/** Both logs, as the one process that writes them has them open. */
export class Logs {
  readonly log: Logger;
  private settings: ProcessSettings;
  private errors: AppendFile | undefined;
  private access: AccessLog | undefined;
  private complaint = 0;

  private constructor(settings: ProcessSettings, errors: AppendFile | undefined) {
    this.settings = settings;
    this.errors = errors;
    const sink: LineSink = { write: (line) => this.error(line) };
    this.log = createLogger(sink, { level: settings.logLevel, levels: settings.logLevels });
  }

  /** Throws LogError. */
  static async open(settings: ProcessSettings): Promise<Logs> {
    const { errorLogFile } = settings;
    // A reader that closed our standard output must not take the server down.
    process.stdout.on("error", () => {});
    process.stderr.on("error", () => {});
    const logs = new Logs(settings, errorLogFile === undefined ? undefined : await openErrorLog(errorLogFile));
    logs.access = await logs.openAccessLog(settings);
    return logs;
  }

  /** Lines for the error log: from this process, or from a worker. */
  error(lines: string | Uint8Array): void {
    if (this.errors === undefined) process.stdout.write(lines);
    else this.errors.write(lines);
  }

  /** Whole lines for the access log. */
  readonly accessed = (lines: string | Uint8Array): void => {
    this.access?.write(lines);
  };

  /** Opens both files anew: after a rotation by somebody else. */
  async reopen(): Promise<void> {
    await Promise.all([this.errors?.reopen(), this.access?.reopen()]);
  }

  /** Goes over to the files of new settings, where they differ. Throws LogError and keeps the old ones. */
  async apply(settings: ProcessSettings): Promise<void> {
    const { errors, access } = this;
    if (settings.errorLogFile !== undefined && settings.errorLogFile !== this.settings.errorLogFile) {
      this.errors = await openErrorLog(settings.errorLogFile);
      await errors?.close();
    }
    if (
      settings.accessLogFile !== this.settings.accessLogFile ||
      settings.rotateAccessLog !== this.settings.rotateAccessLog
    ) {
      this.access = await this.openAccessLog(settings);
      await access?.close();
    }
    this.settings = settings;
  }

  /** Writes the last marker line and closes both. */
  async close(): Promise<void> {
    await this.access?.close();
    await this.errors?.close();
    this.access = undefined;
    this.errors = undefined;
  }

  private async openAccessLog(settings: ProcessSettings): Promise<AccessLog | undefined> {
    const { accessLogFile, rotateAccessLog } = settings;
    if (accessLogFile === undefined) return undefined;
    try {
      makeFolders(dirname(accessLogFile), 0o750);
      return await AccessLog.open(accessLogFile, { rotate: rotateAccessLog, onError: (error) => this.failed(error) });
    } catch (error) {
      throw new LogError("AccessLogFile", accessLogFile, error);
    }
  }

  /** A full disk fails every line: one complaint a minute is enough. */
  private failed(error: Error): void {
    if (Date.now() - this.complaint < 60_000) return;
    this.complaint = Date.now();
    this.log.error("the access log cannot be written", { error });
  }
}
