// What the index and the plan of a query answer, against reading every object: random recurring objects, random ranges.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mergeBusy } from "../../src/ical/busy.ts";
import { instancesIn } from "../../src/ical/instances.ts";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import { formatUtc } from "../../src/ical/time.ts";
import { ianaZone, utcZone } from "../../src/ical/zones.ts";
import { type TimeRange, utc } from "../../src/model/ids.ts";
import { randomCase, seeded } from "../support/recurring-cases.ts";
import { givenExchange, hrefsOf } from "./exchange.ts";

const count = 300;
const home = "/calendars/users/user01/";
const zones = ["Etc/UTC", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"];
const exchange = await givenExchange({ maxQueryResults: 1_000_000 });
after(() => exchange.end());

const random = seeded(4711);
const objects = Array.from({ length: count }, (_, number) => {
  const one = randomCase(random);
  return { name: `${number}.ics`, range: one.range, text: one.text.replaceAll("UID:case", `UID:${number}`) };
});

/** Ranges near the objects' own: a second, hours, months, years; at their bounds, and open at one end. */
function* ranges(): Generator<TimeRange> {
  for (let number = 0; number < 60; number++) {
    const near = objects[Math.floor(random() * count)]?.range ?? objects[0]!.range;
    const lengths = [1, 3600, 86_400, 31 * 86_400, 800 * 86_400];
    const start = near.start + Math.floor((random() - 0.5) * 86_400);
    yield { start: utc(start), end: utc(start + (lengths[number % lengths.length] ?? 1)) };
  }
  for (const { range } of objects.slice(0, 20)) yield range;
  yield { start: utc(Date.UTC(2036, 0, 1) / 1000), end: utc(Number.POSITIVE_INFINITY) };
  yield { start: utc(Number.NEGATIVE_INFINITY), end: utc(Date.UTC(1999, 0, 1) / 1000) };
}

const stored = new Map<string, string>();
before(async () => {
  for (const [at, zone] of zones.entries()) {
    const body = `<C:mkcalendar xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop><C:calendar-timezone-id>${zone}</C:calendar-timezone-id></prop></set></C:mkcalendar>`;
    const made = await exchange.send("MKCALENDAR", `${home}zone${at}/`, {
      headers: { "content-type": "application/xml" },
      body,
    });
    assert.equal(made.status, 201);
  }
  for (const { name, text } of objects) {
    // Some name an instance that the series does not have, which is refused.
    const headers = { "content-type": "text/calendar" };
    const statuses = await Promise.all(
      zones.map(
        async (_, at) => (await exchange.send("PUT", `${home}zone${at}/${name}`, { headers, body: text })).status,
      ),
    );
    if (statuses[0] === 201) stored.set(name, text);
  }
});

const attributes = ({ start, end }: TimeRange): string =>
  (Number.isFinite(start) ? ` start="${formatUtc(start)}"` : "") +
  (Number.isFinite(end) ? ` end="${formatUtc(end)}"` : "");
const report = (calendar: string, body: string) =>
  exchange.send("REPORT", calendar, { headers: { "content-type": "application/xml", depth: "1" }, body });

test("a time-range query finds exactly the objects that have an instance in it, in each calendar's zone", async () => {
  assert.ok(stored.size > count * 0.9, `${stored.size}`);
  const parsed = new Map([...stored].map(([name, text]) => [name, parseCalendarObject(text)]));
  let found = 0;
  for (const range of ranges())
    for (const [at, id] of zones.entries())
      for (const kind of ["VEVENT", "VTODO"]) {
        const calendar = `${home}zone${at}/`;
        const answer = await report(
          calendar,
          `<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/></prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="${kind}"><C:time-range${attributes(range)}/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`,
        );
        const zone = ianaZone(id) ?? utcZone;
        const expected = [...parsed]
          .filter(([, object]) => object.kind === kind && instancesIn(object, range, zone, 1).instances.length > 0)
          .map(([name]) => calendar + name);
        found += expected.length;
        assert.deepEqual([...hrefsOf(answer)].sort(), expected.sort(), `${kind} ${attributes(range)} in ${id}`);
      }
  assert.ok(found > 2_000, `${found}`);
});

/** More than some thousand overlapping instances are refused. */
const isCalm = (text: string): boolean => !/FREQ=(?:SECONDLY|MINUTELY)/.test(text);

test("a free-busy query gives exactly the time that the instances take", async () => {
  for (const [name, text] of stored)
    if (!isCalm(text)) for (const at of zones.keys()) await exchange.send("DELETE", `${home}zone${at}/${name}`);
  for (const range of ranges()) {
    if (!Number.isFinite(range.start) || !Number.isFinite(range.end)) continue;
    for (const [at, id] of zones.entries()) {
      const answer = await report(
        `${home}zone${at}/`,
        `<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav"><C:time-range${attributes(range)}/></C:free-busy-query>`,
      );
      const zone = ianaZone(id) ?? utcZone;
      const instances = [...stored.values()]
        .filter(isCalm)
        .flatMap((text) => instancesIn(parseCalendarObject(text), range, zone, 1_000_000).instances);
      const expected = mergeBusy(instances, range, zone).map(
        ({ start, end }) => `${formatUtc(start)}/${formatUtc(end)}`,
      );
      const unfolded = answer.text.replace(/\r\n /g, "");
      const given = [...unfolded.matchAll(/^FREEBUSY[^:]*:(.*)$/gm)].flatMap(([, list]) =>
        (list ?? "").trim().split(","),
      );
      assert.deepEqual(given, expected, `${attributes(range)} in ${id}`);
    }
  }
});
