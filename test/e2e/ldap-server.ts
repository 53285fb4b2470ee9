import { rmSync } from "node:fs";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository, type Server, type ServerOptions, startServer } from "../support/server.ts";
import { type Slapd, suffix } from "../support/slapd.ts";

type Value = string | number | boolean | readonly string[] | { readonly [key: string]: Value };

const folders = new Set<string>();
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A server whose users are in the directory: the test's property list with another DirectoryService. */
export async function startWithDirectory(
  slapd: Pick<Slapd, "url">,
  params: Readonly<Record<string, Value>> = {},
  options: ServerOptions = {},
  augments: readonly string[] = [],
): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-ldap-plist-"));
  folders.add(folder);
  const text = await readFile(join(repository, "plist/caldavd-test.plist"), "utf8");
  const service = plistOf({
    type: "ldap",
    params: {
      servers: [slapd.url],
      bindDN: `cn=reader,${suffix}`,
      bindPassword: "reader",
      base: suffix,
      timeout: 2,
      ...params,
    },
  });
  const plist = join(folder, "caldavd.plist");
  await writeFile(
    plist,
    text
      .replace(
        /(<key>DirectoryService<\/key>\s*)<dict>[\s\S]*?<\/dict>\s*<\/dict>/,
        (_, key: string) => `${key}${service}<key>AugmentService</key>${plistOf({ params: { xmlFiles: augments } })}`,
      )
      .replace(/\.\.\/data\//g, `${repository}/data/`),
  );
  return startServer({ ...options, plist });
}

function plistOf(value: Value): string {
  if (typeof value === "boolean") return `<${value}/>`;
  if (typeof value === "number") return `<integer>${value}</integer>`;
  if (typeof value === "string") return `<string>${value.replace(/&/g, "&amp;").replace(/</g, "&lt;")}</string>`;
  if (Array.isArray(value)) return `<array>${value.map(plistOf).join("")}</array>`;
  const entries = Object.entries(value as Readonly<Record<string, Value>>);
  return `<dict>${entries.map(([key, one]) => `<key>${key}</key>${plistOf(one)}`).join("")}</dict>`;
}
