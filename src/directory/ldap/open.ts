import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { DirectoryBackend } from "../backend.ts";
import { KeptAnswers } from "../kept-answers.ts";
import { uuid5 } from "../uuid5.ts";
import { LdapBackend } from "./backend.ts";
import { calendarServices } from "./computers.ts";
import { makeFilters } from "./filters.ts";
import { Lookup } from "./lookup.ts";
import { PasswordPool } from "./passwords.ts";
import { SearchPool } from "./pool.ts";
import { type MapOverrides, type SchemaName, schemaMap } from "./schema-map.ts";
import { LdapServers } from "./servers.ts";

/** What the property list says about a directory reached by LDAP. Times in milliseconds. */
export interface LdapSettings {
  readonly schema: SchemaName;
  /** Empty: the base's domain. */
  readonly realm: string;
  readonly servers: readonly string[];
  readonly startTls: boolean;
  readonly caFile: string;
  readonly verifyCertificate: boolean;
  readonly bindDn: string;
  readonly bindPassword: string;
  /** Its first line is the password, read whenever one is needed. Empty: `bindPassword` is. */
  readonly bindPasswordFile: string;
  readonly base: string;
  readonly overrides: MapOverrides;
  readonly timeout: number;
  readonly connections: number;
  readonly freshFor: number;
  readonly absentFor: number;
  readonly staleFor: number;
  readonly cacheSize: number;
  readonly restrictToGroup: string | undefined;
  readonly requireComputerRecord: boolean;
  readonly localUserAttribute: string | undefined;
  readonly serverHostName: string;
  /** Shared by the workers, different at each start: hashes passwords that were right. */
  readonly secret: string;
  /** The file in which workers share answers; undefined: they do not. */
  readonly keepIn: string | undefined;
}

// The original's constants, as in accounts-file.ts: GUIDs of records without one are derived from them.
const namespaces: Readonly<Record<SchemaName, string>> = {
  ldap: "5A871574-0C86-44EE-B11B-B9440C3DC4DD",
  opendirectory: "891F8321-ED02-424C-BA72-89C32F215C1E",
  activedirectory: "5A871574-0C86-44EE-B11B-B9440C3DC4DD",
};

/** Entries asked for at once: what is read of them holds the loop for some 10 ms. */
const pageSize = 200;

/** Opens a directory. The servers need not answer yet: until one does, what is asked is DirectoryUnavailable, and the log says
 *  why. Throws Error with a sentence when the settings cannot be right. */
export async function openLdap(
  settings: LdapSettings,
  { warn, now = Date.now }: { readonly warn: (message: string) => void; readonly now?: () => number },
): Promise<DirectoryBackend> {
  if (settings.servers.length === 0) throw new Error("servers: must name a server, such as ldap://ldap.example.com");
  for (const server of settings.servers)
    if (!/^ldaps?:\/\/(?:[^/?#@\s:]+|\[[0-9a-f:.]+\])(?::\d{1,5})?\/?$/i.test(server))
      throw new Error(`servers: must be ldap://host:port or ldaps://host:port, found ${JSON.stringify(server)}`);
  const ldap = await import("ldapts");
  const filters = makeFilters(ldap);
  const map = schemaMap(settings.schema, settings.overrides);
  let backend: LdapBackend | undefined;
  const servers = new LdapServers(ldap, { ...settings, warn, recovered: () => backend?.recovered() });
  const pool = new SearchPool(servers, {
    ...settings,
    pageSize,
    warn,
    bindPassword: async () =>
      settings.bindPasswordFile === ""
        ? settings.bindPassword
        : ((await readFile(settings.bindPasswordFile, "utf8")).split(/\r?\n/)[0] ?? ""),
  });
  const passwords = new PasswordPool(servers, { ...settings, warn });
  const realm = settings.realm || domainOf(settings.base);
  let services: { readonly at: number; readonly tags: Promise<ReadonlySet<string>> } | undefined;
  const lookup: Lookup = new Lookup({
    ...settings,
    pool,
    filters,
    map,
    namespace: uuid5(namespaces[settings.schema], realm),
    warn,
    services: async () => {
      if (!settings.requireComputerRecord) return undefined;
      if (services === undefined || now() - services.at >= settings.freshFor) {
        const before = services;
        const asked = { at: now(), tags: calendarServices(lookup, filters, settings.serverHostName) };
        services = asked;
        asked.tags.then(
          (tags) => tags.size > 0 || warn(`no computer record names a calendar service on ${settings.serverHostName}`),
          () => {
            if (services === asked) services = before;
          },
        );
        return asked.tags.catch((error) => before?.tags ?? Promise.reject(error));
      }
      return services.tags;
    },
  });
  try {
    // Only for the log: a wrong password or address is told at the start, not at the first request.
    void pool.search({ base: settings.base, scope: "base", attributes: ["objectClass"] }).catch(() => {});
    const { keepIn, staleFor, cacheSize } = settings;
    // Seven kinds of answers, and room for records that changed their names.
    const kept =
      keepIn === undefined
        ? undefined
        : new KeptAnswers(keepIn, { keepFor: staleFor, maxRows: cacheSize * 8, about: aboutOf(settings), warn });
    backend = new LdapBackend({
      ...settings,
      kept,
      realm,
      lookup,
      filters,
      passwords,
      now,
      warn,
      close: async () => {
        servers.close();
        pool.close();
        passwords.close();
        kept?.close();
      },
    });
    return backend;
  } catch (error) {
    servers.close();
    throw error;
  }
}

/** To be counted up when records get another form. */
const form = 2;

/** Stands for everything that makes a record of an entry what it is. */
const aboutOf = ({
  schema,
  base,
  realm,
  overrides,
  localUserAttribute,
  serverHostName,
  restrictToGroup,
}: LdapSettings): string =>
  hash(
    "sha256",
    JSON.stringify([form, schema, base, realm, overrides, localUserAttribute, serverHostName, restrictToGroup]),
  ).slice(0, 16);

/** `example.com` of `dc=example,dc=com`. */
const domainOf = (base: string): string =>
  [...base.matchAll(/(?:^|,)\s*dc\s*=\s*([^,]+)/gi)].map(([, label = ""]) => label.trim()).join(".") || base;
