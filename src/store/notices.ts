import { type FSWatcher, watch } from "node:fs";
import { indexName } from "./layout.ts";

const journalName = `${indexName}-journal`;

/** What the kernel tells of one directory: files changed by whoever it was, and the index committed by another process.
 *  Where there are no notices (network volumes, the limit of watches reached) `active` stays false. */
export class Notices {
  /** Names of files that may have changed, until somebody has looked at them. */
  readonly touched = new Set<string>();
  readonly #path: string;
  readonly #wanted: boolean;
  readonly #pausing = new Set<() => void>();
  /** The index file was written, its journal not yet cut off: somebody is committing. */
  #committing = false;
  #watcher: FSWatcher | undefined;

  constructor(path: string, wanted: boolean) {
    this.#path = path;
    this.#wanted = wanted;
  }

  get active(): boolean {
    return this.#watcher !== undefined;
  }

  start(): void {
    if (!this.#wanted) return;
    try {
      this.#watcher = watch(this.#path, { persistent: false }, (_event, name) => {
        if (name === null) return;
        if (!name.startsWith(".")) this.touched.add(name);
        else if (name === indexName) this.#committing = true;
        else if (name === journalName && this.#committing) {
          this.#committing = false;
          for (const wake of this.#pausing) wake();
        }
      });
      this.#watcher.on("error", () => this.stop());
    } catch {
      this.#watcher = undefined; // files are looked at again instead
    }
  }

  stop(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.touched.clear();
  }

  /** Waits `ms`, less if somebody commits to the index meanwhile. Answers whether that was it. */
  readonly pause = (ms: number): Promise<boolean> =>
    new Promise((resolve) => {
      const end = (committed: boolean) => (): void => {
        clearTimeout(timer);
        this.#pausing.delete(wake);
        resolve(committed);
      };
      const wake = end(true);
      const timer = setTimeout(end(false), ms);
      this.#pausing.add(wake);
    });
}
