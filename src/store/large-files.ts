import { createHash, type Hash } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { type ETag, type Utc, utc } from "../model/ids.ts";
import { factsOf } from "./contents.ts";
import { isMissing } from "./files.ts";
import type { FileFacts } from "./index-file.ts";
import { reach } from "./points.ts";

/** Bytes of a plain file above which it is not held in memory as a whole. */
export const largeFile = 256 << 10;
/** Bytes read at once. */
const piece = 128 << 10;
/** Bytes after which what was written is made durable on the way: to sync 50 MB at once would hold up every other writer of the
 *  volume for as long as the disk takes for all of them. */
const syncEvery = 4 << 20;

const tagOf = (sum: Hash): ETag => `"${sum.digest("hex")}"` as ETag;

/** Writes a new file from chunks as they come, durable, not yet visible: create, write, `decorate` (attributes), fsync. Whatever the
 *  source throws is thrown, and nothing is left behind. Answers what was written. */
export async function stageChunks(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  decorate: (() => void | Promise<void>) | undefined,
): Promise<{ readonly etag: ETag; readonly size: number }> {
  reach("stage.open");
  const file = await open(path, "wx", 0o666);
  try {
    const sum = createHash("md5");
    let size = 0;
    let unsynced = 0;
    try {
      for await (const chunk of chunks) {
        reach("stage.write");
        sum.update(chunk);
        for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
        size += chunk.length;
        unsynced += chunk.length;
        if (unsynced >= syncEvery) {
          await file.datasync();
          unsynced = 0;
        }
      }
      reach("stage.properties");
      await decorate?.();
      reach("stage.sync");
      await file.sync();
    } finally {
      await file.close();
    }
    return { etag: tagOf(sum), size };
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  }
}

/** A plain file that is open for reading: what it holds stays what it held when it was opened, whoever replaces it. */
export class OpenFile {
  readonly size: number;
  readonly modified: Utc;
  readonly facts: FileFacts;
  readonly #file: FileHandle;
  #closed: Promise<void> | undefined;

  private constructor(file: FileHandle, stat: Stats) {
    this.#file = file;
    this.size = stat.size;
    this.modified = utc(Math.floor(stat.mtimeMs / 1000));
    this.facts = factsOf(stat);
  }

  /** Undefined when there is no such file. A symbolic link is none. */
  static async open(path: string): Promise<OpenFile | undefined> {
    let file: FileHandle;
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if (isMissing(error) || (error as NodeJS.ErrnoException).code === "ELOOP") return undefined;
      throw error;
    }
    const stat = await file.stat();
    if (stat.isFile()) return new OpenFile(file, stat);
    await file.close();
    return undefined;
  }

  /** The bytes from `first` to `last`, both included, in pieces. Throws when the file was cut off meanwhile. */
  async *bytes(first = 0, last: number = this.size - 1): AsyncGenerator<Uint8Array> {
    for (let at = first; at <= last; ) {
      const buffer = Buffer.allocUnsafe(Math.min(piece, last - at + 1));
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error(`a file of ${this.size} bytes ended after ${at}`);
      at += bytesRead;
      yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
    }
  }

  async digest(): Promise<ETag> {
    const sum = createHash("md5");
    for await (const chunk of this.bytes()) sum.update(chunk);
    return tagOf(sum);
  }

  close(): Promise<void> {
    this.#closed ??= this.#file.close();
    return this.#closed;
  }
}

/** What a file holds in sum, without holding it in memory. Undefined when there is no such file. */
export async function digestOf(
  path: string,
): Promise<
  { readonly bytes: undefined; readonly etag: ETag; readonly modified: Utc; readonly facts: FileFacts } | undefined
> {
  const file = await OpenFile.open(path);
  if (file === undefined) return undefined;
  try {
    return { bytes: undefined, etag: await file.digest(), modified: file.modified, facts: file.facts };
  } finally {
    await file.close();
  }
}
