import { join } from "node:path";
import type { PrincipalUid } from "../model/ids.ts";
import { type RecordType, recordTypes } from "../model/principal.ts";
import { textOf } from "../xml/element.ts";
import { foldersIn } from "./files.ts";
import { type Layout, nameOfFile } from "./layout.ts";
import { ownerName, type PropertyStore } from "./properties.ts";

/** A calendar home as it lies in the store, whoever it belongs to. */
export interface StoredHome {
  readonly path: string;
  /** The short name and type that its place means; undefined for a home that lies by its owner's uid. */
  readonly named: { readonly type: RecordType; readonly name: string } | undefined;
  /** The owner's uid: the mark on the home, else the name of a folder in `__uids__`. Undefined for a home of version 1.0, or
   *  one that lost its attributes: then it belongs to whoever has its name. */
  readonly owner: PrincipalUid | undefined;
}

/** Every home of the store in all places that original servers used, in order of place. Reads no index and changes nothing. */
export async function* homesIn(layout: Layout, properties: PropertyStore): AsyncGenerator<StoredHome> {
  for (const type of recordTypes)
    for (const folder of await foldersIn(join(layout.calendars, type))) {
      const path = join(layout.calendars, type, folder);
      yield { path, named: { type, name: nameOfFile(folder) }, owner: await markOf(path, properties) };
    }
  const uids = join(layout.calendars, "__uids__");
  const byUid = async (folder: string, name: string): Promise<StoredHome> => {
    const path = join(folder, name);
    return { path, named: undefined, owner: (await markOf(path, properties)) ?? (nameOfFile(name) as PrincipalUid) };
  };
  for (const first of await foldersIn(uids)) {
    if (first.length > 2) yield byUid(uids, first);
    // Two levels of two characters each, as 2.x has them.
    else
      for (const second of await foldersIn(join(uids, first)))
        for (const name of await foldersIn(join(uids, first, second))) yield byUid(join(uids, first, second), name);
  }
}

async function markOf(path: string, properties: PropertyStore): Promise<PrincipalUid | undefined> {
  const mark = (await properties.readCollection(path, true)).get(ownerName);
  return mark && (textOf(mark) as PrincipalUid);
}
