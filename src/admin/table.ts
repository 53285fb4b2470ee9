import { type PlistValue, writePlist } from "../xml/plist.ts";
import type { Format } from "./command.ts";

export type Cell = string | number | boolean | undefined;

/** Rows under named columns; undefined cells are empty, and left out of json and plist. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A table as text: aligned columns under their names, csv (RFC 4180), or a list of objects. Ends in a newline. */
export function tableText({ columns, rows }: Table, format: Format): string {
  switch (format) {
    case "json":
      return `${JSON.stringify(
        rows.map((row) => objectOf(columns, row)),
        undefined,
        2,
      )}\n`;
    case "plist":
      return writePlist(rows.map((row) => objectOf(columns, row)));
    case "csv":
      return [columns, ...rows].map((row) => `${row.map(csvField).join(",")}\r\n`).join("");
    case "plain":
      return aligned([columns, ...rows]);
  }
}

/** Named values as text: `name: value` lines, a csv of two columns, or one object. */
export function factsText(facts: readonly (readonly [name: string, value: Cell])[], format: Format): string {
  const known = facts.filter(([, value]) => value !== undefined);
  switch (format) {
    case "json":
      return `${JSON.stringify(Object.fromEntries(known), undefined, 2)}\n`;
    case "plist":
      return writePlist(Object.fromEntries(known) as PlistValue);
    case "csv":
      return [["name", "value"], ...known].map((row) => `${row.map(csvField).join(",")}\r\n`).join("");
    case "plain":
      return known.map(([name, value]) => `${name}: ${shown(value)}\n`).join("");
  }
}

const objectOf = (columns: readonly string[], row: readonly Cell[]): Record<string, string | number | boolean> => {
  const object: Record<string, string | number | boolean> = {};
  for (const [at, column] of columns.entries()) {
    const cell = row[at];
    if (cell !== undefined) object[column] = cell;
  }
  return object;
};

const csvField = (cell: Cell): string => {
  const text = cell === undefined ? "" : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** One line, whatever a directory or a file name holds. */
const shown = (cell: Cell): string =>
  (cell === undefined ? "-" : String(cell)).replace(/[\u0000-\u001f\u007f]/g, "?") || "-";

function aligned(rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => row.map(shown));
  const widths: number[] = [];
  for (const row of texts) for (const [at, text] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, text.length);
  return texts
    .map(
      (row) => `${row.map((text, at) => (at === row.length - 1 ? text : text.padEnd(widths[at] ?? 0))).join("  ")}\n`,
    )
    .join("");
}
