/** Remembers what was worked out of one object, the one asked last. Objects read from a request or a file are asked several times in
 *  a row and never again; a WeakMap of them would cost the garbage collector more than all the rest of their expansion. */
export class Latest<K extends object, V> {
  #key: K | undefined;
  #value: V | undefined;

  get(key: K): V | undefined {
    return this.#key === key ? this.#value : undefined;
  }

  set(key: K, value: V): void {
    this.#key = key;
    this.#value = value;
  }
}
