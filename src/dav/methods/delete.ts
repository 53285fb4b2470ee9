import { depthOf } from "../../http/headers.ts";
import { HttpError, type HttpResponse } from "../../http/message.ts";
import type { Method } from "../registry.ts";
import { collectionKinds, memberKinds } from "../resource.ts";
import { refuseDefaultCalendar } from "./default-calendar.ts";
import { checkPreconditions } from "./preconditions.ts";
import { checkRemoval, removeAllScheduled, removeScheduled } from "./scheduled.ts";

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
      const { name, scheduleTag } = resource.entry;
      const recheck = checkRemoval(request, resource.href);
      if (scheduleTag !== undefined && resource.collection.kind === "calendar")
        await removeScheduled(resource, context, request, recheck);
      else
        await resource.collection.change(async (change) => {
          recheck(change.entry(name));
          await change.remove(name);
        });
      return done;
    }
    if (resource.kind !== "calendar" && resource.kind !== "folder")
      throw new HttpError(403, `${resource.href} is a collection that every home has; it cannot be removed`);
    if (depthOf(request.headers, "infinity") !== "infinity")
      throw new HttpError(400, "a collection is removed with Depth infinity or without Depth");
    if (resource.kind === "calendar") await refuseDefaultCalendar(resource, context);
    await removeAllScheduled(resource, context, request);
    await context.services.store.remove(resource.collection.ref);
    return done;
  },
};
