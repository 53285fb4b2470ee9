import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { readPlistLines } from "../xml/plist.ts";
import { isDictionary, isKey, type Key, type Section } from "./key.ts";
import { nearest } from "./nearest.ts";
import { withoutObsoleteNames } from "./obsolete.ts";
import { type Overrides, readOverrides } from "./overrides.ts";
import { type Config, schema } from "./schema.ts";
import { parametersOf } from "./schema-directory.ts";

/** A value the server cannot start with. */
export interface ConfigProblem {
  /** Path of the key, joined with "."; or the option (`-o Key`); or the file. */
  readonly key: string;
  /** "must be a whole number from 0 to 256". */
  readonly problem: string;
  /** What stands there, as text; empty when that says nothing. Secrets are left out. */
  readonly found: string;
  /** Where in the property list, from 1. */
  readonly line?: number | undefined;
}

export interface LoadedConfig {
  /** Complete even with problems: a wrong value is replaced by the default, so that what is right can still be shown. */
  readonly config: Config;
  /** All of them. The server must not start with any. */
  readonly problems: readonly ConfigProblem[];
  /** Old names, unknown keys, settings without effect. */
  readonly warnings: readonly string[];
}

/** Where relative paths lead and what the command line said. */
export interface LoadOptions {
  /** The folder relative paths of the property list are in: the one the file stands in. */
  readonly folder: string;
  /** `-o` options as written. Relative paths in them are in `workingFolder`. */
  readonly overrides?: readonly string[];
  readonly workingFolder?: string;
  /** The line on which the value of a key path stands in the file. */
  readonly lineOf?: (path: string) => number | undefined;
}

/** `MultiProcess.ProcessCount: must be a whole number from 0 to 256, found "eight" (line 12)` */
export const describeProblem = ({ key, problem, found, line }: ConfigProblem): string =>
  `${key}: ${problem}${found === "" ? "" : `, found ${found}`}${line === undefined ? "" : ` (line ${line})`}`;

/** Reads the property list at `path` and the `-o` options. A file that is not there means defaults, with a warning; one
 *  that cannot be read or is no property list is a problem. Never throws for what a file says. */
export async function loadConfigFile(path: string, overrides: readonly string[] = []): Promise<LoadedConfig> {
  const options: LoadOptions = { folder: dirname(resolve(path)), overrides };
  try {
    const bytes = await readFile(path);
    if (bytes.subarray(0, 6).toString("latin1") === "bplist")
      throw new Error("is a binary property list; plutil -convert xml1 makes it readable");
    const { value, lineOf } = readPlistLines(bytes);
    return configFrom(value, { ...options, lineOf });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const loaded = configFrom({}, options);
    if ("code" in error && error.code === "ENOENT")
      return { ...loaded, warnings: [`${path}: no such file, the defaults are used`, ...loaded.warnings] };
    return { ...loaded, problems: [{ key: path, problem: error.message, found: "" }, ...loaded.problems] };
  }
}

/** Merges a property list's value and the options over the defaults. Dictionaries are merged key by key, lists and simple
 *  values replaced whole; options win over the property list. */
export function configFrom(plist: unknown, options: LoadOptions): LoadedConfig {
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];
  const loading: Loading = {
    options,
    problems,
    warnings,
    overrides: readOverrides(options.overrides ?? [], schema, (key, problem) =>
      problems.push({ key, problem, found: "" }),
    ),
  };
  if (!isDictionary(plist))
    problems.push({ key: "property list", problem: "must be a dictionary", found: show(plist) });
  const given = withoutObsoleteNames(isDictionary(plist) ? plist : {}, (message) => warnings.push(message));
  const config = completed(readSection(schema, given, "", loading) as Config);
  checkTogether(config, given, loading);
  return { config, problems, warnings };
}

interface Loading {
  readonly options: LoadOptions;
  readonly overrides: Overrides;
  readonly problems: ConfigProblem[];
  readonly warnings: string[];
}

/** Notes a problem of the property list. */
function refuse({ problems, options }: Loading, key: string, problem: string, found: string): void {
  problems.push({ key, problem, found, line: options.lineOf?.(key) });
}

function readSection(
  section: Section,
  given: Readonly<Record<string, unknown>>,
  prefix: string,
  loading: Loading,
): unknown {
  const values: Record<string, unknown> = {};
  for (const [name, node] of Object.entries(section)) {
    const path = prefix + name;
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (isKey(node)) values[name] = readKey(node, value, path, loading);
    else {
      if (value !== undefined && !isDictionary(value)) refuse(loading, path, "must be a dictionary", show(value));
      values[name] = readSection(node, isDictionary(value) ? value : {}, `${path}.`, loading);
    }
  }
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(section, name)) continue;
    const near = nearest(name, Object.keys(section));
    const meant = whereElse(name) ?? (near === undefined ? undefined : prefix + near);
    loading.warnings.push(
      `${prefix}${name}: not a known key, ignored${meant === undefined ? "" : `; did you mean ${meant}?`}`,
    );
  }
  return values;
}

