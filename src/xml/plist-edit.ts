import { type PlistValue, readPlist, valueMarkup } from "./plist.ts";
import { escapeText } from "./write.ts";

/** An element of the text, by offsets. */
interface Node {
  readonly name: string;
  readonly start: number;
  /** Behind the start tag; of `<dict/>` the same as `end`. */
  readonly inner: number;
  /** Before the end tag. */
  innerEnd: number;
  end: number;
  readonly children: Node[];
}

/** The text of an XML property list with one value set, or removed (undefined). Everything else stays as it is, byte for byte:
 *  comments, order, white space, unknown keys. Dictionaries on the way that are missing are made. Throws XmlError or PlistError for a
 *  text that is no property list, and Error when something on the way is not a dictionary. */
export function withPlistValue(text: string, path: readonly string[], value: PlistValue | undefined): string {
  // What is well-formed can be scanned by looking at tags alone.
  readPlist(text);
  const [top] = scan(text).children;
  if (top?.name !== "dict") throw new Error("the property list is not a dictionary");
  return edit(text, top, path, value, "");
}

function edit(text: string, dict: Node, path: readonly string[], value: PlistValue | undefined, done: string): string {
  const [name = "", ...rest] = path;
  const at = dict.children.findIndex((node) => node.name === "key" && textOf(text, node) === name);
  const key = dict.children[at];
  const found = dict.children[at + 1];
  if (key === undefined || found === undefined)
    return value === undefined ? text : inserted(text, dict, name, nested(rest, value));
  if (rest.length > 0) {
    if (found.name !== "dict") throw new Error(`${done}${name} is not a dictionary`);
    return edit(text, found, rest, value, `${done}${name}.`);
  }
  if (value !== undefined) {
    const markup = valueMarkup(value, indentAt(text, found.start)).trim().replaceAll("\t", unitOf(text));
    return text.slice(0, found.start) + markup + text.slice(found.end);
  }
  // With the line it stands on, where it has one of its own.
  const before = text.slice(0, key.start).replace(/[ \t]*$/, "");
  const after = text.slice(found.end).replace(/^[ \t]*\r?\n/, "");
  return before.endsWith("\n") ? before + after : text.slice(0, key.start) + text.slice(found.end);
}

const nested = (path: readonly string[], value: PlistValue): PlistValue =>
  path.reduceRight<PlistValue>((inner, name) => ({ [name]: inner }), value);

/** As the last member of the dictionary. */
function inserted(text: string, dict: Node, name: string, value: PlistValue): string {
  const unit = unitOf(text);
  const last = dict.children.findLast((node) => node.name === "key");
  const outer = indentAt(text, dict.start);
  const indent = last === undefined ? outer + unit : indentAt(text, last.start);
  const markup = `${indent}<key>${escapeText(name)}</key>\n${valueMarkup(value, indent).replaceAll("\t", unit)}`;
  if (dict.inner === dict.end)
    return `${text.slice(0, dict.start)}<dict>\n${markup}${outer}</dict>${text.slice(dict.end)}`;
  const head = text.slice(0, dict.innerEnd).replace(/[ \t]*$/, "");
  return `${head}${head.endsWith("\n") ? "" : "\n"}${markup}${outer}${text.slice(dict.innerEnd)}`;
}

/** The white space before the tag on its line; empty if something else stands there. */
const indentAt = (text: string, start: number): string => /(?:^|\n)([ \t]*)$/.exec(text.slice(0, start))?.[1] ?? "";

/** How the file indents: by tabs, as Apple's tools, or by blanks. */
const unitOf = (text: string): string => (/\n\t+</.test(text) ? "\t" : "  ");

const references: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** The text of a key; comments and CDATA in one are nothing that anybody writes. */
const textOf = (text: string, { inner, innerEnd }: Node): string =>
  text
    .slice(inner, innerEnd)
    .replace(/&(?:#(\d+)|#x([0-9a-f]+)|([a-z]+));/gi, (whole, decimal?: string, hex?: string, name?: string) =>
      name === undefined
        ? String.fromCodePoint(decimal === undefined ? Number.parseInt(hex ?? "0", 16) : Number(decimal))
        : (references[name] ?? whole),
    );

/** The elements of the plist element. The text is known to be well-formed. */
function scan(text: string): Node {
  const pattern =
    /<!--[\s\S]*?-->|<!\[CDATA\[[\s\S]*?\]\]>|<![^>]*>|<\?[\s\S]*?\?>|<(\/?)([^\s/>]+)(?:"[^"]*"|'[^']*'|[^"'>])*?(\/?)>/g;
  const open: Node[] = [];
  for (const match of text.matchAll(pattern)) {
    const [whole, closing, name, empty] = match;
    if (name === undefined) continue;
    const end = match.index + whole.length;
    if (closing === "/") {
      const node = open.pop();
      if (node === undefined) break;
      node.innerEnd = match.index;
      node.end = end;
      if (open.length === 0) return node;
    } else {
      const node: Node = { name, start: match.index, inner: end, innerEnd: end, end, children: [] };
      open.at(-1)?.children.push(node);
      if (empty !== "/") open.push(node);
      else if (open.length === 0) return node;
    }
  }
  throw new Error("the property list has no end");
}
