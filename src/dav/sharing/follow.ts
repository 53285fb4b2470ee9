import { invitationsIn } from "../../sharing/invitations.ts";
import { movePublication } from "../../sharing/published.ts";
import { endShares, moveShares } from "../../sharing/share.ts";
import type { CollectionRef } from "../../store/contract.ts";
import { refuseDefaultCalendar } from "../methods/default-calendar.ts";
import type { Context } from "../registry.ts";
import type { Shape } from "../resource.ts";

/** Removes a calendar; those who shared it lose it, and a public address of it ends. */
export async function removeCalendar(calendar: Shape<"calendar">, context: Context): Promise<void> {
  await refuseDefaultCalendar(calendar, context);
  const { collection } = calendar;
  const properties = await collection.properties();
  await context.services.store.remove(collection.ref);
  await endShares(collection.ref, invitationsIn(properties), context.services);
  await movePublication(properties, undefined, context.services);
}

/** Moves a collection; the links of its sharees and its public address follow. */
export async function moveCollection(from: CollectionRef, to: CollectionRef, context: Context): Promise<void> {
  const { store } = context.services;
  await store.move(from, to);
  await follow(to, context);
}

async function follow(ref: CollectionRef, context: Context): Promise<void> {
  const { store } = context.services;
  const moved = await store.open(ref);
  if (moved === undefined) return;
  if (moved.kind === "calendar") {
    await moveShares(moved, context.services);
    await movePublication(await moved.properties(), moved, context.services);
  } else if (moved.kind === "folder")
    for (const { name } of await store.children(ref)) await follow({ ...ref, path: [...ref.path, name] }, context);
}
