/** The collations of text-match (RFC 4791 §7.5), with the Unicode one of RFC 5051. */
export const collations = ["i;ascii-casemap", "i;octet", "i;unicode-casemap"] as const;
export type Collation = (typeof collations)[number];

/** CALDAV:text-match (RFC 4791 §9.7.5), with the match types of calendar-query-extended. */
export interface TextMatch {
  readonly text: string;
  readonly collation: Collation;
  /** The test is true when the text does not match. */
  readonly negate: boolean;
  readonly type: "contains" | "equals" | "starts-with" | "ends-with";
}

const capitals = /[A-Z]+/g;
const lower = (letters: string): string => letters.toLowerCase();

function fold(text: string, collation: Collation): string {
  switch (collation) {
    case "i;octet":
      return text;
    case "i;ascii-casemap":
      // Not toLowerCase on the whole: RFC 4790 §9.2 leaves "Ä" and "ä" different.
      return text.replace(capitals, lower);
    case "i;unicode-casemap":
      // Upper case first: it unites ß and ss, ς and σ. Lower case after it makes the result independent of title case.
      return text.toUpperCase().normalize("NFKD").toLowerCase();
  }
}

// One filter is asked of thousands of objects; its own text is folded once.
const folded = new WeakMap<TextMatch, string>();

function needleOf(match: TextMatch): string {
  let needle = folded.get(match);
  if (needle === undefined) {
    needle = fold(match.text, match.collation);
    folded.set(match, needle);
  }
  return needle;
}

/** Whether the text passes the test, negation included. */
export function matchesText(text: string, match: TextMatch): boolean {
  return containsAsAsked(fold(text, match.collation), needleOf(match), match.type) !== match.negate;
}

function containsAsAsked(text: string, needle: string, type: TextMatch["type"]): boolean {
  switch (type) {
    case "contains":
      return text.includes(needle);
    case "equals":
      return text === needle;
    case "starts-with":
      return text.startsWith(needle);
    case "ends-with":
      return text.endsWith(needle);
  }
}
