import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { Lru } from "../base/lru.ts";

/** A nonce is good for this long; then the client is told to use a new one. Milliseconds, as in the original. */
const lifetime = 15 * 60_000;
/** Clocks of two hosts may differ by this much. Milliseconds. */
const tolerance = 60_000;
/** Requests of parallel connections arrive out of order by no more than this. */
const window = 128;
const cacheSize = 4096;
/** A use counts only so long after the last one: milliseconds. */
const often = 1000;

const timeBytes = 6;
const saltBytes = 8;
const macBytes = 16;
const bytes = timeBytes + saltBytes + macBytes;

/** A nonce with which somebody proved a password at this worker. */
export interface Proven {
  readonly issued: number;
  /** Who proved a password with it. */
  readonly user: string;
  highest: number;
  /** Of the request that proved it first: what RFC 2617 wants in H(A1) of a session. */
  readonly cnonce: string;
  /** When it was last moved to where the longest unused are furthest off. */
  moved: number;
  /** The counts seen, each at its remainder by the window's size. */
  readonly counts: Uint32Array;
}

/** Nonces that need no storage: time, salt, and an HMAC over both and the realm. Every worker and every host with the secret
 *  knows them, also after a restart. Counts against replay are kept by each worker for itself: a request replayed at another
 *  worker is not recognised, one replayed at the same worker is. */
export class Nonces {
  readonly #secret: Buffer;
  readonly #now: () => number;
  readonly #records = new Lru<string, Proven>({ maxEntries: cacheSize });

  /** `secret`: at least 16 bytes, the same in all workers. */
  constructor(secret: Uint8Array, now: () => number = Date.now) {
    if (secret.byteLength < 16)
      throw new RangeError(`the secret for nonces must have at least 16 bytes, has ${secret.byteLength}`);
    this.#secret = Buffer.from(secret);
    this.#now = now;
  }

  issue(realm: string): string {
    const nonce = Buffer.alloc(bytes);
    nonce.writeUIntBE(this.#now(), 0, timeBytes);
    randomBytes(saltBytes).copy(nonce, timeBytes);
    this.#mac(nonce, realm).copy(nonce, timeBytes + saltBytes);
    return nonce.toString("base64url");
  }

  /** What is known of the nonce if the user has proved the password with it before, at this worker. */
  proven(nonce: string, user: string): Proven | undefined {
    const record = this.#records.peek(nonce);
    return record?.user === user ? record : undefined;
  }

  /** Whether a request that `user` proved with the nonce may pass. To be asked after the proof, so that nobody else can use up
   *  counts. `count` is undefined when the client sends none (no qop): then the nonce is good for any number of requests.
   *  `cnonce`: the client's. `known`: what `proven` said. */
  accept(
    nonce: string,
    realm: string,
    user: string,
    count: number | undefined,
    cnonce: string,
    known: Proven | undefined = this.#records.peek(nonce),
  ): "fresh" | "stale" {
    const now = this.#now();
    let record = known;
    if (record === undefined) {
      const issued = this.#issued(nonce, realm);
      if (issued === undefined) return "stale";
      record = { issued, user, highest: 0, cnonce, moved: now, counts: new Uint32Array(window) };
      this.#records.set(nonce, record);
    } else if (now - record.moved > often) {
      record.moved = now;
      this.#records.get(nonce);
    }
    if (now - record.issued > lifetime || record.issued - now > tolerance) return "stale";
    if (count === undefined) return "fresh";
    const place = count % window;
    if (count <= record.highest - window || record.counts[place] === count) return "stale";
    record.counts[place] = count;
    record.highest = Math.max(record.highest, count);
    return "fresh";
  }

  /** When the nonce was issued, by whichever worker; undefined: never, or with another secret or realm. */
  #issued(nonce: string, realm: string): number | undefined {
    const read = Buffer.from(nonce, "base64url");
    if (read.length !== bytes || read.toString("base64url") !== nonce) return undefined;
    const signed = timingSafeEqual(read.subarray(timeBytes + saltBytes), this.#mac(read, realm));
    return signed ? read.readUIntBE(0, timeBytes) : undefined;
  }

  #mac(nonce: Buffer, realm: string): Buffer {
    return createHmac("sha256", this.#secret)
      .update(nonce.subarray(0, timeBytes + saltBytes))
      .update(realm, "utf8")
      .digest()
      .subarray(0, macBytes);
  }
}
