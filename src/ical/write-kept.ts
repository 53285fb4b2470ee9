import type { Component, Property } from "./component.ts";
import { writeProperty } from "./write.ts";

/** A text and the tree that was read from it. */
export interface Source {
  readonly text: string;
  readonly root: Component;
}

/** The component as text. Properties that came from one of the sources are written in the very bytes they had there, folds and
 *  line ends included; all others as `writeComponent` does. So an edit changes no line but those it is about. */
export function writeKept(root: Component, sources: readonly Source[]): string {
  const kept = new Map<Property, string>();
  for (const source of sources) collect(source.root, linesOf(source.text), kept);
  const [first] = sources;
  const lineEnd = first !== undefined && !first.text.includes("\r\n") ? "\n" : "\r\n";
  const pieces: string[] = [];
  write(root, kept, lineEnd, pieces);
  return pieces.join("");
}

/** Every content line with its continuations, at the index of its number. */
function linesOf(text: string): readonly string[] {
  const lines: string[] = [""];
  let start = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  let number = 1;
  let first = 1;
  for (let at = start; at < text.length; ) {
    const end = text.indexOf("\n", at);
    at = end === -1 ? text.length : end + 1;
    number += 1;
    const next = text.charCodeAt(at);
    if (next === 32 || next === 9) continue;
    lines[first] = text.slice(start, at);
    start = at;
    first = number;
  }
  return lines;
}

function collect({ properties, components }: Component, lines: readonly string[], kept: Map<Property, string>): void {
  for (const property of properties) {
    const line = property.line > 0 ? lines[property.line] : undefined;
    // A tree that is not the text's would write one property for another.
    if (line?.slice(0, property.name.length).toUpperCase() === property.name) kept.set(property, line);
  }
  for (const component of components) collect(component, lines, kept);
}

function write(component: Component, kept: Map<Property, string>, lineEnd: string, pieces: string[]): void {
  pieces.push(`BEGIN:${component.name}${lineEnd}`);
  for (const property of component.properties) {
    const line = kept.get(property);
    if (line === undefined)
      pieces.push(lineEnd === "\n" ? writeProperty(property).replaceAll("\r\n", "\n") : writeProperty(property));
    else pieces.push(line.endsWith("\n") ? line : line + lineEnd);
  }
  for (const child of component.components) write(child, kept, lineEnd, pieces);
  pieces.push(`END:${component.name}${lineEnd}`);
}
