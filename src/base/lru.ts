/** Bounds of an `Lru`; at least one of the two is given. */
export interface LruOptions<K, V> {
  /** How many entries stay. undefined: no bound by count. */
  readonly maxEntries?: number;
  /** How much the entries may weigh together, in the unit of `weigh`. undefined: no bound by weight. */
  readonly maxWeight?: number;
  /** An entry's weight, asked once when it is set. Default 1. */
  readonly weigh?: (value: V, key: K) => number;
  /** Called once for each value that leaves, whether evicted, replaced, deleted or cleared. Must not throw. */
  readonly dispose?: (value: V, key: K) => void;
}

interface Entry<V> {
  readonly value: V;
  readonly weight: number;
}

/** A map that forgets what was not used for longest. Bounded by count, by weight, or both. */
export class Lru<K, V> {
  readonly #entries = new Map<K, Entry<V>>();
  readonly #maxEntries: number;
  readonly #maxWeight: number;
  readonly #weigh: ((value: V, key: K) => number) | undefined;
  readonly #dispose: ((value: V, key: K) => void) | undefined;
  #weight = 0;

  constructor(options: LruOptions<K, V>) {
    if (options.maxEntries === undefined && options.maxWeight === undefined)
      throw new RangeError("Lru: needs maxEntries or maxWeight");
    this.#maxEntries = options.maxEntries ?? Number.POSITIVE_INFINITY;
    this.#maxWeight = options.maxWeight ?? Number.POSITIVE_INFINITY;
    this.#weigh = options.weigh;
    this.#dispose = options.dispose;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Of all entries together. */
  get weight(): number {
    return this.#weight;
  }

  /** The value, which becomes the most recently used. */
  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** The value, without counting as a use. */
  peek(key: K): V | undefined {
    return this.#entries.get(key)?.value;
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  /** Keeps the value; others leave until the bounds hold. A value heavier than `maxWeight` alone is disposed of at once.
   *  Setting the very value that is there counts as a use and disposes of nothing. */
  set(key: K, value: V): void {
    const weight = this.#weigh === undefined ? 1 : this.#weigh(value, key);
    const old = this.#entries.get(key);
    if (old !== undefined) {
      this.#entries.delete(key);
      this.#weight -= old.weight;
      if (old.value !== value) this.#dispose?.(old.value, key);
    }
    if (weight > this.#maxWeight || this.#maxEntries < 1) {
      this.#dispose?.(value, key);
      return;
    }
    this.#entries.set(key, { value, weight });
    this.#weight += weight;
    if (this.#entries.size > this.#maxEntries || this.#weight > this.#maxWeight) this.#evict();
  }

  /** Whether it was there. */
  delete(key: K): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#entries.delete(key);
    this.#weight -= entry.weight;
    this.#dispose?.(entry.value, key);
    return true;
  }

  clear(): void {
    const entries = [...this.#entries];
    this.#entries.clear();
    this.#weight = 0;
    if (this.#dispose !== undefined) for (const [key, entry] of entries) this.#dispose(entry.value, key);
  }

  /** Keys, the least recently used first. Changing the map while iterating is allowed, as with a Map. */
  keys(): IterableIterator<K> {
    return this.#entries.keys();
  }

  #evict(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= this.#maxEntries && this.#weight <= this.#maxWeight) return;
      this.#entries.delete(key);
      this.#weight -= entry.weight;
      this.#dispose?.(entry.value, key);
    }
  }
}
