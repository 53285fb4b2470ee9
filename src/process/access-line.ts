import type { RequestLog } from "../http/message.ts";

/** One answered request, as the access log tells it. */
export interface AccessEntry {
  readonly remote: string;
  readonly log: RequestLog;
  readonly method: string;
  /** The request target as received, query included. */
  readonly target: string;
  /** "1.1" or "1.0". */
  readonly version: string;
  readonly status: number;
  /** Bytes of the body sent. */
  readonly bytes: number;
  readonly referer: string | undefined;
  readonly agent: string | undefined;
  readonly milliseconds: number;
  /** Requests under way in this worker, this one included. */
  readonly outstanding: number;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const two = (n: number): string => (n < 10 ? `0${n}` : `${n}`);

/** `[DD/Mon/YYYY:HH:MM:SS ±zzzz]` in local time. */
export const logTime = (date: Date): string => {
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? "-" : "+"}${two(Math.trunc(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const day = `${two(date.getDate())}/${months[date.getMonth()]}/${date.getFullYear()}`;
  return `[${day}:${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}]`;
};

/** `Log opened - server start: [Thu Nov  6 09:30:00 2025].`: the marker lines of the original, its date as ctime writes it. */
export const markerLine = (event: string, date: Date): string => {
  const day = `${date.getDate()}`.padStart(2);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${event}: [${days[date.getDay()]} ${months[date.getMonth()]} ${day} ${time} ${date.getFullYear()}].\n`;
};

// The time of a line has whole seconds: one text serves every request of the second.
let second = 0;
let secondText = "";
const timeNow = (): string => {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    secondText = logTime(new Date(now * 1000));
  }
  return secondText;
};

const unsafe = /[^\x20\x21\x23-\x7e]/;
const escaped = (bytes: Buffer): string =>
  bytes.reduce((text, byte) => `${text}%${byte.toString(16).toUpperCase().padStart(2, "0")}`, "");
const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}...` : text);

/** Text between quotes: a quote becomes %22, control characters and bytes beyond ASCII %XX, so a line stays one line and a
 *  quoted field ends where it seems to. Header bytes, which Node gives as Latin-1, appear as the bytes they were. */
const received = (text: string, length: number): string =>
  cut(
    unsafe.test(text)
      ? cut(text, length).replace(/[^\x20\x21\x23-\x7e]/g, (c) => escaped(Buffer.from(c, "latin1")))
      : text,
    length,
  );
/** The same for text of our own, such as names from the directory. */
const own = (text: string, length: number): string =>
  cut(
    unsafe.test(text) ? cut(text, length).replace(/[^\x20\x21\x23-\x7e]/gu, (c) => escaped(Buffer.from(c))) : text,
    length,
  );

const userField = (user: string): string => {
  const bare = user.startsWith('"') && user.endsWith('"') && user.length > 1 ? user.slice(1, -1) : user;
  const text = own(bare, 200);
  return text.includes(" ") ? `"${text}"` : text === "" ? "-" : text;
};

const itemField = (item: string): string => {
  const equals = item.indexOf("=");
  const value = own(item.slice(equals + 1), 100);
  return `${own(item.slice(0, equals + 1), 40)}${value.includes(" ") ? `"${value}"` : value}`;
};

/** The line's end from `i=` on, for the extended log: worker, milliseconds with one decimal, outstanding requests, items. */
const extension = (entry: AccessEntry, worker: number): string => {
  let text = ` i=${worker} t=${entry.milliseconds.toFixed(1)} or=${entry.outstanding}`;
  for (const item of entry.log.items.slice(0, 8)) text += ` ${itemField(item)}`;
  return text;
};

/** One line of the access log: Apache combined, and with `extended` (EnableExtendedAccessLog) the report's name behind the
 *  method and the extension. Ends in a newline, and is never longer than a pipe takes at once (4096 bytes): long fields are cut. */
export const accessLine = (entry: AccessEntry, worker: number, extended: boolean): string => {
  const { log } = entry;
  const method = extended && log.report !== undefined ? `${entry.method}(${own(log.report, 200)})` : entry.method;
  const user = log.user === "-" ? "-" : userField(log.user);
  const referer = entry.referer === undefined ? "-" : received(entry.referer, 500);
  const agent = entry.agent === undefined ? "-" : received(entry.agent, 500);
  const request = `${method} ${received(entry.target, 1200)} HTTP/${entry.version}`;
  const common = `${entry.remote} - ${user} ${timeNow()} "${request}" ${entry.status} ${entry.bytes} "${referer}" "${agent}"`;
  return extended ? `${common}${extension(entry, worker)}\n` : `${common}\n`;
};

/** The line of a connection refused before a request could be read: overload, or bytes that are no HTTP. */
export const refusedLine = (
  remote: string,
  status: number,
  worker: number,
  outstanding: number,
  extended: boolean,
): string => {
  const line = `${remote} - - ${timeNow()} "???" ${status} 0 "-" "-"`;
  return extended ? `${line} i=${worker} t=0.0 or=${outstanding}\n` : `${line}\n`;
};
