import { depthOf } from "../../http/headers.ts";
import { HttpError, type HttpResponse } from "../../http/message.ts";
import { leaveShare } from "../../sharing/share.ts";
import { shareOf } from "../../sharing/shared-collection.ts";
import type { Method } from "../registry.ts";
import { collectionKinds, memberKinds } from "../resource.ts";
import { removeCalendar } from "../sharing/follow.ts";
import { checkEntry, checkPreconditions } from "./preconditions.ts";

const done: HttpResponse = { status: 204 };

/** DELETE (RFC 4918 §9.6). A collection goes at once and with all that is in it; a member under the collection's lock, where its
 *  conditions are asked once more. The collections every home has stay. */
export const deleteMethod: Method = {
  name: "DELETE",
  on: [...collectionKinds, ...memberKinds],
  needs: () => ["parent unbind"],
  async handle(resource, context, request) {
    await checkPreconditions(resource, context, request);
    if ("entry" in resource) {
      const { name } = resource.entry;
      await resource.collection.change(async (change) => {
        const entry = change.entry(name);
        if (entry === undefined) throw new HttpError(404, `${resource.href} does not exist`);
        checkEntry(request, entry);
        await change.remove(name);
      });
      return done;
    }
    if (resource.kind !== "calendar" && resource.kind !== "folder")
      throw new HttpError(403, `${resource.href} is a collection that every home has; it cannot be removed`);
    if (depthOf(request.headers, "infinity") !== "infinity")
      throw new HttpError(400, "a collection is removed with Depth infinity or without Depth");
    if (resource.kind === "calendar") {
      const shared = shareOf(resource.collection);
      if (shared !== undefined) await leaveShare(shared, context.services);
      else await removeCalendar(resource, context);
    } else await context.services.store.remove(resource.collection.ref);
    return done;
  },
};
