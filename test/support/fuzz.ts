import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { splitCalendar } from "../../src/ical/split.ts";
import { event } from "../e2e/calendar-texts.ts";
import { abcd1, abcd2, abcd3, abcd4, abcd8 } from "../ical/rfc4791-examples.ts";
import { Client } from "./http-client.ts";
import { randomCase, seeded } from "./recurring-cases.ts";
import { startServer } from "./server.ts";

export interface FuzzResult {
  readonly requests: number;
  /** Milliseconds; of the requests that were asked again when they seemed slow, less what a busy machine added. */
  readonly slowest: number;
  /** The request that took so long. */
  readonly slowestWas: string;
  readonly statuses: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly progress?: (line: string) => void;
}

/** What a request may take, in milliseconds. */
const limit = 250;
/** Requests under way at a time: one for each worker, so that none waits for another. */
const clients = 2;

const folder = fileURLToPath(new URL("../fixtures/ics", import.meta.url));
const seeds: readonly string[] = [
  ...[abcd1, abcd2, abcd3, abcd4, abcd8],
  ...readdirSync(folder)
    .filter((name) => name.endsWith(".ics"))
    .flatMap((name) => [...splitCalendar(readFileSync(`${folder}/${name}`, "utf8"))].map(({ text }) => text)),
];

const C = 'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"';
const range = '<C:time-range start="20260101T000000Z" end="20270101T000000Z"/>';
/** Bodies that are right, by method. */
const bodies: readonly (readonly [method: string, body: string])[] = [
  ["PROPFIND", `<propfind ${C}><prop><getetag/><resourcetype/><C:calendar-timezone/><displayname/></prop></propfind>`],
  ["PROPFIND", `<propfind ${C}><allprop/><include><C:supported-calendar-data/></include></propfind>`],
  [
    "REPORT",
    `<C:calendar-query ${C}><prop><getetag/><C:calendar-data><C:expand start="20260101T000000Z" end="20260201T000000Z"/></C:calendar-data></prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">${range}<C:prop-filter name="SUMMARY"><C:text-match collation="i;unicode-casemap" negate-condition="yes">a</C:text-match></C:prop-filter></C:comp-filter></C:comp-filter></C:filter><C:timezone-id>Europe/Berlin</C:timezone-id></C:calendar-query>`,
  ],
  [
    "REPORT",
    `<C:calendar-query ${C}><prop><C:calendar-data content-type="application/calendar+json" version="2.0"/></prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VTODO"><C:comp-filter name="VALARM">${range}</C:comp-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`,
  ],
  [
    "REPORT",
    `<C:calendar-query ${C}><prop><C:calendar-data><C:comp name="VCALENDAR"><C:prop name="VERSION"/><C:comp name="VEVENT"><C:prop name="UID" novalue="yes"/></C:comp></C:comp><C:limit-recurrence-set start="20260101T000000Z" end="20260201T000000Z"/></C:calendar-data></prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:prop-filter name="ATTENDEE"><C:param-filter name="PARTSTAT"><C:is-not-defined/></C:param-filter></C:prop-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`,
  ],
  ["REPORT", `<C:free-busy-query ${C}>${range}</C:free-busy-query>`],
  [
    "REPORT",
    `<C:calendar-multiget ${C}><prop><getetag/><C:calendar-data/></prop><href>/calendars/users/user01/fuzz/1.ics</href><href>/calendars/users/user01/fuzz/2.ics</href></C:calendar-multiget>`,
  ],
  ["REPORT", `<sync-collection ${C}><sync-token/><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`],
  [
    "REPORT",
    `<expand-property ${C}><property name="current-user-principal"><property name="displayname"/></property></expand-property>`,
  ],
  [
    "REPORT",
    `<principal-property-search ${C}><property-search><prop><displayname/></prop><match>user</match></property-search><prop><displayname/></prop></principal-property-search>`,
  ],
  [
    "MKCALENDAR",
    `<C:mkcalendar ${C}><set><prop><displayname>x</displayname><C:calendar-timezone>BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:19700101T000000\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\nEND:VCALENDAR\n</C:calendar-timezone><C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set></prop></set></C:mkcalendar>`,
  ],
  [
    "PROPPATCH",
    `<propertyupdate ${C}><set><prop><displayname>y</displayname><C:calendar-timezone-id>Asia/Tokyo</C:calendar-timezone-id></prop></set></propertyupdate>`,
  ],
];

