import { Refusal } from "../model/refusal.ts";
import { type CalendarObject, type ObjectKind, objectKinds } from "./calendar-object.ts";
import { type Component, propertyOf } from "./component.ts";
import { readCalendar } from "./read.ts";

const kinds: ReadonlySet<string> = new Set(objectKinds);

export const isObjectKind = (name: string): name is ObjectKind => kinds.has(name);

/** Reads a calendar object that is already stored. Lenient: a file written by hand or by another program is indexed by its
 *  first component's kind and UID, and what does not belong to that object is left aside. Values are not checked.
 *  Throws Refusal(valid-calendar-data) for text that is no iCalendar stream and Refusal(valid-calendar-object-resource)
 *  when there is no component with a UID. */
export function parseCalendarObject(text: string): CalendarObject {
  const root = readCalendar(text);
  let uid: string | undefined;
  let kind: ObjectKind | undefined;
  let master: Component | undefined;
  const overrides: Component[] = [];
  for (const component of root.components) {
    const { name } = component;
    if (!isObjectKind(name) || (kind !== undefined && name !== kind)) continue;
    const own = uidOf(component);
    if (own === undefined || (uid !== undefined && own !== uid)) continue;
    uid = own;
    kind = name;
    if (propertyOf(component, "RECURRENCE-ID") !== undefined) overrides.push(component);
    else master ??= component;
  }
  if (uid === undefined || kind === undefined)
    throw new Refusal({
      code: "valid-calendar-object-resource",
      problem: `no ${objectKinds.join(", ")} with a UID`,
    });
  return { text, root, uid, kind, master, overrides };
}

/** The UID as the index holds it: without white space around it. Undefined when there is none or it is empty. */
export const uidOf = (component: Component): string | undefined =>
  propertyOf(component, "UID")?.value.trim() || undefined;
