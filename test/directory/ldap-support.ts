import type { DirectoryBackend } from "../../src/directory/backend.ts";
import { type LdapSettings, openLdap } from "../../src/directory/ldap/open.ts";
import { type Slapd, suffix } from "../support/slapd.ts";

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
};

export interface Opened {
  readonly backend: DirectoryBackend;
  readonly warnings: string[];
  /** Milliseconds that have passed for the caches. */
  readonly clock: { now: number };
}

export async function open(server: Pick<Slapd, "url">, settings: Partial<LdapSettings> = {}): Promise<Opened> {
  const warnings: string[] = [];
  const clock = { now: 1_000_000 };
  const backend = await openLdap(
    { ...defaults, servers: [server.url], ...settings },
    { warn: (message) => void warnings.push(message), now: () => clock.now },
  );
  return { backend, warnings, clock };
}

export async function namesIn(list: AsyncIterable<{ readonly shortName: string }>): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { shortName } of list) names.push(shortName);
  return names.sort();
}