/** Pieces that break parsers. */
const splinters = [
  ...[
    "\0",
    "\r",
    "\n",
    "\r\n ",
    "\u2028",
    "\ufeff",
    "\ud800",
    "😀",
    "<",
    ">",
    "&",
    "&lt;",
    "&#0;",
    "&#x10ffff;",
    "]]>",
  ],
  ...[
    '"',
    "'",
    ":",
    ";",
    ",",
    "=",
    "\\",
    "^n",
    "%00",
    "../",
    "BEGIN:VEVENT\r\n",
    "END:VEVENT\r\n",
    "END:VCALENDAR\r\n",
  ],
  ...[
    "RRULE:FREQ=SECONDLY\r\n",
    "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\r\n",
    "RRULE:FREQ=DAILY;INTERVAL=2147483647\r\n",
  ],
  ...["RRULE:FREQ=MINUTELY;BYDAY=MO;BYHOUR=3;BYSETPOS=-1\r\n", "RDATE;VALUE=PERIOD:20260101T000000Z/P999999D\r\n"],
  ...[
    "DTSTART:00010101T000000Z\r\n",
    "DTSTART:99991231T235959Z\r\n",
    "DURATION:P9999999W\r\n",
    "EXDATE:20260230T000000Z\r\n",
  ],
  ...[
    "TZID=Europe/Berlin",
    "TZID=Nowhere",
    "VALUE=DATE",
    "0",
    "-1",
    "99999999999999999999",
    "1e309",
    "NaN",
    "20260101T000000Z",
  ],
  ...[
    "<x xmlns=''/>",
    "<!DOCTYPE x [<!ENTITY y 'z'>]>",
    "<?pi?>",
    "<!-- -->",
    "<![CDATA[",
    'xmlns:D="DAV:"',
    "a".repeat(5_000),
  ],
];

class Mutator {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  get random(): () => number {
    return this.#random;
  }

  whole(below: number): number {
    return Math.floor(this.#random() * below);
  }

  one<T>(of: readonly T[]): T {
    return of[this.whole(of.length)] as T;
  }

  /** The text with a few wounds; unharmed now and then. */
  mutated(text: string): string {
    let wounded = text;
    for (let wounds = Math.max(0, this.whole(6) - 2); wounds > 0; wounds--) wounded = this.#wound(wounded);
    return wounded.slice(0, 200_000);
  }

  #wound(text: string): string {
    const from = this.whole(text.length + 1);
    const to = Math.min(text.length, from + this.whole(40));
    const lines = text.split("\n");
    const line = this.whole(lines.length);
    switch (this.whole(9)) {
      case 0:
        return text.slice(0, from) + text.slice(to);
      case 1:
        return text.slice(0, from) + this.one(splinters) + text.slice(from);
      case 2:
        return text.slice(0, from) + text.slice(from, to).repeat(this.whole(30)) + text.slice(to);
      case 3:
        return text.slice(0, from);
      case 4:
        return text.replace(/\d+/g, (digits) =>
          this.#random() < 0.1 ? `${this.whole(10 ** Math.min(9, digits.length + 1))}` : digits,
        );
      case 5:
        return [...lines.slice(0, line), lines[this.whole(lines.length)], ...lines.slice(line)].join("\n");
      case 6:
        return lines.filter((_, at) => at !== line).join("\n");
      case 7:
        return text.slice(0, from) + String.fromCharCode(this.whole(0x250)) + text.slice(from + 1);
      default: {
        const other = this.one(seeds);
        return text.slice(0, from) + other.slice(this.whole(other.length));
      }
    }
  }
}

