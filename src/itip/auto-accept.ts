import type { Component } from "../ical/component.ts";
import { withParameter, withValue } from "../ical/edit.ts";
import { instancesIn } from "../ical/instances.ts";
import type { Zone } from "../ical/zones.ts";
import { type TimeRange, type Utc, utc } from "../model/ids.ts";
import type { AutoSchedule } from "../model/principal.ts";
import { attendeeIn, editAttendee, type Identify, isCancelled, partstatOf } from "./people.ts";
import {
  deriveInstance,
  type Key,
  keyOfComponent,
  membersOf,
  objectOf,
  type Series,
  seriesOf,
  withMember,
} from "./series.ts";

/** What a room or resource goes by. */
export interface AutoAccept {
  readonly mode: AutoSchedule;
  readonly recipient: string;
  readonly identify: Identify;
  readonly now: Utc;
  /** In which its floating times are read. */
  readonly zone: Zone;
  /** Whether something else takes the time. Asked for instances within `horizonOf`. */
  isBusy(range: TimeRange): boolean;
}

/** The answered copy. `answered`: the components to reply for; none when people are to answer. */
export interface Answered {
  readonly root: Component;
  readonly answered: ReadonlySet<Key>;
}

/** Days ahead in which instances are compared with the calendar, as the original. What is later is accepted or declined with
 *  the rest. */
const daysAhead = 356;
const daySeconds = 86_400;

/** Instances looked at; a series with more is answered as a whole by these. */
const maxInstances = 2_000;
/** Instances that may get an answer of their own; with more, the whole is declined: nobody could use such a booking. */
const maxExceptions = 400;

/** The time in which instances are compared with the calendar. */
export const horizonOf = (now: Utc): TimeRange => ({
  start: utc(now - daySeconds),
  end: utc(now + daysAhead * daySeconds),
});

type Answer = "ACCEPTED" | "DECLINED" | "NEEDS-ACTION";

/** Answers what has no answer yet, instance by instance. One answer for most of a series goes on its master, instances with
 *  another one get a component of their own; half and half is accepted. What somebody has answered by hand stays.
 *  RFC 6638 says nothing of this; the modes are those of the original server. */
export function autoAccept(root: Component, options: AutoAccept): Answered {
  const { mode, recipient, identify } = options;
  const series = seriesOf(root);
  const open = new Set<Key>();
  for (const [key, component] of membersOf(series)) {
    const attendee = attendeeIn(component, recipient, identify);
    if (attendee !== undefined && partstatOf(attendee) === "NEEDS-ACTION" && !isCancelled(component)) open.add(key);
  }
  if (mode === "none" || open.size === 0) return { root, answered: new Set() };
  const answers = answersFor(series, open, options);
  const answered = new Set<Key>();
  let next = series;
  for (const [key, answer] of answers) {
    const component = key === "master" ? next.master : (next.overrides.get(key) ?? deriveInstance(next, key));
    if (component === undefined) continue;
    next = seriesOf(withMember(next, key, withAnswer(component, answer, options)));
    if (answer !== "NEEDS-ACTION") answered.add(key);
  }
  return { root: next.root, answered };
}

const always: Partial<Record<AutoSchedule, Answer>> = { "accept-always": "ACCEPTED", "decline-always": "DECLINED" };

const answerOf = (mode: AutoSchedule, isBusy: boolean): Answer =>
  isBusy
    ? mode === "accept-if-free"
      ? "NEEDS-ACTION"
      : "DECLINED"
    : mode === "decline-if-busy"
      ? "NEEDS-ACTION"
      : "ACCEPTED";

function answersFor(series: Series, open: ReadonlySet<Key>, options: AutoAccept): ReadonlyMap<Key, Answer> {
  const { mode, now, zone } = options;
  const answers = new Map<Key, Answer>();
  const fixed = always[mode];
  if (fixed !== undefined) {
    for (const key of open) answers.set(key, fixed);
    return answers;
  }
  const plain = new Map<number, Answer>();
  const { instances } = instancesIn(objectOf(series.root), horizonOf(now), zone, maxInstances);
  for (const { component, start, end, floating, recurrenceId } of instances) {
    const isOverride = component !== series.master;
    const range: TimeRange = floating ? { start: zone.toUtc(start), end: zone.toUtc(end) } : { start, end };
    const answer = answerOf(mode, range.end > range.start && options.isBusy(range));
    if (isOverride) {
      const key = keyOfComponent(component, series.zones, series);
      if (open.has(key)) answers.set(key, answer);
    } else if (open.has("master")) {
      const key = recurrenceId === undefined ? 0 : idKey(series, recurrenceId.local, recurrenceId.zone);
      plain.set(key, answer);
    }
  }
  // Overrides that lie outside the horizon have nothing to be compared with.
  for (const key of open) if (key !== "master" && !answers.has(key)) answers.set(key, answerOf(mode, false));
  if (!open.has("master")) return answers;
  const most = majority([...plain.values()], mode);
  const others = [...plain].filter(([, answer]) => answer !== most);
  if (others.length > maxExceptions) {
    for (const key of open) answers.set(key, "DECLINED");
    return answers;
  }
  return new Map<Key, Answer>([["master", most], ...others, ...answers]);
}

const idKey = (series: Series, local: number, zone: Zone | undefined): number =>
  series.start?.zone === undefined || zone === undefined ? local : zone.toUtc(local);

function majority(answers: readonly Answer[], mode: AutoSchedule): Answer {
  if (answers.length === 0) return answerOf(mode, false);
  const count = (answer: Answer): number => answers.filter((one) => one === answer).length;
  const free = answerOf(mode, false);
  const busy = answerOf(mode, true);
  return count(busy) > count(free) ? busy : free;
}

function withAnswer(component: Component, answer: Answer, { recipient, identify }: AutoAccept): Component {
  const answered =
    answer === "NEEDS-ACTION"
      ? component
      : editAttendee(component, recipient, identify, (attendee) =>
          withParameter(withParameter(attendee, "PARTSTAT", answer), "RSVP", undefined),
        );
  if (component.name !== "VEVENT") return answered;
  return withValue(answered, "TRANSP", answer === "ACCEPTED" ? "OPAQUE" : "TRANSPARENT");
}
