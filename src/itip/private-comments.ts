import type { Component, Property } from "../ical/component.ts";
import { parameterOf, propertiesOf } from "../ical/component.ts";
import { mapProperties, withComponents, withProperties } from "../ical/edit.ts";
import { readCalendar } from "../ical/read.ts";
import { writeKept } from "../ical/write-kept.ts";
import { attendeeIn, type Identify } from "./people.ts";
import { componentsOf, deriveInstance, type Key, mapMembers, type Series } from "./series.ts";

/** What an attendee tells the organizer alone, in his own copy. An empty one withdraws it. caldav-privatecomments §4.1.4 */
export const privateComment = "X-CALENDARSERVER-PRIVATE-COMMENT";
/** The same in the organizer's copy. §4.1.5 */
export const attendeeComment = "X-CALENDARSERVER-ATTENDEE-COMMENT";

const both = [privateComment, attendeeComment];

/** Whose comment it is, as `identify` names him. */
export const commenterOf = (comment: Property, identify: Identify): string =>
  identify(parameterOf(comment, "X-CALENDARSERVER-ATTENDEE-REF") ?? "");

/** A calendar object's text for those who are not meant: without anybody's comments. Only what has some is read; throws
 *  Refusal(valid-calendar-data) then for what is no calendar. */
export function withoutComments(text: string): string {
  // Nearly no object has such a property.
  if (!/^X-CALENDARSERVER-/im.test(text)) return text;
  const root = readCalendar(text);
  const components = root.components.map((component) =>
    mapProperties(component, (property) => (both.includes(property.name) ? undefined : property)),
  );
  return components.every((component, at) => component === root.components[at])
    ? text
    : writeKept(withComponents(root, components), [{ root, text }]);
}

const hasComments = (series: Series): boolean =>
  componentsOf(series).some((component) => component.properties.some(({ name }) => both.includes(name)));

const storedAt = (was: Series, key: Key): Component | undefined =>
  key === "master" ? was.master : (was.overrides.get(key) ?? deriveInstance(was, key));

/** The new state with the comments of the old one if it has none at all: so it comes from a client that does not know them and leaves them out. Who
 *  knows them withdraws his by emptying it. */
export function withForgottenComments(was: Series, now: Series): Component {
  if (!hasComments(was) || hasComments(now)) return now.root;
  return mapMembers(now, (component, key) => {
    const stored = storedAt(was, key);
    if (stored === undefined) return component;
    let next = component;
    for (const name of both) next = withProperties(next, name, propertiesOf(stored, name));
    return next;
  });
}

/** An organizer's new state without comments of who takes part no longer (§3.2). `learned`: the stored state, when its comments are
 *  to win over those of the client, which had not heard of them. */
export function withComments(now: Series, learned: Series | undefined, identify: Identify): Component {
  return mapMembers(now, (component, key) => {
    const stored = learned && storedAt(learned, key);
    const comments = propertiesOf(stored ?? component, attendeeComment);
    const left = comments.filter((one) => attendeeIn(component, commenterOf(one, identify), identify) !== undefined);
    const isSame = stored === undefined && left.length === comments.length;
    return isSame ? component : withProperties(component, attendeeComment, left);
  });
}
