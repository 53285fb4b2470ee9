// Events as calendars have them, a function of their number alone, so that every answer can be checked by arithmetic.
// All of them are between 06:00 and 17:00 UTC, on days counted from Monday, 5 January 2026: no server can differ about the week.

const monday = Date.UTC(2026, 0, 5);
export const weeks = 50;
/** Weeks a series goes on. */
const series = 20;

const two = (n) => (n < 10 ? `0${n}` : `${n}`);
const dateText = (day) => {
  const at = new Date(monday + day * 86_400_000);
  return `${at.getUTCFullYear()}${two(at.getUTCMonth() + 1)}${two(at.getUTCDate())}`;
};

const berlin = [
  "BEGIN:VTIMEZONE",
  "TZID:Europe/Berlin",
  "BEGIN:DAYLIGHT",
  "TZOFFSETFROM:+0100",
  "TZOFFSETTO:+0200",
  "TZNAME:CEST",
  "DTSTART:19810329T020000",
  "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
  "END:DAYLIGHT",
  "BEGIN:STANDARD",
  "TZOFFSETFROM:+0200",
  "TZOFFSETTO:+0100",
  "TZNAME:CET",
  "DTSTART:19961027T030000",
  "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
  "END:STANDARD",
  "END:VTIMEZONE",
];

/** What event `n` is: `kind`, and the number of its (first) day. Of ten, four are in a zone, two in UTC, one is all day (on a
 *  Wednesday, so that no zone moves it out of its week) and three are weekly series. */
export function shapeOf(n) {
  const kind = ["zone", "zone", "zone", "zone", "utc", "utc", "day", "weekly", "weekly", "weekly"][n % 10];
  const week = (n * 7) % weeks;
  return { kind, day: week * 7 + (kind === "day" ? 2 : (n * 3) % 5) };
}

export const uidOf = (calendar, n) => `${calendar}-${n}@bench.example`;

/** The text of event `n`, about 0.9 kB; `version` makes another one with the same UID and time. */
export function eventText(calendar, n, version = 0) {
  const { kind, day } = shapeOf(n);
  const date = dateText(day);
  const hour = 8 + (n % 7);
  const zoned = kind === "zone" || kind === "weekly";
  const time = zoned
    ? [`DTSTART;TZID=Europe/Berlin:${date}T${two(hour)}0000`, `DTEND;TZID=Europe/Berlin:${date}T${two(hour + 1)}0000`]
    : kind === "utc"
      ? [`DTSTART:${date}T${two(hour)}0000Z`, `DTEND:${date}T${two(hour + 1)}0000Z`]
      : [`DTSTART;VALUE=DATE:${date}`, `DTEND;VALUE=DATE:${dateText(day + 1)}`];
  return `${[
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//bench//EN",
    ...(zoned ? berlin : []),
    "BEGIN:VEVENT",
    `UID:${uidOf(calendar, n)}`,
    "DTSTAMP:20260101T000000Z",
    "CREATED:20251201T093000Z",
    `SEQUENCE:${version}`,
    ...time,
    ...(kind === "weekly" ? [`RRULE:FREQ=WEEKLY;COUNT=${series}`] : []),
    `SUMMARY:Meeting number ${n}\\, version ${version}`,
    `LOCATION:Room ${n % 40}\\, second floor`,
    `DESCRIPTION:${"Bring the papers of the last meeting with you. ".repeat(zoned ? 3 : 9).trim()}`,
    "CATEGORIES:WORK,MEETING",
    "TRANSP:OPAQUE",
    "BEGIN:VALARM",
    "ACTION:DISPLAY",
    "TRIGGER:-PT15M",
    "DESCRIPTION:Reminder",
    "END:VALARM",
    "END:VEVENT",
    "END:VCALENDAR",
  ].join("\r\n")}\r\n`;
}

/** Numbers of the events of the first `count` that happen in a week. */
export function inWeek(count, week) {
  const found = [];
  for (let n = 0; n < count; n++) {
    const { kind, day } = shapeOf(n);
    const first = Math.floor(day / 7);
    if (kind === "weekly" ? week >= first && week < first + series : week === first) found.push(n);
  }
  return found;
}

/** A week as a time-range's attributes. */
export const weekRange = (week) => `start="${dateText(week * 7)}T000000Z" end="${dateText(week * 7 + 7)}T000000Z"`;
