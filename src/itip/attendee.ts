import type { Component } from "../ical/component.ts";
import { propertyOf } from "../ical/component.ts";
import { mapProperties, withComponents, withoutParameters, withParameter } from "../ical/edit.ts";
import type { Utc } from "../model/ids.ts";
import { Refusal } from "../model/refusal.ts";
import { mergedByAttendee } from "./attendee-merge.ts";
import { type Decision, decided } from "./decisions.ts";
import { isForced, withoutForce } from "./force-send.ts";
import { type ItipMessage, messageRoot, replied, viewFor } from "./message.ts";
import {
  agentOf,
  attendeeIn,
  editAttendee,
  type Identify,
  isCancelled,
  organizerOf,
  partstatOf,
  withOrganizerStatus,
} from "./people.ts";
import { privateComment, withForgottenComments } from "./private-comments.ts";
import {
  componentsOf,
  deriveInstance,
  type Key,
  mapMembers,
  membersOf,
  type Series,
  seriesOf,
  withMember,
} from "./series.ts";

/** What an attendee did to his copy: before undefined, created; after undefined, removed. */
export interface AttendeeChange {
  readonly before: Component | undefined;
  readonly after: Component | undefined;
  /** The attendee, as `identify` names him. */
  readonly owner: string;
  readonly identify: Identify;
  readonly now: Utc;
  /** Where the organizer is: only of one of this server is the original known, and the attendee held to it. */
  readonly organizer:
    | { readonly is: "here"; readonly copy: Component | undefined }
    | { readonly is: "elsewhere" }
    | { readonly is: "nobody" };
  /** Schedule-Reply: F (RFC 6638 §8.1). */
  readonly silent: boolean;
  /** A client that leaves all private comments out does not know them. */
  readonly keepComments: boolean;
}

/** What follows from it. */
export interface AttendeePlan {
  readonly messages: readonly ItipMessage[];
  /** The VCALENDAR to store. Undefined: nothing is stored; what was stored goes, if the attendee's copy means nothing any more
   *  ("gone"), or stays away ("removed", by the client itself). */
  readonly store: Component | undefined;
  readonly result: "stored" | "removed" | "gone";
}

/** RFC 6638 §3.2.2: what an attendee's create, modify or remove replies, and what is stored of it. Beyond what he may change
 *  (§3.2.2.1) the organizer's data wins silently, as the original did it: a client that touches more only loses that.
 *  Throws Refusal(allowed-attendee-scheduling-object-change) for another ORGANIZER, for taking himself off, and for instances
 *  that do not exist. */
export function planAttendee(change: AttendeeChange): AttendeePlan {
  const { before, after } = change;
  const was = before && seriesOf(before);
  if (after === undefined)
    return { messages: was === undefined ? [] : declineAll(was, change), store: undefined, result: "removed" };
  const sent = seriesOf(after);
  const client = was === undefined || !change.keepComments ? sent : seriesOf(withForgottenComments(was, sent));
  if (was !== undefined) refuseOtherOrganizer(was, client, change);
  const { organizer } = change;
  if (organizer.is === "nobody") {
    decided("attendee.nobodys", change.owner);
    const store = edited(withoutForce(after), (one) => withOrganizerStatus(one, "5.3"));
    return { messages: [], store, result: "stored" };
  }
  if (organizer.is === "elsewhere") return planAlone(was, client, change);
  const view = organizer.copy && viewOf(seriesOf(organizer.copy), change);
  const base = was ?? view;
  if (view === undefined || base === undefined) {
    // What its organizer has given up means nothing; a cancelled copy is kept for its owner to look at.
    if (componentsOf(client).every(isCancelled)) {
      const isKept = was !== undefined && componentsOf(was).every(isCancelled);
      decided(isKept ? "attendee.kept-cancelled" : "attendee.gone-cancelled", change.owner);
      return isKept
        ? { messages: [], store: before, result: "stored" }
        : { messages: [], store: undefined, result: "gone" };
    }
    decided(was === undefined ? "attendee.uninvited" : "attendee.gone", change.owner);
    if (was !== undefined) return { messages: [], store: undefined, result: "gone" };
    throw new Refusal({
      code: "allowed-attendee-scheduling-object-change",
      problem: "the organizer is of this server and has no such event with this attendee",
    });
  }
  const merged = mergedByAttendee(base, client, change);
  const final = seriesOf(merged.root);
  const forced = isReplyForced(client);
  const keys = forced ? allKeys(final) : answeredKeys(base, final, merged.declined, change);
  decided(forced ? "attendee.forced" : answerOf(keys, merged.declined), change.owner);
  const told = withUntold(final, keys, view, change);
  return { messages: repliesOf(told, keys, forced, change), store: withoutForce(merged.root), result: "stored" };
}

