/** Splits a header value at a separator, except inside quoted strings; parts are trimmed, empty ones left out
 *  (RFC 9110 §5.6.1, §5.6.4). Linear. */
export function splitList(value: string, separator: "," | ";" = ","): readonly string[] {
  if (!value.includes('"')) {
    if (!value.includes(separator)) {
      const only = value.trim();
      return only === "" ? [] : [only];
    }
    return value
      .split(separator)
      .map((part) => part.trim())
      .filter((part) => part !== "");
  }
  const parts: string[] = [];
  const add = (part: string): void => {
    const trimmed = part.trim();
    if (trimmed !== "") parts.push(trimmed);
  };
  let from = 0;
  let quoted = false;
  for (let at = 0; at < value.length; at += 1) {
    const character = value[at];
    if (quoted && character === "\\") at += 1;
    else if (character === '"') quoted = !quoted;
    else if (character === separator && !quoted) {
      add(value.slice(from, at));
      from = at + 1;
    }
  }
  add(value.slice(from));
  return parts;
}

/** The value of a token or quoted string, without quotes and escapes. */
export function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  const inside = text.slice(1, -1);
  return inside.includes("\\") ? inside.replace(/\\(.)/g, "$1") : inside;
}

/** `name=value; name="value"` as lower-case names and unquoted values; a name without value has "". The first of a name counts. */
export function parameters(parts: readonly string[]): Readonly<Record<string, string>> {
  const found: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const part of parts) {
    const equals = part.indexOf("=");
    const name = (equals === -1 ? part : part.slice(0, equals)).trim().toLowerCase();
    if (name !== "" && !(name in found)) found[name] = equals === -1 ? "" : unquote(part.slice(equals + 1).trim());
  }
  return found;
}
