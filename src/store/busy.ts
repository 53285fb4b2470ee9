import { yieldToLoop } from "../base/stream.ts";
import { type TimeRange, utc } from "../model/ids.ts";
import type { BusyPage, BusyRow, ObjectEntry } from "./contract.ts";
import { busyOfCode, entryColumns, entryOf, type IndexFile } from "./index-file.ts";
import { type InstanceRow, InstanceRows, uncertainIn } from "./instance-rows.ts";

/** How the index is asked; it may be another file from one time to the next. */
type Ask = <T>(question: (index: IndexFile) => T) => Promise<T>;

/** What the index knows of busy time in a range (`Collection.busy`). When the index is exchanged meanwhile, what was given is given
 *  again: being busy twice is being busy. */
export async function* busyIn(range: TimeRange, floatingOffset: number, ask: Ask): AsyncGenerator<BusyPage> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const walk = new InstanceRows(range, floatingOffset);
    const objects = new Map<number, ObjectEntry>();
    const rowsOf = (index: IndexFile, unsure: ReadonlySet<number>): readonly BusyRow[] => {
      const page = walk.read(index);
      const rows = page.rows.filter(([resource, , , , busy]) => busy !== 0 && !unsure.has(resource));
      learn(objects, new Set(rows.map(([resource]) => resource)), index);
      page.accept();
      return rows.flatMap((row) => busyRow(row, objects) ?? []);
    };
    const { index, unsure, first } = await ask((now) => {
      const ids = new Set(uncertainIn(range, now));
      learn(objects, ids, now);
      const uncertain = [...ids].flatMap((id) => objects.get(id) ?? []);
      return { index: now, unsure: ids, first: { rows: rowsOf(now, ids), uncertain } };
    });
    yield first;
    let isSame = true;
    while (isSame && !walk.done) {
      await yieldToLoop();
      const rows = await ask((now) => (now === index ? rowsOf(now, unsure) : undefined));
      if (rows === undefined) isSame = false;
      else yield { rows, uncertain: [] };
    }
    if (isSame) return;
  }
  throw new Error("the index is made again and again while it is asked");
}

/** Reads the rows of objects that are not known yet. */
function learn(objects: Map<number, ObjectEntry>, ids: ReadonlySet<number>, index: IndexFile): void {
  const unknown = [...ids].filter((id) => !objects.has(id));
  if (unknown.length === 0) return;
  const rows = index.db
    .prepare(`select ${entryColumns}, id from resource where id in (select value from json_each(?))`)
    .all(`[${unknown.join()}]`);
  for (const row of rows) objects.set(row[9] as number, entryOf(row));
}

function busyRow(
  [resource, start, end, floating, busy]: InstanceRow,
  objects: ReadonlyMap<number, ObjectEntry>,
): BusyRow | undefined {
  const object = objects.get(resource);
  if (object === undefined) return undefined;
  const { name, uid = "", access, kind = "", hasAcl } = object;
  return {
    name,
    uid,
    access,
    hasAcl,
    kind,
    start: utc(start),
    end: utc(end),
    floating: floating !== 0,
    busy: busyOfCode(busy),
  };
}
