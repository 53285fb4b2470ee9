import type { SqlValue } from "../base/sqlite.ts";
import { Turns, yieldToLoop } from "../base/stream.ts";
import type { IndexCondition } from "../ical/filter-plan.ts";
import { instancesIn } from "../ical/instances.ts";
import { parseCalendarObject } from "../ical/parse.ts";
import { fixedZone } from "../ical/zone-transitions.ts";
import { Refusal } from "../model/refusal.ts";
import type { ObjectEntry } from "./contract.ts";
import { entryColumns, entryOf, type IndexFile } from "./index-file.ts";
import { InstanceRows, uncertainIn } from "./instance-rows.ts";

/** How a search reaches its collection. */
export interface Searched {
  /** Asks the index; may be another file from one time to the next. */
  ask<T>(question: (index: IndexFile) => T): Promise<T>;
  /** The text of a member; undefined when it is gone. */
  textOf(entry: ObjectEntry): Promise<string | undefined>;
  entries(): AsyncIterable<readonly ObjectEntry[]>;
}

const pageSize = 1_000;

/** The rows that satisfy a condition, in pages. What names no time and no UID is answered from the listing; else the cost grows
 *  with what is found, not with the collection, and no step takes more than a few milliseconds. */
export async function* search(condition: IndexCondition, searched: Searched): AsyncGenerator<readonly ObjectEntry[]> {
  const leaves = leavesOf(condition);
  if (leaves.length === 0) {
    for await (const page of searched.entries()) {
      const found = page.filter((entry) => isOfKind(condition, entry));
      if (found.length > 0) yield found;
    }
    return;
  }
  const given = new Set<string>();
  for (let attempt = 0; attempt < 5; attempt++) {
    const candidates = await candidatesOf(leaves, searched);
    if (candidates === undefined) continue;
    if (yield* rowsOf(condition, candidates, searched, given)) return;
  }
  throw new Error("the index is made again and again while it is asked");
}

function isOfKind(condition: IndexCondition, entry: ObjectEntry): boolean {
  switch (condition.op) {
    case "every":
      return entry.uid !== undefined;
    case "kind":
      return entry.kind !== undefined && condition.in.includes(entry.kind);
    case "and":
      return condition.of.every((part) => isOfKind(part, entry));
    case "or":
      return condition.of.some((part) => isOfKind(part, entry));
    default:
      return false;
  }
}

type Leaf = IndexCondition & { readonly op: "time-range" | "uid" };

const leavesOf = (condition: IndexCondition): readonly Leaf[] =>
  condition.op === "time-range" || condition.op === "uid"
    ? [condition]
    : condition.op === "and" || condition.op === "or"
      ? condition.of.flatMap(leavesOf)
      : [];

/** What the index says of the leaves. */
interface Candidates {
  readonly index: IndexFile;
  /** Of the index when it was first asked. Rows with a later one were written meanwhile. */
  readonly revision: number;
  readonly inside: ReadonlyMap<IndexCondition, ReadonlySet<number>>;
  /** Objects whose own rule must be asked. */
  readonly uncertain: ReadonlyMap<IndexCondition, ReadonlySet<number>>;
}

/** Undefined when the index was exchanged meanwhile. */
async function candidatesOf(leaves: readonly Leaf[], { ask }: Searched): Promise<Candidates | undefined> {
  const walks = leaves.flatMap((leaf) =>
    leaf.op === "time-range" ? [{ leaf, walk: new InstanceRows(leaf.range, leaf.floatingOffset) }] : [],
  );
  const inside = new Map<IndexCondition, Set<number>>(leaves.map((leaf) => [leaf, new Set<number>()]));
  const step = (index: IndexFile): boolean => {
    const next = walks.find(({ walk }) => !walk.done);
    if (next === undefined) return true;
    const ids = inside.get(next.leaf);
    const page = next.walk.read(index);
    for (const [resource] of page.rows) ids?.add(resource);
    page.accept();
    return walks.every(({ walk }) => walk.done);
  };
  const begun = await ask((index) => {
    const uncertain = new Map<IndexCondition, ReadonlySet<number>>();
    for (const leaf of leaves)
      if (leaf.op === "time-range") uncertain.set(leaf, new Set(uncertainIn(leaf.range, index)));
      else
        for (const row of index.db.prepare("select id from resource where uid = ?").all(leaf.is))
          inside.get(leaf)?.add(row[0] as number);
    return { index, revision: index.state().revision, inside, uncertain, done: step(index) };
  });
  for (let { done } = begun; !done; ) {
    await yieldToLoop();
    const now = await ask((index) => (index === begun.index ? { done: step(index) } : undefined));
    if (now === undefined) return undefined;
    done = now.done;
  }
  return begun;
}

