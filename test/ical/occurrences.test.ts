import assert from "node:assert/strict";
import { test } from "node:test";
import type { CalendarObject, Occurrences } from "../../src/ical/calendar-object.ts";
import { instancesIn, occurrences } from "../../src/ical/instances.ts";
import { formatLocal } from "../../src/ical/time.ts";
import { ianaZone, utcZone } from "../../src/ical/zones.ts";
import type { TimeRange } from "../../src/model/ids.ts";
import { utc } from "../../src/model/ids.ts";
import { always, at, events, object, spans, todo } from "./calendar-text.ts";

const now = at("20261120T120000Z");
const day = 86_400;
const year = 365 * day;

/** How the index compares: start < range end and end > range start, and what has no length where it lies. */
const indexed = ({ instances }: Occurrences, range: TimeRange): boolean =>
  instances.some(
    ({ start, end }) => start < range.end && (end > range.start || (start === end && start >= range.start)),
  );

// ---------------------------------------------------------------------------------------- the tables of RFC 4791 §9.9

const S = at("20260105T090000");
const E = at("20260105T100000");
const C = at("20260105T080000");
const D = at("20260105T000000");

interface Row {
  readonly title: string;
  readonly object: CalendarObject;
  /** The condition as the RFC writes it. */
  readonly holds: (start: number, end: number) => boolean;
}

const vevent = (lines: string): CalendarObject => events(lines);
const vjournal = (lines: string): CalendarObject => object({ kind: "VJOURNAL", lines });
const vfreebusy = (lines: string): CalendarObject => object({ kind: "VFREEBUSY", lines });

const rows: readonly Row[] = [
  {
    title: "VEVENT with DTEND",
    object: vevent("DTSTART:20260105T090000Z\nDTEND:20260105T100000Z"),
    holds: (start, end) => start < E && end > S,
  },
  {
    title: "VEVENT with DURATION",
    object: vevent("DTSTART:20260105T090000Z\nDURATION:PT1H"),
    holds: (start, end) => start < E && end > S,
  },
  {
    title: "VEVENT with DURATION of nothing",
    object: vevent("DTSTART:20260105T090000Z\nDURATION:PT0S"),
    holds: (start, end) => start <= S && end > S,
  },
  {
    title: "VEVENT with a time only",
    object: vevent("DTSTART:20260105T090000Z"),
    holds: (start, end) => start <= S && end > S,
  },
  {
    title: "VEVENT with a date only",
    object: vevent("DTSTART;VALUE=DATE:20260105"),
    holds: (start, end) => start < D + day && end > D,
  },
  {
    title: "VTODO with DTSTART and DURATION",
    object: todo("DTSTART:20260105T090000Z\nDURATION:PT1H"),
    holds: (start, end) => start <= E && (end > S || end >= E),
  },
  {
    title: "VTODO with DTSTART and DURATION of nothing",
    object: todo("DTSTART:20260105T090000Z\nDURATION:PT0S"),
    holds: (start, end) => start <= S && (end > S || end >= S),
  },
  {
    title: "VTODO with DTSTART and DUE",
    object: todo("DTSTART:20260105T090000Z\nDUE:20260105T100000Z"),
    holds: (start, end) => (start < E || start <= S) && (end > S || end >= E),
  },
  {
    title: "VTODO with DTSTART equal to DUE",
    object: todo("DTSTART:20260105T090000Z\nDUE:20260105T090000Z"),
    holds: (start, end) => (start < S || start <= S) && (end > S || end >= S),
  },
  {
    title: "VTODO with DTSTART",
    object: todo("DTSTART:20260105T090000Z"),
    holds: (start, end) => start <= S && end > S,
  },
  {
    title: "VTODO with DUE",
    object: todo("DUE:20260105T100000Z\nCOMPLETED:20260101T000000Z"),
    holds: (start, end) => start < E && end >= E,
  },
  {
    title: "VTODO with COMPLETED and CREATED",
    object: todo("CREATED:20260105T080000Z\nCOMPLETED:20260105T100000Z"),
    holds: (start, end) => (start <= C || start <= E) && (end >= C || end >= E),
  },
  {
    title: "VTODO with COMPLETED",
    object: todo("COMPLETED:20260105T100000Z"),
    holds: (start, end) => start <= E && end >= E,
  },
  { title: "VTODO with CREATED", object: todo("CREATED:20260105T080000Z"), holds: (_start, end) => end > C },
  { title: "VTODO without times", object: todo("SUMMARY:some day"), holds: () => true },
  {
    title: "VJOURNAL with a time",
    object: vjournal("DTSTART:20260105T090000Z"),
    holds: (start, end) => start <= S && end > S,
  },
  {
    title: "VJOURNAL with a date",
    object: vjournal("DTSTART;VALUE=DATE:20260105"),
    holds: (start, end) => start < D + day && end > D,
  },
  { title: "VJOURNAL without DTSTART", object: vjournal("SUMMARY:x"), holds: () => false },
  {
    title: "VFREEBUSY with DTSTART and DTEND",
    object: vfreebusy("DTSTART:20260105T080000Z\nDTEND:20260105T100000Z\nFREEBUSY:20260105T090000Z/PT30M"),
    holds: (start, end) => start <= E && end > C,
  },
  {
    title: "VFREEBUSY with periods",
    object: vfreebusy("FREEBUSY:20260105T090000Z/PT1H"),
    holds: (start, end) => start < E && end > S,
  },
  { title: "VFREEBUSY with neither", object: vfreebusy("SUMMARY:x"), holds: () => false },
  {
    title: "VAVAILABILITY with bounds",
    object: object({ kind: "VAVAILABILITY", lines: "DTSTART:20260105T090000Z\nDURATION:PT1H" }),
    holds: (start, end) => start < E && end > S,
  },
  { title: "VAVAILABILITY without bounds", object: object({ kind: "VAVAILABILITY", lines: "" }), holds: () => true },
];

