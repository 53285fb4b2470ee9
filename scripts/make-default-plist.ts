// Writes plist/caldavd.plist from the schema: node --import tsx scripts/make-default-plist.ts
import { writeFile } from "node:fs/promises";
import { generateDefaultPlist } from "../src/config/default-plist.ts";

await writeFile(new URL("../plist/caldavd.plist", import.meta.url), generateDefaultPlist());
