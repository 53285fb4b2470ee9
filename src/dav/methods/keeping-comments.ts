import type { CalendarObject } from "../../ical/calendar-object.ts";
import { parseCalendarObject } from "../../ical/parse.ts";
import { writeKept } from "../../ical/write-kept.ts";
import { mayHaveComments, withStoredComments } from "../../itip/private-comments.ts";
import { seriesOf } from "../../itip/series.ts";
import { Refusal } from "../../model/refusal.ts";
import { seesComments } from "../privacy.ts";
import type { Context } from "../registry.ts";
import type { Place } from "./members.ts";
import type { CheckedObject } from "./upload.ts";
import { type Recheck, withCurrent } from "./with-current.ts";

/** Stores an object by `store`. Comments of attendees that its sender does not see are not his to change: what is stored of them stays,
 *  and he puts none where there is an object already. */
export async function keepingComments<T>(
  place: Place,
  checked: CheckedObject,
  context: Context,
  recheck: Recheck,
  store: (checked: CheckedObject, recheck: Recheck) => Promise<T>,
): Promise<T> {
  const { collection, owner } = place;
  if (collection.kind !== "calendar" || context.user?.uid === owner.uid || (await seesComments(owner, context)))
    return store(checked, recheck);
  return withCurrent(place, recheck, (current, asked) => {
    const object = commentsKept(checked.object, current?.bytes.toString());
    const kept = object === checked.object ? checked : { object, bytes: Buffer.from(object.text), verbatim: false };
    return store(kept, asked);
  });
}

/** The object with the comments that are stored for it, and no others; itself where that is the same, or nothing is stored. */
export function commentsKept(sent: CalendarObject, stored: string | undefined): CalendarObject {
  if (stored === undefined || !(mayHaveComments(stored) || mayHaveComments(sent.text))) return sent;
  let before: CalendarObject;
  try {
    before = parseCalendarObject(stored);
  } catch (error) {
    if (error instanceof Refusal) return sent;
    throw error;
  }
  // No name gives up its UID: it is refused later.
  if (before.uid !== sent.uid) return sent;
  const root = withStoredComments(seriesOf(before.root), seriesOf(sent.root));
  return root === sent.root ? sent : parseCalendarObject(writeKept(root, [sent, before]));
}
