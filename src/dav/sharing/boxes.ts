import type { CalendarObject } from "../../ical/calendar-object.ts";
import { boxesIn, ensureBox } from "../../sharing/boxes.ts";
import type { Place } from "../methods/members.ts";
import type { Context } from "../registry.ts";
import { principalAt, segmentsOf } from "../urls.ts";

/** Makes the drop boxes in the owner's home that an event just stored refers to. */
export async function lookAfterBoxes(
  { text }: CalendarObject,
  { owner, collection, name }: Place,
  { services }: Context,
): Promise<void> {
  if (!services.settings.dropbox || collection.kind !== "calendar") return;
  for (const address of boxesIn(text)) {
    const [, type = "", user = "", , id = ""] = segmentsOf(address)?.path ?? [];
    const home = await principalAt(services.directory, type, user);
    if (home?.uid !== owner.uid) continue;
    try {
      await ensureBox(services.store, owner, id, collection.ref, name);
    } catch (error) {
      // The event is stored; its client makes the box itself where there is none.
      services.warn("the drop box of an event could not be made", { owner: owner.shortName, box: id, error });
    }
  }
}