const answerOf = (keys: ReadonlySet<Key>, declined: ReadonlySet<Key>): Decision => {
  if (keys.size === 0) return "attendee.no-answer";
  if (keys.has("master")) return "attendee.answered";
  return declined.size > 0 ? "attendee.took-out" : "attendee.answered-instance";
};

function refuseOtherOrganizer(was: Series, client: Series, { owner, identify }: AttendeeChange): void {
  const old = organizerOf(componentsOf(was));
  const now = organizerOf(componentsOf(client));
  if (old === undefined || (now !== undefined && identify(old.value) === identify(now.value))) return;
  decided("attendee.other-organizer", owner);
  throw new Refusal({
    code: "allowed-attendee-scheduling-object-change",
    problem: `the ORGANIZER stays ${old.value.slice(0, 100)}`,
  });
}

/** The organizer's copy as far as the attendee may see it; undefined when he is on none of it. */
function viewOf(original: Series, { owner, identify }: AttendeeChange): Series | undefined {
  const view = viewFor(original, owner, identify, "all");
  if (view.length === 0) return undefined;
  const others = original.root.components.filter(({ name }) => name === "VTIMEZONE");
  const components = view.map((component) => ({
    ...mapProperties(component, (property) => {
      if (property.name.startsWith("X-")) return undefined;
      return property.name === "ATTENDEE" || property.name === "ORGANIZER"
        ? withoutParameters(property, (name) => name.startsWith("SCHEDULE-"))
        : property;
    }),
    components: component.components.filter(({ name }) => name !== "VALARM"),
  }));
  return seriesOf(withComponents(original.root, [...others, ...components]));
}

const edited = (root: Component, edit: (component: Component) => Component): Component =>
  mapMembers(seriesOf(root), edit);

/** An organizer that only messages reach: the attendee's client may have had the event from anywhere, so it is believed. */
function planAlone(was: Series | undefined, client: Series, change: AttendeeChange): AttendeePlan {
  const forced = isReplyForced(client);
  const keys = was === undefined || forced ? answered(client, change) : answeredKeys(was, client, new Set(), change);
  decided(keys.size === 0 ? "attendee.elsewhere-no-answer" : "attendee.elsewhere", change.owner);
  return { messages: repliesOf(client, keys, forced, change), store: withoutForce(client.root), result: "stored" };
}

/** Components in which the attendee has said yes, no or perhaps. */
const answered = (series: Series, { owner, identify }: AttendeeChange): Set<Key> => {
  const keys = new Set<Key>();
  for (const [key, component] of membersOf(series)) {
    const own = attendeeIn(component, owner, identify);
    if (own !== undefined && partstatOf(own) !== "NEEDS-ACTION") keys.add(key);
  }
  return keys;
};

const allKeys = (series: Series): Set<Key> => new Set([...membersOf(series)].map(([key]) => key));

const isReplyForced = (series: Series): boolean =>
  componentsOf(series).some((component) => isForced(propertyOf(component, "ORGANIZER"), "REPLY"));

/** The reply of these components, if there are any. */
const repliesOf = (
  series: Series,
  keys: ReadonlySet<Key>,
  isOrdered: boolean,
  change: AttendeeChange,
): readonly ItipMessage[] =>
  keys.size === 0 ? [] : [{ ...replyMessage(series, keys, change), ...(isOrdered ? { isForced: true } : {}) }];

/** Components in which the attendee's own answer, his comment to the organizer or the state of his work on a task changed. */
function answeredKeys(
  was: Series,
  now: Series,
  declined: ReadonlySet<Key>,
  { owner, identify }: AttendeeChange,
): Set<Key> {
  const keys = new Set<Key>(declined);
  const answerIn = (component: Component | undefined): string => {
    const own = component && attendeeIn(component, owner, identify);
    const comment = component && propertyOf(component, privateComment)?.value;
    const work =
      component?.name === "VTODO"
        ? ["PERCENT-COMPLETE", "COMPLETED"].map((name) => propertyOf(component, name)?.value ?? "").join(" ")
        : "";
    return `${own === undefined ? "" : partstatOf(own)} ${comment ?? ""} ${work}`;
  };
  for (const [key, component] of membersOf(now)) {
    const old = key === "master" ? was.master : (was.overrides.get(key) ?? deriveInstance(was, key));
    if (answerIn(component) !== answerIn(old)) keys.add(key);
  }
  // An override that is the master's again answers as the master does.
  for (const [key, component] of was.overrides)
    if (!now.overrides.has(key)) {
      const derived = deriveInstance(now, key);
      if (derived !== undefined && answerIn(derived) !== answerIn(component)) keys.add(key);
    }
  return keys;
}

