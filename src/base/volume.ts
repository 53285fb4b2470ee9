import { statfsSync } from "node:fs";

// ext2 to ext4, XFS, Btrfs, F2FS, ZFS, tmpfs, overlayfs: linux/magic.h.
const localTypes = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0x01021994, 0x794c7630]);

/** Whether all writers of the folder's files are processes of this host, so that a file whose ctime did not move was not written.
 *  Over a network the times are seconds old. */
export const isLocal = (folder: string): boolean => localTypes.has(statfsSync(folder).type >>> 0);

/** Whether a write from now on would give the file another ctime than this (in ms): clocks of file systems tick every 10 ms
 *  at worst, old ones every second. */
export const atRest = (ctime: number): boolean => Date.now() - ctime > (ctime % 1000 === 0 ? 2_000 : 20);
