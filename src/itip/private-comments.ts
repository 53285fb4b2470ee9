import type { Component, Property } from "../ical/component.ts";
import { parameterOf, propertiesOf } from "../ical/component.ts";
import { withComponents, withProperties } from "../ical/edit.ts";
import { withoutProperties } from "../ical/lines.ts";
import { attendeeIn, type Identify } from "./people.ts";
import { componentsOf, deriveInstance, type Key, mapMembers, type Series } from "./series.ts";

/** What an attendee tells the organizer alone, in his own copy. An empty one withdraws it. caldav-privatecomments §4.1.4 */
export const privateComment = "X-CALENDARSERVER-PRIVATE-COMMENT";
/** The same in the organizer's copy. §4.1.5 */
export const attendeeComment = "X-CALENDARSERVER-ATTENDEE-COMMENT";

const commentNames: ReadonlySet<string> = new Set([privateComment, attendeeComment]);

/** Whose comment it is, as `identify` names him. */
export const commenterOf = (comment: Property, identify: Identify): string =>
  identify(parameterOf(comment, "X-CALENDARSERVER-ATTENDEE-REF") ?? "");

/** Nearly no object has such a property. A name may be folded. */
const suspicion = /^X(?:-CALENDARSERVER-(?:PRIVATE|ATTENDEE)-COMMENT|[^\n:;]{0,34}\n[ \t])/im;

/** Whether a text may have comments; true too often rather than too seldom. */
export const mayHaveComments = (text: string): boolean => suspicion.test(text);

/** A calendar object's text for those who are not meant: without anybody's comments, every other byte as it was. */
export const withoutComments = (text: string): string =>
  mayHaveComments(text) ? withoutProperties(text, commentNames) : text;

/** The sent state with the comments that are stored and no others, since its sender can see none: what he did not see he neither
 *  changes nor takes away. An instance with comments of its own becomes an override, if it is still one. */
export function withStoredComments(was: Series, now: Series): Component {
  const replaced = mapMembers(now, (component, key) => withCommentsOf(component, storedAt(was, key)));
  const added: Component[] = [];
  for (const [key, stored] of was.overrides) {
    if (now.overrides.has(key) || now.exceptions.has(key) || !hasComment(stored)) continue;
    const instance = deriveInstance(now, key);
    if (instance !== undefined) added.push(withCommentsOf(instance, stored));
  }
  return withComponents(replaced, [...replaced.components, ...added]);
}

const withCommentsOf = (component: Component, stored: Component | undefined): Component => {
  let next = component;
  for (const name of commentNames)
    next = withProperties(next, name, stored === undefined ? [] : propertiesOf(stored, name));
  return next;
};

const hasComment = ({ properties }: Component): boolean => properties.some(({ name }) => commentNames.has(name));

const hasComments = (series: Series): boolean => componentsOf(series).some(hasComment);

const storedAt = (was: Series, key: Key): Component | undefined =>
  key === "master" ? was.master : (was.overrides.get(key) ?? deriveInstance(was, key));

/** The new state with the comments of the old one if it has none at all: so it comes from a client that does not know them and leaves them out. Who
 *  knows them withdraws his by emptying it. */
export function withForgottenComments(was: Series, now: Series): Component {
  if (!hasComments(was) || hasComments(now)) return now.root;
  return mapMembers(now, (component, key) => {
    const stored = storedAt(was, key);
    return stored === undefined ? component : withCommentsOf(component, stored);
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