/** A REPLY for these components, with the answers they have or with one for all. RFC 5546 §3.2.3 */
export function replyMessage(
  series: Series,
  keys: ReadonlySet<Key>,
  { owner, identify, now }: Pick<AttendeeChange, "owner" | "identify" | "now">,
  partstat?: string,
): ItipMessage {
  const components: Component[] = [];
  const instances = [];
  for (const key of keys) {
    const component = key === "master" ? series.master : (series.overrides.get(key) ?? deriveInstance(series, key));
    const own = component && attendeeIn(component, owner, identify);
    if (component === undefined || own === undefined) continue;
    components.push(replied(component, owner, identify, now, partstat === undefined ? {} : { partstat }));
    instances.push({ key, id: undefined, properties: [], attendees: "partstat" as const });
  }
  const [first] = componentsOf(series);
  return {
    method: "REPLY",
    originator: (first && attendeeIn(first, owner, identify)?.value) ?? ownAddress(series, owner, identify),
    recipients: [organizerOf(componentsOf(series))?.value ?? ""],
    root: messageRoot("REPLY", series.root, components),
    says: { instances },
  };
}

const ownAddress = (series: Series, owner: string, identify: Identify): string => {
  for (const component of componentsOf(series)) {
    const own = attendeeIn(component, owner, identify);
    if (own !== undefined) return own.value;
  }
  return "";
};

/** An answer to the series is one to the instances that only the organizer has apart, too: those that say what the series says, of
 *  which nobody was told. Adds them to the keys, and answers the series with them. */
function withUntold(series: Series, keys: Set<Key>, view: Series, { owner, identify }: AttendeeChange): Series {
  const answer = keys.has("master") && series.master && attendeeIn(series.master, owner, identify);
  if (!answer) return series;
  let next = series;
  for (const [key, override] of view.overrides) {
    if (series.overrides.has(key) || series.exceptions.has(key)) continue;
    if (isCancelled(override) || attendeeIn(override, owner, identify) === undefined) continue;
    const answered = editAttendee(override, owner, identify, (attendee) =>
      withParameter(attendee, "PARTSTAT", partstatOf(answer)),
    );
    next = seriesOf(withMember(next, key, answered));
    keys.add(key);
  }
  return next;
}

/** Removing the copy declines (RFC 6638 §8.1), unless there is nothing left to decline or nobody to tell. */
function declineAll(was: Series, change: AttendeeChange): readonly ItipMessage[] {
  const { owner, identify, silent } = change;
  if (silent || change.organizer.is === "nobody") {
    decided(silent ? "attendee.deleted-silently" : "attendee.deleted-nobodys", owner);
    return [];
  }
  const keys = new Set<Key>();
  for (const [key, component] of membersOf(was)) {
    const own = attendeeIn(component, owner, identify);
    if (own !== undefined && !isCancelled(component)) keys.add(key);
  }
  decided(keys.size === 0 ? "attendee.deleted-cancelled" : "attendee.deleted", owner);
  if (keys.size === 0) return [];
  const view =
    change.organizer.is === "here"
      ? change.organizer.copy && viewOf(seriesOf(change.organizer.copy), change)
      : undefined;
  return [replyMessage(view === undefined ? was : withUntold(was, keys, view, change), keys, change, "DECLINED")];
}

/** The copy with what became of its reply on its ORGANIZER. RFC 6638 §7.3 */
export const withReplyStatus = (root: Component, code: string): Component =>
  edited(root, (component) => withOrganizerStatus(component, code));

/** Whether the server replies for this attendee: neither he nor the copy's ORGANIZER says CLIENT or NONE. */
export function isServed(series: Series, owner: string, identify: Identify): boolean {
  const organizer = organizerOf(componentsOf(series));
  if (organizer === undefined || agentOf(organizer) !== "SERVER") return false;
  return componentsOf(series).some((component) => {
    const own = attendeeIn(component, owner, identify);
    return own !== undefined && agentOf(own) === "SERVER";
  });
}
