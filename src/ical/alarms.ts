import { type TimeRange, type Utc, utc } from "../model/ids.ts";
import type { CalendarObject } from "./calendar-object.ts";
import { type Component, parameterOf, propertyOf } from "./component.ts";
import { instancesIn, type ObjectInstance } from "./instances.ts";
import { addDuration, type DateTime, type Duration, dateTimeOf, daySeconds, parseDuration, toUtc } from "./time.ts";
import { utcZone, type Zone, zonesOf } from "./zones.ts";

/** Instances whose alarms are looked at for one test. */
const instanceLimit = 1000;

/** Whether an alarm of a component rings in the range: `start <= trigger < end` for the trigger of any instance or one of its
 *  repetitions (RFC 4791 §9.9; RFC 5545 §3.6.6, §3.8.6.3). `owner` is the object's master or one of its overrides. */
export function triggersIn(
  alarm: Component,
  owner: Component,
  object: CalendarObject,
  range: TimeRange,
  floatingZone: Zone,
): boolean {
  const trigger = propertyOf(alarm, "TRIGGER");
  if (trigger === undefined) return false;
  const repetition = repetitionOf(alarm);
  const relative = parseDuration(trigger.value);
  if (relative === undefined) {
    const at = toUtc(dateTimeOf(trigger, zonesOf(object.root)), floatingZone);
    return rings(at, repetition, range);
  }
  const fromEnd = parameterOf(trigger, "RELATED")?.toUpperCase() === "END";
  // The instances whose alarm may ring in the range lie as far from it as the alarm from them; a day is for changes of offset.
  const distance = relative.days * daySeconds + relative.seconds;
  const search: TimeRange = {
    start: utc(range.start - distance - repetition.times * repetition.every - daySeconds),
    end: utc(range.end - distance + daySeconds),
  };
  return instancesIn(object, search, floatingZone, instanceLimit).instances.some((instance) => {
    if (instance.component !== owner) return false;
    const at = triggerOf(instance, relative, fromEnd, floatingZone);
    return Number.isFinite(at) && rings(at, repetition, range);
  });
}

function triggerOf(instance: ObjectInstance, relative: Duration, fromEnd: boolean, floatingZone: Zone): Utc {
  const base: DateTime = !fromEnd
    ? instance.startTime
    : instance.floating
      ? { local: instance.end, form: "floating", zone: undefined }
      : { local: instance.end, form: "utc", zone: utcZone };
  return toUtc(addDuration(base, relative), floatingZone);
}

interface Repetition {
  readonly times: number;
  /** Seconds, above 0 when there are any. */
  readonly every: number;
}

function repetitionOf(alarm: Component): Repetition {
  const times = Number(propertyOf(alarm, "REPEAT")?.value ?? 0);
  const duration = parseDuration(propertyOf(alarm, "DURATION")?.value ?? "");
  const every = duration === undefined ? 0 : duration.days * daySeconds + duration.seconds;
  return times > 0 && every > 0 ? { times: Math.min(times, 1_000_000), every } : { times: 0, every: 0 };
}

/** Reckoned, not counted out: REPEAT may be any number. */
function rings(at: Utc, { times, every }: Repetition, range: TimeRange): boolean {
  const passed = times === 0 || at >= range.start ? 0 : Math.ceil((range.start - at) / every);
  const next = at + passed * every;
  return passed <= times && range.start <= next && next < range.end;
}
