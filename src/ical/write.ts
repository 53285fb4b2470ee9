import type { Component, Parameter, Property } from "./component.ts";

/** Octets of a line before it is folded, the line end not counted (RFC 5545 §3.1). */
const lineOctets = 75;

/** The component as iCalendar text: CRLF, folded at 75 octets between characters (RFC 5545 §3.1), parameter values quoted
 *  where they must be and encoded by RFC 6868. Ends in CRLF. Values are written as they stand. */
export const writeComponent = (component: Component): string => writeFolded(component, lineOctets);

/** As `writeComponent`, with lines of at most so many octets. */
export function writeFolded(component: Component, octets: number): string {
  const lines: string[] = [];
  write(component, lines, octets);
  return lines.join("");
}

function write(component: Component, lines: string[], octets: number): void {
  lines.push(`BEGIN:${component.name}\r\n`);
  for (const property of component.properties) lines.push(fold(lineOf(property), octets));
  for (const child of component.components) write(child, lines, octets);
  lines.push(`END:${component.name}\r\n`);
}

/** One content line, folded, with its CRLF. */
export const writeProperty = (property: Property): string => fold(lineOf(property), lineOctets);

function lineOf(property: Property): string {
  let line = property.name;
  for (const parameter of property.parameters) line += writeParameter(parameter);
  return `${line}:${property.value}`;
}

const writeParameter = ({ name, values }: Parameter): string => `;${name}=${values.map(writeValue).join(",")}`;

function writeValue(value: string): string {
  const encoded = /[\^\n"]/.test(value)
    ? value.replace(/[\^\n"]/g, (character) => (character === "\n" ? "^n" : character === "^" ? "^^" : "^'"))
    : value;
  return /[,;:]|^\s|\s$/.test(encoded) ? `"${encoded}"` : encoded;
}

function fold(line: string, limit: number): string {
  // A UTF-16 code unit is at most three octets of UTF-8.
  if (line.length * 3 <= limit || (line.length <= limit && Buffer.byteLength(line) <= limit)) return `${line}\r\n`;
  let folded = "";
  let start = 0;
  let octets = 0;
  for (let index = 0; index < line.length; ) {
    const code = line.codePointAt(index) ?? 0;
    const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (octets + size > limit) {
      folded += `${line.slice(start, index)}\r\n `;
      start = index;
      octets = 1;
    }
    octets += size;
    index += size === 4 ? 2 : 1;
  }
  return `${folded}${line.slice(start)}\r\n`;
}
