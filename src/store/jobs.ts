import { mkdirSync, watch } from "node:fs";
import { readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { freshName, isMissing, makeDirectories, renameFile, stageFile, syncDirectory } from "./files.ts";
import { reach } from "./points.ts";

/** Work that was promised and must survive the process: one file each, in a folder for all workers and hosts. A job is done by
 *  whoever holds the lock it is about, and removed before that lock is freed; so it is done once. */
export interface Jobs {
  /** Durable when this resolves. A job of the same name is replaced. */
  put(name: string, text: string): Promise<void>;
  /** Undefined when it has been done. */
  read(name: string): Promise<string | undefined>;
  remove(name: string): Promise<void>;
  /** Names, those of other processes included. */
  list(): Promise<readonly string[]>;
  /** Calls back with the name of what comes or goes, as far as the volume tells: a hint, to be told early. Answers how to end it. */
  watch(changed: (name: string) => void): () => void;
}

export class FileJobs implements Jobs {
  readonly #folder: string;
  readonly #staging: string;
  #isMade = false;

  constructor(folder: string, staging: string) {
    this.#folder = folder;
    this.#staging = staging;
  }

  async put(name: string, text: string): Promise<void> {
    if (!this.#isMade) await makeDirectories(this.#folder);
    this.#isMade = true;
    const staged = join(this.#staging, freshName());
    await stageFile(staged, Buffer.from(text), undefined);
    reach("job.rename");
    await renameFile(staged, join(this.#folder, name));
    await syncDirectory(this.#folder);
    reach("job.renamed");
  }

  async read(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#folder, name), "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Not synced: a job that comes back after a power cut finds its work done. */
  async remove(name: string): Promise<void> {
    reach("job.remove");
    await unlink(join(this.#folder, name)).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
    reach("job.removed");
  }

  watch(changed: (name: string) => void): () => void {
    try {
      // Once per process.
      mkdirSync(this.#folder, { recursive: true });
      const watcher = watch(this.#folder, { persistent: false }, (_event, name) => {
        if (name !== null) changed(name);
      });
      watcher.on("error", () => watcher.close());
      return () => watcher.close();
    } catch {
      return () => undefined; // no notices here
    }
  }

  async list(): Promise<readonly string[]> {
    try {
      return (await readdir(this.#folder)).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }
}
