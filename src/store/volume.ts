import type { Stats } from "node:fs";
import { chmod, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { freshName, quickStat, stageFile } from "./files.ts";

/** Tells a file from a later one that was given its inode number (ext4 does so at once). */
export type IdentityOf = (file: Stats) => number;

const byInode: IdentityOf = (file) => file.ino;
/** The number and the moment of birth in µs, summed. */
const byInodeAndBirth: IdentityOf = (file) => file.ino + Math.trunc(file.birthtimeMs * 1000);

/** What the store has to know of the volume it is on. */
export interface Volume {
  readonly identityOf: IdentityOf;
  /** All writers are processes of this host, so that a file whose ctime did not move was not written. Over a network the
   *  times are seconds old. */
  readonly local: boolean;
}

// ext2 to ext4, XFS, Btrfs, F2FS, ZFS, tmpfs, overlayfs: linux/magic.h.
const localTypes = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0x01021994, 0x794c7630]);

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
  const { type } = await statfs(folder);
  return { identityOf: kept ? byInodeAndBirth : byInode, local: localTypes.has(type >>> 0) };
}

/** Whether a write from now on would give the file another ctime than this (in ms): clocks of file systems tick every 10 ms
 *  at worst, old ones every second. */
export const atRest = (ctime: number): boolean => Date.now() - ctime > (ctime % 1000 === 0 ? 2_000 : 20);
