/** Takes the escapes out of a TEXT value (RFC 5545 §3.3.11). What is no escape sequence stays as it is. */
export const unescapeText = (value: string): string =>
  value.includes("\\")
    ? value.replace(/\\([\\;,nN:])/g, (_, escaped: string) => (escaped === "n" || escaped === "N" ? "\n" : escaped))
    : value;

/** Writes text as a TEXT value. Line ends become \n. */
export const escapeText = (text: string): string => text.replace(/[\\;,]/g, "\\$&").replace(/\r\n|\r|\n/g, "\\n");

/** The items of a list of TEXT values (CATEGORIES, RESOURCES), escapes taken out. */
export function unescapedItems(value: string): readonly string[] {
  const items: string[] = [];
  let start = 0;
  for (let index = 0; index < value.length; index++) {
    if (value[index] === "\\") index += 1;
    else if (value[index] === ",") {
      items.push(unescapeText(value.slice(start, index)));
      start = index + 1;
    }
  }
  items.push(unescapeText(value.slice(start)));
  return items;
}
