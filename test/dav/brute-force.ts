import { parseFilter } from "../../src/dav/reports/calendar-filter.ts";
import { availabilitiesIn, unavailableIn } from "../../src/ical/availability.ts";
import { mergeBusy } from "../../src/ical/busy.ts";
import type { CalendarObject, Instance } from "../../src/ical/calendar-object.ts";
import { matches } from "../../src/ical/filter.ts";
import { instancesIn } from "../../src/ical/instances.ts";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import { formatUtc, parseDuration } from "../../src/ical/time.ts";
import { ianaZone, utcZone, type Zone } from "../../src/ical/zones.ts";
import { type TimeRange, utc } from "../../src/model/ids.ts";
import { Refusal } from "../../src/model/refusal.ts";
import { readXml } from "../../src/xml/read.ts";
import { CalendarCases, caseZones } from "../support/calendar-cases.ts";
import { seeded } from "../support/recurring-cases.ts";
import { now } from "../support/store.ts";
import { type Exchange, givenExchange, hrefsOf } from "./exchange.ts";

/** What was compared, and what differed, as a person can read it. */
export interface Comparison {
  readonly stored: number;
  /** Objects that were found by queries, and busy periods, by reading every object. */
  readonly found: number;
  readonly periods: number;
  readonly differences: readonly string[];
}

const home = "/calendars/users/user01/";
const names = `xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"`;
const kinds = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY"];
const zoneOf = (name: string): Zone => ianaZone(name) ?? utcZone;
const attributes = ({ start, end }: TimeRange): string =>
  (Number.isFinite(start) ? ` start="${formatUtc(start)}"` : "") +
  (Number.isFinite(end) ? ` end="${formatUtc(end)}"` : "");
const report = (exchange: Exchange, path: string, body: string) =>
  exchange.send("REPORT", path, { headers: { "content-type": "application/xml", depth: "1" }, body });

/** Stores random objects in calendars of several zones, and compares what index and plan of queries and of busy time answer with
 *  reading every object. The same for the same seed. */
export async function bruteForce(seed: number, objects: number, ranges: number): Promise<Comparison> {
  const exchange = await givenExchange({ maxQueryResults: 1_000_000 });
  try {
    return await new BruteForce(exchange, seed).run(objects, ranges);
  } finally {
    await exchange.end();
  }
}

class BruteForce {
  readonly #exchange: Exchange;
  readonly #cases: CalendarCases;
  readonly #stored = new Map<string, CalendarObject>();
  readonly #differences: string[] = [];
  #found = 0;
  #periods = 0;

  constructor(exchange: Exchange, seed: number) {
    this.#exchange = exchange;
    this.#cases = new CalendarCases(seeded(seed), now);
  }

