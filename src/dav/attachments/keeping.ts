import type { CalendarObject } from "../../ical/calendar-object.ts";
import { propertyOf } from "../../ical/component.ts";
import { parseCalendarObject } from "../../ical/parse.ts";
import { allManaged } from "../../itip/attach.ts";
import { Refusal } from "../../model/refusal.ts";
import { shareOf } from "../../sharing/shared-collection.ts";
import type { Place } from "../methods/members.ts";
import type { Stored } from "../methods/store-member.ts";
import { type Recheck, withCurrent } from "../methods/with-current.ts";
import type { Context } from "../registry.ts";
import { calendarUser } from "../resolve.ts";
import type { Shape } from "../resource.ts";
import { ownBoxesIn, removeBoxes } from "./boxes.ts";
import { type Dropped, managedAt, noteHolder, openManaged, readable, releaseManaged } from "./managed.ts";

type Attached = ReadonlyMap<string, string>;

const none: Attached = new Map();

/** The managed attachments of a text; none of one that cannot be read. */
function attachedTo(text: string | undefined): Attached {
  if (text?.includes("ATTACH") !== true) return none;
  try {
    return allManaged(parseCalendarObject(text).root);
  } catch {
    return none;
  }
}

/** Stores an object by `store`, and looks after the managed attachments that come and go with it (RFC 8607 §3.5, §3.6): one that is
 *  new to the object must be there, and the asker be able to read it; one that no event has any more is removed. Throws
 *  Refusal(valid-managed-id, max-attachments-per-resource). */
export async function keepingManaged(
  place: Place,
  sent: CalendarObject,
  context: Context,
  recheck: Recheck,
  store: (recheck: Recheck) => Promise<Stored | undefined>,
): Promise<Stored | undefined> {
  const { services } = context;
  const { owner, collection } = place;
  if (!services.settings.attachments.managed || collection.kind !== "calendar") return store(recheck);
  const after = sent.text.includes("ATTACH") ? allManaged(sent.root) : none;
  if (after.size === 0 && (await openManaged(owner, services.store)) === undefined) return store(recheck);
  return withCurrent(place, recheck, async (current, asked, began) => {
    const before = attachedTo(current?.bytes.toString());
    if (after.size === 0 && before.size === 0) return store(recheck);
    // What an attendee does to attachments counts for nothing: his organizer's object decides.
    if (!(await isOthers(place, sent, context))) await admit(after, before, place, sent.uid, context);
    const stored = await store(asked);
    const kept = attachedTo(stored?.bytes.toString());
    await release(before, kept, place.owner, { home: owner.uid, uid: sent.uid, began }, context);
    return stored;
  });
}

/** Whether it is an invitation by somebody else that is there already. */
async function isOthers({ existing, owner }: Place, { root, kind }: CalendarObject, { services }: Context) {
  if (existing?.scheduleTag === undefined) return false;
  for (const component of root.components) {
    const organizer = component.name === kind ? propertyOf(component, "ORGANIZER")?.value : undefined;
    if (organizer !== undefined)
      return (await calendarUser(organizer, services.directory, services.urls))?.uid !== owner.uid;
  }
  return false;
}

async function admit(after: Attached, before: Attached, place: Place, uid: string, context: Context): Promise<void> {
  const { services } = context;
  const { maxCount } = services.settings.attachments;
  if (maxCount !== undefined && after.size > maxCount && after.size > before.size)
    throw new Refusal({ code: "max-attachments-per-resource", limit: maxCount });
  for (const [id, address] of after) {
    if (before.has(id) || id === place.attaching) continue;
    const managed = await managedAt(id, address, place.owner, services);
    const known = managed !== undefined && (await readable(managed, context)) ? managed : undefined;
    if (known === undefined || !(await noteHolder(known, { home: place.owner.uid, uid })))
      throw new Refusal({
        code: "valid-managed-id",
        problem: `there is no attachment with the MANAGED-ID ${id.slice(0, 80)}`,
      });
  }
}

async function release(
  before: Attached,
  kept: Attached,
  owner: Place["owner"],
  dropped: Dropped,
  { services }: Context,
): Promise<void> {
  for (const [id, address] of before) {
    if (kept.has(id)) continue;
    try {
      const managed = await managedAt(id, address, owner, services);
      if (managed !== undefined) await releaseManaged(managed, dropped, services);
    } catch (error) {
      // The event is stored; the sweep finds what it left.
      services.warn("an attachment could not be removed", { owner: owner.shortName, id, error });
    }
  }
}

/** What goes with an event that is about to be removed: to be called when it is. */
export async function attachmentsGoing(
  { collection, entry }: Shape<"object" | "file">,
  context: Context,
): Promise<() => Promise<void>> {
  const { services } = context;
  const { owner } = collection.ref;
  const nothing = async (): Promise<void> => {};
  if (collection.kind !== "calendar") return nothing;
  const began = Date.now();
  const base = shareOf(collection)?.base ?? collection;
  const content = base.kept(entry) ?? (await base.read(entry.name));
  const text = content?.bytes.toString();
  if (text === undefined || !(text.includes("ATTACH") || text.includes("X-APPLE-DROPBOX"))) return nothing;
  const attached = services.settings.attachments.managed ? attachedTo(text) : none;
  const boxes = services.settings.dropbox ? await ownBoxesIn(text, owner, services) : [];
  return async () => {
    await release(attached, none, owner, { home: owner.uid, uid: entry.uid ?? "", began }, context);
    try {
      await removeBoxes(boxes, owner, services);
    } catch (error) {
      services.warn("the drop box of an event could not be removed", { owner: owner.shortName, error });
    }
  };
}
