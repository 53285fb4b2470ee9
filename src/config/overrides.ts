import { isKey, type Key, type Section } from "./key.ts";
import { nearest } from "./nearest.ts";

/** Values given on the command line, by key path joined with ".". Not checked yet. */
export type Overrides = ReadonlyMap<string, unknown>;

/** Reads `-o` options: `Key=Value`, `A/B=Value`, `Flag` (true). Values are taken as the key's type (`True`, `False`, whole
 *  numbers, lists split at commas, `None` for null). Unknown keys and dictionaries are reported to `refuse` with the
 *  option's text: on a command line they are typing errors. The last of several values for one key wins. */
export function readOverrides(
  options: readonly string[],
  schema: Section,
  refuse: (option: string, problem: string) => void,
): Overrides {
  const overrides = new Map<string, unknown>();
  for (const option of options) {
    const equals = option.indexOf("=");
    const name = equals < 0 ? option : option.slice(0, equals);
    const value = equals < 0 ? "True" : option.slice(equals + 1);
    const path = name.trim().split(/[/.]/);
    const found = find(schema, path);
    if (typeof found === "string") {
      refuse(`-o ${name}`, found);
      continue;
    }
    const coerced = found.coerce(value);
    if (coerced === undefined) refuse(`-o ${name}`, "is a dictionary, which only the property list can set");
    else overrides.set(path.join("."), coerced);
  }
  return overrides;
}

/** The key at the path, or what is wrong with it. */
function find(schema: Section, path: readonly string[]): Key<unknown> | string {
  let section: Section = schema;
  for (const [depth, name] of path.entries()) {
    const node = Object.hasOwn(section, name) ? section[name] : undefined;
    if (node === undefined) {
      const near = nearest(name, Object.keys(section));
      const meant = near === undefined ? "" : `; did you mean ${[...path.slice(0, depth), near].join("/")}?`;
      return `is not a known key${meant}`;
    }
    if (isKey(node)) return depth === path.length - 1 ? node : "is not a known key";
    section = node;
  }
  return `is a dictionary; set its keys one by one, such as ${path.join("/")}/${Object.keys(section)[0]}`;
}
