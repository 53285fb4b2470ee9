import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";

export interface WatchOptions {
  /** One line for the error log. */
  readonly warn: (message: string) => void;
  /** Milliseconds; a test gives its own clock. */
  readonly now?: () => number;
}

/** A file is looked at no more often than this, by one `stat` of about 3 µs. Milliseconds. */
const lookEvery = 1000;

/** Undefined: there is no such file. */
type Parse<T> = (bytes: Buffer | undefined) => T | Promise<T>;

/** What a file says, read again when its time, size or inode changes. Nothing runs in the background: the file is looked at
 *  when somebody asks, at most once a second. */
export class WatchedFile<T> {
  readonly path: string;
  readonly #parse: Parse<T>;
  readonly #warn: (message: string) => void;
  readonly #now: () => number;
  #value: T;
  #generation = 1;
  /** What the file looked like when it was last read, whether that went well or not. */
  #seen: string;
  #lookedAt: number;
  #reading: Promise<void> | undefined;

  private constructor(path: string, parse: Parse<T>, value: T, seen: string, options: WatchOptions) {
    this.path = path;
    this.#parse = parse;
    this.#value = value;
    this.#seen = seen;
    this.#warn = options.warn;
    this.#now = options.now ?? Date.now;
    this.#lookedAt = this.#now();
  }

  /** Reads the file for the first time. `parse` gets undefined when there is none; what it throws comes out here with the
   *  path in front. On later readings it is logged instead, and the value known so far stays. */
  static async open<T>(path: string, parse: Parse<T>, options: WatchOptions): Promise<WatchedFile<T>> {
    // Before reading: a change meanwhile then shows as one.
    const seen = stamp(path);
    return new WatchedFile(path, parse, await read(path, parse), seen, options);
  }

  /** As last read; for what must not wait. */
  get value(): T {
    return this.#value;
  }

  /** As the file is now (within a second). */
  async current(): Promise<T> {
    const reading = this.#look();
    if (reading !== undefined) await reading;
    return this.#value;
  }

  /** Changes when the value did. */
  generation(): number {
    void this.#look();
    return this.#generation;
  }

  /** Waits for a reading under way. */
  async close(): Promise<void> {
    await this.#reading;
  }

  /** A promise only while the file is being read again. */
  #look(): Promise<void> | undefined {
    const now = this.#now();
    if (now - this.#lookedAt >= lookEvery || now < this.#lookedAt) {
      this.#lookedAt = now;
      if (this.#reading === undefined) {
        const seen = stamp(this.path);
        if (seen !== this.#seen) {
          this.#seen = seen;
          this.#reading = this.#again();
        }
      }
    }
    return this.#reading;
  }

  async #again(): Promise<void> {
    try {
      this.#value = await read(this.path, this.#parse);
      this.#generation++;
    } catch (error) {
      this.#warn(`${messageOf(error)}; what was read before stays in use`);
    } finally {
      this.#reading = undefined;
    }
  }
}

async function read<T>(path: string, parse: Parse<T>): Promise<T> {
  let bytes: Buffer | undefined;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT"))
      throw new Error(`${path}: cannot be read: ${messageOf(error)}`, { cause: error });
  }
  try {
    return await parse(bytes);
  } catch (error) {
    throw new Error(`${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** Time, size and inode of the file, or why there are none. */
function stamp(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "unknown";
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
