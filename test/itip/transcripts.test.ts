import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { play, readTranscripts } from "./transcript.ts";

const folder = dirname(fileURLToPath(import.meta.url));

for (const file of readdirSync(folder).filter((name) => name.endsWith(".itip")))
  describe(file, () => {
    for (const transcript of readTranscripts(readFileSync(join(folder, file), "utf8")))
      test(transcript.claim, () => play(transcript));
  });
