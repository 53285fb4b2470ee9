import { invitationsIn } from "../../sharing/invitations.ts";
import { movePublication } from "../../sharing/published.ts";
import { endShares, moveShares } from "../../sharing/share.ts";
import type { CollectionRef } from "../../store/contract.ts";
import type { Context } from "../registry.ts";

/** What is to be done when a collection, with all calendars below it, has been removed: those who shared them lose them, and public
 *  addresses end. To be asked before the removal. */
export async function afterRemoval(ref: CollectionRef, context: Context): Promise<() => Promise<void>> {
  const { services } = context;
  const found = await services.store.open(ref);
  if (found?.kind === "folder") {
    const inside: (() => Promise<void>)[] = [];
    for (const { name } of await services.store.children(ref))
      inside.push(await afterRemoval({ owner: ref.owner, path: [...ref.path, name] }, context));
    return async () => {
      for (const after of inside) await after();
    };
  }
  if (found?.kind !== "calendar") return nothing;
  const properties = await found.properties();
  return async () => {
    await endShares(ref, invitationsIn(properties), services);
    await movePublication(properties, undefined, services);
  };
}

const nothing = async (): Promise<void> => undefined;

/** Lets what leads to the calendars of a collection follow it to its new place: links of sharees and public addresses. */
export async function followTo(ref: CollectionRef, context: Context): Promise<void> {
  const { store } = context.services;
  const moved = await store.open(ref);
  if (moved?.kind === "calendar") {
    await moveShares(moved, context.services);
    await movePublication(await moved.properties(), moved, context.services);
  } else if (moved?.kind === "folder")
    for (const { name } of await store.children(ref))
      await followTo({ owner: ref.owner, path: [...ref.path, name] }, context);
}
