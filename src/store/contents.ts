import { hash } from "node:crypto";
import type { Stats } from "node:fs";
import { Lru } from "../base/lru.ts";
import { type ETag, utc } from "../model/ids.ts";
import type { Content } from "./contract.ts";
import { quickLstat, readWithStat } from "./files.ts";
import type { FileFacts } from "./index-file.ts";

/** `"` + MD5 of the bytes + `"`, as the original made it. */
export const etagOf = (bytes: Uint8Array): ETag => `"${hash("md5", bytes, "hex")}"` as ETag;

export const factsOf = (stat: Stats): FileFacts => ({ inode: stat.ino, size: stat.size, changed: stat.ctimeMs });

export const sameFacts = (a: FileFacts, b: FileFacts): boolean =>
  a.inode === b.inode && a.size === b.size && a.changed === b.changed;

interface Kept {
  readonly facts: FileFacts;
  readonly content: Content;
}

/** Recently read files of this worker, by path. An entry counts only while inode, size and ctime are those it was read
 *  with: one `stat` instead of four system calls on the thread pool. */
export class ContentCache {
  readonly #kept: Lru<string, Kept>;

  /** `budget` in bytes; files over `largest` bytes are never kept. */
  constructor(budget: number, largest: number) {
    this.#kept = new Lru({ maxWeight: budget, weigh: ({ content }) => content.bytes.length + 400 });
    this.#largest = largest;
  }
  readonly #largest: number;

  /** What a file with that ETag holds, as far as it is still kept. The file is not looked at: who asks has just read the ETag from an
   *  index that agrees with the directory. */
  kept(path: string, etag: ETag): Content | undefined {
    const kept = this.#kept.get(path);
    return kept?.content.etag === etag ? kept.content : undefined;
  }

  /** Undefined when there is no such file. */
  async read(path: string): Promise<(Content & { readonly facts: FileFacts }) | undefined> {
    const stat = quickLstat(path);
    if (!stat?.isFile()) {
      if (this.#kept.size > 0) this.#kept.delete(path);
      return undefined;
    }
    const kept = this.#kept.get(path);
    if (kept && sameFacts(kept.facts, factsOf(stat))) return { ...kept.content, facts: kept.facts };
    const got = await readWithStat(path);
    if (!got) return undefined;
    const facts = factsOf(got.stat);
    const content = { bytes: got.bytes, etag: etagOf(got.bytes), modified: utc(Math.floor(got.stat.mtimeMs / 1000)) };
    // Only what was at rest while it was read: a write in the same clock tick would not show in ctime.
    if (got.bytes.length === got.stat.size && Date.now() - got.stat.ctimeMs > 20) this.keep(path, facts, content);
    return { ...content, facts };
  }

  clear(): void {
    this.#kept.clear();
  }

  keep(path: string, facts: FileFacts, content: Content): void {
    if (content.bytes.length <= this.#largest) this.#kept.set(path, { facts, content });
  }
}
