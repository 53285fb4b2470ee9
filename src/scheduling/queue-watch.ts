import type { Jobs } from "../store/contract.ts";

/** The longest pause between two tries of one job, ms. */
const longestPause = 300_000;

interface Seen {
  tries: number;
  notBefore: number;
}

/** Takes up jobs that stay in the queue: those of another host's process that nobody here saw die, and those that failed. */
export class QueueWatch {
  readonly #jobs: Jobs;
  readonly #resume: (name: string) => Promise<void>;
  readonly #seen = new Map<string, Seen>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  /** `resume` does what is left of a job, at its lock, and nothing if somebody else has; it does not throw. */
  constructor(jobs: Jobs, resume: (name: string) => Promise<void>) {
    this.#jobs = jobs;
    this.#resume = resume;
  }

  /** Looks every `interval` ms; one worker of a server does. A job that is there at two looks is taken up, after longer and longer
   *  pauses as long as it stays. */
  start(interval: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look(interval).finally(() => {
        this.#looking = undefined;
      });
    }, interval);
    this.#timer.unref();
  }

  async #look(interval: number): Promise<void> {
    // A queue that cannot be read now is looked at again; whoever writes to it hears why.
    const names = new Set(await this.#jobs.list().catch(() => []));
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
    for (const name of names) {
      const seen = this.#seen.get(name);
      if (seen === undefined) this.#seen.set(name, { tries: 0, notBefore: 0 });
      else if (Date.now() >= seen.notBefore) {
        await this.#resume(name);
        seen.tries += 1;
        seen.notBefore = Date.now() + Math.min(longestPause, interval * 2 ** seen.tries);
      }
    }
  }

  /** Resolves when nothing is being looked at any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }
}
