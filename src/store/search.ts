import type { SqlValue } from "../base/sqlite.ts";
import type { IndexCondition } from "../ical/filter-plan.ts";
import type { TimeRange } from "../model/ids.ts";
import { longest } from "./index-file.ts";

/** A piece of SQL over `resource`, with its values in order. */
export interface Sql {
  readonly text: string;
  readonly values: readonly SqlValue[];
}

const clamp = (seconds: number): number => Math.max(-9e15, Math.min(9e15, Math.floor(seconds)));

/** Instances that overlap a range (RFC 4791 §9.9: start < range end and end > range start; an instance without length
 *  counts when it starts inside). One branch per index: short fixed, short floating, long. */
export function instancesIn(range: TimeRange, floatingOffset: number, columns: string): Sql {
  const branch = (floating: 0 | 1, long: boolean): Sql => {
    const start = clamp(range.start - (floating ? floatingOffset : 0));
    const end = clamp(range.end - (floating ? floatingOffset : 0));
    const overlap = "start < ? and (end > ? or (end = start and start >= ?))";
    return long
      ? {
          text: `select ${columns} from instance where end - start > ${longest} and end > ? and start < ? and floating = ${floating}`,
          values: [start, end],
        }
      : {
          text: `select ${columns} from instance where end - start <= ${longest} and start >= ? and ${overlap} and floating = ${floating}`,
          values: [clamp(start - longest), end, start, start],
        };
  };
  const branches = [branch(0, false), branch(1, false), branch(0, true), branch(1, true)];
  return {
    text: branches.map(({ text }) => text).join(" union all "),
    values: branches.flatMap(({ values }) => values),
  };
}

/** Rows of objects whose indexed window does not cover the range: the index cannot say. */
export function uncertainIn(range: TimeRange): Sql {
  return {
    // A day of slack on both sides: floating instances move by up to that much.
    text: "((indexed_from is not null or indexed_until is not null) and (coalesce(indexed_from, -9e15) > ? or coalesce(indexed_until, 9e15) < ?))",
    values: [clamp(range.start - longest), clamp(range.end + 86_400)],
  };
}

/** A condition as SQL on `resource`; rows the index is not certain about satisfy it too (see `rangesOf`). */
export function whereOf(condition: IndexCondition): Sql {
  switch (condition.op) {
    case "every":
      return { text: "uid is not null", values: [] };
    case "none":
      return { text: "0", values: [] };
    case "kind":
      return { text: `kind in (${condition.in.map(() => "?").join(", ")})`, values: condition.in };
    case "uid":
      return { text: "uid = ?", values: [condition.is] };
    case "time-range": {
      const inside = instancesIn(condition.range, condition.floatingOffset, "resource");
      const uncertain = uncertainIn(condition.range);
      return {
        text: `(id in (${inside.text}) or ${uncertain.text})`,
        values: [...inside.values, ...uncertain.values],
      };
    }
    case "and":
    case "or": {
      if (condition.of.length === 0) return whereOf({ op: condition.op === "and" ? "every" : "none" });
      const parts = condition.of.map(whereOf);
      return {
        text: `(${parts.map(({ text }) => text).join(` ${condition.op} `)})`,
        values: parts.flatMap(({ values }) => values),
      };
    }
  }
}

/** The time ranges inside a condition: each must be asked again of an object the index is not certain about. */
export function rangesOf(condition: IndexCondition): readonly (IndexCondition & { op: "time-range" })[] {
  if (condition.op === "time-range") return [condition];
  return condition.op === "and" || condition.op === "or" ? condition.of.flatMap(rangesOf) : [];
}
