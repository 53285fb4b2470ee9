import type { IndexFile, State } from "./index-file.ts";

/** A write in progress: the lock is held, the rows agree with the directory. */
export interface Transaction {
  readonly index: IndexFile;
  state: State;
  /** Files were renamed or removed: the directory must be synced, and cannot be taken back. */
  moved: boolean;
  /** Why the rows could not follow a rename; the index is dropped at the end and made again. */
  failed: unknown;
  /** Takes the next revision. */
  next(): number;
  /** Adds to the totals. */
  count(change: { readonly objects: number; readonly bytes: number }): void;
}

/** The collection was removed while someone waited for its lock. */
export class CollectionGone extends Error {
  constructor(path: string) {
    super(`${path}: no such collection any more`);
    this.name = "CollectionGone";
  }
}

/** See `Transaction`; `start` names the era that the first revision taken here begins, if it has not begun. */
export class OpenTransaction implements Transaction {
  readonly index: IndexFile;
  state: State;
  moved = false;
  failed: unknown;
  readonly #start: string;
  #entered = false;

  constructor(index: IndexFile, state: State, start: string) {
    this.index = index;
    this.state = state;
    this.#start = start;
  }

  next(): number {
    const era = this.#entered ? this.state.era : this.index.enterEra(this.#start, this.state);
    this.#entered = true;
    this.state = { ...this.state, era, revision: this.state.revision + 1 };
    return this.state.revision;
  }

  count({ objects, bytes }: { readonly objects: number; readonly bytes: number }): void {
    this.state = { ...this.state, objects: this.state.objects + objects, bytes: this.state.bytes + bytes };
  }
}
