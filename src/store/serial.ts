/** One piece of work at a time in this process, in order of asking; and an end that waits until nobody is at work. */
export class Serial {
  readonly #end: (() => void) | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #ending = false;

  /** `end` lets go of what the work uses; called as often as `close` was, or less. */
  constructor(end?: () => void) {
    this.#end = end;
  }

  /** Somebody is at work, or waits for it. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  /** Settles (never rejects) when what was asked for until now is done. */
  get quiet(): Promise<unknown> {
    return this.#last;
  }

  /** Answers what `work` answers, or throws what it throws. */
  take<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const turn = this.#last.then(work);
    this.#last = turn
      .catch(() => undefined)
      .then(() => {
        this.#waiting--;
        if (this.#waiting === 0 && this.#ending) {
          this.#ending = false;
          this.#end?.();
        }
      });
    return turn;
  }

  /** Ends now, or after whoever is at work. */
  close(): void {
    if (this.busy) this.#ending = true;
    else this.#end?.();
  }
}
