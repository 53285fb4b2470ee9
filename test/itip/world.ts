import type { Component } from "../../src/ical/component.ts";
import { propertyOf } from "../../src/ical/component.ts";
import { readCalendar } from "../../src/ical/read.ts";
import { writeComponent } from "../../src/ical/write.ts";
import { utcZone } from "../../src/ical/zones.ts";
import { applyItip, type Outcome } from "../../src/itip/apply.ts";
import { planAttendee, replyMessage, withReplyStatus } from "../../src/itip/attendee.ts";
import { autoAccept } from "../../src/itip/auto-accept.ts";
import type { ItipMessage } from "../../src/itip/message.ts";
import { planOrganizer, withStatuses } from "../../src/itip/organizer.ts";
import { organizerOf } from "../../src/itip/people.ts";
import { refreshes } from "../../src/itip/refresh.ts";
import { roleOf, tidied } from "../../src/itip/role.ts";
import { componentsOf, seriesOf } from "../../src/itip/series.ts";
import { type TimeRange, type Utc, utc } from "../../src/model/ids.ts";
import { type AutoSchedule, normaliseAddress } from "../../src/model/principal.ts";

/** Calendar users with a map each for a store: what the scheduling service does, without files and locks. */
export class World {
  readonly objects = new Map<string, Map<string, Component>>();
  readonly received = new Map<string, ItipMessage[]>();
  readonly modes = new Map<string, AutoSchedule>();
  readonly busy = new Map<string, TimeRange[]>();
  readonly elsewhere = new Set<string>();
  readonly nobodies = new Set<string>();
  now: Utc = utc(1_767_225_600);
  last: Outcome | undefined;
  /** Rows of the decision tables that decided in the present step, by person; what was done with each message that arrived too. */
  readonly decided = new Map<string, Set<string>>();

  note(row: string, person: string): void {
    this.decided.set(person, (this.decided.get(person) ?? new Set<string>()).add(row));
  }

  readonly identify = (address: string): string => {
    const found = /^mailto:([^@]+)@/.exec(normaliseAddress(address));
    return found?.[1] ?? address;
  };

  copyOf(person: string, uid: string): Component | undefined {
    return this.objects.get(person)?.get(uid);
  }

  store(person: string, uid: string, root: Component | undefined): void {
    const objects = this.objects.get(person) ?? new Map<string, Component>();
    this.objects.set(person, objects);
    if (root === undefined) objects.delete(uid);
    // As from a file: nothing is shared with the message it came from.
    else objects.set(uid, readCalendar(writeComponent(root)));
  }

  /** A client's PUT (after) or DELETE (undefined). Throws the Refusal. */
  change(
    person: string,
    uid: string,
    sent: Component | undefined,
    options: { readonly merge: boolean; readonly silent: boolean },
  ): void {
    this.received.clear();
    const { identify, now } = this;
    const before = this.copyOf(person, uid);
    const after = sent && tidied(sent, identify);
    const root = after ?? before;
    if (root === undefined) throw new Error(`${person} has no ${uid}`);
    const roles = [before, after].map((one) => (one === undefined ? "none" : roleOf(seriesOf(one), person, identify)));
    const role = roles.includes("organizer") ? "organizer" : roles.includes("attendee") ? "attendee" : "none";
    const queue: ItipMessage[] = [];
    if (role === "organizer") {
      const plan = planOrganizer({
        before,
        after,
        owner: person,
        identify,
        now,
        merge: options.merge,
        keepComments: true,
      });
      this.store(person, uid, plan.store && withStatuses(plan.store, this.statuses(plan.messages), identify));
      queue.push(...plan.messages);
    } else if (role === "attendee") {
      const organizer = identify(organizerOf(componentsOf(seriesOf(root)))?.value ?? "");
      const plan = planAttendee({
        before,
        after,
        owner: person,
        identify,
        now,
        silent: options.silent,
        keepComments: true,
        organizer: this.nobodies.has(organizer)
          ? { is: "nobody" }
          : this.elsewhere.has(organizer)
            ? { is: "elsewhere" }
            : { is: "here", copy: this.copyOf(organizer, uid) },
      });
      const isTold = plan.messages.length > 0;
      this.store(person, uid, plan.store && (isTold ? withReplyStatus(plan.store, "1.2") : plan.store));
      queue.push(...plan.messages);
    } else this.store(person, uid, after);
    this.deliver(queue);
  }