for (const row of rows)
  test(`RFC 4791 §9.9: ${row.title}, in the expansion and in the index`, () => {
    const points = [D, C, S, E, D + day].flatMap((point) => [point - 1, point, point + 1]);
    const found = occurrences(row.object, now, 500);
    for (const start of [Number.NEGATIVE_INFINITY, ...points])
      for (const end of [...points, Number.POSITIVE_INFINITY]) {
        if (start >= end) continue;
        const asked = { start: utc(start), end: utc(end) };
        const bounds = `${formatLocal(start)} to ${formatLocal(end)}`;
        const wanted = row.holds(start, end);
        assert.equal(instancesIn(row.object, asked, utcZone, 10).instances.length > 0, wanted, `expansion, ${bounds}`);
        assert.equal(indexed(found, asked), wanted, `index, ${bounds}`);
      }
  });

test("the busy periods of a VFREEBUSY are in the index, the stretch it speaks of is free", () => {
  const lines =
    "DTSTART:20260105T080000Z\nDTEND:20260105T180000Z\nFREEBUSY:20260105T090000Z/PT1H,20260105T120000Z/20260105T130000Z\nFREEBUSY;FBTYPE=BUSY-TENTATIVE:20260105T150000Z/PT30M";
  const { instances } = occurrences(vfreebusy(lines), now, 500);
  assert.deepEqual(
    instances.map(({ busy }) => busy),
    ["FREE", "BUSY", "BUSY", "BUSY-TENTATIVE"],
  );
  assert.deepEqual(spans({ instances }).slice(1), [
    "20260105T090000Z/20260105T100000Z",
    "20260105T120000Z/20260105T130000Z",
    "20260105T150000Z/20260105T153000Z",
  ]);
});

test("a VTODO may recur by DUE alone", () => {
  const { instances } = occurrences(todo("DUE:20260105T100000Z\nRRULE:FREQ=DAILY;COUNT=3"), now, 500);
  assert.equal(instances.length, 3);
});

// ------------------------------------------------------------------------------------------------------------ the window

test("up to 500 instances the object is indexed whole", () => {
  const { instances, from, until } = occurrences(
    events("DTSTART:20200101T090000Z\nRRULE:FREQ=DAILY;COUNT=500"),
    now,
    1000,
  );
  assert.equal(instances.length, 500);
  assert.deepEqual([from, until], [always.start, always.end]);
});

test("beyond, the instances within a year of now are indexed, and the window says so", () => {
  const daily = events("DTSTART;TZID=Europe/Berlin:20010101T090000\nDURATION:PT2H\nRRULE:FREQ=DAILY");
  const { instances, from, until } = occurrences(daily, now, 1000);
  assert.equal(instances.length, 730);
  assert.equal(until, now + year);
  assert.equal(from, now - year + 2 * 3600, "what overlaps the window is there, also if it began before");
});

test("a window with more instances than the limit shrinks around now", () => {
  for (const rule of ["FREQ=SECONDLY", "FREQ=MINUTELY", "FREQ=HOURLY;BYMINUTE=0,30", "FREQ=DAILY"]) {
    const { instances, from, until } = occurrences(events(`DTSTART:20010101T090000Z\nRRULE:${rule}`), now, 200);
    assert.ok(instances.length <= 200 && instances.length > 40, `${rule}: ${instances.length}`);
    assert.ok(from <= now && now < until, rule);
    const expanded = instancesIn(
      events(`DTSTART:20010101T090000Z\nRRULE:${rule}`),
      { start: from, end: until },
      utcZone,
      200,
    );
    assert.deepEqual(spans({ instances }), spans(expanded), rule);
  }
});

