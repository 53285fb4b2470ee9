import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository, type Server, type ServerOptions, startServer } from "../support/server.ts";
import { type Slapd, suffix } from "../support/slapd.ts";

type Value = string | number | boolean | readonly string[] | { readonly [key: string]: Value };

/** A server whose users are in the directory: the test's property list with another DirectoryService. */
export async function startWithDirectory(
  slapd: Pick<Slapd, "url">,
  params: Readonly<Record<string, Value>> = {},
  options: ServerOptions = {},
): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-ldap-plist-"));
  process.once("exit", () => void rm(folder, { recursive: true, force: true }));
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
      .replace(/(<key>DirectoryService<\/key>\s*)<dict>[\s\S]*?<\/dict>\s*<\/dict>/, (_, key: string) => key + service)
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