  async run(objects: number, ranges: number): Promise<Comparison> {
    await this.#store(objects);
    for (let asked = 0; asked < ranges; asked++) await this.#compareQueries(this.#cases.range());
    // More instances than busy time is told of: they are refused.
    for (const [name, { text }] of this.#stored) {
      if (!/FREQ=(?:SECONDLY|MINUTELY|HOURLY)/.test(text)) continue;
      this.#stored.delete(name);
      for (const at of caseZones.keys()) await this.#exchange.send("DELETE", `${home}zone${at}/${name}`);
    }
    for (let asked = 0; asked < ranges; asked++) {
      const range = this.#cases.range();
      if (!Number.isFinite(range.start) || !Number.isFinite(range.end)) continue;
      await this.#compareBusyTime(range);
      await this.#compareOutbox({ start: range.start, end: utc(Math.min(range.end, range.start + 30 * 86_400)) });
    }
    const { size } = this.#stored;
    return { stored: size, found: this.#found, periods: this.#periods, differences: this.#differences };
  }

  async #store(objects: number): Promise<void> {
    const comps = kinds.map((kind) => `<C:comp name="${kind}"/>`).join("");
    for (const [at, id] of caseZones.entries())
      await this.#exchange.send("MKCALENDAR", `${home}zone${at}/`, {
        headers: { "content-type": "application/xml" },
        body: `<C:mkcalendar ${names}><set><prop><C:calendar-timezone-id>${id}</C:calendar-timezone-id><C:supported-calendar-component-set>${comps}</C:supported-calendar-component-set></prop></set></C:mkcalendar>`,
      });
    for (let number = 0; number < objects; number++) {
      const name = `${number}.ics`;
      const text = this.#cases.object(`object-${number}`);
      const headers = { "content-type": "text/calendar" };
      const put = (at: number) => this.#exchange.send("PUT", `${home}zone${at}/${name}`, { headers, body: text });
      // Some name an instance that the series does not have, which is refused.
      const [first] = await Promise.all([...caseZones.keys()].map(put));
      if (first?.status === 201) this.#stored.set(name, parseCalendarObject(text));
    }
  }

  async #compareQueries(range: TimeRange): Promise<void> {
    const cases = this.#cases;
    if (!Number.isFinite(range.start) && !Number.isFinite(range.end)) return;
    for (const [at, own] of caseZones.entries()) {
      if (!cases.chance(0.4)) continue;
      const asked = cases.chance(0.4) ? cases.one(caseZones) : undefined;
      const inRange = `<C:time-range${attributes(range)}/>`;
      const kind = cases.one(["VEVENT", "*", ...kinds]);
      const tests = cases.one([
        ...[inRange, inRange, inRange, `<C:comp-filter name="VALARM">${inRange}</C:comp-filter>`],
        `${inRange}<C:prop-filter name="TRANSP"><C:is-not-defined/></C:prop-filter>`,
        ...["DTSTART", "DTEND"].map((name) => `<C:prop-filter name="${name}">${inRange}</C:prop-filter>`),
      ]);
      const test = cases.chance(0.1) ? ` test="anyof"` : "";
      const filter = `<C:filter ${names}><C:comp-filter name="VCALENDAR"><C:comp-filter name="${kind}"${test}>${tests}</C:comp-filter></C:comp-filter></C:filter>`;
      await this.#compareQuery(`${home}zone${at}/`, filter, asked ?? own, asked);
    }
  }

  async #compareQuery(calendar: string, filter: string, zone: string, asked: string | undefined): Promise<void> {
    const more = asked === undefined ? "" : `<C:timezone-id>${asked}</C:timezone-id>`;
    const body = `<C:calendar-query ${names}><prop><getetag/></prop>${filter}${more}</C:calendar-query>`;
    const answer = await report(this.#exchange, calendar, body);
    let read: ReturnType<typeof parseFilter>;
    try {
      read = parseFilter(readXml(filter));
    } catch (error) {
      // An alarm inside a VJOURNAL.
      if (error instanceof Refusal && answer.status === 403) return;
      throw error;
    }
    const given = new Set(hrefsOf(answer).map((href) => href.slice(calendar.length)));
    for (const [name, object] of this.#stored) {
      const expected = matches(read, object, zoneOf(zone));
      if (expected) this.#found++;
      if (expected !== given.has(name))
        this.#differences.push(`${expected ? "missing" : "too many"}, in ${zone}: ${filter}\n${object.text}`);
    }
  }

  #instances(range: TimeRange, zone: Zone): readonly Instance[] {
    const objects = [...this.#stored.values()];
    const events = objects.filter(({ kind }) => kind !== "VAVAILABILITY");
    const away = objects.filter(({ kind }) => kind === "VAVAILABILITY").flatMap(({ text }) => availabilitiesIn(text));
    const instances = events.flatMap((object): readonly Instance[] => instancesIn(object, range, zone, 1e6).instances);
    return [...instances, ...unavailableIn(away, range, zone, 1e6)].map((one) =>
      one.floating ? { ...one, start: zone.toUtc(one.start), end: zone.toUtc(one.end), floating: false } : one,
    );
  }

  async #compareBusyTime(range: TimeRange): Promise<void> {
    for (const [at, id] of caseZones.entries()) {
      if (!this.#cases.chance(0.4)) continue;
      const body = `<C:free-busy-query ${names}><C:time-range${attributes(range)}/></C:free-busy-query>`;
      const { status, text } = await report(this.#exchange, `${home}zone${at}/`, body);
      const instances = this.#instances(range, zoneOf(id));
      // As many of one object are refused.
      if (status === 200 || instances.length < 50_000) this.#comparePeriods(`in ${id}`, text, range, instances);
    }
  }

  /** All the calendars together. */
  async #compareOutbox(range: TimeRange): Promise<void> {
    const me = "mailto:user01@example.com";
    const body = [
      ...["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//cases//EN", "METHOD:REQUEST", "BEGIN:VFREEBUSY", "UID:asked"],
      ...["DTSTAMP:20260101T000000Z", `DTSTART:${formatUtc(range.start)}`, `DTEND:${formatUtc(range.end)}`],
      ...[`ORGANIZER:${me}`, `ATTENDEE:${me}`, "END:VFREEBUSY", "END:VCALENDAR", ""],
    ].join("\r\n");
    const { text } = await this.#exchange.send("POST", `${home}outbox/`, {
      headers: { "content-type": "text/calendar", originator: me, recipient: me },
      body,
    });
    const instances = caseZones.flatMap((id) => this.#instances(range, zoneOf(id)));
    if (instances.length < 10_000) this.#comparePeriods("outbox", text.replaceAll("&#13;", "\r"), range, instances);
  }

  #comparePeriods(what: string, text: string, range: TimeRange, instances: readonly Instance[]): void {
    const expected = mergeBusy(instances, range).map(({ start, end, busy }) => `${busy} ${start} ${end}`);
    const lines = text.replace(/\r\n /g, "").matchAll(/^FREEBUSY;FBTYPE=([^:]*):([^\r]*)/gm);
    const given = [...lines].flatMap(([, type, list = ""]) => list.split(",").map((one) => `${type} ${boundsOf(one)}`));
    this.#periods += expected.length;
    const extra = given.filter((one) => !expected.includes(one)).slice(0, 3);
    const missing = expected.filter((one) => !given.includes(one)).slice(0, 3);
    if (given.length !== expected.length || extra.length > 0)
      this.#differences.push(
        `busy ${what}${attributes(range)}: too many ${extra.join()}, missing ${missing.join()} ${text.slice(0, 300)}`,
      );
  }
}

/** Start and end of a period as numbers. */
function boundsOf(period: string): string {
  const [from = "", to = ""] = period.split("/");
  const at = (text: string): number =>
    Date.parse(text.replace(/^(....)(..)(..T..)(..)(..Z)$/, "$1-$2-$3:$4:$5")) / 1000;
  const length = parseDuration(to);
  return `${at(from)} ${length === undefined ? at(to) : at(from) + length.days * 86_400 + length.seconds}`;
}
