import assert from "node:assert/strict";
import { test } from "node:test";
import type { CompFilter, PropFilter } from "../../src/ical/filter.ts";
import { planFilter } from "../../src/ical/filter-plan.ts";
import type { Zone } from "../../src/ical/zone-transitions.ts";
import { type TimeRange, utc } from "../../src/model/ids.ts";

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
