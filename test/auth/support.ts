import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { accountsOf } from "../../src/auth/accounts.ts";
import { AppPasswords } from "../../src/auth/app-passwords.ts";
import { Attempts } from "../../src/auth/attempts.ts";
import type { Accounts } from "../../src/auth/scheme.ts";
import { slowHashes } from "../../src/auth/slow-hashes.ts";
import { type Details, silentLogger } from "../../src/base/log.ts";
import { openSudoers } from "../../src/directory/sudoers.ts";
import { openXmlAccounts } from "../../src/directory/xml-accounts.ts";
import type { HttpRequest } from "../../src/http/message.ts";

/** A request with nothing but a method, a target and headers. */
export function request(
  headers: Readonly<Record<string, string>> = {},
  method = "PROPFIND",
  target = "/calendars/users/alice/",
): HttpRequest {
  const url = new URL(target, "http://localhost");
  return {
    method,
    rawPath: target.split("?")[0] ?? "",
    path: url.pathname.split("/").filter(Boolean).map(decodeURIComponent),
    query: url.searchParams,
    headers,
    body: Readable.from([]),
    signal: new AbortController().signal,
    remote: "127.0.0.1",
    secure: false,
    log: { user: "-", report: undefined, items: [] },
  };
}

export const accountsText = `<accounts realm="Test Realm">
  <user><uid>alice</uid><uid>ali</uid><guid>AAAA1111</guid><password>wonder:land</password><name>Alice</name></user>
  <user><uid>björn</uid><guid>BBBB1111</guid><password>süß</password><name>Björn</name></user>
  <user><uid>silent</uid><guid>CCCC1111</guid><name>No password</name></user>
  <user><uid>both</uid><guid>DDDD1111</guid><password>user</password><name>Also a sudoer</name></user>
  <location><uid>room</uid><guid>EEEE1111</guid><password>room</password><name>Room</name></location>
</accounts>`;

const sudoersText = `<plist version="1.0"><dict><key>users</key><array>
  <dict><key>username</key><string>superuser</string><key>password</key><string>super</string></dict>
  <dict><key>username</key><string>second</string><key>password</key><string>second</string></dict>
  <dict><key>username</key><string>both</string><key>password</key><string>sudo</string></dict>
</array></dict></plist>`;

export interface Given {
  readonly accounts: Accounts;
  readonly accountsFile: string;
  readonly clock: { now: number };
  readonly attempts: Attempts;
  readonly appPasswords: AppPasswords;
  /** What the error log was told about sign-ins. */
  readonly logged: Details[];
}

/** The accounts above, in files, on a clock of their own. */
export async function givenAccounts(realm = "Test Realm"): Promise<Given> {
  const folder = await mkdtemp(join(tmpdir(), "caldavd-auth-"));
  const accountsFile = join(folder, "accounts.xml");
  const sudoersFile = join(folder, "sudoers.plist");
  await writeFile(accountsFile, accountsText.replace("Test Realm", realm));
  await writeFile(sudoersFile, sudoersText);
  const clock = { now: 1_700_000_000_000 };
  const options = { warn: () => {}, now: () => clock.now };
  const appPasswords = new AppPasswords(folder, () => clock.now);
  const accounts = accountsOf({
    directory: await openXmlAccounts(accountsFile, options),
    sudoers: await openSudoers(sudoersFile, options),
    hashes: slowHashes(),
    appPasswords,
  });
  const logged: Details[] = [];
  const attempts = new Attempts({
    log: { ...silentLogger, warn: (message, details) => void logged.push({ message, ...details }) },
    now: () => clock.now,
    wait: async (milliseconds) => {
      clock.now += milliseconds;
    },
  });
  return { accounts, accountsFile, clock, attempts, appPasswords, logged };
}

export const basicHeader = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
