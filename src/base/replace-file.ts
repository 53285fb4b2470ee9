import { randomUUID } from "node:crypto";
import { chmod, chown, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Puts a file in the place of another, or where none is, durably: readers see the old one or the new one, also after a power
 *  cut. Owner and mode of the file that is there are kept; a new one has the mode 0640, less the process's mask. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  const facts = await stat(path).catch(() => undefined);
  const draft = join(folder, `.${basename(path)}.${randomUUID()}.new`);
  try {
    const file = await open(draft, "wx", 0o640);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (facts !== undefined) {
      await chmod(draft, facts.mode & 0o7777);
      if (process.getuid?.() === 0) await chown(draft, facts.uid, facts.gid);
    }
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  const directory = await open(folder);
  await directory.sync().finally(() => directory.close());
}
