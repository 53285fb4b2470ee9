import type { HttpRequest } from "../../http/message.ts";
import { HttpError } from "../../http/message.ts";
import type { Principal } from "../../model/principal.ts";
import { Refusal } from "../../model/refusal.ts";
import { calendarsBelow } from "../../scheduling/free-busy-set.ts";
import type { MemberChange } from "../../scheduling/member-change.ts";
import { isScheduled } from "../../scheduling/plan.ts";
import { shareOf } from "../../sharing/shared-collection.ts";
import type { Collection, ObjectEntry } from "../../store/contract.ts";
import { collectionResource } from "../children.ts";
import type { Context } from "../registry.ts";
import type { Shape } from "../resource.ts";
import type { Place } from "./members.ts";
import { checkEntry, type Earlier } from "./preconditions.ts";

/** What a request says of the messages its change sends, and who asks: for `Scheduling.change`. */
export function schedulingOf(
  request: HttpRequest,
  { owner, inOwnersName = false }: Pick<Place, "owner" | "inOwnersName">,
  context: Context,
): Pick<MemberChange<unknown>, "merge" | "silent" | "may" | "maySend"> {
  const { headers } = request;
  const { store, urls, settings } = context.services;
  return {
    merge:
      headers["if-schedule-tag-match"] !== undefined ||
      (settings.scheduling.tagCompatibility && headers["if-match"] !== undefined),
    silent: headers["schedule-reply"]?.trim().toUpperCase() === "F",
    may: async (inbox, privilege) => {
      const granted = await privilegesOn(inbox, context);
      return granted.has(privilege) || (settings.scheduling.oldDraftCompatibility && granted.has("schedule"));
    },
    maySend: async (privilege) => {
      if (inOwnersName) return;
      const outbox = await store.open({ owner, path: ["outbox"] });
      if (outbox === undefined) throw new HttpError(403, `${owner.shortName} has no outbox`);
      const granted = await privilegesOn(outbox, context);
      if (granted.has(privilege) || (settings.scheduling.oldDraftCompatibility && granted.has("schedule"))) return;
      throw new Refusal({ code: "need-privileges", href: urls.collection(outbox.ref), privileges: [privilege] });
    },
  };
}

async function privilegesOn(collection: Collection, context: Context) {
  const { ref } = collection;
  return context.privileges(await collectionResource(context.services.urls.collection(ref), ref.owner, collection));
}

/** Removes a scheduling object: who takes part hears of it (RFC 6638 §3.2.3.2). `recheck` sees the row under the locks. */
export async function removeScheduled(
  {
    collection,
    owner,
    entry,
  }: { readonly collection: Collection; readonly owner: Principal; readonly entry: ObjectEntry },
  context: Context,
  request: HttpRequest,
  recheck: (existing: ObjectEntry | undefined) => void | Promise<void>,
): Promise<void> {
  const { name, uid = entry.name } = entry;
  const shared = shareOf(collection);
  const place = { owner: shared?.base.ref.owner ?? owner, inOwnersName: shared !== undefined };
  const change: MemberChange<void> = {
    ...schedulingOf(request, place, context),
    owner: place.owner,
    collection: shared?.base ?? collection,
    name,
    sent: undefined,
    check: recheck,
    commit: () =>
      collection.change(async (open) => {
        await recheck(open.entry(name));
        await open.remove(name);
      }),
  };
  const { messages } = await context.services.scheduling.change(change, uid);
  request.log.items.push(`itip.requests=${messages}`);
}

/** The conditions of a DELETE on a member. Throws HttpError. */
export const checkRemoval =
  (request: HttpRequest, href: string, earlier?: Earlier) =>
  (existing: ObjectEntry | undefined): void => {
    if (existing === undefined) throw new HttpError(404, `${href} does not exist`);
    checkEntry(request, existing, earlier);
  };

/** Before a calendar goes, or a folder with calendars: whoever takes part in what lies in it hears of it (RFC 6638 §3.2.3.2). */
export async function removeAllScheduled(
  { kind, collection, owner }: Shape<"calendar" | "folder">,
  context: Context,
  request: HttpRequest,
): Promise<void> {
  const calendars = kind === "calendar" ? [collection] : calendarsBelow(collection.ref, context.services.store);
  for await (const calendar of calendars) {
    const scheduled: ObjectEntry[] = [];
    for await (const page of calendar.entries())
      for (const entry of page) if (await isScheduled(calendar, entry)) scheduled.push(entry);
    for (const entry of scheduled)
      await removeScheduled({ collection: calendar, owner, entry }, context, request, () => {});
  }
}
