import type { Readable } from "node:stream";

/** Characters per chunk that `joined` aims at: large enough that a socket write costs little per byte, small enough that
 *  no answer sits in memory and the first bytes leave early. */
export const chunkSize = 16_384;

/** A body had more bytes than allowed. What was read is dropped; the rest of the stream is left unread. */
export class BodyTooLarge extends Error {
  readonly limit: number;
  constructor(limit: number) {
    super(`the body is larger than ${limit} bytes`);
    this.name = "BodyTooLarge";
    this.limit = limit;
  }
}

/** The body ended before it was whole: the client went away. */
export class BodyAborted extends Error {
  constructor(options?: ErrorOptions) {
    super("the client went away before the body was whole", options);
    this.name = "BodyAborted";
  }
}

/** Resolves after pending I/O had its turn. To be awaited between slices of long work. */
export const yieldToLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Long work of one request in turns with what else waits: `next` is to be awaited after each step, and lets others go first when
 *  5 ms have passed since it last did. */
export class Turns {
  #since = performance.now();

  next(): Promise<void> | undefined {
    if (performance.now() - this.#since < 5) return undefined;
    return yieldToLoop().then(() => {
      this.#since = performance.now();
    });
  }
}

/** Joins the small strings of a generator into chunks of at least `size` characters (a single longer string passes as it is),
 *  and yields to the event loop after each chunk, so that one long answer delays nobody.
 *  The source is closed when the reader stops early. */
export async function* joined(
  source: AsyncIterable<string> | Iterable<string>,
  size: number = chunkSize,
): AsyncGenerator<string, void, undefined> {
  let parts = "";
  if (Symbol.asyncIterator in source) {
    for await (const part of source) {
      parts += part;
      if (parts.length >= size) {
        yield parts;
        parts = "";
        await yieldToLoop();
      }
    }
  } else {
    for (const part of source) {
      parts += part;
      if (parts.length >= size) {
        yield parts;
        parts = "";
        await yieldToLoop();
      }
    }
  }
  if (parts !== "") yield parts;
}

/** The whole stream. Throws BodyTooLarge as soon as more than `limit` bytes came, BodyAborted when the stream breaks off or
 *  `signal` is aborted. The stream is not destroyed: the answer may still have to go out over the same socket. */
export function readAll(stream: Readable, limit: number, signal?: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(new BodyAborted({ cause: signal.reason }));
      return;
    }
    if (stream.destroyed || stream.readableEnded) {
      if (stream.readableEnded) resolve(Buffer.alloc(0));
      else reject(new BodyAborted());
      return;
    }
    let first: Buffer | undefined;
    let rest: Buffer[] | undefined;
    let size = 0;
    const finish = (): void => {
      stream.off("data", onData);
      stream.off("end", onEnd);
      stream.off("error", onError);
      stream.off("close", onClose);
      signal?.removeEventListener("abort", onAbort);
    };
    const onData = (chunk: Buffer | string): void => {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      size += bytes.length;
      if (size > limit) {
        finish();
        stream.pause();
        reject(new BodyTooLarge(limit));
      } else if (first === undefined) first = bytes;
      else if (rest === undefined) rest = [first, bytes];
      else rest.push(bytes);
    };
    const onEnd = (): void => {
      finish();
      // Most bodies arrive in one chunk: no copy then.
      resolve(rest !== undefined ? Buffer.concat(rest, size) : (first ?? Buffer.alloc(0)));
    };
    const onError = (cause: unknown): void => {
      finish();
      reject(new BodyAborted({ cause }));
    };
    const onClose = (): void => {
      finish();
      reject(new BodyAborted());
    };
    const onAbort = (): void => {
      finish();
      reject(new BodyAborted({ cause: signal?.reason }));
    };
    stream.on("data", onData);
    stream.on("end", onEnd);
    stream.on("error", onError);
    stream.on("close", onClose);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** The stream's chunks as they come, for who does not need it whole. Throws as `readAll`, and leaves the stream as that does. */
export async function* chunksOf(stream: Readable, limit: number): AsyncGenerator<Uint8Array, void, undefined> {
  if (stream.destroyed && !stream.readableEnded) throw new BodyAborted();
  let size = 0;
  const chunks: AsyncIterator<unknown> = stream.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const next = await chunks.next().catch((cause: unknown) => {
        throw new BodyAborted({ cause });
      });
      if (next.done === true) return;
      const chunk = typeof next.value === "string" ? Buffer.from(next.value) : (next.value as Uint8Array);
      size += chunk.length;
      if (size > limit) throw new BodyTooLarge(limit);
      yield chunk;
    }
  } finally {
    await chunks.return?.();
  }
}