/** Ids of all rows that can satisfy the condition; undefined: any row can. */
function boundOf(condition: IndexCondition, candidates: Candidates): ReadonlySet<number> | undefined {
  switch (condition.op) {
    case "none":
      return new Set();
    case "uid":
    case "time-range": {
      const inside = candidates.inside.get(condition) ?? new Set();
      const uncertain = candidates.uncertain.get(condition);
      return uncertain === undefined || uncertain.size === 0 ? inside : new Set([...inside, ...uncertain]);
    }
    case "and":
      return condition.of.map((part) => boundOf(part, candidates)).reduce(smaller, undefined);
    case "or": {
      const all = new Set<number>();
      for (const part of condition.of) {
        const bound = boundOf(part, candidates);
        if (bound === undefined) return undefined;
        for (const id of bound) all.add(id);
      }
      return all;
    }
    default:
      return undefined;
  }
}

type Bound = ReadonlySet<number> | undefined;
const smaller = (a: Bound, b: Bound): Bound => (a === undefined ? b : b === undefined || a.size <= b.size ? a : b);

type Row = readonly SqlValue[];
const columns = `${entryColumns}, id, revision`;
const idOf = (row: Row): number => row[9] as number;
const revisionOf = (row: Row): number => row[10] as number;

/** Gives the rows that satisfy the condition and are not `given` yet. Answers false when the index was exchanged meanwhile. */
async function* rowsOf(
  condition: IndexCondition,
  candidates: Candidates,
  searched: Searched,
  given: Set<string>,
): AsyncGenerator<readonly ObjectEntry[], boolean> {
  const bound = boundOf(condition, candidates);
  const ids = bound && [...bound];
  const turns = new Turns();
  for (let at = 0, last = 0; ; at += pageSize) {
    if (ids !== undefined && at >= ids.length) return true;
    const rows = await searched.ask((index): readonly Row[] | undefined =>
      index === candidates.index ? pageOf(index, ids?.slice(at, at + pageSize), last) : undefined,
    );
    if (rows === undefined) return false;
    const page: ObjectEntry[] = [];
    for (const row of rows) {
      const entry = entryOf(row);
      if (given.has(entry.name)) continue;
      const said = revisionOf(row) > candidates.revision ? undefined : verdict(condition, idOf(row), entry, candidates);
      if (said ?? (await isCertain(condition, entry, row, candidates, searched))) page.push(entry);
      if (said === undefined) await turns.next();
    }
    if (page.length > 0) {
      for (const { name } of page) given.add(name);
      yield page;
    }
    const end = rows.at(-1);
    if (ids === undefined && (end === undefined || rows.length < pageSize)) return true;
    last = end === undefined ? last : idOf(end);
    if (ids === undefined || at + pageSize < ids.length) await yieldToLoop();
  }
}

const pageOf = (index: IndexFile, ids: readonly number[] | undefined, after: number): readonly Row[] =>
  ids === undefined
    ? index.db.prepare(`select ${columns} from resource where id > ? order by id limit ${pageSize}`).all(after)
    : index.db
        .prepare(`select ${columns} from resource where id in (select value from json_each(?)) order by +name`)
        .all(`[${ids.join()}]`);

/** Whether the index says that the row satisfies the condition; undefined when it cannot say. */
function verdict(
  condition: IndexCondition,
  id: number,
  entry: ObjectEntry,
  candidates: Candidates,
): boolean | undefined {
  switch (condition.op) {
    case "uid":
      return entry.uid === condition.is;
    case "time-range":
      if (candidates.inside.get(condition)?.has(id) === true) return true;
      return candidates.uncertain.get(condition)?.has(id) === true ? undefined : false;
    case "and":
    case "or": {
      const decides = condition.op === "or";
      let doubt = false;
      for (const part of condition.of) {
        const said = verdict(part, id, entry, candidates);
        if (said === decides) return said;
        if (said === undefined) doubt = true;
      }
      return doubt ? undefined : !decides;
    }
    default:
      return isOfKind(condition, entry);
  }
}

/** For an object whose indexed window may not cover a range, or that was written meanwhile: its rule is asked, from the file. */
async function isCertain(
  condition: IndexCondition,
  entry: ObjectEntry,
  row: Row,
  candidates: Candidates,
  { textOf }: Searched,
): Promise<boolean> {
  const text = await textOf(entry);
  if (text === undefined) return false;
  const isOld = revisionOf(row) <= candidates.revision;
  let object: ReturnType<typeof parseCalendarObject> | undefined;
  const holds = (part: IndexCondition): boolean => {
    if (part.op === "and") return part.of.every(holds);
    if (part.op === "or") return part.of.some(holds);
    if (part.op !== "time-range") return verdict(part, idOf(row), entry, candidates) === true;
    if (isOld) {
      const said = verdict(part, idOf(row), entry, candidates);
      if (said !== undefined) return said;
    }
    object ??= parseCalendarObject(text);
    return instancesIn(object, part.range, fixedZone("floating", 0 - part.floatingOffset), 1).instances.length > 0;
  };
  try {
    return holds(condition);
  } catch (error) {
    // Changed by hand a moment ago, into what cannot be read.
    if (error instanceof Refusal) return false;
    throw error;
  }
}
