import assert from "node:assert/strict";
import { test } from "node:test";
import type { CalendarObject, Occurrences } from "../../src/ical/calendar-object.ts";
import { type CompFilter, matches, type PropFilter } from "../../src/ical/filter.ts";
import { type IndexCondition, planFilter } from "../../src/ical/filter-plan.ts";
import { occurrences } from "../../src/ical/instances.ts";
import { parseCalendarObject } from "../../src/ical/parse.ts";
import { ianaZone, utcZone, type Zone } from "../../src/ical/zones.ts";
import { type TimeRange, utc } from "../../src/model/ids.ts";
import { abcd1, abcd2, abcd5, abcd6, abcd8 } from "./rfc4791-examples.ts";

const comp = (name: string, tests: Partial<CompFilter> = {}): CompFilter => ({
  name,
  isNotDefined: false,
  timeRange: undefined,
  props: [],
  comps: [],
  anyOf: false,
  ...tests,
});
const prop = (name: string, tests: Partial<PropFilter> = {}): PropFilter => ({
  name,
  isNotDefined: false,
  timeRange: undefined,
  textMatch: undefined,
  params: [],
  anyOf: false,
  ...tests,
});
const inCalendar = (...comps: readonly CompFilter[]): CompFilter => comp("VCALENDAR", { comps });

const at = (iso: string) => utc(Date.parse(iso) / 1000);
const january: TimeRange = { start: at("2026-01-05T00:00:00Z"), end: at("2026-01-12T00:00:00Z") };

const fixed = (hours: number): Zone => ({
  id: "X",
  fixed: true,
  offsetAt: () => hours * 3600,
  toUtc: (local) => utc(local - hours * 3600),
});
/** One hour east of UTC, two in summer. */
const berlin: Zone = {
  id: "Europe/Berlin",
  fixed: false,
  offsetAt: (when) => (when >= at("2026-03-29T01:00:00Z") && when < at("2026-10-25T01:00:00Z") ? 7200 : 3600),
  toUtc: (local) => utc(local - 3600),
};
const kinds = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY", "VPOLL"];
const events = { op: "kind", in: ["VEVENT"] };

test("a filter for all of one kind is answered by the index alone", () => {
  assert.deepEqual(planFilter(inCalendar(comp("VEVENT")), fixed(0)), { condition: events, exact: true, uids: [] });
  assert.deepEqual(planFilter(inCalendar(), fixed(0)), { condition: { op: "kind", in: kinds }, exact: true, uids: [] });
});

test("a time-range on events is answered by the index alone, floating times in the asker's zone", () => {
  assert.deepEqual(planFilter(inCalendar(comp("VEVENT", { timeRange: january })), fixed(-5)), {
    condition: { op: "and", of: [events, { op: "time-range", range: january, floatingOffset: 18_000 }] },
    exact: true,
    uids: [],
  });
});

test("in a zone with changing offset, a range away from a change is exact", () => {
  assert.deepEqual(planFilter(inCalendar(comp("VEVENT", { timeRange: january })), berlin), {
    condition: { op: "and", of: [events, { op: "time-range", range: january, floatingOffset: -3600 }] },
    exact: true,
    uids: [],
  });
});

test("a range over or beside a change of offset gives candidates of a range that is wider by the change", () => {
  for (const [start, end] of [
    ["2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"],
    ["2026-01-01T00:00:00Z", "2026-03-29T00:30:00Z"],
  ] as const) {
    const range = { start: at(start), end: at(end) };
    const wide = { start: utc(range.start - 3600), end: utc(range.end + 3600) };
    assert.deepEqual(planFilter(inCalendar(comp("VEVENT", { timeRange: range })), berlin), {
      condition: { op: "and", of: [events, { op: "time-range", range: wide, floatingOffset: -3600 }] },
      exact: false,
      uids: [],
    });
  }
});

test("an open range uses the offset at its one bound", () => {
  const range = { start: at("2026-07-01T00:00:00Z"), end: utc(Number.POSITIVE_INFINITY) };
  assert.deepEqual(planFilter(inCalendar(comp("VEVENT", { timeRange: range })), berlin).condition, {
    op: "and",
    of: [events, { op: "time-range", range, floatingOffset: -7200 }],
  });
});

test("tasks and free-busy touch a range at its bounds too: a second more on both sides, and candidates", () => {
  const wide = { start: utc(january.start - 1), end: utc(january.end + 1) };
  assert.deepEqual(planFilter(inCalendar(comp("VTODO", { timeRange: january })), fixed(0)), {
    condition: {
      op: "and",
      of: [
        { op: "kind", in: ["VTODO"] },
        { op: "time-range", range: wide, floatingOffset: 0 },
      ],
    },
    exact: false,
    uids: [],
  });
});

const uid = (tests: Partial<PropFilter>): CompFilter => inCalendar(comp("VEVENT", { props: [prop("UID", tests)] }));

test("a UID compared whole is looked up; otherwise the rows' uids are the candidates", () => {
  const equals = { text: "abc", collation: "i;octet", negate: false, type: "equals" } as const;
  assert.deepEqual(planFilter(uid({ textMatch: equals }), fixed(0)), {
    condition: { op: "and", of: [events, { op: "uid", is: "abc" }] },
    exact: true,
    uids: [],
  });
  const contains = { ...equals, type: "contains" } as const;
  assert.deepEqual(planFilter(uid({ textMatch: contains }), fixed(0)), {
    condition: events,
    exact: false,
    uids: [contains],
  });
  assert.equal(planFilter(uid({}), fixed(0)).exact, true);
  assert.deepEqual(planFilter(uid({ isNotDefined: true }), fixed(0)).condition, { op: "none" });
});