  statuses(messages: readonly ItipMessage[]): Map<string, string> {
    const codes = new Map<string, string>();
    for (const { recipients } of messages)
      for (const address of recipients) {
        const person = this.identify(address);
        codes.set(person, this.nobodies.has(person) ? "3.7" : "1.2");
      }
    return codes;
  }

  deliver(queue: ItipMessage[]): void {
    for (let message = queue.shift(); message !== undefined; message = queue.shift())
      for (const address of message.recipients) queue.push(...this.arrive(this.identify(address), message));
  }

  /** Answers what follows from it. */
  arrive(person: string, message: ItipMessage): readonly ItipMessage[] {
    if (this.nobodies.has(person)) return [];
    this.received.set(person, [...(this.received.get(person) ?? []), message]);
    if (this.elsewhere.has(person)) return [];
    const { identify, now } = this;
    // Messages travel as text.
    const root = readCalendar(writeComponent(message.root));
    const { uid } = seriesOf(root);
    const mode = this.modes.get(person) ?? "none";
    const existing = this.copyOf(person, uid);
    const outcome = applyItip({ root, existing, recipient: person, identify, now, isAutomatic: mode !== "none" });
    this.last = outcome;
    this.note(arrivalRow(message.method, existing, outcome), person);
    if (outcome.outcome === "removed") this.store(person, uid, undefined);
    if (outcome.outcome === "asked")
      return existing === undefined
        ? []
        : refreshes(existing, (one) => (one === outcome.person ? "asked" : undefined), person, identify, now);
    if (outcome.outcome !== "stored") return [];
    this.store(person, uid, outcome.root);
    const replier = identify(message.originator);
    if (outcome.tellOthers)
      return refreshes(outcome.root, (one) => (one === replier ? undefined : "answers"), person, identify, now);
    if (mode === "none" || message.method === "REPLY") return [];
    const isBusy = (range: TimeRange): boolean =>
      (this.busy.get(person) ?? []).some(({ start, end }) => start < range.end && end > range.start);
    const { root: answered, answered: keys } = autoAccept(outcome.root, {
      mode,
      recipient: person,
      identify,
      now,
      zone: utcZone,
      isBusy,
    });
    if (keys.size === 0) return [];
    this.store(person, uid, withReplyStatus(answered, "1.2"));
    return [replyMessage(seriesOf(answered), keys, { owner: person, identify, now })];
  }
}

/** Whether the object's root has this UID. */
export const uidIn = (root: Component): string | undefined =>
  root.components.map((component) => propertyOf(component, "UID")?.value).find((uid) => uid !== undefined);

/** The row of the table of arrivals: method, outcome, and what it was about. */
function arrivalRow(method: string, existing: Component | undefined, outcome: Outcome): string {
  const row = `arrival.${method}.${outcome.outcome}`;
  switch (outcome.outcome) {
    case "ignored":
      return `${row}.${outcome.because}`;
    case "refused":
      return `${row}.${outcome.status.split(/[;. ]+/).at(-1) === "allowed" ? "organizer" : outcome.status.startsWith("3.14") ? "3.14" : "kind"}`;
    case "stored":
      if (existing === undefined) return `${row}.new`;
      return `${row}.${outcome.instances.includes("master") ? "whole" : "instances"}`;
    case "removed":
      return `${row}.${outcome.instances.includes("master") ? "whole" : "instances"}`;
    default:
      return row;
  }
}