function readKey(key: Key<unknown>, given: unknown, path: string, loading: Loading): unknown {
  const overridden = loading.overrides.has(path);
  const value = overridden ? loading.overrides.get(path) : given;
  if (value === undefined) return key.fallback;
  let read: unknown;
  try {
    read = key.read(value);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    if (overridden) loading.problems.push({ key: `-o ${path}`, problem, found: key.secret ? "" : show(value) });
    else refuse(loading, path, problem, key.secret ? "" : show(value));
    return key.fallback;
  }
  if (key.effect !== "used" && !isDeepStrictEqual(read, key.fallback))
    loading.warnings.push(`${path}: has no effect in this ${key.effect === "ignored" ? "server" : "version"}`);
  if (!key.isPath || read === key.fallback) return read;
  const folder = overridden ? (loading.options.workingFolder ?? process.cwd()) : loading.options.folder;
  const whole = (file: unknown): unknown => (typeof file === "string" && file !== "" ? resolve(folder, file) : file);
  return Array.isArray(read) ? read.map(whole) : whole(read);
}

/** Fills in what depends on other keys or on this host. */
function completed(config: Config): Config {
  const name = hostname();
  const inDataRoot = (path: string | null, file: string): string | null =>
    path === "" ? join(config.DataRoot, file) : path;
  return {
    ...config,
    ServerHostName: config.ServerHostName || (name.includes(".") ? name : "localhost"),
    AccessLogFile: inDataRoot(config.AccessLogFile, "access.log"),
    ErrorLogFile: inDataRoot(config.ErrorLogFile, "error.log"),
    PIDFile: inDataRoot(config.PIDFile, "caldavd.pid"),
  };
}

/** What no key can see by itself. */
function checkTogether(config: Config, given: Readonly<Record<string, unknown>>, loading: Loading): void {
  const { warnings } = loading;
  if (config.BindHTTPPorts.length > 0 && config.HTTPPort === 0)
    refuse(loading, "BindHTTPPorts", "needs HTTPPort to be other than 0", config.BindHTTPPorts.join(", "));
  if (config.BindSSLPorts.length > 0 && config.SSLPort === 0)
    refuse(loading, "BindSSLPorts", "needs SSLPort to be other than 0", config.BindSSLPorts.join(", "));
  if (config.RedirectHTTPToHTTPS && config.SSLPort === 0)
    refuse(loading, "RedirectHTTPToHTTPS", "needs SSLPort to be other than 0", "SSLPort 0");
  for (const key of ["DocumentRoot", "DataRoot"] as const)
    if (config[key] === "") refuse(loading, key, "must name a folder", "nothing");

  const { type, params } = config.DirectoryService;
  const meant: readonly string[] = parametersOf[type];
  for (const [name, key] of Object.entries(schema.DirectoryService.params))
    if (key.effect === "used" && !meant.includes(name) && at(given, ["DirectoryService", "params", name]) !== undefined)
      if (!isDeepStrictEqual(params[name as keyof typeof params], key.fallback))
        warnings.push(`DirectoryService.params.${name}: means nothing to a directory of type ${type}`);
  const { Algorithm, Qop } = config.Authentication.Digest;
  if (Qop === "" && Algorithm.endsWith("-sess"))
    warnings.push(`Authentication.Digest.Qop: ${Algorithm} needs auth, which is used`);
  const digest = at(given, ["Authentication", "Digest", "Algorithm"]);
  if (typeof digest === "string" && /^sha$/i.test(digest))
    warnings.push("Authentication.Digest.Algorithm: sha (SHA-1) is not in RFC 7616; sha-256 is used");
}

const at = (value: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((inner, name) => (isDictionary(inner) ? inner[name] : undefined), value);

/** The full path of the only key of that name: somebody put it at the wrong level. */
function whereElse(name: string): string | undefined {
  const paths: string[] = [];
  const search = (section: Section, prefix: string): void => {
    for (const [own, node] of Object.entries(section)) {
      if (own === name) paths.push(prefix + own);
      if (!isKey(node)) search(node, `${prefix}${own}.`);
    }
  };
  search(schema, "");
  return paths.length === 1 ? paths[0] : undefined;
}

/** A value in a message: short, on one line. */
function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : cut(`the list ${value.map(show).join(", ")}`);
  if (isDictionary(value)) return "a dictionary";
  if (typeof value === "string") return cut(JSON.stringify(value));
  return value === null ? "None" : value instanceof Uint8Array ? "data" : String(value);
}

const cut = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}…` : text);
