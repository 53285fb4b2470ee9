import { isDictionary, isKey, type Key, type Section } from "../config/key.ts";
import type { Config } from "../config/schema.ts";
import { schema } from "../config/schema.ts";
import { type PlistDict, type PlistValue, writePlist } from "../xml/plist.ts";
import type { Table } from "./table.ts";

/** One key of the configuration with the value it has. */
export interface Setting {
  /** Joined with ".": MultiProcess.ProcessCount. */
  readonly path: string;
  readonly value: unknown;
  readonly key: Key<unknown>;
}

/** Every key with its value, in the order of the default plist. */
export const settingsOf = (config: Config): readonly Setting[] => {
  const settings: Setting[] = [];
  const walk = (section: Section, values: unknown, prefix: string): void => {
    for (const [name, node] of Object.entries(section)) {
      const value = isDictionary(values) ? values[name] : undefined;
      if (isKey(node)) settings.push({ path: prefix + name, value, key: node });
      else walk(node, value, `${prefix}${name}.`);
    }
  };
  walk(schema, config, "");
  return settings;
};

/** Passwords are not shown, only that there is one. */
const shown = ({ key, value }: Setting): unknown => (key.secret && value !== "" ? "(not shown)" : value);

/** Key paths and values, values as JSON. */
export const settingsTable = (config: Config): Table => ({
  columns: ["key", "value"],
  rows: settingsOf(config).map((setting) => [setting.path, JSON.stringify(shown(setting))]),
});

/** `MultiProcess.ProcessCount = 0`, one line for each key, values as JSON. */
export const plainConfig = (config: Config): string =>
  settingsOf(config)
    .map((setting) => `${setting.path} = ${JSON.stringify(shown(setting))}\n`)
    .join("");

const asPlist = (value: unknown): PlistValue => {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (Array.isArray(value)) return value.map(asPlist);
  if (isDictionary(value)) return dictionary(Object.entries(value));
  return String(value);
};

/** A plist has no null: such keys are left out, and have their default again when the plist is read. */
const dictionary = (entries: readonly (readonly [string, unknown])[]): PlistDict =>
  Object.fromEntries(
    entries.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => [name, asPlist(value)]),
  );

/** One object, key paths to values. */
export const jsonConfig = (config: Config): string =>
  `${JSON.stringify(Object.fromEntries(settingsOf(config).map((setting) => [setting.path, shown(setting)])), undefined, 2)}\n`;

/** A property list that says the same as the configuration, but for passwords, which are left out. */
export const plistConfig = (config: Config): string => {
  const root: Record<string, unknown> = {};
  for (const setting of settingsOf(config)) {
    if (setting.key.secret) continue;
    const names = setting.path.split(".");
    const last = names.pop() ?? "";
    let inner = root;
    for (const name of names) {
      const next = inner[name];
      const made: Record<string, unknown> = isDictionary(next) ? (next as Record<string, unknown>) : {};
      inner[name] = made;
      inner = made;
    }
    inner[last] = setting.value;
  }
  return writePlist(dictionary(Object.entries(root)));
};