const words = { text: "a", collation: "i;octet", negate: false, type: "contains" } as const;

test("what the index does not know narrows nothing and makes candidates", () => {
  for (const tests of [
    { props: [prop("SUMMARY")] },
    { comps: [comp("VALARM")] },
    { props: [prop("SUMMARY"), prop("UID", { textMatch: words })], anyOf: true },
  ])
    assert.deepEqual(planFilter(inCalendar(comp("VEVENT", tests)), fixed(0)), {
      condition: events,
      exact: false,
      uids: [],
    });
  assert.deepEqual(planFilter(inCalendar(comp("VTIMEZONE")), fixed(0)), {
    condition: { op: "kind", in: kinds },
    exact: false,
    uids: [],
  });
});

test("is-not-defined of a kind means the other kinds", () => {
  const plan = planFilter(inCalendar(comp("VTODO", { isNotDefined: true })), fixed(0));
  assert.deepEqual(plan.condition, { op: "kind", in: kinds.filter((kind) => kind !== "VTODO") });
  assert.equal(plan.exact, true);
});

test("anyof joins kinds, allof of two kinds is empty", () => {
  const both = [comp("VEVENT", { timeRange: january }), comp("VTODO")];
  assert.deepEqual(planFilter(comp("VCALENDAR", { comps: both, anyOf: true }), fixed(0)), {
    condition: {
      op: "or",
      of: [
        { op: "and", of: [events, { op: "time-range", range: january, floatingOffset: 0 }] },
        { op: "kind", in: ["VTODO"] },
      ],
    },
    exact: true,
    uids: [],
  });
  assert.deepEqual(planFilter(inCalendar(...both), fixed(0)).condition, { op: "none" });
});

test("a filter of something else than a calendar matches nothing", () => {
  assert.deepEqual(planFilter(comp("VCARD"), fixed(0)).condition, { op: "none" });
  assert.deepEqual(planFilter(comp("VCALENDAR", { isNotDefined: true }), fixed(0)).condition, { op: "none" });
});

/** What rows of the index say: the condition asked of the stored instances. */
function holds(condition: IndexCondition, object: CalendarObject, stored: Occurrences): boolean {
  switch (condition.op) {
    case "every":
    case "none":
      return condition.op === "every";
    case "kind":
      return condition.in.includes(object.kind);
    case "uid":
      return condition.is === object.uid;
    case "and":
      return condition.of.every((part) => holds(part, object, stored));
    case "or":
      return condition.of.some((part) => holds(part, object, stored));
    case "time-range": {
      const { range, floatingOffset } = condition;
      return stored.instances.some((instance) => {
        const moved = instance.floating ? floatingOffset : 0;
        const start = instance.start + moved;
        const end = instance.end + moved;
        return start < range.end && (end > range.start || (end === start && start >= range.start));
      });
    }
  }
}

test("for ranges at every edge, an exact plan answers as the filter does, and candidates leave nothing out", () => {
  const inside = (kind: string, ...lines: readonly string[]): string =>
    ["BEGIN:VCALENDAR", `BEGIN:${kind}`, "UID:1", ...lines, `END:${kind}`, "END:VCALENDAR", ""].join("\r\n");
  const objects = [
    abcd1,
    abcd2,
    abcd5,
    abcd6,
    abcd8,
    inside("VEVENT", "DTSTART;VALUE=DATE:20260329", "RRULE:FREQ=WEEKLY;COUNT=3"),
    inside("VEVENT", "DTSTART:20261025T023000", "DURATION:PT30M"),
    inside("VEVENT", "DTSTART:20260329T023000Z"),
    inside("VTODO", "DTSTART:20260105T090000Z", "DURATION:PT1H"),
    inside("VTODO", "CREATED:20260105T090000Z", "COMPLETED:20260106T090000Z"),
    inside("VTODO", "CREATED:20260105T090000Z"),
    inside("VTODO", "SUMMARY:x"),
    inside("VJOURNAL", "DTSTART;VALUE=DATE:20260105"),
    inside("VFREEBUSY", "FREEBUSY:20260105T090000Z/PT1H,20260106T090000Z/PT1H"),
  ].map((text) => parseCalendarObject(text));
  const zones = [utcZone, ianaZone("Europe/Berlin"), ianaZone("America/New_York")].filter((zone) => zone !== undefined);
  let exact = 0;
  for (const object of objects) {
    const stored = occurrences(object, at("2026-01-01T00:00:00Z"), 1000);
    const edges = stored.instances.flatMap(({ start, end }) => [start, end]).filter((edge) => Number.isFinite(edge));
    for (const edge of edges.length === 0 ? [january.start] : edges)
      for (const shift of [0, 1, -1, 3600, -3600, 7200, -7200, 18_000, 14_400])
        for (const length of [1, 86_400, 180 * 86_400, Number.POSITIVE_INFINITY])
          for (const range of [
            { start: utc(edge + shift), end: utc(edge + shift + length) },
            { start: utc(edge + shift - length), end: utc(edge + shift) },
          ])
            for (const zone of zones) {
              const filter = inCalendar(comp(object.kind, { timeRange: range }));
              const plan = planFilter(filter, zone);
              const wanted = matches(filter, object, zone);
              const found = holds(plan.condition, object, stored);
              assert.ok(found || !wanted, `left out: ${object.text} ${zone.id} ${range.start} ${range.end}`);
              if (!plan.exact) continue;
              exact += 1;
              assert.equal(found, wanted, `${object.text} ${zone.id} ${range.start} ${range.end}`);
            }
  }
  assert.ok(exact > 1000);
});