test("a series that ended long ago and one that begins late have an empty window, not an endless one", () => {
  const past = occurrences(events("DTSTART:20010101T090000Z\nRRULE:FREQ=DAILY;COUNT=1000"), now, 500);
  assert.deepEqual(past, { instances: [], from: utc(now - year), until: utc(now + year) });
  const late = occurrences(events("DTSTART:20400101T090000Z\nRRULE:FREQ=DAILY"), now, 500);
  assert.deepEqual(late, { instances: [], from: utc(now - year), until: utc(now + year) });
});

// -------------------------------------------------------------------------------------------------------- random objects

/** A small seeded generator (mulberry32). */
function randomNumbers(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const random = randomNumbers(7);
const whole = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
const pick = <T>(...items: readonly T[]): T => items[whole(0, items.length - 1)]!;

/** A series with an RDATE, EXDATEs and overrides, some of them moved far, some strange. */
function randomSeries(bounded: boolean): CalendarObject {
  const start = at("20250101T000000") + whole(0, 900) * day + whole(0, 47) * 1800;
  const rule = pick(
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3",
    "FREQ=WEEKLY;BYDAY=MO,TH",
    "FREQ=HOURLY;INTERVAL=7",
    "FREQ=MONTHLY;BYDAY=-1SU",
  );
  const zone = pick(";TZID=Europe/Berlin", ";TZID=America/New_York", ";TZID=Australia/Lord_Howe");
  const length = pick("DURATION:PT1H", "DURATION:P1D", "DURATION:P9DT1H", "");
  const near = (): string => formatLocal(start + whole(0, 60) * day + pick(0, 0, 0, 1800));
  const master = [
    `DTSTART${zone}:${formatLocal(start)}`,
    length,
    `RRULE:${rule}${bounded ? `;COUNT=${whole(1, 200)}` : ""}`,
    `EXDATE${zone}:${near()},${near()},${formatLocal(start + day)}`,
    pick("", `RDATE${zone};VALUE=PERIOD:${near()}/P${whole(1, 20)}D`, `RDATE:${near()}Z`),
    pick("", "", "EXRULE:FREQ=WEEKLY;INTERVAL=2"),
  ].join("\n");
  const overrides = Array.from({ length: whole(0, 3) }, (_, i) => {
    const range = random() < 0.3 ? ";RANGE=THISANDFUTURE" : "";
    const id = formatLocal(start + (3 * i + whole(0, 2)) * 7 * day);
    return `RECURRENCE-ID${range}${zone}:${id}\nDTSTART${pick(zone, ";TZID=Asia/Tokyo")}:${near()}\nDURATION:PT${whole(0, 90)}M`;
  });
  return events(master, ...overrides);
}

test("a range gives those of all instances that overlap it (600 random series)", () => {
  for (let i = 0; i < 600; i++) {
    const series = randomSeries(true);
    const { instances, complete } = instancesIn(series, always, utcZone, 5000);
    assert.ok(complete);
    for (let k = 0; k < 5; k++) {
      const start = at("20241215T000000") + whole(0, 1300) * day + whole(0, 86_400);
      const asked = { start: utc(start), end: utc(start + pick(60, 3600, day, 40 * day)) };
      const wanted = instances.filter(
        (one) =>
          one.start < asked.end && (one.end > asked.start || (one.start === one.end && one.start >= asked.start)),
      );
      assert.deepEqual(spans(instancesIn(series, asked, utcZone, 5000)), spans({ instances: wanted }), series.text);
    }
  }
});

test("inside its window the index answers as the expansion does, in any zone (600 random series)", () => {
  let certain = 0;
  for (let i = 0; i < 600; i++) {
    const series = randomSeries(random() < 0.5);
    const found = occurrences(series, now, pick(60, 1000));
    for (let k = 0; k < 5; k++) {
      const start = now + whole(-400, 400) * day + whole(0, 86_400);
      const asked = { start: utc(start), end: utc(start + pick(60, 3600, day, 40 * day)) };
      if (asked.start < found.from || asked.end > found.until) continue;
      certain++;
      const wanted = instancesIn(series, asked, ianaZone("Europe/Berlin")!, 5000).instances.length > 0;
      assert.equal(indexed(found, asked), wanted, `${formatLocal(asked.start)}\n${series.text}`);
    }
  }
  assert.ok(certain > 1000, `${certain} comparisons`);
});
