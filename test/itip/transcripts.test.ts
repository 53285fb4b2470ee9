import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { decisions } from "../../src/itip/decisions.ts";
import { arrivals, examples } from "./coverage.ts";
import { play, readTranscripts } from "./transcript.ts";

const folder = dirname(fileURLToPath(import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".itip"));
/** Rows of the decision tables that a transcript shows: those that decided alone. */
const shown = new Set<string>();

for (const file of files)
  describe(file, () => {
    for (const transcript of readTranscripts(readFileSync(join(folder, file), "utf8")))
      test(transcript.claim, () => {
        for (const row of play(transcript)) shown.add(row);
      });
  });

describe("what the transcripts show", () => {
  test("is every row of the decision tables, each deciding alone", () => {
    const rows = [...Object.keys(decisions), ...arrivals];
    assert.deepEqual(
      rows.filter((row) => !shown.has(row)),
      [],
    );
  });

  test("is no row that the tables do not have", () => {
    const rows = new Set<string>([...Object.keys(decisions), ...arrivals]);
    assert.deepEqual(
      [...shown].filter((row) => !rows.has(row)),
      [],
    );
  });

  for (const { rfc, sections } of examples)
    test(`is every example of ${rfc}`, () => {
      const missing = Object.entries(sections).filter(([section, where]) => !isTold(section, where));
      assert.deepEqual(missing, []);
    });
});

/** Whether a transcript's claim begins with the number of the section, or a test's with RFC and section. */
function isTold(section: string, where: string): boolean {
  const text = readFileSync(join(folder, where), "utf8");
  if (where.endsWith(".itip")) return readTranscripts(text).some(({ claim }) => numbersOf(claim).has(section));
  return new RegExp(`test\\("[^"]*(?:§|RFC 6638 )${section.replaceAll(".", "\\.")}[: ]`).test(text);
}

/** "4.4.2 to 4.4.5 An instance …": four numbers. */
function numbersOf(claim: string): ReadonlySet<string> {
  const numbers = new Set<string>();
  const words = claim.split(" ");
  let last: string | undefined;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (/^(?:\d+|B)(?:\.\d+)+$/.test(word)) {
      if (words[at - 1] === "to" && last !== undefined) for (const between of fromTo(last, word)) numbers.add(between);
      numbers.add(word);
      last = word;
    } else if (word !== "and" && word !== "to") break;
  }
  return numbers;
}

function fromTo(first: string, last: string): readonly string[] {
  const head = first.slice(0, first.lastIndexOf(".") + 1);
  const [from = 0, to = 0] = [first, last].map((one) => Number(one.slice(one.lastIndexOf(".") + 1)));
  return Array.from({ length: to - from + 1 }, (_, index) => `${head}${from + index}`);
}
