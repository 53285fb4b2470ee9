/** Calls of the file system that are usually answered from memory: made at once while they are, by another thread when the volume
 *  turned slow. To wake a thread costs 50 µs of CPU, making or renaming a file 20; but ext4 may look through thousands of inodes
 *  that were deleted lately (0.8 ms, measured), and any volume can stall. */
export class AtOnce {
  /** Mean of the last calls, ms. */
  #mean = 0;
  #skipped = 0;

  /** `quick` and `apart` do the same. */
  async call<T>(quick: () => T, apart: () => Promise<T>): Promise<T> {
    // Looked at again once in a while.
    if (this.#mean > slow && ++this.#skipped % 64 !== 0) return apart();
    const began = performance.now();
    try {
      return quick();
    } finally {
      this.#mean += (performance.now() - began - this.#mean) / 8;
    }
  }
}

/** ms; as long as a request takes that is answered from memory. */
const slow = 0.12;
