import type { TimeRange } from "../model/ids.ts";
import { utc } from "../model/ids.ts";
import { objectKinds } from "./calendar-object.ts";
import type { CompFilter, PropFilter } from "./filter.ts";
import type { TextMatch } from "./text-match.ts";
import type { Zone } from "./zones.ts";

/** What the index can answer. A plan with `exact: false` gives candidates: parse each and ask `matches` (filter.ts). */
export type IndexCondition =
  | { readonly op: "every" }
  | { readonly op: "none" }
  | { readonly op: "kind"; readonly in: readonly string[] }
  /** Objects with an instance that overlaps the range; floating instances are compared after adding `floatingOffset`
   *  (seconds to add to local seconds to get UTC in the asker's zone) with a day of slack when the zone's offset varies. */
  | { readonly op: "time-range"; readonly range: TimeRange; readonly floatingOffset: number }
  | { readonly op: "uid"; readonly is: string }
  | { readonly op: "and" | "or"; readonly of: readonly IndexCondition[] };

/** How to answer a filter from the index. */
export interface FilterPlan {
  readonly condition: IndexCondition;
  /** The rows that satisfy the condition are the answer. False: they are candidates, a superset of it. */
  readonly exact: boolean;
  /** Tests on the row's uid (`matchesText`) that `condition` could not say. A row that fails one cannot match, so its file
   *  need not be read. python-caldav looks an event up by a "contains" match of its UID. */
  readonly uids: readonly TextMatch[];
}

const everyKind: IndexCondition = { op: "kind", in: objectKinds };
const none: FilterPlan = { condition: { op: "none" }, exact: true, uids: [] };
const candidates: FilterPlan = { condition: everyKind, exact: false, uids: [] };
const everything: FilterPlan = { condition: everyKind, exact: true, uids: [] };

/** Splits a filter into what the index answers and what must be asked of each object (`matches` in filter.ts).
 *  Exact are: kinds, is-not-defined of a kind, one time-range on a VEVENT or VJOURNAL, a UID compared by i;octet equals,
 *  and these joined by allof or anyof. Floating times are read in `floatingZone`. */
export function planFilter(filter: CompFilter, floatingZone: Zone): FilterPlan {
  const named = filter.name === "VCALENDAR" || filter.name === "*";
  if (filter.isNotDefined === named) return none;
  if (!named) return everything;
  const parts = filter.comps.map((comp) => planComponent(comp, floatingZone));
  // Properties of VCALENDAR are not indexed, and RFC 4791 §9.9 defines no time-range on it.
  if (filter.timeRange !== undefined || filter.props.length > 0) parts.push(candidates);
  if (parts.length === 0) return everything;
  return filter.anyOf ? any(parts) : all(parts);
}

function planComponent(filter: CompFilter, floatingZone: Zone): FilterPlan {
  const { name } = filter;
  const kinds: readonly string[] = name === "*" ? objectKinds : objectKinds.filter((kind) => kind === name);
  if (kinds.length === 0) return candidates;
  const kind: FilterPlan = { condition: { op: "kind", in: kinds }, exact: true, uids: [] };
  if (filter.isNotDefined) {
    const others = objectKinds.filter((other) => !kinds.includes(other));
    return others.length === 0 ? none : { condition: { op: "kind", in: others }, exact: true, uids: [] };
  }
  const tests = filter.props.map(planProperty);
  // With an override in the object, "overlaps" and "has the property" must hold for one component: see `matches`.
  if (filter.timeRange !== undefined) tests.push(planTimeRange(filter.timeRange, name, floatingZone));
  if (filter.comps.length > 0) tests.push(candidates);
  if (tests.length === 0) return kind;
  return all([kind, filter.anyOf ? any(tests) : all(tests)]);
}

function planProperty(filter: PropFilter): FilterPlan {
  if (filter.name !== "UID") return candidates;
  // Every component of an object has the one UID.
  if (filter.isNotDefined) return none;
  const { textMatch, params, timeRange } = filter;
  if (textMatch === undefined) return params.length === 0 && timeRange === undefined ? everything : candidates;
  if (filter.anyOf && params.length > 0) return candidates;
  const exact = params.length === 0 && timeRange === undefined;
  if (textMatch.type === "equals" && textMatch.collation === "i;octet" && !textMatch.negate)
    return { condition: { op: "uid", is: textMatch.text }, exact, uids: [] };
  return { condition: everyKind, exact: false, uids: [textMatch] };
}

const day = 86_400;

function planTimeRange(range: TimeRange, kind: string, zone: Zone): FilterPlan {
  // The tables of RFC 4791 §9.9 count a VTODO or VFREEBUSY that ends (or is due) exactly at a bound as overlapping.
  const closed = kind !== "VEVENT" && kind !== "VJOURNAL";
  let slack = closed ? 1 : 0;
  let offset = 0;
  if (zone.fixed) offset = zone.offsetAt(Number.isFinite(range.start) ? range.start : utc(0));
  else {
    // A local time is compared with a bound by the offset in force there, and a change of offset within a day of the
    // bound makes local times ambiguous. One offset serves when all these agree; else the difference is slack.
    const offsets = [range.start, range.end]
      .filter((bound) => Number.isFinite(bound))
      .flatMap((bound) => [zone.offsetAt(utc(bound - day)), zone.offsetAt(bound), zone.offsetAt(utc(bound + day))]);
    const least = Math.min(...offsets);
    const most = Math.max(...offsets);
    if (offsets.length > 0) offset = offsets[1] ?? 0;
    if (most > least) slack += most - least;
  }
  const wide: TimeRange = { start: utc(range.start - slack), end: utc(range.end + slack) };
  return { condition: { op: "time-range", range: wide, floatingOffset: 0 - offset }, exact: slack === 0, uids: [] };
}

function all(plans: readonly FilterPlan[]): FilterPlan {
  const exact = plans.every((plan) => plan.exact);
  const uids = plans.flatMap((plan) => plan.uids);
  const conditions = plans.flatMap(({ condition }) => (condition.op === "and" ? condition.of : [condition]));
  const kinds = objectKinds.filter((kind) =>
    conditions.every((condition) => condition.op !== "kind" || condition.in.includes(kind)),
  );
  // A VEVENT and a VTODO at once: the kinds leave nothing.
  if (kinds.length === 0 || conditions.some((condition) => condition.op === "none")) return none;
  const of: IndexCondition[] = conditions.filter((condition) => condition.op !== "kind");
  if (kinds.length < objectKinds.length || of.length === 0) of.unshift({ op: "kind", in: kinds });
  const [only] = of;
  return { condition: of.length === 1 && only !== undefined ? only : { op: "and", of }, exact, uids };
}

function any(plans: readonly FilterPlan[]): FilterPlan {
  const possible = plans.filter((plan) => plan.condition.op !== "none");
  const [only] = possible;
  if (only === undefined) return none;
  if (possible.length === 1) return only;
  if (possible.includes(everything)) return everything;
  if (possible.some(({ condition }) => condition === everyKind)) return candidates;
  const of = possible.map((plan) => plan.condition);
  // The uid tests of one branch say nothing about the others.
  return { condition: { op: "or", of }, exact: possible.every((plan) => plan.exact), uids: [] };
}
