import { depthOf } from "../../http/headers.ts";
import { HttpError, type HttpResponse } from "../../http/message.ts";
import { lockPath } from "../../model/lock.ts";
import { leaveShare } from "../../sharing/share.ts";
import { shareOf } from "../../sharing/shared-collection.ts";
import { inTree, lockGuard } from "../locks/guard.ts";
import { tellingInside } from "../locks/inside.ts";
import { parentPath } from "../locks/place.ts";
import type { Method } from "../registry.ts";
import { collectionKinds, memberKinds } from "../resource.ts";
import { afterRemoval } from "../sharing/follow.ts";
import { refuseDefaultCalendar } from "./default-calendar.ts";
import { touchedBy } from "./members.ts";
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
      const { owner, collection } = resource;
      const { name } = resource.entry;
      const guard = lockGuard(request, owner, context);
      await collection.change(async (change) => {
        const entry = change.entry(name);
        if (entry === undefined) throw new HttpError(404, `${resource.href} does not exist`);
        checkEntry(request, entry);
        await guard.check(...touchedBy({ collection, name }));
        await change.remove(name);
      });
      await guard.removed(lockPath(collection.ref.path, name));
      return done;
    }
    if (resource.kind !== "calendar" && resource.kind !== "folder")
      throw new HttpError(403, `${resource.href} is a collection that every home has; it cannot be removed`);
    if (depthOf(request.headers, "infinity") !== "infinity")
      throw new HttpError(400, "a collection is removed with Depth infinity or without Depth");
    const { owner, collection } = resource;
    const shared = shareOf(collection);
    if (shared !== undefined) {
      await leaveShare(shared, context.services);
      return done;
    }
    if (resource.kind === "calendar") await refuseDefaultCalendar(resource, context);
    const after = await afterRemoval(collection.ref, context);
    const guard = lockGuard(request, owner, context);
    const path = lockPath(collection.ref.path);
    const touched = [{ path, below: resource.href }, { path: parentPath(path) }];
    return tellingInside(async () => {
      await inTree(guard, owner, touched, context, () => context.services.store.remove(collection.ref));
      await guard.removed(path);
      await after();
      return done;
    });
  },
};
