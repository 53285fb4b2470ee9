import type { Component } from "../ical/component.ts";
import { parameterOf, propertyOf } from "../ical/component.ts";
import { mapProperties, withParameter, withProperties, withValue } from "../ical/edit.ts";
import type { Arrival, Outcome } from "./apply.ts";
import { isCancelled, sequenceOf } from "./people.ts";
import { isOutdated } from "./revision.ts";
import {
  componentsOf,
  deriveInstance,
  hasInstance,
  type Key,
  keyOfComponent,
  mapMembers,
  type Series,
  seriesOf,
  withException,
  withMember,
} from "./series.ts";

/** CANCEL: the whole, or the instances it names. People keep what was cancelled to see it; a room's calendar loses it.
 *  RFC 5546 §3.2.5 */
export function applyCancel(message: Series, copy: Series | undefined, arrival: Arrival): Outcome {
  if (copy === undefined) return { outcome: "ignored", because: "unknown-uid" };
  const { master } = message;
  const [first] = componentsOf(copy);
  if (master !== undefined) {
    const last = copy.master ?? first;
    if (last !== undefined && isOutdated(master, last) && sequenceOf(master) < sequenceOf(last))
      return { outcome: "ignored", because: "out-of-sequence" };
    if (arrival.isAutomatic) return { outcome: "removed", instances: ["master"] };
    if (componentsOf(copy).every(isCancelled)) return { outcome: "ignored", because: "no-change" };
    return stored(
      mapMembers(copy, (component) => marked(component, master)),
      ["master"],
    );
  }
  let next = copy;
  const instances: Key[] = [];
  for (const component of componentsOf(message)) {
    const key = keyOfComponent(component, message.zones, copy);
    if (key === "master") continue;
    const after = withCancelled(next, key, component, arrival);
    if (after === next.root) continue;
    instances.push(key);
    if (after === undefined) return { outcome: "removed", instances };
    next = seriesOf(after);
  }
  return instances.length === 0 ? { outcome: "ignored", because: "no-change" } : stored(next.root, instances);
}

const stored = (root: Component, instances: readonly Key[]): Outcome => ({
  outcome: "stored",
  root,
  isConsequential: true,
  tellOthers: false,
  instances,
});

/** Undefined when nothing is left. */
function withCancelled(copy: Series, key: number, message: Component, { isAutomatic }: Arrival): Component | undefined {
  const stored = copy.overrides.get(key);
  if (stored !== undefined && sequenceOf(message) < sequenceOf(stored)) return copy.root;
  const id = propertyOf(message, "RECURRENCE-ID");
  if (id !== undefined && parameterOf(id, "RANGE")?.toUpperCase() === "THISANDFUTURE")
    return withFutureCancelled(copy, key, message);
  if (isAutomatic) {
    if (copy.master === undefined)
      return copy.overrides.size === 1 && stored !== undefined ? undefined : withMember(copy, key, undefined);
    if (stored === undefined && (copy.exceptions.has(key) || !hasInstance(copy, key))) return copy.root;
    const rest = seriesOf(withMember(copy, key, undefined));
    return hasInstance(rest, key) && rest.master !== undefined
      ? withMember(rest, "master", withException(rest.master, rest, key))
      : rest.root;
  }
  if (stored !== undefined && isCancelled(stored)) return copy.root;
  const component = stored ?? (copy.exceptions.has(key) ? undefined : deriveInstance(copy, key));
  return component === undefined ? copy.root : withMember(copy, key, marked(component, message));
}

/** This instance and all later ones, by a component for all of them (RFC 5545 §3.2.13) and those that have their own. */
function withFutureCancelled(copy: Series, key: number, message: Component): Component {
  let next = copy;
  const first = copy.overrides.get(key) ?? deriveInstance(copy, key);
  if (first !== undefined) {
    const ranged = mapProperties(first, (property) =>
      property.name === "RECURRENCE-ID" ? withParameter(property, "RANGE", "THISANDFUTURE") : property,
    );
    next = seriesOf(withMember(next, key, marked(ranged, message)));
  }
  for (const [at, override] of copy.overrides)
    if (at > key && !isCancelled(override)) next = seriesOf(withMember(next, at, marked(override, message)));
  return next.root;
}

/** STATUS:CANCELLED, with the number and stamp of the message. */
function marked(component: Component, message: Component): Component {
  let next = withValue(component, "STATUS", "CANCELLED");
  const sequence = Math.max(sequenceOf(component), sequenceOf(message));
  if (sequence > sequenceOf(component)) next = withValue(next, "SEQUENCE", String(sequence));
  const stamp = propertyOf(message, "DTSTAMP");
  return stamp === undefined ? next : withProperties(next, "DTSTAMP", [stamp]);
}
