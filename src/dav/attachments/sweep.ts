import { yieldToLoop } from "../../base/stream.ts";
import { unfolded } from "../../ical/slices.ts";
import type { Principal } from "../../model/principal.ts";
import { calendarsBelow } from "../../scheduling/free-busy-set.ts";
import { SHARING } from "../../sharing/names.ts";
import type { Collection } from "../../store/contract.ts";
import { el, type QName, textOf } from "../../xml/element.ts";
import type { Services } from "../registry.ts";
import { dropboxFolder, isReferred, managedFolder } from "./boxes.ts";
import { findManaged, idIn, openManaged, releaseManaged, removeLoneNotes } from "./managed.ts";

/** How long a box stays that no event refers to, ms: clients make the box before the event, and bring events back. */
export const boxPatience = 7 * 86_400_000;

/** On a box: since when (ms since 1970) no event was found that refers to it. */
const unreferredName: QName = `{${SHARING}}unreferred`;

/** Removes the managed attachments of a home that no event has: what processes that died left, and what went with a calendar.
 *  Answers how many. */
export async function sweepManaged(owner: Principal, services: Services, now = Date.now()): Promise<number> {
  const collection = await openManaged(owner, services.store);
  if (collection === undefined) return 0;
  const names: string[] = [];
  for await (const page of collection.entries()) names.push(...page.map(({ name }) => name));
  let removed = 0;
  for (const name of names) {
    await yieldToLoop();
    const id = idIn(name);
    const managed = id && (await findManaged(collection, id));
    if (managed !== undefined && (await releaseManaged(managed, undefined, services, now))) removed++;
  }
  await removeLoneNotes(collection, names, now);
  return removed;
}

/** Removes the boxes of a home that no event has referred to for a week. Answers how many. */
export async function sweepBoxes(owner: Principal, services: Services, now = Date.now()): Promise<number> {
  const { store } = services;
  const boxes = (await store.children({ owner, path: [dropboxFolder] })).filter(({ name }) => name !== managedFolder);
  let mentioned: ReadonlySet<string> | undefined;
  let removed = 0;
  for (const { name } of boxes) {
    await yieldToLoop();
    const box = await store.open({ owner, path: [dropboxFolder, name] });
    if (box === undefined) continue;
    // The UIDs noted on it are asked first; to be sure, so are all events of the home.
    let referred = await isReferred(box, services);
    if (!referred) {
      mentioned ??= await boxesMentioned(owner, new Set(boxes.map((one) => one.name)), services);
      referred = mentioned.has(name);
    }
    const since = (await box.properties()).get(unreferredName);
    if (referred) {
      if (since !== undefined) await mark(box, undefined);
    } else if (since === undefined) await mark(box, now);
    else if (Number(textOf(since)) <= now - boxPatience && (await box.info()).modified * 1000 <= now - boxPatience) {
      await store.remove(box.ref);
      removed++;
    }
  }
  return removed;
}

const mark = (box: Collection, since: number | undefined): Promise<void> =>
  box.change((change) =>
    change.setProperties(
      undefined,
      new Map([[unreferredName, since === undefined ? null : el(unreferredName, `${since}`)]]),
    ),
  );

/** Which of these boxes the texts of the home's events name, in any way. */
async function boxesMentioned(
  owner: Principal,
  names: ReadonlySet<string>,
  { store }: Services,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for await (const calendar of calendarsBelow({ owner, path: [] }, store))
    for await (const page of calendar.entries())
      for (const { name } of page) {
        await yieldToLoop();
        const content = await calendar.read(name);
        const text = content && unfolded(content.bytes.toString());
        if (text?.includes("dropbox") !== true) continue;
        for (const id of names) if (text.includes(id) || text.includes(encodeURIComponent(id))) found.add(id);
      }
  return found;
}

const everyNight = 86_400_000;
/** Not at once: a server that starts has other things to do. */
const firstLook = 600_000;

/** Sweeps the homes in `owners` once a day from now on. Answers how to end it. */
export function keepSwept(owners: () => AsyncIterable<Principal>, services: Services): () => Promise<void> {
  let ended = false;
  let sweeping: Promise<void> = Promise.resolve();
  const sweep = async (): Promise<void> => {
    for await (const owner of owners()) {
      if (ended) return;
      try {
        await sweepManaged(owner, services);
        await sweepBoxes(owner, services);
      } catch (error) {
        services.warn("attachments that no event has could not be removed", { owner: owner.shortName, error });
      }
    }
  };
  const look = (): void => {
    sweeping = sweep().catch((error: unknown) => services.warn("attachments could not be looked through", { error }));
  };
  const first = setTimeout(look, firstLook);
  const timer = setInterval(look, everyNight);
  first.unref();
  timer.unref();
  return () => {
    ended = true;
    clearTimeout(first);
    clearInterval(timer);
    return sweeping;
  };
}
