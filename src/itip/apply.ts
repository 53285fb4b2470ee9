import type { Component } from "../ical/component.ts";
import { propertyOf } from "../ical/component.ts";
import type { Utc } from "../model/ids.ts";
import { applyAdd } from "./apply-add.ts";
import { applyCancel } from "./apply-cancel.ts";
import { applyReply } from "./apply-reply.ts";
import { applyRequest } from "./apply-request.ts";
import { type Method, methods } from "./message.ts";
import { type Identify, organizerOf } from "./people.ts";
import { componentsOf, type Key, type Series, seriesOf } from "./series.ts";

/** A message that has arrived for somebody. */
export interface Arrival {
  /** The VCALENDAR with its METHOD. */
  readonly root: Component;
  /** The recipient's copy; undefined when he has none. */
  readonly existing: Component | undefined;
  /** The recipient, as `identify` names him. */
  readonly recipient: string;
  readonly identify: Identify;
  readonly now: Utc;
  /** Takes cancelled instances out instead of keeping them to be seen: what rooms do, whose calendars nobody reads. */
  readonly isAutomatic: boolean;
}

/** What a component of a REPLY changed. */
export interface ReplyChange {
  readonly component: Component;
  readonly partstat: boolean;
  readonly comment: boolean;
}

/** What comes of it. */
export type Outcome =
  /** Nothing is to be done, and the sender hears that it was delivered. */
  | {
      readonly outcome: "ignored";
      readonly because: "out-of-sequence" | "unknown-uid" | "not-invited" | "declined" | "no-change";
    }
  /** Not for the calendar, but for its owner to read: COUNTER, DECLINECOUNTER. */
  | { readonly outcome: "noted" }
  /** An attendee asks for the latest state, to be sent to him (RFC 5546 §3.2.6). */
  | { readonly outcome: "asked"; readonly person: string }
  | {
      readonly outcome: "stored";
      readonly root: Component;
      /** More than the participation of others changed (RFC 6638 §3.2.10). */
      readonly isConsequential: boolean;
      /** The other attendees should hear of it: an answer changed. */
      readonly tellOthers: boolean;
      /** What changed, for CS:schedule-changes. */
      readonly instances: readonly Key[];
      /** Of a REPLY, the addresses of those whom somebody sends in his place: they are to be invited. */
      readonly delegates?: readonly string[];
      /** Of a REPLY, what each of its components changed. */
      readonly replies?: readonly ReplyChange[];
    }
  | { readonly outcome: "removed"; readonly instances: readonly Key[] }
  | { readonly outcome: "refused"; readonly status: string };

/** Applies a message to the recipient's copy by RFC 5546 §3: revisions in order of SEQUENCE and DTSTAMP (§2.1.5), the same message
 *  twice as once. Whatever the message does not say stays as it is. Throws Refusal(valid-calendar-data …) for what cannot be
 *  read. */
export function applyItip(arrival: Arrival): Outcome {
  const { root, existing, identify } = arrival;
  const method = methodOf(root);
  const message = seriesOf(root);
  const copy = existing && seriesOf(existing);
  if (method === undefined) return { outcome: "refused", status: "3.14;Unsupported capability" };
  if (message.kind === "VPOLL" || message.kind === "VFREEBUSY" || message.kind === "VAVAILABILITY")
    return { outcome: "refused", status: "3.14;Unsupported capability" };
  if (copy !== undefined && copy.kind !== message.kind)
    return { outcome: "refused", status: "5.3;The UID is that of another kind of component" };
  if (copy !== undefined && isOtherOrganizer(message, copy, identify))
    return { outcome: "refused", status: "5.3;Organizer change not allowed" };
  switch (method) {
    case "REQUEST":
    case "PUBLISH":
      return applyRequest(message, copy, method, arrival);
    case "ADD":
      return applyAdd(message, copy, arrival);
    case "CANCEL":
      return applyCancel(message, copy, arrival);
    case "REPLY":
      return applyReply(message, copy, arrival);
    case "REFRESH": {
      const [attendee] = componentsOf(message).flatMap(({ properties }) =>
        properties.filter(({ name }) => name === "ATTENDEE"),
      );
      if (copy === undefined) return { outcome: "ignored", because: "unknown-uid" };
      return attendee === undefined
        ? { outcome: "ignored", because: "not-invited" }
        : { outcome: "asked", person: identify(attendee.value) };
    }
    case "COUNTER":
    case "DECLINECOUNTER":
      return copy === undefined ? { outcome: "ignored", because: "unknown-uid" } : { outcome: "noted" };
  }
}

/** Undefined for what RFC 5546 does not know. */
export const methodOf = (root: Component): Method | undefined => {
  const name = propertyOf(root, "METHOD")?.value.trim().toUpperCase();
  return methods.find((method) => method === name);
};

function isOtherOrganizer(message: Series, copy: Series, identify: Identify): boolean {
  const theirs = organizerOf(componentsOf(message));
  const ours = organizerOf(componentsOf(copy));
  if (ours === undefined) return false;
  return theirs === undefined || identify(theirs.value) !== identify(ours.value);
}
