import { type Decision, decided } from "./decisions.ts";
import type { SeriesChange } from "./diff.ts";
import { attendeeIn, type Identify, isCancelled } from "./people.ts";
import { hasInstance, type Key, type Series } from "./series.ts";

/** What an attendee is to be told is cancelled for him. */
export interface Cancellation {
  /** "all": the whole object. */
  readonly keys: ReadonlySet<Key> | "all";
  /** With "all": nothing is left for him, although components may still name him (they are cancelled themselves). */
  readonly isOver: boolean;
}

/** Whether the person takes part in that instance: by its own component, or by the master. */
function isInvitedTo(series: Series, key: number, person: string, identify: Identify): boolean {
  const override = series.overrides.get(key);
  if (override !== undefined) return attendeeIn(override, person, identify) !== undefined;
  const { master } = series;
  if (master === undefined || series.exceptions.has(key)) return false;
  return attendeeIn(master, person, identify) !== undefined && hasInstance(series, key);
}

/** Compares, instance by instance, what somebody was invited to with what he is invited to now (RFC 6638 §3.2.1.2).
 *  `isServed`: the server still sends to him. */
export function cancellationOf(
  was: Series,
  now: Series,
  person: string,
  isServed: boolean,
  difference: SeriesChange | undefined,
  identify: Identify,
): Cancellation {
  const wasOnMaster = was.master !== undefined && attendeeIn(was.master, person, identify) !== undefined;
  const isOnMaster = isServed && now.master !== undefined && attendeeIn(now.master, person, identify) !== undefined;
  const wasOn = [...was.overrides].filter(([, one]) => attendeeIn(one, person, identify) !== undefined);
  if (!isServed) {
    decided(wasOnMaster ? "cancel.removed" : "cancel.guest-removed", person);
    return { keys: wasOnMaster ? "all" : new Set(wasOn.map(([key]) => key)), isOver: true };
  }
  if (wasOnMaster && !isOnMaster) {
    decided("cancel.off-series", person);
    return { keys: "all", isOver: false };
  }
  const keys = new Set<Key>();
  if (difference === undefined) return { keys, isOver: false };
  // STATUS:CANCELLED says the same as taking away, by METHOD:CANCEL (RFC 5546 §3.2.5).
  if (isOnMaster && isNewlyCancelled(was, now, "master"))
    if ([...now.overrides.values()].every(isCancelled)) {
      decided("cancel.cancelled", person);
      return { keys: "all", isOver: true };
    }
  const cancel = (key: Key, because: Decision): void => {
    if (!keys.has(key)) decided(because, person);
    keys.add(key);
  };
  for (const [key] of wasOn)
    if (!isInvitedTo(now, key, person, identify) && !difference.isRescheduled) cancel(key, "cancel.instance-removed");
  for (const [key, override] of now.overrides) {
    const isOn = attendeeIn(override, person, identify) !== undefined;
    if (isOn ? isNewlyCancelled(was, now, key) : isInvitedTo(was, key, person, identify))
      cancel(key, isOn ? "cancel.instance-cancelled" : "cancel.off-instance");
  }
  if (wasOnMaster && !difference.isRescheduled)
    for (const key of now.exceptions)
      if (!was.exceptions.has(key) && isInvitedTo(was, key, person, identify)) cancel(key, "cancel.exdate");
  // A rule cut short takes the instances behind the cut away by itself, but not from who was on them alone.
  if (difference.isRescheduled && !wasOnMaster)
    for (const [key] of wasOn) if (!isInvitedTo(now, key, person, identify)) cancel(key, "cancel.rule-cut");
  return { keys, isOver: false };
}

function isNewlyCancelled(was: Series, now: Series, key: Key): boolean {
  const component = key === "master" ? now.master : now.overrides.get(key);
  const old = key === "master" ? was.master : (was.overrides.get(key) ?? was.master);
  return component !== undefined && isCancelled(component) && old !== undefined && !isCancelled(old);
}
