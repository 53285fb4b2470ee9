import { link, stat, unlink } from "node:fs/promises";
import { AppendFile } from "../base/log.ts";
import { markerLine } from "./access-line.ts";

const dayOf = (date: Date): string => `${date.getFullYear()}_${date.getMonth() + 1}_${date.getDate()}`;
const nextMidnight = (date: Date): number =>
  new Date(date.getFullYear(), date.getMonth(), date.getDate() + 1).getTime();

/** The access log file, written by one process. With `rotate` (RotateAccessLog) the first line of a new local day moves the old
 *  file to `<path>.<Y>_<M>_<D>`, the date of what is in it, without zeros; if that name is taken, writing goes on in the old file. */
export class AccessLog {
  private readonly file: AppendFile;
  private readonly rotate: boolean;
  private readonly now: () => Date;
  private day: string;
  private midnight: number;
  /** Lines that came while the file was being exchanged. */
  private held: (string | Uint8Array)[] | undefined;
  private exchanged: Promise<void> = Promise.resolve();

  private constructor(file: AppendFile, rotate: boolean, now: () => Date, since: Date) {
    this.file = file;
    this.rotate = rotate;
    this.now = now;
    this.day = dayOf(since);
    this.midnight = nextMidnight(since);
    this.held = undefined;
  }

  /** Opens or creates the file and writes the marker line of a start. Throws when the path cannot be written. */
  static async open(
    path: string,
    options: { readonly rotate: boolean; readonly onError?: (error: Error) => void; readonly now?: () => Date },
  ): Promise<AccessLog> {
    const now = options.now ?? (() => new Date());
    // A file left from yesterday is rotated by the first line of today.
    const since = await stat(path).then(
      (stats) => stats.mtime,
      () => now(),
    );
    const file = await AppendFile.open(path, options.onError);
    const log = new AccessLog(file, options.rotate, now, since);
    log.write(markerLine("Log opened - server start", now()));
    return log;
  }

  get path(): string {
    return this.file.path;
  }

  /** Whole lines. */
  write(lines: string | Uint8Array): void {
    if (this.held !== undefined) {
      this.held.push(lines);
      return;
    }
    if (this.rotate && this.now().getTime() >= this.midnight) {
      this.held = [lines];
      this.exchanged = this.exchange();
      return;
    }
    this.file.write(lines);
  }

  /** Opens the path anew, after somebody renamed the file. */
  async reopen(): Promise<void> {
    await this.exchanged;
    await this.file.reopen();
  }

  async close(): Promise<void> {
    await this.exchanged;
    this.write(markerLine("Log closed - server stop", this.now()));
    await this.exchanged;
    await this.file.flush();
    await this.file.close();
  }

  private async exchange(): Promise<void> {
    const date = this.now();
    const old = `${this.file.path}.${this.day}`;
    this.file.write(markerLine("Log closed - rotating", date));
    await this.file.flush();
    // link and unlink instead of rename: link refuses a name that is taken.
    const moved = await link(this.file.path, old)
      .then(() => unlink(this.file.path))
      .then(
        () => true,
        () => false,
      );
    if (moved) await this.file.reopen();
    this.file.write(markerLine("Log opened - rotated", date));
    this.day = dayOf(date);
    this.midnight = nextMidnight(date);
    const held = this.held ?? [];
    this.held = undefined;
    for (const lines of held) this.file.write(lines);
  }
}
