import type { Principal } from "../../model/principal.ts";
import { Refusal } from "../../model/refusal.ts";
import type { CalendarStore, CollectionChange, CollectionRef } from "../../store/contract.ts";
import { refuseBeyondTotal } from "../attachments/uploads.ts";
import type { Context } from "../registry.ts";
import type { Place } from "./members.ts";

/** Refuses a growth by so many bytes when it does not fit. To be asked under the collection's lock. */
export type Room = (change: Pick<CollectionChange, "totals">, growth: number) => void;

/** How much room the collection's home has (RFC 4331 §6), and the event whose box it is. The collection's own bytes are those under the lock; what lies in the
 *  home's other collections is summed up now. The check throws Refusal(quota-not-exceeded). For a `file`, which
 *  may be larger than all else, the sum is that of this moment. */
export async function roomIn(
  place: Pick<Place, "owner" | "collection">,
  context: Context,
  size: "object" | "file" = "object",
): Promise<Room> {
  const { store } = context.services;
  const { quota } = store;
  const inBox: Room = (change, growth) => refuseBeyondTotal(place.collection, change.totals().bytes, growth, context);
  if (quota === undefined) return inBox;
  const others = await (size === "file"
    ? store.usedBytes(place.owner, place.collection.ref)
    : bytesElsewhere(place, store, quota));
  return (change, growth) => {
    inBox(change, growth);
    if (growth > 0 && others + change.totals().bytes + growth > quota)
      throw new Refusal({ code: "quota-not-exceeded" });
  };
}

interface Sum {
  readonly others: number;
  /** Milliseconds of `performance.now`. */
  readonly until: number;
}
const recent = new WeakMap<CalendarStore, Map<string, Sum>>();
/** A sum is good for that many milliseconds, and only while the home is less than half full: nobody writes the other half in
 *  that time. Opening every collection of the home for each PUT would cost as much as a tenth of it. */
const freshness = 1000;
const mostKept = 1000;

async function bytesElsewhere(
  { owner, collection }: Pick<Place, "owner" | "collection">,
  store: CalendarStore,
  quota: number,
): Promise<number> {
  const sums = recent.get(store) ?? new Map<string, Sum>();
  recent.set(store, sums);
  const key = `${owner.uid}/${collection.ref.path.join("/")}`;
  const known = sums.get(key);
  if (known !== undefined && known.until > performance.now()) return known.others;
  const others = await store.usedBytes(owner, collection.ref);
  const half = others + (await collection.info()).bytes < quota / 2;
  if (sums.size >= mostKept) sums.clear();
  if (half) sums.set(key, { others, until: performance.now() + freshness });
  else sums.delete(key);
  return others;
}

/** Throws Refusal(max-collections) unless the home may have so many more collections. Those that clients made count, at any
 *  depth; not what is in the drop box, where old clients make a box for each event with attachments. */
export async function refuseCollections(
  owner: Principal,
  more: number,
  { services: { store, settings } }: Context,
): Promise<void> {
  const limit = settings.maxCollectionsPerHome;
  if (limit === undefined) return;
  if (more > 0 && (await countBelow({ owner, path: [] }, store)) + more > limit)
    throw new Refusal({ code: "max-collections", limit });
}

/** The collections below one that clients made. */
export async function countBelow(ref: CollectionRef, store: CalendarStore): Promise<number> {
  let count = 0;
  for (const { name, kind } of await store.children(ref)) {
    if (kind === "calendar" || kind === "folder") count += 1;
    if (kind === "folder") count += await countBelow({ owner: ref.owner, path: [...ref.path, name] }, store);
  }
  return count;
}
