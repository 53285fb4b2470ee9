import { setImmediate } from "node:timers/promises";
import { HttpError } from "../../http/message.ts";
import type { Collection, Content, ObjectEntry } from "../../store/contract.ts";

/** Asked under the lock, with the row that cannot move any more; throws to refuse. */
export type Recheck = (existing: ObjectEntry | undefined) => void | Promise<void>;

/** Attempts while others change the same object. */
const attempts = 5;

class ChangedMeanwhile extends Error {}

/** Does `work` with a member's content as it is now (undefined: there is none), and once more when it was changed before the recheck
 *  that `work` hands on. `began`: just before the content was read, ms since 1970. Throws HttpError(503) when others keep changing it. */
export async function withCurrent<T>(
  { collection, name }: { readonly collection: Collection; readonly name: string },
  recheck: Recheck,
  work: (current: Content | undefined, recheck: Recheck, began: number) => Promise<T>,
): Promise<T> {
  // Known by identity: such works are done inside each other.
  const moved = new ChangedMeanwhile();
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const began = Date.now();
    const current = await collection.read(name);
    const unmoved: Recheck = (existing) => {
      if (existing?.etag !== current?.etag) throw moved;
      return recheck(existing);
    };
    try {
      return await work(current, unmoved, began);
    } catch (error) {
      if (error !== moved) throw error;
      await setImmediate();
    }
  }
  throw new HttpError(503, `${name} is being changed by others`, { "retry-after": "1" });
}
