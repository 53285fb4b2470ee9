import { lstat, readdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { dropboxFolder, managedFolder } from "../dav/attachments/boxes.ts";
import { foldersIn, makeDirectories, renameFile, syncDirectory } from "../store/files.ts";
import { Problems } from "./command.ts";
import { isManagedFile, isReferredTo, type References } from "./references.ts";
import type { SurveyedHome } from "./survey.ts";

/** A box of a home's drop box, or a file among its managed attachments. */
type Kept = readonly [box: string, file?: string];

const dropboxOf = ({ path }: SurveyedHome): string => join(path, dropboxFolder);

export async function someHaveAttachments(homes: readonly SurveyedHome[]): Promise<boolean> {
  for (const home of homes) if ((await foldersIn(dropboxOf(home))).length > 0) return true;
  return false;
}

/** What of a home's attachments events refer to. */
export async function attachmentsKept(home: SurveyedHome, referred: References): Promise<readonly Kept[]> {
  if (referred.size === 0) return [];
  const kept: Kept[] = [];
  for (const box of await foldersIn(dropboxOf(home))) {
    const inside: Kept[] =
      box === managedFolder
        ? (await namesIn(join(dropboxOf(home), box))).filter(isManagedFile).map((file) => [box, file])
        : [[box]];
    kept.push(...inside.filter((one) => isReferredTo(home, home.principal, one, referred)));
  }
  // An attachment's note goes with it and is not one itself.
  return kept.filter(([, file]) => file?.endsWith(".events") !== true);
}

/** Removes a home but for what is to be kept, which stays where it lies, with the mark of its owner. */
export async function removeHome(
  home: SurveyedHome,
  kept: readonly Kept[],
  discard: (path: string) => Promise<void>,
): Promise<void> {
  if (kept.length === 0) return discard(home.path);
  const files = new Set(kept.map(([, file]) => file?.slice(0, 32)));
  const boxes = new Set(kept.map(([box]) => box));
  const clear = async (path: string, stays: (name: string) => boolean): Promise<void> => {
    for (const name of await namesIn(path)) {
      if (stays(name)) continue;
      const inside = join(path, name);
      if ((await lstat(inside)).isDirectory()) await discard(inside);
      else await unlink(inside);
    }
  };
  await clear(home.path, (name) => name === dropboxFolder);
  await clear(dropboxOf(home), (name) => boxes.has(name));
  if (boxes.has(managedFolder))
    await clear(join(dropboxOf(home), managedFolder), (name) => files.has(name.slice(0, 32)));
}

/** Moves a home to its place below a folder. Throws Problems when it cannot be moved as it is. */
export async function moveAside({ path, place }: SurveyedHome, kept: readonly Kept[], folder: string): Promise<void> {
  if (kept.length > 0)
    throw new Problems([
      `${place}: events of others refer to ${kept.length} of its attachments; it stays (--referred)`,
    ]);
  const to = join(folder, place);
  if ((await lstat(to).catch(() => undefined)) !== undefined) throw new Problems([`${to} is there already`]);
  await makeDirectories(dirname(to));
  try {
    await renameFile(path, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EXDEV")
      throw new Problems([`${folder} is on another volume than the store: homes are moved only within one`]);
    throw error;
  }
  await syncDirectory(dirname(to));
  await syncDirectory(dirname(path));
}

const namesIn = async (path: string): Promise<readonly string[]> =>
  (await readdir(path)).filter((name) => !name.startsWith("."));