interface Shot {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const home = "/calendars/users/user01/";

function shotOf(mutator: Mutator): Shot {
  const calendar = `${home}fuzz/`;
  if (mutator.random() < 0.55) {
    const text = mutator.random() < 0.5 ? mutator.one(seeds) : randomCase(mutator.random).text;
    const jcal = mutator.random() < 0.1;
    const number = mutator.whole(200);
    const own = text.replace(/^UID:.*$/gm, `UID:${number}`);
    const body = Buffer.from(
      mutator.mutated(
        jcal
          ? '["vcalendar",[["version",{},"text","2.0"]],[["vevent",[["uid",{},"text","j"],["dtstart",{},"date-time","2026-01-05T09:00:00Z"],["rrule",{},"recur",{"freq":"DAILY","count":3}]],[]]]]'
          : own,
      ),
    );
    // Some bytes that are no UTF-8.
    if (mutator.random() < 0.05) body.fill(0xff, mutator.whole(body.length), undefined);
    const type = jcal ? "application/calendar+json" : "text/calendar; charset=utf-8";
    return { method: "PUT", path: `${calendar}${number}.ics`, headers: { "content-type": type }, body };
  }
  if (mutator.random() < 0.2) {
    const accept = mutator.one(["*/*", "application/calendar+json", "text/calendar;q=0.1, application/calendar+json"]);
    const path = mutator.random() < 0.03 ? calendar : `${calendar}${mutator.whole(200)}.ics`;
    const method = path !== calendar && mutator.random() < 0.2 ? "DELETE" : "GET";
    return {
      method,
      path,
      headers: { accept, "caldav-timezones": mutator.one(["T", "F", ""]) },
      body: Buffer.alloc(0),
    };
  }
  const [method, body] = mutator.one(bodies);
  const path =
    method === "MKCALENDAR"
      ? `${home}made${mutator.whole(20)}/`
      : mutator.one([calendar, calendar, home, `${calendar}${mutator.whole(200)}.ics`, "/principals/"]);
  const depth = mutator.one(["0", "1", "1", "infinity", "x"]);
  return {
    method,
    path,
    headers: { "content-type": "application/xml", depth },
    body: Buffer.from(mutator.mutated(body)),
  };
}

/** What storing a plain event takes just now, ms: the best of three. */
async function plain(client: Client): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 3; tries++) {
    const start = performance.now();
    await client.ask("PUT", `${home}fuzz/plain.ics`, {
      headers: { "content-type": "text/calendar" },
      body: event("plain"),
    });
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

/** Runs a server with two workers and shoots at it. */
export async function fuzz({ seconds, seed, progress }: FuzzOptions): Promise<FuzzResult> {
  const server = await startServer({ settings: { MaxCollectionsPerHome: 0, UserQuota: 0 } });
  const problems: string[] = [];
  const statuses: Record<string, number> = {};
  let requests = 0;
  let slowest = 0;
  let slowestWas = "";
  try {
    const first = new Client(server, "user01");
    await first.expect([201, 405], "MKCALENDAR", `${home}fuzz/`);
    const workers = server.workers().join();
    const end = performance.now() + seconds * 1000;
    const shoot = async (number: number): Promise<void> => {
      const client = new Client(server, "user01", 1);
      const mutator = new Mutator(seed + number);
      while (performance.now() < end && problems.length < 100) {
        const { method, path, headers, body } = shotOf(mutator);
        const describe = (what: string): string =>
          `${what}: ${method} ${path} ${JSON.stringify(headers)}\n${body.toString("latin1").slice(0, 3_000)}`;
        try {
          let took = Number.POSITIVE_INFINITY;
          // Whatever else runs on the machine slows one of three, not all.
          for (let tries = 0; tries < 3 && took > limit; tries++) {
            const start = performance.now();
            const { status } = await client.ask(method, path, { headers, body });
            took = Math.min(took, performance.now() - start);
            statuses[status] = (statuses[status] ?? 0) + 1;
            requests++;
            if (status >= 500 && status !== 507) problems.push(describe(`status ${status}`));
          }
          // A machine that is busy all the time slows all of them, and a plain one as much.
          if (took > limit) took -= 3 * (await plain(client));
          if (took > slowest) [slowest, slowestWas] = [took, describe(`${took.toFixed(0)} ms`)];
          if (took > limit) problems.push(describe(`${took.toFixed(0)} ms`));
        } catch (error) {
          problems.push(describe(`no answer (${String(error)})`));
        }
        if (requests % 500 === 0)
          progress?.(`${requests} requests, slowest ${slowest.toFixed(0)} ms, ${problems.length} problems `);
      }
      client.close();
    };
    await Promise.all(Array.from({ length: clients }, (_, number) => shoot(number)));
    if (server.workers().join() !== workers)
      problems.unshift(
        `the workers were ${workers}, now ${server.workers().join()}:\n${server.output().slice(-2_000)}`,
      );
    const errors = (await server.errorLog()).split("\n").filter((line) => line.includes('"a request failed"'));
    for (const line of errors.slice(0, 5)) problems.push(`error log: ${line.slice(0, 1_000)}`);
    first.close();
  } finally {
    await server.stop();
  }
  return { requests, slowest, slowestWas, statuses, problems };
}
