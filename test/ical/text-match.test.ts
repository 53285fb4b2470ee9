import assert from "node:assert/strict";
import { test } from "node:test";
import { type Collation, matchesText, type TextMatch } from "../../src/ical/text-match.ts";

const match = (
  text: string,
  collation: Collation,
  type: TextMatch["type"] = "contains",
  negate = false,
): TextMatch => ({
  text,
  collation,
  type,
  negate,
});

test("i;ascii-casemap leaves letters beyond ASCII apart", () => {
  assert.ok(matchesText("Lunch at ZOË's", match("lunch AT zo", "i;ascii-casemap")));
  assert.ok(!matchesText("ZOË", match("zoë", "i;ascii-casemap")));
  assert.ok(matchesText("ZOË", match("zoË", "i;ascii-casemap")));
});

test("i;octet compares as written", () => {
  assert.ok(matchesText("Lunch", match("unc", "i;octet")));
  assert.ok(!matchesText("Lunch", match("lunch", "i;octet")));
});

test("i;unicode-casemap joins case and composition", () => {
  assert.ok(matchesText("ZOË", match("zoë", "i;unicode-casemap")));
  assert.ok(matchesText("Zoe\u0308", match("zoë", "i;unicode-casemap", "equals")));
  assert.ok(matchesText("STRASSE", match("Straße", "i;unicode-casemap", "equals")));
  assert.ok(matchesText("ΟΔΟΣ", match("οδος", "i;unicode-casemap", "equals")));
  assert.ok(!matchesText("Zoe", match("zoë", "i;unicode-casemap", "equals")));
});

test("match types and negation", () => {
  const results = (["contains", "equals", "starts-with", "ends-with"] as const).map((type) =>
    ["lunch", "lun", "nch", "un", "dinner"].map((text) => matchesText("Lunch", match(text, "i;ascii-casemap", type))),
  );
  assert.deepEqual(results, [
    [true, true, true, true, false],
    [true, false, false, false, false],
    [true, true, false, false, false],
    [true, false, true, false, false],
  ]);
  assert.ok(!matchesText("Lunch", match("un", "i;octet", "contains", true)));
  assert.ok(matchesText("Lunch", match("UN", "i;octet", "contains", true)));
});
