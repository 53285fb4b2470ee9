import { existsSync } from "node:fs";

/** A folder of the package's data/, seen from src/ and from dist/, told by a file that is in it. Throws when it is missing. */
export function dataFolder(name: string, file: string): URL {
  for (const up of ["../../", "../", "../../../"]) {
    const folder = new URL(`${up}data/${name}/`, import.meta.url);
    if (existsSync(new URL(file, folder))) return folder;
  }
  throw new Error(`data/${name}/${file} is missing beside ${new URL("../../", import.meta.url).pathname}src`);
}
