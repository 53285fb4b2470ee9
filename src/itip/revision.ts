import type { Component } from "../ical/component.ts";
import { propertyOf } from "../ical/component.ts";
import { sequenceOf } from "./people.ts";

/** Where a component stands in the order of its revisions. RFC 5546 §2.1.5 */
interface Revision {
  readonly sequence: number;
  /** Text of the DTSTAMP, UTC, so that order of text is order of time; "" where it is missing. */
  readonly stamp: string;
}

const revisionOf = (component: Component): Revision => ({
  sequence: sequenceOf(component),
  stamp: propertyOf(component, "DTSTAMP")?.value.trim() ?? "",
});

/** Whether the message's component comes after the stored one, or is it: the greater SEQUENCE is later, of equal ones the
 *  greater DTSTAMP. A DTSTAMP that is missing is no reason to be late. */
export function isOutdated(message: Component, stored: Component): boolean {
  const theirs = revisionOf(message);
  const ours = revisionOf(stored);
  if (theirs.sequence !== ours.sequence) return theirs.sequence < ours.sequence;
  return theirs.stamp !== "" && ours.stamp !== "" && theirs.stamp < ours.stamp;
}
