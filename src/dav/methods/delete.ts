import { depthOf } from "../../http/headers.ts";
import { HttpError, type HttpResponse } from "../../http/message.ts";
import { Refusal } from "../../model/refusal.ts";
import { caldav, textOf } from "../../xml/element.ts";
import type { Context, Method } from "../registry.ts";
import { resolveHref } from "../resolve.ts";
import { collectionKinds, memberKinds, type Shape } from "../resource.ts";
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
    if (resource.kind === "calendar" && (await isDefault(resource, context)))
      throw new Refusal({ code: "default-calendar-delete-allowed" });
    await context.services.store.remove(resource.collection.ref);
    return done;
  },
};

/** Whether invitations would be put into this calendar (RFC 6638 §4.3, §9.2). */
async function isDefault({ owner, collection }: Shape<"calendar">, context: Context): Promise<boolean> {
  const { path } = collection.ref;
  const inbox = await context.services.store.open({ owner, path: ["inbox"] });
  const url = (await inbox?.properties())?.get(caldav("schedule-default-calendar-URL"));
  const named = url && (await resolveHref(textOf(url), context));
  if (named?.kind !== "calendar" || named.owner.uid !== owner.uid) return path.length === 1 && path[0] === "calendar";
  return named.collection.ref.path.join("/") === path.join("/");
}
