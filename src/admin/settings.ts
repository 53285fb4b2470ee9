import { readFile, realpath } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { replaceFile } from "../base/replace-file.ts";
import { isKey, type Key, type Section } from "../config/key.ts";
import { configFrom, describeProblem, loadConfigFile } from "../config/load.ts";
import { nearest } from "../config/nearest.ts";
import { schema } from "../config/schema.ts";
import type { PlistValue } from "../xml/plist.ts";
import { readPlistLines } from "../xml/plist.ts";
import { withPlistValue } from "../xml/plist-edit.ts";
import { type Call, type Command, operandsOf, Problems, UsageError } from "./command.ts";
import { settingsOf } from "./print.ts";
import { tableText } from "./table.ts";

export const settingsCommand: Command = {
  name: "settings",
  operands: ["get [KEY]…", "set KEY=VALUE…", "unset KEY…"],
  about: "read and change the configuration file",
  help: `KEY is written HTTPPort, MultiProcess.ProcessCount or MultiProcess/ProcessCount;
that of a section means all in it.

get    prints the values that caldavd would run with, -o included; passwords are
       not shown
set    writes values into the file given with -c: True or False, numbers, text,
       lists with commas between (KEY= is an empty list or text). Comments, order
       and unknown keys of the file stay as they are. A value that the server would
       not start with is refused, and nothing is written then
unset  removes keys from the file: they have their defaults again

A running server goes on as it is until "caladmin reload", which exchanges its
workers one by one without a failed request, or a restart. These need a restart:
ProcessType, PIDFile, UserName and GroupName of the master, DocumentRoot (stop
the server, move the folder, set the key, start).

Examples:
  caladmin settings get HTTPPort Authentication
  caladmin settings set HTTPPort=8080 AdminPrincipals=/principals/users/alice/
`,
  run(call) {
    const [action, ...operands] = operandsOf(call, 1, 1000);
    const rest: Call = { ...call, operands };
    if (action === "get") return get(rest);
    if (action !== "set" && action !== "unset") throw new UsageError(`settings cannot ${action}`);
    operandsOf(rest, 1, 1000);
    if (call.overrides.length > 0) throw new UsageError("-o is for one call; settings are written into the file");
    return write(rest, action);
  },
};

const pathOf = (key: string): readonly string[] => key.trim().split(/[./]/);

/** The key or section at the path. Throws Problems with the nearest name. */
function find(path: readonly string[]): Key<unknown> | Section {
  let node: Key<unknown> | Section = schema;
  for (const [depth, name] of path.entries()) {
    const next: Key<unknown> | Section | undefined = !isKey(node) && Object.hasOwn(node, name) ? node[name] : undefined;
    if (next === undefined) {
      const near = isKey(node) ? undefined : nearest(name, Object.keys(node));
      const meant = near === undefined ? "" : `; did you mean ${[...path.slice(0, depth), near].join(".")}?`;
      throw new Problems([`${path.join(".")}: is not a known key${meant}`]);
    }
    node = next;
  }
  return node;
}

async function get(call: Call): Promise<number> {
  const { config } = await loadConfigFile(call.configFile, call.overrides);
  const asked = call.operands.map((key) => pathOf(key));
  for (const path of asked) find(path);
  const names = asked.map((path) => path.join("."));
  const rows = settingsOf(config)
    .filter(({ path }) => names.length === 0 || names.some((name) => path === name || path.startsWith(`${name}.`)))
    .map(({ path, key, value }) => [path, key.secret && value !== "" ? "(not shown)" : JSON.stringify(value)]);
  if (call.format === "plain") for (const [path, value] of rows) call.print(`${path} = ${value}\n`);
  else call.print(tableText({ columns: ["key", "value"], rows }, call.format));
  return 0;
}

interface Change {
  readonly path: readonly string[];
  readonly value: PlistValue | undefined;
}

function changeOf(operand: string, action: "set" | "unset"): Change {
  const equals = operand.indexOf("=");
  if (action === "unset") {
    const path = pathOf(operand);
    find(path);
    return { path, value: undefined };
  }
  if (equals < 0) throw new UsageError(`set needs KEY=VALUE, found ${operand}`);
  const path = pathOf(operand.slice(0, equals));
  const key = find(path);
  const name = path.join(".");
  if (!isKey(key)) throw new Problems([`${name}: is a dictionary; set its keys one by one`]);
  const value = key.coerce(operand.slice(equals + 1));
  if (value === undefined) throw new Problems([`${name}: is a dictionary, which an editor must change`]);
  if (value === null) throw new Problems([`${name}: None can be said with -o only; unset gives the default`]);
  try {
    key.read(value);
  } catch (error) {
    throw new Problems([`${name}: ${error instanceof Error ? error.message : String(error)}`]);
  }
  return { path, value: value as PlistValue };
}

const emptyFile = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
</dict>
</plist>
`;

async function write(call: Call, action: "set" | "unset"): Promise<number> {
  const changes = call.operands.map((operand) => changeOf(operand, action));
  const named = resolve(call.configFile);
  const file = await realpath(named).catch(() => named);
  const before = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return emptyFile;
    throw error;
  });
  let text = before;
  for (const { path, value } of changes) text = withPlistValue(text, path, value);
  const { value, lineOf } = readPlistLines(text);
  const { problems } = configFrom(value, { folder: dirname(file), lineOf });
  if (problems.length > 0) throw new Problems([...problems.map(describeProblem), `${file}: nothing was written`]);
  if (text !== before) await replaceFile(file, text);
  return 0;
}
