import type { Component, Property } from "../ical/component.ts";
import { parameterOf, propertiesOf, propertyOf } from "../ical/component.ts";
import { mapProperties, withComponents, without, withParameter, withProperties, withValue } from "../ical/edit.ts";
import { dateTimeOf } from "../ical/time.ts";
import { Refusal } from "../model/refusal.ts";
import type { AttendeeChange } from "./attendee.ts";
import { type Decision, decided } from "./decisions.ts";
import { attendeeIn, editAttendee, isCancelled } from "./people.ts";
import {
  componentsOf,
  deriveInstance,
  hasInstance,
  type Key,
  mapMembers,
  type Series,
  seriesOf,
  withException,
  withMember,
  withoutExceptions,
} from "./series.ts";
import { sharedExtensions } from "./snapshot.ts";

/** An attendee's copy with what he may change taken from his client. */
export interface MergedCopy {
  readonly root: Component;
  /** Instances that he declined by taking them out. */
  readonly declined: ReadonlySet<Key>;
}

type Owner = Pick<AttendeeChange, "owner" | "identify">;

const refused = (problem: string, because: Decision, owner: string): Refusal => {
  decided(because, owner);
  return new Refusal({ code: "allowed-attendee-scheduling-object-change", problem });
};

/** Starts from the copy as the server has it and takes from the client, component by component, only what is an attendee's own
 *  (RFC 6638 §3.2.2.1). Instances that he took out are declined; ones that his client lost come back. */
export function mergedByAttendee(base: Series, sent: Series, change: Owner): MergedCopy {
  const client = withMatchedMaster(base, sent, change);
  const declined = new Set<Key>();
  let series = base;
  const replace = (root: Component): void => {
    series = seriesOf(root);
  };
  if (client.master !== undefined)
    for (const key of client.exceptions) {
      if (base.exceptions.has(key) || client.overrides.has(key)) continue;
      const stored = series.overrides.get(key);
      if (stored !== undefined && isCancelled(stored)) replace(withoutCancelled(series, key));
      else if (base.master === undefined && stored === undefined) continue;
      else replace(withDeclined(series, key, declined, change));
    }
  // Without a master of its own the client has nowhere to put an EXDATE: what it leaves out is declined.
  if (client.master === undefined && base.master === undefined)
    for (const [key, stored] of base.overrides)
      if (!client.overrides.has(key)) {
        if (isCancelled(stored)) replace(withMember(series, key, undefined));
        else replace(withDeclined(series, key, declined, change));
      }
  for (const key of client.overrides.keys()) {
    if (series.overrides.has(key)) continue;
    const made = deriveInstance(series, key);
    if (made === undefined) continue;
    if (series.exceptions.has(key)) {
      // A cancelled instance that was taken out may come back to be looked at; a live one was never offered.
      const sentAgain = client.overrides.get(key);
      if (sentAgain === undefined || !isCancelled(sentAgain) || series.master === undefined) continue;
      const master = withoutExceptions(series.master, series, new Set([key]));
      replace(withMember(series, "master", master));
      replace(withMember(series, key, withValue(made, "STATUS", "CANCELLED")));
    } else replace(withMember(series, key, made));
  }
  const merged = mapMembers(series, (component, key) => {
    if (declined.has(key)) return component;
    const own = key === "master" ? client.master : client.overrides.get(key);
    return own === undefined ? component : takeOwn(component, own, change);
  });
  return { root: withCalendarProperties(merged, client.root), declined };
}

/** A client may lose the RECURRENCE-ID of the one instance it was invited to: what it sends is matched by its start. */
function withMatchedMaster(base: Series, client: Series, { owner }: Owner): Series {
  const { master } = client;
  if (master === undefined || base.master !== undefined) return client;
  const start = propertyOf(master, "DTSTART");
  const at = start && dateTimeOf(start, client.zones);
  for (const override of base.overrides.values()) {
    const own = propertyOf(override, "DTSTART");
    const id = propertyOf(override, "RECURRENCE-ID");
    if (own === undefined || id === undefined || at === undefined) continue;
    const time = dateTimeOf(own, base.zones);
    if (time.local !== at.local || time.form !== at.form) continue;
    const bare = mapProperties(master, (property) => (ofRecurrence.has(property.name) ? undefined : property));
    return seriesOf(withMember(client, "master", { ...bare, properties: [...bare.properties, id] }));
  }
  if (componentsOf(client).every(isCancelled)) return seriesOf(withMember(client, "master", undefined));
  throw refused("the object has a component that the organizer did not invite to", "attendee.foreign-component", owner);
}

const ofRecurrence = new Set(["RRULE", "RDATE", "EXDATE", "EXRULE"]);

