import { isBusy, retryWhileBusy } from "../base/sqlite.ts";

/** After a change of its own a process lets another one go first, if one was met lately; all in ms. */
const lately = 200;
const after = 2;
const patience = 3;

/** How a process asks for a lock that others want too. Whoever has just had it is always the first to ask for it again; the
 *  others' clients would wait for many turns. */
export class Courtesy {
  readonly #what: string;
  readonly #pause: (ms: number) => Promise<boolean>;
  /** When the lock was last found taken, and when it was last given back. */
  #met = Number.NEGATIVE_INFINITY;
  #left = Number.NEGATIVE_INFINITY;

  /** `pause` as in `retryWhileBusy`. */
  constructor(what: string, pause: (ms: number) => Promise<boolean>) {
    this.#what = what;
    this.#pause = pause;
  }

  /** To be called before the lock is asked for. */
  async letOthersFirst(): Promise<void> {
    const now = performance.now();
    if (now - this.#met < lately && now - this.#left < after) await this.#pause(patience);
  }

  /** To be called when the lock was given back. */
  left(): void {
    this.#left = performance.now();
  }

  whileBusy<T>(work: () => T): Promise<T> {
    const tried = (): T => {
      try {
        return work();
      } catch (error) {
        if (isBusy(error)) this.#met = performance.now();
        throw error;
      }
    };
    return retryWhileBusy(this.#what, tried, { pause: this.#pause });
  }
}
