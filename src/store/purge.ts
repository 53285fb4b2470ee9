import { randomFillSync } from "node:crypto";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { discardDirectory, makeDirectories } from "./files.ts";
import type { Layout } from "./layout.ts";

/** Removes a home or a collection with everything in it: out of sight at once, whole, then freed. With `shred` the bytes of every
 *  file are overwritten and synced before, which helps only where a file system writes in place. */
export async function removeTree(layout: Layout, path: string, shred: boolean): Promise<void> {
  await makeDirectories(layout.staging);
  const free = await discardDirectory(path, layout.staging, async (grave) => {
    if (shred) await overwrite(grave);
  });
  await free();
}

const chunk = 1 << 16;

async function overwrite(folder: string): Promise<void> {
  const noise = Buffer.allocUnsafe(chunk);
  for (const item of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, item.name);
    if (item.isDirectory()) await overwrite(path);
    else if (item.isFile()) {
      const file = await open(path, "r+");
      try {
        const { size } = await file.stat();
        for (let at = 0; at < size; at += chunk) {
          randomFillSync(noise);
          await file.write(noise, 0, Math.min(chunk, size - at), at);
        }
        await file.sync();
      } finally {
        await file.close();
      }
    }
  }
}
