import { Lru } from "../base/lru.ts";
import type { Keeper } from "./kept-answers.ts";

export interface TimedCacheOptions<K extends string, V> {
  /** Entries kept; the least recently used leave. */
  readonly maxEntries: number;
  /** Milliseconds that a value, and that its absence, is believed. */
  readonly freshFor: number;
  readonly absentFor: number;
  /** Milliseconds that a value is still given when fetching fails. */
  readonly staleFor: number;
  readonly fetch: (key: K) => Promise<V | undefined>;
  readonly same: (a: V, b: V) => boolean;
  /** Called when a fetched value differs from what was known: changed, gone, or there where nothing was. */
  readonly changed: (key: K) => void;
  readonly now: () => number;
  /** Absence counts as a value when fetching fails: for what nobody signs in with. */
  readonly staleAbsence?: boolean;
  /** Where values are kept beyond this process: those of other processes are believed as long as one's own, and those from
   *  before this one began (somebody may have started it anew to see changes) only when fetching fails. */
  readonly keeper?: Keeper<V> | undefined;
}

interface Entry<V> {
  value: V | undefined;
  /** The value as a promise, made once: a hot answer allocates nothing. */
  promise: Promise<V | undefined>;
  at: number;
}

/** Answers of a slow source that may fail. A value is believed for a time; for as long again it is given at once while it is
 *  fetched anew behind the scenes; older ones are waited for. When fetching fails, what was known is given for longer. One
 *  fetch per key at a time. */
export class TimedCache<K extends string, V> {
  readonly #options: TimedCacheOptions<K, V>;
  readonly #entries: Lru<K, Entry<V>>;
  readonly #fetching = new Map<K, Promise<V | undefined>>();
  readonly #began: number;

  constructor(options: TimedCacheOptions<K, V>) {
    this.#options = options;
    this.#began = options.now();
    this.#entries = new Lru({ maxEntries: options.maxEntries });
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Undefined: the source says that there is none. Rejects with the source's error when nothing usable is known. */
  get(key: K): Promise<V | undefined> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return this.#fromOthers(key) ?? this.#fetch(key);
    const age = this.#options.now() - entry.at;
    const limit = entry.value === undefined ? this.#options.absentFor : this.#options.freshFor;
    if (age < limit && age >= 0) return entry.promise;
    if (entry.value === undefined || age >= 2 * limit || age < 0) return this.#fetch(key);
    // Errors mean that the value stays what it is; whoever needs to know finds out by the age.
    this.#fetch(key).catch(() => {});
    return entry.promise;
  }

  /** What is remembered, however old, without asking. */
  peek(key: K): V | undefined {
    return this.#entries.peek(key)?.value;
  }

  /** Milliseconds since the source said so; undefined when nothing is known. */
  age(key: K): number | undefined {
    const entry = this.#entries.peek(key);
    return entry === undefined ? undefined : this.#options.now() - entry.at;
  }

  /** Asks the source now. Rejects when it cannot. */
  async refresh(key: K): Promise<V | undefined> {
    return this.#fetching.get(key) ?? this.#ask(key);
  }

  /** Remembers what was learned on another way; what was merely `listed` is not kept for others. */
  learn(key: K, value: V | undefined, how: "asked" | "found" | "listed" = "found"): V | undefined {
    const { now, same, changed, keeper } = this.#options;
    if (how !== "listed" && (value !== undefined || how === "asked")) keeper?.save(key, value, now());
    const known = this.#entries.peek(key);
    if (known !== undefined) {
      const { value: before } = known;
      known.at = now();
      if (before === undefined ? value === undefined : value !== undefined && same(before, value)) return before;
    }
    this.#entries.set(key, { value, promise: Promise.resolve(value), at: now() });
    if (known !== undefined) changed(key);
    return value;
  }

  forget(key: K): void {
    this.#entries.delete(key);
  }

  #fromOthers(key: K): Promise<V | undefined> | undefined {
    const { keeper, now, freshFor } = this.#options;
    const kept = this.#fetching.has(key) ? undefined : keeper?.load(key);
    if (kept === undefined || kept.at < this.#began || now() - kept.at >= freshFor) return undefined;
    const promise = Promise.resolve(kept.value);
    this.#entries.set(key, { value: kept.value, promise, at: kept.at });
    return promise;
  }

  async #fetch(key: K): Promise<V | undefined> {
    try {
      return await (this.#fetching.get(key) ?? this.#ask(key));
    } catch (error) {
      const { now, staleFor, staleAbsence, keeper } = this.#options;
      const known = this.#entries.peek(key);
      if (known !== undefined && now() - known.at < staleFor && (known.value !== undefined || staleAbsence === true))
        return known.value;
      const kept = keeper?.load(key);
      if (kept === undefined || now() - kept.at >= staleFor) throw error;
      // What is from before this process began is to be asked for again at the next occasion.
      const { freshFor } = this.#options;
      const at = kept.at < this.#began ? Math.min(kept.at, now() - freshFor) : kept.at;
      this.#entries.set(key, { value: kept.value, promise: Promise.resolve(kept.value), at });
      return kept.value;
    }
  }

  #ask(key: K): Promise<V | undefined> {
    const asked = this.#options
      .fetch(key)
      .then((value) => this.learn(key, value, "asked"))
      .finally(() => this.#fetching.delete(key));
    this.#fetching.set(key, asked);
    return asked;
  }
}
