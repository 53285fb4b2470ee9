import { HttpError } from "../../http/message.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Collection, CollectionRef } from "../../store/contract.ts";
import { dav, type Element, type QName } from "../../xml/element.ts";
import { collectionResource } from "../children.ts";
import { inTree, type LockGuard } from "../locks/guard.ts";
import { withPrivilege } from "../readable.ts";
import type { Context } from "../registry.ts";
import { arrival, touchedIn } from "./members.ts";
import { countBelow, refuseCollections, roomIn } from "./quota.ts";

/** A calendar is not copied, and a copy without it would not be one, so the whole is refused before anything is done. What the
 *  asker may not read is not there for him. Throws HttpError(403). */
export async function refuseCalendarsInside(source: Collection, context: Context): Promise<void> {
  for (const inside of await readableIn(source, context)) {
    if (inside.kind === "calendar")
      throw new HttpError(403, `${inside.ref.path.join("/")} is a calendar and cannot be copied`);
    await refuseCalendarsInside(inside, context);
  }
}

/** The collections directly inside, without those that the asker may not read. */
async function readableIn({ ref }: Collection, context: Context): Promise<readonly Collection[]> {
  const { store } = context.services;
  const found: Collection[] = [];
  for (const { name } of await store.children(ref)) {
    const inside = await store.open({ owner: ref.owner, path: [...ref.path, name] });
    if (inside !== undefined && (await context.privileges(await resourceOf(inside, context))).has("read"))
      found.push(inside);
  }
  return found;
}

const resourceOf = (collection: Collection, { services: { urls } }: Context) =>
  collectionResource(urls.collection(collection.ref), collection.ref.owner, collection);

/** A copy that would not fit is refused before anything is done: half a copy is none. With `deep` all that is in the source
 *  counts; `replaced` makes room. Throws Refusal: max-collections, quota-not-exceeded. */
export async function refuseCopyBeyondLimits(
  source: CollectionRef,
  to: CollectionRef,
  replaced: CollectionRef | undefined,
  deep: boolean,
  context: Context,
): Promise<void> {
  const { store } = context.services;
  const more = 1 + (deep ? await countBelow(source, store) : 0);
  const fewer = replaced === undefined ? 0 : 1 + (await countBelow(replaced, store));
  if (to.path[0] !== "dropbox") await refuseCollections(to.owner, more - fewer, context);
  if (!deep || store.quota === undefined) return;
  const growth = (await bytesIn(source, context)) - (replaced === undefined ? 0 : await bytesIn(replaced, context));
  if (growth > 0 && (await store.usedBytes(to.owner)) + growth > store.quota)
    throw new Refusal({ code: "quota-not-exceeded" });
}

async function bytesIn(ref: CollectionRef, context: Context): Promise<number> {
  const { store } = context.services;
  let bytes = (await (await store.open(ref))?.info())?.bytes ?? 0;
  for (const { name } of await store.children(ref))
    bytes += await bytesIn({ owner: ref.owner, path: [...ref.path, name] }, context);
  return bytes;
}

/** Copies a plain collection with its properties, and with `deep` everything in it (RFC 4918 §9.8.3) that the asker may read: a
 *  copy would show him the rest. ACLs stay behind. */
export async function copyFolder(
  source: Collection,
  to: CollectionRef,
  deep: boolean,
  guard: LockGuard,
  context: Context,
): Promise<void> {
  const { store } = context.services;
  const properties = copied(await source.properties());
  const copy = await inTree(guard, to.owner, arrival(to), context, () => store.create(to, "folder", properties));
  if (!deep) return;
  const place = await resourceOf(source, context);
  for await (const page of source.entries())
    for (const entry of await withPrivilege(place, page, "read", context)) {
      const kept = entry.hasProperties ? copied(await source.properties(entry.name)) : new Map();
      await copyFile(source, copy, entry.name, kept, guard, context);
    }
  for (const inside of await readableIn(source, context)) {
    const name = inside.ref.path.at(-1) ?? "";
    await copyFolder(inside, { owner: to.owner, path: [...to.path, name] }, deep, guard, context);
  }
}

async function copyFile(
  source: Collection,
  copy: Collection,
  name: string,
  properties: ReadonlyMap<QName, Element>,
  guard: LockGuard,
  context: Context,
): Promise<void> {
  const content = await source.read(name);
  if (content === undefined) return;
  const room = await roomIn({ owner: copy.ref.owner, collection: copy }, context);
  const staged = await copy.stage(content.bytes, properties);
  try {
    await copy.change(async (change) => {
      const existing = change.entry(name);
      await guard.check(...touchedIn({ collection: copy, name }, existing));
      const limit = context.services.settings.maxResourcesPerCollection;
      if (existing === undefined && limit !== undefined && change.totals().objects >= limit)
        throw new Refusal({ code: "max-resources", limit });
      room(change, staged.size - (existing?.size ?? 0));
      await change.put(name, staged, undefined);
    });
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

// What makes the copy a collection of its own is set when it is made.
const ownOnes: ReadonlySet<QName> = new Set([dav("acl"), dav("resourcetype")]);

const copied = (properties: ReadonlyMap<QName, Element>): ReadonlyMap<QName, Element> =>
  new Map([...properties].filter(([name]) => !ownOnes.has(name)));
