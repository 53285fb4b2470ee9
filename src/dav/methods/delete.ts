import { depthOf } from "../../http/headers.ts";
import { HttpError, type HttpResponse } from "../../http/message.ts";
import { lockPath } from "../../model/lock.ts";
import { isScheduled } from "../../scheduling/plan.ts";
import { leaveShare } from "../../sharing/share.ts";
import { shareOf } from "../../sharing/shared-collection.ts";
import type { ObjectEntry } from "../../store/contract.ts";
import { isManagedPlace } from "../attachments/boxes.ts";
import { attachmentsGoing } from "../attachments/keeping.ts";
import { sweepManaged } from "../attachments/sweep.ts";
import { inTree, lockGuard } from "../locks/guard.ts";
import { tellingInside } from "../locks/inside.ts";
import { parentPath } from "../locks/place.ts";
import type { Method } from "../registry.ts";
import { collectionKinds, memberKinds } from "../resource.ts";
import { afterRemoval } from "../sharing/follow.ts";
import { refuseDefaultCalendar } from "./default-calendar.ts";
import { touchedBy } from "./members.ts";
import { checkPreconditions, earlierState } from "./preconditions.ts";
import { checkRemoval, removeAllScheduled, removeScheduled } from "./scheduled.ts";

const done: HttpResponse = { status: 204 };

/** DELETE (RFC 4918 §9.6). A collection goes at once and with all that is in it; a member under the collection's lock, where its
 *  conditions are asked once more. The collections every home has stay. */
export const deleteMethod: Method = {
  name: "DELETE",
  on: [...collectionKinds, ...memberKinds],
  needs: () => ["parent unbind"],
  async handle(resource, context, request) {
    const earlier = await earlierState(resource, context, request);
    await checkPreconditions(resource, context, request, earlier);
    if ("entry" in resource) {
      const { owner, collection } = resource;
      const { name } = resource.entry;
      const guard = lockGuard(request, owner, context);
      const removable = checkRemoval(request, resource.href, earlier);
      const recheck = (existing: ObjectEntry | undefined): void | Promise<void> => {
        removable(existing);
        return guard.check(...touchedBy({ collection, name }));
      };
      const gone = await attachmentsGoing(resource, context);
      if (await isScheduled(collection, resource.entry)) await removeScheduled(resource, context, request, recheck);
      else
        await collection.change(async (change) => {
          await recheck(change.entry(name));
          await change.remove(name);
        });
      await guard.removed(lockPath(collection.ref.path, name));
      await gone();
      return done;
    }
    if ((resource.kind !== "calendar" && resource.kind !== "folder") || isManagedPlace(resource.collection.ref))
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
    return tellingInside([resource], context, async () => {
      await guard.check(...touched);
      await removeAllScheduled(resource, context, request);
      await inTree(guard, owner, touched, context, () => context.services.store.remove(collection.ref));
      await guard.removed(path);
      await after();
      await sweepManaged(owner, context.services);
      return done;
    });
  },
};
