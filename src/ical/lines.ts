/** Longer than any name that is looked for here. */
const longestName = 60;

const lineEnd = (text: string, from: number): number => {
  const at = text.indexOf("\n", from);
  return at === -1 ? text.length : at + 1;
};
const contentOf = (text: string, from: number, to: number): string =>
  text.slice(from, Math.min(to, from + 2 * longestName)).replace(/[\r\n]+$/, "");
const isFold = (code: number): boolean => code === 0x20 || code === 0x09;

/** The content line that starts at `start`: where it ends, folds included, and how it begins, unfolded; enough of it to hold its name,
 *  which may be folded too. For those who leave lines out of a text and keep every other byte. RFC 5545 §3.1 */
export function contentLineAt(text: string, start: number): { readonly end: number; readonly line: string } {
  let end = lineEnd(text, start);
  let line = contentOf(text, start, end);
  while (isFold(text.charCodeAt(end))) {
    const next = lineEnd(text, end);
    if (line.length < longestName) line += contentOf(text, end + 1, next);
    end = next;
  }
  return { end, line };
}

/** The name of the property that a content line holds, in capitals; "" for a line that has none. */
export const propertyNameOf = (line: string): string => (/^[^:;]{1,60}/.exec(line)?.[0] ?? "").toUpperCase();

/** The text without its content lines of these properties, in whatever component; the text itself when there are none. */
export function withoutProperties(text: string, names: ReadonlySet<string>): string {
  let kept = "";
  let from = 0;
  for (let start = 0; start < text.length; ) {
    const { end, line } = contentLineAt(text, start);
    if (names.has(propertyNameOf(line))) {
      kept += text.slice(from, start);
      from = end;
    }
    start = end;
  }
  return from === 0 ? text : kept + text.slice(from);
}
