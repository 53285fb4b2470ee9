import { afterEach } from "node:test";
import type { DirectoryBackend } from "../../src/directory/backend.ts";
import { type LdapSettings, openLdap } from "../../src/directory/ldap/open.ts";
import { type Slapd, type SlapdOptions, startSlapd, suffix } from "../support/slapd.ts";

export const defaults: Omit<LdapSettings, "servers"> = {
  schema: "ldap",
  realm: "",
  startTls: false,
  caFile: "",
  verifyCertificate: true,
  bindDn: `cn=reader,${suffix}`,
  bindPassword: "reader",
  bindPasswordFile: "",
  base: suffix,
  overrides: { below: {}, filters: {}, attributes: {} },
  timeout: 2000,
  connections: 4,
  freshFor: 60_000,
  absentFor: 5_000,
  staleFor: 3_600_000,
  cacheSize: 20_000,
  restrictToGroup: undefined,
  requireComputerRecord: false,
  localUserAttribute: undefined,
  serverHostName: "calendar.example.com",
  secret: "a secret of this start",
  keepIn: undefined,
};

export interface Opened {
  readonly backend: DirectoryBackend;
  readonly warnings: string[];
  /** Milliseconds that have passed for the caches. */
  readonly clock: { now: number };
}

const ended: (() => Promise<unknown>)[] = [];
/** What a test leaves open would keep its process from ending. */
afterEach(async () => {
  for (const end of ended.splice(0)) await end().catch(() => {});
});
/** Runs after the test, also when it fails. */
export const atEnd = (...ends: readonly (() => Promise<unknown>)[]): void => void ended.push(...ends);

/** A server for one test. */
export async function serverWith(options: SlapdOptions): Promise<Slapd> {
  const server = await startSlapd(options);
  atEnd(() => server.stop());
  return server;
}

export async function open(server: Pick<Slapd, "url">, settings: Partial<LdapSettings> = {}): Promise<Opened> {
  const warnings: string[] = [];
  const clock = { now: 1_000_000 };
  const backend = await openLdap(
    { ...defaults, servers: [server.url], ...settings },
    { warn: (message) => void warnings.push(message), now: () => clock.now },
  );
  atEnd(() => backend.close());
  return { backend, warnings, clock };
}

export async function namesIn(list: AsyncIterable<{ readonly shortName: string }>): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { shortName } of list) names.push(shortName);
  return names.sort();
}
