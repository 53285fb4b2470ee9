import { randomUUID } from "node:crypto";
import type { Config } from "../config/schema.ts";
import { dropboxFolder, managedFolder } from "../dav/attachments/boxes.ts";
import { findManaged, idIn, openManaged, pending, removeUnlessNoted } from "../dav/attachments/managed.ts";
import { boxPatience } from "../dav/attachments/sweep.ts";
import { noneIfZero } from "../dav-settings.ts";
import { type Utc, utc } from "../model/ids.ts";
import type { Principal } from "../model/principal.ts";
import type { Collection } from "../store/contract.ts";
import { FileStore } from "../store/store.ts";
import type { Call } from "./command.ts";
import { actAsServer, demandStore, nameOf, openRecords } from "./place.ts";
import { isReferredTo, type References, referencesIn } from "./references.ts";
import { type SurveyedHome, survey, viewOf } from "./survey.ts";
import { type Cell, tableText } from "./table.ts";

/** Opens the store as one more process beside the workers, if there are any. The caller closes it. */
export async function openStore(config: Config, call: Call): Promise<FileStore> {
  const { store } = await FileStore.open({
    root: config.DocumentRoot,
    startId: randomUUID(),
    quota: noneIfZero(config.UserQuota),
    now: () => utc(Math.floor(Date.now() / 1000)),
    warn: (message, details) => call.say(`warning: ${message} ${JSON.stringify(details)}`),
    sweep: false,
    watch: false,
    apart: config.RestrictCalendarsToOneComponentType,
  });
  return store;
}

/** Removes, of homes that are served, the attachments that no event of anybody refers to. */
export async function purgeAttachments(call: Call): Promise<number> {
  const config = await call.config();
  await demandStore(config);
  await actAsServer(config);
  const view = viewOf(config, call.say);
  const homes: SurveyedHome[] = [];
  const records = await openRecords(config);
  try {
    for await (const home of survey(view, records)) homes.push(home);
  } finally {
    await records.close();
  }
  const store = await openStore(config, call);
  try {
    const now = Date.now();
    // What is looked at was there before the events are read: what comes meanwhile stays.
    const found: Found[] = [];
    for (const home of homes)
      if (home.state === "used" && home.principal !== undefined)
        for await (const one of attachmentsOf(home, home.principal, store, now)) found.push(one);
    const references: References = await referencesIn(
      homes.map(({ path }) => path),
      view.properties,
    );
    const rows: Cell[][] = [];
    for (const { home, path, bytes, remove } of found) {
      if (isReferredTo(home, home.principal, path, references)) continue;
      if (!call.flag("yes") || (await remove()))
        rows.push([home.principal && nameOf(home.principal), path.join("/"), bytes]);
    }
    call.print(tableText({ columns: ["owner", "attachment", "bytes"], rows }, call.format));
    call.say(
      `${rows.length} attachments and drop boxes ${call.flag("yes") ? "removed" : "that no event refers to; --yes removes"}`,
    );
    return 0;
  } finally {
    await store.close();
  }
}

interface Found {
  readonly home: SurveyedHome;
  /** Below the drop box: a box, or `managed` and a file. */
  readonly path: readonly [box: string, file?: string];
  readonly bytes: number;
  /** False: somebody uses it again. */
  readonly remove: () => Promise<boolean>;
}

/** The attachments and boxes of a home that have been there long enough for their event to be stored. */
async function* attachmentsOf(
  home: SurveyedHome,
  owner: Principal,
  store: FileStore,
  now: number,
): AsyncGenerator<Found> {
  const managed = await openManaged(owner, store);
  for await (const page of managed?.entries() ?? [])
    for (const { name, size } of page) {
      const id = idIn(name);
      const one = id && managed && (await findManaged(managed, id));
      if (one === undefined || one.entry.modified * 1000 > now - pending) continue;
      const note = await removeUnlessNoted(one, now);
      if (note !== undefined) yield { home, path: [managedFolder, name], bytes: size, remove: note };
    }
  for (const { name } of await store.children({ owner, path: [dropboxFolder] })) {
    const box = name === managedFolder ? undefined : await store.open({ owner, path: [dropboxFolder, name] });
    if (box === undefined) continue;
    const changed = await lastChange(box);
    if (changed * 1000 > now - boxPatience) continue;
    const { bytes } = await box.info();
    const remove = async (): Promise<boolean> => {
      if ((await lastChange(box)) !== changed) return false;
      await store.remove(box.ref);
      return true;
    };
    yield { home, path: [name], bytes, remove };
  }
}

/** When the newest file of a box was written; of an empty one, when it changed as far as its index knows, which may be made anew. */
async function lastChange(box: Collection): Promise<Utc> {
  let newest: Utc | undefined;
  for await (const page of box.entries())
    for (const { modified } of page) if (newest === undefined || modified > newest) newest = modified;
  return newest ?? (await box.info()).modified;
}
