import { HttpError } from "../../http/message.ts";
import { parseDateTimeText } from "../../ical/time.ts";
import type { TimeRange, Utc } from "../../model/ids.ts";
import { utc } from "../../model/ids.ts";
import { Refusal } from "../../model/refusal.ts";
import type { Element } from "../../xml/element.ts";
import { localOf } from "../../xml/element.ts";

/** The `start` and `end` of CALDAV:time-range, expand, limit-recurrence-set or limit-freebusy-set (RFC 4791 §9.6, §9.9):
 *  UTC date-times, the end after the start. `open`: one of them may be missing and stands at infinity then.
 *  Throws HttpError(400) when nothing is said at all, Refusal(min-date-time) for the year 0, else whatever `refuse` makes of the problem. */
export function timeRangeOf(element: Element, open: boolean, refuse: (problem: string) => Error): TimeRange {
  const { start, end } = element.attributes;
  const name = `CALDAV:${localOf(element.name)}`;
  if (start === undefined && end === undefined) throw new HttpError(400, `${name} needs a start or an end`);
  if (!open && (start === undefined || end === undefined)) throw refuse(`${name} needs both a start and an end`);
  const range: TimeRange = {
    start: start === undefined ? utc(Number.NEGATIVE_INFINITY) : instantOf(start, `${name} start`, refuse),
    end: end === undefined ? utc(Number.POSITIVE_INFINITY) : instantOf(end, `${name} end`, refuse),
  };
  if (range.end <= range.start) throw refuse(`${name} must end after its start, found "${start}" to "${end}"`);
  return range;
}

function instantOf(text: string, where: string, refuse: (problem: string) => Error): Utc {
  const written = text.trim();
  // RFC 4791 §7.8; no date that can be written is too late.
  if (/^0000\d{4}T\d{6}Z$/.test(written))
    throw new Refusal({
      code: "min-date-time",
      problem: `${where}: the earliest date is 00010101T000000Z, found ${written}`,
    });
  const parsed = parseDateTimeText(written);
  if (parsed === undefined || parsed.date || !parsed.utc)
    throw refuse(`${where} must be a date with UTC time such as 20260102T000000Z, found "${text}"`);
  return utc(parsed.local);
}

/** For a time-range inside a filter. */
export const invalidFilter = (problem: string): Refusal => new Refusal({ code: "valid-filter", problem });
/** For a time-range outside a filter: RFC 4791 has no precondition for it. */
export const badRequest = (problem: string): HttpError => new HttpError(400, problem);