function withDeclined(series: Series, key: number, declined: Set<Key>, { owner, identify }: Owner): Component {
  const component = series.overrides.get(key) ?? deriveInstance(series, key);
  if (component === undefined)
    throw refused("an EXDATE names no instance of the event", "attendee.foreign-exception", owner);
  if (attendeeIn(component, owner, identify) === undefined) return series.root;
  declined.add(key);
  const answered = editAttendee(component, owner, identify, (attendee) =>
    withParameter(withParameter(attendee, "PARTSTAT", "DECLINED"), "RSVP", undefined),
  );
  return withMember(series, key, hidden(without(answered, "X-APPLE-NEEDS-REPLY")));
}

/** A declined instance takes no time. */
const hidden = (component: Component): Component =>
  component.name === "VEVENT" ? withValue(component, "TRANSP", "TRANSPARENT") : component;

/** The attendee has taken note of a cancelled instance and put it away. */
function withoutCancelled(series: Series, key: number): Component {
  const { master } = series;
  const without = seriesOf(withMember(series, key, undefined));
  if (master === undefined || without.master === undefined || !hasInstance(without, key)) return without.root;
  return withMember(without, "master", withException(without.master, without, key));
}

/** Properties that are an attendee's own. Those without a value in the client's component go. */
const own = new Set(["TRANSP", "LAST-MODIFIED", "PERCENT-COMPLETE", "COMPLETED"]);

const isOwn = (name: string): boolean => own.has(name) || (name.startsWith("X-") && !sharedExtensions.has(name));

/** The stored component with the client's answer, alarms and other things that are its owner's. */
function takeOwn(stored: Component, sent: Component, { owner, identify }: Owner): Component {
  const answer = attendeeIn(sent, owner, identify);
  const kept = attendeeIn(stored, owner, identify);
  if (kept !== undefined && answer === undefined)
    throw refused("an attendee cannot take himself off; decline instead", "attendee.took-himself-off", owner);
  let component = stored;
  if (kept !== undefined && answer !== undefined)
    component = editAttendee(component, owner, identify, (attendee) => withAnswer(attendee, answer));
  const names = new Set<string>();
  for (const { name } of [...stored.properties, ...sent.properties]) if (isOwn(name)) names.add(name);
  for (const name of names)
    component = withProperties(component, name, same(component, propertiesOf(sent, name), name));
  component = withBoxedAttachments(component, sent);
  const alarms = sent.components.filter(({ name }) => name === "VALARM");
  const others = component.components.filter(({ name }) => name !== "VALARM");
  return withComponents(component, [...others, ...alarms]);
}

/** The component's own properties where they say the same, so that nothing changes. */
function same(component: Component, sent: readonly Property[], name: string): readonly Property[] {
  const stored = propertiesOf(component, name);
  const isSame =
    stored.length === sent.length &&
    stored.every((property, at) => {
      const other = sent[at];
      return (
        other !== undefined &&
        other.value === property.value &&
        JSON.stringify(other.parameters) === JSON.stringify(property.parameters)
      );
    });
  return isSame ? stored : sent;
}

function withAnswer(attendee: Property, answer: Property): Property {
  let edited = attendee;
  for (const name of ["PARTSTAT", "RSVP", "DELEGATED-TO"])
    edited = withParameter(edited, name, parameterOf(answer, name));
  return edited;
}

/** Attendees of the first clients put files into the event's drop box; which links to these their copy has is theirs to say. */
function withBoxedAttachments(stored: Component, sent: Component): Component {
  const box = propertyOf(stored, "X-APPLE-DROPBOX")?.value;
  if (box === undefined || box === "") return stored;
  const isBoxed = ({ value, parameters }: Property): boolean =>
    value.includes(box) && !parameters.some(({ name }) => name === "MANAGED-ID");
  const before = propertiesOf(stored, "ATTACH");
  const theirs = new Map(
    propertiesOf(sent, "ATTACH").flatMap((one) => (isBoxed(one) ? [[one.value, one] as const] : [])),
  );
  const kept = before.filter((one) => !isBoxed(one) || theirs.delete(one.value));
  return withProperties(stored, "ATTACH", [...kept, ...theirs.values()]);
}

/** RFC 6638 §3.2.2.1, 6 and 7; and the restriction of the original server. */
function withCalendarProperties(root: Component, sent: Component): Component {
  let edited = root;
  for (const name of ["CALSCALE", "PRODID", "X-CALENDARSERVER-ACCESS"]) {
    const theirs = propertiesOf(sent, name);
    if (theirs.length > 0 || name !== "PRODID") edited = withProperties(edited, name, same(edited, theirs, name));
  }
  return edited;
}
