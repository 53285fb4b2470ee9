import type { TimeRange } from "../model/ids.ts";
import { type IndexFile, longest } from "./index-file.ts";

/** A row of `instance`: resource, start, end, floating, busy. */
export type InstanceRow = readonly [resource: number, start: number, end: number, floating: number, busy: number];

/** Rows read at once: some 3 ms. */
export const rowsAtOnce = 4_096;

const clamp = (seconds: number): number => Math.max(-9e15, Math.min(9e15, Math.floor(seconds)));
const beyond = 9.1e15;

const columns = "resource, start, end, floating, busy";
const short = (floating: number): string =>
  `select ${columns} from instance where end - start <= ${longest} and (start, end, floating, resource, busy) > (?, ?, ?, ?, ?)
   and start < ? and (end > ? or (end = start and start >= ?)) and floating = ${floating}
   order by start, end, floating, resource, busy limit ${rowsAtOnce}`;
const long = (floating: number): string =>
  `select ${columns} from instance where end - start > ${longest} and (end, start, floating, resource, busy) > (?, ?, ?, ?, ?)
   and start < ? and floating = ${floating} order by end, start, floating, resource, busy limit ${rowsAtOnce}`;

interface Branch {
  readonly sql: string;
  readonly keyOf: (row: InstanceRow) => readonly number[];
  /** Where to go on. */
  after: readonly number[];
  readonly bounds: readonly number[];
}

/** Walks the instances that overlap a range, in pages of one index: short ones with fixed times, short floating ones, then the
 *  long ones. RFC 4791 §9.9: start < range end and end > range start; an instance without length counts when it starts inside. */
export class InstanceRows {
  #branches: readonly Branch[];

  /** `floatingOffset`: seconds to add to floating instances. */
  constructor(range: TimeRange, floatingOffset: number) {
    const from = (floating: 0 | 1): number => clamp(range.start - (floating ? floatingOffset : 0));
    const to = (floating: 0 | 1): number => clamp(range.end - (floating ? floatingOffset : 0));
    const shortOnes = (floating: 0 | 1): Branch => ({
      sql: short(floating),
      keyOf: ([resource, start, end, , busy]) => [start, end, floating, resource, busy],
      after: [clamp(from(floating) - longest), -beyond, 0, 0, 0],
      bounds: [to(floating), from(floating), from(floating)],
    });
    const longOnes = (floating: 0 | 1): Branch => ({
      sql: long(floating),
      keyOf: ([resource, start, end, , busy]) => [end, start, floating, resource, busy],
      after: [from(floating), beyond, 0, 0, 0],
      bounds: [to(floating)],
    });
    this.#branches = [longOnes(1), longOnes(0), shortOnes(1), shortOnes(0)];
  }

  get done(): boolean {
    return this.#branches.length === 0;
  }

  /** The next rows, at least one if any are left and not many more than `rowsAtOnce`. The walk goes on behind them when they are
   *  accepted: a question that sqlite answers with "busy" halfway is asked again from its beginning. */
  read(index: IndexFile): { readonly rows: readonly InstanceRow[]; accept(): void } {
    const branches = this.#branches.map((branch) => ({ ...branch }));
    let found: InstanceRow[] | undefined;
    for (let branch = branches.at(-1); branch !== undefined; branch = branches.at(-1)) {
      const rows = index.db
        .prepare(branch.sql)
        .all(...branch.after, ...branch.bounds) as readonly unknown[] as InstanceRow[];
      const last = rows.at(-1);
      if (last === undefined || rows.length < rowsAtOnce) branches.pop();
      else branch.after = branch.keyOf(last);
      if (found === undefined) found = rows;
      else for (const row of rows) found.push(row);
      if (found.length >= rowsAtOnce) break;
    }
    return {
      rows: found ?? [],
      accept: () => {
        this.#branches = branches;
      },
    };
  }
}

/** Ids of the objects whose indexed window does not cover the range: the index cannot say. */
export function uncertainIn(range: TimeRange, index: IndexFile): readonly number[] {
  // Some slack on both sides: floating instances move by up to a day, and instances reach over the border.
  return index.db
    .prepare(
      `select id from resource where (indexed_from is not null or indexed_until is not null)
       and (coalesce(indexed_from, -9e15) > ? or coalesce(indexed_until, 9e15) < ?)`,
    )
    .all(clamp(range.start - longest), clamp(range.end + 86_400))
    .map((row) => row[0] as number);
}
