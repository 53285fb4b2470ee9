import { mkdtemp, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A record of an accounts file, as short as a test wants it. */
export interface Account {
  readonly type?: "user" | "group" | "location" | "resource";
  readonly uid: string;
  /** Default `GUID-<uid>`. */
  readonly guid?: string;
  /** `type:name`, or a user's name. */
  readonly members?: readonly string[];
  readonly proxies?: readonly string[];
  readonly readProxies?: readonly string[];
  /** `<enable-calendar/>` or `<disable-calendar/>`; undefined: what the type has. */
  readonly calendar?: boolean;
}

const list = (element: string, names: readonly string[] | undefined): string =>
  names === undefined
    ? ""
    : `<${element}>${names
        .map((name) => {
          const [type, of] = name.includes(":") ? name.split(":") : ["users", name];
          return `<member type="${type}">${of}</member>`;
        })
        .join("")}</${element}>`;

export const accountsXml = (accounts: readonly Account[]): string =>
  `<?xml version="1.0"?><accounts realm="Test">${accounts
    .map(({ type = "user", uid, guid = `GUID-${uid}`, members, proxies, readProxies, calendar }) =>
      [
        `<${type}><uid>${uid}</uid><guid>${guid}</guid><password>${uid}</password><name>${uid}</name>`,
        `<email-address>${uid}@example.com</email-address>`,
        list("members", members),
        list("proxies", proxies),
        list("read-only-proxies", readProxies),
        calendar === undefined ? "" : calendar ? "<enable-calendar/>" : "<disable-calendar/>",
        `</${type}>`,
      ].join(""),
    )
    .join("\n")}</accounts>`;

/** Writes an accounts file (as a whole: readers see the old one or the new one) and answers its path. */
export async function writeAccounts(accounts: readonly Account[], path?: string): Promise<string> {
  const to = path ?? join(await mkdtemp(join(tmpdir(), "caldavd-accounts-")), "accounts.xml");
  await writeFile(`${to}.new`, accountsXml(accounts));
  await rename(`${to}.new`, to);
  return to;
}
