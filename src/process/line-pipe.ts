import { execFileSync } from "node:child_process";
import { constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";

/** Bytes of a line on its way from a worker to the master: up to here a write to a pipe is all or nothing, so lines of several
 *  workers never mix (PIPE_BUF of Linux). */
export const maxLine = 4096;

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined);

/** The worker's end. `write` hands a line to the kernel before it returns, so a line written before its answer survives even
 *  `kill -9` of the worker. When the master does not keep up, lines wait here, at most `maxWaiting` characters; beyond that
 *  they are lost and counted: a slow log must never stop the server. */
export class LinePipe {
  private readonly fd: number;
  private readonly maxWaiting: number;
  private readonly waiting: (string | Buffer)[] = [];
  private waitingLength = 0;
  private retry: NodeJS.Timeout | undefined;
  private closed = false;
  private lostLines = 0;

  constructor(fd: number, maxWaiting = 4 << 20) {
    this.fd = fd;
    this.maxWaiting = maxWaiting;
  }

  /** Lines that could not be kept. */
  get lost(): number {
    return this.lostLines;
  }

  write(line: string): void {
    if (this.closed) return;
    if (this.waiting.length > 0) this.keep(line);
    else {
      const rest = this.attempt(line);
      if (rest !== undefined) this.keep(rest);
    }
  }

  /** What of `line` could not be written; undefined: nothing is left of it. */
  private attempt(line: string | Buffer): string | Buffer | undefined {
    try {
      const written = typeof line === "string" ? writeSync(this.fd, line) : writeSync(this.fd, line);
      if (typeof line === "string" && written === line.length && line.length <= maxLine) return undefined;
      const bytes = typeof line === "string" ? Buffer.from(line) : line;
      return written < bytes.length ? bytes.subarray(written) : undefined;
    } catch (error) {
      if (codeOf(error) === "EAGAIN") return line;
      // EPIPE: the master is gone, and nobody is left to read; this worker is about to end as well.
      this.closed = true;
      return undefined;
    }
  }

  private keep(line: string | Buffer): void {
    if (this.waitingLength + line.length > this.maxWaiting) {
      this.lostLines++;
      return;
    }
    this.waiting.push(line);
    this.waitingLength += line.length;
    this.retry ??= setTimeout(() => this.flush(), 5);
  }

  private flush(): void {
    this.retry = undefined;
    let sent = 0;
    for (const line of this.waiting) {
      const rest = this.attempt(line);
      if (rest !== undefined) {
        this.waitingLength += rest.length - line.length;
        this.waiting[sent] = rest;
        break;
      }
      this.waitingLength -= line.length;
      sent++;
    }
    this.waiting.splice(0, sent);
    if (this.waiting.length > 0) this.retry = setTimeout(() => this.flush(), 5);
  }
}

/** Bytes a pipe holds. */
const pipeSize = 1 << 16;
/** Milliseconds the master looks away after a read that found the pipe less than half full: busy workers then cost it a hundred
 *  reads a second instead of one for each line. */
const rest = 10;

/** What the master writes to itself behind the last line of the last worker. */
const lastLine = "\0end\n";

/** The master's end: one pipe for all workers. A named pipe whose name is gone at once, because Node's own `pipe` in stdio is a
 *  socket: measured, a line costs 0.7 µs here and 3.5 µs there, and the pipe holds half as much again. */
export class LineCollector {
  /** To be handed to workers in `stdio`. Non-blocking for both sides. */
  readonly fd: number;
  private readonly source: Socket;
  private readonly sink: (lines: Buffer) => void;
  private ended: (() => void) | undefined;

  /** `sink` gets whole lines, many at a time. Throws when the system has no named pipes. */
  constructor(sink: (lines: Buffer) => void) {
    this.sink = sink;
    const folder = mkdtempSync(join(tmpdir(), "caldavd-"));
    const path = join(folder, "lines");
    try {
      execFileSync("mkfifo", ["-m", "600", path]);
      // Read and write: opening waits for nobody, and the pipe has no end while no worker is there.
      this.fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    const lines = new LineSplitter((whole) => this.receive(whole));
    const options = {
      fd: this.fd,
      readable: true,
      writable: false,
      onread: {
        buffer: Buffer.alloc(pipeSize),
        // false stops the reading itself, which `pause` of a stream does not: it would go on into the stream's own buffer.
        callback: (length: number, bytes: Uint8Array): boolean => {
          lines.feed(Buffer.from(bytes.subarray(0, length)));
          if (length >= pipeSize / 2) return true;
          setTimeout(() => this.source.resume(), rest);
          return false;
        },
      },
    };
    this.source = new Socket(options);
    this.source.on("error", () => {});
  }

  /** Reads what is left in the pipe and closes it. To be called when no worker lives any more. */
  async close(): Promise<void> {
    const end = new Promise<void>((resolve) => {
      this.ended = resolve;
    });
    const mark = new LinePipe(this.fd);
    mark.write(lastLine);
    await end;
    this.source.destroy();
  }

  private receive(lines: Buffer): void {
    if (this.ended !== undefined && lines.subarray(-lastLine.length).equals(Buffer.from(lastLine))) {
      if (lines.length > lastLine.length) this.sink(lines.subarray(0, -lastLine.length));
      this.ended();
    } else this.sink(lines);
  }
}

/** Cuts a stream of bytes at line ends. */
class LineSplitter {
  private readonly sink: (lines: Buffer) => void;
  private carry: Buffer | undefined;

  constructor(sink: (lines: Buffer) => void) {
    this.sink = sink;
    this.carry = undefined;
  }

  /** Passes on all lines that are whole now. */
  feed(chunk: Buffer): void {
    const bytes = this.carry === undefined ? chunk : Buffer.concat([this.carry, chunk]);
    const end = bytes.lastIndexOf(10) + 1;
    this.carry = end === bytes.length ? undefined : bytes.subarray(end);
    if (end > 0) this.sink(bytes.subarray(0, end));
  }

  /** The stream is over: what stands there without a newline gets one. */
  finish(): void {
    if (this.carry !== undefined) this.sink(Buffer.concat([this.carry, Buffer.from("\n")]));
    this.carry = undefined;
  }
}

/** Passes on whole lines of a stream, such as a worker's standard error. */
export const collectLines = (source: Readable, sink: (lines: Buffer) => void): void => {
  const lines = new LineSplitter(sink);
  source.on("data", (chunk: Buffer) => lines.feed(chunk));
  for (const event of ["end", "error", "close"]) source.on(event, () => lines.finish());
};
