import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { conditions } from "../../src/dav/conditions.ts";
import { properties } from "../../src/dav/properties/all.ts";
import {
  collectionKinds,
  type Kind,
  memberKinds,
  navigationKinds,
  principalKinds,
  resourceKinds,
} from "../../src/dav/resource.ts";
import { methods, reports } from "../../src/server.ts";
import { CALDAV, CS, DAV, localOf, namespaceOf, type QName } from "../../src/xml/element.ts";

const repository = join(import.meta.dirname, "../..");
const page = await readFile(join(repository, "docs/compliance.md"), "utf8");

/** First cells of the table in the section of that title, and the cells behind them. */
function rows(title: string): ReadonlyMap<string, readonly string[]> {
  const section = page.split(/^## /m).find((part) => part.startsWith(title));
  assert.ok(section, `docs/compliance.md has no section "${title}"`);
  const found = new Map<string, readonly string[]>();
  for (const line of section.split("\n")) {
    const [name, ...cells] = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
    const quoted = name === undefined ? null : /^`(.+)`$/.exec(name);
    if (quoted?.[1] === undefined) continue;
    assert.ok(!found.has(quoted[1]), `${quoted[1]} has two lines`);
    found.set(quoted[1], cells);
  }
  return found;
}

const prefixes: Readonly<Record<string, string>> = { [DAV]: "DAV", [CALDAV]: "CALDAV", [CS]: "CS" };
const short = (name: QName): string => `${prefixes[namespaceOf(name)]}:${localOf(name)}`;

const groups: readonly (readonly [string, readonly Kind[]])[] = [
  ["everything", resourceKinds],
  ["places", navigationKinds],
  ["principals", principalKinds],
  ["collections", collectionKinds],
  ["members", memberKinds],
];
/** The kinds in the page's words. */
function words(kinds: Iterable<Kind>): string {
  const left = new Set(kinds);
  const said: string[] = [];
  for (const [word, members] of groups) {
    if (!members.every((kind) => left.has(kind))) continue;
    for (const kind of members) left.delete(kind);
    said.push(word);
  }
  return [...said, ...resourceKinds.filter((kind) => left.has(kind))].join(", ");
}

function agrees(title: string, declared: ReadonlyMap<string, readonly string[]>): void {
  const told = rows(title);
  const line = (name: string, cells: readonly string[] = []): string => [name, ...cells].join(" | ");
  const wanted = [...declared].map(([name, cells]) => line(name, cells));
  const found = [...told].map(([name, cells]) => line(name, cells.slice(0, declared.get(name)?.length)));
  assert.deepEqual(
    wanted.filter((text) => !found.includes(text)),
    [],
    `missing from "${title}"`,
  );
  assert.deepEqual(
    found.filter((text) => !wanted.includes(text)),
    [],
    `too many in "${title}"`,
  );
}

describe("docs/compliance.md says what the server does:", () => {
  test("methods", () =>
    agrees("Methods", new Map(["OPTIONS", ...methods.map(({ name }) => name)].map((name) => [name, []]))));

  test("reports, and where they are answered", () =>
    agrees("Reports", new Map(reports.map(({ name, on }) => [short(name), [words(on)]]))));

  test("live properties, where they are, and who may set them", () => {
    const declared = new Map<QName, { readonly on: Set<Kind>; readonly settable: Set<Kind>; creation: boolean }>();
    for (const { name, on, accept, atCreation } of properties) {
      const entry = declared.get(name) ?? { on: new Set<Kind>(), settable: new Set<Kind>(), creation: false };
      declared.set(name, entry);
      for (const kind of on) {
        entry.on.add(kind);
        if (accept !== undefined) entry.settable.add(kind);
      }
      if (atCreation !== undefined && accept === undefined) entry.creation = true;
    }
    const lines = [...declared].map(([name, { on, settable, creation }]): [string, string[]] => {
      const by =
        settable.size === 0 ? (creation ? "at creation" : "") : settable.size === on.size ? "yes" : words(settable);
      return [short(name), [words(on), by]];
    });
    agrees("Properties", new Map(lines));
  });

  test("preconditions", () => agrees("Preconditions", new Map(Object.keys(conditions).map((name) => [name, []]))));

  test("request headers that are read", async () => {
    const read = new Map<string, readonly string[]>();
    for (const folder of ["http", "dav", "dav/locks", "dav/methods", "dav/reports", "auth", "process"]) {
      for (const file of await readdir(join(repository, "src", folder))) {
        if (!file.endsWith(".ts")) continue;
        const text = await readFile(join(repository, "src", folder, file), "utf8");
        for (const [, name = ""] of text.matchAll(/headers(?:\.|\?\.)?\["([a-z-]+)"\]/g)) read.set(name, []);
      }
    }
    const told = rows("Request headers");
    for (const name of read.keys()) assert.ok(told.has(name), `${name} is read and has no line`);
  });
});
