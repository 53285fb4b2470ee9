import type { Stats } from "node:fs";
import { chmod, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isLocal } from "../base/volume.ts";
import { freshName, quickStat, stageFile } from "./files.ts";

/** Tells a file from a later one that was given its inode number (ext4 does so at once). */
export type IdentityOf = (file: Stats) => number;

const byInode: IdentityOf = (file) => file.ino;
/** The number and the moment of birth in µs, summed. */
const byInodeAndBirth: IdentityOf = (file) => file.ino + Math.trunc(file.birthtimeMs * 1000);

/** What the store has to know of the volume it is on. */
export interface Volume {
  readonly identityOf: IdentityOf;
  /** See `isLocal`. */
  readonly local: boolean;
}

/** Looks on a file of its own whether the volume keeps the moment of birth (where it does not, Node gives the ctime instead),
 *  and what kind of file system it is. */
export async function probeVolume(folder: string): Promise<Volume> {
  const path = join(folder, `probe-${freshName()}`);
  await stageFile(path, Buffer.from("probe"), undefined);
  const before = quickStat(path);
  // Longer than any clock tick of a local file system.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await chmod(path, 0o600);
  const after = quickStat(path);
  await unlink(path);
  const kept =
    before !== undefined && after !== undefined && before.birthtimeMs > 0 && before.birthtimeMs === after.birthtimeMs;
  return { identityOf: kept ? byInodeAndBirth : byInode, local: isLocal(folder) };
}
