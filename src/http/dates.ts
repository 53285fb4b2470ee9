import { type Utc, utc } from "../model/ids.ts";

let lastTime = Number.NaN;
let lastText = "";

/** IMF-fixdate of RFC 9110 §5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`. */
export function httpDate(time: Utc): string {
  // Asked again and again for the same second.
  if (time !== lastTime) {
    lastTime = time;
    lastText = new Date(Math.floor(time) * 1000).toUTCString();
  }
  return lastText;
}

/** RFC 3339 in UTC with seconds, as DAV:creationdate wants it (RFC 4918 §15.1). */
export const isoDate = (time: Utc): string => `${new Date(Math.floor(time) * 1000).toISOString().slice(0, 19)}Z`;

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const fixdate = /^[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT$/;
const rfc850 = /^[A-Z][a-z]{5,8}, ([0-9]{2})-([A-Z][a-z]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT$/;
const asctime = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ 0-9][0-9]) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([0-9]{4})$/;

/** Reads the three forms of RFC 9110 §5.6.7. undefined for anything else; such a header counts as not sent. */
export function parseHttpDate(text: string): Utc | undefined {
  const trimmed = text.trim();
  let match = fixdate.exec(trimmed);
  if (match !== null) return seconds(match[3], match[2], match[1], match[4], match[5], match[6]);
  match = rfc850.exec(trimmed);
  if (match !== null) {
    // Two digits of a year mean the past when they would else be more than 50 years ahead.
    const year = 2000 + Number(match[3]);
    const past = year > new Date().getUTCFullYear() + 50;
    return seconds(String(past ? year - 100 : year), match[2], match[1], match[4], match[5], match[6]);
  }
  match = asctime.exec(trimmed);
  if (match !== null) return seconds(match[6], match[1], match[2], match[3], match[4], match[5]);
  return undefined;
}

function seconds(
  year: string | undefined,
  monthName: string | undefined,
  day: string | undefined,
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined,
): Utc | undefined {
  const month = months.indexOf(monthName ?? "");
  if (month === -1 || Number(day) < 1 || Number(day) > 31) return undefined;
  // 60 is a leap second.
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  return utc(Date.UTC(Number(year), month, Number(day), Number(hour), Number(minute), Number(second)) / 1000);
}
