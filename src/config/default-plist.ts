import { escapeText } from "../xml/write.ts";
import { isDictionary, isKey, type Section } from "./key.ts";
import { chapters } from "./schema.ts";

const head = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!--
  The default configuration: generated from the schema by scripts/make-default-plist.ts, every key with the sentence
  that says what it does. Copy it, change what you like, leave out what you do not; a key that is not there has its
  default. Relative paths start at the folder this file stands in. caldavd -f FILE uses the copy; caldavd -o Key=Value
  overrides one key (-o Section/Key=Value one in a section).
-->
<plist version="1.0">
<dict>
`;

/** The text of plist/caldavd.plist: every key of the schema with its sentence in a comment above it. */
export function generateDefaultPlist(): string {
  const lines: string[] = [];
  for (const { title, section } of chapters) {
    lines.push("", `  <!-- ===== ${title} ===== -->`);
    writeSection(section, 1, lines);
  }
  return `${head}${lines.join("\n")}\n\n</dict>\n</plist>\n`;
}

const without = {
  used: "",
  ignored: " (Accepted, without effect.)",
  later: " (Without effect in this version.)",
} as const;

function writeSection(section: Section, depth: number, lines: string[]): void {
  const indent = "  ".repeat(depth);
  for (const [name, node] of Object.entries(section)) {
    if (isKey(node)) {
      // A comment must not contain two hyphens (XML 1.0 §2.5).
      lines.push("", `${indent}<!-- ${escapeText(node.about).replaceAll("--", "- -")}${without[node.effect]} -->`);
      lines.push(`${indent}<key>${escapeText(name)}</key>`);
      writeValue(node.shipped ?? node.fallback, depth, lines);
    } else {
      lines.push("", `${indent}<key>${escapeText(name)}</key>`, `${indent}<dict>`);
      writeSection(node, depth + 1, lines);
      lines.push(`${indent}</dict>`);
    }
  }
}

function writeValue(value: unknown, depth: number, lines: string[]): void {
  const indent = "  ".repeat(depth);
  if (typeof value === "boolean") lines.push(`${indent}<${value}/>`);
  else if (typeof value === "number") lines.push(`${indent}<integer>${value}</integer>`);
  else if (typeof value === "string") lines.push(`${indent}<string>${escapeText(value)}</string>`);
  else if (Array.isArray(value)) {
    if (value.length === 0) lines.push(`${indent}<array/>`);
    else {
      lines.push(`${indent}<array>`);
      for (const item of value) writeValue(item, depth + 1, lines);
      lines.push(`${indent}</array>`);
    }
  } else if (isDictionary(value)) {
    const entries = Object.entries(value);
    if (entries.length === 0) lines.push(`${indent}<dict/>`);
    else {
      lines.push(`${indent}<dict>`);
      for (const [name, item] of entries) {
        lines.push(`${indent}  <key>${escapeText(name)}</key>`);
        writeValue(item, depth + 1, lines);
      }
      lines.push(`${indent}</dict>`);
    }
  }
}
