import { contentTypeOf } from "../../http/headers.ts";
import type { HttpRequest } from "../../http/message.ts";
import type { ObjectEntry } from "../../store/contract.ts";
import { fileLimit, fileTooLarge, stageUpload } from "../attachments/uploads.ts";
import type { Context } from "../registry.ts";
import type { Place } from "./members.ts";
import { roomIn } from "./quota.ts";
import { checkMember, propertiesFor } from "./store-member.ts";

/** Stores a file that is no calendar object, as it comes: what would not fit is refused while it is sent, or before. */
export async function storeFile(
  place: Place,
  context: Context,
  request: HttpRequest,
  recheck: (existing: ObjectEntry | undefined) => void | Promise<void>,
): Promise<{ readonly entry: ObjectEntry; readonly created: boolean }> {
  const { collection, name } = place;
  const type = contentTypeOf(request.headers);
  const room = await roomIn(place, context, "file");
  const limit = fileLimit(place, context);
  const properties = await propertiesFor(place, { type }, undefined);
  const replaced = place.existing?.size ?? 0;
  const bounds = { limit, replaced, room, tooLarge: () => fileTooLarge(place, limit) };
  const staged = await stageUpload(request, collection, bounds, properties);
  try {
    return await collection.change(async (change) => {
      const existing = change.entry(name);
      await recheck(existing);
      checkMember(change, place, existing, undefined, context);
      room(change, staged.size - (existing?.size ?? 0));
      return { entry: await change.put(name, staged, undefined), created: existing === undefined };
    });
  } catch (error) {
    await staged.discard();
    throw error;
  }
}
