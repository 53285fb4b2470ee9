import type { TimeRange } from "../model/ids.ts";

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
