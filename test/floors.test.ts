import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

/** The house: a file imports from lower floors or from its own folder. docs/architecture.md says why. */
const floors: Readonly<Record<string, number>> = {
  base: 0,
  model: 0,
  xml: 1,
  http: 1,
  ical: 1,
  itip: 2,
  acl: 2,
  config: 2,
  store: 3,
  directory: 3,
  mail: 3,
  auth: 4,
  scheduling: 4,
  sharing: 4,
  dav: 5,
  doors: 5,
  "dav-settings.ts": 6,
  "directory-service.ts": 6,
  "server.ts": 6,
  process: 7,
  admin: 7,
  "main.ts": 7,
};

/** main.ts is where the roles of a process are chosen; server.ts has its services opened by the configuration. */
const neighbours: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["process"],
  "server.ts": ["dav-settings.ts", "directory-service.ts"],
};

/** Each package is imported by one folder, so that it can be replaced. */
const packages: Readonly<Record<string, string>> = {
  "better-sqlite3": "base",
  pino: "base",
  "sonic-boom": "base",
  "fs-xattr": "store",
  sax: "xml",
  "ical.js": "ical",
  ldapts: "directory",
  argon2: "auth",
  bcryptjs: "auth",
  kerberos: "auth",
  nodemailer: "mail",
  "smtp-server": "mail",
  imapflow: "mail",
  "postal-mime": "mail",
};

/** More lines than this are more than one concept. */
const maxLines = 400;

const source = join(dirname(dirname(fileURLToPath(import.meta.url))), "src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));

/** Top folder of a path in src, or the file itself. */
const roomOf = (path: string): string => path.split("/")[0] ?? path;

interface Import {
  readonly from: string;
  readonly line: number;
  readonly specifier: string;
}

const importsOf = (path: string): readonly Import[] => {
  const text = readFileSync(join(source, path), "utf8");
  const pattern = /(?:^\s*(?:import|export)\b[^"';]*?\bfrom\s*|^\s*import\s*|\bimport\(\s*)"([^"]+)"/gm;
  return [...text.matchAll(pattern)].map((match) => ({
    from: path,
    line: text.slice(0, match.index).split("\n").length,
    specifier: match[1] ?? "",
  }));
};

const imports = files.flatMap(importsOf);

describe("the house", () => {
  test("has a floor for every folder", () => {
    const unknown = [...new Set(files.map(roomOf))].filter((room) => !Object.hasOwn(floors, room));
    assert.deepEqual(unknown, []);
  });

  test("is built from below: no file imports from a floor above its own or from a neighbour", () => {
    const wrong = imports.flatMap(({ from, line, specifier }) => {
      if (!specifier.startsWith(".")) return [];
      const to = relative(source, resolve(source, dirname(from), specifier));
      const [here, there] = [roomOf(from), roomOf(to)];
      const [mine = -1, theirs = 99] = [floors[here], floors[there]];
      if (here === there || theirs < mine || neighbours[here]?.includes(there)) return [];
      return [`${from}:${line} (${mine}) imports ${to} (${theirs})`];
    });
    assert.deepEqual(wrong, []);
  });

  test("imports each package in one folder only", () => {
    const wrong = imports.flatMap(({ from, line, specifier }) => {
      if (specifier.startsWith(".") || specifier.startsWith("node:")) return [];
      const name = specifier.startsWith("@") ? specifier.split("/").slice(0, 2).join("/") : roomOf(specifier);
      const owner = packages[name];
      return owner === roomOf(from) ? [] : [`${from}:${line} imports ${name}, which ${owner ?? "nobody"} may`];
    });
    assert.deepEqual(wrong, []);
  });

  test("imports files by their full name and Node's modules with node:", () => {
    const wrong = imports.filter(({ specifier }) =>
      specifier.startsWith(".")
        ? !specifier.endsWith(".ts")
        : !specifier.startsWith("node:") && !Object.hasOwn(packages, roomOf(specifier)),
    );
    assert.deepEqual(wrong, []);
  });

  test("has no file that is longer than it may be", () => {
    const long = files.flatMap((path) => {
      const lines = readFileSync(join(source, path), "utf8").split("\n").length - 1;
      return lines > maxLines ? [`${path}: ${lines} lines`] : [];
    });
    assert.deepEqual(long, []);
  });
});
