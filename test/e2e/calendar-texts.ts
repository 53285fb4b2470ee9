/** Joins lines as iCalendar wants them. */
export const lines = (...all: readonly string[]): string => `${all.join("\r\n")}\r\n`;

/** A stream around components. */
export const calendar = (...inside: readonly string[]): string =>
  lines("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//caldavd//e2e//EN", ...inside, "END:VCALENDAR");

const two = (n: number): string => `${n}`.padStart(2, "0");

/** An hour on day `n` after 2026-11-01, 10:00 UTC; `more` are lines inside the VEVENT. */
export function event(uid: string, n = 0, ...more: readonly string[]): string {
  const day = new Date(Date.UTC(2026, 10, 1 + n));
  const date = `${day.getUTCFullYear()}${two(day.getUTCMonth() + 1)}${two(day.getUTCDate())}`;
  return calendar(
    "BEGIN:VEVENT",
    `UID:${uid}`,
    "DTSTAMP:20261101T080000Z",
    `DTSTART:${date}T100000Z`,
    `DTEND:${date}T110000Z`,
    `SUMMARY:Event ${uid}`,
    ...more,
    "END:VEVENT",
  );
}

/** An event with its own start and rule. */
export const ruled = (uid: string, rule: string, start = "20260101T100000Z"): string =>
  calendar(
    "BEGIN:VEVENT",
    `UID:${uid}`,
    "DTSTAMP:20261101T080000Z",
    `DTSTART:${start}`,
    "DURATION:PT1H",
    `RRULE:${rule}`,
    `SUMMARY:${uid}`,
    "END:VEVENT",
  );

export const todo = (uid: string, ...more: readonly string[]): string =>
  calendar(
    "BEGIN:VTODO",
    `UID:${uid}`,
    "DTSTAMP:20261101T080000Z",
    "DUE:20261201T100000Z",
    `SUMMARY:Todo ${uid}`,
    ...more,
    "END:VTODO",
  );
